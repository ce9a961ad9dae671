//! Reads the whole database for reconcile, in spans of bounded size.
//! Its statements are not public, because no request runs them: an operator's tool may read whole tables.
//!
//! Statements over the ledger return only rows that are wrong, or sums; rows that are right stay in the database.

pub mod entries;
pub mod invoices;
pub mod refunds;
pub mod usage;
pub mod wallets;

use sqlx::FromRow;
use uuid::Uuid;

use crate::error::Result;
use crate::storage::db::{Conn, on};

/// The rows of the ledger, or delivery reports, in one span.
const SPAN_ROWS: i64 = 50_000;

/// The rows on one page, where rows are read one by one.
const PAGE_ROWS: i64 = 5_000;

/// The business of a row, for people. Computed only for rows that a statement returns.
macro_rules! business_of {
    ($table:literal) => {
        concat!(
            "COALESCE((SELECT b.sid FROM wallets w JOIN businesses b ON b.id = w.business_id WHERE w.id = ",
            $table,
            ".wallet_id), 'nobody') AS business"
        )
    };
}

use business_of;

const LEDGER_END: &str = "SELECT uid FROM transactions ORDER BY uid DESC LIMIT 1";

const LEDGER_STEP: &str = "SELECT uid FROM transactions WHERE uid > $1 ORDER BY uid LIMIT 1 OFFSET $2";

const REPORTS_END: &str = "SELECT charge_uid FROM deliveries ORDER BY charge_uid DESC LIMIT 1";

const REPORTS_STEP: &str =
    "SELECT charge_uid FROM deliveries WHERE charge_uid > $1 ORDER BY charge_uid LIMIT 1 OFFSET $2";

/// Raises the time limit: a transaction that reads everything takes longer than any request may.
pub async fn take_time(conn: &mut Conn<'_>) -> Result<()> {
    if let Conn::Postgres(c) = conn {
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut **c).await?;
        sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0").execute(&mut **c).await?;
    }
    Ok(())
}

/// Rows from one id, excluded, to another, included. Ids rise with time, so a span lies close together on disk.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    after: Uuid,
    until: Uuid,
}

/// A table that is read in spans.
#[derive(Clone, Copy, Debug)]
pub enum Spanned {
    Ledger,
    Reports,
}

/// The spans of a table, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    of: Spanned,
    after: Uuid,
    end: Uuid,
}

impl Spans {
    pub async fn of(conn: &mut Conn<'_>, of: Spanned) -> Result<Spans> {
        let sql = match of {
            Spanned::Ledger => LEDGER_END,
            Spanned::Reports => REPORTS_END,
        };
        let end = on!(conn, c => sqlx::query_scalar::<_, Uuid>(sql).fetch_optional(c).await)?;
        Ok(Spans { of, after: Uuid::nil(), end: end.unwrap_or_default() })
    }

    pub async fn next(&mut self, conn: &mut Conn<'_>) -> Result<Option<Span>> {
        if self.after >= self.end {
            return Ok(None);
        }
        let sql = match self.of {
            Spanned::Ledger => LEDGER_STEP,
            Spanned::Reports => REPORTS_STEP,
        };
        let next = on!(conn, c => sqlx::query_scalar::<_, Uuid>(sql)
            .bind(self.after)
            .bind(SPAN_ROWS - 1)
            .fetch_optional(c)
            .await)?;
        let span = Span { after: self.after, until: next.unwrap_or(self.end) };
        self.after = span.until;
        Ok(Some(span))
    }
}

/// Runs a statement over one span.
async fn within<T>(conn: &mut Conn<'_>, sql: &'static str, span: Span) -> Result<Vec<T>>
where
    T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    Ok(on!(conn, c => sqlx::query_as::<_, T>(sql).bind(span.after).bind(span.until).fetch_all(c).await)?)
}

/// Runs a statement that pages by row id.
async fn page<T>(conn: &mut Conn<'_>, sql: &'static str, after: i64) -> Result<Vec<T>>
where
    T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    Ok(on!(conn, c => sqlx::query_as::<_, T>(sql).bind(after).bind(PAGE_ROWS).fetch_all(c).await)?)
}
