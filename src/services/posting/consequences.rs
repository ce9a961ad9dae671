//! Writes the consequences of a balance change in the same transaction: alerts, webhook events and recharges.
//! Not a use case: charging and [`crate::services::posting`] both end with it.

use crate::clock::Clock;
use crate::domain::audit::Actor;
use crate::domain::jobs::{JobKind, NewJob};
use crate::domain::notifications::alerts::{AlertDraft, AlertType};
use crate::domain::notifications::events::{Event, EventType};
use crate::domain::payments::recharges::RechargeDecision;
use crate::domain::values::currency::Currency;
use crate::domain::values::sid::{AlertSid, BusinessSid, PaymentSid};
use crate::domain::values::time::{BillingCalendar, Timestamp, day_after};
use crate::domain::wallets::account::Account;
use crate::domain::wallets::watch::Watch;
use crate::error::Result;
use crate::storage;
use crate::storage::db::BulkConn;
use crate::storage::notifications::alerts::NewAlert;
use crate::storage::notifications::events::NewEvent;
use crate::storage::payments::recharges::{NewRecharge, StoredRecharging};

/// The clock, calendar and time to write with.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub clock: &'a Clock,
    pub calendar: BillingCalendar,
    pub now: Timestamp,
}

/// The consequences for one wallet.
#[derive(Clone, Debug)]
pub struct Consequences<'a> {
    pub wallet_id: i64,
    pub business: &'a BusinessSid,
    pub currency: Currency,
    /// The watched values when the wallet was read, and as they are now.
    pub before: Watch,
    pub watch: Watch,
    pub alerts: Vec<AlertDraft>,
    pub events: Vec<Event>,
    pub wants_recharge: bool,
}

impl<'a> Consequences<'a> {
    /// No consequences so far.
    pub fn of(wallet_id: i64, account: &'a Account, before: Watch) -> Consequences<'a> {
        Consequences {
            wallet_id,
            business: &account.business,
            currency: account.currency,
            before,
            watch: account.watch,
            alerts: Vec::new(),
            events: Vec::new(),
            wants_recharge: false,
        }
    }
}

/// Writes the consequences. The wallets are locked by this transaction already.
///
/// # Errors
/// Those of the database.
pub async fn write(
    context: Context<'_>,
    conn: &mut BulkConn<'_>,
    mut consequences: Vec<Consequences<'_>>,
) -> Result<()> {
    if consequences.is_empty() {
        return Ok(());
    }
    let mut jobs = recharge(context, conn, &mut consequences).await?;
    let mut alerts = Vec::new();
    let mut events = Vec::new();
    for one in &mut consequences {
        let mut new_event =
            |event| events.push(NewEvent { uid: context.clock.new_id(), wallet_id: one.wallet_id, event });
        for draft in one.alerts.drain(..) {
            let sid = AlertSid::new(context.clock.new_id());
            let listeners = one.watch.events;
            let is_low = draft.alert_type == AlertType::LowBalance;
            let asked = |event: &EventType| listeners.contains(*event);
            let types = [Some(EventType::AlertCreated), is_low.then_some(EventType::LowBalance)];
            for event_type in types.into_iter().flatten().filter(asked) {
                new_event(Event::new(
                    event_type,
                    context.now,
                    draft.event_body(sid, one.business.clone(), one.currency, context.now),
                ));
            }
            alerts.push(NewAlert { sid, wallet_id: one.wallet_id, draft });
        }
        let listeners = one.watch.events;
        one.events.drain(..).filter(|event| listeners.contains(event.event_type)).for_each(new_event);
    }
    storage::notifications::alerts::insert(conn, &alerts, context.now).await?;
    let changed = consequences.iter().filter(|one| !one.watch.has_levels_of(&one.before));
    let levels: Vec<_> = changed.map(|one| (one.wallet_id, one.watch)).collect();
    storage::wallets::watches::update_levels(conn, &levels).await?;
    let changed = consequences.iter().filter(|one| one.watch.recharge != one.before.recharge);
    let recharges: Vec<_> = changed.map(|one| (one.wallet_id, one.watch.recharge)).collect();
    storage::wallets::watches::update_recharges(conn, &recharges).await?;
    // Jobs come last: another transaction that waits for one of these rows holds nothing that this one waits for.
    storage::notifications::events::insert(conn, &events).await?;
    jobs.sort_by(|a, b| a.subject.cmp(&b.subject));
    storage::jobs::schedule(conn, &jobs, context.now).await
}

/// Requests the recharges that are needed, as far as the settings of each wallet allow.
async fn recharge(
    context: Context<'_>,
    conn: &mut BulkConn<'_>,
    consequences: &mut [Consequences<'_>],
) -> Result<Vec<NewJob>> {
    let wanting: Vec<i64> = consequences.iter().filter(|one| one.wants_recharge).map(|one| one.wallet_id).collect();
    let mut stored = storage::payments::recharges::load(conn, &wanting).await?;
    let today = context.calendar.day_of(context.now);
    let tomorrow = context.calendar.start_of(day_after(today));
    let (mut opened, mut jobs) = (Vec::new(), Vec::new());
    for StoredRecharging { wallet_id, recharging } in &mut stored {
        let Some(one) = consequences.iter_mut().find(|one| one.wallet_id == *wallet_id) else { continue };
        match recharging.decide(today, one.currency) {
            RechargeDecision::Granted => {
                let sid = PaymentSid::new(context.clock.new_id());
                one.watch.recharge.open = recharging.amount;
                opened.push(NewRecharge {
                    sid,
                    wallet_id: *wallet_id,
                    provider: recharging.provider.clone(),
                    method: recharging.method.clone(),
                    amount: recharging.amount,
                    currency: one.currency,
                });
                jobs.push(NewJob { kind: JobKind::Payment, subject: sid.to_string(), run_at: context.now });
            }
            RechargeDecision::UsedUp(alert) => {
                one.alerts.push(alert);
                one.watch.recharge.not_before = Some(tomorrow);
                jobs.push(NewJob { kind: JobKind::Recharge, subject: wallet_id.to_string(), run_at: tomorrow });
            }
        }
    }
    storage::payments::recharges::update(conn, &stored).await?;
    storage::payments::recharges::insert(conn, &opened, &Actor::auto_recharge(), context.now).await?;
    Ok(jobs)
}
