//! The audit log.

use std::sync::Arc;

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
    let json = |value: &Option<serde_json::Value>| value.as_ref().map(|value| Arc::from(value.to_string()));
    let columns = vec![
        Column::texts([actor.name.clone()]),
        Column::texts([entry.action.as_str()]),
        Column::texts([entry.subject.as_str()]),
        Column::Text(vec![json(&entry.before)]),
        Column::Text(vec![json(&entry.after)]),
        Column::Text(vec![entry.reason.as_deref().map(Arc::from)]),
        Column::Text(vec![actor.request_id.clone()]),
        Column::Text(vec![actor.address.as_deref().map(Arc::from)]),
        Column::integers([now.micros()]),
    ];
    INSERT.execute(conn, columns).await?;
    Ok(())
}
