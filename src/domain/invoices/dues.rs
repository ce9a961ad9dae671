//! Computes the amount due on an invoice, and checks whether it may be paid, cancelled or credited.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::allocation::{Allocation, OpenInvoice};
use super::{InvoiceKind, InvoiceStatus, InvoiceSummary};
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::values::sid::InvoiceSid;

/// An invoice after a credit paid a part of it, and the allocation that did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidInvoice {
    pub sid: Option<InvoiceSid>,
    pub number: String,
    pub net: Money,
    pub tax: Money,
    pub status: InvoiceStatus,
}

impl InvoiceSummary {
    /// The invoice after a payment on a day: PAID, once nothing is left.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`], which no amount of an invoice comes near.
    pub fn after(mut self, paid: Allocation, day: NaiveDate) -> Result<InvoiceSummary, MoneyError> {
        let dues = &mut self.header.dues;
        dues.paid = dues.paid.checked_add(paid.net)?.checked_add(paid.tax)?;
        dues.paid_tax = dues.paid_tax.checked_add(paid.tax)?;
        if self.header.still_due().is_zero() {
            self.header.status = InvoiceStatus::Paid;
            self.header.paid_date = Some(day);
        }
        Ok(self)
    }

    /// The invoice as allocation sees it.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`], which no amount of an invoice comes near.
    pub fn to_open(&self, id: i64) -> Result<OpenInvoice, MoneyError> {
        let dues = &self.header.dues;
        let (tax_on_top, paid_net) = (dues.tax_on_top(), dues.paid.checked_sub(dues.paid_tax)?);
        Ok(OpenInvoice {
            id,
            period_start: self.period.first,
            number: self.number().to_owned(),
            net: dues.at_close.checked_sub(tax_on_top)?.checked_sub(paid_net)?,
            tax: tax_on_top.checked_sub(dues.paid_tax)?,
        })
    }

    /// The invoice number; `DRAFT` on a draft.
    pub fn number(&self) -> &str {
        self.header.number.as_deref().unwrap_or("DRAFT")
    }

    /// Checks that the invoice may be paid.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check_payable(&self) -> Result<(), BillRefusal> {
        match self.header.status {
            _ if self.header.kind == InvoiceKind::CreditNote => Err(BillRefusal::CreditNote),
            InvoiceStatus::Draft => Err(BillRefusal::Draft),
            InvoiceStatus::Cancelled => Err(BillRefusal::Cancelled),
            InvoiceStatus::Paid => Err(BillRefusal::Paid),
            InvoiceStatus::Sent | InvoiceStatus::Overdue => Ok(()),
        }
    }

    /// Whether there is anything to cancel: a cancelled invoice stays as it is.
    ///
    /// # Errors
    /// Why it cannot be cancelled.
    pub fn is_to_cancel(&self, has_credit_notes: bool) -> Result<bool, BillRefusal> {
        match self.header.status {
            _ if self.header.kind == InvoiceKind::CreditNote => Err(BillRefusal::CreditNote),
            InvoiceStatus::Draft => Err(BillRefusal::Draft),
            InvoiceStatus::Cancelled => Ok(false),
            _ if has_credit_notes || !self.header.dues.paid.is_zero() => Err(BillRefusal::InUse),
            InvoiceStatus::Paid if !self.header.dues.at_close.is_zero() => Err(BillRefusal::InUse),
            InvoiceStatus::Sent | InvoiceStatus::Overdue | InvoiceStatus::Paid => Ok(true),
        }
    }

    /// Checks that a credit note may be written on the invoice.
    ///
    /// # Errors
    /// Why none may.
    pub fn check_creditable(&self) -> Result<(), BillRefusal> {
        match self.header.status {
            _ if self.header.kind == InvoiceKind::CreditNote => Err(BillRefusal::CreditNote),
            InvoiceStatus::Draft => Err(BillRefusal::Draft),
            InvoiceStatus::Cancelled => Err(BillRefusal::Cancelled),
            InvoiceStatus::Sent | InvoiceStatus::Overdue | InvoiceStatus::Paid => Ok(()),
        }
    }
}

/// Why an invoice cannot be paid, cancelled or credited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillRefusal {
    #[error("This invoice is a draft: its month is not closed yet, and nothing is due on it.")]
    Draft,
    #[error("This invoice was cancelled: nothing is due on it, and nothing can be credited.")]
    Cancelled,
    #[error("This is a credit note: name the invoice that it takes something off.")]
    CreditNote,
    #[error("This invoice is paid; top up the wallet to put money into it.")]
    Paid,
    #[error("Something was paid on this invoice or credited: write a credit note instead of cancelling it.")]
    InUse,
    #[error("Of this invoice {left} {currency} can still be credited, which is less than what you ask.")]
    TooMuch { left: Money, currency: &'static str },
    #[error("This invoice is credited as a whole already, or there was nothing to pay for on it.")]
    NothingLeft,
}

