//! Stands in for the database: holds rows, and loads the state of every batch from them anew.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::domain::values::sid::PlanSid;
use crate::domain::wallets::ledger::LedgerHead;
use crate::domain::wallets::watch::Watch;

pub struct Database {
    book: Arc<PriceBook>,
    calendar: BillingCalendar,
    pub accounts: Vec<Account>,
    pub entries: Vec<Row>,
    pub deliveries: HashMap<TransactionSid, Delivery>,
    /// Here an account is one of `accounts`.
    pub usage: HashMap<UsageKey, UsageCounts>,
    pub items: Vec<NewInvoiceItem>,
    pub closed: HashSet<(BusinessSid, NaiveDate)>,
}

/// A row of the ledger. Money that came from elsewhere has no kind.
#[derive(Clone, Debug)]
pub struct Row {
    pub account: usize,
    pub entry: Entry,
    pub kind: Option<EntryKind>,
}

impl Database {
    pub fn new(book: Arc<PriceBook>, calendar: BillingCalendar) -> Database {
        Database {
            book,
            calendar,
            accounts: Vec::new(),
            entries: Vec::new(),
            deliveries: HashMap::new(),
            usage: HashMap::new(),
            items: Vec::new(),
            closed: HashSet::new(),
        }
    }

    pub fn open(&mut self, business: &str, plan: Option<PlanSid>, credit_limit: Money, now: Timestamp) {
        self.accounts.push(Account {
            business: business.parse().expect("a business"),
            is_suspended: false,
            currency: "USD".parse().expect("a currency"),
            plan,
            credit_limit,
            head: LedgerHead { balance: Money::ZERO, last_seq: 0, last_sid: None, updated_at: now },
            tiers: TierCounter::default(),
            watch: Watch::default(),
        });
    }

    /// Money from elsewhere: a top-up, or an adjustment, which may go below every limit.
    pub fn move_money(&mut self, account: usize, amount: Money, now: Timestamp) {
        let entry = self.accounts[account].head.enter(amount, next_sid(), now).expect("a balance in range");
        self.entries.push(Row { account, entry, kind: None });
    }

