//! Enters payments of invoices.

use serde::{Deserialize, Serialize};

use crate::domain::access::rights::Tenant;
use crate::domain::audit::Actor;
use crate::domain::invoices::InvoiceSummary;
use crate::domain::invoices::dues::PaidInvoice;
use crate::domain::invoices::payments::InvoicePayment;
use crate::domain::invoices::postings::invoice_payment_posting;
use crate::domain::values::idempotency::{KeyScope, OnceAnswer};
use crate::domain::values::money::Money;
use crate::domain::values::sid::InvoiceSid;
use crate::domain::values::text::Reference;
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::transactions::Transaction;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::once::{HeldWallet, Once, PlainJson};
use crate::services::posting::{self, NewPosting};
use crate::storage;
use crate::storage::db::Conn;

/// A payment that was entered. Serialised, it is kept for 30 days as an idempotent answer: a field added later needs a
/// default for those stored before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PaymentReceipt {
    /// The invoice afterwards.
    pub invoice: InvoiceSummary,
    pub entry: Entry,
    pub gross: Money,
    pub reference: Reference,
    pub paid: Vec<PaidInvoice>,
}

impl PaymentReceipt {
    /// The payment as a transaction of the wallet's history.
    ///
    /// # Errors
    /// [`Error::Invalid`] never: sums of what was paid are no larger than the payment.
    pub fn transaction(&self) -> Result<Transaction> {
        let mut posting = invoice_payment_posting(Some(self.invoice.number()), self.reference.clone());
        let tax = Money::sum(self.paid.iter().map(|paid| paid.tax))?;
        posting.details = posting.details.with("gross", &self.gross).with("tax", &tax);
        Ok(Transaction { entry: self.entry, posting })
    }
}

/// An invoice of this business, with its row id.
async fn find(conn: &mut Conn<'_>, business: &Tenant, sid: InvoiceSid) -> Result<(i64, InvoiceSummary)> {
    let found = storage::invoices::find_by_sid(conn, sid).await?;
    found.filter(|(_, invoice)| invoice.business_sid == *business.sid()).ok_or(Error::NotFound {
        code: "invoice_not_found",
        sentence: "There is no such invoice, or it is none of this business's.",
    })
}

/// Enters a payment. It pays the business's open invoices, the oldest first; the rest stays in the wallet. With an
/// idempotency key it happens once, however often it is requested.
///
/// # Errors
/// [`Error::NotFound`] where the business has no such invoice; [`Error::Impossible`] where nothing is due on it;
/// [`Error::IdempotencyConflict`] where the key was used with another input; those of the database.
pub async fn pay(
    billing: &Billing,
    payment: InvoicePayment,
    key: Option<KeyScope>,
    actor: &Actor,
) -> Result<OnceAnswer<PaymentReceipt>> {
    let now = billing.clock.now();
    let business = payment.business.sid();
    let once = Once { billing, key: key.as_ref(), input: payment.hash(), now };
    let work = async |conn: &mut Conn<'_>, (): ()| {
        let (_, invoice) = find(conn, &payment.business, payment.invoice).await?;
        invoice.check_payable()?;
        let gross = payment.amount.unwrap_or_else(|| invoice.header.still_due());
        let posting = invoice_payment_posting(Some(invoice.number()), payment.reference.clone());
        let new = NewPosting { amount: gross, posting, actor, events: Vec::new() };
        let posted = posting::enter(billing, conn, business, new, now).await?;
        let (_, invoice) = find(conn, &payment.business, payment.invoice).await?;
        let reference = payment.reference.clone();
        Ok(PaymentReceipt { invoice, entry: posted.entry, gross, reference, paid: posted.paid })
    };
    once.run(HeldWallet(business), PlainJson, work).await
}
