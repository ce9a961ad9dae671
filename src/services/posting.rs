//! Entering money into a wallet that is no message's: what follows from it is written along. Not a use case: top-ups,
//! adjustments and settled payments all end with it.

use super::Billing;
use super::consequences::{self, Followed, Tools};
use crate::domain::audit::Actor;
use crate::domain::businesses::BusinessSid;
use crate::domain::charges::Refusal;
use crate::domain::charging::Account;
use crate::domain::events::Event;
use crate::domain::ledger::Entry;
use crate::domain::money::Money;
use crate::domain::sid::TransactionSid;
use crate::domain::time::{DayRange, Timestamp};
use crate::domain::transactions::{Posting, Transaction};
use crate::domain::watch::BalanceChange;
use crate::error::{Error, Result};
use crate::storage;
use crate::storage::accounts::StoredAccount;
use crate::storage::db::Conn;

/// What to enter.
#[derive(Clone, Debug)]
pub struct NewPosting<'a> {
    /// Signed: what the wallet gains.
    pub amount: Money,
    pub posting: Posting,
    pub actor: &'a Actor,
    /// What else is told of it.
    pub events: Vec<Event>,
}

/// What was entered, and the account after it.
#[derive(Clone, Debug)]
pub struct Posted {
    pub entry: Entry,
    pub account: Account,
}

/// Enters an amount into the wallet of a business, which exists. The transaction is the caller's.
///
/// # Errors
/// [`Error::Refused`] where the balance would leave its range, and those of the database.
pub async fn enter(
    billing: &Billing,
    conn: &mut Conn<'_>,
    business: &BusinessSid,
    new: NewPosting<'_>,
    now: Timestamp,
) -> Result<Posted> {
    let sid = TransactionSid::new(billing.clock.new_id());
    enter_as(billing, conn, business, sid, new, now).await
}

/// The same under a name that the entry was given before, for what is to be settled before its consequences are drawn.
///
/// # Errors
/// As [`enter`].
pub async fn enter_as(
    billing: &Billing,
    conn: &mut Conn<'_>,
    business: &BusinessSid,
    sid: TransactionSid,
    new: NewPosting<'_>,
    now: Timestamp,
) -> Result<Posted> {
    let stored = storage::accounts::load_and_lock(&mut conn.bulk(), std::slice::from_ref(business)).await?.pop();
    let stored = stored.ok_or_else(|| Error::Corrupt(format!("the wallet of {business} is gone while it is held")))?;
    let StoredAccount { wallet_id, mut account } = stored;
    let (before, watch_before) = (account.head, account.watch);
    let entry = account.head.enter(new.amount, sid, now).map_err(Refusal::from)?;
    let transaction = Transaction { entry, posting: new.posting };
    storage::transactions::append(conn, wallet_id, &transaction, new.actor).await?;
    storage::accounts::update(&mut conn.bulk(), &[(wallet_id, before.last_seq, &account)]).await?;
    let change = BalanceChange {
        before: before.balance,
        after: entry.balance_after,
        credit_limit: account.credit_limit,
        currency: account.currency,
        month: DayRange::month_of(billing.calendar.day_of(entry.created_at)).first,
    };
    let alerts = account.watch.follow(change, billing.watch);
    let wants_recharge = account.watch.recharge.is_wanted(entry.balance_after, now);
    let followed =
        Followed { alerts, events: new.events, wants_recharge, ..Followed::of(wallet_id, &account, watch_before) };
    let tools = Tools { clock: &billing.clock, calendar: billing.calendar, now };
    consequences::write(tools, &mut conn.bulk(), vec![followed]).await?;
    Ok(Posted { entry, account })
}
