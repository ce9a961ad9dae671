//! Businesses.

use serde_json::json;

use super::audit;
use super::bulk::{Action, Bulk, Column};
use super::db::BulkConn;
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::businesses::{BusinessKind, BusinessSid, BusinessStatus};
use crate::domain::time::Timestamp;
use crate::error::Result;

pub static INSERT: Bulk = Bulk::new(
    &[("sid", "TEXT"), ("kind", "TEXT"), ("status", "TEXT"), ("created_at", "BIGINT")],
    Action::Insert {
        into: "businesses (sid, kind, status, name, email, address, country_code, tax_id, created_at, updated_at)",
        values: "given.sid, given.kind, given.status, given.sid, '', '', '', '', given.created_at, given.created_at",
        unless: "ON CONFLICT (sid) DO NOTHING",
    },
);

/// Makes a business, as an active client, where it does not exist.
pub async fn create(conn: &mut BulkConn<'_>, sid: &BusinessSid, now: Timestamp, actor: &Actor) -> Result<()> {
    let (kind, status) = (BusinessKind::Client, BusinessStatus::Active);
    let columns = vec![
        Column::texts([sid.as_str()]),
        Column::texts([kind.as_str()]),
        Column::texts([status.as_str()]),
        Column::integers([now.micros()]),
    ];
    if INSERT.execute(conn, columns).await? == 1 {
        let after = json!({"kind": kind, "status": status});
        let entry = AuditEntry::created(AuditAction::BusinessCreated, sid.as_str(), after);
        audit::append(conn, &entry, actor, now).await?;
    }
    Ok(())
}
