//! Loads and updates wallets in bulk, as charging reads and writes them.

use crate::domain::notifications::events::EventSet;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, PlanSid, TransactionSid};
use crate::domain::wallets::account::{Account, TierCounter};
use crate::domain::wallets::ledger::LedgerHead;
use crate::domain::wallets::watch::{Level, RechargeWatch, Spend, Watch};
use crate::error::{Error, Result};
use crate::storage::businesses::is_suspended;
use crate::storage::db::BulkConn;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::rows::{FromRow, Row};

/// An account, its row id, and its newest row when it was read.
#[derive(Clone, Debug)]
pub struct StoredAccount {
    pub wallet_id: i64,
    pub account: Account,
}

given! {
    pub struct GivenBusinesses(businesses: impl IntoIterator<Item = &'v BusinessSid>) for sid in businesses {
        sid: TEXT = sid.as_str(),
    }
}

/// The plan is looked up from the locked row: joined, it would be the one before the wait for the lock.
macro_rules! load {
    ($lock:literal) => {
        Bulk::new(Action::With(concat!(
                "SELECT w.id, b.sid, ",
                is_suspended!(),
                ", w.currency, \
                 (SELECT uid FROM pricing_plans WHERE id = w.pricing_plan_id), w.balance, w.credit_limit, w.last_seq, w.last_uid, \
                 w.tier_month, w.tier_segments, w.updated_at, w.low_balance_threshold, w.low_balance_level, w.overage_level, \
                 w.alert_month, w.spend_day, w.spend_today, w.spend_limit, w.auto_recharge_enabled, \
                 w.auto_recharge_threshold, w.recharge_open, w.recharge_not_before, w.webhook_events \
                 FROM given JOIN businesses b ON b.sid = given.sid JOIN wallets w ON w.business_id = b.id",
                $lock
            )),
        )
    };
}

pub static LOAD: Bulk<GivenBusinesses> = load!("");

/// A business that has no wallet yet.
#[derive(Clone, Debug)]
pub struct Unopened {
    pub business: BusinessSid,
    pub is_suspended: bool,
    /// The currency of the wallet of the reseller above it, which its own will have too.
    pub currency: Option<Currency>,
}

pub static LOAD_UNOPENED: Bulk<GivenBusinesses> = Bulk::new(Action::With(concat!(
    "SELECT b.sid, ",
    is_suspended!(),
    ", (SELECT currency FROM wallets WHERE business_id = b.parent_id) FROM given JOIN businesses b ON b.sid = given.sid"
)));

impl FromRow for Unopened {
    fn from_row(mut row: Row<'_>) -> Result<Unopened> {
        Ok(Unopened { business: row.take()?, is_suspended: row.take()?, currency: row.take()? })
    }
}

/// Those of these businesses that exist, none of which has a wallet as far as the caller knows.
pub async fn load_unopened(conn: &mut BulkConn<'_>, businesses: &[&BusinessSid]) -> Result<Vec<Unopened>> {
    LOAD_UNOPENED.fetch(conn, GivenBusinesses::of(businesses.iter().copied())).await
}

/// Locks the wallets' rows until the transaction ends, in one order, so that there is no deadlock. SQLite needs no
/// lock: its one writer is alone already.
pub static LOAD_AND_LOCK_ON_POSTGRES: Bulk<GivenBusinesses> = load!(" ORDER BY w.id FOR UPDATE OF w");

given! {
    /// Changed accounts: the row, the `seq` each was read with, and the account now.
    pub struct GivenAccounts(changed: &'v [(i64, i64, &'v Account)]) for (id, seq_before, account) in changed {
        id: BIGINT = *id,
        seq_before: BIGINT = *seq_before,
        balance: BIGINT = account.head.balance.micros(),
        last_seq: BIGINT = account.head.last_seq,
        last_uid: UUID = account.head.last_sid.map(TransactionSid::uuid),
        tier_month: DATE = account.tiers.month,
        tier_segments: BIGINT = account.tiers.segments,
        spend_day: DATE = account.watch.spend.day,
        spend_today: BIGINT = account.watch.spend.today.micros(),
        spend_limit: BIGINT = account.watch.spend.limit.map(Money::micros),
        updated_at: BIGINT = account.head.updated_at.micros(),
    }
}

/// Updates a wallet only if it is still as it was read.
pub static UPDATE: Bulk<GivenAccounts> = Bulk::new(Action::Update {
    table: "wallets",
    set: "balance = given.balance, last_seq = given.last_seq, last_uid = given.last_uid, \
          tier_month = given.tier_month, tier_segments = given.tier_segments, \
          spend_day = given.spend_day, spend_today = given.spend_today, spend_limit = given.spend_limit, updated_at = given.updated_at",
    by: "wallets.id = given.id AND wallets.last_seq = given.seq_before",
});

/// In the column order of [`LOAD`].
impl FromRow for StoredAccount {
    fn from_row(mut row: Row<'_>) -> Result<StoredAccount> {
        let wallet_id = row.take()?;
        let business = row.take()?;
        let is_suspended = row.take()?;
        let currency = row.take()?;
        let plan = row.take::<Option<PlanSid>>()?;
        let balance = row.take()?;
        let credit_limit = row.take()?;
        let last_seq = row.take()?;
        let last_sid = row.take()?;
        let tiers = TierCounter { month: row.take()?, segments: row.take()? };
        let head = LedgerHead { balance, last_seq, last_sid, updated_at: row.take()? };
        let watch = Watch {
            low_balance_threshold: row.take()?,
            low_balance: Level::from_number(row.take()?),
            overage: Level::from_number(row.take()?),
            month: row.take()?,
            spend: Spend { day: row.take()?, today: row.take()?, limit: row.take()? },
            recharge: RechargeWatch {
                is_enabled: row.take()?,
                threshold: row.take()?,
                open: row.take()?,
                not_before: row.take()?,
            },
            events: EventSet::from_bits(row.take()?),
        };
        Ok(StoredAccount {
            wallet_id,
            account: Account { business, is_suspended, currency, plan, credit_limit, head, tiers, watch },
        })
    }
}

/// The accounts of those businesses that have a wallet.
pub async fn load(conn: &mut BulkConn<'_>, businesses: &[BusinessSid]) -> Result<Vec<StoredAccount>> {
    LOAD.fetch(conn, GivenBusinesses::of(businesses)).await
}

/// The accounts of those businesses that have a wallet, locked until this transaction ends.
pub async fn load_and_lock(conn: &mut BulkConn<'_>, businesses: &[BusinessSid]) -> Result<Vec<StoredAccount>> {
    let bulk = conn.choose(&LOAD, &LOAD_AND_LOCK_ON_POSTGRES);
    bulk.fetch(conn, GivenBusinesses::of(businesses)).await
}

/// Updates accounts: the row id and the `seq` each was read with, and the account as it is now.
///
/// # Errors
/// [`Error::Stale`] where a wallet is no longer as it was read.
pub async fn update(conn: &mut BulkConn<'_>, changed: &[(i64, i64, &Account)]) -> Result<()> {
    let updated = UPDATE.execute(conn, GivenAccounts::of(changed)).await?;
    if updated == changed.len() as u64 { Ok(()) } else { Err(Error::Stale) }
}
