//! Reads ledger, usage, refunds and wallets for reconcile, in spans of bounded size.
//! Its statements are not public, because no request runs them: an operator's tool may read whole tables.
//!
//! Statements over the ledger return only rows that are wrong, or sums; rows that are right stay in the database.

use chrono::NaiveDate;
use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::charges::usage::UsageCounts;
use crate::domain::operations::reconcile::entries::{BadMark, Debit, Link, Previous};
use crate::domain::operations::reconcile::refunds::{Item, ItemEntry, Refund};
use crate::domain::operations::reconcile::usage::{DebitGroup, PriceKey, StoredRate, StoredUsage};
use crate::domain::operations::reconcile::wallets::{StoredWallet, Tally};
use crate::domain::prices::rating::AppliedRate;
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::{Conn, on};

/// The rows of the ledger, or delivery reports, in one span.
const SPAN_ROWS: i64 = 50_000;

/// The rows on one page, where rows are read one by one.
const PAGE_ROWS: i64 = 5_000;

/// A quarter of an hour in microseconds, as in the SQL below. Debits are summed up by it: the offsets of all time zones
/// are whole quarters of an hour, so a quarter lies within one day everywhere.
const QUARTER_MICROS: i64 = 900_000_000;

/// Lists up to this many messages that were charged twice: there are none as long as the unique index exists.
const DOUBLES: &str = "SELECT COALESCE((SELECT b.sid FROM wallets w JOIN businesses b ON b.id = w.business_id \
     WHERE w.id = t.wallet_id), 'nobody') AS business, t.message_sid, t.charges FROM ( \
     SELECT wallet_id, message_sid, COUNT(*) AS charges FROM transactions WHERE message_sid IS NOT NULL \
     GROUP BY message_sid, wallet_id HAVING COUNT(*) > 1 LIMIT 10000) t";

/// The business of a row, for people. Computed only for rows that a statement returns.
macro_rules! business_of {
    ($table:literal) => {
        concat!(
            "COALESCE((SELECT b.sid FROM wallets w JOIN businesses b ON b.id = w.business_id WHERE w.id = ",
            $table,
            ".wallet_id), 'nobody') AS business"
        )
    };
}

const LEDGER_END: &str = "SELECT uid FROM transactions ORDER BY uid DESC LIMIT 1";

const LEDGER_STEP: &str = "SELECT uid FROM transactions WHERE uid > $1 ORDER BY uid LIMIT 1 OFFSET $2";

const REPORTS_END: &str = "SELECT charge_uid FROM deliveries ORDER BY charge_uid DESC LIMIT 1";

const REPORTS_STEP: &str =
    "SELECT charge_uid FROM deliveries WHERE charge_uid > $1 ORDER BY charge_uid LIMIT 1 OFFSET $2";

const TALLIES: &str = "SELECT wallet_id, COUNT(*), MAX(seq), CAST(SUM(seq) AS BIGINT), CAST(SUM(amount) AS BIGINT) \
     FROM transactions WHERE uid > $1 AND uid <= $2 GROUP BY wallet_id";

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

/// Debits of one part, by wallet, rate and quarter of an hour.
const DEBIT_GROUPS: &str = "SELECT wallet_id, rate_id, created_at / 900000000, COUNT(*), CAST(SUM(segments) AS BIGINT) \
     FROM transactions WHERE uid > $1 AND uid <= $2 AND type = 'SMS_DEBIT' AND more_parts IS NULL AND rate_id IS NOT NULL \
     GROUP BY wallet_id, rate_id, created_at / 900000000";

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

const REFUNDS: &str = concat!(
    "SELECT ",
    business_of!("r"),
    ", r.wallet_id, r.uid, r.seq, r.amount, r.charge_uid, i.transaction_uid IS NOT NULL AS is_invoiced, \
     c.wallet_id AS debit_wallet_id, c.amount AS debit_amount, c.created_at AS debit_created_at, c.rate_id, c.segments, \
     c.more_parts FROM transactions r LEFT JOIN transactions c ON c.uid = r.charge_uid AND c.type = 'SMS_DEBIT' \
     LEFT JOIN invoice_items i ON i.transaction_uid = r.uid \
     WHERE r.charge_uid IS NOT NULL AND r.type = 'REFUND' AND r.charge_uid >= $1 AND (r.charge_uid > $1 OR r.seq > $2) \
     ORDER BY r.charge_uid, r.seq LIMIT $3"
);

