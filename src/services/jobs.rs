//! Scheduled work: claiming it, and saying what comes after. What each kind does is its own service's; the worker
//! (`crate::worker`) brings both together.

use super::Billing;
use crate::domain::jobs::{Job, JobCounts, JobKind, NewJob, Next, retry_after_seconds};
use crate::error::{Error, Result};
use crate::storage;

/// How long work is claimed for at a time. What takes longer says so as it goes ([`extend`]).
const LEASE_SECONDS: i64 = 120;

/// Schedules work that is there from the beginning; what is scheduled already stays as it is.
///
/// # Errors
/// Those of the database.
pub async fn schedule(billing: &Billing, jobs: &[NewJob]) -> Result<()> {
    let mut tx = billing.db.begin().await?;
    storage::jobs::schedule_once(&mut tx.conn().bulk(), jobs, billing.clock.now()).await?;
    tx.commit().await
}

/// The kinds of work that have something to do now.
///
/// # Errors
/// Those of the database.
pub async fn due_kinds(billing: &Billing) -> Result<Vec<JobKind>> {
    storage::jobs::due_kinds(&mut billing.db.read().await?.conn(), billing.clock.now()).await
}

/// Claims work of a kind that is due, `most` pieces of it.
///
/// # Errors
/// Those of the database.
pub async fn claim(billing: &Billing, kind: JobKind, most: i64) -> Result<Vec<Job>> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let jobs = storage::jobs::claim(&mut tx.conn(), kind, now, now.plus_seconds(LEASE_SECONDS), most).await?;
    tx.commit().await?;
    Ok(jobs)
}

/// Says what came of work: it is done, due again, or tried again after a wait that grows.
///
/// # Errors
/// Those of the database.
pub async fn settle(billing: &Billing, job: &Job, outcome: Result<Next>) -> Result<()> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    match outcome {
        Ok(Next::Done) => {
            if !storage::jobs::finish(&mut conn, job).await? {
                storage::jobs::give_back(&mut conn, job, now).await?;
            }
        }
        Ok(Next::At(run_at)) => storage::jobs::give_back(&mut conn, job, run_at).await?,
        Err(error) => {
            let run_at = now.plus_seconds(retry_after_seconds(job.attempts));
            storage::jobs::fail(&mut conn, job, &error.to_string(), run_at).await?;
        }
    }
    tx.commit().await
}

/// Holds work longer; the job is then the proof of who holds it.
///
/// # Errors
/// [`Error::Stale`] where somebody else has it by now, and those of the database.
pub async fn extend(billing: &Billing, job: &mut Job) -> Result<()> {
    let until = billing.clock.now().plus_seconds(LEASE_SECONDS);
    let mut tx = billing.db.begin().await?;
    let is_held = storage::jobs::extend(&mut tx.conn(), job, until).await?;
    tx.commit().await?;
    if !is_held {
        return Err(Error::Stale);
    }
    job.claimed_until = until;
    Ok(())
}

/// How much scheduled work there is, by kind.
///
/// # Errors
/// Those of the database.
pub async fn counts(billing: &Billing) -> Result<Vec<JobCounts>> {
    storage::jobs::counts(&mut billing.db.read().await?.conn(), billing.clock.now()).await
}
