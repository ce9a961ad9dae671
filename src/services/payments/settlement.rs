//! Settles a provider's confirmation in one transaction: the payment, its ledger entry, the recharge and the events.

use crate::domain::audit::Actor;
use crate::domain::jobs::{JobKind, NewJob};
use crate::domain::notifications::events::{Event, EventType};
use crate::domain::payments::confirmations::{Confirmation, ConfirmationFacts, PaymentOutcome, Verdict, judge};
use crate::domain::payments::providers::{ProviderReference, failure_text};
use crate::domain::payments::suspense::{Suspended, SuspenseCause, SuspenseStatus};
use crate::domain::payments::{Payment, PaymentEventBody, PaymentPurpose, PaymentStatus};
use crate::domain::values::money::Money;
use crate::domain::values::sid::{PaymentSid, SuspenseSid, TransactionSid};
use crate::domain::values::time::{Timestamp, day_after};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::consequences::{self, Consequences, Context};
use crate::services::posting::{self, NewPosting};
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::wallets::accounts::StoredAccount;

/// Settles a provider's confirmation, once, however often and by however many requests at once it comes. Returns the
/// verdict.
///
/// # Errors
/// [`Error::Refused`] where the balance would leave its range, and those of the database.
pub async fn confirm(billing: &Billing, confirmation: &Confirmation, actor: &Actor) -> Result<Verdict> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let held = hold(&mut tx.conn(), confirmation).await?;
    let payment = held.as_ref().map(|held| &held.payment);
    let mut known = ConfirmationFacts { payment, ..ConfirmationFacts::default() };
    if let PaymentOutcome::Completed { provider_reference, .. } = &confirmation.outcome {
        let (provider, mut conn) = (&confirmation.provider, tx.conn());
        known.is_suspended = storage::payments::suspense::has(&mut conn, provider, provider_reference).await?;
        let owner = storage::payments::of_reference(&mut conn, provider, provider_reference).await?;
        known.has_completed_another = owner.is_some_and(|owner| Some(owner) != payment.map(|payment| payment.sid));
    }
    let verdict = judge(known, confirmation);
    match (verdict, held, &confirmation.outcome) {
        (Verdict::Complete, Some(held), PaymentOutcome::Completed { provider_reference, .. }) => {
            complete(billing, &mut tx.conn(), held, provider_reference, actor, now).await?;
        }
        (Verdict::Fail, Some(held), PaymentOutcome::Failed { reason }) => {
            fail(billing, &mut tx.conn(), held, &failure_text(reason), now).await?;
        }
        (Verdict::Suspend(cause), _, outcome) => {
            suspend(billing, &mut tx.conn(), confirmation, outcome, cause, now).await?;
        }
        _ => {
            tx.roll_back().await?;
            return Ok(verdict);
        }
    }
    tx.commit().await?;
    Ok(verdict)
}

/// A payment whose wallet is locked until this transaction ends.
struct Held {
    account: StoredAccount,
    payment: Payment,
}

async fn hold(conn: &mut Conn<'_>, confirmation: &Confirmation) -> Result<Option<Held>> {
    let Ok(sid) = confirmation.payment.parse::<PaymentSid>() else { return Ok(None) };
    let Some(found) = storage::payments::find(conn, sid).await? else { return Ok(None) };
    if found.payment.provider != confirmation.provider {
        return Ok(None);
    }
    let business = found.payment.business_sid;
    let account =
        storage::wallets::accounts::load_and_lock(&mut conn.bulk(), std::slice::from_ref(&business)).await?.pop();
    let account = account.ok_or_else(|| Error::Corrupt(format!("a payment of {business}, which has no wallet")))?;
    // Read again: the transaction that had the wallet's lock before may have settled it.
    let payment = storage::payments::find(conn, sid).await?.ok_or(Error::Stale)?.payment;
    Ok(Some(Held { account, payment }))
}

async fn complete(
    billing: &Billing,
    conn: &mut Conn<'_>,
    held: Held,
    reference: &ProviderReference,
    actor: &Actor,
    now: Timestamp,
) -> Result<()> {
    let Held { account, payment: before } = held;
    let payment = Payment {
        status: PaymentStatus::Completed,
        provider_reference: Some(reference.clone()),
        failure: None,
        ..before.clone()
    };
    let event = |event_type| Event::new(event_type, now, PaymentEventBody::from(&payment));
    let mut events = vec![event(EventType::PaymentCompleted)];
    if payment.purpose == PaymentPurpose::AutoRecharge {
        end_recharge(billing, conn, &account, &before, now).await?;
        events.push(event(EventType::Recharged));
    }
    // First the payment: the entry may ask for the next recharge, and a wallet has one at a time.
    let sid = TransactionSid::new(billing.clock.new_id());
    if !storage::payments::complete(conn, payment.sid, reference, sid, now).await? {
        return Err(Error::Stale);
    }
    let new = NewPosting { amount: payment.amount, posting: payment.posting(), actor, events };
    posting::enter_as(billing, conn, &payment.business_sid, sid, new, now).await?;
    Ok(())
}

