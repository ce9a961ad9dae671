//! Writes the changes of a batch: wallets, ledger rows, delivery reports, usage, invoice items and their consequences.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use foldhash::{HashMap, HashSet, HashSetExt};
use serde_json::value::RawValue;

use super::context::BatchContext;
use super::reads::Loaded;
use crate::domain::audit::Actor;
use crate::domain::charges::Charge;
use crate::domain::charges::charging::{Changes, EntryKind, NewEntry, UsageKey};
use crate::domain::charges::usage::UsageCounts;
use crate::domain::notifications::alerts::AlertDraft;
use crate::domain::notifications::events::Event;
use crate::domain::prices::rating::AppliedRate;
use crate::domain::prices::segments::Encoding;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::ledger::LedgerHead;
use crate::domain::wallets::transactions::{TransactionType, refund_posting};
use crate::domain::wallets::watch::Watch;
use crate::error::{Error, Result};
use crate::services::posting::consequences::{self, Consequences, Context};
use crate::storage;
use crate::storage::charges::usage::RollupKey;
use crate::storage::db::BulkConn;
use crate::storage::invoices::NewItem;
use crate::storage::wallets::Opening;
use crate::storage::wallets::transactions::{DebitColumns, NewRow};

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

/// Writes the changes of a batch that was decided.
#[derive(Debug)]
pub struct Writer<'a> {
    pub context: &'a BatchContext,
    pub loaded: &'a mut Loaded,
    /// The ledger head and the watched values of each account when it was read.
    pub before: Vec<(LedgerHead, Watch)>,
    pub row_ids: &'a RowIds,
    pub now: Timestamp,
}

impl Writer<'_> {
    /// Writes them, and returns the row ids that it had to look up.
    ///
    /// # Errors
    /// [`Error::Stale`] where another transaction opened a wallet meanwhile, and those of the database.
    pub async fn write(mut self, conn: &mut BulkConn<'_>, changes: Changes) -> Result<RowIds> {
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
        let context = Context { clock: &self.context.clock, calendar: self.context.rules.calendar, now: self.now };
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
                terms: &self.context.rules.terms,
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
