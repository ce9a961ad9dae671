//! Lists wallets for admins, and changes their plan and credit limit.

use serde_json::Value;

use crate::domain::audit::{AuditAction, AuditEntry, Author};
use crate::domain::prices::plans::PlanType;
use crate::domain::values::listing::{ListPage, ListRequest};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::versions::Seen;
use crate::domain::wallets::{Wallet, WalletChanges, WalletSettings};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::Conn;

/// A page of wallets.
///
/// # Errors
/// [`Error::Invalid`] where sort or cursor is invalid, and those of the database.
pub async fn list(billing: &Billing, request: &ListRequest) -> Result<ListPage<Wallet>> {
    storage::wallets::page(&mut billing.db.read().await?.conn(), request).await
}

/// Shows the wallet of a business; unlike the tenant's own request this never opens one.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn show(billing: &Billing, business: &BusinessSid) -> Result<Wallet> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    match storage::wallets::find(&mut conn, business).await? {
        Some(stored) => Ok(stored.wallet),
        None => Err(missing(&mut conn, business).await?),
    }
}

/// Changes the settings of a wallet, if they are still as their author saw them. The balance cannot be set: charges
/// that are settled meanwhile count. A change of nothing is not recorded.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Changed`], [`Error::Invalid`] where the limit is out of bounds or there is no such
/// plan, and those of the database.
pub async fn change(
    billing: &Billing,
    business: &BusinessSid,
    seen: &Seen,
    changes: WalletChanges,
    author: &Author,
) -> Result<Wallet> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let Some(stored) = storage::wallets::lock(&mut conn, business).await? else {
        return Err(missing(&mut conn, business).await?);
    };
    if !seen.includes(stored.wallet.settings_version()) {
        return Err(Error::Changed);
    }
    let before = stored.wallet.settings();
    let after = changes.apply_to(before).map_err(|problem| Error::invalid("credit_limit", problem))?;
    if after == before {
        tx.roll_back().await?;
        return Ok(stored.wallet);
    }
    let plan = match after.pricing_plan_sid {
        Some(sid) => Some(storage::wallets::keep_plan(&mut conn, sid).await?.ok_or_else(no_such_plan)?),
        None => None,
    };
    let updated_at = stored.head().date(now);
    storage::wallets::update_settings(&mut conn, stored.id, after, plan, updated_at).await?;
    let subject = stored.wallet.sid.to_string();
    let entry = AuditEntry::changed(AuditAction::WalletChanged, subject, json(before)?, json(after)?).by(author);
    storage::audit::append(&mut conn.bulk(), &entry, &author.actor, now).await?;
    tx.commit().await?;
    Ok(Wallet {
        credit_limit: after.credit_limit,
        pricing_plan: after.pricing_plan_sid,
        plan_type: plan.map_or(PlanType::Prepaid, |plan| plan.plan_type),
        updated_at,
        ..stored.wallet
    })
}

fn no_such_plan() -> Error {
    Error::invalid("pricing_plan_sid", "names no plan that exists; null takes the wallet's plan away")
}

/// The error where a business has no wallet: either the wallet or the business does not exist.
async fn missing(conn: &mut Conn<'_>, business: &BusinessSid) -> Result<Error> {
    Ok(match storage::businesses::find_kind(conn, business).await? {
        None => Error::no_such_business(),
        Some(_) => Error::NotFound {
            code: "wallet_not_found",
            sentence: "This business has no wallet yet; it gets one at its first use, such as a top-up.",
        },
    })
}

fn json(settings: WalletSettings) -> Result<Value> {
    serde_json::to_value(settings).map_err(|error| Error::Corrupt(format!("settings that are no JSON: {error}")))
}
