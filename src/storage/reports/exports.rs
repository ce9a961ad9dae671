//! Reads exports page by page: a wallet's history, its charges and its usage.
//! The cost of a page does not grow with the length of the export.

use chrono::NaiveDate;
use sqlx::FromRow;

use crate::domain::charges::usage::UsageCounts;
use crate::domain::reports::exports::{ChargeLine, DebitLine, DeliveryLine, TransactionLine, UsageLine};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::{DayRange, Timestamp};
use crate::domain::wallets::transactions::TransactionType;
use crate::error::{Error, Result};
use crate::storage::db::{Conn, on};
use crate::storage::wallets::history::{Span, start_at};

/// The rows of a history on one page: sixteen marks. Larger pages are no faster.
const PAGE_ROWS: i64 = 1_024;

/// The rows of usage on one page. Nearly every export of usage is one page, and so shows one moment.
const USAGE_ROWS: i64 = 5_000;

macro_rules! columns {
    ($table:literal) => {
        concat!(
            $table,
            ".uid, ",
            $table,
            ".previous_uid, ",
            $table,
            ".seq, ",
            $table,
            ".type, ",
            $table,
            ".amount, ",
            $table,
            ".created_at, ",
            $table,
            ".message_sid, ",
            $table,
            ".segments, ",
            $table,
            ".sent_to, ",
            $table,
            ".rate_id, ",
            $table,
            ".balance_after, ",
            $table,
            ".reference, ",
            $table,
            ".encoding"
        )
    };
}

/// The rows of the wallet `$2` from the row `$1`, with `seq` `$4`, down to `seq` `$3`.
///
/// The chain is followed from that row and from every marked one below it at once, each as far as the next: so there
/// are as many steps as rows between two marks, not as many as rows. (On Postgres a step costs more than a row does.)
macro_rules! chain {
    () => {
        concat!(
            "WITH RECURSIVE chain (uid, previous_uid, seq, type, amount, created_at, message_sid, segments, sent_to, \
             rate_id, balance_after, reference, encoding) AS ( SELECT ",
            columns!("t"),
            " FROM transactions t WHERE t.uid = $1 UNION ALL SELECT ",
            columns!("t"),
            " FROM transaction_marks m JOIN transactions t ON t.uid = m.uid \
             WHERE m.wallet_id = $2 AND m.seq >= $3 AND m.seq < $4 UNION ALL SELECT ",
            columns!("t"),
            " FROM chain JOIN transactions t ON t.uid = chain.previous_uid \
             WHERE chain.seq > $3 AND chain.seq % 64 <> 1 ) "
        )
    };
}

/// The rows below `$5`, newest first.
pub const HISTORY: &str = concat!(
    chain!(),
    "SELECT c.uid, c.previous_uid, c.seq, c.type, c.amount, c.created_at, c.message_sid, c.segments, c.sent_to, \
     c.balance_after, c.reference, r.country_code, r.operator \
     FROM chain c LEFT JOIN applied_rates r ON r.id = c.rate_id WHERE c.seq < $5 ORDER BY c.seq DESC"
);

/// The same with the refunds and delivery reports of charges: refunds up to the wallet's `seq` `$6`, reports up to
/// `$7`.
pub const CHARGES: &str = concat!(
    chain!(),
    "SELECT c.uid, c.previous_uid, c.seq, c.type, c.amount, c.created_at, c.message_sid, c.segments, c.sent_to, \
     c.encoding, r.country_code, r.operator, d.status, d.error_code, d.created_at AS reported_at, \
     CAST(COALESCE((SELECT SUM(refund.amount) FROM transactions refund WHERE refund.charge_uid = c.uid \
     AND refund.type = 'REFUND' AND refund.wallet_id = $2 AND refund.seq <= $6), 0) AS BIGINT) AS refunded \
     FROM chain c LEFT JOIN applied_rates r ON r.id = c.rate_id \
     LEFT JOIN deliveries d ON d.charge_uid = c.uid AND d.created_at <= $7 WHERE c.seq < $5 ORDER BY c.seq DESC"
);

