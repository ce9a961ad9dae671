//! The ledger's rows.

use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;

use super::db::{Conn, on};
use crate::domain::audit::Actor;
use crate::domain::money::Money;
use crate::domain::paging::{Cursor, Limit};
use crate::domain::sid::TransactionSid;
use crate::domain::text::Reference;
use crate::domain::time::Timestamp;
use crate::domain::transactions::{JsonObject, Transaction, TransactionStatus, TransactionType};
use crate::error::Result;

pub const INSERT: &str = "INSERT INTO transactions (wallet_id, seq, uid, type, amount, balance_after, reference, \
     details, metadata, actor, request_id, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

macro_rules! select_page {
    ($filter:literal) => {
        select_page!("", $filter)
    };
    ($hint:literal, $filter:literal) => {
        concat!(
            "SELECT uid, type, amount, balance_after, seq, reference, details, metadata, created_at FROM transactions ",
            $hint,
            "WHERE wallet_id = $1 AND seq >= $2 AND seq < $3 ",
            $filter,
            "ORDER BY seq DESC LIMIT $4"
        )
    };
}

pub const PAGE: &str = select_page!("");

/// Debits are nearly all rows of a wallet that sends, so a page of them is found by walking its rows.
pub const PAGE_OF_DEBITS: &str = select_page!("AND type = 'SMS_DEBIT' ");

/// The words after AND let both databases see that the partial index holds every such row.
pub const PAGE_OF_TYPE_ON_POSTGRES: &str = select_page!("AND type = $5 AND type <> 'SMS_DEBIT' ");

/// SQLite prefers the primary key for the sake of its two bounds, and would walk the whole history.
pub const PAGE_OF_TYPE_ON_SQLITE: &str =
    select_page!("INDEXED BY transactions_by_type ", "AND type = $5 AND type <> 'SMS_DEBIT' ");

/// The first `seq` at or after an instant, found by halving: along a wallet, `seq` and time rise together. Between
/// `low` (too early, or 0) and `high` (late enough, or one past the newest) the middle row decides.
pub const FIRST_SEQ_SINCE: &str = "WITH RECURSIVE bounds (low, high) AS ( \
     SELECT CAST(0 AS BIGINT), CAST($2 AS BIGINT) + 1 \
     UNION ALL \
     SELECT CASE WHEN t.created_at < $3 THEN t.seq ELSE low END, CASE WHEN t.created_at < $3 THEN high ELSE t.seq END \
     FROM bounds JOIN transactions t ON t.wallet_id = $1 AND t.seq = (low + high) / 2 WHERE high - low > 1 \
     ) SELECT high FROM bounds WHERE high - low = 1";

#[derive(FromRow)]
struct Row {
    uid: TransactionSid,
    #[sqlx(rename = "type")]
    transaction_type: TransactionType,
    amount: Money,
    balance_after: Money,
    seq: i64,
    reference: Reference,
    details: Option<Json<Box<RawValue>>>,
    metadata: Option<Json<Box<RawValue>>>,
    created_at: Timestamp,
}

impl From<Row> for Transaction {
    fn from(row: Row) -> Transaction {
        let object = |stored: Option<Json<Box<RawValue>>>| JsonObject::from_text(stored.map(|json| json.0));
        Transaction {
            sid: row.uid,
            transaction_type: row.transaction_type,
            status: TransactionStatus::Completed,
            amount: row.amount,
            balance_after: row.balance_after,
            seq: row.seq,
            reference: row.reference,
            details: object(row.details),
            metadata: object(row.metadata),
            created_at: row.created_at,
        }
    }
}

pub async fn append(conn: &mut Conn<'_>, wallet_id: i64, entry: &Transaction, actor: &Actor) -> Result<()> {
    on!(conn, c => sqlx::query(INSERT)
        .bind(wallet_id)
        .bind(entry.seq)
        .bind(entry.sid)
        .bind(entry.transaction_type)
        .bind(entry.amount)
        .bind(entry.balance_after)
        .bind(entry.reference.as_str())
        .bind(entry.details.text().map(Json))
        .bind(entry.metadata.text().map(Json))
        .bind(actor.name.as_str())
        .bind(actor.request_id.as_deref())
        .bind(entry.created_at)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Which rows of a wallet to read: `first_seq` is included, `end_seq` is not.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub wallet_id: i64,
    pub first_seq: i64,
    pub end_seq: i64,
    pub transaction_type: Option<TransactionType>,
}

/// A page, newest first, with one row more than `limit` where there is one.
pub async fn page(conn: &mut Conn<'_>, span: Span, cursor: Cursor, limit: Limit) -> Result<Vec<Transaction>> {
    let end_seq = span.end_seq.min(cursor.position());
    let sql = match span.transaction_type {
        None => PAGE,
        Some(TransactionType::SmsDebit) => PAGE_OF_DEBITS,
        Some(_) => match conn {
            Conn::Sqlite(_) => PAGE_OF_TYPE_ON_SQLITE,
            Conn::Postgres(_) => PAGE_OF_TYPE_ON_POSTGRES,
        },
    };
    let bound_type = span.transaction_type.filter(|found| *found != TransactionType::SmsDebit);
    let rows = on!(conn, c => {
        let query = sqlx::query_as::<_, Row>(sql)
            .bind(span.wallet_id)
            .bind(span.first_seq)
            .bind(end_seq)
            .bind(limit.with_lookahead());
        let query = match bound_type {
            Some(transaction_type) => query.bind(transaction_type),
            None => query,
        };
        query.fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(Transaction::from).collect())
}

/// The first `seq` whose entry was made at or after `instant`; one past `last_seq` where there is none.
pub async fn first_seq_since(conn: &mut Conn<'_>, wallet_id: i64, last_seq: i64, instant: Timestamp) -> Result<i64> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, i64>(FIRST_SEQ_SINCE)
        .bind(wallet_id)
        .bind(last_seq)
        .bind(instant)
        .fetch_one(c)
        .await)?)
}
