//! Reads usage from the daily rollups and adds to them; never reads the messages themselves.

use std::sync::Arc;

use chrono::NaiveDate;
use sqlx::FromRow;

use crate::domain::charges::usage::{DayUsage, OperatorUsage, UsageCounts};
use crate::domain::invoices::ChargedUsage;
use crate::domain::values::countries::CountryCode;
use crate::domain::values::money::Money;
use crate::domain::values::time::DayRange;
use crate::error::{Error, Result};
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::rows;
use crate::storage::db::{BulkConn, Conn, on};

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

/// The key of a rollup row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RollupKey {
    pub wallet_id: i64,
    pub day: NaiveDate,
    pub country: CountryCode,
    pub operator: Arc<str>,
    pub unit_price: Money,
}

given! {
    pub struct GivenRollups(keys: &'v [&'v RollupKey]) for key in keys {
        wallet_id: BIGINT = key.wallet_id,
        day: DATE = key.day,
        country_code: TEXT = key.country.as_str(),
        operator: TEXT = &*key.operator,
        unit_price: BIGINT = key.unit_price.micros(),
    }
}

pub static OPEN_ROLLUPS: Bulk<GivenRollups> = Bulk::new(Action::Insert {
    into: "usage_metrics (wallet_id, day, country_code, operator, unit_price, messages_sent, messages_delivered, \
           messages_failed, segments, cost)",
    values: "given.wallet_id, given.day, given.country_code, given.operator, given.unit_price, 0, 0, 0, 0, 0",
    unless: "ON CONFLICT (wallet_id, day, country_code, operator, unit_price) DO NOTHING",
});

pub static FIND_ROLLUPS: Bulk<GivenRollups> = Bulk::new(Action::With(
    "SELECT u.id, u.wallet_id, u.day, u.country_code, u.operator, u.unit_price FROM given \
     JOIN usage_metrics u ON u.wallet_id = given.wallet_id AND u.day = given.day \
     AND u.country_code = given.country_code AND u.operator = given.operator AND u.unit_price = given.unit_price",
));

given! {
    pub struct GivenCounts(counts: &'v [(i64, UsageCounts)]) for (id, counts) in counts {
        id: BIGINT = *id,
        sent: BIGINT = counts.messages_sent,
        delivered: BIGINT = counts.messages_delivered,
        failed: BIGINT = counts.messages_failed,
        segments: BIGINT = counts.segments,
        cost: BIGINT = counts.cost.micros(),
    }
}

/// By the row's id, which costs half of what its five key columns would.
pub static ADD: Bulk<GivenCounts> = Bulk::new(Action::Update {
    table: "usage_metrics",
    set: "messages_sent = usage_metrics.messages_sent + given.sent, \
          messages_delivered = usage_metrics.messages_delivered + given.delivered, \
          messages_failed = usage_metrics.messages_failed + given.failed, \
          segments = usage_metrics.segments + given.segments, cost = usage_metrics.cost + given.cost",
    by: "usage_metrics.id = given.id",
});

/// In the column order of [`FIND_ROLLUPS`].
impl rows::FromRow for (i64, RollupKey) {
    fn from_row(mut row: rows::Row<'_>) -> Result<(i64, RollupKey)> {
        let id = row.take()?;
        let (wallet_id, day, country) = (row.take()?, row.take()?, row.take()?);
        let operator = row.take::<String>()?.into();
        Ok((id, RollupKey { wallet_id, day, country, operator, unit_price: row.take()? }))
    }
}

/// The ids of rollup rows, which are inserted where they do not exist.
pub async fn open_rollups(conn: &mut BulkConn<'_>, keys: &[&RollupKey]) -> Result<Vec<(RollupKey, i64)>> {
    OPEN_ROLLUPS.execute(conn, GivenRollups::of(keys)).await?;
    let rows = FIND_ROLLUPS.fetch::<(i64, RollupKey)>(conn, GivenRollups::of(keys)).await?;
    Ok(rows.into_iter().map(|(id, key)| (key, id)).collect())
}

/// Adds counts to rollup rows, by their ids.
pub async fn add(conn: &mut BulkConn<'_>, counts: &[(i64, UsageCounts)]) -> Result<()> {
    let updated = ADD.execute(conn, GivenCounts::of(counts)).await?;
    if updated == counts.len() as u64 { Ok(()) } else { Err(Error::Stale) }
}
