//! Businesses.

use serde_json::json;

use super::audit;
use super::bulk::{Action, Bulk, Column};
use super::db::{BulkConn, Conn, on};
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::businesses::{BusinessKind, BusinessSid, BusinessStatus};
use crate::domain::time::Timestamp;
use crate::error::Result;

/// Whether the business `b` of a query, or one above it, is suspended. Chains of parents are at most five businesses deep;
/// most businesses have no parent, and then nothing is looked up.
macro_rules! is_suspended {
    () => {
        "CASE WHEN b.status = 'SUSPENDED' THEN TRUE WHEN b.parent_id IS NULL THEN FALSE ELSE \
         (SELECT 'SUSPENDED' IN (p1.status, COALESCE(p2.status, ''), COALESCE(p3.status, ''), \
         COALESCE(p4.status, '')) FROM businesses p1 LEFT JOIN businesses p2 ON p2.id = p1.parent_id \
         LEFT JOIN businesses p3 ON p3.id = p2.parent_id LEFT JOIN businesses p4 ON p4.id = p3.parent_id \
         WHERE p1.id = b.parent_id) END"
    };
}
pub(super) use is_suspended;

/// The number of a business's wallet, in a list's condition.
macro_rules! wallet_of {
    () => {
        "(SELECT asked.id FROM wallets asked JOIN businesses owner ON owner.id = asked.business_id WHERE owner.sid = {})"
    };
}
pub(super) use wallet_of;

pub const FIND_KIND: &str = "SELECT kind FROM businesses WHERE sid = $1";

/// What kind a business is, if it exists.
pub async fn find_kind(conn: &mut Conn<'_>, sid: &BusinessSid) -> Result<Option<BusinessKind>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, BusinessKind>(FIND_KIND).bind(sid.as_str()).fetch_optional(c).await)?)
}

pub const IS_BELOW: &str = "SELECT count(*) FROM businesses b LEFT JOIN businesses p1 ON p1.id = b.parent_id \
     LEFT JOIN businesses p2 ON p2.id = p1.parent_id LEFT JOIN businesses p3 ON p3.id = p2.parent_id \
     LEFT JOIN businesses p4 ON p4.id = p3.parent_id WHERE b.sid = $1 AND $2 IN (p1.sid, p2.sid, p3.sid, p4.sid)";

/// Whether a business exists and stands somewhere below a reseller.
pub async fn is_below(conn: &mut Conn<'_>, business: &BusinessSid, reseller: &BusinessSid) -> Result<bool> {
    let found = on!(conn, c => sqlx::query_scalar::<_, i64>(IS_BELOW)
        .bind(business.as_str())
        .bind(reseller.as_str())
        .fetch_one(c)
        .await)?;
    Ok(found > 0)
}

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
