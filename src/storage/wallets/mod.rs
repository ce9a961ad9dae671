//! Stores wallets, opens them, and updates their settings.

pub mod accounts;
pub mod history;
pub mod ledger_lists;
pub mod transactions;
pub mod watches;

use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::prices::plans::PlanType;
use crate::domain::values::currency::Currency;
use crate::domain::values::listing::{ListPage, ListRequest, ValueKind};
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, PlanSid, TransactionSid, WalletSid};
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::ledger::LedgerHead;
use crate::domain::wallets::{AutoRecharge, OpeningTerms, Wallet, WalletSettings};
use crate::error::{Error, Result};
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::dialects::Texts;
use crate::storage::db::given::given;
use crate::storage::db::listing::{Filter, Listing, Sort};
use crate::storage::db::{BulkConn, Conn, on};
use crate::storage::{audit, businesses};

/// A wallet and its row id.
#[derive(Clone, Debug)]
pub struct StoredWallet {
    pub id: i64,
    /// The newest entry of its ledger.
    pub last_sid: Option<TransactionSid>,
    pub wallet: Wallet,
}

impl StoredWallet {
    /// The head of its ledger.
    pub fn head(&self) -> LedgerHead {
        LedgerHead {
            balance: self.wallet.balance,
            last_seq: self.wallet.last_seq,
            last_sid: self.last_sid,
            updated_at: self.wallet.updated_at,
        }
    }
}

macro_rules! columns {
    () => {
        "w.id, w.uid, b.sid AS business_sid, p.type AS plan_type, p.uid AS plan_uid, w.currency, w.balance, w.credit_limit, \
         w.auto_recharge_enabled, w.auto_recharge_amount, w.auto_recharge_threshold, w.last_seq, w.last_uid, w.created_at, \
         w.updated_at"
    };
}

macro_rules! tables {
    () => {
        "businesses b JOIN wallets w ON w.business_id = b.id LEFT JOIN pricing_plans p ON p.id = w.pricing_plan_id"
    };
}

macro_rules! select_wallet {
    ($condition:literal) => {
        concat!("SELECT ", columns!(), " FROM ", tables!(), " WHERE b.sid ", $condition)
    };
}

pub const FIND: &str = select_wallet!("= $1");

/// Locks the wallet's row until the transaction ends. SQLite needs no lock: its one writer is alone already.
pub const FIND_AND_LOCK_ON_POSTGRES: &str = select_wallet!("= $1 FOR UPDATE OF w");

pub const FIND_MANY_ON_SQLITE: &str = select_wallet!("IN (SELECT value FROM json_each($1))");

pub const FIND_MANY_ON_POSTGRES: &str = select_wallet!("= ANY ($1)");

/// Not sorted by balance: every message would have to change that index.
pub static LISTING: Listing = Listing {
    select: columns!(),
    from: tables!(),
    id: "w.id",
    search: &["b.sid", "b.name"],
    filters: &[
        Filter { name: "currency", kind: ValueKind::Text, condition: "w.currency = {}" },
        Filter {
            name: "plan",
            kind: ValueKind::Id,
            condition: "w.pricing_plan_id = (SELECT asked.id FROM pricing_plans asked WHERE asked.uid = {})",
        },
        Filter { name: "balance_below", kind: ValueKind::Integer, condition: "w.balance < {}" },
    ],
    sorts: &[
        Sort { name: "business_sid", column: "b.sid", kind: ValueKind::Text, is_unique: true },
        Sort { name: "created_at", column: "w.created_at", kind: ValueKind::Integer, is_unique: false },
    ],
    default_sort: "business_sid",
};

given! {
    pub struct GivenWallet(sid: WalletSid, opening: &'v Opening<'v>, currency: Currency) {
        uid: UUID = sid.uuid(),
        business_sid: TEXT = opening.business.as_str(),
        plan_name: TEXT = opening.terms.plan_name.as_str(),
        currency: TEXT = currency.code(),
        created_at: BIGINT = opening.now.micros(),
    }
}

pub static INSERT: Bulk<GivenWallet> = Bulk::new(Action::Insert {
    into: "wallets (uid, business_id, pricing_plan_id, currency, balance, credit_limit, auto_recharge_enabled, \
           auto_recharge_amount, auto_recharge_threshold, last_seq, created_at, updated_at)",
    values: "given.uid, (SELECT id FROM businesses WHERE sid = given.business_sid), \
             (SELECT id FROM pricing_plans WHERE name = given.plan_name), given.currency, 0, 0, FALSE, 0, 0, 0, \
             given.created_at, given.created_at",
    unless: "ON CONFLICT (business_id) DO NOTHING",
});

pub const FIND_PLAN: &str = "SELECT id, type FROM pricing_plans WHERE uid = $1";

/// Locks the plan until the transaction ends. SQLite needs no lock: its one writer is alone already.
pub const FIND_PLAN_AND_LOCK_ON_POSTGRES: &str = "SELECT id, type FROM pricing_plans WHERE uid = $1 FOR KEY SHARE";

/// Only the columns that people set, and none that charging writes.
pub const UPDATE_SETTINGS: &str =
    "UPDATE wallets SET credit_limit = $2, pricing_plan_id = $3, updated_at = $4 WHERE id = $1";