/// Usage of the wallet `$1` up to the day `$2`, after the row of the day `$3`, `$4`, `$5` and `$6`: `$7` rows at most.
pub const USAGE: &str = "SELECT u.day, u.country_code, u.operator, u.unit_price, u.messages_sent, u.messages_delivered, \
     u.messages_failed, u.segments, u.cost FROM usage_metrics u WHERE u.wallet_id = $1 AND u.day <= $2 \
     AND (u.day, u.country_code, u.operator, u.unit_price) > ($3, $4, $5, $6) \
     ORDER BY u.day, u.country_code, u.operator, u.unit_price LIMIT $7";

/// The position of a walk through a wallet's history. Rows newer than its start are not in it.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    wallet_id: i64,
    /// The newest row when the walk began.
    last_seq: i64,
    /// A row at or above the next one, where the chain is taken up.
    start: (i64, TransactionSid),
    first_seq: i64,
    end_seq: i64,
}

impl Walk {
    /// Begins a walk; `None` where there is nothing to read.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin(conn: &mut Conn<'_>, span: Span) -> Result<Option<Walk>> {
        if span.end_seq <= span.first_seq {
            return Ok(None);
        }
        let (start_seq, start) = start_at(conn, span, span.end_seq - 1).await?;
        Ok(Some(Walk {
            wallet_id: span.wallet_id,
            last_seq: span.last.0,
            start: (start_seq, TransactionSid::new(start)),
            first_seq: span.first_seq,
            end_seq: span.end_seq,
        }))
    }

    fn lowest(&self) -> i64 {
        self.first_seq.max(self.end_seq - PAGE_ROWS)
    }

    /// The walk after a page; `None` where that was the last.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where a row is missing: better no export than one with a gap that nobody sees.
    fn after<'r>(self, page: impl ExactSizeIterator<Item = &'r Link>) -> Result<Option<Walk>> {
        let mut expected = self.end_seq;
        let mut previous = None;
        for link in page {
            expected -= 1;
            if link.seq != expected {
                break;
            }
            previous = link.previous_uid;
        }
        match previous {
            _ if expected != self.lowest() => Err(self.lacks(expected)),
            _ if expected == self.first_seq => Ok(None),
            Some(sid) => Ok(Some(Walk { start: (expected - 1, sid), end_seq: expected, ..self })),
            None => Err(self.lacks(expected - 1)),
        }
    }

    fn lacks(&self, seq: i64) -> Error {
        Error::Corrupt(format!("the history of the wallet {} has a gap about its entry {seq}", self.wallet_id))
    }
}

/// The position of a row in its wallet's chain.
#[derive(FromRow)]
struct Link {
    uid: TransactionSid,
    previous_uid: Option<TransactionSid>,
    seq: i64,
    #[sqlx(rename = "type")]
    transaction_type: TransactionType,
    amount: Money,
    created_at: Timestamp,
}

/// The columns that only debits have.
#[derive(FromRow)]
struct DebitColumns {
    message_sid: Option<String>,
    segments: Option<i64>,
    sent_to: Option<String>,
    country_code: Option<String>,
    operator: Option<String>,
}

impl DebitColumns {
    fn line(self) -> Option<DebitLine> {
        Some(DebitLine {
            message_sid: self.message_sid?,
            segments: self.segments?,
            country_code: self.country_code.unwrap_or_default(),
            operator: self.operator.unwrap_or_default(),
            to: self.sent_to.unwrap_or_default(),
        })
    }
}

#[derive(FromRow)]
struct HistoryRow {
    #[sqlx(flatten)]
    link: Link,
    #[sqlx(flatten)]
    debit: DebitColumns,
    balance_after: Money,
    reference: String,
}

impl From<HistoryRow> for TransactionLine {
    fn from(row: HistoryRow) -> TransactionLine {
        let debit = row.debit.line();
        TransactionLine {
            sid: row.link.uid,
            seq: row.link.seq,
            created_at: row.link.created_at,
            transaction_type: row.link.transaction_type,
            amount: row.link.amount,
            balance_after: row.balance_after,
            // The debit of a message goes by the message's name.
            reference: debit.as_ref().map_or(row.reference, |debit| debit.message_sid.clone()),
            debit,
        }
    }
}

