//! Decides charges, delivery reports and refunds of a batch in memory, without I/O.
//!
//! [`apply`] takes the rows that a batch of commands touches, as they stand, and returns an outcome for each command
//! and the changes to write in one transaction. A refused command changes nothing, so it never affects the others in
//! its batch.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use foldhash::{HashMap, HashMapExt, HashSet};
use serde::Serialize;

use super::usage::UsageCounts;
use super::{Charge, ChargeState, Delivery, DeliveryReport, DeliveryStatus, NewCharge, RefundOrder, Refusal};
use crate::domain::audit::Actor;
use crate::domain::invoices::{InvoiceItem, LineCategory};
use crate::domain::notifications::alerts::AlertDraft;
use crate::domain::notifications::events::{Event, EventType};
use crate::domain::prices::messages::{ChargeKey, MessageSid, check_submitted_at};
use crate::domain::prices::rating::{PriceBook, RatedPart};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::values::sid::{BusinessSid, TransactionSid};
use crate::domain::values::time::{BillingCalendar, DayRange, Timestamp};
use crate::domain::wallets::account::{Account, TierCounter};
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::watch::{BalanceChange, WatchRules};

/// A charge, delivery report or refund to be decided.
#[derive(Clone, Debug)]
pub enum Command {
    Charge(NewCharge),
    Report(DeliveryReport),
    Refund(RefundOrder),
}

impl Command {
    pub fn key(&self) -> &ChargeKey {
        match self {
            Command::Charge(charge) => &charge.key,
            Command::Report(report) => &report.key,
            Command::Refund(order) => &order.key,
        }
    }
}

/// The rows that a batch of commands touches.
#[derive(Debug, Default)]
pub struct State {
    accounts: Vec<Account>,
    numbers: HashMap<BusinessSid, usize>,
    charges: HashMap<ChargeKey, ChargeState>,
    /// Months whose invoice is finalised: their usage no longer changes.
    closed_months: HashSet<(BusinessSid, NaiveDate)>,
}

impl State {
    pub fn new(accounts: Vec<Account>) -> State {
        let numbers = (0..).zip(&accounts).map(|(number, account)| (account.business.clone(), number)).collect();
        State { accounts, numbers, ..State::default() }
    }

    /// Adds charges that were entered before.
    pub fn with_charges(mut self, charges: impl IntoIterator<Item = ChargeState>) -> State {
        for known in charges {
            let charge = &known.charge;
            self.charges
                .insert(ChargeKey { business: charge.business.clone(), message: charge.message.clone() }, known);
        }
        self
    }

    /// Adds months (by their first day) whose invoice is finalised.
    pub fn with_closed_months(mut self, months: impl IntoIterator<Item = (BusinessSid, NaiveDate)>) -> State {
        self.closed_months.extend(months);
        self
    }

    /// The accounts, in the order they were given.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    pub fn charge(&self, key: &ChargeKey) -> Option<&ChargeState> {
        self.charges.get(key)
    }
}

/// The outcome of a command that was accepted.
#[derive(Clone, Debug)]
pub enum CommandOutcome {
    Charged(Charged),
    Reported(Reported),
    Refunded(Refunded),
}

#[derive(Clone, Debug)]
pub struct Charged {
    pub charge: Arc<Charge>,
    /// The balance of the wallet after this command.
    pub balance: Money,
    pub available: Money,
    /// Whether the message had been charged before; then nothing has changed.
    pub replayed: bool,
}

#[derive(Clone, Debug)]
pub struct Reported {
    pub charge: Arc<Charge>,
    /// The delivery report that counts: the first.
    pub delivery: Delivery,
    /// The sum of all refunds of the charge so far.
    pub refunded: Money,
    /// Whether this report is the one that counts.
    pub recorded: bool,
}

#[derive(Clone, Debug)]
pub struct Refunded {
    pub charge: Arc<Charge>,
    pub entry: Entry,
    pub reason: String,
    /// The sum of all refunds of the charge so far.
    pub refunded: Money,
    pub balance: Money,
    pub available: Money,
}

