//! Appends rows to the ledger in bulk, and marks some of them so that they are found quickly.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::domain::audit::Actor;
use crate::domain::values::sid::TransactionSid;
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::transactions::{Transaction, TransactionType};
use crate::error::Result;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::rows::Column;
use crate::storage::db::{BulkConn, Conn};

pub static INSERT: Bulk = Bulk::new(
    &[
        ("uid", "UUID"),
        ("wallet_id", "BIGINT"),
        ("seq", "BIGINT"),
        ("previous_uid", "UUID"),
        ("type", "TEXT"),
        ("amount", "BIGINT"),
        ("balance_after", "BIGINT"),
        ("created_at", "BIGINT"),
        ("actor", "TEXT"),
        ("request_id", "TEXT"),
        ("reference", "TEXT"),
        ("details", "JSONB"),
        ("metadata", "JSONB"),
        ("message_sid", "TEXT"),
        ("input_hash", "BYTEA"),
        ("rate_id", "BIGINT"),
        ("segments", "BIGINT"),
        ("encoding", "TEXT"),
        ("sent_to", "TEXT"),
        ("submitted_at", "BIGINT"),
        ("more_parts", "JSONB"),
        ("charge_uid", "UUID"),
    ],
    Action::InsertInto("transactions"),
);

pub static INSERT_MARKS: Bulk = Bulk::new(
    &[("wallet_id", "BIGINT"), ("seq", "BIGINT"), ("uid", "UUID"), ("created_at", "BIGINT")],
    Action::InsertInto("transaction_marks"),
);

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
    let debits = || rows.iter().map(|row| row.debit.as_ref());
    let columns = vec![
        Column::ids(rows.iter().map(|row| row.entry.sid.uuid())),
        Column::integers(rows.iter().map(|row| row.wallet_id)),
        Column::integers(rows.iter().map(|row| row.entry.seq)),
        Column::Id(rows.iter().map(|row| row.entry.previous.map(TransactionSid::uuid)).collect()),
        Column::texts(rows.iter().map(|row| row.transaction_type.as_str())),
        Column::integers(rows.iter().map(|row| row.entry.amount.micros())),
        Column::integers(rows.iter().map(|row| row.entry.balance_after.micros())),
        Column::integers(rows.iter().map(|row| row.entry.created_at.micros())),
        Column::texts(rows.iter().map(|row| &*row.actor.name)),
        Column::Text(rows.iter().map(|row| row.actor.request_id.as_deref()).collect()),
        Column::texts(rows.iter().map(|row| &*row.reference)),
        Column::Text(rows.iter().map(|row| row.details.as_deref()).collect()),
        Column::Text(rows.iter().map(|row| row.metadata).collect()),
        Column::Text(debits().map(|debit| debit.map(|debit| debit.message_sid)).collect()),
        Column::Bytes(debits().map(|debit| debit.map(|debit| debit.input_hash)).collect()),
        Column::Integer(debits().map(|debit| debit.map(|debit| debit.rate_id)).collect()),
        Column::Integer(debits().map(|debit| debit.map(|debit| debit.segments)).collect()),
        Column::Text(debits().map(|debit| debit.and_then(|debit| debit.encoding)).collect()),
        Column::Text(debits().map(|debit| debit.and_then(|debit| debit.sent_to)).collect()),
        Column::Integer(debits().map(|debit| debit.and_then(|debit| debit.submitted_at)).collect()),
        Column::Text(debits().map(|debit| debit.and_then(|debit| debit.more_parts.as_deref())).collect()),
        Column::Id(rows.iter().map(|row| row.charge.map(TransactionSid::uuid)).collect()),
    ];
    INSERT.execute(conn, columns).await?;
    let marked: Vec<&NewRow<'_>> = rows.iter().filter(|row| row.entry.seq % MARK_EVERY == 0).collect();
    let columns = vec![
        Column::integers(marked.iter().map(|row| row.wallet_id)),
        Column::integers(marked.iter().map(|row| row.entry.seq)),
        Column::ids(marked.iter().map(|row| row.entry.sid.uuid())),
        Column::integers(marked.iter().map(|row| row.entry.created_at.micros())),
    ];
    INSERT_MARKS.execute(conn, columns).await?;
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
