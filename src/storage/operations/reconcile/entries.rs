//! Reads ledger entries that are wrong, and all debits of several parts.

use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;

use super::{Span, business_of, within};
use crate::domain::operations::reconcile::entries::{BadMark, Debit, Link, Previous};
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::{Conn, on};

const BROKEN_LINKS: &str = concat!(
    "SELECT ",
    business_of!("t"),
    ", t.uid, t.seq, t.amount, t.balance_after, t.created_at, t.previous_uid, p.wallet_id = t.wallet_id AS is_of_same_wallet, \
     p.seq AS previous_seq, p.balance_after AS previous_balance, p.created_at AS previous_created_at \
     FROM transactions t LEFT JOIN transactions p ON p.uid = t.previous_uid WHERE t.uid > $1 AND t.uid <= $2 AND ( \
     (t.seq = 1 AND (t.previous_uid IS NOT NULL OR t.balance_after <> t.amount)) OR (t.seq <> 1 AND (p.uid IS NULL \
     OR p.wallet_id <> t.wallet_id OR p.seq <> t.seq - 1 OR p.balance_after <> t.balance_after - t.amount \
     OR p.created_at > t.created_at))) ORDER BY t.uid"
);

const UNMARKED: &str = concat!(
    "SELECT ",
    business_of!("t"),
    ", t.seq, m.uid IS NOT NULL AS is_marked FROM transactions t \
     LEFT JOIN transaction_marks m ON m.wallet_id = t.wallet_id AND m.seq = t.seq \
     WHERE t.uid > $1 AND t.uid <= $2 AND t.seq % 64 = 0 \
     AND (m.uid IS NULL OR m.uid <> t.uid OR m.created_at <> t.created_at) ORDER BY t.uid"
);

/// Marks whose entry is gone, or has another position.
const STRAY_MARKS: &str = concat!(
    "SELECT ",
    business_of!("m"),
    ", m.seq, TRUE AS is_marked FROM transaction_marks m LEFT JOIN transactions t ON t.uid = m.uid \
     WHERE t.uid IS NULL OR t.wallet_id <> m.wallet_id OR t.seq <> m.seq ORDER BY m.wallet_id, m.seq LIMIT 10000"
);

const COUNT_MARKS: &str = "SELECT COUNT(*) FROM transaction_marks";

macro_rules! debits {
    ($condition:literal) => {
        concat!(
            "SELECT ",
            business_of!("t"),
            ", t.wallet_id, t.uid, t.amount, t.created_at, t.rate_id, t.segments, t.more_parts FROM transactions t \
             LEFT JOIN applied_rates r ON r.id = t.rate_id WHERE t.uid > $1 AND t.uid <= $2 AND t.type = 'SMS_DEBIT' AND ",
            $condition,
            " ORDER BY t.uid"
        )
    };
}

/// Debits of one part whose amount differs from their rate, or that have no rate.
const BAD_DEBITS: &str = debits!("t.more_parts IS NULL AND (r.id IS NULL OR t.amount <> -(r.unit_price * t.segments))");

const DEBITS_OF_PARTS: &str = debits!("t.more_parts IS NOT NULL");

/// Entries that reverse or share in a debit, but name none, or name something else. Refunds that do name an entry are
/// read one by one.
const STRAYS: &str = concat!(
    "SELECT ",
    business_of!("t"),
    ", t.uid, t.type FROM transactions t LEFT JOIN transactions c ON c.uid = t.charge_uid AND c.type = 'SMS_DEBIT' \
     WHERE t.uid > $1 AND t.uid <= $2 AND ((t.type = 'REFUND' AND t.charge_uid IS NULL) \
     OR (t.type <> 'REFUND' AND t.charge_uid IS NOT NULL AND c.uid IS NULL)) ORDER BY t.uid"
);

/// Lists up to this many messages that were charged twice: there are none as long as the unique index exists.
const DOUBLES: &str = "SELECT COALESCE((SELECT b.sid FROM wallets w JOIN businesses b ON b.id = w.business_id \
     WHERE w.id = t.wallet_id), 'nobody') AS business, t.message_sid, t.charges FROM ( \
     SELECT wallet_id, message_sid, COUNT(*) AS charges FROM transactions WHERE message_sid IS NOT NULL \
     GROUP BY message_sid, wallet_id HAVING COUNT(*) > 1 LIMIT 10000) t";

