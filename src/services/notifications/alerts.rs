//! Lists a business's alerts, counts the unread and marks them read.

use serde_json::json;

use crate::domain::access::rights::Tenant;
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::notifications::alerts::{BillingAlert, OwnedAlert, UnreadAlerts};
use crate::domain::values::listing::{ListPage, ListRequest};
use crate::domain::values::paging::{Cursor, Limit, Page};
use crate::domain::values::sid::AlertSid;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;

/// A page of a business's alerts, newest first; none for a business that was never used.
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
    let Some(stored) = storage::wallets::find(&mut conn, tenant.sid()).await? else {
        return Ok(Page { items: Vec::new(), next: None });
    };
    let rows = storage::notifications::alerts::page(&mut conn, stored.id, unread_only, cursor, limit).await?;
    Ok(Page::from_lookahead(rows, limit, |alert| alert.position))
}

/// A page of the alerts of all businesses.
///
/// # Errors
/// [`Error::Invalid`] where sort or cursor is invalid, and those of the database.
pub async fn list_all(billing: &Billing, request: &ListRequest) -> Result<ListPage<OwnedAlert>> {
    storage::notifications::alerts::page_of_all(&mut billing.db.read().await?.conn(), request).await
}

/// Marks an alert as read or unread. The same again changes nothing and is not recorded.
///
/// # Errors
/// [`Error::NotFound`] where the business has no such alert, and those of the database.
pub async fn mark(
    billing: &Billing,
    tenant: &Tenant,
    sid: AlertSid,
    is_read: bool,
    actor: &Actor,
) -> Result<BillingAlert> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let alert = storage::notifications::alerts::find(&mut conn, tenant.sid(), sid).await?.ok_or(Error::NotFound {
        code: "alert_not_found",
        sentence: "There is no such alert, or it is none of this business's.",
    })?;
    let marked = BillingAlert { is_read, ..alert.clone() };
    if !storage::notifications::alerts::mark(&mut conn, &alert, is_read).await? {
        tx.roll_back().await?;
        return Ok(marked);
    }
    let (before, after) = (json!({"is_read": !is_read}), json!({"is_read": is_read}));
    let entry = AuditEntry::changed(AuditAction::AlertChanged, sid.to_string(), before, after);
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    tx.commit().await?;
    Ok(marked)
}

/// The number of a business's unread alerts.
///
/// # Errors
/// Those of the database.
pub async fn count_unread(billing: &Billing, tenant: &Tenant) -> Result<UnreadAlerts> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    match storage::wallets::find(&mut conn, tenant.sid()).await? {
        Some(stored) => storage::notifications::alerts::count_unread(&mut conn, stored.id).await,
        None => Ok(UnreadAlerts::default()),
    }
}

/// Marks all alerts of a business as read; returns how many changed.
///
/// # Errors
/// Those of the database.
pub async fn mark_all_read(billing: &Billing, tenant: &Tenant, actor: &Actor) -> Result<u64> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let Some(stored) = storage::wallets::find(&mut conn, tenant.sid()).await? else {
        tx.roll_back().await?;
        return Ok(0);
    };
    let marked = storage::notifications::alerts::mark_all_read(&mut conn, stored.id).await?;
    if marked == 0 {
        tx.roll_back().await?;
        return Ok(0);
    }
    let (before, after) = (json!({"unread": marked}), json!({"unread": 0}));
    let entry = AuditEntry::changed(AuditAction::AlertsRead, stored.wallet.sid.to_string(), before, after);
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    tx.commit().await?;
    Ok(marked)
}
