//! Takes the next invoice numbers of a series, without gaps.
//! The counter's row stays locked until the transaction that took the numbers commits them or rolls back.

use crate::error::{Error, Result};
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::rows;
use crate::storage::db::{BulkConn, Conn};

given! {
    /// Numbers wanted of a series, by seller.
    pub struct GivenCounts(series: &'v str, counts: &'v [(i64, i64)]) for (seller, count) in counts {
        seller_id: BIGINT = *seller,
        series: TEXT = series,
        count: BIGINT = *count,
    }
}

/// Takes numbers. On Postgres the rows are locked in the order given, by seller.
pub static TAKE: Bulk<GivenCounts> = Bulk::new(Action::Insert {
    into: "invoice_series (seller_id, series, last_number)",
    values: "given.seller_id, given.series, given.count",
    unless: "ON CONFLICT (seller_id, series) DO UPDATE \
             SET last_number = invoice_series.last_number + excluded.last_number RETURNING seller_id, last_number",
});

impl rows::FromRow for (i64, i64) {
    fn from_row(mut row: rows::Row<'_>) -> Result<(i64, i64)> {
        Ok((row.take()?, row.take()?))
    }
}

/// Takes as many numbers of a series as each seller needs (0: the platform), sellers in the order of their ids; returns
/// the last number of each. The counters stay locked until the transaction ends, so this comes last in it.
pub async fn take(conn: &mut BulkConn<'_>, series: &str, counts: &[(i64, i64)]) -> Result<Vec<(i64, i64)>> {
    debug_assert!(counts.is_sorted_by(|a, b| a.0 < b.0));
    TAKE.fetch(conn, GivenCounts::of(series, counts)).await
}

/// Takes the next `count` numbers of one seller's series (no seller: the platform's); returns the first.
pub async fn next(conn: &mut Conn<'_>, seller: Option<i64>, series: &str, count: i64) -> Result<i64> {
    let taken = take(&mut conn.bulk(), series, &[(seller.unwrap_or(0), count)]).await?.pop();
    let (_, last) = taken.ok_or_else(|| Error::Corrupt(format!("the series {series} gave no number")))?;
    Ok(last - count + 1)
}
