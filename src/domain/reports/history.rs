//! Merges the entries of a wallet's ledger and its payments into one history.

use crate::domain::payments::Payment;
use crate::domain::values::currency::Currency;
use crate::domain::values::paging::{Cursor, HistoryCursor, Limit, Page};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::transactions::Transaction;

/// A row of a wallet's history as its owner sees it.
#[derive(Debug)]
pub enum HistoryRow {
    Entry(Transaction),
    /// A payment that is open or has failed, which the ledger does not hold.
    Payment(Payment),
}

impl HistoryRow {
    fn created_at(&self) -> Timestamp {
        match self {
            HistoryRow::Entry(transaction) => transaction.entry.created_at,
            HistoryRow::Payment(payment) => payment.created_at,
        }
    }
}

/// A page of a wallet's history, with its payments among its entries.
#[derive(Debug)]
pub struct History {
    pub business_sid: BusinessSid,
    pub currency: Currency,
    pub page: Page<HistoryRow, HistoryCursor>,
}

/// Merges a page of entries and one of payments, both newest first, into one page. Both were read from `cursor` on, the
/// entries to where their own page ends, the payments with one more than `limit` where there is one; each payment comes
/// with its position.
pub fn merge(
    entries: Page<Transaction>,
    payments: Vec<(i64, Payment)>,
    cursor: HistoryCursor,
    limit: Limit,
) -> Page<HistoryRow, HistoryCursor> {
    let entries_go_on = entries.next;
    let mut entries = entries.items.into_iter().peekable();
    let mut payments = payments.into_iter().peekable();
    let (mut items, mut next) = (Vec::new(), cursor);
    while items.len() < limit.get() {
        let takes_payment = match (entries.peek(), payments.peek()) {
            (None, None) => break,
            // What lies between the end of the entries read and the next of them may be newer than these payments.
            (None, Some(_)) if entries_go_on.is_some() => break,
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (Some(entry), Some((_, payment))) => payment.created_at > entry.entry.created_at,
        };
        if takes_payment {
            if let Some((position, payment)) = payments.next() {
                next.payment = position;
                items.push(HistoryRow::Payment(payment));
            }
        } else if let Some(entry) = entries.next() {
            next.seq = entry.entry.seq;
            items.push(HistoryRow::Entry(entry));
        }
    }
    debug_assert!(items.is_sorted_by(|a, b| a.created_at() >= b.created_at()) || items.len() < 2);
    if entries.peek().is_none() {
        // A page that was looked for far down says itself how far.
        next.seq = entries_go_on.map_or(next.seq, Cursor::position);
    }
    let has_more = entries.peek().is_some() || payments.peek().is_some() || entries_go_on.is_some();
    Page { items, next: has_more.then_some(next) }
}
