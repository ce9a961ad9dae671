//! Shows a wallet and tops it up.

pub mod adjustments;
pub mod reads;
pub mod settings;
pub mod thresholds;

use crate::domain::access::rights::Tenant;
use crate::domain::audit::Actor;
use crate::domain::values::idempotency::{KeyScope, OnceAnswer};
use crate::domain::values::json::JsonObject;
use crate::domain::wallets::Wallet;
use crate::domain::wallets::topups::Topup;
use crate::domain::wallets::transactions::{Posting, TransactionType};
use crate::error::Result;
use crate::services::Billing;
use crate::services::posting::once::{Once, OpenedWallet, PlainJson};
use crate::services::posting::{self, NewPosting};
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::wallets::{Opening, StoredWallet};

/// Shows the wallet of a business, and opens it if this is its first use.
///
/// # Errors
/// Those of the database.
pub async fn show(billing: &Billing, tenant: &Tenant, actor: &Actor) -> Result<Wallet> {
    let business = tenant.sid();
    if let Some(wallet) = billing.live.wallet_reads.find(business).await? {
        return Ok(wallet);
    }
    let now = billing.clock.now();
    let opening = Opening { business, terms: &billing.rules.terms, wallet_id: billing.clock.new_id(), now, actor };
    let mut tx = billing.db.begin().await?;
    let stored = storage::wallets::lock_or_open(&mut tx.conn(), &opening).await?;
    tx.commit().await?;
    Ok(stored.wallet)
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
    let once = Once { billing, key: key.as_ref(), input: topup.hash(), now };
    let opening = Opening { business, terms: &billing.rules.terms, wallet_id: billing.clock.new_id(), now, actor };
    let work = async |conn: &mut Conn<'_>, stored: StoredWallet| {
        let posting = Posting {
            transaction_type: TransactionType::Topup,
            reference: topup.reference.clone(),
            details: JsonObject::default(),
            metadata: JsonObject::default(),
        };
        let new = NewPosting { amount: topup.amount, posting, actor, events: Vec::new() };
        let posted = posting::enter(billing, conn, business, new, now).await?;
        Ok(stored.wallet.at(posted.account.head))
    };
    once.run(OpenedWallet(&opening), PlainJson, work).await
}