impl BillRefusal {
    pub fn code(&self) -> &'static str {
        match self {
            BillRefusal::Draft => "invoice_draft",
            BillRefusal::Cancelled => "invoice_cancelled",
            BillRefusal::CreditNote => "invoice_is_credit_note",
            BillRefusal::Paid => "invoice_paid",
            BillRefusal::InUse => "invoice_in_use",
            BillRefusal::TooMuch { .. } => "credit_exceeds_invoice",
            BillRefusal::NothingLeft => "invoice_credited",
        }
    }
}

#[cfg(test)]
pub mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::invoices::tax::Tax;
    use crate::domain::invoices::{Dues, InvoiceHeader};
    use crate::domain::values::money::BasisPoints;
    use crate::domain::values::time::{DayRange, Timestamp};

    pub fn invoice(status: InvoiceStatus, total: i32, at_close: i32) -> InvoiceSummary {
        let is_draft = status == InvoiceStatus::Draft;
        let header = InvoiceHeader {
            number: (!is_draft).then(|| "INV-2026-000001".to_owned()),
            status,
            frozen_total: (!is_draft).then(|| Money::from_units(total)),
            dues: Dues { at_close: Money::from_units(at_close), ..Dues::default() },
            ..InvoiceHeader::preview(Timestamp::from_micros(0))
        };
        InvoiceSummary {
            business_sid: "biz".parse().expect("a business"),
            currency: "USD".parse().expect("a currency"),
            period: DayRange::month_of("2026-02-01".parse().expect("a day")),
            header,
            credited_invoice: None,
            reason: None,
        }
    }

    /// Whether it can be paid, cancelled, credited: `+`, or the code of the refusal.
    #[rstest]
    #[case(InvoiceStatus::Draft, 0, "invoice_draft invoice_draft invoice_draft")]
    #[case(InvoiceStatus::Sent, 0, "+ + +")]
    #[case(InvoiceStatus::Sent, 5, "+ invoice_in_use +")]
    #[case(InvoiceStatus::Overdue, 0, "+ + +")]
    #[case(InvoiceStatus::Paid, 30, "invoice_paid invoice_in_use +")]
    #[case(InvoiceStatus::Cancelled, 0, "invoice_cancelled = invoice_cancelled")]
    fn what_may_be_done(#[case] status: InvoiceStatus, #[case] paid: i32, #[case] expected: &str) {
        let mut summary = invoice(status, 30, 30);
        summary.header.dues.paid = Money::from_units(paid);
        let told = |outcome: Result<(), BillRefusal>| outcome.err().map_or("+", |refusal| refusal.code());
        let cancel = match summary.is_to_cancel(false) {
            Ok(true) => "+",
            Ok(false) => "=",
            Err(refusal) => refusal.code(),
        };
        let found = [told(summary.check_payable()), cancel, told(summary.check_creditable())].join(" ");
        assert_eq!(found, expected);
    }

    #[test]
    fn what_was_paid_in_advance_can_be_cancelled() {
        assert_eq!(invoice(InvoiceStatus::Paid, 30, 0).is_to_cancel(false), Ok(true));
        assert_eq!(invoice(InvoiceStatus::Paid, 30, 0).is_to_cancel(true), Err(BillRefusal::InUse));
    }

    #[test]
    fn tax_on_top_is_part_of_what_is_due() {
        let mut summary = invoice(InvoiceStatus::Sent, 30, 0);
        let (rate, amount) = (BasisPoints::new(1_600), Money::from_micros(4_800_000));
        summary.header.dues = Dues {
            at_close: Money::from_micros(34_800_000),
            tax: Tax { rate, amount, is_included: false },
            paid: Money::from_micros(11_600_000),
            paid_tax: Money::from_micros(1_600_000),
        };
        let open = summary.to_open(7).expect("small sums");
        assert_eq!((open.net, open.tax), (Money::from_units(20), Money::from_micros(3_200_000)));
        assert_eq!(summary.header.still_due(), Money::from_micros(23_200_000));
        summary.header.dues.tax.is_included = true;
        summary.header.dues.paid_tax = Money::ZERO;
        assert_eq!(summary.to_open(7).expect("small sums").tax, Money::ZERO);
    }
}