const REPORT_GROUPS: &str = "SELECT t.wallet_id, t.rate_id, t.created_at / 900000000, COUNT(*), d.status = 'failed' \
     FROM deliveries d JOIN transactions t ON t.uid = d.charge_uid AND t.type = 'SMS_DEBIT' AND t.rate_id IS NOT NULL \
     WHERE d.charge_uid > $1 AND d.charge_uid <= $2 \
     GROUP BY t.wallet_id, t.rate_id, t.created_at / 900000000, d.status = 'failed'";

const STRAY_REPORTS: &str = "SELECT d.charge_uid FROM deliveries d \
     LEFT JOIN transactions t ON t.uid = d.charge_uid AND t.type = 'SMS_DEBIT' \
     WHERE d.charge_uid > $1 AND d.charge_uid <= $2 AND t.uid IS NULL ORDER BY d.charge_uid";

const ITEMS: &str = concat!(
    "SELECT ",
    business_of!("i"),
    ", i.transaction_uid, t.wallet_id = i.wallet_id AS is_of_same_wallet, t.type, t.amount + i.amount = 0 AS is_reversed \
     FROM invoice_items i LEFT JOIN transactions t ON t.uid = i.transaction_uid \
     WHERE i.transaction_uid > $1 ORDER BY i.transaction_uid LIMIT $2"
);

const RATES: &str = "SELECT id, country_code, operator, unit_price, explanation FROM applied_rates \
     WHERE id > $1 ORDER BY id LIMIT $2";

const USAGE: &str = concat!(
    "SELECT ",
    business_of!("u"),
    ", u.id, u.wallet_id, u.day, u.country_code, u.operator, u.unit_price, u.messages_sent, u.messages_delivered, \
     u.messages_failed, u.segments, u.cost FROM usage_metrics u WHERE u.id > $1 ORDER BY u.id LIMIT $2"
);

const WALLETS: &str = "SELECT w.id, b.sid, w.balance, w.last_seq, w.last_uid, w.updated_at, w.tier_month, w.tier_segments, \
     n.seq AS newest_seq, n.created_at AS newest_created_at, w.recharge_open, \
     (SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) FROM payments p WHERE p.wallet_id = w.id \
     AND p.purpose = 'AUTO_RECHARGE' AND p.status = 'PENDING') AS open_payments FROM wallets w JOIN businesses b ON b.id = w.business_id \
     LEFT JOIN transactions n ON n.uid = w.last_uid AND n.wallet_id = w.id WHERE w.id > $1 ORDER BY w.id LIMIT $2";

/// Raises the time limit: a transaction that reads everything takes longer than any request may.
pub async fn take_time(conn: &mut Conn<'_>) -> Result<()> {
    if let Conn::Postgres(c) = conn {
        sqlx::query("SET LOCAL statement_timeout = 0").execute(&mut **c).await?;
        sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0").execute(&mut **c).await?;
    }
    Ok(())
}

/// Rows from one id, excluded, to another, included. Ids rise with time, so a span lies close together on disk.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    after: Uuid,
    until: Uuid,
}

/// A table that is read in spans.
#[derive(Clone, Copy, Debug)]
pub enum Spanned {
    Ledger,
    Reports,
}

/// The spans of a table, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Spans {
    of: Spanned,
    after: Uuid,
    end: Uuid,
}

impl Spans {
    pub async fn of(conn: &mut Conn<'_>, of: Spanned) -> Result<Spans> {
        let sql = match of {
            Spanned::Ledger => LEDGER_END,
            Spanned::Reports => REPORTS_END,
        };
        let end = on!(conn, c => sqlx::query_scalar::<_, Uuid>(sql).fetch_optional(c).await)?;
        Ok(Spans { of, after: Uuid::nil(), end: end.unwrap_or_default() })
    }

    pub async fn next(&mut self, conn: &mut Conn<'_>) -> Result<Option<Span>> {
        if self.after >= self.end {
            return Ok(None);
        }
        let sql = match self.of {
            Spanned::Ledger => LEDGER_STEP,
            Spanned::Reports => REPORTS_STEP,
        };
        let next = on!(conn, c => sqlx::query_scalar::<_, Uuid>(sql)
            .bind(self.after)
            .bind(SPAN_ROWS - 1)
            .fetch_optional(c)
            .await)?;
        let span = Span { after: self.after, until: next.unwrap_or(self.end) };
        self.after = span.until;
        Ok(Some(span))
    }
}

