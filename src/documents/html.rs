//! Renders a document as one self-contained HTML page, for any screen width and for print.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::wording::{Labelled, PartyWords, Row, TotalLine, Weight, Wording};
use super::{InvoiceDocument, Logo};

/// The style of every page.
const STYLE: &str = include_str!("html.css");

/// Not every system has Ethiopic letters; the others that invoices are written in, every system has. The style names
/// this font first: behind one that the system has but without these letters, Chromium draws boxes.
static ETHIOPIC: LazyLock<String> = LazyLock::new(|| {
    let regular: &[u8] = include_bytes!("fonts/NotoSansEthiopic-Regular.ttf");
    let bold: &[u8] = include_bytes!("fonts/NotoSansEthiopic-Bold.ttf");
    let face = |weight: u16, font: &[u8]| {
        format!(
            "@font-face {{ font-family: \"Invoice Ethiopic\"; font-weight: {weight}; \
             unicode-range: U+1200-139F, U+2D80-2DDF, U+AB01-AB2E; \
             src: url(data:font/ttf;base64,{}) format(\"truetype\"); }}\n",
            BASE64.encode(font)
        )
    };
    face(400, regular) + &face(700, bold)
});

/// The contents of the style elements that pages may have, for a content security policy that allows only these.
pub fn styles() -> [&'static str; 2] {
    [STYLE, &ETHIOPIC]
}

/// The document as an HTML page; the same text for equal documents.
pub fn html(document: &InvoiceDocument) -> String {
    let wording = Wording::of(document);
    let body = body(&wording, document.logo.as_ref());
    let fonts = if body.chars().any(is_ethiopic) { styles()[1] } else { "" };
    let fonts = if fonts.is_empty() { String::new() } else { format!("<style>{fonts}</style>\n") };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{}</title>\n{fonts}<style>{STYLE}</style>\n</head>\n\
         <body>\n{body}</body>\n</html>\n",
        escaped(&wording.full_title())
    )
}

fn is_ethiopic(letter: char) -> bool {
    matches!(letter, '\u{1200}'..='\u{139f}' | '\u{2d80}'..='\u{2ddf}' | '\u{ab01}'..='\u{ab2e}')
}

fn body(wording: &Wording, logo: Option<&Logo>) -> String {
    let parts = [
        stamp(wording),
        header(wording, logo),
        wording.notice.map(|notice| format!("<p class=\"notice\">{}</p>\n", escaped(notice))).unwrap_or_default(),
        format!("<dl class=\"facts\">\n{}</dl>\n", wording.facts.iter().map(fact).collect::<String>()),
        format!("<div class=\"parties\">\n{}</div>\n", parties(wording)),
        format!("<h2>{}</h2>\n", escaped(&wording.headline)),
        lines(wording),
        totals(&wording.totals),
        wording.notes.iter().map(|note| format!("<p class=\"notes\">{}</p>\n", escaped(note))).collect(),
    ];
    format!("<main>\n{}</main>\n", parts.concat())
}

/// Hidden from screen readers: the notice says the same.
fn stamp(wording: &Wording) -> String {
    let Some(stamp) = wording.stamp else { return String::new() };
    let class = if stamp.len() > 6 { "stamp long" } else { "stamp" };
    format!("<div class=\"{class}\" aria-hidden=\"true\">{}</div>\n", escaped(stamp))
}

fn header(wording: &Wording, logo: Option<&Logo>) -> String {
    let seller = wording.seller.as_ref().map_or("", |seller| seller.name.as_str());
    let brand = match logo {
        Some(logo) => {
            let (png, name) = (BASE64.encode(logo.png()), escaped(seller));
            format!("<img class=\"logo\" src=\"data:image/png;base64,{png}\" alt=\"Logo of {name}\">\n")
        }
        None if seller.is_empty() => String::new(),
        // The name is said below, with the address.
        None => format!("<p class=\"brand\" aria-hidden=\"true\">{}</p>\n", escaped(seller)),
    };
    format!("<header>\n<h1>{}</h1>\n{brand}</header>\n", escaped(wording.title))
}

fn fact(fact: &Labelled) -> String {
    format!("<dt>{}</dt><dd>{}</dd>\n", escaped(fact.label), escaped(&fact.value))
}

fn parties(wording: &Wording) -> String {
    let party = |party: &PartyWords| {
        let lines: String = party.lines.iter().map(|line| format!("<p>{}</p>\n", escaped(line))).collect();
        let (label, name) = (escaped(party.label), escaped(&party.name));
        format!("<section>\n<p class=\"label\">{label}</p>\n<p class=\"name\">{name}</p>\n{lines}</section>\n")
    };
    wording.seller.iter().chain([&wording.buyer]).map(party).collect()
}

