//! Tests PDFs by reading them back: texts, long tables, scripts, stamps, equal bytes.

use lopdf::Document as Reader;

use super::*;
use crate::documents::{Party, Tax, fixtures};
use crate::domain::invoices::InvoiceStatus;
use crate::domain::values::money::{BasisPoints, Money};

/// The text of each page, read by another program's eyes.
fn texts(document: &InvoiceDocument) -> Vec<String> {
    let reader = Reader::load_mem(&pdf(document).expect("a PDF")).expect("that can be read");
    let pages = reader.get_pages();
    pages.keys().map(|page| reader.extract_text(&[*page]).expect("text").replace(['\u{a0}', '\n'], " ")).collect()
}

fn says(page: &str, words: &str) -> bool {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    bare(page).contains(&bare(words))
}

#[test]
fn a_page_says_all_of_it() {
    let document = InvoiceDocument {
        tax: Some(Tax {
            rate: BasisPoints::from_percent(16),
            amount: Money::from_micros(197_520_000),
            is_included: false,
        }),
        paid: Some(Money::from_units(1_000)),
        due: Some(Money::from_micros(432_020_000)),
        ..fixtures::invoice()
    };
    let pages = texts(&document);
    assert_eq!(pages.len(), 1);
    for words in [
        "INV-2026-000001",
        "14 April 2026",
        "1–31 March 2026",
        "Wecall Communications Ltd",
        "Acme <b>& Sons</b>",
        "Unit price, USD",
        "SMS to Kenya, Safaricom",
        "61,725",
        "1,234.50",
        "Tax 16%",
        "USD 432.02",
        "Page 1 of 1",
    ] {
        assert!(says(&pages[0], words), "{words} is not in {}", pages[0]);
    }
}

/// Every line once, the headings on every page, the totals on the last.
#[test]
fn long_tables() {
    let document = fixtures::long(70);
    let pages = texts(&document);
    assert_eq!(pages.len(), 3);
    for (number, page) in (1..).zip(&pages) {
        assert!(says(page, "Amount, USD"), "page {number} has no headings: {page}");
        assert!(says(page, &format!("Page {number} of 3")), "{page}");
        assert_eq!(says(page, "Total"), number == 3, "{page}");
    }
    let all = pages.concat();
    for number in 1..=70 {
        let line = format!("SMS to Kenya, operator {number} 1 0.02 0.02");
        assert!(says(&all, &line), "{line}");
    }
}

#[test]
fn names_in_many_letters() {
    let names = ["Γιώργος Παπαδόπουλος", "Быстрая почта", "Müller Łódź Ngũgĩ", "ብርሃን ነጋ", "東京"];
    for name in names {
        let document =
            InvoiceDocument { buyer: Party { name: name.to_owned(), ..Party::default() }, ..fixtures::invoice() };
        let pages = texts(&document);
        // What no font has is drawn as missing; its text is there to be copied.
        assert!(says(&pages[0], name) || name == "東京", "{name} is not in {}", pages[0]);
    }
}

#[test]
fn drafts_and_cancelled_ones_are_stamped() {
    for (status, stamp) in [(InvoiceStatus::Draft, "DRAFT"), (InvoiceStatus::Cancelled, "CANCELLED")] {
        let pages = texts(&InvoiceDocument { status, number: None, ..fixtures::long(40) });
        assert_eq!(pages.len(), 2);
        assert!(pages.iter().all(|page| says(page, stamp)), "{pages:?}");
    }
}

#[test]
fn nothing_at_all() {
    let document = InvoiceDocument {
        seller: None,
        number: None,
        lines: Vec::new(),
        total: Money::ZERO,
        buyer: Party::default(),
        ..fixtures::invoice()
    };
    assert!(says(&texts(&document)[0], "Nothing was charged in this period."));
}

#[test]
fn the_same_bytes_again() {
    let mut document = fixtures::long(30);
    document.logo = Logo::new(fixtures::PNG.to_vec()).ok();
    assert!(document.logo.is_some());
    assert_eq!(pdf(&document).expect("a PDF"), pdf(&document).expect("a PDF"));
}

/// Whatever a business is called, there is a PDF: no letter breaks the rules of PDF/A.
#[test]
fn any_name() {
    for letters in [
        "\u{0}\u{7f}\u{85}",
        "\u{feff}\u{fffe}\u{ffff}",
        "\u{e000}\u{f8ff}",
        "🦒👩‍👩‍👧",
        "שלום مرحبا",
        "e\u{301}\u{302}\u{135f}",
    ] {
        let mut document = fixtures::credit_note();
        document.buyer = Party { name: letters.repeat(40), address: letters.to_owned(), ..Party::default() };
        document.lines[0].description = letters.to_owned();
        assert!(pdf(&document).is_ok(), "{letters:?}: {:?}", pdf(&document).err());
    }
}
