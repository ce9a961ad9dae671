//! Composes the texts of a document once, so that its HTML and PDF cannot differ.

use super::{Credited, InvoiceDocument, Party, figures};
use crate::domain::invoices::{InvoiceKind, InvoiceStatus, LineCategory};
use crate::domain::values::money::Money;

/// The texts of a document.
#[derive(Clone, Debug)]
pub struct Wording {
    /// `Invoice` or `Credit note`.
    pub title: &'static str,
    /// Its number; `Draft` or `Preview` without one.
    pub name: String,
    /// One large pale word across a document that must not pass for an invoice to be paid.
    pub stamp: Option<&'static str>,
    /// A notice to be read before anything else.
    pub notice: Option<&'static str>,
    pub facts: Vec<Labelled>,
    pub seller: Option<PartyWords>,
    pub buyer: PartyWords,
    /// The amount and its due date, which most people look for.
    pub headline: String,
    pub columns: [String; 4],
    pub rows: Vec<Row>,
    pub totals: Vec<TotalLine>,
    pub notes: Vec<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    pub label: &'static str,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartyWords {
    pub label: &'static str,
    pub name: String,
    pub lines: Vec<String>,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub description: String,
    /// Quantity, unit price, amount.
    pub figures: [String; 3],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalLine {
    pub label: String,
    pub value: String,
    pub weight: Weight,
}

/// The visual weight of a total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// For lines that explain another.
    Light,
    Plain,
    Strong,
}

impl Wording {
    pub fn of(document: &InvoiceDocument) -> Wording {
        let is_credit_note = document.kind == InvoiceKind::CreditNote;
        let unnumbered = if document.sid_is_missing() { "Preview" } else { "Draft" };
        let name = document.number.as_deref().map_or_else(|| unnumbered.to_owned(), clean);
        let has_messages = document.lines.iter().any(|line| line.category == LineCategory::Sms);
        let is_empty = document.lines.is_empty();
        let segments = "SMS are counted in segments: a long text is sent as several.";
        Wording {
            title: if is_credit_note { "Credit note" } else { "Invoice" },
            name,
            stamp: stamp(document.status),
            notice: notice(document.status),
            facts: facts(document),
            seller: document.seller.as_ref().map(|seller| party("From", seller)),
            buyer: party(if is_credit_note { "Credit to" } else { "Bill to" }, &document.buyer),
            headline: headline(document),
            columns: columns(document),
            rows: rows(document),
            totals: totals(document),
            notes: [is_empty.then_some("Nothing was charged in this period."), has_messages.then_some(segments)]
                .into_iter()
                .flatten()
                .collect(),
        }
    }

    /// An empty wording.
    pub fn blank() -> Wording {
        Wording {
            title: "Invoice",
            name: "Preview".to_owned(),
            stamp: None,
            notice: None,
            facts: Vec::new(),
            seller: None,
            buyer: PartyWords { label: "Bill to", name: String::new(), lines: Vec::new() },
            headline: "Nothing".to_owned(),
            columns: Default::default(),
            rows: Vec::new(),
            totals: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// `Invoice INV-2026-000001`.
    pub fn full_title(&self) -> String {
        format!("{} {}", self.title, self.name)
    }
}

impl InvoiceDocument {
    fn sid_is_missing(&self) -> bool {
        self.status == InvoiceStatus::Draft && !self.period.is_whole_month()
    }

    /// The total with the tax that is added to it, in millionths.
    fn total_with_tax(&self) -> i128 {
        let added = self.tax.filter(|tax| !tax.is_included).map_or(0, |tax| tax.amount.micros());
        i128::from(self.total.micros()) + i128::from(added)
    }

    /// `USD 1,234.50`.
    fn money(&self, micros: i128) -> String {
        format!("{}\u{a0}{}", self.currency.code(), figures::amount(micros, self.currency.exponent()))
    }

    fn amount(&self, money: Money) -> String {
        self.money(money.micros().into())
    }
}

fn stamp(status: InvoiceStatus) -> Option<&'static str> {
    match status {
        InvoiceStatus::Draft => Some("DRAFT"),
        InvoiceStatus::Cancelled => Some("CANCELLED"),
        InvoiceStatus::Sent | InvoiceStatus::Paid | InvoiceStatus::Overdue => None,
    }
}

fn notice(status: InvoiceStatus) -> Option<&'static str> {
    match status {
        InvoiceStatus::Draft => Some("This is a draft, not an invoice. Its figures change until the period is closed."),
        InvoiceStatus::Cancelled => Some("This was cancelled. Nothing is to be paid on it."),
        InvoiceStatus::Sent | InvoiceStatus::Paid | InvoiceStatus::Overdue => None,
    }
}

