//! Judges again whether to recharge a wallet, once the wait after a failed recharge is over.

use crate::domain::jobs::Next;
use crate::error::Result;
use crate::services::Billing;
use crate::services::posting::consequences::{self, Consequences, Context};
use crate::storage;
use crate::storage::wallets::accounts::StoredAccount;

/// Judges a wallet again once its wait is over, after a failed recharge or after the limits of a day were used up. The
/// subject is the wallet's row id.
///
/// # Errors
/// Those of the database.
pub async fn judge(billing: &Billing, subject: &str) -> Result<Next> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let business = match subject.parse::<i64>() {
        Ok(wallet_id) => storage::payments::recharges::business(&mut conn, wallet_id).await?,
        Err(_) => None,
    };
    let Some(business) = business else { return Ok(Next::Done) };
    let stored = storage::wallets::accounts::load_and_lock(&mut conn.bulk(), &[business]).await?.pop();
    let Some(StoredAccount { wallet_id, account }) = stored else { return Ok(Next::Done) };
    let watch = account.watch.recharge;
    if let Some(until) = watch.not_before.filter(|until| watch.is_enabled && *until > now) {
        // A wallet has one such job, at the earliest time that was asked for: it stays until the last wait is over,
        // also one that it began itself the turn before.
        tx.roll_back().await?;
        return Ok(Next::At(until));
    }
    if watch.is_wanted(account.head.balance, now) {
        let consequences =
            Consequences { wants_recharge: true, ..Consequences::of(wallet_id, &account, account.watch) };
        let context = Context { clock: &billing.clock, calendar: billing.rules.calendar, now };
        consequences::write(context, &mut conn.bulk(), vec![consequences]).await?;
    }
    tx.commit().await?;
    Ok(Next::Done)
}
