//! Stores idempotent answers, finds them by key, and forgets old ones.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;

use super::{Conn, on};
use crate::domain::values::idempotency::{InputHash, KeyScope, forgotten_before};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};

pub const FIND: &str = "SELECT input_hash, answer FROM idempotency_keys \
     WHERE caller = $1 AND route = $2 AND business_sid = $3 AND key = $4 AND created_at >= $5";

/// A conflicting row is one that `FIND` no longer finds: its key was forgotten and may begin anew.
pub const INSERT: &str = "INSERT INTO idempotency_keys (caller, route, business_sid, key, input_hash, answer, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (caller, route, business_sid, key) \
     DO UPDATE SET input_hash = excluded.input_hash, answer = excluded.answer, created_at = excluded.created_at";

macro_rules! forget_some {
    ($lock:literal) => {
        concat!(
            "DELETE FROM idempotency_keys WHERE (caller, route, business_sid, key) IN ( ",
            "SELECT caller, route, business_sid, key FROM idempotency_keys WHERE created_at < $1 ",
            "ORDER BY created_at LIMIT 4",
            $lock,
            ")"
        )
    };
}

/// A small portion at a time: the table shrinks faster than keys are added, and no request waits for a long deletion.
pub const FORGET_SOME_ON_SQLITE: &str = forget_some!("");

/// Rows that another request is deleting are skipped, else wallets would wait for each other.
pub const FORGET_SOME_ON_POSTGRES: &str = forget_some!(" FOR UPDATE SKIP LOCKED");

/// Locks an idempotency key. SQLite needs no lock: its one writer is alone already.
pub const TAKE_TURN_ON_POSTGRES: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7))";

/// Locks a key until the transaction ends, where there is no row to lock instead.
pub async fn take_turn(conn: &mut Conn<'_>, scope: &KeyScope) -> Result<()> {
    if let Conn::Postgres(c) = conn {
        let name = format!("{} {} {}", scope.caller, scope.route, scope.key.as_str());
        sqlx::query(TAKE_TURN_ON_POSTGRES).bind(name).execute(&mut **c).await?;
    }
    Ok(())
}

#[derive(FromRow)]
struct Row {
    input_hash: Vec<u8>,
    answer: Json<Box<RawValue>>,
}

/// The stored answer to this key, if it was used before for the same input.
///
/// # Errors
/// [`Error::IdempotencyConflict`] where it was used for another input.
pub async fn find<T: DeserializeOwned>(
    conn: &mut Conn<'_>,
    scope: &KeyScope,
    input: &InputHash,
    now: Timestamp,
) -> Result<Option<T>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND)
        .bind(scope.caller.as_str())
        .bind(scope.route)
        .bind(scope.business_sid.as_ref().map_or("", BusinessSid::as_str))
        .bind(scope.key.as_str())
        .bind(forgotten_before(now))
        .fetch_optional(c)
        .await)?;
    let Some(row) = row else { return Ok(None) };
    if row.input_hash != input.as_bytes() {
        return Err(Error::IdempotencyConflict);
    }
    let answer = serde_json::from_str(row.answer.get());
    answer.map(Some).map_err(|error| Error::Corrupt(format!("an idempotent answer: {error}")))
}

/// Stores an answer, and deletes a few that have expired.
pub async fn remember<T: Serialize>(
    conn: &mut Conn<'_>,
    scope: &KeyScope,
    input: &InputHash,
    answer: &T,
    now: Timestamp,
) -> Result<()> {
    forget_some(conn, now).await?;
    on!(conn, c => sqlx::query(INSERT)
        .bind(scope.caller.as_str())
        .bind(scope.route)
        .bind(scope.business_sid.as_ref().map_or("", BusinessSid::as_str))
        .bind(scope.key.as_str())
        .bind(input.as_bytes())
        .bind(Json(answer))
        .bind(now)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Deletes a few expired answers; returns how many.
pub async fn forget_some(conn: &mut Conn<'_>, now: Timestamp) -> Result<u64> {
    let sql = match conn {
        Conn::Sqlite(_) => FORGET_SOME_ON_SQLITE,
        Conn::Postgres(_) => FORGET_SOME_ON_POSTGRES,
    };
    let before = forgotten_before(now);
    Ok(on!(conn, c => sqlx::query(sql).bind(before).execute(c).await.map(|done| done.rows_affected()))?)
}
