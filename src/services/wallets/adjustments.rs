//! Adjusts a wallet by hand: an admin adds or takes an amount, with a reason.

use serde::{Deserialize, Serialize};

use crate::domain::audit::Actor;
use crate::domain::values::currency::Currency;
use crate::domain::values::idempotency::{KeyScope, OnceAnswer};
use crate::domain::values::money::Money;
use crate::domain::values::text::{Reason, Reference};
use crate::domain::wallets::adjustments::Adjustment;
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::transactions::{Transaction, adjustment_posting};
use crate::error::Result;
use crate::services::Billing;
use crate::services::posting::once::{Once, PlainJson, WalletOfExisting};
use crate::services::posting::{self, NewPosting};
use crate::storage::db::Conn;
use crate::storage::wallets::{Opening, StoredWallet};

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
    let once = Once { billing, key: key.as_ref(), input: adjustment.hash(), now };
    let opening = Opening { business, terms: &billing.rules.terms, wallet_id: billing.clock.new_id(), now, actor };
    let work = async |conn: &mut Conn<'_>, stored: StoredWallet| {
        let posting = adjustment_posting(&adjustment.reason, adjustment.reference.clone());
        let new = NewPosting { amount: adjustment.amount, posting, actor, events: Vec::new() };
        let posted = posting::enter(billing, conn, business, new, now).await?;
        Ok(AdjustmentReceipt {
            entry: posted.entry,
            currency: stored.wallet.currency,
            available: stored.wallet.at(posted.account.head).available()?,
            reason: adjustment.reason.clone(),
            reference: adjustment.reference.clone(),
        })
    };
    once.run(WalletOfExisting(&opening), PlainJson, work).await
}
