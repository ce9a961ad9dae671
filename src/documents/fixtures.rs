//! Builds invoices and credit notes for tests.

use serde_json::Map;

use super::{Credited, InvoiceDocument, Party};
use crate::domain::invoices::{InvoiceKind, InvoiceLine, InvoiceStatus, LineCategory};
use crate::domain::values::money::Money;
use crate::domain::values::time::{DayRange, Timestamp};

pub fn line(description: &str, quantity: i64, unit_price: i64, total: i64) -> InvoiceLine {
    InvoiceLine {
        description: description.to_owned(),
        quantity,
        unit_price: Money::from_micros(unit_price),
        total: Money::from_micros(total),
        cost: None,
        category: LineCategory::Sms,
        details: Map::new(),
    }
}

/// A plain invoice of one line.
pub fn invoice() -> InvoiceDocument {
    let day = |text: &str| text.parse().expect("a date");
    InvoiceDocument {
        kind: InvoiceKind::Invoice,
        number: Some("INV-2026-000001".to_owned()),
        status: InvoiceStatus::Sent,
        period: DayRange::month_of(day("2026-03-01")),
        issued_on: Some(day("2026-03-31")),
        due_on: Some(day("2026-04-14")),
        paid_on: None,
        currency: "USD".parse().expect("a currency"),
        seller: Some(Party {
            name: "Wecall Communications Ltd".to_owned(),
            address: "Kimathi Street 12, P.O. Box 4711-00100, Nairobi".to_owned(),
            country: "KE".parse().ok(),
            tax_id: "P051234567X".to_owned(),
            email: "billing@wecall.example".to_owned(),
        }),
        buyer: Party { name: "Acme <b>& Sons</b>".to_owned(), ..Party::default() },
        lines: vec![line("SMS to Kenya, Safaricom", 61_725, 20_000, 1_234_500_000)],
        total: Money::from_micros(1_234_500_000),
        tax: None,
        paid: None,
        due: None,
        logo: None,
        credits: None,
        updated_at: Timestamp::from_micros(1_775_000_000_000_000),
    }
}

/// A credit note on a part of it.
pub fn credit_note() -> InvoiceDocument {
    InvoiceDocument {
        kind: InvoiceKind::CreditNote,
        number: Some("CN-2026-000001".to_owned()),
        credits: Some(Credited { number: "INV-2026-000001".to_owned(), issued_on: "2026-03-31".parse().ok() }),
        due_on: None,
        lines: vec![line("SMS to Kenya, Safaricom", -617, 20_000, -12_340_000)],
        total: Money::from_micros(-12_340_000),
        ..invoice()
    }
}

/// An invoice with this number of lines.
pub fn long(lines: usize) -> InvoiceDocument {
    let lines: Vec<InvoiceLine> =
        (1..=lines).map(|number| line(&format!("SMS to Kenya, operator {number}"), 1, 20_000, 20_000)).collect();
    let total = Money::sum(lines.iter().map(|line| line.total)).expect("a small sum");
    InvoiceDocument { lines, total, ..invoice() }
}

/// A blue picture of 60 by 30 pixels.
pub const PNG: &[u8] = include_bytes!("fixtures/logo.png");
