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
    append_many(conn, std::slice::from_ref(entry), actor, now).await
}

/// Notes what one actor did to many things, a row each.
pub async fn append_many(conn: &mut BulkConn<'_>, entries: &[AuditEntry], actor: &Actor, now: Timestamp) -> Result<()> {
    let as_text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let before: Vec<Option<String>> = entries.iter().map(|entry| as_text(&entry.before)).collect();
    let after: Vec<Option<String>> = entries.iter().map(|entry| as_text(&entry.after)).collect();
    let columns = vec![
        Column::texts(entries.iter().map(|_| &*actor.name)),
        Column::texts(entries.iter().map(|entry| entry.action.as_str())),
        Column::texts(entries.iter().map(|entry| entry.subject.as_str())),
        Column::Text(before.iter().map(Option::as_deref).collect()),
        Column::Text(after.iter().map(Option::as_deref).collect()),
        Column::Text(entries.iter().map(|entry| entry.reason.as_deref()).collect()),
        Column::Text(entries.iter().map(|_| actor.request_id.as_deref()).collect()),
        Column::Text(entries.iter().map(|_| actor.address.as_deref()).collect()),
        Column::integers(entries.iter().map(|_| now.micros())),
    ];
    INSERT.execute(conn, columns).await?;
    Ok(())
}
