//! Closes months into invoices, a number of wallets per step.
//! A step may be killed at any point, and several servers may close the same month at once: each wallet gets one
//! invoice a month.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;

use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::invoices::close::{self, ClosedInvoice, ClosingTerms, TooEarly};
use crate::domain::invoices::dues::PaidInvoice;
use crate::domain::invoices::postings::tax_posting;
use crate::domain::invoices::{self, Dues, InvoiceHeader, InvoiceKind, InvoiceStatus, InvoiceSummary};
use crate::domain::jobs::{JobKind, NewJob};
use crate::domain::notifications::events::EventType;
use crate::domain::prices::plans::PlanType;
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::domain::values::time::{CalendarMonth, DayRange, Timestamp};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::consequences::{self, Consequences, Context};
use crate::services::posting::{self, NewPosting, credits};
use crate::storage;
use crate::storage::db::{BulkConn, Conn};
use crate::storage::invoices::month_close::{ClosingWallet, Existing, Finalised};
use crate::storage::notifications::events::NewEvent;
use crate::storage::wallets::accounts::StoredAccount;
use crate::storage::wallets::history::Span;

/// How many wallets one transaction closes: they are not charged meanwhile.
const WALLETS_A_STEP: i64 = 100;

/// How often a step is tried where other transactions hold its rows.
const TRIES: u32 = 8;

/// The numbers given by a seller in a series: how many, the first and the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub seller: Option<BusinessSid>,
    pub series: String,
    pub count: i64,
    pub first: i64,
    pub last: i64,
}

/// The result of closing a month.
#[derive(Clone, Debug, Default)]
pub struct CloseOutcome {
    /// Invoices issued by this close.
    pub invoices: i64,
    /// Numbers by seller and series.
    pub numbers: BTreeMap<(i64, String), Numbers>,
    pub totals: BTreeMap<&'static str, Money>,
    /// Invoices of the month that existed before, or that another server issued meanwhile. Known at the end.
    pub others: i64,
}

/// A month that is being closed.
#[derive(Debug)]
pub struct Closing {
    month: CalendarMonth,
    actor: Actor,
    ends_at: Timestamp,
    /// The last wallet done, and the last one there is.
    at: i64,
    last: i64,
    outcome: CloseOutcome,
}

/// The month to close next, from the beginning of the ledger on. It may not be over yet.
///
/// # Errors
/// Those of the database.
pub async fn next_month(billing: &Billing) -> Result<CalendarMonth> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let first = storage::invoices::closed_months::first_entry(&mut conn).await?.unwrap_or_else(|| billing.clock.now());
    let closed: BTreeSet<CalendarMonth> =
        storage::invoices::closed_months::all(&mut conn).await?.into_iter().map(CalendarMonth::of).collect();
    Ok(close::next_to_close(CalendarMonth::of(billing.calendar.day_of(first)), &closed))
}

/// The job that closes a month when it is due.
pub fn job(billing: &Billing, month: CalendarMonth) -> NewJob {
    let run_at = close::due_at(month, billing.calendar);
    NewJob { kind: JobKind::MonthClose, subject: month.first().to_string(), run_at }
}

/// Whether a month was closed completely before.
///
/// # Errors
/// Those of the database.
pub async fn is_closed(billing: &Billing, month: CalendarMonth) -> Result<bool> {
    let mut reader = billing.db.read().await?;
    Ok(storage::invoices::closed_months::find(&mut reader.conn(), month.days()).await?.is_some())
}

/// Checks that a month may be closed now. `is_urgent`: before the 72 hours after its end are over.
///
/// # Errors
/// [`TooEarly`], with a sentence on what to do.
pub fn check(billing: &Billing, month: CalendarMonth, is_urgent: bool) -> std::result::Result<(), TooEarly> {
    close::check(month, billing.calendar, billing.clock.now(), is_urgent)
}