/// Runs a statement over one span.
async fn within<T>(conn: &mut Conn<'_>, sql: &'static str, span: Span) -> Result<Vec<T>>
where
    T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    Ok(on!(conn, c => sqlx::query_as::<_, T>(sql).bind(span.after).bind(span.until).fetch_all(c).await)?)
}

/// Runs a statement that pages by row id.
async fn page<T>(conn: &mut Conn<'_>, sql: &'static str, after: i64) -> Result<Vec<T>>
where
    T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    Ok(on!(conn, c => sqlx::query_as::<_, T>(sql).bind(after).bind(PAGE_ROWS).fetch_all(c).await)?)
}

/// The sums over the entries of each wallet.
pub async fn tallies(conn: &mut Conn<'_>, span: Span) -> Result<Vec<(i64, Tally)>> {
    let rows = within::<(i64, i64, i64, i64, i64)>(conn, TALLIES, span).await?;
    let to_tally = |(wallet_id, entries, last_seq, seqs, amounts): (i64, i64, i64, i64, i64)| {
        (wallet_id, Tally { entries, last_seq, seqs: seqs.into(), amounts: amounts.into() })
    };
    Ok(rows.into_iter().map(to_tally).collect())
}

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

fn to_group((wallet_id, rate_id, quarter, messages, segments): (i64, i64, i64, i64, i64)) -> DebitGroup {
    let at = Timestamp::from_micros(quarter.saturating_mul(QUARTER_MICROS));
    DebitGroup { wallet_id, rate_id, at, messages, segments }
}

pub async fn debit_groups(conn: &mut Conn<'_>, span: Span) -> Result<Vec<DebitGroup>> {
    Ok(within(conn, DEBIT_GROUPS, span).await?.into_iter().map(to_group).collect())
}

#[derive(FromRow)]
struct DebitRow {
    business: String,
    wallet_id: i64,
    uid: TransactionSid,
    amount: Money,
    created_at: Timestamp,
    rate_id: Option<i64>,
    segments: Option<i64>,
    more_parts: Option<Json<Box<RawValue>>>,
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

#[derive(FromRow)]
struct RefundRow {
    business: String,
    wallet_id: i64,
    uid: TransactionSid,
    seq: i64,
    amount: Money,
    charge_uid: TransactionSid,
    is_invoiced: bool,
    debit_wallet_id: Option<i64>,
    debit_amount: Option<Money>,
    debit_created_at: Option<Timestamp>,
    rate_id: Option<i64>,
    segments: Option<i64>,
    more_parts: Option<Json<Box<RawValue>>>,
}

impl From<RefundRow> for Refund {
    fn from(row: RefundRow) -> Refund {
        let debit = match (row.debit_wallet_id, row.debit_amount, row.debit_created_at) {
            (Some(wallet_id), Some(amount), Some(created_at)) => Some(DebitRow {
                business: row.business.clone(),
                wallet_id,
                uid: row.charge_uid,
                amount,
                created_at,
                rate_id: row.rate_id,
                segments: row.segments,
                more_parts: row.more_parts,
            }),
            _ => None,
        };
        Refund {
            business: row.business,
            wallet_id: row.wallet_id,
            sid: row.uid,
            amount: row.amount,
            is_invoiced: row.is_invoiced,
            charge_sid: row.charge_uid,
            debit: debit.map(Debit::from),
        }
    }
}

/// The end of a page of refunds: the charge, and the refund's `seq`.
pub type RefundPlace = (Uuid, i64);

/// A page of refunds by charge, those of one in the order they were made; and where the next page begins, if there is
/// one.
pub async fn refunds(conn: &mut Conn<'_>, after: RefundPlace) -> Result<(Vec<Refund>, Option<RefundPlace>)> {
    let rows = on!(conn, c => sqlx::query_as::<_, RefundRow>(REFUNDS)
        .bind(after.0)
        .bind(after.1)
        .bind(PAGE_ROWS)
        .fetch_all(c)
        .await)?;
    let last = rows.last().map(|row| (row.charge_uid.uuid(), row.seq));
    Ok((rows.into_iter().map(Refund::from).collect(), last))
}

/// Delivery reports by the debits they belong to, and whether they report a failure.
pub async fn report_groups(conn: &mut Conn<'_>, span: Span) -> Result<Vec<(DebitGroup, bool)>> {
    let rows = within::<(i64, i64, i64, i64, bool)>(conn, REPORT_GROUPS, span).await?;
    let to_group = |(wallet_id, rate_id, quarter, messages, has_failed): (i64, i64, i64, i64, bool)| {
        (to_group((wallet_id, rate_id, quarter, messages, 0)), has_failed)
    };
    Ok(rows.into_iter().map(to_group).collect())
}

/// Delivery reports without a debit.
pub async fn stray_reports(conn: &mut Conn<'_>, span: Span) -> Result<Vec<TransactionSid>> {
    Ok(within::<(TransactionSid,)>(conn, STRAY_REPORTS, span).await?.into_iter().map(|(sid,)| sid).collect())
}

#[derive(FromRow)]
struct ItemRow {
    business: String,
    transaction_uid: TransactionSid,
    is_of_same_wallet: Option<bool>,
    #[sqlx(rename = "type")]
    kind: Option<String>,
    is_reversed: Option<bool>,
}

impl From<ItemRow> for Item {
    fn from(row: ItemRow) -> Item {
        let entry = row.kind.map(|kind| ItemEntry {
            is_of_same_wallet: row.is_of_same_wallet.unwrap_or_default(),
            kind,
            is_reversed: row.is_reversed.unwrap_or_default(),
        });
        Item { business: row.business, sid: row.transaction_uid, entry }
    }
}

/// A page of the items that invoices list beside messages.
pub async fn items(conn: &mut Conn<'_>, after: Uuid) -> Result<Vec<Item>> {
    let rows = on!(conn, c => sqlx::query_as::<_, ItemRow>(ITEMS).bind(after).bind(PAGE_ROWS).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Item::from).collect())
}

