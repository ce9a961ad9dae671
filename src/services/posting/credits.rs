//! Pays open invoices from a credit, in the transaction that enters the credit.
//! Not a use case: [`crate::services::posting`] does it with every credit, and the month close with credits older than
//! the invoice.

use chrono::NaiveDate;

use crate::domain::invoices::allocation::{Allocation, allocate, pays_invoices};
use crate::domain::invoices::dues::PaidInvoice;
use crate::domain::invoices::{InvoiceStatus, InvoiceSummary};
use crate::domain::notifications::events::{Event, EventType};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::transactions::{Posting, TransactionType};
use crate::error::Result;
use crate::storage;
use crate::storage::db::Conn;

/// The allocations that a credit is going to pay.
#[derive(Debug, Default)]
pub struct Paying {
    pub parts: Vec<(Allocation, InvoiceSummary)>,
    pub tax: Money,
}

/// The invoices that a credit paid, and the events about them.
#[derive(Debug, Default)]
pub struct Settled {
    pub paid: Vec<PaidInvoice>,
    pub events: Vec<Event>,
}

impl Paying {
    /// The entry of a credit: its amount, its posting, and the tax that an entry of its own takes back.
    ///
    /// The payment of an invoice brings only its net to the wallet; the tax never gets there. Any other credit is
    /// entered in full at first, because its author named that amount.
    ///
    /// # Errors
    /// Sums are checked; no amount of an invoice comes near an overflow.
    pub fn to_enter(&self, amount: Money, posting: Posting) -> Result<(Money, Posting, Money)> {
        if posting.transaction_type != TransactionType::InvoicePayment {
            return Ok((amount, posting, self.tax));
        }
        let details = posting.details.with("gross", &amount).with("tax", &self.tax);
        Ok((amount.checked_sub(self.tax)?, Posting { details, ..posting }, Money::ZERO))
    }

    /// The numbers of the invoices.
    pub fn numbers(&self) -> Vec<&str> {
        self.parts.iter().map(|(_, invoice)| invoice.number()).collect()
    }
}

/// The allocations of an entry about to be made: none, unless it is a credit that pays and invoices are open. The
/// wallet is locked by this transaction already.
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

/// The allocations of an amount to the open invoices.
///
/// # Errors
/// Those of the database.
pub async fn pay(
    conn: &mut Conn<'_>,
    wallet_id: i64,
    currency: Currency,
    credit: Money,
    first: Option<i64>,
) -> Result<Paying> {
    let stored = storage::invoices::payments::open(conn, wallet_id).await?;
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

/// Stores the allocations of a credit, and the invoices' new status.
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
        storage::invoices::payments::insert(conn, paid, by, day, now).await?;
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
