//! Schedules, claims and finishes jobs in the database.

use sqlx::FromRow;

use crate::domain::jobs::{Fate, Job, JobCounts, JobKind, NewJob, StoredJob};
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::rows::{self, Row};
use crate::storage::db::{BulkConn, Conn, on};

/// A job that is scheduled already stays one job, at the earlier time; one that is running runs again afterwards.
macro_rules! or_ask_again {
    () => {
        "ON CONFLICT (kind, subject) DO UPDATE SET asked = jobs.asked + 1, \
         run_at = CASE WHEN jobs.run_at < excluded.run_at THEN jobs.run_at ELSE excluded.run_at END"
    };
}
pub(super) use or_ask_again;

given! {
    pub struct GivenJobs(jobs: &'v [NewJob], now: Timestamp) for job in jobs {
        kind: TEXT = job.kind.as_str(),
        subject: TEXT = job.subject.as_str(),
        run_at: BIGINT = job.run_at.micros(),
        created_at: BIGINT = now.micros(),
    }
}

pub static SCHEDULE: Bulk<GivenJobs> = Bulk::new(Action::Insert {
    into: "jobs (kind, subject, run_at, asked, attempts, created_at)",
    values: "given.kind, given.subject, given.run_at, 1, 0, given.created_at",
    unless: or_ask_again!(),
});

/// A job that is scheduled already stays as it is.
pub static SCHEDULE_ONCE: Bulk<GivenJobs> = Bulk::new(Action::Insert {
    into: "jobs (kind, subject, run_at, asked, attempts, created_at)",
    values: "given.kind, given.subject, given.run_at, 1, 0, given.created_at",
    unless: "ON CONFLICT (kind, subject) DO NOTHING",
});

given! {
    pub struct GivenKinds(kinds: &'v [JobKind], now: Timestamp) for kind in kinds {
        kind: TEXT = kind.as_str(),
        due_at: BIGINT = now.micros(),
    }
}

/// Of these kinds, those with due jobs.
pub static DUE_KINDS: Bulk<GivenKinds> = Bulk::new(Action::With(
    "SELECT given.kind FROM given WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.kind = given.kind \
     AND jobs.run_at <= given.due_at AND (jobs.claimed_until IS NULL OR jobs.claimed_until <= given.due_at))",
));

macro_rules! claim {
    ($kind:literal, $due_at:literal, $until:literal, $most:literal, $lock:literal) => {
        concat!(
            "UPDATE jobs SET claimed_until = ",
            $until,
            ", attempts = attempts + 1 WHERE id IN (SELECT id FROM jobs WHERE kind = ",
            $kind,
            " AND run_at <= ",
            $due_at,
            " AND (claimed_until IS NULL OR claimed_until <= ",
            $due_at,
            ") ORDER BY run_at LIMIT ",
            $most,
            $lock,
            ") RETURNING id, kind, subject, attempts, asked, claimed_until"
        )
    };
}

const CLAIM_ON_SQLITE: &str = claim!("?1", "?2", "?3", "?4", "");

/// Jobs that another server is claiming are skipped.
const CLAIM_ON_POSTGRES: &str = claim!("$1", "$2", "$3", "$4", " FOR UPDATE SKIP LOCKED");

given! {
    pub struct GivenClaim(kind: JobKind, now: Timestamp, until: Timestamp, most: i64) {
        kind: TEXT = kind.as_str(),
        due_at: BIGINT = now.micros(),
        until: BIGINT = until.micros(),
        most: BIGINT = most,
    }
}

/// Of one kind, the longest due first.
pub static CLAIM: Bulk<GivenClaim> =
    Bulk::new(Action::OfOne { on_sqlite: CLAIM_ON_SQLITE, on_postgres: CLAIM_ON_POSTGRES });

given! {
    pub struct GivenIds(ids: impl Iterator<Item = i64>) for id in ids {
        id: BIGINT = id,
    }
}

macro_rules! load {
    ($lock:literal) => {
        Bulk::new(Action::With(concat!(
            "SELECT jobs.id, jobs.claimed_until, jobs.asked, jobs.run_at FROM given JOIN jobs ON jobs.id = given.id",
            $lock
        )))
    };
}

pub static LOAD: Bulk<GivenIds> = load!("");

/// Locks them until the transaction ends, in the order in which `consequences` schedules them, so that there is no
/// deadlock: those of webhooks first, by the endpoint's id. SQLite needs no lock: its one writer is alone already.
pub static LOAD_AND_LOCK_ON_POSTGRES: Bulk<GivenIds> = load!(
    " ORDER BY jobs.kind <> 'webhooks', CASE WHEN jobs.kind = 'webhooks' THEN CAST(jobs.subject AS BIGINT) END, \
     jobs.subject COLLATE \"C\" FOR UPDATE OF jobs"
);

pub static FINISH: Bulk<GivenIds> =
    Bulk::new(Action::With("DELETE FROM jobs WHERE id IN (SELECT given.id FROM given)"));

given! {
    /// Unfinished jobs: the row, the time to run again, the attempts, the last error.
    pub struct GivenBack(
        waiting: &'v [(i64, Timestamp, i64, Option<&'v str>)],
    ) for (id, run_at, attempts, error) in waiting {
        id: BIGINT = *id,
        run_at: BIGINT = run_at.micros(),
        attempts: BIGINT = *attempts,
        error: TEXT = *error,
    }
}

