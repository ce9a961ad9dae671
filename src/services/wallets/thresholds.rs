//! Shows and sets the balance at which a wallet warns.

use serde_json::json;

use crate::domain::access::rights::Tenant;
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::wallets::watch::low_balance_threshold;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::wallets::Opening;

/// The thresholds of a wallet's warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    pub currency: Currency,
    /// `None`: the server's default.
    pub low_balance: Option<Money>,
    /// The server's default.
    pub low_balance_default: Money,
}

/// Shows the thresholds of a business's wallet; the defaults for a business that was never used.
///
/// # Errors
/// Those of the database.
pub async fn show(billing: &Billing, tenant: &Tenant) -> Result<Thresholds> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let low_balance_default = billing.rules.watch.low_balance_threshold;
    let Some(stored) = storage::wallets::find(&mut conn, tenant.sid()).await? else {
        return Ok(Thresholds { currency: billing.rules.terms.currency, low_balance: None, low_balance_default });
    };
    let low_balance = storage::wallets::watches::threshold(&mut conn, stored.id).await?;
    Ok(Thresholds { currency: stored.wallet.currency, low_balance, low_balance_default })
}

/// Sets the threshold of a business's wallet, from its next debit on. A business without a wallet gets one. The same
/// again is not recorded.
///
/// # Errors
/// [`Error::Invalid`] where it is out of bounds, and those of the database.
pub async fn set(billing: &Billing, tenant: &Tenant, low_balance: Option<Money>, actor: &Actor) -> Result<Thresholds> {
    let low_balance = low_balance_threshold(low_balance).map_err(|problem| Error::invalid("low_balance", problem))?;
    let now = billing.clock.now();
    let business = tenant.sid();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let opening = Opening { business, terms: &billing.rules.terms, wallet_id: billing.clock.new_id(), now, actor };
    let stored = storage::wallets::lock_or_open(&mut conn, &opening).await?;
    let before = storage::wallets::watches::threshold(&mut conn, stored.id).await?;
    if before != low_balance {
        storage::wallets::watches::update_threshold(&mut conn, stored.id, low_balance).await?;
        let (before, after) = (json!({"low_balance": before}), json!({"low_balance": low_balance}));
        let subject = stored.wallet.sid.to_string();
        let entry = AuditEntry::changed(AuditAction::ThresholdsChanged, subject, before, after);
        storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    }
    tx.commit().await?;
    let low_balance_default = billing.rules.watch.low_balance_threshold;
    Ok(Thresholds { currency: stored.wallet.currency, low_balance, low_balance_default })
}