/// The rows to write, in the order of the commands.
#[derive(Debug, Default)]
pub struct Changes {
    pub entries: Vec<NewEntry>,
    pub deliveries: Vec<NewDelivery>,
    pub usage: HashMap<UsageKey, UsageCounts>,
    pub invoice_items: Vec<NewInvoiceItem>,
    /// Alerts to raise, by account.
    pub alerts: Vec<(usize, AlertDraft)>,
    /// Events to send, by account.
    pub events: Vec<(usize, Event)>,
    /// The accounts to be recharged.
    pub recharges: BTreeSet<usize>,
}

/// A row to append to the ledger.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The index of the account.
    pub account: usize,
    pub entry: Entry,
    pub kind: EntryKind,
    pub actor: Arc<Actor>,
}

#[derive(Clone, Debug)]
pub enum EntryKind {
    Debit(Arc<Charge>),
    Refund { charge: Arc<Charge>, reason: String },
}

/// A delivery report to store.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub charge: TransactionSid,
    pub delivery: Delivery,
    pub actor: Arc<Actor>,
}

/// The key of a row of the usage rollups.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UsageKey {
    pub account: usize,
    pub day: NaiveDate,
    pub country: CountryCode,
    pub operator: Arc<str>,
    pub unit_price: Money,
}

/// An item of the current month's invoice, for a refund whose own month is already invoiced.
#[derive(Clone, Debug)]
pub struct NewInvoiceItem {
    pub account: usize,
    pub transaction: TransactionSid,
    pub item: InvoiceItem,
}

/// The prices, calendar and watch rules that commands are decided by.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    pub book: &'a PriceBook,
    pub calendar: BillingCalendar,
    pub watch: WatchRules,
}

/// Decides the commands one after the other. Returns one outcome per command, in order, and the changes to write;
/// `state` then includes them.
pub fn apply(
    state: &mut State,
    rules: Rules<'_>,
    commands: &[Command],
    now: Timestamp,
) -> (Vec<Result<CommandOutcome, Refusal>>, Changes) {
    let mut run = Run { state, rules, now, today: rules.calendar.day_of(now), changes: Changes::default() };
    let outcomes = commands.iter().map(|command| run.command(command)).collect();
    (outcomes, run.changes)
}

struct Run<'a> {
    state: &'a mut State,
    rules: Rules<'a>,
    now: Timestamp,
    today: NaiveDate,
    changes: Changes,
}

