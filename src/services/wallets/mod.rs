//! Shows a wallet and tops it up.

pub mod adjustments;
pub mod reads;
pub mod settings;
pub mod thresholds;

use crate::domain::access::rights::Tenant;
use crate::domain::audit::Actor;
use crate::domain::values::idempotency::{InputHash, KeyScope, OnceAnswer};
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::text::Reference;
use crate::domain::wallets::Wallet;
use crate::domain::wallets::transactions::{Posting, TransactionType};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::once::Once;
use crate::services::posting::{self, NewPosting};
use crate::storage;
use crate::storage::wallets::Opening;

/// Shows the wallet of a business, and opens it if this is its first use.
///
/// # Errors
/// Those of the database.
pub async fn show(billing: &Billing, tenant: &Tenant, actor: &Actor) -> Result<Wallet> {
    let business = tenant.sid();
    if let Some(wallet) = billing.wallet_reads.find(business).await? {
        return Ok(wallet);
    }
    let now = billing.clock.now();
    let opening = Opening { business, terms: &billing.terms, wallet_id: billing.clock.new_id(), now, actor };
    let mut tx = billing.db.begin().await?;
    let stored = storage::wallets::lock_or_open(&mut tx.conn(), &opening).await?;
    tx.commit().await?;
    Ok(stored.wallet)
}

/// The largest top-up.
const TOPUP_MAX: Money = Money::from_units(1_000_000_000);

/// A top-up to enter.
#[derive(Clone, Debug)]
pub struct Topup {
    pub business: Tenant,
    pub amount: Money,
    pub reference: Reference,
}

impl Topup {
    /// A valid top-up.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the amount is not above zero or above a thousand million.
    pub fn new(business: Tenant, amount: Money, reference: Reference) -> Result<Topup> {
        if amount <= Money::ZERO {
            return Err(Error::invalid("amount", "must be greater than 0"));
        }
        if amount > TOPUP_MAX {
            return Err(Error::invalid("amount", "must be at most 1000000000"));
        }
        Ok(Topup { business, amount, reference })
    }

    fn hash(&self) -> InputHash {
        InputHash::of(&[self.business.sid().as_str(), &self.amount.to_string(), self.reference.as_str()])
    }
}

/// Credits a top-up. With an idempotency key it happens once, however often it is requested; the answer is the wallet
/// as the first request left it.
///
/// # Errors
/// [`Error::IdempotencyConflict`] where the key was used with another input, [`Error::Refused`] where the balance would
/// leave its range, and those of the database.
pub async fn top_up(
    billing: &Billing,
    topup: Topup,
    key: Option<KeyScope>,
    actor: &Actor,
) -> Result<OnceAnswer<Wallet>> {
    let now = billing.clock.now();
    let business = topup.business.sid();
    let once = Once { billing, business, key: key.as_ref(), input: topup.hash(), now };
    let opening = Opening { business, terms: &billing.terms, wallet_id: billing.clock.new_id(), now, actor };
    let mut tx = billing.db.begin().await?;
    let stored = storage::wallets::lock_or_open(&mut tx.conn(), &opening).await?;
    if let Some(earlier) = once.earlier(&mut tx.conn()).await? {
        tx.roll_back().await?;
        return Ok(earlier);
    }
    let posting = Posting {
        transaction_type: TransactionType::Topup,
        reference: topup.reference.clone(),
        details: JsonObject::default(),
        metadata: JsonObject::default(),
    };
    let new = NewPosting { amount: topup.amount, posting, actor, events: Vec::new() };
    let posted = posting::enter(billing, &mut tx.conn(), business, new, now).await?;
    once.commit(tx, stored.wallet.at(posted.account.head)).await
}
