//! Settles a batch of commands in one transaction: loads the rows, decides in memory, writes the changes.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use foldhash::{HashMap, HashSet, HashSetExt};
use serde_json::value::RawValue;

use crate::clock::Clock;
use crate::domain::audit::Actor;
use crate::domain::charges::charging::{
    self, Changes, Command, CommandOutcome, EntryKind, NewEntry, Rules, State, UsageKey,
};
use crate::domain::charges::usage::UsageCounts;
use crate::domain::charges::{Charge, Refusal};
use crate::domain::notifications::alerts::AlertDraft;
use crate::domain::notifications::events::Event;
use crate::domain::prices::rating::AppliedRate;
use crate::domain::prices::segments::Encoding;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::{BillingCalendar, DayRange, Timestamp};
use crate::domain::wallets::OpeningTerms;
use crate::domain::wallets::account::Account;
use crate::domain::wallets::ledger::LedgerHead;
use crate::domain::wallets::transactions::{TransactionType, refund_posting};
use crate::domain::wallets::watch::{Spend, Watch, WatchRules};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::consequences::{self, Consequences, Context};
use crate::services::prices::book::LivePriceBook;
use crate::storage;
use crate::storage::charges::Owner;
use crate::storage::charges::usage::RollupKey;
use crate::storage::db::{BulkConn, Db};
use crate::storage::invoices::NewItem;
use crate::storage::wallets::Opening;
use crate::storage::wallets::transactions::{DebitColumns, NewRow};

/// The database, prices and settings that a batch works with.
#[derive(Clone, Debug)]
pub struct BatchContext {
    pub db: Db,
    pub clock: Clock,
    pub calendar: BillingCalendar,
    pub terms: OpeningTerms,
    pub watch: WatchRules,
    pub prices: LivePriceBook,
}

impl BatchContext {
    pub fn of(billing: &Billing) -> BatchContext {
        BatchContext {
            db: billing.db.clone(),
            clock: billing.clock.clone(),
            calendar: billing.calendar,
            terms: billing.terms.clone(),
            watch: billing.watch,
            prices: billing.prices.clone(),
        }
    }
}

/// Row ids that never change, so that no batch looks them up twice. Balances are not among them.
#[derive(Debug, Default)]
pub struct RowIds {
    rates: HashMap<Arc<AppliedRate>, i64>,
    rollups: HashMap<RollupKey, i64>,
}

/// Each of the two maps is emptied when it has grown to this size: some ten megabytes.
const ROW_IDS_MAX: usize = 50_000;

impl RowIds {
    /// Adds the row ids that a batch learnt, once it is committed.
    pub fn learn(&mut self, learnt: RowIds) {
        if self.rates.len() + learnt.rates.len() > ROW_IDS_MAX {
            self.rates.clear();
        }
        if self.rollups.len() + learnt.rollups.len() > ROW_IDS_MAX {
            self.rollups.clear();
        }
        self.rates.extend(learnt.rates);
        self.rollups.extend(learnt.rollups);
    }
}

/// Whether to look in the database for messages that were charged before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replays {
    /// Look before anything is decided.
    LookUp,
    /// Take every message for a new one: if that is wrong, the unique index refuses the batch.
    Unexpected,
}

/// The result of one command: its outcome, or why it was refused.
pub type CommandResult = std::result::Result<CommandOutcome, Refusal>;

/// The results of a batch, before its commit.
#[derive(Debug)]
pub struct Settled {
    pub outcomes: Vec<std::result::Result<CommandOutcome, Refusal>>,
    pub learnt: RowIds,
}

/// Loads the rows, decides and writes, without committing.
///
/// # Errors
/// [`Error::Stale`] where another transaction opened a wallet meanwhile, and those of the database.
pub async fn settle(
    context: &BatchContext,
    conn: &mut BulkConn<'_>,
    commands: &[Command],
    replays: Replays,
    row_ids: &RowIds,
) -> Result<Settled> {
    let now = context.clock.now();
    let mut decided = decide(context, conn, commands, replays, now).await?;
    if replays == Replays::Unexpected && refuses_what_was_charged(conn, commands, &decided).await? {
        // Nothing was written yet: the same commands again, with every message looked up.
        decided = decide(context, conn, commands, Replays::LookUp, now).await?;
    }
    let Decided { mut loaded, before, outcomes, changes } = decided;
    let learnt = Writer { context, loaded: &mut loaded, before, row_ids, now }.write(conn, changes).await?;
    Ok(Settled { outcomes, learnt })
}

