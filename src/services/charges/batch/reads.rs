//! Loads what a batch decides on: locked accounts, earlier charges, closed months and the spend of the days before.

use chrono::NaiveDate;
use foldhash::{HashMap, HashSet, HashSetExt};

use super::context::BatchContext;
use crate::domain::charges::charging::{Command, State};
use crate::domain::charges::{Charge, DeliveryStatus};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::{DayRange, Timestamp};
use crate::domain::wallets::account::Account;
use crate::domain::wallets::watch::Spend;
use crate::error::Result;
use crate::storage;
use crate::storage::charges::Owner;
use crate::storage::db::BulkConn;
use crate::storage::wallets::accounts::StoredAccount;

/// Whether to look in the database for messages that were charged before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replays {
    /// Look before anything is decided.
    LookUp,
    /// Take every message for a new one: if that is wrong, the unique index refuses the batch.
    Unexpected,
}

/// The accounts that a batch touches, with what was charged, reported and closed before.
#[derive(Debug)]
pub struct Loaded {
    pub state: State,
    /// The row id of each account's wallet; `None` where the wallet does not exist yet.
    pub wallet_ids: Vec<Option<i64>>,
}

impl Loaded {
    /// The owners of the existing wallets.
    pub fn owners(&self) -> HashMap<BusinessSid, Owner> {
        let owner = |(account, wallet_id): (&Account, &Option<i64>)| {
            let (business, currency) = (account.business.clone(), account.currency);
            Some((account.business.clone(), Owner { wallet_id: (*wallet_id)?, business, currency }))
        };
        self.state.accounts().iter().zip(&self.wallet_ids).filter_map(owner).collect()
    }
}

/// Reads and locks the accounts of the commands' businesses, and reads the charges that the commands concern.
///
/// # Errors
/// Those of the database.
pub async fn load(
    context: &BatchContext,
    conn: &mut BulkConn<'_>,
    commands: &[Command],
    replays: Replays,
    now: Timestamp,
) -> Result<Loaded> {
    let mut seen = HashSet::with_capacity(commands.len());
    let businesses: Vec<BusinessSid> =
        commands.iter().map(|command| &command.key().business).filter(|sid| seen.insert(*sid)).cloned().collect();
    let stored = storage::wallets::accounts::load_and_lock(conn, &businesses).await?;
    let owner = |stored: &StoredAccount| {
        let (business, currency) = (stored.account.business.clone(), stored.account.currency);
        (stored.account.business.clone(), Owner { wallet_id: stored.wallet_id, business, currency })
    };
    let owners: HashMap<BusinessSid, Owner> = stored.iter().map(owner).collect();

    let is_asked = |command: &&Command| match command {
        Command::Charge(_) => replays == Replays::LookUp,
        Command::Report(_) | Command::Refund(_) => true,
    };
    let mut asked = HashSet::new();
    let keys = commands.iter().filter(is_asked).map(Command::key).filter(|key| asked.insert(*key));
    let messages: Vec<_> =
        keys.filter_map(|key| owners.get(&key.business).map(|owner| (owner, &key.message))).collect();
    let charges = storage::charges::find(conn, &messages).await?;

    let months: HashSet<(i64, NaiveDate)> = if commands.iter().any(may_refund) {
        let month_of =
            |charge: &Charge| DayRange::month_of(context.rules.calendar.day_of(charge.entry.created_at)).first;
        let of_wallet = |charge: &Charge| owners.get(&charge.business).map(|owner| (owner.wallet_id, month_of(charge)));
        charges.iter().filter_map(|known| of_wallet(&known.charge)).collect()
    } else {
        HashSet::new()
    };
    let closed = storage::invoices::closed(conn, &months.into_iter().collect::<Vec<_>>()).await?;
    let sids: HashMap<i64, &BusinessSid> = owners.iter().map(|(sid, owner)| (owner.wallet_id, sid)).collect();
    let closed = closed.iter().filter_map(|(id, month)| sids.get(id).map(|sid| ((*sid).clone(), *month)));

    let mut stored = stored;
    begin_days(context, conn, commands, &mut stored, now).await?;
    let mut wallet_ids: Vec<Option<i64>> = stored.iter().map(|stored| Some(stored.wallet_id)).collect();
    let mut accounts: Vec<Account> = stored.into_iter().map(|stored| stored.account).collect();
    let book = context.prices.book();
    let unopened: Vec<&BusinessSid> = businesses.iter().filter(|sid| !owners.contains_key(*sid)).collect();
    if !unopened.is_empty() {
        let known = storage::wallets::accounts::load_unopened(conn, &unopened).await?;
        let known: HashMap<BusinessSid, _> =
            known.into_iter().map(|known| (known.business, (known.is_suspended, known.currency))).collect();
        for business in unopened {
            let known = known.get(business).copied();
            accounts.push(Account::unopened(business, known, &context.rules.terms, &book, now));
            wallet_ids.push(None);
        }
    }
    let state = State::new(accounts).with_charges(charges).with_closed_months(closed);
    Ok(Loaded { state, wallet_ids })
}

/// Loads the past spend of wallets whose first message of the day may be in the batch. Done once per wallet and day.
async fn begin_days(
    context: &BatchContext,
    conn: &mut BulkConn<'_>,
    commands: &[Command],
    stored: &mut [StoredAccount],
    now: Timestamp,
) -> Result<()> {
    let today = context.rules.calendar.day_of(now);
    let charged: HashSet<&BusinessSid> =
        commands.iter().filter(|command| matches!(command, Command::Charge(_))).map(|c| &c.key().business).collect();
    let begins = |stored: &&mut StoredAccount| {
        stored.account.watch.spend.day != Some(today) && charged.contains(&stored.account.business)
    };
    let begun: Vec<_> = stored.iter_mut().filter(begins).collect();
    if begun.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = begun.iter().map(|stored| stored.wallet_id).collect();
    let spent: HashMap<i64, _> =
        storage::wallets::watches::spent_in_week_before(conn, &ids, today).await?.into_iter().collect();
    for stored in begun {
        stored.account.watch.spend = Spend::of_new_day(today, spent.get(&stored.wallet_id).copied());
    }
    Ok(())
}

fn may_refund(command: &Command) -> bool {
    match command {
        Command::Charge(_) => false,
        Command::Report(report) => report.status == DeliveryStatus::Failed,
        Command::Refund(_) => true,
    }
}
