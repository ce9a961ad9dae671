//! Stores webhook endpoints and their state: secret, status, and since when deliveries fail.

use sqlx::FromRow;

use crate::domain::notifications::events::EventSet;
use crate::domain::notifications::webhooks::{Webhook, WebhookStatus, WebhookUrl};
use crate::domain::values::sid::{BusinessSid, WebhookSid};
use crate::domain::values::text::LongText;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::rows;
use crate::storage::db::{BulkConn, Conn, on};

/// An endpoint, its row id, and its encrypted secrets.
#[derive(Clone, Debug)]
pub struct StoredWebhook {
    pub id: i64,
    pub webhook: Webhook,
    pub secret: String,
    pub previous_secret: Option<String>,
}

macro_rules! select_webhook {
    ($condition:literal) => {
        concat!(
            "SELECT e.id, e.uid, b.sid AS business_sid, e.url, e.description, e.events, e.status, e.secret, ",
            "e.previous_secret, e.previous_until, e.failing_since, e.created_at, e.updated_at ",
            "FROM webhook_endpoints e JOIN businesses b ON b.id = e.business_id WHERE ",
            $condition
        )
    };
}

/// The oldest first.
pub const LIST: &str =
    select_webhook!("e.business_id = (SELECT asked.id FROM businesses asked WHERE asked.sid = $1) ORDER BY e.id");

/// An endpoint of one business.
pub const FIND: &str = select_webhook!("b.sid = $1 AND e.uid = $2");

/// Locks the endpoint's row until the transaction ends; deliveries to it are still inserted. SQLite needs no lock: its
/// one writer is alone already.
pub const FIND_AND_LOCK_ON_POSTGRES: &str = select_webhook!("b.sid = $1 AND e.uid = $2 FOR NO KEY UPDATE OF e");

pub const FIND_BY_ID: &str = select_webhook!("e.id = $1");

pub const FIND_BY_ID_AND_LOCK_ON_POSTGRES: &str = select_webhook!("e.id = $1 FOR NO KEY UPDATE OF e");

pub const COUNT: &str =
    "SELECT count(*) FROM webhook_endpoints WHERE business_id = (SELECT id FROM businesses WHERE sid = $1)";

pub const INSERT: &str = "INSERT INTO webhook_endpoints (uid, business_id, url, description, events, status, secret, \
     created_at, updated_at) VALUES ($1, (SELECT id FROM businesses WHERE sid = $2), $3, $4, $5, $6, $7, $8, $8)";

pub const UPDATE: &str = "UPDATE webhook_endpoints SET url = $2, description = $3, events = $4, status = $5, \
     failing_since = $6, updated_at = $7 WHERE id = $1";

pub const SET_SECRET: &str = "UPDATE webhook_endpoints SET previous_secret = CASE WHEN CAST($3 AS BIGINT) IS NULL \
     THEN NULL ELSE secret END, previous_until = $3, secret = $2, updated_at = $4 WHERE id = $1";

given! {
    pub struct GivenIds(ids: impl Iterator<Item = i64>) for id in ids {
        id: BIGINT = id,
    }
}

macro_rules! load_states {
    ($lock:literal) => {
        Bulk::new(Action::With(concat!(
            "SELECT e.id, e.status, e.failing_since FROM given JOIN webhook_endpoints e ON e.id = given.id",
            $lock
        )))
    };
}

pub static LOAD_STATES: Bulk<GivenIds> = load_states!("");

/// Locks the endpoints' rows, in one order.
pub static LOAD_STATES_AND_LOCK_ON_POSTGRES: Bulk<GivenIds> = load_states!(" ORDER BY e.id FOR NO KEY UPDATE OF e");

given! {
    pub struct GivenFailures(since: &'v [(i64, Option<Timestamp>)]) for (id, since) in since {
        id: BIGINT = *id,
        failing_since: BIGINT = since.map(Timestamp::micros),
    }
}

pub static SET_FAILING_SINCE: Bulk<GivenFailures> = Bulk::new(Action::Update {
    table: "webhook_endpoints",
    set: "failing_since = given.failing_since",
    by: "webhook_endpoints.id = given.id",
});

/// Deletes its deliveries too.
pub const DELETE: &str = "DELETE FROM webhook_endpoints WHERE id = $1";

/// The subscribed events of each enabled endpoint of a wallet's business.
pub const ASKED_OF_WALLET: &str = "SELECT events FROM webhook_endpoints \
     WHERE business_id = (SELECT business_id FROM wallets WHERE id = $1) AND status = 'ENABLED'";

pub const SET_ASKED_OF_WALLET: &str = "UPDATE wallets SET webhook_events = $2 WHERE id = $1";

