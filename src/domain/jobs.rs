//! Defines scheduled jobs: their kinds, when they run again, and when a failed job is retried.

use crate::domain::values::named_enum::named_enum;
use crate::domain::values::time::Timestamp;

named_enum! {
    /// A kind of job. Each kind has workers of its own, so that none waits for another.
    pub enum JobKind {
        /// Requests a payment from a provider, or asks for its status. The subject is the payment.
        Payment = "payment",
        /// Requests a recharge again after the wait that follows a failed one. The subject is the wallet's number.
        Recharge = "recharge",
        /// Delivers the waiting events of one webhook endpoint. The subject is the endpoint's number.
        Webhooks = "webhooks",
        /// Deletes expired rows, once a day.
        Housekeeping = "housekeeping",
        /// Closes a month into invoices. The subject is the month's first day.
        MonthClose = "month_close",
        /// Reminds of invoices that are due soon or overdue, once a day. There is one such job.
        InvoiceReminders = "invoice_reminders",
    }
}

/// A job to schedule. The same kind and subject are scheduled once, at the earlier of two times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    pub kind: JobKind,
    pub subject: String,
    pub run_at: Timestamp,
}

/// A job that this server has claimed and runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub id: i64,
    pub kind: JobKind,
    pub subject: String,
    /// Attempts since the job last succeeded, this one included.
    pub attempts: i64,
    /// How often the job had been scheduled when it was claimed.
    pub asked: i64,
    /// When the lease ends, and others may claim the job. It also identifies the holder.
    pub claimed_until: Timestamp,
}

/// When a job that succeeded runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Never: the job is finished.
    Done,
    At(Timestamp),
}

/// The stored job, as it stands when the outcome is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredJob {
    pub id: i64,
    pub claimed_until: Option<Timestamp>,
    pub asked: i64,
    pub run_at: Timestamp,
}

/// The state of a job after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its lease ended, and another server has claimed it.
    Lost,
    Finished,
    /// It waits for its next run, unclaimed.
    Waits {
        run_at: Timestamp,
        attempts: i64,
        error: Option<String>,
    },
}

impl Job {
    /// The state of the job after an attempt (`outcome`: when to run next, or why it failed). If it was scheduled again
    /// while it ran, it runs once more, because the attempt may have been too early to see the reason.
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

/// How many seconds to wait before a failed job is tried again: 15, doubled each time, an hour at most.
pub fn retry_after_seconds(attempts: i64) -> i64 {
    let doublings = u32::try_from((attempts - 1).clamp(0, 8)).unwrap_or(0);
    (15 << doublings).min(3_600)
}

/// Counts of the jobs of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobCounts {
    pub kind: JobKind,
    pub waiting: i64,
    /// How many are due.
    pub due: i64,
    /// How many have failed at least once since they last succeeded.
    pub failing: i64,
    /// When the oldest of those that are due should have run.
    pub oldest_due: Option<Timestamp>,
    /// The last error of the job with the most failed attempts.
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
