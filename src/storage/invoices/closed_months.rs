//! Records which months were closed, and how many invoices each has.

use chrono::NaiveDate;
use uuid::Uuid;

use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::{DayRange, Timestamp};
use crate::error::Result;
use crate::storage::db::{Conn, on};

pub const ALL: &str = "SELECT period_start FROM closed_months";

pub const FIND: &str = "SELECT invoices FROM closed_months WHERE period_start = $1";

/// Counts the month's invoices as they are now.
pub const NOTE: &str = "INSERT INTO closed_months (period_start, invoices, closed_at) \
     VALUES ($1, (SELECT COUNT(*) FROM invoices i WHERE i.period_start = $1 AND i.kind = 'INVOICE' \
     AND i.status NOT IN ('DRAFT', 'CANCELLED')), $2) \
     ON CONFLICT (period_start) DO UPDATE SET invoices = excluded.invoices RETURNING invoices";

/// The time of the ledger's first entry. No entry has the id `$1`, all zeros, or a lower one.
pub const FIRST_ENTRY: &str = "SELECT created_at FROM transactions WHERE uid > $1 ORDER BY uid LIMIT 1";

/// The first days of all closed months.
pub async fn all(conn: &mut Conn<'_>) -> Result<Vec<NaiveDate>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, NaiveDate>(ALL).fetch_all(c).await)?)
}

/// The number of invoices of a month when it was closed; `None` where it was not.
pub async fn find(conn: &mut Conn<'_>, month: DayRange) -> Result<Option<i64>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, i64>(FIND).bind(month.first).fetch_optional(c).await)?)
}

/// Records a month as closed; returns how many invoices it has.
pub async fn note(conn: &mut Conn<'_>, month: DayRange, now: Timestamp) -> Result<i64> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, i64>(NOTE).bind(month.first).bind(now).fetch_one(c).await)?)
}

pub async fn first_entry(conn: &mut Conn<'_>) -> Result<Option<Timestamp>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, Timestamp>(FIRST_ENTRY)
        .bind(TransactionSid::new(Uuid::nil()))
        .fetch_optional(c)
        .await)?)
}