#[derive(FromRow)]
struct ChargeRow {
    #[sqlx(flatten)]
    link: Link,
    #[sqlx(flatten)]
    debit: DebitColumns,
    encoding: Option<String>,
    status: Option<String>,
    error_code: Option<String>,
    reported_at: Option<Timestamp>,
    refunded: Money,
}

impl ChargeRow {
    /// `None` where the row is no charge.
    fn line(self) -> Result<Option<ChargeLine>> {
        let Some(debit) = self.debit.line() else { return Ok(None) };
        let delivery = match (self.status, self.reported_at) {
            (Some(status), Some(reported_at)) => Some(DeliveryLine {
                status: status.parse().map_err(Error::Corrupt)?,
                error_code: self.error_code,
                reported_at,
            }),
            _ => None,
        };
        Ok(Some(ChargeLine {
            sid: self.link.uid,
            message_sid: debit.message_sid,
            created_at: self.link.created_at,
            to: debit.to,
            country_code: debit.country_code,
            operator: debit.operator,
            segments: debit.segments,
            encoding: self.encoding,
            amount: self.link.amount,
            delivery,
            refunded: self.refunded,
        }))
    }
}

/// A page of a wallet's history, newest first, and the walk after it.
pub async fn history(conn: &mut Conn<'_>, walk: Walk) -> Result<(Vec<TransactionLine>, Option<Walk>)> {
    let rows = on!(conn, c => sqlx::query_as::<_, HistoryRow>(HISTORY)
        .bind(walk.start.1)
        .bind(walk.wallet_id)
        .bind(walk.lowest())
        .bind(walk.start.0)
        .bind(walk.end_seq)
        .fetch_all(c)
        .await)?;
    let rest = walk.after(rows.iter().map(|row| &row.link))?;
    Ok((rows.into_iter().map(TransactionLine::from).collect(), rest))
}

/// The charges on a page of a wallet's history, newest first, and the walk after it. Delivery reports up to an instant
/// count.
pub async fn charges(
    conn: &mut Conn<'_>,
    walk: Walk,
    reported_until: Timestamp,
) -> Result<(Vec<ChargeLine>, Option<Walk>)> {
    let rows = on!(conn, c => sqlx::query_as::<_, ChargeRow>(CHARGES)
        .bind(walk.start.1)
        .bind(walk.wallet_id)
        .bind(walk.lowest())
        .bind(walk.start.0)
        .bind(walk.end_seq)
        .bind(walk.last_seq)
        .bind(reported_until)
        .fetch_all(c)
        .await)?;
    let rest = walk.after(rows.iter().map(|row| &row.link))?;
    let lines = rows.into_iter().filter_map(|row| row.line().transpose()).collect::<Result<_>>()?;
    Ok((lines, rest))
}

#[derive(FromRow)]
struct UsageRow {
    day: NaiveDate,
    country_code: CountryCode,
    operator: String,
    unit_price: Money,
    messages_sent: i64,
    messages_delivered: i64,
    messages_failed: i64,
    segments: i64,
    cost: Money,
}

impl From<UsageRow> for UsageLine {
    fn from(row: UsageRow) -> UsageLine {
        UsageLine {
            day: row.day,
            country: row.country_code,
            operator: row.operator,
            unit_price: row.unit_price,
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

/// A page of a wallet's usage, by day and destination, after a line; and whether that was the last.
pub async fn usage(
    conn: &mut Conn<'_>,
    wallet_id: i64,
    days: DayRange,
    after: Option<&UsageLine>,
) -> Result<(Vec<UsageLine>, bool)> {
    // Below every row of the first day: no name is shorter than none, and no price is below zero.
    let start = (days.first, "", "", -1);
    let (day, country, operator, price) =
        after.map_or(start, |line| (line.day, line.country.as_str(), &*line.operator, line.unit_price.micros()));
    let rows = on!(conn, c => sqlx::query_as::<_, UsageRow>(USAGE)
        .bind(wallet_id)
        .bind(days.last)
        .bind(day)
        .bind(country)
        .bind(operator)
        .bind(price)
        .bind(USAGE_ROWS)
        .fetch_all(c)
        .await)?;
    let is_last = rows.len() < usize::try_from(USAGE_ROWS).unwrap_or(usize::MAX);
    Ok((rows.into_iter().map(UsageLine::from).collect(), is_last))
}