#[derive(FromRow)]
struct Row {
    id: i64,
    uid: WalletSid,
    business_sid: BusinessSid,
    plan_type: Option<PlanType>,
    plan_uid: Option<PlanSid>,
    currency: Currency,
    balance: Money,
    credit_limit: Money,
    auto_recharge_enabled: bool,
    auto_recharge_amount: Money,
    auto_recharge_threshold: Money,
    last_seq: i64,
    last_uid: Option<TransactionSid>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Row> for StoredWallet {
    fn from(row: Row) -> StoredWallet {
        let wallet = Wallet {
            sid: row.uid,
            business_sid: row.business_sid,
            plan_type: row.plan_type.unwrap_or(PlanType::Prepaid),
            pricing_plan: row.plan_uid,
            currency: row.currency,
            balance: row.balance,
            credit_limit: row.credit_limit,
            auto_recharge: AutoRecharge {
                enabled: row.auto_recharge_enabled,
                amount: row.auto_recharge_amount,
                threshold: row.auto_recharge_threshold,
            },
            last_seq: row.last_seq,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        StoredWallet { id: row.id, last_sid: row.last_uid, wallet }
    }
}

pub async fn find(conn: &mut Conn<'_>, business: &BusinessSid) -> Result<Option<StoredWallet>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND).bind(business.as_str()).fetch_optional(c).await)?;
    Ok(row.map(StoredWallet::from))
}

/// The wallets of those businesses that have one, in any order.
pub async fn find_many(conn: &mut Conn<'_>, businesses: &[&str]) -> Result<Vec<StoredWallet>> {
    let sql = conn.choose(FIND_MANY_ON_SQLITE, FIND_MANY_ON_POSTGRES);
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(sql).bind(Texts(businesses)).fetch_all(c).await)?;
    Ok(rows.into_iter().map(StoredWallet::from).collect())
}

/// The wallet, locked until this transaction ends.
pub async fn lock(conn: &mut Conn<'_>, business: &BusinessSid) -> Result<Option<StoredWallet>> {
    let sql = conn.choose(FIND, FIND_AND_LOCK_ON_POSTGRES);
    let row = on!(conn, c => sqlx::query_as::<_, Row>(sql).bind(business.as_str()).fetch_optional(c).await)?;
    Ok(row.map(StoredWallet::from))
}

/// The terms and ids to open a wallet with, if it does not exist yet.
#[derive(Debug)]
pub struct Opening<'a> {
    pub business: &'a BusinessSid,
    pub terms: &'a OpeningTerms,
    pub wallet_id: Uuid,
    pub now: Timestamp,
    pub actor: &'a Actor,
}

/// The wallet of a business, locked; business and wallet are created where they do not exist.
pub async fn lock_or_open(conn: &mut Conn<'_>, opening: &Opening<'_>) -> Result<StoredWallet> {
    if let Some(existing) = lock(conn, opening.business).await? {
        return Ok(existing);
    }
    open(&mut conn.bulk(), opening).await?;
    // Gone already: its business was deleted just now. Another try creates both again.
    lock(conn, opening.business).await?.ok_or(Error::Stale)
}

/// The wallet of an existing business, locked; it is created where there is none. `None`: there is no such business,
/// and a typing mistake in its name must not create one, as it would at a tenant's own first use.
pub async fn lock_or_open_existing(conn: &mut Conn<'_>, opening: &Opening<'_>) -> Result<Option<StoredWallet>> {
    if let Some(existing) = lock(conn, opening.business).await? {
        return Ok(Some(existing));
    }
    if businesses::hold_kind(conn, opening.business).await?.is_none() {
        return Ok(None);
    }
    lock_or_open(conn, opening).await.map(Some)
}

/// Creates a business and its wallet where they do not exist. A client's wallet has the currency of the reseller above
/// it.
pub async fn open(conn: &mut BulkConn<'_>, opening: &Opening<'_>) -> Result<()> {
    businesses::create(conn, opening.business, opening.now, opening.actor).await?;
    let sid = WalletSid::new(opening.wallet_id);
    let reseller = accounts::load_unopened(conn, &[opening.business]).await?.pop();
    let currency = reseller.and_then(|found| found.currency).unwrap_or(opening.terms.currency);
    // The business may be deleted just now, and then the wallet has none to belong to.
    let inserted = INSERT
        .execute(conn, GivenWallet::of(sid, opening, currency))
        .await
        .map_err(|error| if is_missing(&error) { Error::Stale } else { error });
    if inserted? == 1 {
        let after = json!({"business_sid": opening.business, "currency": currency, "balance": 0});
        let entry = AuditEntry::created(AuditAction::WalletCreated, sid.to_string(), after);
        audit::append(conn, &entry, opening.actor, opening.now).await?;
    }
    Ok(())
}

/// Whether Postgres missed a value that a column must have (not_null_violation). SQLite's one writer never meets this.
fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Database(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == "23502"))
}

/// A page of wallets.
pub async fn page(conn: &mut Conn<'_>, request: &ListRequest) -> Result<ListPage<Wallet>> {
    Ok(LISTING.page::<Row>(conn, request).await?.map(|row| StoredWallet::from(row).wallet))
}

/// A plan that a wallet may get, locked against deletion until this transaction ends.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct KeptPlan {
    id: i64,
    #[sqlx(rename = "type")]
    pub plan_type: PlanType,
}

/// The plan with a SID, if there is one, locked against deletion.
pub async fn keep_plan(conn: &mut Conn<'_>, sid: PlanSid) -> Result<Option<KeptPlan>> {
    let sql = conn.choose(FIND_PLAN, FIND_PLAN_AND_LOCK_ON_POSTGRES);
    Ok(on!(conn, c => sqlx::query_as::<_, KeptPlan>(sql).bind(sid).fetch_optional(c).await)?)
}

/// Updates a wallet's settings; its money stays as it is.
pub async fn update_settings(
    conn: &mut Conn<'_>,
    id: i64,
    settings: WalletSettings,
    plan: Option<KeptPlan>,
    updated_at: Timestamp,
) -> Result<()> {
    on!(conn, c => sqlx::query(UPDATE_SETTINGS)
        .bind(id)
        .bind(settings.credit_limit)
        .bind(plan.map(|plan| plan.id))
        .bind(updated_at)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}
