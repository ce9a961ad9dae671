//! Appends to the audit log and lists it.

use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;

use crate::domain::audit::{Actor, AuditAction, AuditEntry, AuditRecord};
use crate::domain::values::listing::{ListPage, ListRequest, ValueKind};
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::listing::{Filter, Listing, Sort};
use crate::storage::db::{BulkConn, Conn};

given! {
    /// What somebody did, with the state before and after as JSON.
    pub struct GivenEntries(
        entries: &'v [(&'v AuditEntry, Option<String>, Option<String>)],
        actor: &'v Actor,
        now: Timestamp,
    ) for (entry, before, after) in entries {
        actor: TEXT = &*actor.name,
        action: TEXT = entry.action.as_str(),
        subject: TEXT = entry.subject.as_str(),
        before: JSONB = before.as_deref(),
        after: JSONB = after.as_deref(),
        reason: TEXT = entry.reason.as_deref(),
        request_id: TEXT = actor.request_id.as_deref(),
        address: TEXT = actor.address.as_deref(),
        created_at: BIGINT = now.micros(),
    }
}

pub static INSERT: Bulk<GivenEntries> = Bulk::new(Action::InsertInto("audit_log"));

pub static LISTING: Listing = Listing {
    select: "l.id, l.actor, l.action, l.subject, l.before, l.after, l.reason, l.request_id, l.address, l.created_at",
    from: "audit_log l",
    id: "l.id",
    search: &[],
    filters: &[
        Filter { name: "actor", kind: ValueKind::Text, condition: "l.actor = {}" },
        Filter { name: "action", kind: ValueKind::Text, condition: "l.action = {}" },
        Filter { name: "subject", kind: ValueKind::Text, condition: "l.subject = {}" },
        Filter { name: "request_id", kind: ValueKind::Text, condition: "l.request_id = {}" },
        Filter { name: "from", kind: ValueKind::Integer, condition: "l.created_at >= {}" },
        Filter { name: "until", kind: ValueKind::Integer, condition: "l.created_at < {}" },
    ],
    sorts: &[Sort { name: "created_at", column: "l.created_at", kind: ValueKind::Integer, is_unique: false }],
    default_sort: "-created_at",
};

#[derive(FromRow)]
struct Row {
    id: i64,
    actor: String,
    action: AuditAction,
    subject: String,
    before: Option<Json<Value>>,
    after: Option<Json<Value>>,
    reason: Option<String>,
    request_id: Option<String>,
    address: Option<String>,
    created_at: Timestamp,
}

impl From<Row> for AuditRecord {
    fn from(row: Row) -> AuditRecord {
        AuditRecord {
            id: row.id,
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            before: row.before.map(|before| before.0),
            after: row.after.map(|after| after.0),
            reason: row.reason,
            request_id: row.request_id,
            address: row.address,
            created_at: row.created_at,
        }
    }
}

/// A page of the audit log.
pub async fn page(conn: &mut Conn<'_>, request: &ListRequest) -> Result<ListPage<AuditRecord>> {
    Ok(LISTING.page::<Row>(conn, request).await?.map(AuditRecord::from))
}

pub async fn append(conn: &mut BulkConn<'_>, entry: &AuditEntry, actor: &Actor, now: Timestamp) -> Result<()> {
    append_many(conn, std::slice::from_ref(entry), actor, now).await
}

/// Appends several records of one actor.
pub async fn append_many(conn: &mut BulkConn<'_>, entries: &[AuditEntry], actor: &Actor, now: Timestamp) -> Result<()> {
    let as_text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
    let as_rows = entries.iter().map(|entry| (entry, as_text(&entry.before), as_text(&entry.after)));
    let entries: Vec<_> = as_rows.collect();
    INSERT.execute(conn, GivenEntries::of(&entries, actor, now)).await?;
    Ok(())
}
