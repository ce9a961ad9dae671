//! Decides when to remind of an invoice, due soon or overdue, and writes the alert.

use chrono::NaiveDate;

use super::{InvoiceStatus, InvoiceSummary};
use crate::domain::notifications::alerts::{AlertDraft, AlertSeverity, AlertType};
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::time::days_before;

/// How many days before its due date an invoice is reminded of.
pub const DAYS_BEFORE: u64 = 7;

named_enum! {
    /// Each kind is sent once per invoice.
    pub enum ReminderKind { DueSoon = "DUE_SOON", Overdue = "OVERDUE" }
}

/// The reminder to send today, if any. A due-soon reminder that was missed is not sent late: the invoice is overdue
/// then.
pub fn due_reminder(invoice: &InvoiceSummary, today: NaiveDate) -> Option<ReminderKind> {
    let due = invoice.header.due_date.filter(|_| invoice.header.status == InvoiceStatus::Sent)?;
    if today > due {
        Some(ReminderKind::Overdue)
    } else if today >= days_before(due, DAYS_BEFORE) {
        Some(ReminderKind::DueSoon)
    } else {
        None
    }
}

/// The alert of a reminder.
pub fn reminder_alert(invoice: &InvoiceSummary, kind: ReminderKind) -> AlertDraft {
    let (number, currency, left) = (invoice.number(), invoice.currency, invoice.header.still_due());
    let due = invoice.header.due_date.map_or_else(String::new, |day| day.to_string());
    let (severity, message) = match kind {
        ReminderKind::DueSoon => {
            (AlertSeverity::Info, format!("Invoice {number} is due on {due}: {left} {currency} are still to be paid."))
        }
        ReminderKind::Overdue => (
            AlertSeverity::Critical,
            format!("Invoice {number} was due on {due} and is overdue: pay the {left} {currency} that are missing."),
        ),
    };
    let (threshold, current_value) = (invoice.header.dues.at_close, left);
    AlertDraft { alert_type: AlertType::PaymentDue, severity, message, threshold, current_value }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::invoices::dues::tests::invoice;

    #[rstest]
    #[case("SENT", "2026-03-06", None)]
    #[case("SENT", "2026-03-07", Some(ReminderKind::DueSoon))]
    #[case("SENT", "2026-03-14", Some(ReminderKind::DueSoon))]
    #[case("SENT", "2026-03-15", Some(ReminderKind::Overdue))]
    #[case("OVERDUE", "2026-03-15", None)]
    #[case("PAID", "2026-03-15", None)]
    #[case("CANCELLED", "2026-03-15", None)]
    fn by_the_day(#[case] status: &str, #[case] today: &str, #[case] expected: Option<ReminderKind>) {
        let mut invoice = invoice(status.parse().expect("a status"), 30, 30);
        invoice.header.due_date = "2026-03-14".parse().ok();
        assert_eq!(due_reminder(&invoice, today.parse().expect("a day")), expected);
        invoice.header.due_date = None;
        assert_eq!(due_reminder(&invoice, today.parse().expect("a day")), None);
    }

    #[test]
    fn alerts_name_what_is_missing() {
        let mut invoice = invoice(InvoiceStatus::Sent, 30, 30);
        invoice.header.due_date = "2026-03-14".parse().ok();
        invoice.header.dues.paid = crate::domain::values::money::Money::from_units(20);
        let alert = reminder_alert(&invoice, ReminderKind::Overdue);
        assert!(alert.message.contains("INV-2026-000001") && alert.message.contains("10 USD"), "{}", alert.message);
        assert_eq!((alert.threshold.to_string(), alert.current_value.to_string()), ("30".to_owned(), "10".to_owned()));
    }
}
