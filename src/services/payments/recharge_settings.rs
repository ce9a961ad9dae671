//! Shows and changes the auto-recharge settings of a wallet.

use serde::Serialize;
use serde_json::Value;

use super::methods;
use crate::domain::access::rights::Tenant;
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::payments::check_decimals;
use crate::domain::payments::providers::{PaymentMethod, ProviderName};
use crate::domain::payments::recharges::{MOST_PER_DAY, RechargeTerms, Recharging};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, PaymentSid};
use crate::domain::values::time::Timestamp;
use crate::domain::values::versions::{Seen, Version};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::consequences::{self, Consequences, Context};
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::payments::recharges::{StoredRecharging, WalletPart};
use crate::storage::wallets::accounts::StoredAccount;
use crate::storage::wallets::{Opening, StoredWallet};

/// Changes to the settings. Fields left out stay as they are.
#[derive(Clone, Debug)]
pub struct RechargeChanges {
    pub enabled: bool,
    pub amount: Option<Money>,
    pub threshold: Option<Money>,
    pub provider: Option<ProviderName>,
    pub method: Option<Option<PaymentMethod>>,
    pub max_per_day: Option<i64>,
    pub max_amount_per_day: Option<Option<Money>>,
}

/// The settings as callers see them and as the audit log records them.
#[derive(Clone, Debug, Serialize)]
pub struct RechargeView {
    pub enabled: bool,
    pub amount: Money,
    pub threshold: Money,
    pub currency: Currency,
    pub provider: Option<ProviderName>,
    /// The payment method, masked.
    pub method: Option<String>,
    pub max_per_day: i64,
    pub max_amount_per_day: Option<Money>,
}

impl RechargeView {
    pub fn version(&self) -> Version {
        Version::of(self)
    }
}

/// The state of auto-recharge.
#[derive(Clone, Debug, Default)]
pub struct RechargeState {
    pub open_payment: Option<PaymentSid>,
    pub next_attempt_at: Option<Timestamp>,
    pub failures: i64,
    pub count_today: i64,
    pub amount_today: Money,
}

#[derive(Clone, Debug)]
pub struct RechargeStanding {
    pub settings: RechargeView,
    pub state: RechargeState,
}

/// Shows the auto-recharge of a business's wallet; disabled for a business that was never used.
///
/// # Errors
/// Those of the database.
pub async fn show(billing: &Billing, tenant: &Tenant) -> Result<RechargeStanding> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    match storage::wallets::find(&mut conn, tenant.sid()).await? {
        Some(stored) => standing(billing, &mut conn, &stored).await,
        None => {
            Ok(RechargeStanding { settings: view(billing, tenant.sid(), None, None), state: RechargeState::default() })
        }
    }
}

/// Changes the settings, if they are still as the author saw them, and requests a recharge at once where the balance
/// calls for one. Enabling forgets earlier failures.
///
/// # Errors
/// [`Error::Changed`], [`Error::Invalid`] where the settings contradict each other or name no provider of this server,
/// [`Error::Impossible`] where it has none, and those of the database.
pub async fn change(
    billing: &Billing,
    tenant: &Tenant,
    seen: &Seen,
    changes: RechargeChanges,
    actor: &Actor,
) -> Result<RechargeStanding> {
    let now = billing.clock.now();
    let business = tenant.sid();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let opening = Opening { business, terms: &billing.rules.terms, wallet_id: billing.clock.new_id(), now, actor };
    let wallet = storage::wallets::lock_or_open(&mut conn, &opening).await?;
    let before =
        storage::payments::recharges::load(&mut conn.bulk(), &[wallet.id]).await?.pop().map(|stored| stored.recharging);
    let old = view(billing, business, Some(&wallet), before.as_ref());
    if !seen.includes(old.version()) {
        return Err(Error::Changed);
    }
    let terms = terms(&wallet, before.as_ref(), &changes);
    terms.check()?;
    let recharging = decide(billing, business, before, &terms, &changes)?;
    if changes.enabled {
        billing.live.providers.choose(Some(&recharging.provider))?;
        check_decimals(terms.amount, wallet.wallet.currency).map_err(|problem| Error::invalid("amount", problem))?;
    }
    let stored = StoredRecharging { wallet_id: wallet.id, recharging };
    let part = WalletPart {
        is_enabled: changes.enabled,
        amount: terms.amount,
        threshold: terms.threshold,
        not_before: None,
        updated_at: wallet.head().date(now),
    };
    storage::payments::recharges::store(&mut conn, &stored, part, now).await?;
    judge(billing, &mut conn, business, now).await?;
    let wallet = storage::wallets::find(&mut conn, business).await?.ok_or(Error::Stale)?;
    let after = standing(billing, &mut conn, &wallet).await?;
    let entry = AuditEntry::changed(
        AuditAction::RechargeChanged,
        wallet.wallet.sid.to_string(),
        json(&old)?,
        json(&after.settings)?,
    );
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    tx.commit().await?;
    Ok(after)
}

