//! Stores businesses and reads their hierarchy.

use serde_json::json;
use sqlx::FromRow;

use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::businesses::hierarchy::{Ancestor, Ties};
use crate::domain::businesses::{Business, BusinessKind, BusinessStatus};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::listing::{ListPage, ListRequest, ValueKind};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::{Address, BusinessName, Email, TaxId};
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::storage::audit;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::listing::{Filter, Listing, Sort};
use crate::storage::db::{BulkConn, Conn, on};

/// Whether the business `b` of a query, or one above it, is suspended. Chains of parents are at most five businesses
/// deep; most businesses have no parent, and then nothing is looked up.
macro_rules! is_suspended {
    () => {
        "CASE WHEN b.status = 'SUSPENDED' THEN TRUE WHEN b.parent_id IS NULL THEN FALSE ELSE \
         (SELECT 'SUSPENDED' IN (p1.status, COALESCE(p2.status, ''), COALESCE(p3.status, ''), \
         COALESCE(p4.status, '')) FROM businesses p1 LEFT JOIN businesses p2 ON p2.id = p1.parent_id \
         LEFT JOIN businesses p3 ON p3.id = p2.parent_id LEFT JOIN businesses p4 ON p4.id = p3.parent_id \
         WHERE p1.id = b.parent_id) END"
    };
}
pub(super) use is_suspended;

/// The condition on a list that selects a business's wallet.
macro_rules! wallet_of {
    () => {
        "(SELECT asked.id FROM wallets asked JOIN businesses owner ON owner.id = asked.business_id WHERE owner.sid = {})"
    };
}
pub(super) use wallet_of;

pub const FIND_KIND: &str = "SELECT kind FROM businesses WHERE sid = $1";

/// The kind of a business, if it exists.
pub async fn find_kind(conn: &mut Conn<'_>, sid: &BusinessSid) -> Result<Option<BusinessKind>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, BusinessKind>(FIND_KIND).bind(sid.as_str()).fetch_optional(c).await)?)
}

/// Locks the row against change and deletion until the transaction ends; others may lock it so too.
pub const FIND_KIND_AND_LOCK_ON_POSTGRES: &str = "SELECT kind FROM businesses WHERE sid = $1 FOR SHARE";

/// The kind of a business, if it exists, locked against change and deletion until this transaction ends: for writers of
/// users or keys that only a business of that kind may have.
pub async fn hold_kind(conn: &mut Conn<'_>, sid: &BusinessSid) -> Result<Option<BusinessKind>> {
    let sql = conn.choose(FIND_KIND, FIND_KIND_AND_LOCK_ON_POSTGRES);
    Ok(on!(conn, c => sqlx::query_scalar::<_, BusinessKind>(sql).bind(sid.as_str()).fetch_optional(c).await)?)
}

pub const IS_BELOW: &str = "SELECT count(*) FROM businesses b LEFT JOIN businesses p1 ON p1.id = b.parent_id \
     LEFT JOIN businesses p2 ON p2.id = p1.parent_id LEFT JOIN businesses p3 ON p3.id = p2.parent_id \
     LEFT JOIN businesses p4 ON p4.id = p3.parent_id WHERE b.sid = $1 AND $2 IN (p1.sid, p2.sid, p3.sid, p4.sid)";

/// Whether a business exists and stands anywhere below a reseller.
pub async fn is_below(conn: &mut Conn<'_>, business: &BusinessSid, reseller: &BusinessSid) -> Result<bool> {
    let found = on!(conn, c => sqlx::query_scalar::<_, i64>(IS_BELOW)
        .bind(business.as_str())
        .bind(reseller.as_str())
        .fetch_one(c)
        .await)?;
    Ok(found > 0)
}

given! {
    pub struct GivenBusiness(sid: &'v BusinessSid, kind: BusinessKind, status: BusinessStatus, now: Timestamp) {
        sid: TEXT = sid.as_str(),
        kind: TEXT = kind.as_str(),
        status: TEXT = status.as_str(),
        created_at: BIGINT = now.micros(),
    }
}

pub static INSERT: Bulk<GivenBusiness> = Bulk::new(Action::Insert {
    into: "businesses (sid, kind, status, name, email, address, country_code, tax_id, created_at, updated_at)",
    values: "given.sid, given.kind, given.status, given.sid, '', '', '', '', given.created_at, given.created_at",
    unless: "ON CONFLICT (sid) DO NOTHING",
});

/// Creates a business, as an active client, if it does not exist.
pub async fn create(conn: &mut BulkConn<'_>, sid: &BusinessSid, now: Timestamp, actor: &Actor) -> Result<()> {
    let (kind, status) = (BusinessKind::Client, BusinessStatus::Active);
    if INSERT.execute(conn, GivenBusiness::of(sid, kind, status, now)).await? == 1 {
        let after = json!({"kind": kind, "status": status});
        let entry = AuditEntry::created(AuditAction::BusinessCreated, sid.as_str(), after);
        audit::append(conn, &entry, actor, now).await?;
    }
    Ok(())
}