/// The decisions on a batch, before anything is written.
struct Decided {
    loaded: Loaded,
    /// The ledger head and the watched values of each account when it was read.
    before: Vec<(LedgerHead, Watch)>,
    outcomes: Vec<std::result::Result<CommandOutcome, Refusal>>,
    changes: Changes,
}

async fn decide(
    context: &BatchContext,
    conn: &mut BulkConn<'_>,
    commands: &[Command],
    replays: Replays,
    now: Timestamp,
) -> Result<Decided> {
    let mut loaded = load(context, conn, commands, replays, now).await?;
    let plans = loaded.state.accounts().iter().filter_map(|account| account.plan);
    let book = context.prices.book_with(plans).await?;
    let rules = Rules { book: &book, calendar: context.calendar, watch: context.watch };
    let before = loaded.state.accounts().iter().map(|account| (account.head, account.watch)).collect();
    // A bug met by one command must not take its neighbours along: the batch is then tried in smaller ones.
    let apply = AssertUnwindSafe(|| charging::apply(&mut loaded.state, rules, commands, now));
    let (outcomes, changes) = std::panic::catch_unwind(apply)
        .map_err(|_| Error::Corrupt("a command that charging cannot decide".to_owned()))?;
    Ok(Decided { loaded, before, outcomes, changes })
}

/// Whether a message that was charged before was refused as a new one (for lack of funds, say). The unique index
/// catches only those that were accepted.
async fn refuses_what_was_charged(conn: &mut BulkConn<'_>, commands: &[Command], decided: &Decided) -> Result<bool> {
    let owners = decided.loaded.owners();
    let is_refused_charge = |(command, outcome): &(&Command, &std::result::Result<CommandOutcome, Refusal>)| {
        matches!(command, Command::Charge(_)) && outcome.is_err()
    };
    let refused = commands.iter().zip(&decided.outcomes).filter(is_refused_charge).map(|(command, _)| command.key());
    let mut asked = HashSet::new();
    let refused = refused.filter(|key| asked.insert(*key));
    let messages: Vec<_> =
        refused.filter_map(|key| owners.get(&key.business).map(|owner| (owner, &key.message))).collect();
    Ok(!storage::charges::find(conn, &messages).await?.is_empty())
}

struct Loaded {
    state: State,
    /// The row id of each account's wallet; `None` where the wallet does not exist yet.
    wallet_ids: Vec<Option<i64>>,
}

impl Loaded {
    /// The owners of the existing wallets.
    fn owners(&self) -> HashMap<BusinessSid, Owner> {
        let owner = |(account, wallet_id): (&Account, &Option<i64>)| {
            let (business, currency) = (account.business.clone(), account.currency);
            Some((account.business.clone(), Owner { wallet_id: (*wallet_id)?, business, currency }))
        };
        self.state.accounts().iter().zip(&self.wallet_ids).filter_map(owner).collect()
    }
}

