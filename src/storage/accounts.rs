//! Wallets as charging reads and writes them: many at a time.

use chrono::NaiveDate;
use sqlx::FromRow;

use super::bulk::{Action, Bulk, Column};
use super::db::Conn;
use crate::domain::businesses::BusinessSid;
use crate::domain::charging::{Account, TierCounter};
use crate::domain::currency::Currency;
use crate::domain::ledger::LedgerHead;
use crate::domain::money::Money;
use crate::domain::sid::{PlanSid, TransactionSid};
use crate::domain::time::Timestamp;
use crate::error::{Error, Result};

/// An account, the key its rows go by, and its newest row when it was read.
#[derive(Clone, Debug)]
pub struct StoredAccount {
    pub wallet_id: i64,
    pub account: Account,
}

/// Chains of parents are at most five businesses deep, and suspension is inherited along them.
macro_rules! load {
    ($lock:literal) => {
        Bulk::new(
            &[("sid", "TEXT")],
            Action::With(concat!(
                "SELECT w.id, b.sid, 'SUSPENDED' IN (b.status, COALESCE(p1.status, ''), COALESCE(p2.status, ''), \
                 COALESCE(p3.status, ''), COALESCE(p4.status, '')) AS is_suspended, w.currency, p.uid AS plan, w.balance, \
                 w.credit_limit, w.last_seq, w.last_uid, w.tier_month, w.tier_segments, w.updated_at \
                 FROM given JOIN businesses b ON b.sid = given.sid JOIN wallets w ON w.business_id = b.id \
                 LEFT JOIN pricing_plans p ON p.id = w.pricing_plan_id \
                 LEFT JOIN businesses p1 ON p1.id = b.parent_id LEFT JOIN businesses p2 ON p2.id = p1.parent_id \
                 LEFT JOIN businesses p3 ON p3.id = p2.parent_id LEFT JOIN businesses p4 ON p4.id = p3.parent_id",
                $lock
            )),
        )
    };
}

pub static LOAD: Bulk = load!("");

/// Holds the wallets' rows until the transaction ends, taken in one order by everybody, so that nobody waits in a circle.
/// SQLite needs no such word: its one writer is alone already.
pub static LOAD_AND_LOCK_ON_POSTGRES: Bulk = load!(" ORDER BY w.id FOR UPDATE OF w");

/// Changes a wallet only if it is as it was read.
pub static UPDATE: Bulk = Bulk::new(
    &[
        ("id", "BIGINT"),
        ("seq_before", "BIGINT"),
        ("balance", "BIGINT"),
        ("last_seq", "BIGINT"),
        ("last_uid", "UUID"),
        ("tier_month", "DATE"),
        ("tier_segments", "BIGINT"),
        ("updated_at", "BIGINT"),
    ],
    Action::With(
        "UPDATE wallets SET balance = given.balance, last_seq = given.last_seq, last_uid = given.last_uid, \
         tier_month = given.tier_month, tier_segments = given.tier_segments, updated_at = given.updated_at \
         FROM given WHERE wallets.id = given.id AND wallets.last_seq = given.seq_before",
    ),
);

#[derive(FromRow)]
struct Row {
    id: i64,
    sid: BusinessSid,
    is_suspended: bool,
    currency: Currency,
    plan: Option<PlanSid>,
    balance: Money,
    credit_limit: Money,
    last_seq: i64,
    last_uid: Option<TransactionSid>,
    tier_month: Option<NaiveDate>,
    tier_segments: i64,
    updated_at: Timestamp,
}

impl From<Row> for StoredAccount {
    fn from(row: Row) -> StoredAccount {
        let head = LedgerHead {
            balance: row.balance,
            last_seq: row.last_seq,
            last_sid: row.last_uid,
            updated_at: row.updated_at,
        };
        let account = Account {
            business: row.sid,
            is_suspended: row.is_suspended,
            currency: row.currency,
            plan: row.plan,
            credit_limit: row.credit_limit,
            head,
            tiers: TierCounter { month: row.tier_month, segments: row.tier_segments },
        };
        StoredAccount { wallet_id: row.id, account }
    }
}

/// The accounts of those businesses that have a wallet.
pub async fn load(conn: &mut Conn<'_>, businesses: &[BusinessSid]) -> Result<Vec<StoredAccount>> {
    let sids = Column::texts(businesses.iter().map(BusinessSid::as_str));
    let rows = LOAD.fetch::<Row>(conn, vec![sids]).await?;
    Ok(rows.into_iter().map(StoredAccount::from).collect())
}

/// The accounts of those businesses that have a wallet; nobody else changes them until this transaction ends.
pub async fn load_and_lock(conn: &mut Conn<'_>, businesses: &[BusinessSid]) -> Result<Vec<StoredAccount>> {
    let bulk = match conn {
        Conn::Sqlite(_) => &LOAD,
        Conn::Postgres(_) => &LOAD_AND_LOCK_ON_POSTGRES,
    };
    let sids = Column::texts(businesses.iter().map(BusinessSid::as_str));
    let rows = bulk.fetch::<Row>(conn, vec![sids]).await?;
    Ok(rows.into_iter().map(StoredAccount::from).collect())
}

/// Stores what became of accounts: the key and the `seq` each was read with, and the account as it is now.
///
/// # Errors
/// [`Error::Stale`] where a wallet is no longer as it was read.
pub async fn update(conn: &mut Conn<'_>, changed: &[(i64, i64, &Account)]) -> Result<()> {
    let accounts = || changed.iter().map(|(_, _, account)| *account);
    let columns = vec![
        Column::integers(changed.iter().map(|(id, ..)| *id)),
        Column::integers(changed.iter().map(|(_, seq_before, _)| *seq_before)),
        Column::integers(accounts().map(|account| account.head.balance.micros())),
        Column::integers(accounts().map(|account| account.head.last_seq)),
        Column::Id(accounts().map(|account| account.head.last_sid.map(TransactionSid::uuid)).collect()),
        Column::Day(accounts().map(|account| account.tiers.month).collect()),
        Column::integers(accounts().map(|account| account.tiers.segments)),
        Column::integers(accounts().map(|account| account.head.updated_at.micros())),
    ];
    let updated = UPDATE.execute(conn, columns).await?;
    if updated == changed.len() as u64 { Ok(()) } else { Err(Error::Stale) }
}
