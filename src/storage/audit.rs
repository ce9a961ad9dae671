//! The audit log.

use serde_json::Value;

use super::bulk::{Action, Bulk, Column};
use super::db::BulkConn;
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::time::Timestamp;
use crate::error::Result;

pub static INSERT: Bulk = Bulk::new(
    &[
        ("actor", "TEXT"),
        ("action", "TEXT"),
        ("subject", "TEXT"),
        ("before", "JSONB"),
        ("after", "JSONB"),
        ("reason", "TEXT"),
        ("request_id", "TEXT"),
        ("address", "TEXT"),
        ("created_at", "BIGINT"),
    ],
    Action::InsertInto("audit_log"),
);

pub async fn append(conn: &mut BulkConn<'_>, entry: &AuditEntry, actor: &Actor, now: Timestamp) -> Result<()> {
    let (before, after) = (entry.before.as_ref().map(Value::to_string), entry.after.as_ref().map(Value::to_string));
    let columns = vec![
        Column::texts([&*actor.name]),
        Column::texts([entry.action.as_str()]),
        Column::texts([entry.subject.as_str()]),
        Column::Text(vec![before.as_deref()]),
        Column::Text(vec![after.as_deref()]),
        Column::Text(vec![entry.reason.as_deref()]),
        Column::Text(vec![actor.request_id.as_deref()]),
        Column::Text(vec![actor.address.as_deref()]),
        Column::integers([now.micros()]),
    ];
    INSERT.execute(conn, columns).await?;
    Ok(())
}