fn facts(document: &InvoiceDocument) -> Vec<Labelled> {
    let number = match document.kind {
        InvoiceKind::Invoice => "Invoice number",
        InvoiceKind::CreditNote => "Credit note number",
    };
    let day = |label, day: Option<chrono::NaiveDate>| day.map(|day| Labelled { label, value: figures::day(day) });
    let text = |label, text: Option<&String>| text.map(|text| Labelled { label, value: clean(text) });
    let facts = [
        text(number, document.number.as_ref()),
        document.credits.as_ref().map(|credited| Labelled { label: "For invoice", value: for_invoice(credited) }),
        day("Date of issue", document.issued_on),
        day("Date due", document.due_on),
        day("Date paid", document.paid_on),
        Some(Labelled { label: "Period", value: figures::period(document.period) }),
        Some(Labelled { label: "Currency", value: document.currency.code().to_owned() }),
    ];
    facts.into_iter().flatten().collect()
}

fn for_invoice(credited: &Credited) -> String {
    let number = clean(&credited.number);
    credited.issued_on.map_or_else(|| number.clone(), |day| format!("{number} of {}", figures::day(day)))
}

fn party(label: &'static str, party: &Party) -> PartyWords {
    let tax_id = clean(&party.tax_id);
    let tax_id = if tax_id.is_empty() { tax_id } else { format!("Tax ID {tax_id}") };
    let country = party.country.map(|country| country.name().to_owned()).unwrap_or_default();
    let lines = [clean(&party.address), country, tax_id, clean(&party.email)];
    let lines = lines.into_iter().filter(|line| !line.is_empty()).collect();
    PartyWords { label, name: clean(&party.name), lines }
}

fn headline(document: &InvoiceDocument) -> String {
    let total = document.total_with_tax();
    if document.kind == InvoiceKind::CreditNote {
        // What is credited is written below zero in the lines.
        return format!("{} credited", document.money(-total));
    }
    let due = document.due.map_or(total, |due| due.micros().into());
    let on = |word: &str, day: Option<chrono::NaiveDate>| {
        day.map(|day| format!(" {word} {}", figures::day(day))).unwrap_or_default()
    };
    match document.status {
        InvoiceStatus::Draft => format!("{} so far", document.money(total)),
        InvoiceStatus::Sent if document.due_on.is_some() => {
            format!("{} due {}", document.money(due), on("", document.due_on).trim_start())
        }
        InvoiceStatus::Sent => format!("{} due", document.money(due)),
        InvoiceStatus::Overdue => format!("{} overdue{}", document.money(due), on("since", document.due_on)),
        InvoiceStatus::Paid => format!("{} paid{}", document.money(total), on("on", document.paid_on)),
        InvoiceStatus::Cancelled => format!("{} cancelled", document.money(total)),
    }
}

fn columns(document: &InvoiceDocument) -> [String; 4] {
    let code = document.currency.code();
    ["Description".to_owned(), "Quantity".to_owned(), format!("Unit price, {code}"), format!("Amount, {code}")]
}

fn rows(document: &InvoiceDocument) -> Vec<Row> {
    let exponent = document.currency.exponent();
    let amount = |money: Money| figures::amount(money.micros().into(), exponent);
    let row = |line: &crate::domain::invoices::InvoiceLine| Row {
        description: clean(&line.description),
        figures: [figures::count(line.quantity), amount(line.unit_price), amount(line.total)],
    };
    document.lines.iter().map(row).collect()
}

fn totals(document: &InvoiceDocument) -> Vec<TotalLine> {
    let line = |label: &str, value: String, weight| TotalLine { label: label.to_owned(), value, weight };
    let mut totals = Vec::new();
    let added = document.tax.filter(|tax| !tax.is_included);
    if let Some(tax) = added {
        totals.push(line("Subtotal", document.amount(document.total), Weight::Plain));
        totals.push(line(&format!("Tax {}%", tax.rate), document.amount(tax.amount), Weight::Plain));
    }
    totals.push(line("Total", document.money(document.total_with_tax()), Weight::Strong));
    if let Some(tax) = document.tax.filter(|tax| tax.is_included) {
        totals.push(line(&format!("of which tax {}%", tax.rate), document.amount(tax.amount), Weight::Light));
    }
    if let Some(paid) = document.paid.filter(|paid| !paid.is_zero()) {
        totals.push(line("Already paid", document.money(-i128::from(paid.micros())), Weight::Plain));
    }
    if let Some(due) = document.due {
        totals.push(line("Amount due", document.amount(due), Weight::Strong));
    }
    totals
}

