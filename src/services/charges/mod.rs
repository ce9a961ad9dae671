//! Charges messages, records delivery reports, refunds charges and shows them.

pub mod batch;
pub mod committer;
pub mod counts;
pub mod quotes;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::audit::Actor;
use crate::domain::charges::charging::{Charged, Command, CommandOutcome, Refunded, Reported};
use crate::domain::charges::{
    ChargeState, DeliveryReport, DeliveryStatus, NewCharge, RefundOrder, RefundRequest, Refusal,
};
use crate::domain::prices::messages::{ChargeKey, MessageSid, OfferedMessage};
use crate::domain::prices::phone_numbers::PhoneNumber;
use crate::domain::values::currency::Currency;
use crate::domain::values::idempotency::{KeyScope, OnceAnswer};
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::text::ErrorCode;
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::transactions::{Transaction, refund_posting};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::once::{HeldWallet, Once, PlainJson};
use crate::storage;
use crate::storage::charges::Owner;
use crate::storage::db::Conn;
use batch::context::BatchContext;
use batch::reads::Replays;
use batch::writes::RowIds;

/// A request to charge a message.
#[derive(Clone, Debug)]
pub struct ChargeRequest {
    pub key: ChargeKey,
    pub message: OfferedMessage,
}

/// A delivery report of a message.
#[derive(Clone, Debug)]
pub struct ReportRequest {
    pub key: ChargeKey,
    pub status: DeliveryStatus,
    pub error_code: Option<ErrorCode>,
}

/// The command of a request. Errors that count only if the message was not charged before are left to the committer.
fn prepare(billing: &Billing, request: ChargeRequest, actor: &Arc<Actor>) -> Result<Command> {
    let ChargeRequest { key, message } = request;
    Ok(Command::Charge(NewCharge {
        sid: TransactionSid::new(billing.clock.new_id()),
        input: message.digest(&key),
        key,
        destination: message
            .given
            .resolve(&billing.live.prices.book(), message.submitted_at.unwrap_or_else(|| billing.clock.now())),
        sent_to: message.given.to.as_ref().map(PhoneNumber::masked),
        size: message.size()?,
        submitted_at: message.submitted_at,
        metadata: message.metadata,
        actor: actor.clone(),
    }))
}

/// Charges one message, once however often it is requested.
///
/// # Errors
/// [`Error::Invalid`] where the message is invalid; [`Error::Refused`]; [`Error::Busy`]; those of the database.
pub async fn charge(billing: &Billing, request: ChargeRequest, actor: Actor) -> Result<Charged> {
    let command = prepare(billing, request, &Arc::new(actor))?;
    match only(billing.live.committer.submit(vec![command]).await?)? {
        CommandOutcome::Charged(charged) => Ok(charged),
        other => Err(mixed_up(&other)),
    }
}

/// Charges many messages: each is accepted or refused by itself. One result per request, in order.
///
/// # Errors
/// Only those of the whole batch: [`Error::Busy`] and those of the database.
pub async fn charge_many(
    billing: &Billing,
    requests: Vec<ChargeRequest>,
    actor: Actor,
) -> Result<Vec<Result<Charged>>> {
    let actor = Arc::new(actor);
    let prepared = requests.into_iter().map(|request| prepare(billing, request, &actor)).collect();
    let outcomes = submit_valid(billing, prepared).await?;
    let charged = |outcome| match outcome {
        CommandOutcome::Charged(charged) => Ok(charged),
        other => Err(mixed_up(&other)),
    };
    Ok(outcomes.into_iter().map(|outcome| outcome.and_then(charged)).collect())
}

/// Records a delivery report. The first report of a message counts; later ones change nothing.
///
/// # Errors
/// [`Error::Refused`] where there is no such charge; [`Error::Busy`]; those of the database.
pub async fn report(billing: &Billing, request: ReportRequest, actor: Actor) -> Result<Reported> {
    let command = to_command(billing, request, &Arc::new(actor));
    match only(billing.live.committer.submit(vec![command]).await?)? {
        CommandOutcome::Reported(reported) => Ok(reported),
        other => Err(mixed_up(&other)),
    }
}

/// Records many delivery reports. One result per request, in order.
///
/// # Errors
/// Only those of the whole batch: [`Error::Busy`] and those of the database.
pub async fn report_many(
    billing: &Billing,
    requests: Vec<ReportRequest>,
    actor: Actor,
) -> Result<Vec<Result<Reported>>> {
    let actor = Arc::new(actor);
    let prepared = requests.into_iter().map(|request| Ok(to_command(billing, request, &actor))).collect();
    let outcomes = submit_valid(billing, prepared).await?;
    let reported = |outcome| match outcome {
        CommandOutcome::Reported(reported) => Ok(reported),
        other => Err(mixed_up(&other)),
    };
    Ok(outcomes.into_iter().map(|outcome| outcome.and_then(reported)).collect())
}