#[derive(FromRow)]
struct LinkRow {
    business: String,
    uid: TransactionSid,
    seq: i64,
    amount: Money,
    balance_after: Money,
    created_at: Timestamp,
    previous_uid: Option<TransactionSid>,
    is_of_same_wallet: Option<bool>,
    previous_seq: Option<i64>,
    previous_balance: Option<Money>,
    previous_created_at: Option<Timestamp>,
}

impl From<LinkRow> for Link {
    fn from(row: LinkRow) -> Link {
        let previous = match (row.previous_seq, row.previous_balance, row.previous_created_at) {
            (Some(seq), Some(balance_after), Some(created_at)) => {
                let is_of_same_wallet = row.is_of_same_wallet.unwrap_or_default();
                Some(Previous { is_of_same_wallet, seq, balance_after, created_at })
            }
            _ => None,
        };
        Link {
            business: row.business,
            sid: row.uid,
            seq: row.seq,
            amount: row.amount,
            balance_after: row.balance_after,
            created_at: row.created_at,
            previous_sid: row.previous_uid,
            previous,
        }
    }
}

/// Entries that do not follow their predecessor.
pub async fn broken_links(conn: &mut Conn<'_>, span: Span) -> Result<Vec<Link>> {
    Ok(within::<LinkRow>(conn, BROKEN_LINKS, span).await?.into_iter().map(Link::from).collect())
}

fn to_mark((business, seq, is_marked): (String, i64, bool)) -> BadMark {
    BadMark { business, seq, is_marked }
}

/// Entries that lack their mark.
pub async fn unmarked(conn: &mut Conn<'_>, span: Span) -> Result<Vec<BadMark>> {
    Ok(within(conn, UNMARKED, span).await?.into_iter().map(to_mark).collect())
}

/// The number of marks, and those without an entry.
pub async fn marks(conn: &mut Conn<'_>) -> Result<(i64, Vec<BadMark>)> {
    let count = on!(conn, c => sqlx::query_scalar::<_, i64>(COUNT_MARKS).fetch_one(c).await)?;
    let rows = on!(conn, c => sqlx::query_as::<_, (String, i64, bool)>(STRAY_MARKS).fetch_all(c).await)?;
    Ok((count, rows.into_iter().map(to_mark).collect()))
}

#[derive(FromRow)]
pub(super) struct DebitRow {
    pub(super) business: String,
    pub(super) wallet_id: i64,
    pub(super) uid: TransactionSid,
    pub(super) amount: Money,
    pub(super) created_at: Timestamp,
    pub(super) rate_id: Option<i64>,
    pub(super) segments: Option<i64>,
    pub(super) more_parts: Option<Json<Box<RawValue>>>,
}

impl From<DebitRow> for Debit {
    fn from(row: DebitRow) -> Debit {
        Debit {
            business: row.business,
            wallet_id: row.wallet_id,
            sid: row.uid,
            amount: row.amount,
            created_at: row.created_at,
            rate_id: row.rate_id.unwrap_or_default(),
            segments: row.segments.unwrap_or_default(),
            more_parts: row.more_parts.map(|parts| parts.0.get().to_owned()),
        }
    }
}

/// Debits of one part whose amount differs from their rate.
pub async fn bad_debits(conn: &mut Conn<'_>, span: Span) -> Result<Vec<Debit>> {
    Ok(within::<DebitRow>(conn, BAD_DEBITS, span).await?.into_iter().map(Debit::from).collect())
}

/// All debits of several parts: they are few.
pub async fn debits_of_parts(conn: &mut Conn<'_>, span: Span) -> Result<Vec<Debit>> {
    Ok(within::<DebitRow>(conn, DEBITS_OF_PARTS, span).await?.into_iter().map(Debit::from).collect())
}

/// An entry whose charge is missing: its business, its SID and its type.
pub type Stray = (String, TransactionSid, String);

pub async fn strays(conn: &mut Conn<'_>, span: Span) -> Result<Vec<Stray>> {
    within(conn, STRAYS, span).await
}

/// Messages charged more than once: the business, the message, and how often.
pub async fn doubles(conn: &mut Conn<'_>) -> Result<Vec<(String, String, i64)>> {
    Ok(on!(conn, c => sqlx::query_as(DOUBLES).fetch_all(c).await)?)
}
