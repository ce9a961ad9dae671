//! Updates warning levels, recharge states and thresholds of wallets. [`super::accounts`] loads them with the balances.

use chrono::NaiveDate;

use crate::domain::values::money::Money;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::watch::{RechargeWatch, SPEND_DAYS, Watch};
use crate::error::Result;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::rows::{Column, FromRow, Row};
use crate::storage::db::{BulkConn, Conn, on};

pub static UPDATE_LEVELS: Bulk = Bulk::new(
    &[("id", "BIGINT"), ("low_balance_level", "BIGINT"), ("overage_level", "BIGINT"), ("alert_month", "DATE")],
    Action::Update {
        table: "wallets",
        set: "low_balance_level = given.low_balance_level, overage_level = given.overage_level, \
              alert_month = given.alert_month",
        by: "wallets.id = given.id",
    },
);

pub static UPDATE_RECHARGES: Bulk = Bulk::new(
    &[("id", "BIGINT"), ("is_enabled", "BIGINT"), ("recharge_open", "BIGINT"), ("recharge_not_before", "BIGINT")],
    Action::Update {
        table: "wallets",
        set: "auto_recharge_enabled = (given.is_enabled <> 0), recharge_open = given.recharge_open, \
              recharge_not_before = given.recharge_not_before",
        by: "wallets.id = given.id",
    },
);

pub const FIND_THRESHOLD: &str = "SELECT low_balance_threshold FROM wallets WHERE id = $1";

pub const UPDATE_THRESHOLD: &str = "UPDATE wallets SET low_balance_threshold = $2 WHERE id = $1";

/// The cost of wallets' messages in the days from `first` on and before `today`; nothing for wallets that sent none
/// that long ago.
pub static SPENT: Bulk = Bulk::new(
    &[("wallet_id", "BIGINT"), ("first", "DATE"), ("today", "DATE")],
    Action::With(
        "SELECT given.wallet_id, (SELECT CAST(SUM(u.cost) AS BIGINT) FROM usage_metrics u \
         WHERE u.wallet_id = given.wallet_id AND u.day >= given.first AND u.day < given.today) FROM given \
         WHERE EXISTS (SELECT 1 FROM usage_metrics u WHERE u.wallet_id = given.wallet_id AND u.day <= given.first)",
    ),
);

/// Updates the warning levels.
pub async fn update_levels(conn: &mut BulkConn<'_>, changed: &[(i64, Watch)]) -> Result<()> {
    let columns = vec![
        Column::integers(changed.iter().map(|(id, _)| *id)),
        Column::integers(changed.iter().map(|(_, watch)| watch.low_balance.number())),
        Column::integers(changed.iter().map(|(_, watch)| watch.overage.number())),
        Column::Day(changed.iter().map(|(_, watch)| watch.month).collect()),
    ];
    UPDATE_LEVELS.execute(conn, columns).await?;
    Ok(())
}

/// Updates the recharge states.
pub async fn update_recharges(conn: &mut BulkConn<'_>, changed: &[(i64, RechargeWatch)]) -> Result<()> {
    let columns = vec![
        Column::integers(changed.iter().map(|(id, _)| *id)),
        Column::integers(changed.iter().map(|(_, watch)| watch.is_enabled.into())),
        Column::integers(changed.iter().map(|(_, watch)| watch.open.micros())),
        Column::Integer(changed.iter().map(|(_, watch)| watch.not_before.map(Timestamp::micros)).collect()),
    ];
    UPDATE_RECHARGES.execute(conn, columns).await?;
    Ok(())
}

struct Spent(i64, Option<Money>);

impl FromRow for Spent {
    fn from_row(mut row: Row<'_>) -> Result<Spent> {
        Ok(Spent(row.take()?, row.take()?))
    }
}

/// The cost of these wallets' messages in the week before a day; nothing for a wallet that sent none a week ago or
/// before.
pub async fn spent_in_week_before(
    conn: &mut BulkConn<'_>,
    wallet_ids: &[i64],
    today: NaiveDate,
) -> Result<Vec<(i64, Money)>> {
    let first = crate::domain::values::time::days_before(today, SPEND_DAYS.into());
    let columns = vec![
        Column::integers(wallet_ids.iter().copied()),
        Column::days(wallet_ids.iter().map(|_| first)),
        Column::days(wallet_ids.iter().map(|_| today)),
    ];
    let rows = SPENT.fetch::<Spent>(conn, columns).await?;
    Ok(rows.into_iter().map(|Spent(id, sum)| (id, sum.unwrap_or(Money::ZERO))).collect())
}

/// The balance below which a wallet warns; `None`: the server's default.
pub async fn threshold(conn: &mut Conn<'_>, wallet_id: i64) -> Result<Option<Money>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, Option<Money>>(FIND_THRESHOLD).bind(wallet_id).fetch_one(c).await)?)
}

pub async fn update_threshold(conn: &mut Conn<'_>, wallet_id: i64, threshold: Option<Money>) -> Result<()> {
    on!(conn, c => sqlx::query(UPDATE_THRESHOLD).bind(wallet_id).bind(threshold).execute(c).await.map(|_| ()))?;
    Ok(())
}
