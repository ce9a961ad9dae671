//! Issues the invoices of a month for some wallets, in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;

use crate::domain::invoices::close::{self, ClosedInvoice, ClosingTerms};
use crate::domain::invoices::{self, Dues, InvoiceHeader, InvoiceKind, InvoiceStatus, InvoiceSummary};
use crate::domain::notifications::events::EventType;
use crate::domain::prices::plans::PlanType;
use crate::domain::values::money::Money;
use crate::domain::values::sid::InvoiceSid;
use crate::domain::values::time::{CalendarMonth, DayRange, Timestamp};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::BulkConn;
use crate::storage::invoices::month_close::{ClosingWallet, Existing, Finalised};
use crate::storage::notifications::events::NewEvent;

/// A month that is over, with the instant of its end.
#[derive(Clone, Copy, Debug)]
pub struct ClosingMonth {
    pub month: CalendarMonth,
    pub ends_at: Timestamp,
}

impl ClosingMonth {
    /// Issues the invoices of these wallets, those with something to invoice, with numbers, lines, parties and events.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn close_wallets(
        &self,
        billing: &Billing,
        conn: &mut BulkConn<'_>,
        wallets: Vec<ClosingWallet>,
        now: Timestamp,
    ) -> Result<Vec<Issued>> {
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
            made.push(Issued { wallet, series, number, header });
        }
        storage::invoices::month_close::finalise(conn, &finalised, now).await?;
        let invoices: Vec<i64> = finalised.iter().map(|invoice| invoice.id).collect();
        storage::invoices::parties::freeze(conn, &invoices, billing.rules.platform.as_ref()).await?;
        let told = made.iter().filter(|made| made.wallet.webhook_events.contains(EventType::InvoiceFinalised));
        let events: Vec<NewEvent> = told.map(|made| made.event(billing, month, now)).collect();
        storage::notifications::events::insert(conn, &events).await?;
        Ok(made)
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
                tax_rate: billing.rules.tax_rates.of(wallet.country),
                balance,
                still_due: still_due.get(&wallet.id).copied().unwrap_or_default(),
                issue_date: billing.rules.calendar.day_of(now),
            };
            if let Some(invoice) = close::close(terms, lines)? {
                closed.push((wallet, invoice));
            }
        }
        Ok(closed)
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

/// The row of an invoice that is not finalised.
#[derive(Clone, Copy, Debug)]
struct Draft {
    id: i64,
    sid: InvoiceSid,
    created_at: Timestamp,
}

/// An invoice that was issued.
#[derive(Debug)]
pub struct Issued {
    pub wallet: ClosingWallet,
    pub series: String,
    pub number: i64,
    pub header: InvoiceHeader,
}

impl Issued {
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
