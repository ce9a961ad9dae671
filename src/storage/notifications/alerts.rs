//! Stores alerts, lists them, counts the unread and marks them read.

use sqlx::FromRow;

use crate::domain::notifications::alerts::{
    AlertDraft, AlertSeverity, AlertType, BillingAlert, OwnedAlert, UnreadAlerts,
};
use crate::domain::values::listing::{ListPage, ListRequest, ValueKind};
use crate::domain::values::money::Money;
use crate::domain::values::paging::{Cursor, Limit};
use crate::domain::values::sid::{AlertSid, BusinessSid};
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::businesses::wallet_of;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::listing::{Filter, Listing, Sort};
use crate::storage::db::{BulkConn, Conn, on};

macro_rules! select_page {
    ($filter:literal) => {
        concat!(
            "SELECT id, uid, type, severity, message, threshold, current_value, is_read, created_at FROM alerts ",
            "WHERE wallet_id = $1 AND id < $2 ",
            $filter,
            "ORDER BY id DESC LIMIT $3"
        )
    };
}

pub const PAGE: &str = select_page!("");
pub const PAGE_OF_UNREAD: &str = select_page!("AND NOT is_read ");

macro_rules! columns {
    () => {
        "a.id, a.uid, a.type, a.severity, a.message, a.threshold, a.current_value, a.is_read, a.created_at"
    };
}

pub static LISTING: Listing = Listing {
    select: concat!("b.sid AS business_sid, ", columns!()),
    from: "alerts a JOIN wallets w ON w.id = a.wallet_id JOIN businesses b ON b.id = w.business_id",
    id: "a.id",
    search: &["b.sid", "b.name", "a.message"],
    filters: &[
        Filter { name: "business_sid", kind: ValueKind::Text, condition: concat!("a.wallet_id = ", wallet_of!()) },
        Filter { name: "type", kind: ValueKind::Text, condition: "a.type = {}" },
        Filter { name: "severity", kind: ValueKind::Text, condition: "a.severity = {}" },
        Filter { name: "unread", kind: ValueKind::Flag, condition: "a.is_read <> {}" },
    ],
    sorts: &[Sort { name: "created_at", column: "a.created_at", kind: ValueKind::Integer, is_unique: false }],
    default_sort: "-created_at",
};

/// An alert of one business.
pub const FIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM businesses b JOIN wallets w ON w.business_id = b.id JOIN alerts a ON a.wallet_id = w.id \
     WHERE b.sid = $1 AND a.uid = $2"
);

/// Only where it changes something.
pub const MARK: &str = "UPDATE alerts SET is_read = $2 WHERE id = $1 AND is_read <> $2";

/// The unread alerts of a wallet.
pub const COUNT_UNREAD: &str =
    "SELECT severity, COUNT(*) AS alerts FROM alerts WHERE wallet_id = $1 AND NOT is_read GROUP BY severity";

pub const MARK_ALL_READ: &str = "UPDATE alerts SET is_read = TRUE WHERE wallet_id = $1 AND NOT is_read";

#[derive(FromRow)]
struct CountRow {
    severity: AlertSeverity,
    alerts: i64,
}

/// The number of unread alerts of a wallet, by severity.
pub async fn count_unread(conn: &mut Conn<'_>, wallet_id: i64) -> Result<UnreadAlerts> {
    let rows = on!(conn, c => sqlx::query_as::<_, CountRow>(COUNT_UNREAD).bind(wallet_id).fetch_all(c).await)?;
    let of = |severity| rows.iter().filter(|row| row.severity == severity).map(|row| row.alerts).sum();
    Ok(UnreadAlerts {
        critical: of(AlertSeverity::Critical),
        warning: of(AlertSeverity::Warning),
        info: of(AlertSeverity::Info),
    })
}

