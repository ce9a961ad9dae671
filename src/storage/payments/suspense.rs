//! Stores money in suspense, until an admin assigns or dismisses it.

use sqlx::FromRow;

use crate::domain::payments::providers::{ProviderName, ProviderReference};
use crate::domain::payments::suspense::{Suspended, SuspenseCause, SuspenseStatus};
use crate::domain::values::currency::Currency;
use crate::domain::values::listing::{ListPage, ListRequest, ValueKind};
use crate::domain::values::money::Money;
use crate::domain::values::sid::{SuspenseSid, TransactionSid};
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::listing::{Filter, Listing, Sort};
use crate::storage::db::{Conn, on};

macro_rules! columns {
    () => {
        "s.uid, s.provider, s.provider_reference, s.reference, s.amount, s.currency, s.cause, s.status, \
         s.transaction_uid, s.created_at, s.settled_at"
    };
}

pub static LISTING: Listing = Listing {
    select: columns!(),
    from: "suspense s",
    id: "s.id",
    search: &["s.provider_reference", "s.reference"],
    filters: &[
        Filter { name: "status", kind: ValueKind::Text, condition: "s.status = {}" },
        Filter { name: "provider", kind: ValueKind::Text, condition: "s.provider = {}" },
    ],
    sorts: &[Sort { name: "created_at", column: "s.created_at", kind: ValueKind::Integer, is_unique: false }],
    default_sort: "-created_at",
};

pub const FIND: &str = concat!("SELECT ", columns!(), " FROM suspense s WHERE s.uid = $1");

pub const OF_REFERENCE: &str = "SELECT uid FROM suspense WHERE provider = $1 AND provider_reference = $2";

/// Once per provider and reference.
pub const INSERT: &str = "INSERT INTO suspense (uid, provider, provider_reference, reference, amount, currency, cause, \
     status, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'OPEN', $8) ON CONFLICT (provider, provider_reference) DO NOTHING";

/// Only if it is still open.
pub const SETTLE: &str =
    "UPDATE suspense SET status = $2, transaction_uid = $3, settled_at = $4 WHERE uid = $1 AND status = 'OPEN'";

#[derive(FromRow)]
struct Row {
    uid: SuspenseSid,
    provider: ProviderName,
    provider_reference: ProviderReference,
    reference: String,
    amount: Money,
    currency: Currency,
    cause: SuspenseCause,
    status: SuspenseStatus,
    transaction_uid: Option<TransactionSid>,
    created_at: Timestamp,
    settled_at: Option<Timestamp>,
}

impl From<Row> for Suspended {
    fn from(row: Row) -> Suspended {
        Suspended {
            sid: row.uid,
            provider: row.provider,
            provider_reference: row.provider_reference,
            reference: row.reference,
            amount: row.amount,
            currency: row.currency,
            cause: row.cause,
            status: row.status,
            transaction_sid: row.transaction_uid,
            created_at: row.created_at,
            settled_at: row.settled_at,
        }
    }
}

/// A page of the money in suspense.
pub async fn page(conn: &mut Conn<'_>, request: &ListRequest) -> Result<ListPage<Suspended>> {
    Ok(LISTING.page::<Row>(conn, request).await?.map(Suspended::from))
}

pub async fn find(conn: &mut Conn<'_>, sid: SuspenseSid) -> Result<Option<Suspended>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND).bind(sid).fetch_optional(c).await)?;
    Ok(row.map(Suspended::from))
}

/// Whether the provider's reference is in suspense, or was.
pub async fn has(conn: &mut Conn<'_>, provider: &ProviderName, reference: &ProviderReference) -> Result<bool> {
    let found = on!(conn, c => sqlx::query_scalar::<_, SuspenseSid>(OF_REFERENCE)
        .bind(provider)
        .bind(reference)
        .fetch_optional(c)
        .await)?;
    Ok(found.is_some())
}

/// Inserts money into suspense; returns whether it is new.
pub async fn insert(conn: &mut Conn<'_>, new: &Suspended) -> Result<bool> {
    let inserted = on!(conn, c => sqlx::query(INSERT)
        .bind(new.sid)
        .bind(&new.provider)
        .bind(&new.provider_reference)
        .bind(new.reference.as_str())
        .bind(new.amount)
        .bind(new.currency)
        .bind(new.cause)
        .bind(new.created_at)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(inserted == 1)
}

/// Settles money in suspense; returns whether it was still open.
pub async fn settle(
    conn: &mut Conn<'_>,
    sid: SuspenseSid,
    status: SuspenseStatus,
    transaction: Option<TransactionSid>,
    now: Timestamp,
) -> Result<bool> {
    let changed = on!(conn, c => sqlx::query(SETTLE)
        .bind(sid)
        .bind(status)
        .bind(transaction)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}