macro_rules! business_columns {
    () => {
        "b.sid, b.kind, b.status, p1.sid AS parent_sid, b.name, b.email, b.address, b.country_code, b.tax_id, \
         b.created_at, b.updated_at"
    };
}

macro_rules! with_parent {
    () => {
        "businesses b LEFT JOIN businesses p1 ON p1.id = b.parent_id"
    };
}

pub static LISTING: Listing = Listing {
    select: business_columns!(),
    from: with_parent!(),
    id: "b.id",
    search: &["b.sid", "b.name", "b.email"],
    filters: &[
        Filter { name: "kind", kind: ValueKind::Text, condition: "b.kind = {}" },
        Filter { name: "status", kind: ValueKind::Text, condition: "b.status = {}" },
        Filter {
            name: "parent_sid",
            kind: ValueKind::Text,
            condition: "b.parent_id = (SELECT id FROM businesses WHERE sid = {})",
        },
        Filter { name: "country_code", kind: ValueKind::Text, condition: "b.country_code = {}" },
    ],
    sorts: &[
        Sort { name: "sid", column: "b.sid", kind: ValueKind::Text, is_unique: true },
        Sort { name: "name", column: "b.name", kind: ValueKind::Text, is_unique: false },
        Sort { name: "created_at", column: "b.created_at", kind: ValueKind::Integer, is_unique: false },
    ],
    default_sort: "sid",
};

pub const FIND: &str = concat!("SELECT ", business_columns!(), " FROM ", with_parent!(), " WHERE b.sid = $1");

/// Waits for transactions that give it a wallet, users or keys, and keeps later ones waiting.
pub const FIND_AND_LOCK_ON_POSTGRES: &str =
    concat!("SELECT ", business_columns!(), " FROM ", with_parent!(), " WHERE b.sid = $1 FOR UPDATE OF b");

/// Bounded, so that it ends whatever the table holds: no chain that the rules allow is longer.
pub const CHAIN: &str = "WITH RECURSIVE chain (sid, kind, parent_id, level) AS ( \
     SELECT b.sid, b.kind, b.parent_id, 1 FROM businesses b WHERE b.sid = $1 UNION ALL \
     SELECT p1.sid, p1.kind, p1.parent_id, chain.level + 1 FROM chain JOIN businesses p1 ON p1.id = chain.parent_id \
     WHERE chain.level < 6) SELECT sid, kind FROM chain ORDER BY level";

pub const LEVELS_BELOW: &str = "WITH RECURSIVE below (id, level) AS ( \
     SELECT b.id, 0 FROM businesses b WHERE b.sid = $1 UNION ALL \
     SELECT p1.id, below.level + 1 FROM below JOIN businesses p1 ON p1.parent_id = below.id WHERE below.level < 5) \
     SELECT CAST(COALESCE(MAX(level), 0) AS BIGINT) FROM below";

/// Revoked keys count too: they still name the business.
pub const TIES: &str = "SELECT EXISTS (SELECT 1 FROM wallets w WHERE w.business_id = b.id) AS has_wallet, \
     EXISTS (SELECT 1 FROM users u WHERE u.business_id = b.id) AS has_users, \
     EXISTS (SELECT 1 FROM api_keys k WHERE k.business_id = b.id) AS has_own_keys, \
     EXISTS (SELECT 1 FROM api_key_businesses l WHERE l.business_id = b.id) AS is_listed, \
     EXISTS (SELECT 1 FROM businesses p1 WHERE p1.parent_id = b.id) AS has_children, \
     EXISTS (SELECT 1 FROM users u WHERE u.business_id = b.id AND u.role = 'reseller') AS has_reseller_users, \
     EXISTS (SELECT 1 FROM api_keys k WHERE k.business_id = b.id AND k.role = 'reseller' AND k.revoked_at IS NULL) \
     AS has_reseller_keys FROM businesses b WHERE b.sid = $1";

pub const ADD: &str = "INSERT INTO businesses (sid, kind, status, parent_id, name, email, address, country_code, tax_id, \
     created_at, updated_at) VALUES ($1, $2, $3, (SELECT id FROM businesses WHERE sid = $4), $5, $6, $7, $8, $9, $10, $10) \
     ON CONFLICT (sid) DO NOTHING";

pub const UPDATE: &str = "UPDATE businesses SET kind = $2, status = $3, \
     parent_id = (SELECT id FROM businesses WHERE sid = $4), name = $5, email = $6, address = $7, country_code = $8, \
     tax_id = $9, updated_at = $10 WHERE sid = $1";

pub const DELETE: &str = "DELETE FROM businesses WHERE sid = $1";

