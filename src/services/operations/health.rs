//! Checks whether the database answers, and reports the state of its connection pools.

use crate::error::Result;
use crate::services::Billing;
use crate::storage;

/// Checks that the database answers.
///
/// # Errors
/// Those of the database.
pub async fn ready(billing: &Billing) -> Result<()> {
    storage::db::deployment::ping(&mut billing.db.read().await?.conn()).await
}

/// The present state of a pool of database connections.
#[derive(Clone, Copy, Debug)]
pub struct PoolState {
    pub pool: &'static str,
    pub open: u32,
    pub idle: usize,
}

pub fn pools(billing: &Billing) -> Vec<PoolState> {
    billing.db.pools().into_iter().map(|(pool, open, idle)| PoolState { pool, open, idle }).collect()
}