async fn load(
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
    let owner = |stored: &storage::wallets::accounts::StoredAccount| {
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

    let months: HashSet<(i64, chrono::NaiveDate)> = if commands.iter().any(may_refund) {
        let month_of = |charge: &Charge| DayRange::month_of(context.calendar.day_of(charge.entry.created_at)).first;
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
            accounts.push(Account::unopened(business, known, &context.terms, &book, now));
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
    stored: &mut [storage::wallets::accounts::StoredAccount],
    now: Timestamp,
) -> Result<()> {
    let today = context.calendar.day_of(now);
    let charged: HashSet<&BusinessSid> =
        commands.iter().filter(|command| matches!(command, Command::Charge(_))).map(|c| &c.key().business).collect();
    let begins = |stored: &&mut storage::wallets::accounts::StoredAccount| {
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
        Command::Report(report) => report.status == crate::domain::charges::DeliveryStatus::Failed,
        Command::Refund(_) => true,
    }
}

struct Writer<'a> {
    context: &'a BatchContext,
    loaded: &'a mut Loaded,
    /// The ledger head and the watched values of each account when it was read.
    before: Vec<(LedgerHead, Watch)>,
    row_ids: &'a RowIds,
    now: Timestamp,
}

impl Writer<'_> {
    async fn write(mut self, conn: &mut BulkConn<'_>, changes: Changes) -> Result<RowIds> {
        let mut learnt = RowIds::default();
        self.open_wallets(conn, &changes).await?;
        let rows = self.rows(conn, &changes.entries, &mut learnt).await?;
        storage::wallets::transactions::append_many(conn, &rows).await?;
        let accounts = self.loaded.state.accounts();
        let changed = |number: &usize| accounts[*number].head.last_seq != self.before[*number].0.last_seq;
        let mut updates = Vec::with_capacity(accounts.len());
        for number in (0..accounts.len()).filter(changed) {
            updates.push((self.wallet_id(number)?, self.before[number].0.last_seq, &accounts[number]));
        }
        storage::wallets::accounts::update(conn, &updates).await?;
        storage::charges::insert_deliveries(conn, &changes.deliveries).await?;
        self.count_usage(conn, changes.usage, &mut learnt).await?;
        let mut items = Vec::with_capacity(changes.invoice_items.len());
        for new in changes.invoice_items {
            let wallet_id = self.wallet_id(new.account)?;
            items.push(NewItem { transaction: new.transaction, wallet_id, item: new.item });
        }
        storage::invoices::insert_items(conn, &items).await?;
        let consequences = self.consequences(changes.alerts, changes.events, &changes.recharges)?;
        let context = Context { clock: &self.context.clock, calendar: self.context.calendar, now: self.now };
        consequences::write(context, conn, consequences).await?;
        Ok(learnt)
    }

    /// The consequences for each account that has any.
    fn consequences(
        &self,
        alerts: Vec<(usize, AlertDraft)>,
        events: Vec<(usize, Event)>,
        recharges: &BTreeSet<usize>,
    ) -> Result<Vec<Consequences<'_>>> {
        let accounts = self.loaded.state.accounts();
        let mut consequences: BTreeMap<usize, Consequences<'_>> = BTreeMap::new();
        let levels = |number: &usize| !accounts[*number].watch.has_levels_of(&self.before[*number].1);
        let concerned = alerts.iter().map(|(number, _)| *number).chain(events.iter().map(|(number, _)| *number));
        for number in concerned.chain(recharges.iter().copied()).chain((0..accounts.len()).filter(levels)) {
            // A refusal opens no wallet, and a business without one has no consequences.
            let Some(wallet_id) = self.loaded.wallet_ids[number] else { continue };
            consequences.entry(number).or_insert_with(|| Consequences {
                wants_recharge: recharges.contains(&number),
                ..Consequences::of(wallet_id, &accounts[number], self.before[number].1)
            });
        }
        for (number, alert) in alerts {
            consequences.entry(number).and_modify(|consequences| consequences.alerts.push(alert));
        }
        for (number, event) in events {
            consequences.entry(number).and_modify(|consequences| consequences.events.push(event));
        }
        Ok(consequences.into_values().collect())
    }

    /// Opens the wallets of businesses charged without one (at a price of zero).
    async fn open_wallets(&mut self, conn: &mut BulkConn<'_>, changes: &Changes) -> Result<()> {
        for NewEntry { account, actor, .. } in &changes.entries {
            if self.loaded.wallet_ids[*account].is_some() {
                continue;
            }
            let business = &self.loaded.state.accounts()[*account].business;
            let opening = Opening {
                business,
                terms: &self.context.terms,
                wallet_id: self.context.clock.new_id(),
                now: self.now,
                actor: actor as &Actor,
            };
            storage::wallets::open(conn, &opening).await?;
            let opened = storage::wallets::accounts::load_and_lock(conn, std::slice::from_ref(business)).await?.pop();
            let opened = opened.filter(|opened| opened.account.head.last_seq == 0).ok_or(Error::Stale)?;
            self.loaded.wallet_ids[*account] = Some(opened.wallet_id);
        }
        Ok(())
    }

    fn wallet_id(&self, account: usize) -> Result<i64> {
        self.loaded.wallet_ids[account].ok_or_else(|| Error::Corrupt("a wallet that was not made".to_owned()))
    }

    async fn rows<'e>(
        &self,
        conn: &mut BulkConn<'_>,
        entries: &'e [NewEntry],
        learnt: &mut RowIds,
    ) -> Result<Vec<NewRow<'e>>> {
        self.learn_rates(conn, entries, learnt).await?;
        let mut rows = Vec::with_capacity(entries.len());
        for new in entries {
            let mut row = NewRow {
                wallet_id: self.wallet_id(new.account)?,
                entry: new.entry,
                transaction_type: TransactionType::SmsDebit,
                reference: "".into(),
                details: None,
                metadata: None,
                actor: &new.actor,
                debit: None,
                charge: None,
            };
            match &new.kind {
                EntryKind::Debit(charge) => {
                    row.metadata = charge.metadata.text().map(RawValue::get);
                    row.debit = Some(self.debit(charge, learnt)?);
                }
                EntryKind::Refund { charge, reason } => {
                    let posting = refund_posting(&charge.message, reason);
                    row.transaction_type = posting.transaction_type;
                    row.reference = posting.reference.as_str().to_owned().into();
                    row.details = posting.details.text().map(|text| text.get().to_owned().into());
                    row.charge = Some(charge.entry.sid);
                }
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// Looks up the row ids of rates that are not known yet.
    async fn learn_rates(&self, conn: &mut BulkConn<'_>, entries: &[NewEntry], learnt: &mut RowIds) -> Result<()> {
        let mut unknown: HashSet<&Arc<AppliedRate>> = HashSet::new();
        for new in entries {
            if let EntryKind::Debit(charge) = &new.kind {
                let rates = charge.parts.iter().map(|part| &part.rate);
                unknown.extend(rates.filter(|rate| !self.row_ids.rates.contains_key(*rate)));
            }
        }
        let unknown = unknown.into_iter().cloned().collect();
        learnt.rates.extend(storage::prices::applied_rates::intern(conn, unknown).await?);
        Ok(())
    }

    fn debit<'e>(&self, charge: &'e Charge, learnt: &RowIds) -> Result<DebitColumns<'e>> {
        let mut parts = Vec::with_capacity(charge.parts.len());
        for part in &charge.parts {
            let id = self.row_ids.rates.get(&part.rate).or_else(|| learnt.rates.get(&part.rate));
            let id = id.ok_or_else(|| Error::Corrupt("a rate that was not stored".to_owned()))?;
            parts.push((*id, part.segments));
        }
        let (rate_id, more) = match parts.split_first() {
            Some(((rate_id, _), more)) => (*rate_id, more),
            None => return Err(Error::Corrupt("a charge without a part".to_owned())),
        };
        Ok(DebitColumns {
            message_sid: charge.message.as_str(),
            input_hash: &charge.input,
            rate_id,
            segments: charge.size.segments.into(),
            encoding: charge.size.encoding.map(Encoding::as_str),
            sent_to: charge.sent_to.as_deref(),
            submitted_at: charge.submitted_at.map(Timestamp::micros),
            more_parts: (!more.is_empty()).then(|| serde_json::json!(more).to_string()),
        })
    }

    async fn count_usage(
        &self,
        conn: &mut BulkConn<'_>,
        usage: HashMap<UsageKey, UsageCounts>,
        learnt: &mut RowIds,
    ) -> Result<()> {
        let mut counted = Vec::with_capacity(usage.len());
        for (key, counts) in usage {
            let wallet_id = self.wallet_id(key.account)?;
            let UsageKey { day, country, operator, unit_price, .. } = key;
            counted.push((RollupKey { wallet_id, day, country, operator, unit_price }, counts));
        }
        let unknown: Vec<&RollupKey> =
            counted.iter().map(|(key, _)| key).filter(|key| !self.row_ids.rollups.contains_key(key)).collect();
        learnt.rollups.extend(storage::charges::usage::open_rollups(conn, &unknown).await?);
        let mut additions = Vec::with_capacity(counted.len());
        for (key, counts) in &counted {
            let id = self.row_ids.rollups.get(key).or_else(|| learnt.rollups.get(key));
            let id = id.ok_or_else(|| Error::Corrupt("a row of usage that was not made".to_owned()))?;
            additions.push((*id, *counts));
        }
        // In the order of the rows on disk.
        additions.sort_by_key(|(id, _)| *id);
        storage::charges::usage::add(conn, &additions).await
    }
}