    /// Applies a batch, and keeps what has to be written of it.
    pub fn apply(&mut self, commands: &[Command], now: Timestamp) -> Vec<Result<CommandOutcome, Refusal>> {
        let (mut state, places) = self.load(commands);
        let (outcomes, changes) = apply(&mut state, self.rules(), commands, now);
        assert_eq!(outcomes.len(), commands.len(), "one outcome per command");
        self.assert_refusals_leave_no_trace(commands, &outcomes, (&state, &changes), now);
        self.store(&state, &places, changes);
        self.assert_state_is_what_was_written(commands, &state);
        outcomes
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            book: &self.book,
            calendar: self.calendar,
            watch: WatchRules { low_balance_threshold: Money::from_units(10) },
        }
    }

    /// What the commands touch and nothing else, with the place in `accounts` of each account loaded.
    fn load(&self, commands: &[Command]) -> (State, Vec<usize>) {
        let mut places: Vec<usize> = Vec::new();
        for command in commands {
            let is_named = |account: &Account| account.business == command.key().business;
            places.extend(self.accounts.iter().position(is_named));
        }
        let mut seen = HashSet::new();
        places.retain(|place| seen.insert(*place));
        let accounts = places.iter().map(|place| self.accounts[*place].clone()).collect();
        let keys: HashSet<&ChargeKey> = commands.iter().map(Command::key).collect();
        let charges = self.entries.iter().filter_map(|row| match &row.kind {
            Some(EntryKind::Debit(charge)) if keys.contains(&key_of(charge)) => Some(self.charge_state(charge)),
            _ => None,
        });
        (State::new(accounts).with_charges(charges).with_closed_months(self.closed.iter().cloned()), places)
    }

    fn charge_state(&self, charge: &Arc<Charge>) -> ChargeState {
        let refunds = self.entries.iter().filter_map(|row| match &row.kind {
            Some(EntryKind::Refund { charge: of, .. }) if of.entry.sid == charge.entry.sid => Some(row.entry.amount),
            _ => None,
        });
        ChargeState {
            charge: charge.clone(),
            delivery: self.deliveries.get(&charge.entry.sid).cloned(),
            refunded: Money::sum(refunds).expect("small sums"),
        }
    }

    /// A batch without the commands that were refused comes to the same.
    fn assert_refusals_leave_no_trace(
        &self,
        commands: &[Command],
        outcomes: &[Result<CommandOutcome, Refusal>],
        (state, changes): (&State, &Changes),
        now: Timestamp,
    ) {
        if outcomes.iter().all(Result::is_ok) {
            return;
        }
        let (mut without, _) = self.load(commands);
        let passed: Vec<Command> = commands
            .iter()
            .zip(outcomes)
            .filter(|(_, outcome)| outcome.is_ok())
            .map(|(command, _)| command.clone())
            .collect();
        let (_, others) = apply(&mut without, self.rules(), &passed, now);
        assert_eq!(without.accounts, state.accounts);
        assert_eq!(without.charges.len(), state.charges.len());
        let entries =
            |changes: &Changes| -> Vec<_> { changes.entries.iter().map(|new| (new.account, new.entry)).collect() };
        assert_eq!(entries(&others), entries(changes));
        let deliveries = |changes: &Changes| -> Vec<_> {
            changes.deliveries.iter().map(|new| (new.charge, new.delivery.clone())).collect()
        };
        assert_eq!(deliveries(&others), deliveries(changes));
        assert_eq!(others.usage, changes.usage);
        let items = |changes: &Changes| -> Vec<_> { changes.invoice_items.iter().map(|new| new.transaction).collect() };
        assert_eq!(items(&others), items(changes));
    }

    fn store(&mut self, state: &State, places: &[usize], changes: Changes) {
        for new in changes.entries {
            let account = places[new.account];
            if let EntryKind::Debit(_) = new.kind {
                let floor = -self.accounts[account].credit_limit.micros();
                assert!(new.entry.balance_after.micros() >= floor, "no charge goes below the credit limit");
            }
            self.entries.push(Row { account, entry: new.entry, kind: Some(new.kind) });
        }
        for (place, after) in places.iter().zip(state.accounts()) {
            // An account without a new entry is not written, so nothing else about it may change.
            let stored = &mut self.accounts[*place];
            assert!(stored.head.last_seq != after.head.last_seq || stored == after, "{after:?}");
            *stored = after.clone();
        }
        for new in changes.deliveries {
            assert!(self.deliveries.insert(new.charge, new.delivery).is_none(), "one report counts");
        }
        for (key, counts) in changes.usage {
            let sum = self.usage.entry(UsageKey { account: places[key.account], ..key }).or_default();
            *sum = sum.checked_add(counts).expect("small sums");
        }
        let items = changes.invoice_items.into_iter();
        self.items.extend(items.map(|new| NewInvoiceItem { account: places[new.account], ..new }));
    }

    /// Read again, the rows give the state that the batch ended with.
    fn assert_state_is_what_was_written(&self, commands: &[Command], state: &State) {
        let (again, _) = self.load(commands);
        assert_eq!(again.accounts, state.accounts);
        assert_eq!(again.charges.len(), state.charges.len());
        for (key, known) in &state.charges {
            let read = again.charge(key).expect("a charge that was written");
            assert_eq!(read.charge.entry, known.charge.entry);
            assert_eq!((&read.delivery, read.refunded), (&known.delivery, known.refunded));
        }
    }

    /// Every wallet's ledger is a chain without a gap that adds up, and no message is charged twice.
    pub fn assert_chains(&self) {
        let mut charged = HashSet::new();
        for (number, account) in self.accounts.iter().enumerate() {
            let mut head = LedgerHead { balance: Money::ZERO, last_seq: 0, last_sid: None, ..account.head };
            let mut last: Option<Entry> = None;
            for row in self.entries.iter().filter(|row| row.account == number) {
                let entry = row.entry;
                assert_eq!(entry.seq, head.last_seq + 1, "no gap");
                assert_eq!(entry.previous, head.last_sid, "each entry names the one before");
                assert_eq!(Ok(entry.balance_after), head.balance.checked_add(entry.amount), "the balances chain");
                assert!(last.is_none_or(|last| last.created_at <= entry.created_at), "time never falls");
                head.balance = entry.balance_after;
                (head.last_seq, head.last_sid) = (entry.seq, Some(entry.sid));
                last = Some(entry);
                if let Some(EntryKind::Debit(charge)) = &row.kind {
                    assert!(charged.insert(key_of(charge)), "{} is charged twice", charge.message);
                }
            }
            assert_eq!(head, account.head, "the wallet stands where its entries lead");
        }
    }
}

fn key_of(charge: &Charge) -> ChargeKey {
    ChargeKey { business: charge.business.clone(), message: charge.message.clone() }
}