/// A page of rates by row id.
pub async fn rates(conn: &mut Conn<'_>, after: i64) -> Result<Vec<StoredRate>> {
    type Row = (i64, String, String, Money, Json<Box<RawValue>>);
    let to_rate = |(id, country, operator, unit_price, explanation): Row| StoredRate {
        id,
        price: PriceKey { country, operator, unit_price },
        explanation: serde_json::from_str::<AppliedRate>(explanation.0.get()).ok(),
    };
    Ok(page::<Row>(conn, RATES, after).await?.into_iter().map(to_rate).collect())
}

#[derive(FromRow)]
struct UsageRow {
    business: String,
    id: i64,
    wallet_id: i64,
    day: NaiveDate,
    country_code: String,
    operator: String,
    unit_price: Money,
    messages_sent: i64,
    messages_delivered: i64,
    messages_failed: i64,
    segments: i64,
    cost: Money,
}

impl From<UsageRow> for StoredUsage {
    fn from(row: UsageRow) -> StoredUsage {
        StoredUsage {
            business: row.business,
            wallet_id: row.wallet_id,
            day: row.day,
            price: PriceKey { country: row.country_code, operator: row.operator, unit_price: row.unit_price },
            counts: UsageCounts {
                messages_sent: row.messages_sent,
                messages_delivered: row.messages_delivered,
                messages_failed: row.messages_failed,
                segments: row.segments,
                cost: row.cost,
            },
        }
    }
}

/// A page of rollup rows by row id; and where the next page begins, if there is one.
pub async fn usage(conn: &mut Conn<'_>, after: i64) -> Result<(Vec<StoredUsage>, Option<i64>)> {
    let rows = page::<UsageRow>(conn, USAGE, after).await?;
    let last = rows.last().map(|row| row.id);
    Ok((rows.into_iter().map(StoredUsage::from).collect(), last))
}

#[derive(FromRow)]
struct WalletRow {
    id: i64,
    sid: String,
    balance: Money,
    last_seq: i64,
    last_uid: Option<TransactionSid>,
    updated_at: Timestamp,
    tier_month: Option<NaiveDate>,
    tier_segments: i64,
    newest_seq: Option<i64>,
    newest_created_at: Option<Timestamp>,
    recharge_open: Money,
    open_payments: Money,
}

impl From<WalletRow> for StoredWallet {
    fn from(row: WalletRow) -> StoredWallet {
        StoredWallet {
            id: row.id,
            business: row.sid,
            balance: row.balance,
            last_seq: row.last_seq,
            last_sid: row.last_uid,
            updated_at: row.updated_at,
            tier_month: row.tier_month,
            tier_segments: row.tier_segments,
            newest: row.newest_seq.zip(row.newest_created_at),
            recharge: (row.recharge_open, row.open_payments),
        }
    }
}

/// A page of wallets by row id.
pub async fn wallets(conn: &mut Conn<'_>, after: i64) -> Result<Vec<StoredWallet>> {
    Ok(page::<WalletRow>(conn, WALLETS, after).await?.into_iter().map(StoredWallet::from).collect())
}
