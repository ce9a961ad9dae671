//! Holds what a batch works with: the database, rules and prices.

use std::sync::Arc;

use crate::clock::Clock;
use crate::services::prices::book::LivePriceBook;
use crate::services::rules::Rules;
use crate::storage::db::Db;

/// The database, rules and prices that a batch works with: the part of the state that does not hold the committer
/// itself.
#[derive(Clone, Debug)]
pub struct BatchContext {
    pub db: Db,
    pub clock: Clock,
    pub rules: Arc<Rules>,
    pub prices: LivePriceBook,
}