/// Begins to close a month that is over.
///
/// # Errors
/// [`Error::Setup`] where it is not over, and those of the database.
pub async fn begin(billing: &Billing, month: CalendarMonth, actor: Actor) -> Result<Closing> {
    check(billing, month, true).map_err(|early| Error::Setup(early.to_string()))?;
    let last = storage::invoices::month_close::last_wallet(&mut billing.db.read().await?.conn()).await?;
    let ends_at = close::end_of(month, billing.calendar);
    Ok(Closing { month, actor, ends_at, at: 0, last, outcome: CloseOutcome::default() })
}

impl Closing {
    /// The progress: the last wallet done, and the last one there is.
    pub fn progress(&self) -> (i64, i64) {
        (self.at.min(self.last), self.last)
    }

    /// How many invoices were issued so far.
    pub fn invoices(&self) -> i64 {
        self.outcome.invoices
    }

    /// Closes the month of the next wallets; returns whether there may be more. Lets other processes have their turn.
    ///
    /// # Errors
    /// Those of the database, where retries did not help.
    pub async fn step(&mut self, billing: &Billing) -> Result<bool> {
        for attempt in 1.. {
            match self.try_step(billing).await {
                Ok(Some(at)) => {
                    self.at = at;
                    billing.db.let_others_write().await;
                    return Ok(true);
                }
                Ok(None) => {
                    self.at = self.last;
                    return Ok(false);
                }
                // Nothing of it happened, or all of it, and then these wallets are passed over.
                Err(error @ (Error::Unavailable(_) | Error::Stale | Error::OutcomeUnknown(_))) if attempt < TRIES => {
                    tracing::debug!(%error, attempt, "some wallets are closed once more");
                    tokio::time::sleep(std::time::Duration::from_millis(50 << attempt)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Returns the last wallet of the step, if there was any.
    async fn try_step(&mut self, billing: &Billing) -> Result<Option<i64>> {
        let mut tx = billing.db.begin().await?;
        let mut conn = tx.conn();
        storage::invoices::month_close::prefer_indexes(&mut conn).await?;
        let wallets =
            storage::invoices::month_close::next(&mut conn, self.at, self.month.days(), WALLETS_A_STEP).await?;
        let Some(last) = wallets.last().map(|wallet| wallet.id) else { return Ok(None) };
        let now = billing.clock.now();
        let made = self.close_wallets(billing, &mut conn.bulk(), wallets, now).await?;
        self.pay_at_once(billing, &mut conn, &made, now).await?;
        tx.commit().await?;
        for invoice in made {
            self.outcome.count(invoice)?;
        }
        Ok(Some(last))
    }

    async fn close_wallets(
        &self,
        billing: &Billing,
        conn: &mut BulkConn<'_>,
        wallets: Vec<ClosingWallet>,
        now: Timestamp,
    ) -> Result<Vec<Made>> {
        let month = self.month.days();
        let (wallets, drafts) = self.drafts(conn, wallets).await?;
        let closed = self.decide(billing, conn, wallets, now).await?;
        if closed.is_empty() {
            return Ok(Vec::new());
        }
        let missing: Vec<(i64, InvoiceSid)> = closed
            .iter()
            .filter(|(wallet, _)| !drafts.contains_key(&wallet.id))
            .map(|(wallet, _)| (wallet.id, InvoiceSid::new(billing.clock.new_id())))
            .collect();
        let new_ids: HashMap<i64, i64> =
            storage::invoices::month_close::insert_drafts(conn, &missing, month, now).await?.into_iter().collect();
        let new_sids: HashMap<i64, InvoiceSid> = missing.into_iter().collect();
        let row_of = |wallet_id: i64| match drafts.get(&wallet_id) {
            Some(Draft { id, sid, created_at }) => Some((*id, *sid, *created_at)),
            None => Some((*new_ids.get(&wallet_id)?, *new_sids.get(&wallet_id)?, now)),
        };
        let mut rows = Vec::with_capacity(closed.len());
        for (wallet, closed) in closed {
            let row = row_of(wallet.id);
            rows.push((
                row.ok_or_else(|| Error::Corrupt("a draft is gone while it is made".to_owned()))?,
                wallet,
                closed,
            ));
        }
        let lines: Vec<(i64, &ClosedInvoice)> = rows.iter().map(|((id, ..), _, closed)| (*id, closed)).collect();
        storage::invoices::month_close::insert_lines(conn, &lines).await?;
        // Rows that many wait for come last, and are held for the rest of the transaction only.
        let issued = |(_, wallet, closed): &(_, ClosingWallet, ClosedInvoice)| {
            (wallet.seller.as_ref().map(|(id, _)| *id), closed.issue_date)
        };
        let mut numbers = take_numbers(conn, rows.iter().map(issued)).await?;
        let (mut finalised, mut made) = (Vec::new(), Vec::new());
        for ((id, sid, created_at), wallet, closed) in rows {
            let seller_id = wallet.seller.as_ref().map(|(id, _)| *id);
            let series = close::invoice_series(closed.issue_date);
            let next = numbers.get_mut(&seller_id.unwrap_or(0));
            let next = next.ok_or_else(|| Error::Corrupt(format!("{series} gave no number")))?;
            let number = *next;
            *next += 1;
            let header = InvoiceHeader {
                kind: InvoiceKind::Invoice,
                sid: Some(sid),
                number: Some(close::numbered(&series, number)),
                status: closed.status,
                frozen_total: Some(closed.total),
                seller: wallet.seller.as_ref().map(|(_, seller)| seller.clone()),
                issue_date: Some(closed.issue_date),
                dues: Dues { at_close: closed.amount_due, tax: closed.tax, ..Dues::default() },
                due_date: closed.due_date,
                paid_date: closed.paid_date,
                created_at,
                updated_at: now,
            };
            finalised.push(Finalised { id, number: close::numbered(&series, number), seller_id, closed });
            made.push(Made { wallet, series, number, header });
        }
        storage::invoices::month_close::finalise(conn, &finalised, now).await?;
        let invoices: Vec<i64> = finalised.iter().map(|invoice| invoice.id).collect();
        storage::invoices::parties::freeze(conn, &invoices, billing.platform.as_ref()).await?;
        let told = made.iter().filter(|made| made.wallet.webhook_events.contains(EventType::InvoiceFinalised));
        let events: Vec<NewEvent> = told.map(|made| made.event(billing, month, now)).collect();
        storage::notifications::events::insert(conn, &events).await?;
        Ok(made)
    }

    /// Credits that came in after the month's end and before its close pay the new invoices.
    async fn pay_at_once(&self, billing: &Billing, conn: &mut Conn<'_>, made: &[Made], now: Timestamp) -> Result<()> {
        for Made { wallet, header, .. } in made {
            let last = (wallet.last.0, wallet.last.1);
            let (InvoiceStatus::Sent, (last_seq, Some(last_sid))) = (header.status, last) else { continue };
            if wallet.updated_at < self.ends_at {
                continue;
            }
            let span = Span::between(conn, wallet.id, (last_seq, last_sid), Some(self.ends_at), None).await?;
            pay_with_earlier_credits(billing, conn, &wallet.business, span.first_seq - 1, now).await?;
        }
        Ok(())
    }

    /// The wallets whose month is still open, and their drafts.
    async fn drafts(
        &self,
        conn: &mut BulkConn<'_>,
        mut wallets: Vec<ClosingWallet>,
    ) -> Result<(Vec<ClosingWallet>, HashMap<i64, Draft>)> {
        let existing = storage::invoices::month_close::existing(conn, &ids(&wallets), self.month.days()).await?;
        let (drafts, finalised): (Vec<Existing>, Vec<Existing>) =
            existing.into_iter().partition(|existing| existing.status == InvoiceStatus::Draft);
        // After a wait for wallets that another close had locked, only this read sees the invoices it issued.
        let finalised: BTreeSet<i64> = finalised.into_iter().map(|existing| existing.wallet_id).collect();
        wallets.retain(|wallet| !finalised.contains(&wallet.id));
        let draft =
            |found: Existing| (found.wallet_id, Draft { id: found.id, sid: found.sid, created_at: found.created_at });
        Ok((wallets, drafts.into_iter().map(draft).collect()))
    }

    /// The invoice of each wallet's month, for those that have something to invoice.
    async fn decide(
        &self,
        billing: &Billing,
        conn: &mut BulkConn<'_>,
        wallets: Vec<ClosingWallet>,
        now: Timestamp,
    ) -> Result<Vec<(ClosingWallet, ClosedInvoice)>> {
        let (ids, month) = (ids(&wallets), self.month.days());
        let mut usage = grouped(storage::invoices::month_close::usage(conn, &ids, month).await?);
        let mut items = grouped(storage::invoices::month_close::items(conn, &ids, month).await?);
        // The balance is that of the month's end already where nothing has happened since.
        let changed: Vec<&ClosingWallet> = wallets.iter().filter(|wallet| wallet.updated_at >= self.ends_at).collect();
        let changed_ids: BTreeSet<i64> = changed.iter().map(|wallet| wallet.id).collect();
        let balances: HashMap<i64, Money> =
            storage::invoices::month_close::balances(conn, &changed, self.ends_at).await?.into_iter().collect();
        let still_due: HashMap<i64, Money> =
            storage::invoices::month_close::still_due(conn, &ids, month, self.ends_at).await?.into_iter().collect();
        let mut closed = Vec::new();
        for wallet in wallets {
            let (usage, items) = (usage.remove(&wallet.id), items.remove(&wallet.id));
            let lines = invoices::lines(usage.unwrap_or_default(), items.unwrap_or_default(), wallet.currency)?;
            let balance = if changed_ids.contains(&wallet.id) {
                balances.get(&wallet.id).copied().unwrap_or_default()
            } else {
                wallet.balance
            };
            let terms = ClosingTerms {
                currency: wallet.currency,
                plan: wallet.plan.unwrap_or(PlanType::Prepaid),
                tax_rate: billing.tax_rates.of(wallet.country),
                balance,
                still_due: still_due.get(&wallet.id).copied().unwrap_or_default(),
                issue_date: billing.calendar.day_of(now),
            };
            if let Some(invoice) = close::close(terms, lines)? {
                closed.push((wallet, invoice));
            }
        }
        Ok(closed)
    }

    /// Records the month as closed, and by whom.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn finish(mut self, billing: &Billing) -> Result<CloseOutcome> {
        let now = billing.clock.now();
        let mut tx = billing.db.begin().await?;
        let mut conn = tx.conn();
        let invoices = storage::invoices::closed_months::note(&mut conn, self.month.days(), now).await?;
        self.outcome.others = invoices - self.outcome.invoices;
        let numbers: Vec<_> = self.outcome.numbers.values().map(Numbers::event_body).collect();
        let after = serde_json::json!({
            "invoices": invoices,
            "made": self.outcome.invoices,
            "numbers": numbers,
        });
        let entry = AuditEntry::created(AuditAction::MonthClosed, self.month.to_string(), after);
        storage::audit::append(&mut conn.bulk(), &entry, &self.actor, now).await?;
        tx.commit().await?;
        Ok(self.outcome)
    }
}

fn ids(wallets: &[ClosingWallet]) -> Vec<i64> {
    wallets.iter().map(|wallet| wallet.id).collect()
}

/// Rows grouped by wallet, in their order.
fn grouped<T>(rows: Vec<(i64, T)>) -> HashMap<i64, Vec<T>> {
    let mut groups: HashMap<i64, Vec<T>> = HashMap::new();
    for (wallet_id, row) in rows {
        groups.entry(wallet_id).or_default().push(row);
    }
    groups
}

/// Takes numbers for these invoices; returns the first of each seller (0: the platform).
async fn take_numbers(
    conn: &mut BulkConn<'_>,
    closed: impl Iterator<Item = (Option<i64>, NaiveDate)>,
) -> Result<HashMap<i64, i64>> {
    let mut counts: BTreeMap<String, BTreeMap<i64, i64>> = BTreeMap::new();
    for (seller, issue_date) in closed {
        *counts.entry(close::invoice_series(issue_date)).or_default().entry(seller.unwrap_or(0)).or_default() += 1;
    }
    let mut firsts = HashMap::new();
    for (series, counts) in counts {
        let wanted: Vec<(i64, i64)> = counts.iter().map(|(seller, count)| (*seller, *count)).collect();
        for (seller, last) in storage::invoices::series::take(conn, &series, &wanted).await? {
            firsts.insert(seller, last + 1 - counts.get(&seller).copied().unwrap_or_default());
        }
    }
    Ok(firsts)
}

/// Lets credits after the entry `since_seq`, as far as they have not paid invoices yet, pay the open ones, the oldest
/// credit first: for a month close that has just issued an invoice. The transaction is the caller's.
///
/// # Errors
/// Those of the database.
pub async fn pay_with_earlier_credits(
    billing: &Billing,
    conn: &mut Conn<'_>,
    business: &BusinessSid,
    since_seq: i64,
    now: Timestamp,
) -> Result<Vec<PaidInvoice>> {
    let stored =
        storage::wallets::accounts::load_and_lock(&mut conn.bulk(), std::slice::from_ref(business)).await?.pop();
    let Some(StoredAccount { wallet_id, account }) = stored else { return Ok(Vec::new()) };
    let actor = Actor::scheduled();
    let (mut paid, mut events) = (Vec::new(), Vec::new());
    let credits = storage::invoices::payments::credits_since(conn, wallet_id, since_seq).await?;
    for credit in credits.into_iter().filter(|credit| credit.left > Money::ZERO) {
        let paying = credits::pay(conn, wallet_id, account.currency, credit.left, None).await?;
        if paying.parts.is_empty() {
            break;
        }
        let tax = paying.tax;
        let posting = tax_posting(credit.sid, &paying.numbers());
        let settled = credits::write(conn, paying, credit.sid, billing.calendar.day_of(now), now).await?;
        paid.extend(settled.paid);
        events.extend(settled.events);
        if !tax.is_zero() {
            let amount = Money::ZERO.checked_sub(tax)?;
            let new = NewPosting { amount, posting, actor: &actor, events: Vec::new() };
            posting::enter(billing, conn, business, new, now).await?;
        }
    }
    let consequences = Consequences { events, ..Consequences::of(wallet_id, &account, account.watch) };
    let context = Context { clock: &billing.clock, calendar: billing.calendar, now };
    consequences::write(context, &mut conn.bulk(), vec![consequences]).await?;
    Ok(paid)
}

/// The row of an invoice that is not finalised.
#[derive(Clone, Copy, Debug)]
struct Draft {
    id: i64,
    sid: InvoiceSid,
    created_at: Timestamp,
}

/// An invoice that was issued.
struct Made {
    wallet: ClosingWallet,
    series: String,
    number: i64,
    header: InvoiceHeader,
}

impl Made {
    fn event(&self, billing: &Billing, month: DayRange, now: Timestamp) -> NewEvent {
        let ClosingWallet { id, business, currency, .. } = &self.wallet;
        let summary = InvoiceSummary {
            business_sid: business.clone(),
            currency: *currency,
            period: month,
            header: self.header.clone(),
            credited_invoice: None,
            reason: None,
        };
        let event = summary.event(EventType::InvoiceFinalised, now);
        NewEvent { uid: billing.clock.new_id(), wallet_id: *id, event }
    }
}

impl CloseOutcome {
    fn count(&mut self, made: Made) -> std::result::Result<(), MoneyError> {
        self.invoices += 1;
        let total = self.totals.entry(made.wallet.currency.code()).or_default();
        *total = total.checked_add(made.header.frozen_total.unwrap_or_default())?;
        let (seller_id, seller) = made.wallet.seller.unzip();
        let (number, series) = (made.number, made.series);
        let numbers = self.numbers.entry((seller_id.unwrap_or(0), series.clone())).or_insert_with(|| Numbers {
            seller,
            series,
            count: 0,
            first: number,
            last: number,
        });
        numbers.count += 1;
        numbers.first = numbers.first.min(number);
        numbers.last = numbers.last.max(number);
        Ok(())
    }
}

impl Numbers {
    /// The first and the last number, as printed.
    pub fn ends(&self) -> (String, String) {
        (close::numbered(&self.series, self.first), close::numbered(&self.series, self.last))
    }

    fn event_body(&self) -> serde_json::Value {
        let (first, last) = self.ends();
        serde_json::json!({"seller": self.seller, "count": self.count, "first": first, "last": last})
    }
}
