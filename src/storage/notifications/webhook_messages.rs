//! Stores webhook deliveries and their attempts. [`super::events`] inserts most of them.

use std::collections::BTreeMap;

use sqlx::FromRow as SqlxRow;

use crate::domain::notifications::events::EventType;
use crate::domain::notifications::webhook_messages::{AfterTry, Attempt, DeliveryError, Message, MessageStatus};
use crate::domain::values::paging::{Cursor, Limit};
use crate::domain::values::sid::MessageEventSid;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::rows::{FromRow, Row};
use crate::storage::db::{BulkConn, Conn, on};

macro_rules! select_message {
    ($condition:literal) => {
        concat!(
            "SELECT id, uid, event, payload, status, attempts, next_attempt_at, tried_since, tries, created_at ",
            "FROM webhook_messages WHERE endpoint_id = $1 AND ",
            $condition
        )
    };
}

/// The longest due first.
pub const DUE: &str = select_message!("status = 'PENDING' AND next_attempt_at <= $2 ORDER BY next_attempt_at LIMIT $3");

/// Newest first.
pub const PAGE: &str = select_message!("id < $2 ORDER BY id DESC LIMIT $3");

pub const PAGE_OF_STATUS: &str = select_message!("id < $2 AND status = $4 ORDER BY id DESC LIMIT $3");

pub const FIND: &str = select_message!("uid = $2");

given! {
    pub struct GivenEndpoints(endpoints: impl Iterator<Item = i64>) for endpoint in endpoints {
        endpoint_id: BIGINT = endpoint,
    }
}

/// The time of each endpoint's next attempt.
pub static NEXT_DUE: Bulk<GivenEndpoints> = Bulk::new(Action::With(
    "SELECT given.endpoint_id, (SELECT MIN(m.next_attempt_at) FROM webhook_messages m \
     WHERE m.endpoint_id = given.endpoint_id AND m.status = 'PENDING') FROM given",
));

pub const INSERT: &str = "INSERT INTO webhook_messages (uid, endpoint_id, event, payload, status, attempts, \
     next_attempt_at, tried_since, tries, created_at) VALUES ($1, $2, $3, $4, 'PENDING', 0, $5, $5, 0, $5)";

pub const SEND_AGAIN: &str = "UPDATE webhook_messages SET status = 'PENDING', next_attempt_at = $2, tried_since = $2, \
     tries = 0 WHERE id = $1";

/// A portion of the deliveries created before `$1`, with their attempts.
pub const DELETE_SOME: &str = "DELETE FROM webhook_messages WHERE id IN \
     (SELECT id FROM webhook_messages WHERE created_at < $1 ORDER BY created_at LIMIT 500)";

given! {
    pub struct GivenFates(tried: &'v [&'v Tried]) for one in tried {
        id: BIGINT = one.message.id,
        attempts: BIGINT = one.message.attempts,
        status: TEXT = one.after.status().as_str(),
        next_attempt_at: BIGINT = one.after.next_attempt_at().map(Timestamp::micros),
    }
}

/// Only where no other attempt was recorded meanwhile.
pub static NOTE: Bulk<GivenFates> = Bulk::new(Action::Update {
    table: "webhook_messages",
    set: "status = given.status, attempts = webhook_messages.attempts + 1, tries = webhook_messages.tries + 1, \
          next_attempt_at = given.next_attempt_at",
    by: "webhook_messages.id = given.id AND webhook_messages.attempts = given.attempts \
         AND webhook_messages.status = 'PENDING'",
});

given! {
    pub struct GivenAttempts(tried: &'v [&'v Tried]) for one in tried {
        message_id: BIGINT = one.message.id,
        number: BIGINT = one.attempt.number,
        status_code: BIGINT = one.attempt.status_code,
        error: TEXT = one.attempt.error.map(DeliveryError::as_str),
        duration_micros: BIGINT = one.attempt.duration_micros,
        attempted_at: BIGINT = one.attempt.attempted_at.micros(),
    }
}

/// For deliveries that still exist.
pub static INSERT_ATTEMPTS: Bulk<GivenAttempts> = Bulk::new(Action::With(
    "INSERT INTO webhook_attempts (message_id, number, status_code, error, duration_micros, attempted_at) \
     SELECT m.id, given.number, given.status_code, given.error, given.duration_micros, given.attempted_at \
     FROM given JOIN webhook_messages m ON m.id = given.message_id WHERE given.number > 0 \
     ON CONFLICT (message_id, number) DO NOTHING",
));

given! {
    pub struct GivenMessages(messages: &'v [Message]) for message in messages {
        message_id: BIGINT = message.id,
    }
}

pub static ATTEMPTS: Bulk<GivenMessages> = Bulk::new(Action::With(
    "SELECT a.message_id, a.number, a.status_code, a.error, a.duration_micros, a.attempted_at \
     FROM given JOIN webhook_attempts a ON a.message_id = given.message_id",
));

