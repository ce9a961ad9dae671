//! Reads a wallet's history along the chain of its rows.

use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::transactions::MARK_EVERY;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::paging::Limit;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::text::Reference;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::transactions::{DebitDetails, Posting, Transaction, TransactionType};
use crate::error::{Error, Result};
use crate::storage::db::{Conn, on};

macro_rules! columns {
    ($table:literal) => {
        concat!(
            $table,
            ".uid, ",
            $table,
            ".previous_uid, ",
            $table,
            ".type, ",
            $table,
            ".amount, ",
            $table,
            ".balance_after, ",
            $table,
            ".seq, ",
            $table,
            ".reference, ",
            $table,
            ".details, ",
            $table,
            ".metadata, ",
            $table,
            ".created_at, ",
            $table,
            ".message_sid, ",
            $table,
            ".segments, ",
            $table,
            ".sent_to, ",
            $table,
            ".rate_id"
        )
    };
}

pub(super) use columns;

/// From the row `$1` down the chain, `$2` rows at most and none below `seq` `$3`.
pub const CHAIN: &str = concat!(
    "WITH RECURSIVE chain (uid, previous_uid, type, amount, balance_after, seq, reference, details, metadata, created_at, \
     message_sid, segments, sent_to, rate_id, depth) AS ( \
     SELECT ",
    columns!("t"),
    ", CAST(1 AS BIGINT) FROM transactions t WHERE t.uid = $1 \
     UNION ALL \
     SELECT ",
    columns!("t"),
    ", depth + 1 FROM chain JOIN transactions t ON t.uid = chain.previous_uid \
     WHERE depth < $2 AND t.seq >= $3 \
     ) SELECT ",
    columns!("c"),
    ", r.country_code, r.operator FROM chain c \
     LEFT JOIN applied_rates r ON r.id = c.rate_id WHERE c.seq >= $3 AND c.seq < $4 ORDER BY c.seq DESC"
);

macro_rules! page_of_type {
    ($hint:literal) => {
        concat!(
            "SELECT ",
            columns!("t"),
            ", NULL AS country_code, NULL AS operator FROM transactions t ",
            $hint,
            "WHERE t.wallet_id = $1 AND t.seq >= $2 AND t.seq < $3 AND t.type = $5 \
             AND t.type NOT IN ('SMS_DEBIT', 'COMMISSION') ORDER BY t.seq DESC LIMIT $4"
        )
    };
}

/// The words after AND let both databases see that the partial index holds every such row.
pub const PAGE_OF_TYPE_ON_POSTGRES: &str = page_of_type!("");

/// SQLite is told which index it may use, lest it reads the whole table.
pub const PAGE_OF_TYPE_ON_SQLITE: &str = page_of_type!("INDEXED BY transactions_by_type ");

pub const REFUNDS_OF_CHARGE: &str = concat!(
    "SELECT ",
    columns!("t"),
    ", NULL AS country_code, NULL AS operator FROM transactions t \
     WHERE t.charge_uid = $1 AND t.type = 'REFUND' ORDER BY t.seq"
);

/// The nearest marked row at or above a `seq`.
pub const MARK_ABOVE: &str =
    "SELECT seq, uid FROM transaction_marks WHERE wallet_id = $1 AND seq >= $2 ORDER BY seq LIMIT 1";

/// The number of the first mark at or after an instant, by binary search: along a wallet, `seq` and time rise together.
/// Between `low` (too early, or 0) and `high` (late enough, or one past the last) the middle one decides.
pub const FIRST_MARK_SINCE: &str = "WITH RECURSIVE bounds (low, high) AS ( \
     SELECT CAST(0 AS BIGINT), CAST($2 AS BIGINT) + 1 \
     UNION ALL \
     SELECT CASE WHEN m.created_at < $3 THEN m.seq / 64 ELSE low END, \
            CASE WHEN m.created_at < $3 THEN high ELSE m.seq / 64 END \
     FROM bounds JOIN transaction_marks m ON m.wallet_id = $1 AND m.seq = 64 * ((low + high) / 2) WHERE high - low > 1 \
     ) SELECT high FROM bounds WHERE high - low = 1";

/// From the row `$1` down the chain: the lowest `seq` that is not before the instant `$2`, if that row is not before
/// it.
pub const FIRST_SEQ_SINCE: &str = "WITH RECURSIVE chain (previous_uid, seq, created_at) AS ( \
     SELECT t.previous_uid, t.seq, t.created_at FROM transactions t WHERE t.uid = $1 \
     UNION ALL \
     SELECT t.previous_uid, t.seq, t.created_at FROM chain JOIN transactions t ON t.uid = chain.previous_uid \
     WHERE chain.created_at >= $2 \
     ) SELECT MIN(seq) FROM chain WHERE created_at >= $2";

#[derive(FromRow)]
pub(super) struct Row {
    uid: TransactionSid,
    previous_uid: Option<TransactionSid>,
    #[sqlx(rename = "type")]
    transaction_type: TransactionType,
    amount: Money,
    balance_after: Money,
    seq: i64,
    reference: Reference,
    details: Option<Json<Box<RawValue>>>,
    metadata: Option<Json<Box<RawValue>>>,
    created_at: Timestamp,
    message_sid: Option<String>,
    segments: Option<i64>,
    sent_to: Option<String>,
    country_code: Option<String>,
    operator: Option<String>,
}

impl TryFrom<Row> for Transaction {
    type Error = Error;

