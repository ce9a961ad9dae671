//! Stores payments through providers, from request to settlement.
//! A wallet's payments are settled while its row is locked, so none needs a lock of its own.

pub mod recharges;
pub mod suspense;

use sqlx::FromRow;

use crate::domain::audit::Actor;
use crate::domain::payments::providers::{ProviderName, ProviderReference};
use crate::domain::payments::{Payment, PaymentPurpose, PaymentStatus};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::paging::{Cursor, Limit};
use crate::domain::values::sid::{BusinessSid, PaymentSid, TransactionSid};
use crate::domain::values::text::Reference;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::transactions::TransactionType;
use crate::error::Result;
use crate::storage::db::{Conn, on};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.wallet_id, p.uid, b.sid AS business_sid, p.purpose, p.provider, p.amount, p.currency, p.status, \
             p.reference, p.method, p.provider_reference, p.failure, p.transaction_uid, p.created_at, p.requested_at, \
             p.settled_at FROM payments p JOIN wallets w ON w.id = p.wallet_id JOIN businesses b ON b.id = w.business_id ",
            $rest
        )
    };
}

pub const FIND: &str = select!("WHERE p.uid = $1");

pub const PAGE: &str = select!("WHERE p.wallet_id = $1 AND p.id < $2 ORDER BY p.id DESC LIMIT $3");

/// Payments that the ledger does not hold, filtered by type and status.
pub const UNSETTLED: &str = select!(
    "WHERE p.wallet_id = $1 AND p.id < $2 AND p.status <> 'COMPLETED' AND p.created_at >= $3 AND p.created_at < $4 \
     AND (CAST($5 AS TEXT) IS NULL OR p.status = $5) \
     AND (CAST($6 AS TEXT) IS NULL OR CASE WHEN p.purpose = 'INVOICE_PAYMENT' THEN p.purpose ELSE 'TOPUP' END = $6) \
     ORDER BY p.id DESC LIMIT $7"
);

pub const INSERT: &str = "INSERT INTO payments (uid, wallet_id, purpose, provider, amount, currency, status, reference, \
     method, actor, request_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, 'PENDING', $7, $8, $9, $10, $11)";

/// The provider's reference is stored unless another payment has it.
pub const REQUESTED: &str = "UPDATE payments SET requested_at = $2, provider_reference = CASE WHEN EXISTS ( \
     SELECT 1 FROM payments other WHERE other.provider = payments.provider AND other.provider_reference = $3 \
     AND other.uid <> payments.uid) THEN NULL ELSE $3 END WHERE uid = $1 AND status = 'PENDING'";

pub const COMPLETE: &str = "UPDATE payments SET status = 'COMPLETED', failure = NULL, provider_reference = $2, \
     transaction_uid = $3, settled_at = $4 WHERE uid = $1 AND status <> 'COMPLETED'";

pub const FAIL: &str =
    "UPDATE payments SET status = 'FAILED', failure = $2, settled_at = $3 WHERE uid = $1 AND status = 'PENDING'";

pub const OF_REFERENCE: &str = "SELECT uid FROM payments WHERE provider = $1 AND provider_reference = $2";

pub const OPEN_RECHARGE: &str =
    "SELECT uid FROM payments WHERE wallet_id = $1 AND purpose = 'AUTO_RECHARGE' AND status = 'PENDING'";

/// A payment and its row ids.
#[derive(Clone, Debug)]
pub struct StoredPayment {
    /// The position in the list of all payments, rising with time.
    pub position: i64,
    pub wallet_id: i64,
    pub payment: Payment,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    wallet_id: i64,
    uid: PaymentSid,
    business_sid: BusinessSid,
    purpose: PaymentPurpose,
    provider: ProviderName,
    amount: Money,
    currency: Currency,
    status: PaymentStatus,
    reference: Reference,
    method: Option<String>,
    provider_reference: Option<ProviderReference>,
    failure: Option<String>,
    transaction_uid: Option<TransactionSid>,
    created_at: Timestamp,
    requested_at: Option<Timestamp>,
    settled_at: Option<Timestamp>,
}

impl From<Row> for StoredPayment {
    fn from(row: Row) -> StoredPayment {
        let payment = Payment {
            sid: row.uid,
            business_sid: row.business_sid,
            purpose: row.purpose,
            provider: row.provider,
            amount: row.amount,
            currency: row.currency,
            status: row.status,
            reference: row.reference,
            method: row.method,
            provider_reference: row.provider_reference,
            failure: row.failure,
            transaction_sid: row.transaction_uid,
            created_at: row.created_at,
            requested_at: row.requested_at,
            settled_at: row.settled_at,
        };
        StoredPayment { position: row.id, wallet_id: row.wallet_id, payment }
    }
}

