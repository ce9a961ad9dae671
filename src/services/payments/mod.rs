//! Requests payments from providers, follows them up, and shows them.

pub mod methods;
pub mod providers;
pub mod recharge_settings;
pub mod recharges;
mod settlement;
pub mod suspense;

use serde::{Deserialize, Serialize};

use crate::domain::access::rights::Tenant;
use crate::domain::audit::Actor;
use crate::domain::jobs::{JobKind, NewJob, Next};
use crate::domain::payments::confirmations::{Confirmation, PaymentOutcome, Verdict};
use crate::domain::payments::providers::{PaymentMethod, ProviderName, ProviderReference};
use crate::domain::payments::{Payment, PaymentPurpose, PaymentStatus, check_decimals};
use crate::domain::values::idempotency::{InputHash, KeyScope, OnceAnswer};
use crate::domain::values::money::Money;
use crate::domain::values::paging::{Cursor, Limit, Page};
use crate::domain::values::sid::PaymentSid;
use crate::domain::values::text::Reference;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::Wallet;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::once::{Once, OpenedWallet, PlainJson};
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::wallets::{Opening, StoredWallet};
use providers::{Provider, Request, Said};
pub use settlement::confirm;

/// How many more seconds a provider is asked for a status that it does not give.
const PATIENCE_SECONDS: i64 = 3_600;

/// A top-up through a provider.
#[derive(Clone, Debug)]
pub struct ProviderTopup {
    pub business: Tenant,
    pub amount: Money,
    pub reference: Reference,
    pub provider: ProviderName,
    pub method: Option<PaymentMethod>,
}

impl ProviderTopup {
    fn hash(&self) -> InputHash {
        InputHash::of(&[
            self.business.sid().as_str(),
            &self.amount.to_string(),
            self.reference.as_str(),
            self.provider.as_str(),
            self.method.as_ref().map_or("", PaymentMethod::reveal),
        ])
    }
}

/// A wallet, and the payment that will change it. Serialised, both are kept for 30 days as an idempotent answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Requested {
    pub wallet: Wallet,
    pub payment: Payment,
}

/// Requests a top-up from a provider: the payment is stored, and the worker sends the request. With an idempotency key
/// it happens once, however often it is requested. A business without a wallet gets one.
///
/// # Errors
/// [`Error::Invalid`] where the amount has more decimals than its currency; [`Error::IdempotencyConflict`] where the
/// key was used with another input; those of the database.
pub async fn request(
    billing: &Billing,
    topup: ProviderTopup,
    key: Option<KeyScope>,
    actor: &Actor,
) -> Result<OnceAnswer<Requested>> {
    let now = billing.clock.now();
    let business = topup.business.sid();
    let once = Once { billing, key: key.as_ref(), input: topup.hash(), now };
    let opening = Opening { business, terms: &billing.rules.terms, wallet_id: billing.clock.new_id(), now, actor };
    let work = async |conn: &mut Conn<'_>, stored: StoredWallet| {
        check_decimals(topup.amount, stored.wallet.currency).map_err(|problem| Error::invalid("amount", problem))?;
        let payment = Payment {
            sid: PaymentSid::new(billing.clock.new_id()),
            business_sid: business.clone(),
            purpose: PaymentPurpose::Topup,
            provider: topup.provider.clone(),
            amount: topup.amount,
            currency: stored.wallet.currency,
            status: PaymentStatus::Pending,
            reference: topup.reference.clone(),
            method: topup.method.as_ref().map(|method| methods::seal(billing, business, method)).transpose()?,
            provider_reference: None,
            failure: None,
            transaction_sid: None,
            created_at: now,
            requested_at: None,
            settled_at: None,
        };
        storage::payments::insert(conn, stored.id, &payment, actor).await?;
        let job = NewJob { kind: JobKind::Payment, subject: payment.sid.to_string(), run_at: now };
        storage::jobs::schedule(&mut conn.bulk(), &[job], now).await?;
        Ok(Requested { wallet: stored.wallet, payment })
    };
    once.run(OpenedWallet(&opening), PlainJson, work).await
}

/// A page of a business's payments, newest first; none for a business that was never used.
///
/// # Errors
/// Those of the database.
pub async fn list(billing: &Billing, tenant: &Tenant, cursor: Cursor, limit: Limit) -> Result<Page<Payment>> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let Some(stored) = storage::wallets::find(&mut conn, tenant.sid()).await? else {
        return Ok(Page { items: Vec::new(), next: None });
    };
    let rows = storage::payments::page(&mut conn, stored.id, cursor, limit).await?;
    Ok(Page::from_lookahead(rows, limit, |row| row.position).map(|row| row.payment))
}