impl Run<'_> {
    fn command(&mut self, command: &Command) -> Result<CommandOutcome, Refusal> {
        match command {
            Command::Charge(charge) => self.charge(charge).map(CommandOutcome::Charged),
            Command::Report(report) => self.report(report).map(CommandOutcome::Reported),
            Command::Refund(order) => self.refund_by_hand(order).map(CommandOutcome::Refunded),
        }
    }

    /// Checked in this order: replay, suspension, input, rating, funds.
    fn charge(&mut self, new: &NewCharge) -> Result<Charged, Refusal> {
        let number = *self.state.numbers.get(&new.key.business).ok_or(Refusal::ChargeNotFound)?;
        let account = &self.state.accounts[number];
        if let Some(known) = self.state.charges.get(&new.key) {
            if known.charge.input != new.input {
                return Err(Refusal::MessageConflict);
            }
            // After a commit whose outcome was unknown, a command may meet its own work.
            let replayed = known.charge.entry.sid != new.sid;
            let (balance, available) = account.funds()?;
            return Ok(Charged { charge: known.charge.clone(), balance, available, replayed });
        }
        if account.is_suspended {
            return Err(Refusal::BusinessSuspended);
        }
        check_submitted_at(new.submitted_at, self.now)?;
        let destination = new.destination.as_ref().map_err(Clone::clone)?;
        let day = self.day_of(account.head.date(self.now));
        let month = DayRange::month_of(day).first;
        let terms = account.rating_terms(self.rules.book, month, new.submitted_at.unwrap_or(self.now));
        let rating = self.rules.book.rate(destination, new.size.segments, terms)?;
        let (_, available) = account.funds()?;
        if available < rating.total {
            let currency = account.currency;
            // Whatever the balance is: it was too little.
            if account.watch.recharge.is_possible(self.now) {
                self.changes.recharges.insert(number);
            }
            return Err(Refusal::InsufficientFunds { available, required: rating.total, currency });
        }
        let mut used = Vec::with_capacity(1);
        for (position, part) in rating.parts.iter().enumerate() {
            let counts = UsageCounts {
                messages_sent: i64::from(position == 0),
                segments: part.segments.into(),
                cost: part.cost()?,
                ..UsageCounts::default()
            };
            used.push((usage_key(number, day, part), counts));
        }
        let used = self.usage_with(used)?;
        let currency = account.currency;
        let account = &mut self.state.accounts[number];
        let amount = Money::ZERO.checked_sub(rating.total)?;
        let before = account.head.balance;
        let entry = account.head.enter(amount, new.sid, self.now)?;
        let segments = terms.segments_before + i64::from(new.size.segments);
        account.tiers = TierCounter { month: Some(month), segments };
        debug_assert!(account.head.balance.checked_add(account.credit_limit).is_ok_and(|left| left >= Money::ZERO));
        let charge = Arc::new(Charge {
            entry,
            business: account.business.clone(),
            message: new.key.message.clone(),
            currency,
            parts: rating.parts,
            sent_to: new.sent_to.clone(),
            size: new.size,
            submitted_at: new.submitted_at,
            metadata: new.metadata.clone(),
            input: new.input,
        });
        let (balance, available) = account.funds()?;
        let unusual = account.watch.spend(rating.total, day, currency);
        self.changes.alerts.extend(unusual.map(|alert| (number, alert)));
        self.follow(number, before, month);
        self.changes.usage.extend(used);
        let kind = EntryKind::Debit(charge.clone());
        self.changes.entries.push(NewEntry { account: number, entry, kind, actor: new.actor.clone() });
        let known = ChargeState { charge: charge.clone(), delivery: None, refunded: Money::ZERO };
        self.state.charges.insert(new.key.clone(), known);
        Ok(Charged { charge, balance, available, replayed: false })
    }

    /// Only the first report counts; `failed` refunds what the plan promised.
    fn report(&mut self, report: &DeliveryReport) -> Result<Reported, Refusal> {
        let known = self.state.charges.get(&report.key).ok_or(Refusal::ChargeNotFound)?.clone();
        let charge = &known.charge;
        if let Some(delivery) = known.delivery {
            let refunded = known.refunded;
            return Ok(Reported { charge: charge.clone(), delivery, refunded, recorded: false });
        }
        let has_failed = report.status == DeliveryStatus::Failed;
        let number = *self.state.numbers.get(&report.key.business).ok_or(Refusal::ChargeNotFound)?;
        let first = charge.parts.first().ok_or(Refusal::ChargeNotFound)?;
        let counts = UsageCounts {
            messages_delivered: i64::from(!has_failed),
            messages_failed: i64::from(has_failed),
            ..UsageCounts::default()
        };
        let day = self.day_of(charge.entry.created_at);
        let counted = self.usage_with(vec![(usage_key(number, day, first), counts)])?;
        let mut refunded = known.refunded;
        let reported_at = self.state.accounts[number].head.date(self.now);
        if has_failed {
            let left = charge.total()?.checked_sub(known.refunded)?;
            let amount = charge.total()?.share(first.rate.failed_refund()).min(left);
            if amount > Money::ZERO {
                let reason = match &report.error_code {
                    Some(code) => format!("Delivery failed: {}", code.as_str()),
                    None => "Delivery failed".to_owned(),
                };
                // What was counted above joins the refund's own counts, so both are written or neither.
                let pending = Pending { usage: counted, sid: report.refund_sid, reason, actor: report.actor.clone() };
                refunded = self.give_back(&report.key, amount, pending)?.refunded;
            } else {
                self.changes.usage.extend(counted);
            }
        } else {
            self.changes.usage.extend(counted);
        }
        let delivery = Delivery { status: report.status, error_code: report.error_code.clone(), reported_at };
        let record = NewDelivery { charge: charge.entry.sid, delivery: delivery.clone(), actor: report.actor.clone() };
        self.changes.deliveries.push(record);
        if let Some(state) = self.state.charges.get_mut(&report.key) {
            state.delivery = Some(delivery.clone());
        }
        Ok(Reported { charge: charge.clone(), delivery, refunded, recorded: true })
    }

    fn refund_by_hand(&mut self, order: &RefundOrder) -> Result<Refunded, Refusal> {
        let known = self.state.charges.get(&order.key).ok_or(Refusal::ChargeNotFound)?;
        let left = known.charge.total()?.checked_sub(known.refunded)?;
        let amount = order.amount.unwrap_or(left);
        if amount > left || amount <= Money::ZERO {
            return Err(Refusal::RefundExceedsCharge { left, currency: known.charge.currency });
        }
        let pending = Pending {
            usage: HashMap::new(),
            sid: order.sid,
            reason: order.reason.as_str().to_owned(),
            actor: order.actor.clone(),
        };
        self.give_back(&order.key, amount, pending)
    }

    /// Refunds a charge by an amount above zero, at most what is left of it. Once the whole charge is refunded, its
    /// message and segments are subtracted from usage too, on the day and in the month of the charge. Where that month
    /// is closed its usage stays as invoiced, and the refund becomes an item of the current month.
    fn give_back(&mut self, key: &ChargeKey, amount: Money, pending: Pending) -> Result<Refunded, Refusal> {
        let known = self.state.charges.get(key).ok_or(Refusal::ChargeNotFound)?;
        let (charge, refunded_before) = (known.charge.clone(), known.refunded);
        let refunded = refunded_before.checked_add(amount)?;
        let total = charge.total()?;
        debug_assert!(amount > Money::ZERO && refunded <= total);
        let is_whole = refunded == total;
        let number = *self.state.numbers.get(&key.business).ok_or(Refusal::ChargeNotFound)?;
        let day = self.day_of(charge.entry.created_at);
        let month = DayRange::month_of(day).first;
        let is_closed = self.state.closed_months.contains(&(key.business.clone(), month));

        let mut reversed = Vec::new();
        if !is_closed {
            for (position, (part, cost)) in costs_given_back(&charge.parts, refunded_before, amount)?.enumerate() {
                let counts = UsageCounts {
                    messages_sent: -i64::from(is_whole && position == 0),
                    segments: if is_whole { -i64::from(part.segments) } else { 0 },
                    cost: Money::ZERO.checked_sub(cost)?,
                    ..UsageCounts::default()
                };
                reversed.push((usage_key(number, day, part), counts));
            }
        }
        let mut usage = pending.usage;
        for (key, counts) in reversed {
            let sum = usage.get(&key).or_else(|| self.changes.usage.get(&key)).copied().unwrap_or_default();
            usage.insert(key, sum.checked_add(counts)?);
        }

        let reversal = Money::ZERO.checked_sub(amount)?;
        let account = &mut self.state.accounts[number];
        let before = account.head.balance;
        let entry = account.head.enter(amount, pending.sid, self.now)?;
        if is_whole && !is_closed && account.tiers.month == Some(month) {
            account.tiers.segments -= i64::from(charge.size.segments);
        }
        let (balance, available) = account.funds()?;
        if account.watch.spend.day == Some(day) {
            // A refund of today's charge reduces today's spend.
            account.watch.spend(reversal, day, charge.currency);
        }
        if account.watch.events.contains(EventType::ChargeRefunded) {
            let event = refund_event(&charge, &entry, refunded, &pending.reason);
            self.changes.events.push((number, event));
        }
        self.follow(number, before, DayRange::month_of(self.day_of(entry.created_at)).first);
        self.changes.usage.extend(usage);
        if is_closed {
            let item = InvoiceItem {
                day: self.day_of(entry.created_at),
                category: LineCategory::Sms,
                description: format!("Refund of message {} of {day}", charge.message),
                amount: reversal,
            };
            self.changes.invoice_items.push(NewInvoiceItem { account: number, transaction: entry.sid, item });
        }
        let kind = EntryKind::Refund { charge: charge.clone(), reason: pending.reason.clone() };
        self.changes.entries.push(NewEntry { account: number, entry, kind, actor: pending.actor });
        if let Some(state) = self.state.charges.get_mut(key) {
            state.refunded = refunded;
        }
        Ok(Refunded { charge, entry, reason: pending.reason, refunded, balance, available })
    }

    /// Collects the consequences of a change of an account's balance: alerts, and the need for a recharge.
    fn follow(&mut self, number: usize, before: Money, month: NaiveDate) {
        let account = &mut self.state.accounts[number];
        let after = account.head.balance;
        let (credit_limit, currency) = (account.credit_limit, account.currency);
        let change = BalanceChange { before, after, credit_limit, currency, month };
        let drafts = account.watch.follow(change, self.rules.watch);
        self.changes.alerts.extend(drafts.into_iter().map(|draft| (number, draft)));
        if account.watch.recharge.is_wanted(after, self.now) {
            self.changes.recharges.insert(number);
        }
    }

    /// The changed usage rows as they will be, so that an overflow shows before anything has changed.
    fn usage_with(&self, deltas: Vec<(UsageKey, UsageCounts)>) -> Result<HashMap<UsageKey, UsageCounts>, MoneyError> {
        let mut changed: HashMap<UsageKey, UsageCounts> = HashMap::with_capacity(deltas.len());
        for (key, counts) in deltas {
            let sum = changed.get(&key).or_else(|| self.changes.usage.get(&key)).copied().unwrap_or_default();
            changed.insert(key, sum.checked_add(counts)?);
        }
        Ok(changed)
    }

    fn day_of(&self, instant: Timestamp) -> NaiveDate {
        if instant == self.now { self.today } else { self.rules.calendar.day_of(instant) }
    }
}