#[derive(FromRow)]
struct Row {
    id: i64,
    uid: WebhookSid,
    business_sid: BusinessSid,
    url: String,
    description: LongText,
    events: EventSet,
    status: WebhookStatus,
    secret: String,
    previous_secret: Option<String>,
    previous_until: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl TryFrom<Row> for StoredWebhook {
    type Error = Error;

    fn try_from(row: Row) -> Result<StoredWebhook> {
        let webhook = Webhook {
            sid: row.uid,
            business: row.business_sid,
            url: WebhookUrl::of_stored(&row.url).map_err(Error::Corrupt)?,
            description: row.description,
            events: row.events,
            status: row.status,
            previous_until: row.previous_until,
            failing_since: row.failing_since,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        Ok(StoredWebhook { id: row.id, webhook, secret: row.secret, previous_secret: row.previous_secret })
    }
}

/// All endpoints of a business: they are few.
pub async fn list(conn: &mut Conn<'_>, business: &BusinessSid) -> Result<Vec<StoredWebhook>> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(LIST).bind(business.as_str()).fetch_all(c).await)?;
    rows.into_iter().map(StoredWebhook::try_from).collect()
}

pub async fn find(conn: &mut Conn<'_>, business: &BusinessSid, sid: WebhookSid) -> Result<Option<StoredWebhook>> {
    find_by(conn, FIND, business, sid).await
}

/// The endpoint, locked until this transaction ends.
pub async fn lock(conn: &mut Conn<'_>, business: &BusinessSid, sid: WebhookSid) -> Result<Option<StoredWebhook>> {
    let sql = conn.choose(FIND, FIND_AND_LOCK_ON_POSTGRES);
    find_by(conn, sql, business, sid).await
}

async fn find_by(
    conn: &mut Conn<'_>,
    sql: &'static str,
    business: &BusinessSid,
    sid: WebhookSid,
) -> Result<Option<StoredWebhook>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(sql)
        .bind(business.as_str())
        .bind(sid)
        .fetch_optional(c)
        .await)?;
    row.map(StoredWebhook::try_from).transpose()
}

pub async fn find_by_id(conn: &mut Conn<'_>, id: i64) -> Result<Option<StoredWebhook>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND_BY_ID).bind(id).fetch_optional(c).await)?;
    row.map(StoredWebhook::try_from).transpose()
}

/// The endpoint, locked until this transaction ends.
pub async fn lock_by_id(conn: &mut Conn<'_>, id: i64) -> Result<Option<StoredWebhook>> {
    let sql = conn.choose(FIND_BY_ID, FIND_BY_ID_AND_LOCK_ON_POSTGRES);
    let row = on!(conn, c => sqlx::query_as::<_, Row>(sql).bind(id).fetch_optional(c).await)?;
    row.map(StoredWebhook::try_from).transpose()
}

pub async fn count(conn: &mut Conn<'_>, business: &BusinessSid) -> Result<i64> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, i64>(COUNT).bind(business.as_str()).fetch_one(c).await)?)
}

/// Inserts an endpoint of a business that exists, with its encrypted secret.
pub async fn insert(conn: &mut Conn<'_>, webhook: &Webhook, secret: &str) -> Result<()> {
    on!(conn, c => sqlx::query(INSERT)
        .bind(webhook.sid)
        .bind(webhook.business.as_str())
        .bind(webhook.url.as_str())
        .bind(webhook.description.as_str())
        .bind(webhook.events)
        .bind(webhook.status)
        .bind(secret)
        .bind(webhook.created_at)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Updates an endpoint, except for its secrets.
pub async fn update(conn: &mut Conn<'_>, id: i64, webhook: &Webhook) -> Result<()> {
    on!(conn, c => sqlx::query(UPDATE)
        .bind(id)
        .bind(webhook.url.as_str())
        .bind(webhook.description.as_str())
        .bind(webhook.events)
        .bind(webhook.status)
        .bind(webhook.failing_since)
        .bind(webhook.updated_at)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Sets another secret of an endpoint, encrypted. The old one signs too until `previous_until`, if that is given.
pub async fn set_secret(
    conn: &mut Conn<'_>,
    id: i64,
    secret: &str,
    previous_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    on!(conn, c => sqlx::query(SET_SECRET)
        .bind(id)
        .bind(secret)
        .bind(previous_until)
        .bind(now)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// The part of an endpoint that deliveries change.
#[derive(Clone, Copy, Debug)]
pub struct EndpointState {
    pub id: i64,
    pub status: WebhookStatus,
    pub failing_since: Option<Timestamp>,
}

impl rows::FromRow for EndpointState {
    fn from_row(mut row: rows::Row<'_>) -> Result<EndpointState> {
        Ok(EndpointState { id: row.take()?, status: row.take()?, failing_since: row.take()? })
    }
}

/// The states of endpoints, locked until this transaction ends. Deleted ones are left out.
pub async fn load_and_lock_states(
    conn: &mut BulkConn<'_>,
    ids: impl Iterator<Item = i64>,
) -> Result<Vec<EndpointState>> {
    let sql = conn.choose(&LOAD_STATES, &LOAD_STATES_AND_LOCK_ON_POSTGRES);
    sql.fetch(conn, GivenIds::of(ids)).await
}

/// Sets since when deliveries to endpoints (by row id) have failed.
pub async fn set_failing_since(conn: &mut BulkConn<'_>, since: &[(i64, Option<Timestamp>)]) -> Result<()> {
    SET_FAILING_SINCE.execute(conn, GivenFailures::of(since)).await?;
    Ok(())
}

pub async fn delete(conn: &mut Conn<'_>, id: i64) -> Result<()> {
    on!(conn, c => sqlx::query(DELETE).bind(id).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// Stores in a wallet, which is locked, the events that its business's endpoints now subscribe to; returns them.
pub async fn tell_wallet(conn: &mut Conn<'_>, wallet_id: i64) -> Result<EventSet> {
    let asked = on!(conn, c => sqlx::query_scalar::<_, EventSet>(ASKED_OF_WALLET).bind(wallet_id).fetch_all(c).await)?;
    let events = EventSet::from_bits(asked.into_iter().fold(0, |bits, events| bits | events.bits()));
    on!(conn, c => sqlx::query(SET_ASKED_OF_WALLET).bind(wallet_id).bind(events).execute(c).await.map(|_| ()))?;
    Ok(events)
}
