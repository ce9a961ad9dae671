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
use crate::domain::invoices::{InvoiceKind, InvoiceLine, InvoiceStatus};
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
    /// A file name for it, without the extension: only letters, digits and `_ . -`.
    pub fn file_name(&self) -> String {
        let is_fit = |letter: &char| letter.is_ascii_alphanumeric() || "_.-".contains(*letter);
        let number: String = self.number.iter().flat_map(|number| number.chars()).filter(is_fit).collect();
        if number.is_empty() { format!("DRAFT-{}", self.period.first.format("%Y-%m")) } else { number }
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures;

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
