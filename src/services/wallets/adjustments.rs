//! Adjusts a wallet by hand: an admin adds or takes an amount, with a reason.

use serde::{Deserialize, Serialize};

use crate::domain::access::rights::Tenant;
use crate::domain::audit::Actor;
use crate::domain::values::currency::Currency;
use crate::domain::values::idempotency::{InputHash, KeyScope, OnceAnswer};
use crate::domain::values::money::Money;
use crate::domain::values::text::{Reason, Reference};
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::transactions::{Transaction, adjustment_posting};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::once::Once;
use crate::services::posting::{self, NewPosting};
use crate::storage;
use crate::storage::wallets::Opening;

/// The largest adjustment, either way.
const ADJUSTMENT_MAX: Money = Money::from_units(1_000_000_000);
const ADJUSTMENT_MIN: Money = Money::from_units(-1_000_000_000);

/// An adjustment to enter.
#[derive(Clone, Debug)]
pub struct Adjustment {
    pub business: Tenant,
    /// Signed: above zero the wallet gains.
    pub amount: Money,
    pub reason: Reason,
    pub reference: Reference,
}

impl Adjustment {
    /// A valid adjustment.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the amount is zero or above a thousand million either way.
    pub fn new(business: Tenant, amount: Money, reason: Reason, reference: Reference) -> Result<Adjustment> {
        if amount.is_zero() {
            return Err(Error::invalid("amount", "must not be 0: above it adds, below it takes"));
        }
        if !(ADJUSTMENT_MIN..=ADJUSTMENT_MAX).contains(&amount) {
            return Err(Error::invalid("amount", format!("must lie between {ADJUSTMENT_MIN} and {ADJUSTMENT_MAX}")));
        }
        Ok(Adjustment { business, amount, reason, reference })
    }

    fn hash(&self) -> InputHash {
        let amount = self.amount.to_string();
        InputHash::of(&[self.business.sid().as_str(), &amount, self.reason.as_str(), self.reference.as_str()])
    }
}

/// An adjustment that was entered. Serialised, it is kept for 30 days as an idempotent answer: a field added later
/// needs a default for those stored before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdjustmentReceipt {
    pub entry: Entry,
    pub currency: Currency,
    /// The amount available to a debit afterwards; below zero where the wallet is beyond its limit.
    pub available: Money,
    pub reason: Reason,
    pub reference: Reference,
}

impl AdjustmentReceipt {
    /// The adjustment as a transaction of the wallet's history.
    pub fn into_transaction(self) -> Transaction {
        Transaction { entry: self.entry, posting: adjustment_posting(&self.reason, self.reference) }
    }
}

/// Enters an adjustment; it may take the wallet below its limit. With an idempotency key it happens once, however often
/// it is requested. A business without a wallet gets one.
///
/// # Errors
/// [`Error::NotFound`] where there is no such business; [`Error::IdempotencyConflict`] where the key was used with
/// another input; [`Error::Refused`] where the balance would leave its range; those of the database.
pub async fn adjust(
    billing: &Billing,
    adjustment: Adjustment,
    key: Option<KeyScope>,
    actor: &Actor,
) -> Result<OnceAnswer<AdjustmentReceipt>> {
    let now = billing.clock.now();
    let business = adjustment.business.sid();
    let once = Once { billing, business, key: key.as_ref(), input: adjustment.hash(), now };
    let mut tx = billing.db.begin().await?;
    let opening = Opening { business, terms: &billing.terms, wallet_id: billing.clock.new_id(), now, actor };
    let stored = storage::wallets::lock_or_open_existing(&mut tx.conn(), &opening).await?;
    let stored = stored.ok_or_else(Error::no_such_business)?;
    if let Some(earlier) = once.earlier(&mut tx.conn()).await? {
        tx.roll_back().await?;
        return Ok(earlier);
    }
    let posting = adjustment_posting(&adjustment.reason, adjustment.reference.clone());
    let new = NewPosting { amount: adjustment.amount, posting, actor, events: Vec::new() };
    let posted = posting::enter(billing, &mut tx.conn(), business, new, now).await?;
    let receipt = AdjustmentReceipt {
        entry: posted.entry,
        currency: stored.wallet.currency,
        available: stored.wallet.at(posted.account.head).available()?,
        reason: adjustment.reason.clone(),
        reference: adjustment.reference.clone(),
    };
    once.commit(tx, receipt).await
}
