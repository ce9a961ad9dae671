//! Writes events to the outbox: a row for each subscribed endpoint, in the transaction that causes the event.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::domain::notifications::events::Event;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::BulkConn;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::jobs::or_ask_again;

given! {
    /// Events with their bodies.
    pub struct GivenEvents(events: &'v [(&'v NewEvent, String)]) for (new, body) in events {
        uid: UUID = new.uid,
        wallet_id: BIGINT = new.wallet_id,
        event: TEXT = new.event.event_type.as_str(),
        bit: BIGINT = new.event.event_type.bit(),
        payload: TEXT = body.as_str(),
        created_at: BIGINT = new.event.at.micros(),
    }
}

pub static INSERT: Bulk<GivenEvents> = Bulk::new(Action::With(
    "INSERT INTO webhook_messages (uid, endpoint_id, event, payload, status, attempts, next_attempt_at, tried_since, \
     tries, created_at) \
     SELECT given.uid, e.id, given.event, given.payload, 'PENDING', 0, given.created_at, given.created_at, 0, \
     given.created_at \
     FROM given JOIN wallets w ON w.id = given.wallet_id JOIN webhook_endpoints e ON e.business_id = w.business_id \
     WHERE e.status = 'ENABLED' AND (e.events & given.bit) <> 0",
));

given! {
    /// Wallets, and the time of the latest event of each.
    pub struct GivenWallets(latest: &'v BTreeMap<i64, Timestamp>) for (wallet_id, at) in latest {
        wallet_id: BIGINT = *wallet_id,
        run_at: BIGINT = at.micros(),
    }
}

/// A delivery job for each endpoint with something to deliver.
pub static SCHEDULE: Bulk<GivenWallets> = Bulk::new(Action::With(concat!(
    "INSERT INTO jobs (kind, subject, run_at, asked, attempts, created_at) \
     SELECT 'webhooks', CAST(e.id AS TEXT), given.run_at, 1, 0, given.run_at \
     FROM given JOIN wallets w ON w.id = given.wallet_id JOIN webhook_endpoints e ON e.business_id = w.business_id \
     WHERE e.status = 'ENABLED' ORDER BY e.id ",
    or_ask_again!()
)));

/// An event about a wallet's business.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub uid: Uuid,
    pub wallet_id: i64,
    pub event: Event,
}

/// Writes events for each endpoint that subscribes to them, and schedules the deliveries.
pub async fn insert(conn: &mut BulkConn<'_>, events: &[NewEvent]) -> Result<()> {
    let bodies: Vec<_> = events.iter().map(|new| (new, new.event.body())).collect();
    if INSERT.execute(conn, GivenEvents::of(&bodies)).await? == 0 {
        return Ok(());
    }
    let mut latest = BTreeMap::new();
    for new in events {
        latest.insert(new.wallet_id, new.event.at);
    }
    SCHEDULE.execute(conn, GivenWallets::of(&latest)).await?;
    Ok(())
}
