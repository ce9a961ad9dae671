//! The audit log.

use sqlx::types::Json;

use super::db::{Conn, on};
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::time::Timestamp;
use crate::error::Result;

pub const INSERT: &str = "INSERT INTO audit_log (actor, action, subject, before, after, reason, request_id, address, \
     created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

pub async fn append(conn: &mut Conn<'_>, entry: &AuditEntry, actor: &Actor, now: Timestamp) -> Result<()> {
    on!(conn, c => sqlx::query(INSERT)
        .bind(&*actor.name)
        .bind(entry.action)
        .bind(entry.subject.as_str())
        .bind(entry.before.as_ref().map(Json))
        .bind(entry.after.as_ref().map(Json))
        .bind(entry.reason.as_deref())
        .bind(actor.request_id.as_deref())
        .bind(actor.address.as_deref())
        .bind(now)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}
