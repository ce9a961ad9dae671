//! Lists money in suspense, and assigns it to a business or dismisses it.

use serde_json::{Value, json};

use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::payments::suspense::{Suspended, SuspenseStatus};
use crate::domain::values::listing::{ListPage, ListRequest};
use crate::domain::values::sid::{BusinessSid, SuspenseSid, TransactionSid};
use crate::domain::values::text::Reason;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::{self, NewPosting};
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::wallets::Opening;

/// A page of the money in suspense.
///
/// # Errors
/// [`Error::Invalid`] where sort or cursor is invalid, and those of the database.
pub async fn list(billing: &Billing, request: &ListRequest) -> Result<ListPage<Suspended>> {
    storage::payments::suspense::page(&mut billing.db.read().await?.conn(), request).await
}

/// Assigns the money to a business and credits it, once.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Impossible`] where it was decided before, its currency is not the wallet's, or its
/// money has been credited meanwhile; [`Error::Refused`] where the balance would leave its range; those of the
/// database.
pub async fn assign(
    billing: &Billing,
    sid: SuspenseSid,
    business: &BusinessSid,
    reason: &Reason,
    actor: &Actor,
) -> Result<Suspended> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    // The wallet first, as everywhere.
    let opening = Opening { business, terms: &billing.rules.terms, wallet_id: billing.clock.new_id(), now, actor };
    let wallet = storage::wallets::lock_or_open_existing(&mut conn, &opening).await?;
    let wallet = wallet.ok_or_else(Error::no_such_business)?.wallet;
    let found = open_one(&mut conn, sid).await?;
    if wallet.currency != found.currency {
        let (theirs, ours) = (found.currency, wallet.currency);
        let sentence =
            format!("This money is {theirs}, and the wallet of {business} is in {ours}: it fits no such wallet.");
        return Err(Error::Impossible { code: "currency_mismatch", sentence });
    }
    let owner = storage::payments::of_reference(&mut conn, &found.provider, &found.provider_reference).await?;
    if let Some(payment) = owner {
        let stored = storage::payments::find(&mut conn, payment).await?;
        if stored.is_some_and(|stored| stored.payment.transaction_sid.is_some()) {
            let sentence = format!("The payment {payment} has brought this money already: dismiss it here.");
            return Err(Error::Impossible { code: "credited_already", sentence });
        }
    }
    let new = NewPosting { amount: found.amount, posting: found.posting(reason.as_str()), actor, events: Vec::new() };
    let posted = posting::enter(billing, &mut conn, business, new, now).await?;
    let (status, transaction) = (SuspenseStatus::Assigned, Some(posted.entry.sid));
    let after = json!({"status": status, "business_sid": business, "transaction_sid": transaction});
    let decision = Decision { action: AuditAction::SuspenseAssigned, status, transaction, after, reason };
    let after = settle(&mut conn, found, decision, actor, now).await?;
    tx.commit().await?;
    Ok(after)
}

/// Dismisses the money: it belongs to nobody here, because it was paid back, say.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Impossible`] where it was decided before, and those of the database.
pub async fn dismiss(billing: &Billing, sid: SuspenseSid, reason: &Reason, actor: &Actor) -> Result<Suspended> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let found = open_one(&mut conn, sid).await?;
    let status = SuspenseStatus::Dismissed;
    let (action, after) = (AuditAction::SuspenseDismissed, json!({"status": status}));
    let decision = Decision { action, status, transaction: None, after, reason };
    let after = settle(&mut conn, found, decision, actor, now).await?;
    tx.commit().await?;
    Ok(after)
}

/// A decision on money in suspense, and its record for the audit log.
struct Decision<'a> {
    action: AuditAction,
    status: SuspenseStatus,
    transaction: Option<TransactionSid>,
    after: Value,
    reason: &'a Reason,
}

async fn settle(
    conn: &mut Conn<'_>,
    found: Suspended,
    decision: Decision<'_>,
    actor: &Actor,
    at: Timestamp,
) -> Result<Suspended> {
    let Decision { action, status, transaction, after, reason } = decision;
    // Of two at once the second finds it settled, and takes its own entry back.
    if !storage::payments::suspense::settle(conn, found.sid, status, transaction, at).await? {
        return Err(settled_already());
    }
    let entry = AuditEntry::changed(action, found.sid.to_string(), json!({"status": found.status}), after);
    let entry = AuditEntry { reason: Some(reason.as_str().to_owned()), ..entry };
    storage::audit::append(&mut conn.bulk(), &entry, actor, at).await?;
    Ok(Suspended { status, transaction_sid: transaction, settled_at: Some(at), ..found })
}

async fn open_one(conn: &mut Conn<'_>, sid: SuspenseSid) -> Result<Suspended> {
    let found = storage::payments::suspense::find(conn, sid).await?;
    let found =
        found.ok_or(Error::NotFound { code: "suspense_not_found", sentence: "There is no such money here." })?;
    if found.status == SuspenseStatus::Open { Ok(found) } else { Err(settled_already()) }
}

fn settled_already() -> Error {
    let sentence = "It has been assigned or dismissed before; read it again to see which.".to_owned();
    Error::Impossible { code: "suspense_settled", sentence }
}