pub static GIVE_BACK: Bulk<GivenBack> = Bulk::new(Action::Update {
    table: "jobs",
    set: "claimed_until = NULL, run_at = given.run_at, attempts = given.attempts, last_error = given.error",
    by: "jobs.id = given.id",
});

pub const EXTEND: &str = "UPDATE jobs SET claimed_until = $3 WHERE id = $1 AND claimed_until = $2";

pub const COUNTS: &str = "SELECT kind, CAST(COUNT(*) AS BIGINT) AS waiting, \
     CAST(SUM(CASE WHEN run_at <= $1 THEN 1 ELSE 0 END) AS BIGINT) AS due, \
     CAST(SUM(CASE WHEN last_error IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS failing, \
     MIN(CASE WHEN run_at <= $1 THEN run_at END) AS oldest_due, MAX(last_error) AS last_error \
     FROM jobs GROUP BY kind ORDER BY kind";

/// Schedules jobs, each once.
pub async fn schedule(conn: &mut BulkConn<'_>, jobs: &[NewJob], now: Timestamp) -> Result<()> {
    SCHEDULE.execute(conn, GivenJobs::of(jobs, now)).await?;
    Ok(())
}

/// Schedules jobs that are not scheduled yet, and leaves the others as they are.
pub async fn schedule_once(conn: &mut BulkConn<'_>, jobs: &[NewJob], now: Timestamp) -> Result<()> {
    SCHEDULE_ONCE.execute(conn, GivenJobs::of(jobs, now)).await?;
    Ok(())
}

/// Of these kinds, those with due jobs.
pub async fn due_kinds(conn: &mut BulkConn<'_>, kinds: &[JobKind], now: Timestamp) -> Result<Vec<JobKind>> {
    let rows = DUE_KINDS.fetch::<KindRow>(conn, GivenKinds::of(kinds, now)).await?;
    Ok(rows.into_iter().map(|KindRow(kind)| kind).collect())
}

struct KindRow(JobKind);

impl rows::FromRow for KindRow {
    fn from_row(mut row: Row<'_>) -> Result<KindRow> {
        Ok(KindRow(row.take()?))
    }
}

impl rows::FromRow for Job {
    fn from_row(mut row: Row<'_>) -> Result<Job> {
        Ok(Job {
            id: row.take()?,
            kind: row.take()?,
            subject: row.take()?,
            attempts: row.take()?,
            asked: row.take()?,
            claimed_until: row.take()?,
        })
    }
}

/// Claims due jobs of a kind, the longest due first.
pub async fn claim(
    conn: &mut BulkConn<'_>,
    kind: JobKind,
    now: Timestamp,
    until: Timestamp,
    most: i64,
) -> Result<Vec<Job>> {
    CLAIM.fetch(conn, GivenClaim::of(kind, now, until, most)).await
}

impl rows::FromRow for StoredJob {
    fn from_row(mut row: Row<'_>) -> Result<StoredJob> {
        Ok(StoredJob { id: row.take()?, claimed_until: row.take()?, asked: row.take()?, run_at: row.take()? })
    }
}

/// Jobs as they are stored now, locked until this transaction ends. Deleted ones are left out.
pub async fn load_and_lock(conn: &mut BulkConn<'_>, ids: impl Iterator<Item = i64>) -> Result<Vec<StoredJob>> {
    let sql = conn.choose(&LOAD, &LOAD_AND_LOCK_ON_POSTGRES);
    sql.fetch(conn, GivenIds::of(ids)).await
}

/// Stores the new state of jobs after an attempt. They are locked by this transaction.
pub async fn settle(conn: &mut BulkConn<'_>, fates: &[(i64, Fate)]) -> Result<()> {
    let finished = fates.iter().filter(|(_, fate)| *fate == Fate::Finished);
    FINISH.execute(conn, GivenIds::of(finished.map(|(id, _)| *id))).await?;
    let waiting = fates.iter().filter_map(|(id, fate)| match fate {
        Fate::Waits { run_at, attempts, error } => Some((*id, *run_at, *attempts, error.as_deref())),
        Fate::Lost | Fate::Finished => None,
    });
    let waiting: Vec<_> = waiting.collect();
    GIVE_BACK.execute(conn, GivenBack::of(&waiting)).await?;
    Ok(())
}

/// Extends a job's lease; returns whether the job was still held, and not claimed by another server.
pub async fn extend(conn: &mut Conn<'_>, job: &Job, until: Timestamp) -> Result<bool> {
    let extended = on!(conn, c => sqlx::query(EXTEND)
        .bind(job.id)
        .bind(job.claimed_until)
        .bind(until)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(extended == 1)
}

#[derive(FromRow)]
struct CountsRow {
    kind: JobKind,
    waiting: i64,
    due: i64,
    failing: i64,
    oldest_due: Option<Timestamp>,
    last_error: Option<String>,
}

/// Job counts, a row for each kind that has any.
pub async fn counts(conn: &mut Conn<'_>, now: Timestamp) -> Result<Vec<JobCounts>> {
    let rows = on!(conn, c => sqlx::query_as::<_, CountsRow>(COUNTS).bind(now).fetch_all(c).await)?;
    let to_counts = |row: CountsRow| JobCounts {
        kind: row.kind,
        waiting: row.waiting,
        due: row.due,
        failing: row.failing,
        oldest_due: row.oldest_due,
        last_error: row.last_error,
    };
    Ok(rows.into_iter().map(to_counts).collect())
}
