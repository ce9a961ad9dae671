//! Enters fees and credits that an admin adds to the current month's invoice.

use serde::{Deserialize, Serialize};

use crate::domain::audit::Actor;
use crate::domain::invoices::InvoiceItem;
use crate::domain::invoices::fees::Fee;
use crate::domain::invoices::postings::fee_posting;
use crate::domain::values::currency::Currency;
use crate::domain::values::idempotency::{KeyScope, OnceAnswer};
use crate::domain::values::money::Money;
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::transactions::Transaction;
use crate::error::Result;
use crate::services::Billing;
use crate::services::posting::once::{Once, PlainJson, WalletOfExisting};
use crate::services::posting::{self, NewPosting};
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::invoices::NewItem;
use crate::storage::wallets::{Opening, StoredWallet};

/// A fee that was entered. Serialised, it is kept for 30 days as an idempotent answer: a field added later needs a
/// default for those stored before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FeeReceipt {
    pub entry: Entry,
    pub currency: Currency,
    pub available: Money,
}

impl FeeReceipt {
    /// The fee as a transaction of the wallet's history.
    pub fn transaction(&self, fee: &Fee) -> Transaction {
        let posting = fee_posting(fee.category, &fee.description, &fee.reason, fee.reference.clone());
        Transaction { entry: self.entry, posting }
    }
}

/// Takes a fee from a wallet at once (or credits it), and adds it to the current month's invoice; it may take the
/// wallet below its limit. With an idempotency key it happens once, however often it is requested. A business without a
/// wallet gets one.
///
/// # Errors
/// [`Error::NotFound`] where there is no such business; [`Error::IdempotencyConflict`] where the key was used with
/// another input; [`Error::Refused`] where the balance would leave its range; those of the database.
pub async fn charge(
    billing: &Billing,
    fee: &Fee,
    key: Option<KeyScope>,
    actor: &Actor,
) -> Result<OnceAnswer<FeeReceipt>> {
    let now = billing.clock.now();
    let business = fee.business.sid();
    let once = Once { billing, key: key.as_ref(), input: fee.hash(), now };
    let opening = Opening { business, terms: &billing.rules.terms, wallet_id: billing.clock.new_id(), now, actor };
    let work = async |conn: &mut Conn<'_>, stored: StoredWallet| {
        let posting = fee_posting(fee.category, &fee.description, &fee.reason, fee.reference.clone());
        let amount = Money::ZERO.checked_sub(fee.amount)?;
        let new = NewPosting { amount, posting, actor, events: Vec::new() };
        let posted = posting::enter(billing, conn, business, new, now).await?;
        let item = InvoiceItem {
            day: billing.rules.calendar.day_of(posted.entry.created_at),
            category: fee.category,
            description: fee.description.as_str().to_owned(),
            amount: fee.amount,
        };
        let item = NewItem { transaction: posted.entry.sid, wallet_id: stored.id, item };
        storage::invoices::insert_items(&mut conn.bulk(), &[item]).await?;
        Ok(FeeReceipt {
            entry: posted.entry,
            currency: stored.wallet.currency,
            available: stored.wallet.at(posted.account.head).available()?,
        })
    };
    once.run(WalletOfExisting(&opening), PlainJson, work).await
}
