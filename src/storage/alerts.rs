//! Alerts.

use sqlx::FromRow;

use super::db::{Conn, on};
use crate::domain::alerts::{AlertSeverity, AlertType, BillingAlert};
use crate::domain::money::Money;
use crate::domain::paging::{Cursor, Limit};
use crate::domain::sid::AlertSid;
use crate::domain::time::Timestamp;
use crate::error::Result;

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

/// A page, newest first, with one row more than `limit` where there is one.
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