/// Ends a successful recharge: the wallet no longer waits for it, and its failures are forgotten. A recharge that had
/// been given up meanwhile leaves the one that is open now alone.
async fn end_recharge(
    billing: &Billing,
    conn: &mut Conn<'_>,
    account: &StoredAccount,
    before: &Payment,
    now: Timestamp,
) -> Result<()> {
    let today = billing.rules.calendar.day_of(now);
    let tomorrow = billing.rules.calendar.start_of(day_after(today));
    let mut watch = account.account.watch.recharge;
    let was_open = before.status == PaymentStatus::Pending;
    if was_open {
        watch.open = Money::ZERO;
    }
    let mut stored = storage::payments::recharges::load(&mut conn.bulk(), &[account.wallet_id]).await?;
    for stored in &mut stored {
        let recharging = &mut stored.recharging;
        if !was_open {
            recharging.count_again(billing.rules.calendar.day_of(before.created_at), before.amount);
        }
        watch.not_before = recharging.forgive(watch.not_before, (today, tomorrow));
    }
    storage::payments::recharges::update(&mut conn.bulk(), &stored).await?;
    storage::wallets::watches::update_recharges(&mut conn.bulk(), &[(account.wallet_id, watch)]).await
}

async fn fail(billing: &Billing, conn: &mut Conn<'_>, held: Held, reason: &str, now: Timestamp) -> Result<()> {
    let Held { account: StoredAccount { wallet_id, account }, payment } = held;
    if !storage::payments::fail(conn, payment.sid, reason, now).await? {
        return Err(Error::Stale);
    }
    let payment = Payment { status: PaymentStatus::Failed, failure: Some(reason.to_owned()), ..payment };
    let event = |event_type| Event::new(event_type, now, PaymentEventBody::from(&payment));
    let mut consequences = Consequences::of(wallet_id, &account, account.watch);
    consequences.events.push(event(EventType::PaymentFailed));
    let mut jobs = Vec::new();
    if payment.purpose == PaymentPurpose::AutoRecharge {
        consequences.events.push(event(EventType::RechargeFailed));
        consequences.watch.recharge.open = Money::ZERO;
        let mut stored = storage::payments::recharges::load(&mut conn.bulk(), &[wallet_id]).await?;
        for stored in &mut stored {
            let recharging = &mut stored.recharging;
            recharging.take_back(billing.rules.calendar.day_of(payment.created_at), payment.amount);
            let until = recharging.fail(now);
            let watch = &mut consequences.watch.recharge;
            let threshold = watch.threshold;
            match until {
                Some(until) => {
                    watch.not_before = Some(until);
                    jobs.push(NewJob { kind: JobKind::Recharge, subject: wallet_id.to_string(), run_at: until });
                }
                None => {
                    watch.is_enabled = false;
                    consequences.events.push(event(EventType::RechargeDisabled));
                }
            }
            let (balance, currency) = (account.head.balance, account.currency);
            consequences.alerts.push(recharging.failure_alert(reason, until, balance, currency, threshold));
        }
        storage::payments::recharges::update(&mut conn.bulk(), &stored).await?;
    }
    let context = Context { clock: &billing.clock, calendar: billing.rules.calendar, now };
    consequences::write(context, &mut conn.bulk(), vec![consequences]).await?;
    storage::jobs::schedule(&mut conn.bulk(), &jobs, now).await
}

async fn suspend(
    billing: &Billing,
    conn: &mut Conn<'_>,
    confirmation: &Confirmation,
    outcome: &PaymentOutcome,
    cause: SuspenseCause,
    now: Timestamp,
) -> Result<()> {
    let PaymentOutcome::Completed { provider_reference, amount, currency } = outcome else { return Ok(()) };
    let suspended = Suspended {
        sid: SuspenseSid::new(billing.clock.new_id()),
        provider: confirmation.provider.clone(),
        provider_reference: provider_reference.clone(),
        reference: confirmation.payment.clone(),
        amount: *amount,
        currency: *currency,
        cause,
        status: SuspenseStatus::Open,
        transaction_sid: None,
        created_at: now,
        settled_at: None,
    };
    let (sid, provider) = (suspended.sid, &suspended.provider);
    tracing::warn!(%sid, %provider, %cause, "money that fits no payment waits for an admin");
    storage::payments::suspense::insert(conn, &suspended).await?;
    Ok(())
}