fn terms(wallet: &StoredWallet, before: Option<&Recharging>, changes: &RechargeChanges) -> RechargeTerms {
    let own = &wallet.wallet.auto_recharge;
    RechargeTerms {
        is_enabled: changes.enabled,
        amount: changes.amount.unwrap_or(own.amount),
        threshold: changes.threshold.unwrap_or(own.threshold),
        most_per_day: changes.max_per_day.or(before.map(|before| before.most_per_day)).unwrap_or(MOST_PER_DAY),
        most_sum_per_day: changes
            .max_amount_per_day
            .unwrap_or_else(|| before.and_then(|before| before.most_sum_per_day)),
    }
}

/// The settings to store. A payment method is dropped when the provider changes.
fn decide(
    billing: &Billing,
    business: &BusinessSid,
    before: Option<Recharging>,
    terms: &RechargeTerms,
    changes: &RechargeChanges,
) -> Result<Recharging> {
    let named = changes.provider.as_ref();
    let provider = match (named, &before) {
        (None, Some(before)) => before.provider.clone(),
        _ => billing.live.providers.choose(named)?,
    };
    let kept = before.as_ref().filter(|before| before.provider == provider).and_then(|before| before.method.clone());
    let method = match &changes.method {
        None => kept,
        Some(None) => None,
        Some(Some(method)) => Some(methods::seal(billing, business, method)?),
    };
    let failures = before.as_ref().map_or(0, |before| if changes.enabled { 0 } else { before.failures });
    Ok(Recharging {
        provider,
        method,
        amount: terms.amount,
        most_per_day: terms.most_per_day,
        most_sum_per_day: terms.most_sum_per_day,
        day: before.as_ref().and_then(|before| before.day),
        count_of_day: before.as_ref().map_or(0, |before| before.count_of_day),
        sum_of_day: before.as_ref().map_or(Money::ZERO, |before| before.sum_of_day),
        failures,
    })
}

/// Requests a recharge where the balance is below the threshold already.
async fn judge(billing: &Billing, conn: &mut Conn<'_>, business: &BusinessSid, now: Timestamp) -> Result<()> {
    let stored =
        storage::wallets::accounts::load_and_lock(&mut conn.bulk(), std::slice::from_ref(business)).await?.pop();
    let Some(StoredAccount { wallet_id, account }) = stored else { return Ok(()) };
    if !account.watch.recharge.is_wanted(account.head.balance, now) {
        return Ok(());
    }
    let consequences = Consequences { wants_recharge: true, ..Consequences::of(wallet_id, &account, account.watch) };
    let context = Context { clock: &billing.clock, calendar: billing.rules.calendar, now };
    consequences::write(context, &mut conn.bulk(), vec![consequences]).await
}

fn view(
    billing: &Billing,
    business: &BusinessSid,
    wallet: Option<&StoredWallet>,
    recharging: Option<&Recharging>,
) -> RechargeView {
    let own = wallet.map(|stored| stored.wallet.auto_recharge).unwrap_or_default();
    let provider = recharging.map(|recharging| recharging.provider.clone());
    RechargeView {
        enabled: own.enabled,
        amount: own.amount,
        threshold: own.threshold,
        currency: wallet.map_or(billing.rules.terms.currency, |stored| stored.wallet.currency),
        provider: provider.or_else(|| billing.live.providers.default_name().cloned()),
        method: methods::masked(billing, business, recharging.and_then(|one| one.method.as_deref())),
        max_per_day: recharging.map_or(MOST_PER_DAY, |recharging| recharging.most_per_day),
        max_amount_per_day: recharging.and_then(|recharging| recharging.most_sum_per_day),
    }
}

async fn standing(billing: &Billing, conn: &mut Conn<'_>, stored: &StoredWallet) -> Result<RechargeStanding> {
    let now = billing.clock.now();
    let business = &stored.wallet.business_sid;
    let account = storage::wallets::accounts::load(&mut conn.bulk(), std::slice::from_ref(business)).await?.pop();
    let recharging =
        storage::payments::recharges::load(&mut conn.bulk(), &[stored.id]).await?.pop().map(|one| one.recharging);
    let today = billing.rules.calendar.day_of(now);
    let of_today = recharging.as_ref().filter(|recharging| recharging.day == Some(today));
    let watch = account.map(|stored| stored.account.watch.recharge).unwrap_or_default();
    let state = RechargeState {
        open_payment: storage::payments::open_recharge(conn, stored.id).await?,
        next_attempt_at: watch.not_before.filter(|until| watch.is_enabled && *until > now),
        failures: recharging.as_ref().map_or(0, |recharging| recharging.failures),
        count_today: of_today.map_or(0, |recharging| recharging.count_of_day),
        amount_today: of_today.map_or(Money::ZERO, |recharging| recharging.sum_of_day),
    };
    Ok(RechargeStanding { settings: view(billing, business, Some(stored), recharging.as_ref()), state })
}

fn json(settings: &RechargeView) -> Result<Value> {
    serde_json::to_value(settings).map_err(|error| Error::Corrupt(format!("settings that are no JSON: {error}")))
}
