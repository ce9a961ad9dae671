//! Settles a batch of commands in one transaction: loads the rows, decides in memory, writes the changes.

pub mod context;
pub mod reads;
pub mod writes;

use std::panic::AssertUnwindSafe;

use foldhash::{HashSet, HashSetExt};

use crate::domain::charges::Refusal;
use crate::domain::charges::charging::{self, Changes, Command, CommandOutcome, Rules};
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::ledger::LedgerHead;
use crate::domain::wallets::watch::Watch;
use crate::error::{Error, Result};
use crate::storage;
use crate::storage::db::BulkConn;
use context::BatchContext;
use reads::{Loaded, Replays, load};
use writes::{RowIds, Writer};

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
    let rules = Rules { book: &book, calendar: context.rules.calendar, watch: context.rules.watch };
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
