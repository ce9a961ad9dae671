//! Usage, read from rollups: never from the messages themselves.

use chrono::NaiveDate;
use sqlx::FromRow;

use super::db::{Conn, on};
use crate::domain::countries::CountryCode;
use crate::domain::invoices::ChargedUsage;
use crate::domain::money::Money;
use crate::domain::time::DayRange;
use crate::domain::usage::{DayUsage, OperatorUsage, UsageCounts};
use crate::error::Result;

/// The sums of any group of rollup rows. `SUM(bigint)` is NUMERIC on Postgres, hence the casts.
macro_rules! sums {
    () => {
        "CAST(SUM(messages_sent) AS BIGINT) AS messages_sent, \
         CAST(SUM(messages_delivered) AS BIGINT) AS messages_delivered, \
         CAST(SUM(messages_failed) AS BIGINT) AS messages_failed, \
         CAST(SUM(segments) AS BIGINT) AS segments, CAST(SUM(cost) AS BIGINT) AS cost \
         FROM usage_metrics WHERE wallet_id = $1 AND day BETWEEN $2 AND $3 GROUP BY "
    };
}

pub const BY_OPERATOR: &str = concat!("SELECT country_code, operator, ", sums!(), "country_code, operator");

pub const BY_DAY: &str = concat!("SELECT day, ", sums!(), "day");

pub const BY_PRICE: &str = concat!(
    "SELECT country_code, operator, unit_price, ",
    sums!(),
    "country_code, operator, unit_price ORDER BY country_code, operator, unit_price DESC"
);

#[derive(FromRow)]
struct CountsRow {
    messages_sent: i64,
    messages_delivered: i64,
    messages_failed: i64,
    segments: i64,
    cost: Money,
}

impl From<CountsRow> for UsageCounts {
    fn from(row: CountsRow) -> UsageCounts {
        UsageCounts {
            messages_sent: row.messages_sent,
            messages_delivered: row.messages_delivered,
            messages_failed: row.messages_failed,
            segments: row.segments,
            cost: row.cost,
        }
    }
}

#[derive(FromRow)]
struct OperatorRow {
    country_code: CountryCode,
    operator: String,
    #[sqlx(flatten)]
    counts: CountsRow,
}

#[derive(FromRow)]
struct DayRow {
    day: NaiveDate,
    #[sqlx(flatten)]
    counts: CountsRow,
}

#[derive(FromRow)]
struct PriceRow {
    country_code: CountryCode,
    operator: String,
    unit_price: Money,
    #[sqlx(flatten)]
    counts: CountsRow,
}

pub async fn by_operator(conn: &mut Conn<'_>, wallet_id: i64, days: DayRange) -> Result<Vec<OperatorUsage>> {
    let rows = on!(conn, c => sqlx::query_as::<_, OperatorRow>(BY_OPERATOR)
        .bind(wallet_id)
        .bind(days.first)
        .bind(days.last)
        .fetch_all(c)
        .await)?;
    let to_usage = |row: OperatorRow| OperatorUsage {
        country: row.country_code,
        operator: row.operator,
        counts: row.counts.into(),
    };
    Ok(rows.into_iter().map(to_usage).collect())
}

pub async fn by_day(conn: &mut Conn<'_>, wallet_id: i64, days: DayRange) -> Result<Vec<DayUsage>> {
    let rows = on!(conn, c => sqlx::query_as::<_, DayRow>(BY_DAY)
        .bind(wallet_id)
        .bind(days.first)
        .bind(days.last)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(|row| DayUsage { day: row.day, counts: row.counts.into() }).collect())
}

pub async fn by_price(conn: &mut Conn<'_>, wallet_id: i64, days: DayRange) -> Result<Vec<ChargedUsage>> {
    let rows = on!(conn, c => sqlx::query_as::<_, PriceRow>(BY_PRICE)
        .bind(wallet_id)
        .bind(days.first)
        .bind(days.last)
        .fetch_all(c)
        .await)?;
    let to_usage = |row: PriceRow| ChargedUsage {
        country: row.country_code,
        operator: row.operator,
        unit_price: row.unit_price,
        messages: row.counts.messages_sent,
        segments: row.counts.segments,
        cost: row.counts.cost,
    };
    Ok(rows.into_iter().map(to_usage).collect())
}
