//! Letting credits pay open invoices, in the transaction that enters them. Not a use case: [`super::posting`] does it with
//! every credit, and the month's close with those that came before the invoice did.

use chrono::NaiveDate;

use super::Billing;
use super::consequences::{self, Followed, Tools};
use super::posting::{self, NewPosting};
use crate::domain::allocation::{Allocation, allocate, pays_invoices};
use crate::domain::audit::Actor;
use crate::domain::businesses::BusinessSid;
use crate::domain::currency::Currency;
use crate::domain::dues::PaidInvoice;
use crate::domain::events::{Event, EventType};
use crate::domain::invoices::{InvoiceStatus, InvoiceSummary};
use crate::domain::money::Money;
use crate::domain::sid::TransactionSid;
use crate::domain::time::Timestamp;
use crate::domain::transactions::{Posting, TransactionType, tax_posting};
use crate::error::Result;
use crate::storage;
use crate::storage::accounts::StoredAccount;
use crate::storage::db::Conn;

/// What a credit is going to pay.
#[derive(Debug, Default)]
pub struct Paying {
    parts: Vec<(Allocation, InvoiceSummary)>,
    tax: Money,
}

/// What a credit paid, and what is to be told of it.
#[derive(Debug, Default)]
pub struct Settled {
    pub paid: Vec<PaidInvoice>,
    pub events: Vec<Event>,
}

impl Paying {
    /// What is entered of a credit: how much, as what, and the tax that is taken back with an entry of its own.
    ///
    /// The payment of an invoice brings only its net to the wallet, the tax never gets there. Any other credit is the
    /// wallet's as a whole at first, because whoever gave it named that amount.
    ///
    /// # Errors
    /// None that an amount of an invoice comes near: sums are checked.
    pub fn to_enter(&self, amount: Money, posting: Posting) -> Result<(Money, Posting, Money)> {
        if posting.transaction_type != TransactionType::InvoicePayment {
            return Ok((amount, posting, self.tax));
        }
        let details = posting.details.with("gross", &amount).with("tax", &self.tax);
        Ok((amount.checked_sub(self.tax)?, Posting { details, ..posting }, Money::ZERO))
    }

    /// What people call the invoices.
    pub fn numbers(&self) -> Vec<&str> {
        self.parts.iter().map(|(_, invoice)| invoice.number()).collect()
    }
}

/// What an entry about to be made pays: nothing, unless it is a credit that pays and something is open. The wallet is held
/// by this transaction already.
///
/// # Errors
/// Those of the database.
pub async fn decide(
    conn: &mut Conn<'_>,
    wallet_id: i64,
    currency: Currency,
    posting: &Posting,
    amount: Money,
    first: Option<i64>,
) -> Result<Paying> {
    if pays_invoices(posting.transaction_type, amount) {
        pay(conn, wallet_id, currency, amount, first).await
    } else {
        Ok(Paying::default())
    }
}

async fn pay(
    conn: &mut Conn<'_>,
    wallet_id: i64,
    currency: Currency,
    credit: Money,
    first: Option<i64>,
) -> Result<Paying> {
    let stored = storage::invoice_payments::open(conn, wallet_id).await?;
    let mut open = Vec::with_capacity(stored.len());
    for (id, invoice) in &stored {
        open.push(invoice.to_open(*id)?);
    }
    let allocations = allocate(credit, &open, first, currency)?;
    let tax = Money::sum(allocations.iter().map(|paid| paid.tax))?;
    let of =
        |paid: Allocation| stored.iter().find(|(id, _)| *id == paid.invoice).map(|(_, found)| (paid, found.clone()));
    Ok(Paying { parts: allocations.into_iter().filter_map(of).collect(), tax })
}

/// Notes what a credit paid, and what became of the invoices.
///
/// # Errors
/// Those of the database.
pub async fn write(
    conn: &mut Conn<'_>,
    paying: Paying,
    by: TransactionSid,
    day: NaiveDate,
    now: Timestamp,
) -> Result<Settled> {
    let mut settled = Settled::default();
    for (paid, invoice) in paying.parts {
        let invoice = invoice.after(paid, day)?;
        let header = &invoice.header;
        storage::invoice_payments::insert(conn, paid, by, day, now).await?;
        storage::invoices::set_status(conn, paid.invoice, header.status, header.paid_date, now).await?;
        if header.status == InvoiceStatus::Paid {
            settled.events.push(invoice.event(EventType::InvoicePaid, now));
        }
        settled.paid.push(PaidInvoice {
            sid: header.sid,
            number: invoice.number().to_owned(),
            net: paid.net,
            tax: paid.tax,
            status: header.status,
        });
    }
    Ok(settled)
}

/// Lets credits that came after the entry `since_seq`, and have not wholly paid invoices yet, pay those that are open now,
/// the oldest credit first: for whoever closes a month and has just made its invoice. The transaction is the caller's.
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
    let stored = storage::accounts::load_and_lock(&mut conn.bulk(), std::slice::from_ref(business)).await?.pop();
    let Some(StoredAccount { wallet_id, account }) = stored else { return Ok(Vec::new()) };
    let actor = Actor::scheduled();
    let (mut paid, mut events) = (Vec::new(), Vec::new());
    let credits = storage::invoice_payments::credits_since(conn, wallet_id, since_seq).await?;
    for credit in credits.into_iter().filter(|credit| credit.left > Money::ZERO) {
        let paying = pay(conn, wallet_id, account.currency, credit.left, None).await?;
        if paying.parts.is_empty() {
            break;
        }
        let tax = paying.tax;
        let posting = tax_posting(credit.sid, &paying.numbers());
        let settled = write(conn, paying, credit.sid, billing.calendar.day_of(now), now).await?;
        paid.extend(settled.paid);
        events.extend(settled.events);
        if !tax.is_zero() {
            let amount = Money::ZERO.checked_sub(tax)?;
            let new = NewPosting { amount, posting, actor: &actor, events: Vec::new() };
            posting::enter(billing, conn, business, new, now).await?;
        }
    }
    let followed = Followed { events, ..Followed::of(wallet_id, &account, account.watch) };
    let tools = Tools { clock: &billing.clock, calendar: billing.calendar, now };
    consequences::write(tools, &mut conn.bulk(), vec![followed]).await?;
    Ok(paid)
}