#[derive(SqlxRow)]
struct MessageRow {
    id: i64,
    uid: MessageEventSid,
    event: EventType,
    payload: String,
    status: MessageStatus,
    attempts: i64,
    next_attempt_at: Option<Timestamp>,
    tried_since: Timestamp,
    tries: i64,
    created_at: Timestamp,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Message {
        Message {
            id: row.id,
            sid: row.uid,
            event: row.event,
            payload: row.payload,
            status: row.status,
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at,
            tried_since: row.tried_since,
            tries: row.tries,
            created_at: row.created_at,
        }
    }
}

/// The due deliveries of an endpoint.
pub async fn due(conn: &mut Conn<'_>, endpoint_id: i64, now: Timestamp, most: i64) -> Result<Vec<Message>> {
    let rows = on!(conn, c => sqlx::query_as::<_, MessageRow>(DUE)
        .bind(endpoint_id)
        .bind(now)
        .bind(most)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Message::from).collect())
}

struct NextDue(i64, Option<Timestamp>);

impl FromRow for NextDue {
    fn from_row(mut row: Row<'_>) -> Result<NextDue> {
        Ok(NextDue(row.take()?, row.take()?))
    }
}

/// The time of each endpoint's next attempt. Endpoints with nothing to deliver are left out.
pub async fn next_due(
    conn: &mut BulkConn<'_>,
    endpoints: impl Iterator<Item = i64>,
) -> Result<BTreeMap<i64, Timestamp>> {
    let rows = NEXT_DUE.fetch::<NextDue>(conn, GivenEndpoints::of(endpoints)).await?;
    Ok(rows.into_iter().filter_map(|NextDue(endpoint, at)| Some((endpoint, at?))).collect())
}

/// A page of an endpoint's deliveries, newest first, with one row more than it shows.
pub async fn page(
    conn: &mut Conn<'_>,
    endpoint_id: i64,
    status: Option<MessageStatus>,
    cursor: Cursor,
    limit: Limit,
) -> Result<Vec<Message>> {
    let sql = if status.is_some() { PAGE_OF_STATUS } else { PAGE };
    let rows = on!(conn, c => {
        let query = sqlx::query_as::<_, MessageRow>(sql)
            .bind(endpoint_id)
            .bind(cursor.position())
            .bind(limit.with_lookahead());
        let query = if let Some(status) = status { query.bind(status) } else { query };
        query.fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(Message::from).collect())
}

pub async fn find(conn: &mut Conn<'_>, endpoint_id: i64, sid: MessageEventSid) -> Result<Option<Message>> {
    let row = on!(conn, c => sqlx::query_as::<_, MessageRow>(FIND)
        .bind(endpoint_id)
        .bind(sid)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(Message::from))
}

/// Inserts a delivery to one endpoint, due at once.
pub async fn insert(
    conn: &mut Conn<'_>,
    endpoint_id: i64,
    sid: MessageEventSid,
    event: EventType,
    payload: &str,
    now: Timestamp,
) -> Result<()> {
    on!(conn, c => sqlx::query(INSERT)
        .bind(sid)
        .bind(endpoint_id)
        .bind(event)
        .bind(payload)
        .bind(now)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Begins a new series of attempts at a delivery, from now on.
pub async fn send_again(conn: &mut Conn<'_>, id: i64, now: Timestamp) -> Result<()> {
    on!(conn, c => sqlx::query(SEND_AGAIN).bind(id).bind(now).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// A delivery, an attempt at it, and the state after that.
#[derive(Clone, Debug)]
pub struct Tried {
    pub message: Message,
    pub attempt: Attempt,
    pub after: AfterTry,
}

/// Records attempts, and the deliveries' state after them.
pub async fn note(conn: &mut BulkConn<'_>, tried: &[&Tried]) -> Result<()> {
    INSERT_ATTEMPTS.execute(conn, GivenAttempts::of(tried)).await?;
    NOTE.execute(conn, GivenFates::of(tried)).await?;
    Ok(())
}

struct AttemptRow(i64, Attempt);

impl FromRow for AttemptRow {
    fn from_row(mut row: Row<'_>) -> Result<AttemptRow> {
        let message_id = row.take()?;
        let (number, status_code) = (row.take()?, row.take()?);
        let error = row.take::<Option<String>>()?;
        let error = error.map(|text| text.parse()).transpose().map_err(Error::Corrupt)?;
        let attempt = Attempt { number, status_code, error, duration_micros: row.take()?, attempted_at: row.take()? };
        Ok(AttemptRow(message_id, attempt))
    }
}

/// The attempts at these deliveries, each with the delivery's row id; the first of each delivery first.
pub async fn attempts(conn: &mut Conn<'_>, messages: &[Message]) -> Result<Vec<(i64, Attempt)>> {
    let rows = ATTEMPTS.fetch::<AttemptRow>(&mut conn.bulk(), GivenMessages::of(messages)).await?;
    let mut attempts: Vec<_> = rows.into_iter().map(|AttemptRow(message, attempt)| (message, attempt)).collect();
    attempts.sort_by_key(|(message, attempt)| (*message, attempt.number));
    Ok(attempts)
}

/// Deletes some deliveries created before that time; returns how many.
pub async fn delete_some(conn: &mut Conn<'_>, before: Timestamp) -> Result<u64> {
    Ok(on!(conn, c => sqlx::query(DELETE_SOME).bind(before).execute(c).await.map(|done| done.rows_affected()))?)
}
