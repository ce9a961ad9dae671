//! Records webhook delivery attempts in bulk, and since when an endpoint fails.
//! Not a use case: `webhook_deliveries` makes the attempts, and `operations/jobs` records them along with the jobs that
//! made them.

use std::collections::BTreeMap;

use crate::domain::notifications::webhook_messages::Health;
use crate::domain::notifications::webhooks::WebhookStatus;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage;
use crate::storage::db::BulkConn;
use crate::storage::notifications::webhook_messages::Tried;
use crate::storage::notifications::webhooks::EndpointState;

/// The attempts of one job at deliveries to an endpoint; none where the endpoint is gone.
#[derive(Clone, Debug)]
pub struct Sent {
    pub endpoint_id: i64,
    pub tried: Vec<Tried>,
}

impl Sent {
    pub fn health(&self) -> Health {
        Health::of(self.tried.iter().map(|one| one.attempt.error))
    }
}

/// Records attempts, and since when endpoints have failed. Returns when each endpoint's next delivery is due; endpoints
/// without one, or disabled, are left out.
///
/// # Errors
/// Those of the database.
pub async fn note(conn: &mut BulkConn<'_>, sent: &[&Sent], now: Timestamp) -> Result<BTreeMap<i64, Timestamp>> {
    let states =
        storage::notifications::webhooks::load_and_lock_states(conn, sent.iter().map(|sent| sent.endpoint_id)).await?;
    let states: BTreeMap<i64, EndpointState> = states.into_iter().map(|state| (state.id, state)).collect();
    let tried: Vec<&Tried> = sent.iter().flat_map(|sent| &sent.tried).collect();
    storage::notifications::webhook_messages::note(conn, &tried).await?;
    let mut changed = Vec::new();
    for sent in sent.iter().filter(|sent| !sent.tried.is_empty()) {
        let Some(state) = states.get(&sent.endpoint_id) else { continue };
        let failing_since = sent.health().failing_since(state.failing_since, now);
        if failing_since != state.failing_since {
            changed.push((state.id, failing_since));
        }
    }
    storage::notifications::webhooks::set_failing_since(conn, &changed).await?;
    let enabled = states.values().filter(|state| state.status == WebhookStatus::Enabled);
    // A message that is written after this look has the job asked for once more, which is noticed as the job is noted.
    storage::notifications::webhook_messages::next_due(conn, enabled.map(|state| state.id)).await
}