/// A text of somebody else's, made fit for a line: blanks of all kinds become one blank, and characters that turn the
/// direction of writing, join or hide letters, or have no meaning to others are removed.
fn clean(text: &str) -> String {
    let shown = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).filter(|l| !is_hidden(*l));
    let shown: String = shown.collect();
    shown.split(char::is_whitespace).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Formatting characters, and code points for private use or without a character (Unicode 16, chapters 23.2 to 23.8).
fn is_hidden(letter: char) -> bool {
    let is_noncharacter = u32::from(letter) & 0xFFFE == 0xFFFE;
    is_noncharacter
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::documents::{Tax, fixtures};
    use crate::domain::values::money::BasisPoints;

    fn totals_of(document: &InvoiceDocument) -> Vec<(String, String)> {
        let spaced = |text: String| text.replace('\u{a0}', " ");
        Wording::of(document).totals.into_iter().map(|line| (line.label, spaced(line.value))).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn totals_with_and_without_tax() {
        let mut document = fixtures::invoice();
        assert_eq!(totals_of(&document), pairs(&[("Total", "USD 1,234.50")]));
        let tax = |is_included| Tax {
            rate: BasisPoints::from_percent(16),
            amount: Money::from_micros(197_520_000),
            is_included,
        };
        document.tax = Some(tax(false));
        document.paid = Some(Money::from_units(1_000));
        document.due = Some(Money::from_micros(432_020_000));
        assert_eq!(
            totals_of(&document),
            pairs(&[
                ("Subtotal", "USD 1,234.50"),
                ("Tax 16%", "USD 197.52"),
                ("Total", "USD 1,432.02"),
                ("Already paid", "USD -1,000.00"),
                ("Amount due", "USD 432.02"),
            ])
        );
        document.tax = Some(tax(true));
        (document.paid, document.due) = (None, Some(Money::ZERO));
        assert_eq!(
            totals_of(&document),
            pairs(&[("Total", "USD 1,234.50"), ("of which tax 16%", "USD 197.52"), ("Amount due", "USD 0.00")])
        );
    }

    #[rstest]
    #[case(InvoiceStatus::Draft, "USD 1,234.50 so far")]
    #[case(InvoiceStatus::Sent, "USD 1,234.50 due 14 April 2026")]
    #[case(InvoiceStatus::Overdue, "USD 1,234.50 overdue since 14 April 2026")]
    #[case(InvoiceStatus::Paid, "USD 1,234.50 paid")]
    #[case(InvoiceStatus::Cancelled, "USD 1,234.50 cancelled")]
    fn headlines(#[case] status: InvoiceStatus, #[case] expected: &str) {
        let document = InvoiceDocument { status, ..fixtures::invoice() };
        assert_eq!(Wording::of(&document).headline.replace('\u{a0}', " "), expected);
    }

    #[test]
    fn a_credit_note_says_what_it_credits() {
        let document = fixtures::credit_note();
        let wording = Wording::of(&document);
        assert_eq!(wording.full_title(), "Credit note CN-2026-000001");
        assert_eq!(wording.headline.replace('\u{a0}', " "), "USD 12.34 credited");
        let for_invoice = |value: &str| Labelled { label: "For invoice", value: value.to_owned() };
        assert!(wording.facts.contains(&for_invoice("INV-2026-000001 of 31 March 2026")), "{:?}", wording.facts);
        let undated = Credited { number: "INV-2026-000001".to_owned(), issued_on: None };
        let wording = Wording::of(&InvoiceDocument { credits: Some(undated), ..fixtures::credit_note() });
        assert!(wording.facts.contains(&for_invoice("INV-2026-000001")), "{:?}", wording.facts);
        assert_eq!(wording.rows[0].figures[2], "-12.34");
    }

    #[rstest]
    #[case("  Two \u{a0}\u{2003} words\t", "Two words")]
    #[case("evil\u{202e}gpj.exe\u{feff}\u{e123}\u{10ffff}", "evilgpj.exe")]
    #[case("ብርሃን ነጋ", "ብርሃን ነጋ")]
    #[case("a\0b", "a b")]
    fn cleaned(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(clean(text), expected);
    }
}