/// Marks all alerts of a wallet as read; returns how many changed.
pub async fn mark_all_read(conn: &mut Conn<'_>, wallet_id: i64) -> Result<u64> {
    Ok(on!(conn, c => sqlx::query(MARK_ALL_READ)
        .bind(wallet_id)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

#[derive(FromRow)]
struct Row {
    id: i64,
    uid: AlertSid,
    #[sqlx(rename = "type")]
    alert_type: AlertType,
    severity: AlertSeverity,
    message: String,
    threshold: Money,
    current_value: Money,
    is_read: bool,
    created_at: Timestamp,
}

impl From<Row> for BillingAlert {
    fn from(row: Row) -> BillingAlert {
        BillingAlert {
            sid: row.uid,
            position: row.id,
            alert_type: row.alert_type,
            severity: row.severity,
            message: row.message,
            threshold: row.threshold,
            current_value: row.current_value,
            is_read: row.is_read,
            created_at: row.created_at,
        }
    }
}

#[derive(FromRow)]
struct OwnedRow {
    business_sid: BusinessSid,
    #[sqlx(flatten)]
    row: Row,
}

impl From<OwnedRow> for OwnedAlert {
    fn from(row: OwnedRow) -> OwnedAlert {
        OwnedAlert { business_sid: row.business_sid, alert: row.row.into() }
    }
}

/// A page of the alerts of all businesses.
pub async fn page_of_all(conn: &mut Conn<'_>, request: &ListRequest) -> Result<ListPage<OwnedAlert>> {
    Ok(LISTING.page::<OwnedRow>(conn, request).await?.map(OwnedAlert::from))
}

/// An alert of that business, if it is its own.
pub async fn find(conn: &mut Conn<'_>, business: &BusinessSid, sid: AlertSid) -> Result<Option<BillingAlert>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND)
        .bind(business.as_str())
        .bind(sid)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(BillingAlert::from))
}

/// Marks an alert; returns whether that changed anything.
pub async fn mark(conn: &mut Conn<'_>, alert: &BillingAlert, is_read: bool) -> Result<bool> {
    let changed = on!(conn, c => sqlx::query(MARK)
        .bind(alert.position)
        .bind(is_read)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// A page of a wallet's alerts, newest first, with one row more than `limit` where there is one.
pub async fn page(
    conn: &mut Conn<'_>,
    wallet_id: i64,
    unread_only: bool,
    cursor: Cursor,
    limit: Limit,
) -> Result<Vec<BillingAlert>> {
    let sql = if unread_only { PAGE_OF_UNREAD } else { PAGE };
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(sql)
        .bind(wallet_id)
        .bind(cursor.position())
        .bind(limit.with_lookahead())
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(BillingAlert::from).collect())
}

given! {
    pub struct GivenAlerts(alerts: &'v [NewAlert], now: Timestamp) for new in alerts {
        uid: UUID = new.sid.uuid(),
        wallet_id: BIGINT = new.wallet_id,
        type: TEXT = new.draft.alert_type.as_str(),
        severity: TEXT = new.draft.severity.as_str(),
        message: TEXT = new.draft.message.as_str(),
        threshold: BIGINT = new.draft.threshold.micros(),
        current_value: BIGINT = new.draft.current_value.micros(),
        created_at: BIGINT = now.micros(),
    }
}

pub static INSERT: Bulk<GivenAlerts> = Bulk::new(Action::Insert {
    into: "alerts (uid, wallet_id, type, severity, message, threshold, current_value, is_read, created_at)",
    values: "given.uid, given.wallet_id, given.type, given.severity, given.message, given.threshold, \
             given.current_value, FALSE, given.created_at",
    unless: "",
});

/// An alert to insert.
#[derive(Clone, Debug)]
pub struct NewAlert {
    pub sid: AlertSid,
    pub wallet_id: i64,
    pub draft: AlertDraft,
}

pub async fn insert(conn: &mut BulkConn<'_>, alerts: &[NewAlert], now: Timestamp) -> Result<()> {
    INSERT.execute(conn, GivenAlerts::of(alerts, now)).await?;
    Ok(())
}