#[derive(FromRow)]
struct Row {
    sid: BusinessSid,
    kind: BusinessKind,
    status: BusinessStatus,
    parent_sid: Option<BusinessSid>,
    name: BusinessName,
    email: String,
    address: Address,
    country_code: String,
    tax_id: TaxId,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Row {
    fn into_business(self) -> Result<Business> {
        let corrupt = |problem| Error::Corrupt(format!("business {}: {problem}", self.sid));
        let email = Some(self.email).filter(|email| !email.is_empty()).map(|email| email.parse::<Email>());
        let country = Some(self.country_code).filter(|code| !code.is_empty()).map(|code| code.parse::<CountryCode>());
        Ok(Business {
            email: email.transpose().map_err(corrupt)?,
            country: country.transpose().map_err(corrupt)?,
            sid: self.sid,
            kind: self.kind,
            status: self.status,
            parent: self.parent_sid,
            name: self.name,
            address: self.address,
            tax_id: self.tax_id,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// A page of businesses.
pub async fn page(conn: &mut Conn<'_>, request: &ListRequest) -> Result<ListPage<Business>> {
    let ListPage { items, next } = LISTING.page::<Row>(conn, request).await?;
    Ok(ListPage { items: items.into_iter().map(Row::into_business).collect::<Result<_>>()?, next })
}

pub async fn find(conn: &mut Conn<'_>, sid: &BusinessSid) -> Result<Option<Business>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND).bind(sid.as_str()).fetch_optional(c).await)?;
    row.map(Row::into_business).transpose()
}

/// The business, locked: nobody changes it or gives it anything until this transaction ends. Its parent cannot change
/// while we wait: only the holder of the hierarchy's turn changes parents.
pub async fn lock(conn: &mut Conn<'_>, sid: &BusinessSid) -> Result<Option<Business>> {
    let sql = conn.choose(FIND, FIND_AND_LOCK_ON_POSTGRES);
    let row = on!(conn, c => sqlx::query_as::<_, Row>(sql).bind(sid.as_str()).fetch_optional(c).await)?;
    row.map(Row::into_business).transpose()
}

/// A business and those above it, upwards; empty where it does not exist.
pub async fn chain(conn: &mut Conn<'_>, sid: &BusinessSid) -> Result<Vec<Ancestor>> {
    let rows = on!(conn, c => sqlx::query_as::<_, (BusinessSid, BusinessKind)>(CHAIN)
        .bind(sid.as_str())
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(|(sid, kind)| Ancestor { sid, kind }).collect())
}

/// The number of businesses in the longest chain below one.
pub async fn levels_below(conn: &mut Conn<'_>, sid: &BusinessSid) -> Result<usize> {
    let levels = on!(conn, c => sqlx::query_scalar::<_, i64>(LEVELS_BELOW).bind(sid.as_str()).fetch_one(c).await)?;
    Ok(usize::try_from(levels).unwrap_or(0))
}

#[derive(FromRow)]
struct TiesRow {
    has_wallet: bool,
    has_users: bool,
    has_own_keys: bool,
    is_listed: bool,
    has_children: bool,
    has_reseller_users: bool,
    has_reseller_keys: bool,
}

/// The references to a business that exists.
pub async fn ties(conn: &mut Conn<'_>, sid: &BusinessSid) -> Result<Ties> {
    let row = on!(conn, c => sqlx::query_as::<_, TiesRow>(TIES).bind(sid.as_str()).fetch_one(c).await)?;
    Ok(Ties {
        has_wallet: row.has_wallet,
        has_users: row.has_users,
        has_keys: row.has_own_keys || row.is_listed,
        has_children: row.has_children,
        has_resellers: row.has_reseller_users || row.has_reseller_keys,
    })
}

/// Inserts a business; returns false, and changes nothing, where one with this SID exists.
pub async fn add(conn: &mut Conn<'_>, business: &Business) -> Result<bool> {
    Ok(write(conn, ADD, business).await? == 1)
}

/// Updates a business.
pub async fn update(conn: &mut Conn<'_>, business: &Business) -> Result<()> {
    write(conn, UPDATE, business).await?;
    Ok(())
}

async fn write(conn: &mut Conn<'_>, sql: &'static str, business: &Business) -> Result<u64> {
    Ok(on!(conn, c => sqlx::query(sql)
        .bind(business.sid.as_str())
        .bind(business.kind)
        .bind(business.status)
        .bind(business.parent.as_ref().map(BusinessSid::as_str))
        .bind(&business.name)
        .bind(business.email.as_ref().map_or("", Email::as_str))
        .bind(&business.address)
        .bind(business.country.map_or("", CountryCode::as_str))
        .bind(&business.tax_id)
        .bind(business.updated_at)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?)
}

pub async fn delete(conn: &mut Conn<'_>, sid: &BusinessSid) -> Result<()> {
    on!(conn, c => sqlx::query(DELETE).bind(sid.as_str()).execute(c).await.map(|_| ()))?;
    Ok(())
}
