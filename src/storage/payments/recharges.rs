//! Stores auto-recharge settings and their state, and inserts the payments they request.

use crate::domain::audit::Actor;
use crate::domain::payments::providers::ProviderName;
use crate::domain::payments::recharges::Recharging;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, PaymentSid};
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::rows::{FromRow, Row};
use crate::storage::db::{BulkConn, Conn, on};

given! {
    pub struct GivenIds(wallet_ids: &'v [i64]) for id in wallet_ids {
        wallet_id: BIGINT = *id,
    }
}

pub static LOAD: Bulk<GivenIds> = Bulk::new(Action::With(
    "SELECT r.wallet_id, r.provider, r.method, w.auto_recharge_amount, r.most_per_day, r.most_sum_per_day, r.day, \
     r.count_of_day, r.sum_of_day, r.failures \
     FROM given JOIN auto_recharges r ON r.wallet_id = given.wallet_id JOIN wallets w ON w.id = r.wallet_id",
));

given! {
    pub struct GivenRecharging(changed: &'v [StoredRecharging]) for stored in changed {
        wallet_id: BIGINT = stored.wallet_id,
        day: DATE = stored.recharging.day,
        count_of_day: BIGINT = stored.recharging.count_of_day,
        sum_of_day: BIGINT = stored.recharging.sum_of_day.micros(),
        failures: BIGINT = stored.recharging.failures,
    }
}

pub static UPDATE: Bulk<GivenRecharging> = Bulk::new(Action::Update {
    table: "auto_recharges",
    set: "day = given.day, count_of_day = given.count_of_day, sum_of_day = given.sum_of_day, \
          failures = given.failures",
    by: "auto_recharges.wallet_id = given.wallet_id",
});

given! {
    pub struct GivenPayments(recharges: &'v [NewRecharge], actor: &'v Actor, now: Timestamp) for new in recharges {
        uid: UUID = new.sid.uuid(),
        wallet_id: BIGINT = new.wallet_id,
        provider: TEXT = new.provider.as_str(),
        amount: BIGINT = new.amount.micros(),
        currency: TEXT = new.currency.code(),
        method: TEXT = new.method.as_deref(),
        actor: TEXT = &*actor.name,
        created_at: BIGINT = now.micros(),
    }
}

pub static INSERT_PAYMENTS: Bulk<GivenPayments> = Bulk::new(Action::Insert {
    into: "payments (uid, wallet_id, purpose, provider, amount, currency, status, reference, method, actor, created_at)",
    values: "given.uid, given.wallet_id, 'AUTO_RECHARGE', given.provider, given.amount, given.currency, 'PENDING', \
             'auto-recharge', given.method, given.actor, given.created_at",
    unless: "",
});

/// The auto-recharge settings and counts of a wallet that has any.
#[derive(Clone, Debug)]
pub struct StoredRecharging {
    pub wallet_id: i64,
    pub recharging: Recharging,
}

impl FromRow for StoredRecharging {
    fn from_row(mut row: Row<'_>) -> Result<StoredRecharging> {
        let wallet_id = row.take()?;
        let provider: String = row.take()?;
        let provider = provider.parse::<ProviderName>().map_err(Error::Corrupt)?;
        Ok(StoredRecharging {
            wallet_id,
            recharging: Recharging {
                provider,
                method: row.take()?,
                amount: row.take()?,
                most_per_day: row.take()?,
                most_sum_per_day: row.take()?,
                day: row.take()?,
                count_of_day: row.take()?,
                sum_of_day: row.take()?,
                failures: row.take()?,
            },
        })
    }
}

pub async fn load(conn: &mut BulkConn<'_>, wallet_ids: &[i64]) -> Result<Vec<StoredRecharging>> {
    LOAD.fetch(conn, GivenIds::of(wallet_ids)).await
}

/// Updates the counts.
pub async fn update(conn: &mut BulkConn<'_>, changed: &[StoredRecharging]) -> Result<()> {
    UPDATE.execute(conn, GivenRecharging::of(changed)).await?;
    Ok(())
}

/// A recharge to request from a provider.
#[derive(Clone, Debug)]
pub struct NewRecharge {
    pub sid: PaymentSid,
    pub wallet_id: i64,
    pub provider: ProviderName,
    pub method: Option<String>,
    pub amount: Money,
    pub currency: Currency,
}

/// Inserts recharges as payments; an index refuses a second open one of a wallet.
pub async fn insert(conn: &mut BulkConn<'_>, recharges: &[NewRecharge], actor: &Actor, now: Timestamp) -> Result<()> {
    INSERT_PAYMENTS.execute(conn, GivenPayments::of(recharges, actor, now)).await?;
    Ok(())
}

pub const BUSINESS: &str = "SELECT b.sid FROM wallets w JOIN businesses b ON b.id = w.business_id WHERE w.id = $1";

/// The business of a wallet.
pub async fn business(conn: &mut Conn<'_>, wallet_id: i64) -> Result<Option<BusinessSid>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, BusinessSid>(BUSINESS).bind(wallet_id).fetch_optional(c).await)?)
}

pub const UPSERT: &str = "INSERT INTO auto_recharges (wallet_id, provider, method, most_per_day, most_sum_per_day, \
     failures, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (wallet_id) DO UPDATE SET \
     provider = excluded.provider, method = excluded.method, most_per_day = excluded.most_per_day, \
     most_sum_per_day = excluded.most_sum_per_day, failures = excluded.failures, updated_at = excluded.updated_at";

pub const UPDATE_WALLET: &str = "UPDATE wallets SET auto_recharge_enabled = $2, auto_recharge_amount = $3, \
     auto_recharge_threshold = $4, recharge_not_before = $5, updated_at = $6 WHERE id = $1";

/// The columns of a wallet that concern its recharges.
#[derive(Clone, Copy, Debug)]
pub struct WalletPart {
    pub is_enabled: bool,
    pub amount: Money,
    pub threshold: Money,
    pub not_before: Option<Timestamp>,
    pub updated_at: Timestamp,
}

/// Stores the auto-recharge settings of a wallet; the counts of the day stay.
pub async fn store(
    conn: &mut Conn<'_>,
    StoredRecharging { wallet_id, recharging }: &StoredRecharging,
    wallet: WalletPart,
    now: Timestamp,
) -> Result<()> {
    on!(conn, c => sqlx::query(UPDATE_WALLET)
        .bind(wallet_id)
        .bind(wallet.is_enabled)
        .bind(wallet.amount)
        .bind(wallet.threshold)
        .bind(wallet.not_before)
        .bind(wallet.updated_at)
        .execute(c)
        .await
        .map(|_| ()))?;
    on!(conn, c => sqlx::query(UPSERT)
        .bind(wallet_id)
        .bind(&recharging.provider)
        .bind(recharging.method.as_deref())
        .bind(recharging.most_per_day)
        .bind(recharging.most_sum_per_day)
        .bind(recharging.failures)
        .bind(now)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}
