//! Pricing plans.

use super::Billing;
use crate::domain::pricing::PricingPlan;
use crate::error::Result;
use crate::storage;

/// Every plan, in the order they were made.
///
/// # Errors
/// Those of the database.
pub async fn list(billing: &Billing) -> Result<Vec<PricingPlan>> {
    storage::pricing::list(&mut billing.db.read().await?.conn()).await
}
