//! Defines scheduled jobs: their kinds, when they run again, and when a failed job is retried.

use crate::domain::values::named_enum::named_enum;
use crate::domain::values::time::Timestamp;

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

/// A piece of work as it is stored when its outcome is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredJob {
    pub id: i64,
    pub claimed_until: Option<Timestamp>,
    pub asked: i64,
    pub run_at: Timestamp,
}

/// What becomes of a piece of work that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its lease ended, and it is somebody else's.
    Lost,
    Finished,
    /// It waits for its next time, unclaimed.
    Waits {
        run_at: Timestamp,
        attempts: i64,
        error: Option<String>,
    },
}

impl Job {
    /// What becomes of this work after it was tried (`outcome`: what comes next, or why it failed). Who asked for it while it
    /// was done may have come too late to be seen by it, so it is done once more.
    pub fn fate(&self, stored: StoredJob, outcome: &Result<Next, String>, now: Timestamp) -> Fate {
        if stored.claimed_until != Some(self.claimed_until) {
            return Fate::Lost;
        }
        let is_asked_again = stored.asked != self.asked;
        match outcome {
            Ok(Next::Done) if !is_asked_again => Fate::Finished,
            Ok(Next::At(run_at)) if !is_asked_again => Fate::Waits { run_at: *run_at, attempts: 0, error: None },
            Ok(_) => Fate::Waits { run_at: stored.run_at, attempts: 0, error: None },
            Err(error) => {
                let run_at = now.plus_seconds(retry_after_seconds(self.attempts));
                Fate::Waits { run_at, attempts: self.attempts, error: Some(error.clone()) }
            }
        }
    }
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
    fn fates() {
        let at = Timestamp::from_micros;
        let job = Job {
            id: 1,
            kind: JobKind::Webhooks,
            subject: "7".to_owned(),
            attempts: 2,
            asked: 5,
            claimed_until: at(100),
        };
        let held = StoredJob { id: 1, claimed_until: Some(at(100)), asked: 5, run_at: at(10) };
        let again = StoredJob { asked: 6, ..held };
        let waits = |run_at, attempts, error: Option<&str>| Fate::Waits {
            run_at: at(run_at),
            attempts,
            error: error.map(str::to_owned),
        };
        let failed = || Err("it rains".to_owned());
        for (stored, outcome, fate) in [
            (held, Ok(Next::Done), Fate::Finished),
            (held, Ok(Next::At(at(900))), waits(900, 0, None)),
            (held, failed(), waits(50 + 30_000_000, 2, Some("it rains"))),
            (again, Ok(Next::Done), waits(10, 0, None)),
            (again, Ok(Next::At(at(900))), waits(10, 0, None)),
            (again, failed(), waits(50 + 30_000_000, 2, Some("it rains"))),
            (StoredJob { claimed_until: None, ..held }, Ok(Next::Done), Fate::Lost),
            (StoredJob { claimed_until: Some(at(200)), ..held }, failed(), Fate::Lost),
        ] {
            assert_eq!(job.fate(stored, &outcome, at(50)), fate, "{stored:?}, {outcome:?}");
        }
    }

    #[test]
    fn waits_double_up_to_an_hour() {
        let waits: Vec<_> = (1..=10).map(retry_after_seconds).collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
    }
}