fn to_command(billing: &Billing, request: ReportRequest, actor: &Arc<Actor>) -> Command {
    let ReportRequest { key, status, error_code } = request;
    let refund_sid = TransactionSid::new(billing.clock.new_id());
    Command::Report(DeliveryReport { key, status, error_code, refund_sid, actor: actor.clone() })
}

/// Submits the valid commands, and merges their results with the errors, in order.
async fn submit_valid(billing: &Billing, prepared: Vec<Result<Command>>) -> Result<Vec<Result<CommandOutcome>>> {
    let mut commands = Vec::with_capacity(prepared.len());
    let mut problems = Vec::with_capacity(prepared.len());
    for result in prepared {
        match result {
            Ok(command) => {
                commands.push(command);
                problems.push(None);
            }
            Err(problem) => problems.push(Some(problem)),
        }
    }
    let mut answers = billing.live.committer.submit(commands).await?.into_iter();
    let missing = || Err(Error::Corrupt("a command without an answer".to_owned()));
    let place = |problem: Option<Error>| match problem {
        Some(problem) => Err(problem),
        None => answers.next().map_or_else(missing, |answer| answer?.map_err(Error::from)),
    };
    Ok(problems.into_iter().map(place).collect())
}

fn only(answers: Vec<Result<batch::CommandResult>>) -> Result<CommandOutcome> {
    let answer = answers.into_iter().next();
    Ok(answer.ok_or_else(|| Error::Corrupt("a command without an answer".to_owned()))???)
}

fn mixed_up(outcome: &CommandOutcome) -> Error {
    Error::Corrupt(format!("an answer to another command: {outcome:?}"))
}

/// A charge with its delivery report and its refunds.
#[derive(Debug)]
pub struct ChargeHistory {
    pub state: ChargeState,
    /// Oldest first.
    pub refunds: Vec<Transaction>,
}

/// Shows a charge, how it was rated, and its refunds.
///
/// # Errors
/// [`Error::Refused`] where there is no such charge, and those of the database.
pub async fn show(billing: &Billing, key: &ChargeKey) -> Result<ChargeHistory> {
    let mut snapshot = billing.db.snapshot().await?;
    let mut conn = snapshot.conn();
    let stored = storage::wallets::find(&mut conn, &key.business).await?.ok_or(Refusal::ChargeNotFound)?;
    let owner = Owner { wallet_id: stored.id, business: key.business.clone(), currency: stored.wallet.currency };
    let state = storage::charges::find(&mut conn.bulk(), &[(&owner, &key.message)]).await?.pop();
    let state = state.ok_or(Refusal::ChargeNotFound)?;
    let refunds = storage::wallets::history::of_charge(&mut conn, state.charge.entry.sid).await?;
    Ok(ChargeHistory { state, refunds })
}

/// A refund that was entered. Serialised, it is kept for 30 days as an idempotent answer: a field added later needs a
/// default for those stored before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefundReceipt {
    pub entry: Entry,
    pub message: MessageSid,
    pub currency: Currency,
    pub available: Money,
    pub reason: String,
    /// The sum of all refunds of the charge so far.
    pub refunded: Money,
}

impl RefundReceipt {
    fn new(refunded: Refunded) -> RefundReceipt {
        RefundReceipt {
            entry: refunded.entry,
            message: refunded.charge.message.clone(),
            currency: refunded.charge.currency,
            available: refunded.available,
            reason: refunded.reason,
            refunded: refunded.refunded,
        }
    }

    /// The refund as a transaction of the wallet's history.
    pub fn into_transaction(self) -> Transaction {
        Transaction { entry: self.entry, posting: refund_posting(&self.message, &self.reason) }
    }
}

/// Refunds a charge, or a part of it. With an idempotency key it happens once, however often it is requested.
///
/// # Errors
/// [`Error::IdempotencyConflict`] where the key was used with another input; [`Error::Refused`] where there is no such
/// charge or less is left of it; those of the database.
pub async fn refund(
    billing: &Billing,
    request: RefundRequest,
    key: Option<KeyScope>,
    actor: Actor,
) -> Result<OnceAnswer<RefundReceipt>> {
    let now = billing.clock.now();
    let input = request.hash();
    let order = Command::Refund(RefundOrder {
        sid: TransactionSid::new(billing.clock.new_id()),
        key: request.key,
        amount: request.amount,
        reason: request.reason,
        actor: Arc::new(actor),
    });
    let business = order.key().business.clone();
    let once = Once { billing, key: key.as_ref(), input, now };
    let work = async |conn: &mut Conn<'_>, (): ()| {
        let context = BatchContext {
            db: billing.db.clone(),
            clock: billing.clock.clone(),
            rules: billing.rules.clone(),
            prices: billing.live.prices.clone(),
        };
        let settled = batch::settle(&context, &mut conn.bulk(), &[order], Replays::LookUp, &RowIds::default()).await?;
        match only(settled.outcomes.into_iter().map(Ok).collect())? {
            CommandOutcome::Refunded(refunded) => Ok(RefundReceipt::new(refunded)),
            other => Err(mixed_up(&other)),
        }
    };
    once.run(HeldWallet(&business), PlainJson, work).await
}
