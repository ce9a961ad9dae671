//! Scheduled work: who claims it, and what comes after.

use sqlx::FromRow;

use super::bulk::{Action, Bulk, Column};
use super::db::{BulkConn, Conn, on};
use crate::domain::jobs::{Job, JobCounts, JobKind, NewJob};
use crate::domain::time::Timestamp;
use crate::error::Result;

/// Work that is there already stays one piece of work, at the earlier time; one that is being done is done again after.
macro_rules! or_ask_again {
    () => {
        "ON CONFLICT (kind, subject) DO UPDATE SET asked = jobs.asked + 1, \
         run_at = CASE WHEN jobs.run_at < excluded.run_at THEN jobs.run_at ELSE excluded.run_at END"
    };
}
pub(super) use or_ask_again;

pub static SCHEDULE: Bulk = Bulk::new(
    &[("kind", "TEXT"), ("subject", "TEXT"), ("run_at", "BIGINT"), ("created_at", "BIGINT")],
    Action::Insert {
        into: "jobs (kind, subject, run_at, asked, attempts, created_at)",
        values: "given.kind, given.subject, given.run_at, 1, 0, given.created_at",
        unless: or_ask_again!(),
    },
);

/// Work that is there already stays as it is.
pub static SCHEDULE_ONCE: Bulk = Bulk::new(
    &[("kind", "TEXT"), ("subject", "TEXT"), ("run_at", "BIGINT"), ("created_at", "BIGINT")],
    Action::Insert {
        into: "jobs (kind, subject, run_at, asked, attempts, created_at)",
        values: "given.kind, given.subject, given.run_at, 1, 0, given.created_at",
        unless: "ON CONFLICT (kind, subject) DO NOTHING",
    },
);

/// Of those kinds that have work due at `$1`.
pub const DUE_KINDS: &str =
    "SELECT DISTINCT kind FROM jobs WHERE run_at <= $1 AND (claimed_until IS NULL OR claimed_until <= $1)";

macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "UPDATE jobs SET claimed_until = $3, attempts = attempts + 1 WHERE id IN ( ",
            "SELECT id FROM jobs WHERE kind = $1 AND run_at <= $2 AND (claimed_until IS NULL OR claimed_until <= $2) ",
            "ORDER BY run_at LIMIT $4",
            $lock,
            ") RETURNING id, kind, subject, attempts, asked, claimed_until"
        )
    };
}

pub const CLAIM_ON_SQLITE: &str = claim!("");

/// What another server is about to claim is left to it.
pub const CLAIM_ON_POSTGRES: &str = claim!(" FOR UPDATE SKIP LOCKED");

/// Unless somebody asked for it meanwhile.
pub const FINISH: &str = "DELETE FROM jobs WHERE id = $1 AND claimed_until = $2 AND asked = $3";

pub const GIVE_BACK: &str = "UPDATE jobs SET claimed_until = NULL, attempts = 0, last_error = NULL, \
     run_at = CASE WHEN asked = $3 THEN $4 ELSE run_at END WHERE id = $1 AND claimed_until = $2";

pub const FAIL: &str =
    "UPDATE jobs SET claimed_until = NULL, last_error = $3, run_at = $4 WHERE id = $1 AND claimed_until = $2";

pub const EXTEND: &str = "UPDATE jobs SET claimed_until = $3 WHERE id = $1 AND claimed_until = $2";

pub const COUNTS: &str = "SELECT kind, CAST(COUNT(*) AS BIGINT) AS waiting, \
     CAST(SUM(CASE WHEN run_at <= $1 THEN 1 ELSE 0 END) AS BIGINT) AS due, \
     CAST(SUM(CASE WHEN last_error IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT) AS failing, \
     MIN(CASE WHEN run_at <= $1 THEN run_at END) AS oldest_due, MAX(last_error) AS last_error \
     FROM jobs GROUP BY kind ORDER BY kind";

/// Schedules work, each piece once.
pub async fn schedule(conn: &mut BulkConn<'_>, jobs: &[NewJob], now: Timestamp) -> Result<()> {
    SCHEDULE.execute(conn, columns(jobs, now)).await?;
    Ok(())
}

/// Schedules work that is not scheduled yet, and leaves the rest as it is.
pub async fn schedule_once(conn: &mut BulkConn<'_>, jobs: &[NewJob], now: Timestamp) -> Result<()> {
    SCHEDULE_ONCE.execute(conn, columns(jobs, now)).await?;
    Ok(())
}

fn columns(jobs: &[NewJob], now: Timestamp) -> Vec<Column<'_>> {
    vec![
        Column::texts(jobs.iter().map(|job| job.kind.as_str())),
        Column::texts(jobs.iter().map(|job| job.subject.as_str())),
        Column::integers(jobs.iter().map(|job| job.run_at.micros())),
        Column::integers(jobs.iter().map(|_| now.micros())),
    ]
}

/// The kinds that have work to do.
pub async fn due_kinds(conn: &mut Conn<'_>, now: Timestamp) -> Result<Vec<JobKind>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, JobKind>(DUE_KINDS).bind(now).fetch_all(c).await)?)
}

#[derive(FromRow)]
struct Row {
    id: i64,
    kind: JobKind,
    subject: String,
    attempts: i64,
    asked: i64,
    claimed_until: Timestamp,
}

impl From<Row> for Job {
    fn from(row: Row) -> Job {
        Job {
            id: row.id,
            kind: row.kind,
            subject: row.subject,
            attempts: row.attempts,
            asked: row.asked,
            claimed_until: row.claimed_until,
        }
    }
}

/// Claims work that is due, the longest due first.
pub async fn claim(
    conn: &mut Conn<'_>,
    kind: JobKind,
    now: Timestamp,
    until: Timestamp,
    most: i64,
) -> Result<Vec<Job>> {
    let sql = match conn {
        Conn::Sqlite(_) => CLAIM_ON_SQLITE,
        Conn::Postgres(_) => CLAIM_ON_POSTGRES,
    };
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(sql)
        .bind(kind)
        .bind(now)
        .bind(until)
        .bind(most)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Job::from).collect())
}

/// The work is done. Whether that was all: else somebody asked for it meanwhile, and it is still there.
pub async fn finish(conn: &mut Conn<'_>, job: &Job) -> Result<bool> {
    let deleted = on!(conn, c => sqlx::query(FINISH)
        .bind(job.id)
        .bind(job.claimed_until)
        .bind(job.asked)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(deleted == 1)
}

/// The work went well, and is to be done again: at that time, or as soon as somebody asked for meanwhile.
pub async fn give_back(conn: &mut Conn<'_>, job: &Job, run_at: Timestamp) -> Result<()> {
    on!(conn, c => sqlx::query(GIVE_BACK)
        .bind(job.id)
        .bind(job.claimed_until)
        .bind(job.asked)
        .bind(run_at)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// The work failed, and is tried again at that time.
pub async fn fail(conn: &mut Conn<'_>, job: &Job, error: &str, run_at: Timestamp) -> Result<()> {
    on!(conn, c => sqlx::query(FAIL)
        .bind(job.id)
        .bind(job.claimed_until)
        .bind(error)
        .bind(run_at)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Holds the work longer. Whether it was still held: else somebody else has it by now.
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

/// How much work there is, a row for each kind that has any.
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