/// Shows a payment of a business.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn show(billing: &Billing, tenant: &Tenant, sid: PaymentSid) -> Result<Payment> {
    let found = storage::payments::find(&mut billing.db.read().await?.conn(), sid).await?;
    let own = found.map(|stored| stored.payment).filter(|payment| payment.business_sid == *tenant.sid());
    own.ok_or(Error::NotFound {
        code: "payment_not_found",
        sentence: "There is no such payment, or it is none of this business's.",
    })
}

/// Runs the job of a payment: sends the request to the provider, or, once its confirmation is late, asks for its
/// status. The subject is the payment.
///
/// # Errors
/// [`Error::Provider`] where the provider is to be asked again, and those of the database.
pub async fn perform(billing: &Billing, subject: &str) -> Result<Next> {
    let now = billing.clock.now();
    let Ok(sid) = subject.parse::<PaymentSid>() else { return Ok(Next::Done) };
    let found = storage::payments::find(&mut billing.db.read().await?.conn(), sid).await?;
    let Some(payment) = found.map(|stored| stored.payment).filter(|payment| payment.status == PaymentStatus::Pending)
    else {
        return Ok(Next::Done);
    };
    let Some(provider) = billing.live.providers.find(&payment.provider) else {
        return fail(billing, &payment, "this provider is no longer set up here").await;
    };
    let sealed = payment.method.as_ref();
    let method = sealed.and_then(|sealed| methods::open(billing, &payment.business_sid, sealed));
    // A provider that has the request needs no method to report its status.
    if payment.requested_at.is_none() && sealed.is_some() && method.is_none() {
        return fail(billing, &payment, "what it is paid from can no longer be read: enter it again").await;
    }
    let request = Request { payment: &payment, method: method.as_ref() };
    let deadline = payment.requested_at.unwrap_or(payment.created_at).plus_seconds(provider.confirms_within_seconds());
    if now >= deadline {
        return follow_up(billing, provider, request, now >= deadline.plus_seconds(PATIENCE_SECONDS)).await;
    }
    if payment.requested_at.is_some() {
        return Ok(Next::At(deadline));
    }
    let reference = match provider.request(request).await? {
        Said::Settled(outcome) => return take_word(billing, &payment, outcome).await,
        Said::Accepted(reference) => reference,
        Said::Open => None,
    };
    note_request(billing, sid, reference.as_ref(), now).await?;
    Ok(Next::At(now.plus_seconds(provider.confirms_within_seconds())))
}

async fn note_request(
    billing: &Billing,
    sid: PaymentSid,
    reference: Option<&ProviderReference>,
    now: Timestamp,
) -> Result<()> {
    let mut tx = billing.db.begin().await?;
    storage::payments::note_request(&mut tx.conn(), sid, reference, now).await?;
    tx.commit().await
}

/// Asks for the status of a payment without a confirmation. At the end, a payment that is still open fails; if its
/// money comes after all, it is credited.
async fn follow_up(billing: &Billing, provider: &Provider, request: Request<'_>, is_last: bool) -> Result<Next> {
    match provider.status(request.clone()).await {
        Ok(Said::Settled(outcome)) => take_word(billing, request.payment, outcome).await,
        Ok(Said::Accepted(_) | Said::Open) => {
            fail(billing, request.payment, "the provider did not confirm it in time").await
        }
        Err(_) if is_last => fail(billing, request.payment, "the provider does not say what became of it").await,
        Err(error) => Err(error),
    }
}

async fn take_word(billing: &Billing, payment: &Payment, outcome: PaymentOutcome) -> Result<Next> {
    let confirmation = Confirmation { provider: payment.provider.clone(), payment: payment.sid.to_string(), outcome };
    match confirm(billing, &confirmation, &Actor::scheduled()).await? {
        Verdict::Complete | Verdict::Fail => Ok(Next::Done),
        // Another amount, say: that money waits for an admin, and this payment will not come.
        Verdict::Replay | Verdict::Suspend(_) => {
            fail(billing, payment, "the provider confirmed something else; an operator looks into it").await
        }
    }
}

async fn fail(billing: &Billing, payment: &Payment, reason: &str) -> Result<Next> {
    let confirmation = Confirmation {
        provider: payment.provider.clone(),
        payment: payment.sid.to_string(),
        outcome: PaymentOutcome::Failed { reason: reason.to_owned() },
    };
    confirm(billing, &confirmation, &Actor::scheduled()).await?;
    Ok(Next::Done)
}
