//! Businesses.

use serde_json::json;

use super::audit;
use super::db::{Conn, on};
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::businesses::{BusinessKind, BusinessSid, BusinessStatus};
use crate::domain::time::Timestamp;
use crate::error::Result;

pub const FIND_ID: &str = "SELECT id FROM businesses WHERE sid = $1";

pub const INSERT: &str = "INSERT INTO businesses (sid, kind, status, name, email, address, country_code, tax_id, \
     created_at, updated_at) VALUES ($1, $2, $3, $1, '', '', '', '', $4, $4) ON CONFLICT (sid) DO NOTHING";

/// The key of a business, made as an active client where it does not exist.
pub async fn find_or_create(conn: &mut Conn<'_>, sid: &BusinessSid, now: Timestamp, actor: &Actor) -> Result<i64> {
    let inserted = on!(conn, c => sqlx::query(INSERT)
        .bind(sid.as_str())
        .bind(BusinessKind::Client)
        .bind(BusinessStatus::Active)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    if inserted == 1 {
        let after = json!({"kind": BusinessKind::Client, "status": BusinessStatus::Active});
        let entry = AuditEntry::created(AuditAction::BusinessCreated, sid.as_str(), after);
        audit::append(conn, &entry, actor, now).await?;
    }
    Ok(on!(conn, c => sqlx::query_scalar::<_, i64>(FIND_ID).bind(sid.as_str()).fetch_one(c).await)?)
}
