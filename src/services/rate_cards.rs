//! Rate cards.

use chrono::NaiveDate;

use super::Billing;
use crate::domain::rate_cards::{RateCard, RateCardFilter};
use crate::error::Result;
use crate::storage;

/// The cards in force on a day (today unless given), one per destination and currency.
///
/// # Errors
/// Those of the database.
pub async fn list(billing: &Billing, filter: &RateCardFilter, as_of: Option<NaiveDate>) -> Result<Vec<RateCard>> {
    let day = as_of.unwrap_or_else(|| billing.today());
    storage::rate_cards::list_in_force(&mut billing.db.read().await?.conn(), filter, day).await
}