fn lines(wording: &Wording) -> String {
    let headings: String =
        wording.columns.iter().map(|column| format!("<th scope=\"col\">{}</th>", escaped(column))).collect();
    let row = |row: &Row| {
        let figures: String = row.figures.iter().map(|figure| format!("<td>{}</td>", escaped(figure))).collect();
        format!("<tr><td>{}</td>{figures}</tr>\n", escaped(&row.description))
    };
    let rows: String = wording.rows.iter().map(row).collect();
    format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"Lines\" tabindex=\"0\">\n\
         <table class=\"lines\">\n<caption class=\"hidden\">What was charged</caption>\n\
         <thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
}

fn totals(totals: &[TotalLine]) -> String {
    let row = |line: &TotalLine| {
        let class = match line.weight {
            Weight::Light => "light",
            Weight::Plain => "plain",
            Weight::Strong => "strong",
        };
        let (label, value) = (escaped(&line.label), escaped(&line.value));
        format!("<tr class=\"{class}\"><th scope=\"row\">{label}</th><td>{value}</td></tr>\n")
    };
    let rows: String = totals.iter().map(row).collect();
    format!("<table class=\"totals\">\n<caption class=\"hidden\">Totals</caption>\n<tbody>\n{rows}</tbody>\n</table>\n")
}

/// Escapes a text for use between tags and in quoted attributes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Credited, Party, fixtures};
    use super::*;
    use crate::domain::invoices::InvoiceStatus;

    #[test]
    fn a_page_says_all_of_it() {
        let page = html(&fixtures::invoice()).replace('\u{a0}', " ");
        for part in [
            "<html lang=\"en\">",
            "<title>Invoice INV-2026-000001</title>",
            "<dt>Date due</dt><dd>14 April 2026</dd>",
            "<dt>Period</dt><dd>1–31 March 2026</dd>",
            "Wecall Communications Ltd",
            "Tax ID P051234567X",
            "<th scope=\"col\">Amount, USD</th>",
            "<td>SMS to Kenya, Safaricom</td><td>61,725</td><td>0.02</td><td>1,234.50</td>",
            "<h2>USD 1,234.50 due 14 April 2026</h2>",
            "<th scope=\"row\">Total</th><td>USD 1,234.50</td>",
        ] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
        assert!(!page.contains("class=\"stamp"), "an invoice carries no stamp");
        assert!(!page.contains("@font-face"), "no font is sent that nobody needs");
    }

    #[test]
    fn fonts_for_ethiopic() {
        let mut document = fixtures::invoice();
        document.buyer.name = "ብርሃን ነጋ".to_owned();
        let page = html(&document);
        for style in styles() {
            assert!(page.contains(&format!("<style>{style}</style>")));
        }
    }

    #[test]
    fn drafts_and_cancelled_ones_say_so() {
        for (status, stamp) in [(InvoiceStatus::Draft, "DRAFT"), (InvoiceStatus::Cancelled, "CANCELLED")] {
            let page = html(&InvoiceDocument { status, number: None, ..fixtures::invoice() });
            assert!(page.contains(&format!("aria-hidden=\"true\">{stamp}</div>")), "{page}");
            assert!(page.contains("class=\"notice\""));
        }
    }

    #[test]
    fn nothing_is_injected() {
        let evil = "</td></style><script>alert(1)</script>\"' onload=\"x";
        let mut document = fixtures::invoice();
        document.buyer = Party {
            name: evil.to_owned(),
            address: evil.to_owned(),
            tax_id: evil.to_owned(),
            email: evil.to_owned(),
            country: None,
        };
        document.seller = Some(document.buyer.clone());
        document.logo = Logo::new(fixtures::PNG.to_vec()).ok();
        document.number = Some(evil.to_owned());
        document.credits = Some(Credited { number: evil.to_owned(), issued_on: None });
        document.lines[0].description = evil.to_owned();
        let page = html(&document);
        assert!(!page.contains("<script") && !page.contains("\" onload"));
        assert_eq!(page.matches("</style>").count(), 1);
    }

    proptest! {
        /// No text opens or closes a tag, or leaves its quotes.
        #[test]
        fn escaping(text in ".*") {
            let safe = escaped(&text);
            prop_assert!(!safe.contains(['<', '>', '"', '\'']));
            let restored = safe.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
            prop_assert_eq!(restored.replace("&amp;", "&"), text);
        }
    }
}
