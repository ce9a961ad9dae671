//! Posts money to wallets (top-ups, adjustments, payments), and writes all that follows from it.
//! Not a use case: every use case that enters money ends with it. Charges of messages have their own way, in
//! `charges/batch`.

pub mod consequences;
pub mod credits;
pub mod once;

use crate::domain::audit::Actor;
use crate::domain::charges::Refusal;
use crate::domain::invoices::dues::PaidInvoice;
use crate::domain::invoices::postings::tax_posting;
use crate::domain::notifications::events::Event;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, TransactionSid};
use crate::domain::values::time::{DayRange, Timestamp};
use crate::domain::wallets::account::Account;
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::transactions::{Posting, Transaction};
use crate::domain::wallets::watch::BalanceChange;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::wallets::accounts::StoredAccount;
use consequences::{Consequences, Context};

/// An amount to enter.
#[derive(Clone, Debug)]
pub struct NewPosting<'a> {
    /// Signed: above zero the wallet gains.
    pub amount: Money,
    pub posting: Posting,
    pub actor: &'a Actor,
    /// Further events to send.
    pub events: Vec<Event>,
}

/// The entry, and the account after it.
#[derive(Clone, Debug)]
pub struct Posted {
    pub entry: Entry,
    pub account: Account,
    /// The invoices it paid.
    pub paid: Vec<PaidInvoice>,
}

/// Enters an amount into the wallet of a business that exists. A credit pays open invoices, oldest first. The
/// transaction is the caller's.
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
    enter_with(billing, conn, business, new, (sid, None), now).await
}

/// Enters an amount, which pays one invoice (by its row id) before all others.
///
/// # Errors
/// As [`enter`].
pub async fn enter_paying_first(
    billing: &Billing,
    conn: &mut Conn<'_>,
    business: &BusinessSid,
    new: NewPosting<'_>,
    first: Option<i64>,
    now: Timestamp,
) -> Result<Posted> {
    let sid = TransactionSid::new(billing.clock.new_id());
    enter_with(billing, conn, business, new, (sid, first), now).await
}

/// Enters an amount under an id that was made before, for entries that other rows name already.
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
    enter_with(billing, conn, business, new, (sid, None), now).await
}

async fn enter_with(
    billing: &Billing,
    conn: &mut Conn<'_>,
    business: &BusinessSid,
    new: NewPosting<'_>,
    (sid, first): (TransactionSid, Option<i64>),
    now: Timestamp,
) -> Result<Posted> {
    let stored =
        storage::wallets::accounts::load_and_lock(&mut conn.bulk(), std::slice::from_ref(business)).await?.pop();
    let stored = stored.ok_or_else(|| Error::Corrupt(format!("the wallet of {business} is gone while it is held")))?;
    let StoredAccount { wallet_id, mut account } = stored;
    let (before, watch_before) = (account.head, account.watch);
    let NewPosting { amount, posting, actor, mut events } = new;
    let credit = credits::decide(conn, wallet_id, account.currency, &posting, amount, first).await?;
    let (amount, posting, tax_to_take) = credit.to_enter(amount, posting)?;
    let entry = account.head.enter(amount, sid, now).map_err(Refusal::from)?;
    storage::wallets::transactions::append(conn, wallet_id, &Transaction { entry, posting }, actor).await?;
    if !tax_to_take.is_zero() {
        let tax = Money::ZERO.checked_sub(tax_to_take)?;
        let entry = account.head.enter(tax, TransactionSid::new(billing.clock.new_id()), now).map_err(Refusal::from)?;
        let taken = Transaction { entry, posting: tax_posting(sid, &credit.numbers()) };
        storage::wallets::transactions::append(conn, wallet_id, &taken, actor).await?;
    }
    storage::wallets::accounts::update(&mut conn.bulk(), &[(wallet_id, before.last_seq, &account)]).await?;
    let day = billing.rules.calendar.day_of(entry.created_at);
    let settled = credits::write(conn, credit, sid, day, now).await?;
    events.extend(settled.events);
    let change = BalanceChange {
        before: before.balance,
        after: account.head.balance,
        credit_limit: account.credit_limit,
        currency: account.currency,
        month: DayRange::month_of(day).first,
    };
    let alerts = account.watch.follow(change, billing.rules.watch);
    let wants_recharge = account.watch.recharge.is_wanted(account.head.balance, now);
    let consequences =
        Consequences { alerts, events, wants_recharge, ..Consequences::of(wallet_id, &account, watch_before) };
    let context = Context { clock: &billing.clock, calendar: billing.rules.calendar, now };
    consequences::write(context, &mut conn.bulk(), vec![consequences]).await?;
    Ok(Posted { entry, account, paid: settled.paid })
}
