//! Counts failed logins by user and by client address, and forgets old counts.

use crate::domain::access::users::FailureSubject;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::{Conn, on};

pub const FIND: &str = "SELECT failures, expires_at FROM login_failures WHERE subject = $1 AND expires_at > $2";

/// Counts one more. Failures expire together with the first of them, so that an occasional one never adds up to a lock.
pub const COUNT: &str = "INSERT INTO login_failures (subject, failures, expires_at) VALUES ($1, 1, $3) \
     ON CONFLICT (subject) DO UPDATE SET \
     failures = CASE WHEN login_failures.expires_at > $2 THEN login_failures.failures + 1 ELSE 1 END, \
     expires_at = CASE WHEN login_failures.expires_at > $2 THEN login_failures.expires_at ELSE $3 END \
     RETURNING failures";

pub const TAKE_BACK: &str = "UPDATE login_failures SET failures = failures - 1 WHERE subject = $1 AND failures > 1";

pub const TAKE_BACK_THE_LAST: &str = "DELETE FROM login_failures WHERE subject = $1 AND failures = 1";

pub const FORGIVE: &str = "DELETE FROM login_failures WHERE subject = $1";

macro_rules! forget_some {
    ($lock:literal) => {
        concat!(
            "DELETE FROM login_failures WHERE subject IN (SELECT subject FROM login_failures WHERE expires_at < $1 ",
            "ORDER BY expires_at LIMIT 4",
            $lock,
            ")"
        )
    };
}

/// A small portion at a time: more than are added, and nobody waits for a long deletion.
pub const FORGET_SOME_ON_SQLITE: &str = forget_some!("");

/// Rows locked by somebody else are skipped, else two logins could deadlock.
pub const FORGET_SOME_ON_POSTGRES: &str = forget_some!(" FOR UPDATE SKIP LOCKED");

/// The number of failed logins that count now, and until when they do.
pub async fn find(conn: &mut Conn<'_>, subject: &FailureSubject, now: Timestamp) -> Result<Option<(i64, Timestamp)>> {
    Ok(on!(conn, c => sqlx::query_as::<_, (i64, Timestamp)>(FIND)
        .bind(subject.as_str())
        .bind(now)
        .fetch_optional(c)
        .await)?)
}

/// Counts one more failure; returns how many count now.
pub async fn count(conn: &mut Conn<'_>, subject: &FailureSubject, now: Timestamp, until: Timestamp) -> Result<i64> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, i64>(COUNT)
        .bind(subject.as_str())
        .bind(now)
        .bind(until)
        .fetch_one(c)
        .await)?)
}

/// Subtracts an attempt that was no failure.
pub async fn take_back(conn: &mut Conn<'_>, subject: &FailureSubject) -> Result<()> {
    for sql in [TAKE_BACK_THE_LAST, TAKE_BACK] {
        let changed = on!(conn, c => sqlx::query(sql)
            .bind(subject.as_str())
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?;
        if changed > 0 {
            break;
        }
    }
    Ok(())
}

pub async fn forgive(conn: &mut Conn<'_>, subject: &FailureSubject) -> Result<()> {
    on!(conn, c => sqlx::query(FORGIVE).bind(subject.as_str()).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// Deletes some expired counts; returns how many.
pub async fn forget_some(conn: &mut Conn<'_>, now: Timestamp) -> Result<u64> {
    let sql = match conn {
        Conn::Sqlite(_) => FORGET_SOME_ON_SQLITE,
        Conn::Postgres(_) => FORGET_SOME_ON_POSTGRES,
    };
    Ok(on!(conn, c => sqlx::query(sql).bind(now).execute(c).await.map(|done| done.rows_affected()))?)
}