pub async fn find(conn: &mut Conn<'_>, sid: PaymentSid) -> Result<Option<StoredPayment>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND).bind(sid).fetch_optional(c).await)?;
    Ok(row.map(StoredPayment::from))
}

/// A wallet's payments, newest first, with one row more than `limit` where there is one.
pub async fn page(conn: &mut Conn<'_>, wallet_id: i64, cursor: Cursor, limit: Limit) -> Result<Vec<StoredPayment>> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(PAGE)
        .bind(wallet_id)
        .bind(cursor.position())
        .bind(limit.with_lookahead())
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(StoredPayment::from).collect())
}

/// A query of a wallet's open and failed payments.
#[derive(Clone, Copy, Debug)]
pub struct UnsettledQuery {
    pub wallet_id: i64,
    /// Only payments below this position in the list of all payments.
    pub below: i64,
    /// Included.
    pub from: Option<Timestamp>,
    /// Not included.
    pub until: Option<Timestamp>,
    pub status: Option<PaymentStatus>,
    pub transaction_type: Option<TransactionType>,
}

/// A wallet's open and failed payments, newest first, with one row more than `limit` where there is one.
pub async fn unsettled(conn: &mut Conn<'_>, query: UnsettledQuery, limit: Limit) -> Result<Vec<StoredPayment>> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(UNSETTLED)
        .bind(query.wallet_id)
        .bind(query.below)
        .bind(query.from.unwrap_or(Timestamp::from_micros(i64::MIN)))
        .bind(query.until.unwrap_or(Timestamp::from_micros(i64::MAX)))
        .bind(query.status)
        .bind(query.transaction_type)
        .bind(limit.with_lookahead())
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(StoredPayment::from).collect())
}

/// Inserts a payment that was requested of this server.
pub async fn insert(conn: &mut Conn<'_>, wallet_id: i64, payment: &Payment, actor: &Actor) -> Result<()> {
    on!(conn, c => sqlx::query(INSERT)
        .bind(payment.sid)
        .bind(wallet_id)
        .bind(payment.purpose)
        .bind(&payment.provider)
        .bind(payment.amount)
        .bind(payment.currency)
        .bind(&payment.reference)
        .bind(payment.method.as_deref())
        .bind(&*actor.name)
        .bind(actor.request_id.as_deref())
        .bind(payment.created_at)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Records that the provider accepted the request.
pub async fn note_request(
    conn: &mut Conn<'_>,
    sid: PaymentSid,
    reference: Option<&ProviderReference>,
    now: Timestamp,
) -> Result<()> {
    on!(conn, c => sqlx::query(REQUESTED)
        .bind(sid)
        .bind(now)
        .bind(reference.map(ProviderReference::as_str))
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Completes a payment; returns whether it was still open or failed.
pub async fn complete(
    conn: &mut Conn<'_>,
    sid: PaymentSid,
    reference: &ProviderReference,
    transaction: TransactionSid,
    now: Timestamp,
) -> Result<bool> {
    let changed = on!(conn, c => sqlx::query(COMPLETE)
        .bind(sid)
        .bind(reference.as_str())
        .bind(transaction)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// Fails a payment; returns whether it was still open.
pub async fn fail(conn: &mut Conn<'_>, sid: PaymentSid, reason: &str, now: Timestamp) -> Result<bool> {
    let changed = on!(conn, c => sqlx::query(FAIL)
        .bind(sid)
        .bind(reason)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(changed == 1)
}

/// The payment with this reference at the provider.
pub async fn of_reference(
    conn: &mut Conn<'_>,
    provider: &ProviderName,
    reference: &ProviderReference,
) -> Result<Option<PaymentSid>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, PaymentSid>(OF_REFERENCE)
        .bind(provider)
        .bind(reference)
        .fetch_optional(c)
        .await)?)
}

/// The open recharge of a wallet.
pub async fn open_recharge(conn: &mut Conn<'_>, wallet_id: i64) -> Result<Option<PaymentSid>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, PaymentSid>(OPEN_RECHARGE).bind(wallet_id).fetch_optional(c).await)?)
}
