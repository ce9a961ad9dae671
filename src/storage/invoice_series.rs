//! The numbers of invoices and credit notes: a series a seller and year, without a gap.

use super::db::{Conn, on};
use crate::error::Result;

/// Holds the series until the transaction ends, so that a number whose invoice comes to nothing is given again.
pub const NEXT: &str = "INSERT INTO invoice_series (seller_id, series, last_number) VALUES ($1, $2, $3) \
     ON CONFLICT (seller_id, series) DO UPDATE SET last_number = invoice_series.last_number + excluded.last_number \
     RETURNING last_number";

/// Takes the next numbers of a seller's series (no seller: the platform's), `count` of them: the first. It is the last row
/// that a transaction locks, apart from those of `jobs`.
pub async fn next(conn: &mut Conn<'_>, seller: Option<i64>, series: &str, count: i64) -> Result<i64> {
    let last = on!(conn, c => sqlx::query_scalar::<_, i64>(NEXT)
        .bind(seller.unwrap_or(0))
        .bind(series)
        .bind(count)
        .fetch_one(c)
        .await)?;
    Ok(last - count + 1)
}
