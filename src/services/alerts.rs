//! Alerts of a business.

use super::Billing;
use crate::domain::access::Tenant;
use crate::domain::alerts::BillingAlert;
use crate::domain::paging::{Cursor, Limit, Page};
use crate::error::Result;
use crate::storage;

/// A page of a business's alerts, newest first. One that nobody has used yet has none.
///
/// # Errors
/// Those of the database.
pub async fn list(
    billing: &Billing,
    tenant: &Tenant,
    unread_only: bool,
    cursor: Cursor,
    limit: Limit,
) -> Result<Page<BillingAlert>> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let Some(stored) = storage::wallet::find(&mut conn, tenant.sid()).await? else {
        return Ok(Page { items: Vec::new(), next: None });
    };
    let rows = storage::alerts::page(&mut conn, stored.id, unread_only, cursor, limit).await?;
    Ok(Page::from_lookahead(rows, limit, |alert| alert.position))
}
