//! Reads usage rollups and rates, and sums up the debits and delivery reports behind them.

use chrono::NaiveDate;
use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;

use super::{Span, business_of, page, within};
use crate::domain::charges::usage::UsageCounts;
use crate::domain::operations::reconcile::usage::{DebitGroup, PriceKey, StoredRate, StoredUsage};
use crate::domain::prices::rating::AppliedRate;
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::Conn;

/// A quarter of an hour in microseconds, as in the SQL below. Debits are summed up by it: the offsets of all time zones
/// are whole quarters of an hour, so a quarter lies within one day everywhere.
const QUARTER_MICROS: i64 = 900_000_000;

/// Debits of one part, by wallet, rate and quarter of an hour.
const DEBIT_GROUPS: &str = "SELECT wallet_id, rate_id, created_at / 900000000, COUNT(*), CAST(SUM(segments) AS BIGINT) \
     FROM transactions WHERE uid > $1 AND uid <= $2 AND type = 'SMS_DEBIT' AND more_parts IS NULL AND rate_id IS NOT NULL \
     GROUP BY wallet_id, rate_id, created_at / 900000000";

const REPORT_GROUPS: &str = "SELECT t.wallet_id, t.rate_id, t.created_at / 900000000, COUNT(*), d.status = 'failed' \
     FROM deliveries d JOIN transactions t ON t.uid = d.charge_uid AND t.type = 'SMS_DEBIT' AND t.rate_id IS NOT NULL \
     WHERE d.charge_uid > $1 AND d.charge_uid <= $2 \
     GROUP BY t.wallet_id, t.rate_id, t.created_at / 900000000, d.status = 'failed'";

const STRAY_REPORTS: &str = "SELECT d.charge_uid FROM deliveries d \
     LEFT JOIN transactions t ON t.uid = d.charge_uid AND t.type = 'SMS_DEBIT' \
     WHERE d.charge_uid > $1 AND d.charge_uid <= $2 AND t.uid IS NULL ORDER BY d.charge_uid";

const RATES: &str = "SELECT id, country_code, operator, unit_price, explanation FROM applied_rates \
     WHERE id > $1 ORDER BY id LIMIT $2";

const USAGE: &str = concat!(
    "SELECT ",
    business_of!("u"),
    ", u.id, u.wallet_id, u.day, u.country_code, u.operator, u.unit_price, u.messages_sent, u.messages_delivered, \
     u.messages_failed, u.segments, u.cost FROM usage_metrics u WHERE u.id > $1 ORDER BY u.id LIMIT $2"
);

fn to_group((wallet_id, rate_id, quarter, messages, segments): (i64, i64, i64, i64, i64)) -> DebitGroup {
    let at = Timestamp::from_micros(quarter.saturating_mul(QUARTER_MICROS));
    DebitGroup { wallet_id, rate_id, at, messages, segments }
}

pub async fn debit_groups(conn: &mut Conn<'_>, span: Span) -> Result<Vec<DebitGroup>> {
    Ok(within(conn, DEBIT_GROUPS, span).await?.into_iter().map(to_group).collect())
}

/// Delivery reports by the debits they belong to, and whether they report a failure.
pub async fn report_groups(conn: &mut Conn<'_>, span: Span) -> Result<Vec<(DebitGroup, bool)>> {
    let rows = within::<(i64, i64, i64, i64, bool)>(conn, REPORT_GROUPS, span).await?;
    let to_group = |(wallet_id, rate_id, quarter, messages, has_failed): (i64, i64, i64, i64, bool)| {
        (to_group((wallet_id, rate_id, quarter, messages, 0)), has_failed)
    };
    Ok(rows.into_iter().map(to_group).collect())
}

/// Delivery reports without a debit.
pub async fn stray_reports(conn: &mut Conn<'_>, span: Span) -> Result<Vec<TransactionSid>> {
    Ok(within::<(TransactionSid,)>(conn, STRAY_REPORTS, span).await?.into_iter().map(|(sid,)| sid).collect())
}

/// A page of rates by row id.
pub async fn rates(conn: &mut Conn<'_>, after: i64) -> Result<Vec<StoredRate>> {
    type Row = (i64, String, String, Money, Json<Box<RawValue>>);
    let to_rate = |(id, country, operator, unit_price, explanation): Row| StoredRate {
        id,
        price: PriceKey { country, operator, unit_price },
        explanation: serde_json::from_str::<AppliedRate>(explanation.0.get()).ok(),
    };
    Ok(page::<Row>(conn, RATES, after).await?.into_iter().map(to_rate).collect())
}

#[derive(FromRow)]
struct UsageRow {
    business: String,
    id: i64,
    wallet_id: i64,
    day: NaiveDate,
    country_code: String,
    operator: String,
    unit_price: Money,
    messages_sent: i64,
    messages_delivered: i64,
    messages_failed: i64,
    segments: i64,
    cost: Money,
}

impl From<UsageRow> for StoredUsage {
    fn from(row: UsageRow) -> StoredUsage {
        StoredUsage {
            business: row.business,
            wallet_id: row.wallet_id,
            day: row.day,
            price: PriceKey { country: row.country_code, operator: row.operator, unit_price: row.unit_price },
            counts: UsageCounts {
                messages_sent: row.messages_sent,
                messages_delivered: row.messages_delivered,
                messages_failed: row.messages_failed,
                segments: row.segments,
                cost: row.cost,
            },
        }
    }
}

/// A page of rollup rows by row id; and where the next page begins, if there is one.
pub async fn usage(conn: &mut Conn<'_>, after: i64) -> Result<(Vec<StoredUsage>, Option<i64>)> {
    let rows = page::<UsageRow>(conn, USAGE, after).await?;
    let last = rows.last().map(|row| row.id);
    Ok((rows.into_iter().map(StoredUsage::from).collect(), last))
}
