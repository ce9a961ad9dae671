//! Schedules jobs, claims due ones, and records how they ended.
//! The work of each kind of job is a service of its own; [`crate::worker`] connects the two.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::jobs::{Fate, Job, JobCounts, JobKind, NewJob, Next};
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::notifications::webhook_attempts::{self, Sent};
use crate::storage;
use crate::storage::db::BulkConn;

/// The lease of a job, in seconds. A job that takes longer extends it ([`extend`]).
const LEASE_SECONDS: i64 = 120;

/// Schedules the jobs that always exist; those already scheduled stay as they are.
///
/// # Errors
/// Those of the database.
pub async fn schedule(billing: &Billing, jobs: &[NewJob]) -> Result<()> {
    let mut tx = billing.db.begin().await?;
    storage::jobs::schedule_once(&mut tx.conn().bulk(), jobs, billing.clock.now()).await?;
    tx.commit().await
}

/// A job that was run, and its outcome, to be recorded.
#[derive(Clone, Debug)]
pub struct Ended {
    pub job: Job,
    /// The error is why it failed.
    pub outcome: std::result::Result<JobOutcome, String>,
}

#[derive(Clone, Debug)]
pub enum JobOutcome {
    Next(Next),
    /// Webhook delivery attempts, recorded along with the job; they determine when it runs next.
    Sent(Sent),
}

/// How many jobs of each kind may be claimed.
pub type Room = Vec<(JobKind, i64)>;

/// Records the outcomes of jobs, and claims due ones, all in one transaction, since each commit delays charges.
/// Recording the same again changes nothing.
///
/// # Errors
/// Those of the database: then nothing is recorded, and nothing claimed.
pub async fn turn(billing: &Billing, ended: Arc<[Ended]>, room: Room) -> Result<Vec<Job>> {
    let now = billing.clock.now();
    if ended.is_empty() && due(&mut billing.db.read().await?.conn().bulk(), &room, now).await?.is_empty() {
        return Ok(Vec::new());
    }
    let billing = billing.clone();
    let runtime = tokio::runtime::Handle::current();
    // On SQLite, statements of a bulk transaction block their thread.
    let work = tokio::task::spawn_blocking(move || runtime.block_on(note_and_claim(&billing, &ended, &room)));
    work.await.map_err(|error| Error::Corrupt(format!("noting scheduled work: {error}")))?
}

async fn note_and_claim(billing: &Billing, ended: &[Ended], room: &Room) -> Result<Vec<Job>> {
    let mut tx = billing.db.begin_bulk().await?;
    let mut conn = tx.conn();
    // Read once the turn to write has come: leases begin then.
    let now = billing.clock.now();
    note(&mut conn, ended, now).await?;
    let mut claimed = Vec::new();
    for (kind, most) in due(&mut conn, room, now).await? {
        claimed.extend(storage::jobs::claim(&mut conn, kind, now, now.plus_seconds(LEASE_SECONDS), most).await?);
    }
    tx.commit().await?;
    Ok(claimed)
}

/// The kinds with due jobs and room for them.
async fn due(conn: &mut BulkConn<'_>, room: &Room, now: Timestamp) -> Result<Room> {
    let kinds: Vec<JobKind> = room.iter().filter(|(_, most)| *most > 0).map(|(kind, _)| *kind).collect();
    let due = storage::jobs::due_kinds(conn, &kinds, now).await?;
    Ok(room.iter().filter(|(kind, _)| due.contains(kind)).copied().collect())
}

async fn note(conn: &mut BulkConn<'_>, ended: &[Ended], now: Timestamp) -> Result<()> {
    let sent: Vec<&Sent> = ended
        .iter()
        .filter_map(|ended| match &ended.outcome {
            Ok(JobOutcome::Sent(sent)) => Some(sent),
            _ => None,
        })
        .collect();
    let next = webhook_attempts::note(conn, &sent, now).await?;
    let stored = storage::jobs::load_and_lock(conn, ended.iter().map(|ended| ended.job.id)).await?;
    let stored: BTreeMap<i64, _> = stored.into_iter().map(|stored| (stored.id, stored)).collect();
    let fate = |Ended { job, outcome }: &Ended| {
        let outcome = match outcome {
            Ok(JobOutcome::Next(next)) => Ok(*next),
            Ok(JobOutcome::Sent(sent)) => Ok(next.get(&sent.endpoint_id).map_or(Next::Done, |at| Next::At(*at))),
            Err(error) => Err(error.clone()),
        };
        let fate = stored.get(&job.id).map_or(Fate::Lost, |stored| job.fate(*stored, &outcome, now));
        (job.id, fate)
    };
    storage::jobs::settle(conn, &ended.iter().map(fate).collect::<Vec<_>>()).await
}

/// Extends the lease of a job; `job` then has the new one.
///
/// # Errors
/// [`Error::Stale`] where another server has claimed it, and those of the database.
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

/// Counts of scheduled jobs, by kind.
///
/// # Errors
/// Those of the database.
pub async fn counts(billing: &Billing) -> Result<Vec<JobCounts>> {
    storage::jobs::counts(&mut billing.db.read().await?.conn(), billing.clock.now()).await
}