/// A refund about to be entered, with the counts that must be written along with it.
struct Pending {
    usage: HashMap<UsageKey, UsageCounts>,
    sid: TransactionSid,
    reason: String,
    actor: Arc<Actor>,
}

fn refund_event(charge: &Charge, entry: &Entry, refunded: Money, reason: &str) -> Event {
    let data = ChargeRefunded {
        business_sid: &charge.business,
        message_sid: &charge.message,
        charge_sid: charge.entry.sid,
        refund_sid: entry.sid,
        amount: entry.amount,
        refunded,
        currency: charge.currency,
        balance_after: entry.balance_after,
        reason,
    };
    Event::new(EventType::ChargeRefunded, entry.created_at, data)
}

/// The body of the event of a refund.
#[derive(Serialize)]
struct ChargeRefunded<'a> {
    business_sid: &'a BusinessSid,
    message_sid: &'a MessageSid,
    charge_sid: TransactionSid,
    refund_sid: TransactionSid,
    amount: Money,
    /// The sum of all refunds of the charge so far.
    refunded: Money,
    currency: Currency,
    balance_after: Money,
    reason: &'a str,
}

fn usage_key(account: usize, day: NaiveDate, part: &RatedPart) -> UsageKey {
    let destination = &part.rate.destination;
    let (country, operator) = (destination.country, destination.operator.clone());
    UsageKey { account, day, country, operator, unit_price: part.rate.unit_price }
}

/// Spreads a refund over the parts of a charge: from the first part on, continuing after the refunds before it.
fn costs_given_back(
    parts: &[RatedPart],
    refunded_before: Money,
    amount: Money,
) -> Result<impl Iterator<Item = (&RatedPart, Money)>, MoneyError> {
    let (from, until) = (refunded_before, refunded_before.checked_add(amount)?);
    let mut spread = Vec::with_capacity(parts.len());
    let mut start = Money::ZERO;
    for part in parts {
        let end = start.checked_add(part.cost()?)?;
        let (low, high) = (start.max(from), end.min(until));
        let cost = if high > low { high.checked_sub(low)? } else { Money::ZERO };
        spread.push((part, cost));
        start = end;
    }
    Ok(spread.into_iter())
}

#[cfg(test)]
mod tests;
