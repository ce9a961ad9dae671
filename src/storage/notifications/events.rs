//! Writes events to the outbox: a row for each subscribed endpoint, in the transaction that causes the event.

use uuid::Uuid;

use crate::domain::notifications::events::Event;
use crate::error::Result;
use crate::storage::db::BulkConn;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::rows::Column;
use crate::storage::jobs::or_ask_again;

pub static INSERT: Bulk = Bulk::new(
    &[
        ("uid", "UUID"),
        ("wallet_id", "BIGINT"),
        ("event", "TEXT"),
        ("bit", "BIGINT"),
        ("payload", "TEXT"),
        ("created_at", "BIGINT"),
    ],
    Action::With(
        "INSERT INTO webhook_messages (uid, endpoint_id, event, payload, status, attempts, next_attempt_at, tried_since, \
         tries, created_at) \
         SELECT given.uid, e.id, given.event, given.payload, 'PENDING', 0, given.created_at, given.created_at, 0, \
         given.created_at \
         FROM given JOIN wallets w ON w.id = given.wallet_id JOIN webhook_endpoints e ON e.business_id = w.business_id \
         WHERE e.status = 'ENABLED' AND (e.events & given.bit) <> 0",
    ),
);

/// A delivery job for each endpoint with something to deliver.
pub static SCHEDULE: Bulk = Bulk::new(
    &[("wallet_id", "BIGINT"), ("run_at", "BIGINT")],
    Action::With(concat!(
        "INSERT INTO jobs (kind, subject, run_at, asked, attempts, created_at) \
         SELECT 'webhooks', CAST(e.id AS TEXT), given.run_at, 1, 0, given.run_at \
         FROM given JOIN wallets w ON w.id = given.wallet_id JOIN webhook_endpoints e ON e.business_id = w.business_id \
         WHERE e.status = 'ENABLED' ORDER BY e.id ",
        or_ask_again!()
    )),
);

/// An event about a wallet's business.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub uid: Uuid,
    pub wallet_id: i64,
    pub event: Event,
}

/// Writes events for each endpoint that subscribes to them, and schedules the deliveries.
pub async fn insert(conn: &mut BulkConn<'_>, events: &[NewEvent]) -> Result<()> {
    let bodies: Vec<String> = events.iter().map(|new| new.event.body()).collect();
    let columns = vec![
        Column::ids(events.iter().map(|new| new.uid)),
        Column::integers(events.iter().map(|new| new.wallet_id)),
        Column::texts(events.iter().map(|new| new.event.event_type.as_str())),
        Column::integers(events.iter().map(|new| new.event.event_type.bit())),
        Column::texts(bodies.iter().map(String::as_str)),
        Column::integers(events.iter().map(|new| new.event.at.micros())),
    ];
    if INSERT.execute(conn, columns).await? == 0 {
        return Ok(());
    }
    let mut latest = std::collections::BTreeMap::new();
    for new in events {
        latest.insert(new.wallet_id, new.event.at.micros());
    }
    let columns = vec![Column::integers(latest.keys().copied()), Column::integers(latest.values().copied())];
    SCHEDULE.execute(conn, columns).await?;
    Ok(())
}
