//! Updates warning levels, recharge states and thresholds of wallets. [`super::accounts`] loads them with the balances.

use chrono::NaiveDate;

use crate::domain::values::money::Money;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::watch::{RechargeWatch, SPEND_DAYS, Watch};
use crate::error::Result;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::rows::{FromRow, Row};
use crate::storage::db::{BulkConn, Conn, on};

given! {
    pub struct GivenLevels(changed: &'v [(i64, Watch)]) for (id, watch) in changed {
        id: BIGINT = *id,
        low_balance_level: BIGINT = watch.low_balance.number(),
        overage_level: BIGINT = watch.overage.number(),
        alert_month: DATE = watch.month,
    }
}

pub static UPDATE_LEVELS: Bulk<GivenLevels> = Bulk::new(Action::Update {
    table: "wallets",
    set: "low_balance_level = given.low_balance_level, overage_level = given.overage_level, \
          alert_month = given.alert_month",
    by: "wallets.id = given.id",
});

given! {
    pub struct GivenRecharges(changed: &'v [(i64, RechargeWatch)]) for (id, watch) in changed {
        id: BIGINT = *id,
        is_enabled: BIGINT = i64::from(watch.is_enabled),
        recharge_open: BIGINT = watch.open.micros(),
        recharge_not_before: BIGINT = watch.not_before.map(Timestamp::micros),
    }
}

pub static UPDATE_RECHARGES: Bulk<GivenRecharges> = Bulk::new(Action::Update {
    table: "wallets",
    set: "auto_recharge_enabled = (given.is_enabled <> 0), recharge_open = given.recharge_open, \
          recharge_not_before = given.recharge_not_before",
    by: "wallets.id = given.id",
});

pub const FIND_THRESHOLD: &str = "SELECT low_balance_threshold FROM wallets WHERE id = $1";

pub const UPDATE_THRESHOLD: &str = "UPDATE wallets SET low_balance_threshold = $2 WHERE id = $1";

given! {
    pub struct GivenWeeks(wallet_ids: &'v [i64], first: NaiveDate, today: NaiveDate) for wallet_id in wallet_ids {
        wallet_id: BIGINT = *wallet_id,
        first: DATE = first,
        today: DATE = today,
    }
}

/// The cost of wallets' messages in the days from `first` on and before `today`; nothing for wallets that sent none
/// that long ago.
pub static SPENT: Bulk<GivenWeeks> = Bulk::new(Action::With(
    "SELECT given.wallet_id, (SELECT CAST(SUM(u.cost) AS BIGINT) FROM usage_metrics u \
     WHERE u.wallet_id = given.wallet_id AND u.day >= given.first AND u.day < given.today) FROM given \
     WHERE EXISTS (SELECT 1 FROM usage_metrics u WHERE u.wallet_id = given.wallet_id AND u.day <= given.first)",
));

/// Updates the warning levels.
pub async fn update_levels(conn: &mut BulkConn<'_>, changed: &[(i64, Watch)]) -> Result<()> {
    UPDATE_LEVELS.execute(conn, GivenLevels::of(changed)).await?;
    Ok(())
}

/// Updates the recharge states.
pub async fn update_recharges(conn: &mut BulkConn<'_>, changed: &[(i64, RechargeWatch)]) -> Result<()> {
    UPDATE_RECHARGES.execute(conn, GivenRecharges::of(changed)).await?;
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
    let rows = SPENT.fetch::<Spent>(conn, GivenWeeks::of(wallet_ids, first, today)).await?;
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
