//! Lists the audit log.

use crate::domain::audit::AuditRecord;
use crate::domain::values::listing::{ListPage, ListRequest};
use crate::error::Result;
use crate::services::Billing;
use crate::storage;

/// A page of the audit log, newest first unless asked otherwise.
///
/// # Errors
/// [`crate::error::Error::Invalid`] where sort or cursor is invalid; those of the database.
pub async fn list(billing: &Billing, request: &ListRequest) -> Result<ListPage<AuditRecord>> {
    storage::audit::page(&mut billing.db.read().await?.conn(), request).await
}
