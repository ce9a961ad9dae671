//! Enters fees and credits that an admin adds to the current month's invoice.

use serde::{Deserialize, Serialize};

use crate::domain::access::rights::Tenant;
use crate::domain::audit::Actor;
use crate::domain::invoices::postings::fee_posting;
use crate::domain::invoices::{InvoiceItem, LineCategory};
use crate::domain::values::currency::Currency;
use crate::domain::values::idempotency::{InputHash, KeyScope, OnceAnswer};
use crate::domain::values::money::Money;
use crate::domain::values::text::{LongText, Reason, Reference};
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::transactions::Transaction;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::once::Once;
use crate::services::posting::{self, NewPosting};
use crate::storage;
use crate::storage::invoices::NewItem;
use crate::storage::wallets::Opening;

/// The highest fee, and the largest credit.
const FEE_MAX: Money = Money::from_units(1_000_000_000);
const FEE_MIN: Money = Money::from_units(-1_000_000_000);

/// A fee, or a credit, to add.
#[derive(Clone, Debug)]
pub struct Fee {
    pub business: Tenant,
    /// Signed: above 0 it is taken from the wallet, below 0 it is credited.
    pub amount: Money,
    pub category: LineCategory,
    pub description: LongText,
    pub reason: Reason,
    pub reference: Reference,
}

impl Fee {
    /// Checks the fields.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the first field that is invalid.
    pub fn check(self) -> Result<Fee> {
        if self.amount.is_zero() {
            return Err(Error::invalid("amount", "must not be 0: above it a fee takes, below it a credit gives"));
        }
        if !(FEE_MIN..=FEE_MAX).contains(&self.amount) {
            return Err(Error::invalid("amount", format!("must lie between {FEE_MIN} and {FEE_MAX}")));
        }
        if self.category == LineCategory::Sms {
            let problem = "must be one of API, STORAGE, SUPPORT, OTHER: messages are charged one by one";
            return Err(Error::invalid("category", problem));
        }
        if self.description.as_str().trim().is_empty() {
            return Err(Error::invalid("description", "must not be empty: it is what the invoice says"));
        }
        Ok(self)
    }

    fn hash(&self) -> InputHash {
        InputHash::of(&[
            self.business.sid().as_str(),
            &self.amount.to_string(),
            self.category.as_str(),
            self.description.as_str(),
            self.reason.as_str(),
            self.reference.as_str(),
        ])
    }
}

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
    let once = Once { billing, business, key: key.as_ref(), input: fee.hash(), now };
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let opening = Opening { business, terms: &billing.terms, wallet_id: billing.clock.new_id(), now, actor };
    let stored = storage::wallets::lock_or_open_existing(&mut conn, &opening).await?;
    let stored = stored.ok_or_else(Error::no_such_business)?;
    if let Some(earlier) = once.earlier(&mut conn).await? {
        tx.roll_back().await?;
        return Ok(earlier);
    }
    let posting = fee_posting(fee.category, &fee.description, &fee.reason, fee.reference.clone());
    let amount = Money::ZERO.checked_sub(fee.amount)?;
    let new = NewPosting { amount, posting, actor, events: Vec::new() };
    let posted = posting::enter(billing, &mut conn, business, new, now).await?;
    let item = InvoiceItem {
        day: billing.calendar.day_of(posted.entry.created_at),
        category: fee.category,
        description: fee.description.as_str().to_owned(),
        amount: fee.amount,
    };
    let item = NewItem { transaction: posted.entry.sid, wallet_id: stored.id, item };
    storage::invoices::insert_items(&mut conn.bulk(), &[item]).await?;
    let receipt = FeeReceipt {
        entry: posted.entry,
        currency: stored.wallet.currency,
        available: stored.wallet.at(posted.account.head).available()?,
    };
    once.commit(tx, receipt).await
}
