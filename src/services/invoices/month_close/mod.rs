//! Closes months into invoices, a number of wallets per step.
//! A step may be killed at any point, and several servers may close the same month at once: each wallet gets one
//! invoice a month.

pub mod credits;
pub mod outcome;
pub mod wallets;

use std::collections::BTreeSet;

use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::invoices::close::{self, TooEarly};
use crate::domain::jobs::{JobKind, NewJob};
use crate::domain::values::time::CalendarMonth;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use credits::pay_at_once;
use outcome::{CloseOutcome, Numbers};
use wallets::ClosingMonth;

/// How many wallets one transaction closes: they are not charged meanwhile.
const WALLETS_A_STEP: i64 = 100;

/// How often a step is tried where other transactions hold its rows.
const TRIES: u32 = 8;

/// A month that is being closed.
#[derive(Debug)]
pub struct Closing {
    month: ClosingMonth,
    actor: Actor,
    /// The last wallet done, and the last one there is.
    at: i64,
    last: i64,
    outcome: CloseOutcome,
}

/// The month to close next, from the beginning of the ledger on. It may not be over yet.
///
/// # Errors
/// Those of the database.
pub async fn next_month(billing: &Billing) -> Result<CalendarMonth> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let first = storage::invoices::closed_months::first_entry(&mut conn).await?.unwrap_or_else(|| billing.clock.now());
    let closed: BTreeSet<CalendarMonth> =
        storage::invoices::closed_months::all(&mut conn).await?.into_iter().map(CalendarMonth::of).collect();
    Ok(close::next_to_close(CalendarMonth::of(billing.rules.calendar.day_of(first)), &closed))
}

/// The job that closes a month when it is due.
pub fn job(billing: &Billing, month: CalendarMonth) -> NewJob {
    let run_at = close::due_at(month, billing.rules.calendar);
    NewJob { kind: JobKind::MonthClose, subject: month.first().to_string(), run_at }
}

/// Whether a month was closed completely before.
///
/// # Errors
/// Those of the database.
pub async fn is_closed(billing: &Billing, month: CalendarMonth) -> Result<bool> {
    let mut reader = billing.db.read().await?;
    Ok(storage::invoices::closed_months::find(&mut reader.conn(), month.days()).await?.is_some())
}

/// Checks that a month may be closed now. `is_urgent`: before the 72 hours after its end are over.
///
/// # Errors
/// [`TooEarly`], with a sentence on what to do.
pub fn check(billing: &Billing, month: CalendarMonth, is_urgent: bool) -> std::result::Result<(), TooEarly> {
    close::check(month, billing.rules.calendar, billing.clock.now(), is_urgent)
}

/// Begins to close a month that is over.
///
/// # Errors
/// [`Error::Setup`] where it is not over, and those of the database.
pub async fn begin(billing: &Billing, month: CalendarMonth, actor: Actor) -> Result<Closing> {
    check(billing, month, true).map_err(|early| Error::Setup(early.to_string()))?;
    let last = storage::invoices::month_close::last_wallet(&mut billing.db.read().await?.conn()).await?;
    let month = ClosingMonth { month, ends_at: close::end_of(month, billing.rules.calendar) };
    Ok(Closing { month, actor, at: 0, last, outcome: CloseOutcome::default() })
}

impl Closing {
    /// The progress: the last wallet done, and the last one there is.
    pub fn progress(&self) -> (i64, i64) {
        (self.at.min(self.last), self.last)
    }

    /// How many invoices were issued so far.
    pub fn invoices(&self) -> i64 {
        self.outcome.invoices
    }

    /// Closes the month of the next wallets; returns whether there may be more. Lets other processes have their turn.
    ///
    /// # Errors
    /// Those of the database, where retries did not help.
    pub async fn step(&mut self, billing: &Billing) -> Result<bool> {
        for attempt in 1.. {
            match self.try_step(billing).await {
                Ok(Some(at)) => {
                    self.at = at;
                    billing.db.let_others_write().await;
                    return Ok(true);
                }
                Ok(None) => {
                    self.at = self.last;
                    return Ok(false);
                }
                // Nothing of it happened, or all of it, and then these wallets are passed over.
                Err(error @ (Error::Unavailable(_) | Error::Stale | Error::OutcomeUnknown(_))) if attempt < TRIES => {
                    tracing::debug!(%error, attempt, "some wallets are closed once more");
                    tokio::time::sleep(std::time::Duration::from_millis(50 << attempt)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Returns the last wallet of the step, if there was any.
    async fn try_step(&mut self, billing: &Billing) -> Result<Option<i64>> {
        let mut tx = billing.db.begin().await?;
        let mut conn = tx.conn();
        storage::invoices::month_close::prefer_indexes(&mut conn).await?;
        let wallets =
            storage::invoices::month_close::next(&mut conn, self.at, self.month.month.days(), WALLETS_A_STEP).await?;
        let Some(last) = wallets.last().map(|wallet| wallet.id) else { return Ok(None) };
        let now = billing.clock.now();
        let made = self.month.close_wallets(billing, &mut conn.bulk(), wallets, now).await?;
        pay_at_once(billing, &mut conn, self.month.ends_at, &made, now).await?;
        tx.commit().await?;
        for invoice in made {
            self.outcome.count(invoice)?;
        }
        Ok(Some(last))
    }

    /// Records the month as closed, and by whom.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn finish(mut self, billing: &Billing) -> Result<CloseOutcome> {
        let now = billing.clock.now();
        let mut tx = billing.db.begin().await?;
        let mut conn = tx.conn();
        let invoices = storage::invoices::closed_months::note(&mut conn, self.month.month.days(), now).await?;
        self.outcome.others = invoices - self.outcome.invoices;
        let numbers: Vec<_> = self.outcome.numbers.values().map(Numbers::event_body).collect();
        let after = serde_json::json!({
            "invoices": invoices,
            "made": self.outcome.invoices,
            "numbers": numbers,
        });
        let entry = AuditEntry::created(AuditAction::MonthClosed, self.month.month.to_string(), after);
        storage::audit::append(&mut conn.bulk(), &entry, &self.actor, now).await?;
        tx.commit().await?;
        Ok(self.outcome)
    }
}