    fn try_from(row: Row) -> Result<Transaction> {
        let details = match row.segments {
            Some(segments) => debit_details(&row, segments)?,
            None => JsonObject::from_text(row.details.map(|json| json.0)),
        };
        let reference = match row.message_sid {
            Some(message) => message.parse().map_err(Error::Corrupt)?,
            None => row.reference,
        };
        Ok(Transaction {
            entry: Entry {
                sid: row.uid,
                previous: row.previous_uid,
                seq: row.seq,
                amount: row.amount,
                balance_after: row.balance_after,
                created_at: row.created_at,
            },
            posting: Posting {
                transaction_type: row.transaction_type,
                reference,
                details,
                metadata: JsonObject::from_text(row.metadata.map(|json| json.0)),
            },
        })
    }
}

fn debit_details(row: &Row, segments: i64) -> Result<JsonObject> {
    let details = DebitDetails {
        messages: 1,
        segments,
        price_per_sms: Money::ZERO.checked_sub(row.amount)?.mean_over(segments),
        country_code: row.country_code.as_deref().unwrap_or_default(),
        operator: row.operator.as_deref().unwrap_or_default(),
        to: row.sent_to.as_deref().unwrap_or_default(),
    };
    Ok(details.into())
}

/// A part of a wallet's history.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub wallet_id: i64,
    /// The wallet's newest row.
    pub last: (i64, TransactionSid),
    /// Included.
    pub first_seq: i64,
    /// Not included.
    pub end_seq: i64,
}

impl Span {
    /// All of a wallet's history, or its part between two instants: from the first, included, to the second, excluded.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn between(
        conn: &mut Conn<'_>,
        wallet_id: i64,
        last: (i64, TransactionSid),
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Span> {
        let mut span = Span { wallet_id, last, first_seq: 1, end_seq: last.0 + 1 };
        if let Some(from) = from {
            span.first_seq = first_seq_since(conn, span, from).await?;
        }
        if let Some(until) = until {
            span.end_seq = first_seq_since(conn, span, until).await?;
        }
        Ok(span)
    }
}

/// A page of all types, newest first, with one row more than `limit` where there is one.
pub async fn page(conn: &mut Conn<'_>, span: Span, limit: Limit) -> Result<Vec<Transaction>> {
    if span.end_seq <= span.first_seq {
        return Ok(Vec::new());
    }
    let (start_seq, start) = start_at(conn, span, span.end_seq - 1).await?;
    let depth = limit.with_lookahead() + (start_seq + 1 - span.end_seq).max(0);
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(CHAIN)
        .bind(start)
        .bind(depth)
        .bind(span.first_seq)
        .bind(span.end_seq)
        .fetch_all(c)
        .await)?;
    rows.into_iter().map(Transaction::try_from).collect()
}

/// A page of one type that is rare in a wallet, newest first, with one row more than `limit` where there is one.
pub async fn page_of_type(
    conn: &mut Conn<'_>,
    span: Span,
    rare_type: TransactionType,
    limit: Limit,
) -> Result<Vec<Transaction>> {
    let sql = match conn {
        Conn::Sqlite(_) => PAGE_OF_TYPE_ON_SQLITE,
        Conn::Postgres(_) => PAGE_OF_TYPE_ON_POSTGRES,
    };
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(sql)
        .bind(span.wallet_id)
        .bind(span.first_seq)
        .bind(span.end_seq)
        .bind(limit.with_lookahead())
        .bind(rare_type)
        .fetch_all(c)
        .await)?;
    rows.into_iter().map(Transaction::try_from).collect()
}

/// The refunds of a charge, oldest first.
pub async fn of_charge(conn: &mut Conn<'_>, charge: TransactionSid) -> Result<Vec<Transaction>> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(REFUNDS_OF_CHARGE).bind(charge).fetch_all(c).await)?;
    rows.into_iter().map(Transaction::try_from).collect()
}

/// A row at `seq` or little above it: the next marked one, or the wallet's newest.
pub(in crate::storage) async fn start_at(conn: &mut Conn<'_>, span: Span, seq: i64) -> Result<(i64, Uuid)> {
    let newest = (span.last.0, span.last.1.uuid());
    if span.last.0 - seq < MARK_EVERY {
        return Ok(newest);
    }
    let mark = on!(conn, c => sqlx::query_as::<_, (i64, Uuid)>(MARK_ABOVE)
        .bind(span.wallet_id)
        .bind(seq)
        .fetch_optional(c)
        .await)?;
    Ok(mark.unwrap_or(newest))
}

/// The first `seq` whose row was made at or after `instant`; one past the newest where there is none.
async fn first_seq_since(conn: &mut Conn<'_>, span: Span, instant: Timestamp) -> Result<i64> {
    let last_seq = span.last.0;
    let mark = on!(conn, c => sqlx::query_scalar::<_, i64>(FIRST_MARK_SINCE)
        .bind(span.wallet_id)
        .bind(last_seq / MARK_EVERY)
        .bind(instant)
        .fetch_one(c)
        .await)?;
    let (start_seq, start) = start_at(conn, span, mark.saturating_mul(MARK_EVERY).min(last_seq)).await?;
    let found = on!(conn, c => sqlx::query_scalar::<_, Option<i64>>(FIRST_SEQ_SINCE)
        .bind(start)
        .bind(instant)
        .fetch_one(c)
        .await)?;
    Ok(found.unwrap_or(start_seq + 1))
}
