//! Draws invoices as HTML and PDF, for people to read and file. Pure: equal documents give equal bytes.
//!
//! [`InvoiceDocument`] is all that a page shows; [`wording`] puts it into words once, so that both forms say the same.

pub mod figures;
pub mod html;
pub mod logo;
pub mod pdf;
pub mod wording;

#[cfg(test)]
mod fixtures;

use chrono::NaiveDate;

use crate::domain::invoices::parties::Party;
use crate::domain::invoices::tax::Tax;
use crate::domain::invoices::{Invoice, InvoiceKind, InvoiceLine, InvoiceStatus, InvoiceSummary};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::time::{DayRange, Timestamp};
pub use logo::Logo;

/// An invoice or a credit note, with all that a page shows of it.
#[derive(Clone, Debug)]
pub struct InvoiceDocument {
    pub kind: InvoiceKind,
    /// `None` on a draft.
    pub number: Option<String>,
    pub status: InvoiceStatus,
    pub period: DayRange,
    pub issued_on: Option<NaiveDate>,
    pub due_on: Option<NaiveDate>,
    pub paid_on: Option<NaiveDate>,
    pub currency: Currency,
    /// `None` where the seller is unknown.
    pub seller: Option<Party>,
    pub buyer: Party,
    pub lines: Vec<InvoiceLine>,
    /// The sum of the lines.
    pub total: Money,
    pub tax: Option<Tax>,
    /// The amount paid before or since, as by a prepaid wallet.
    pub paid: Option<Money>,
    /// The amount still due.
    pub due: Option<Money>,
    pub logo: Option<Logo>,
    /// On a credit note: the invoice it corrects.
    pub credits: Option<Credited>,
    /// When the contents changed last.
    pub updated_at: Timestamp,
}

/// The invoice that a credit note corrects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credited {
    pub number: String,
    pub issued_on: Option<NaiveDate>,
}

impl InvoiceDocument {
    /// The document of an invoice, a credit note or a draft. `credited`: the invoice that a credit note takes from.
    pub fn of(
        invoice: Invoice,
        (seller, buyer): (Option<Party>, Party),
        credited: Option<&InvoiceSummary>,
        logo: Option<Logo>,
    ) -> InvoiceDocument {
        let credits = credited
            .map(|credited| Credited { number: credited.number().to_owned(), issued_on: credited.header.issue_date });
        let header = invoice.header;
        let tax = header.dues.tax;
        // Of a draft nothing is due yet. What was not due at the close was paid before, by a prepaid wallet.
        let is_final = header.status != InvoiceStatus::Draft && header.kind == InvoiceKind::Invoice;
        let due = is_final.then(|| header.still_due());
        let paid = due.and_then(|due| invoice.total.checked_add(tax.added()).ok()?.checked_sub(due).ok());
        InvoiceDocument {
            kind: header.kind,
            number: header.number,
            status: header.status,
            period: invoice.period,
            issued_on: header.issue_date,
            due_on: header.due_date,
            paid_on: header.paid_date,
            currency: invoice.currency,
            seller,
            buyer,
            lines: invoice.lines,
            total: invoice.total,
            tax: tax.is_any().then_some(tax),
            paid,
            due,
            logo,
            credits,
            updated_at: header.updated_at,
        }
    }

    /// A file name for it, without the extension: only letters, digits and `_ . -`.
    pub fn file_name(&self) -> String {
        let is_fit = |letter: &char| letter.is_ascii_alphanumeric() || "_.-".contains(*letter);
        let number: String = self.number.iter().flat_map(|number| number.chars()).filter(is_fit).collect();
        if number.is_empty() { format!("DRAFT-{}", self.period.first.format("%Y-%m")) } else { number }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::invoices::{Dues, InvoiceHeader};
    use crate::domain::values::money::BasisPoints;

    /// Of a total of 30 and a tax of 3 on top: what was due at the close, what was paid since, what the page says was
    /// paid and is due.
    #[rstest]
    #[case(InvoiceKind::Invoice, InvoiceStatus::Draft, 0, 0, None)]
    #[case(InvoiceKind::Invoice, InvoiceStatus::Sent, 33, 0, Some((0, 33)))]
    #[case(InvoiceKind::Invoice, InvoiceStatus::Overdue, 33, 10, Some((10, 23)))]
    #[case(InvoiceKind::Invoice, InvoiceStatus::Sent, 20, 5, Some((18, 15)))]
    #[case(InvoiceKind::Invoice, InvoiceStatus::Paid, 0, 0, Some((33, 0)))]
    #[case(InvoiceKind::CreditNote, InvoiceStatus::Paid, 0, 0, None)]
    fn paid_and_due(
        #[case] kind: InvoiceKind,
        #[case] status: InvoiceStatus,
        #[case] at_close: i32,
        #[case] paid: i32,
        #[case] expected: Option<(i32, i32)>,
    ) {
        let tax = Tax { rate: BasisPoints::new(1_000), amount: Money::from_units(3), is_included: false };
        let header = InvoiceHeader {
            kind,
            status,
            frozen_total: Some(Money::from_units(30)),
            dues: Dues {
                at_close: Money::from_units(at_close),
                tax,
                paid: Money::from_units(paid),
                paid_tax: Money::ZERO,
            },
            ..InvoiceHeader::preview(Timestamp::from_micros(0))
        };
        let (business, currency) = ("biz".parse().expect("a SID"), "USD".parse().expect("a currency"));
        let period = DayRange::month_of("2026-03-01".parse().expect("a date"));
        let invoice = Invoice::new((business, currency), period, header, Vec::new()).expect("a small sum");
        let document = InvoiceDocument::of(invoice, (None, Party::default()), None, None);
        let expected = expected.map(|(paid, due)| (Money::from_units(paid), Money::from_units(due)));
        assert_eq!(document.paid.zip(document.due), expected);
        assert_eq!(document.due.is_some(), expected.is_some());
    }

    #[test]
    fn file_names() {
        let mut document = fixtures::invoice();
        assert_eq!(document.file_name(), "INV-2026-000001");
        document.number = Some("A\"/../\r\nB".to_owned());
        assert_eq!(document.file_name(), "A..B");
        document.number = None;
        assert_eq!(document.file_name(), "DRAFT-2026-03");
    }
}
