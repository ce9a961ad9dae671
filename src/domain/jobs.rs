//! Scheduled work: what is to be done, and when.

use super::names::named_enum;
use super::time::Timestamp;

named_enum! {
    /// A kind of work. Each has workers of its own, so that none waits for another's.
    pub enum JobKind {
        /// Asks a provider for a payment, or what became of it. Its subject is the payment.
        Payment = "payment",
        /// Asks for a recharge again once the wait after a failed one is over. Its subject is the wallet's number.
        Recharge = "recharge",
        /// Delivers what waits for one endpoint. Its subject is the endpoint's number.
        Webhooks = "webhooks",
        /// Takes away what is no longer needed, once a day.
        Housekeeping = "housekeeping",
        /// Closes a month into invoices. Its subject is the month's first day.
        MonthClose = "month_close",
        /// Reminds of invoices that are due soon or overdue, once a day. There is one.
        InvoiceReminders = "invoice_reminders",
    }
}

/// Work to be done at a time. The same work is scheduled once, at the earlier of two times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    pub kind: JobKind,
    pub subject: String,
    pub run_at: Timestamp,
}

/// Work that somebody has claimed, and does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub id: i64,
    pub kind: JobKind,
    pub subject: String,
    /// This one included, since it last went well.
    pub attempts: i64,
    /// How often it had been asked for when it was claimed.
    pub asked: i64,
    /// Until when nobody else takes it; also the proof of who holds it.
    pub claimed_until: Timestamp,
}

/// What comes after work that went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Done,
    At(Timestamp),
}

/// How long to wait before work that failed is tried again, in seconds: a quarter of a minute, doubled each time, and an
/// hour at most.
pub fn retry_after_seconds(attempts: i64) -> i64 {
    let doublings = u32::try_from((attempts - 1).clamp(0, 8)).unwrap_or(0);
    (15 << doublings).min(3_600)
}

/// How much work of a kind there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCounts {
    pub kind: JobKind,
    pub waiting: i64,
    /// Of those, how many should have begun.
    pub due: i64,
    /// Of those, how many have failed at least once since they last went well.
    pub failing: i64,
    /// When the first of those that are due should have begun.
    pub oldest_due: Option<Timestamp>,
    /// What the one that failed most often met last.
    pub last_error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let waits: Vec<_> = (1..=10).map(retry_after_seconds).collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
    }
}
