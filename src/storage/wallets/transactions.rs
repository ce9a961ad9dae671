//! Appends rows to the ledger in bulk, and marks some of them so that they are found quickly.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::domain::audit::Actor;
use crate::domain::values::sid::TransactionSid;
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::transactions::{Transaction, TransactionType};
use crate::error::Result;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::{BulkConn, Conn};

given! {
    pub struct GivenEntries(rows: &'v [NewRow<'v>]) for row in rows {
        uid: UUID = row.entry.sid.uuid(),
        wallet_id: BIGINT = row.wallet_id,
        seq: BIGINT = row.entry.seq,
        previous_uid: UUID = row.entry.previous.map(TransactionSid::uuid),
        type: TEXT = row.transaction_type.as_str(),
        amount: BIGINT = row.entry.amount.micros(),
        balance_after: BIGINT = row.entry.balance_after.micros(),
        created_at: BIGINT = row.entry.created_at.micros(),
        actor: TEXT = &*row.actor.name,
        request_id: TEXT = row.actor.request_id.as_deref(),
        reference: TEXT = &*row.reference,
        details: JSONB = row.details.as_deref(),
        metadata: JSONB = row.metadata,
        message_sid: TEXT = row.debit.as_ref().map(|debit| debit.message_sid),
        input_hash: BYTEA = row.debit.as_ref().map(|debit| debit.input_hash),
        rate_id: BIGINT = row.debit.as_ref().map(|debit| debit.rate_id),
        segments: BIGINT = row.debit.as_ref().map(|debit| debit.segments),
        encoding: TEXT = row.debit.as_ref().and_then(|debit| debit.encoding),
        sent_to: TEXT = row.debit.as_ref().and_then(|debit| debit.sent_to),
        submitted_at: BIGINT = row.debit.as_ref().and_then(|debit| debit.submitted_at),
        more_parts: JSONB = row.debit.as_ref().and_then(|debit| debit.more_parts.as_deref()),
        charge_uid: UUID = row.charge.map(TransactionSid::uuid),
    }
}

pub static INSERT: Bulk<GivenEntries> = Bulk::new(Action::InsertInto("transactions"));

given! {
    /// Marked entries, each after its wallet's row.
    pub struct GivenMarks(marked: &'v [(i64, &'v Entry)]) for (wallet_id, entry) in marked {
        wallet_id: BIGINT = *wallet_id,
        seq: BIGINT = entry.seq,
        uid: UUID = entry.sid.uuid(),
        created_at: BIGINT = entry.created_at.micros(),
    }
}

pub static INSERT_MARKS: Bulk<GivenMarks> = Bulk::new(Action::InsertInto("transaction_marks"));

/// One row in so many of a wallet's is marked, and can be found without walking the chain.
pub(super) const MARK_EVERY: i64 = 64;

/// A row to append.
#[derive(Clone, Debug)]
pub struct NewRow<'v> {
    pub wallet_id: i64,
    pub entry: Entry,
    pub transaction_type: TransactionType,
    pub reference: Cow<'v, str>,
    pub details: Option<Cow<'v, str>>,
    pub metadata: Option<&'v str>,
    pub actor: &'v Actor,
    pub debit: Option<DebitColumns<'v>>,
    /// The debit that it reverses or shares in.
    pub charge: Option<TransactionSid>,
}

/// The columns that only the debit of a message has.
#[derive(Clone, Debug)]
pub struct DebitColumns<'v> {
    pub message_sid: &'v str,
    pub input_hash: &'v [u8],
    pub rate_id: i64,
    pub segments: i64,
    pub encoding: Option<&'static str>,
    pub sent_to: Option<&'v str>,
    pub submitted_at: Option<i64>,
    /// `[[rate, segments], …]` of the parts after the first.
    pub more_parts: Option<String>,
}

/// Appends rows, in their order.
pub async fn append_many(conn: &mut BulkConn<'_>, rows: &[NewRow<'_>]) -> Result<()> {
    INSERT.execute(conn, GivenEntries::of(rows)).await?;
    let marked = rows.iter().filter(|row| row.entry.seq % MARK_EVERY == 0);
    let marked: Vec<_> = marked.map(|row| (row.wallet_id, &row.entry)).collect();
    INSERT_MARKS.execute(conn, GivenMarks::of(&marked)).await?;
    Ok(())
}

/// Appends one row that is no charge.
pub async fn append(conn: &mut Conn<'_>, wallet_id: i64, transaction: &Transaction, actor: &Actor) -> Result<()> {
    let Transaction { entry, posting } = transaction;
    let row = NewRow {
        wallet_id,
        entry: *entry,
        transaction_type: posting.transaction_type,
        reference: posting.reference.as_str().into(),
        details: posting.details.text().map(|text| text.get().into()),
        metadata: posting.metadata.text().map(RawValue::get),
        actor,
        debit: None,
        charge: None,
    };
    append_many(&mut conn.bulk(), &[row]).await
}
