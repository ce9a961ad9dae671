//! Lists ledger entries of all wallets: by time, or those of one message.

use sqlx::FromRow;

use super::history::{Row, columns};
use crate::domain::prices::messages::MessageSid;
use crate::domain::values::currency::Currency;
use crate::domain::values::paging::Limit;
use crate::domain::values::sid::{BusinessSid, TransactionSid};
use crate::domain::wallets::transactions::OwnedTransaction;
use crate::error::{Error, Result};
use crate::storage::db::{Conn, on};

macro_rules! of_everybody {
    ($condition:literal, $column:literal, $limit:literal) => {
        concat!(
            "SELECT b.sid AS business_sid, w.currency, ",
            columns!("page"),
            ", r.country_code, r.operator, page.wallet_id FROM (SELECT ",
            columns!("t"),
            ", t.wallet_id FROM transactions t WHERE ",
            $condition,
            " ORDER BY t.",
            $column,
            " DESC LIMIT ",
            $limit,
            ") page JOIN wallets w ON w.id = page.wallet_id JOIN businesses b ON b.id = w.business_id \
             LEFT JOIN applied_rates r ON r.id = page.rate_id ORDER BY page.",
            $column,
            " DESC"
        )
    };
}

/// Of all wallets, from the id `$1` on and below the id `$2`: `$3` at most. The page is cut before anything is joined.
pub const PAGE_OF_ALL: &str = of_everybody!("t.uid >= $1 AND t.uid < $2", "uid", "$3");

/// The debits of the message `$1` in wallets from `$2` on and below `$3`: `$4` at most, those of the youngest wallets.
/// That is the order of the index by message, which is not that of time.
pub const PAGE_OF_MESSAGE: &str =
    of_everybody!("t.message_sid = $1 AND t.wallet_id >= $2 AND t.wallet_id < $3", "wallet_id", "$4");

#[derive(FromRow)]
struct OwnedRow {
    business_sid: BusinessSid,
    currency: Currency,
    wallet_id: i64,
    #[sqlx(flatten)]
    row: Row,
}

/// The id of a wallet, and an entry with its business.
pub type NumberedTransaction = (i64, OwnedTransaction);

impl TryFrom<OwnedRow> for NumberedTransaction {
    type Error = Error;

    fn try_from(row: OwnedRow) -> Result<NumberedTransaction> {
        let (business_sid, currency) = (row.business_sid, row.currency);
        Ok((row.wallet_id, OwnedTransaction { business_sid, currency, transaction: row.row.try_into()? }))
    }
}

/// A page of all wallets' entries, from one id, included, up to another, excluded: newest first, with one row more than
/// `limit` where there is one.
pub async fn page_of_all(
    conn: &mut Conn<'_>,
    from: TransactionSid,
    until: TransactionSid,
    limit: Limit,
) -> Result<Vec<NumberedTransaction>> {
    let rows = on!(conn, c => sqlx::query_as::<_, OwnedRow>(PAGE_OF_ALL)
        .bind(from)
        .bind(until)
        .bind(limit.with_lookahead())
        .fetch_all(c)
        .await)?;
    rows.into_iter().map(NumberedTransaction::try_from).collect()
}

/// A page of a message's debits, in the wallets whose ids lie in the range: those with the highest, and one row more
/// than `limit` where there is one.
pub async fn page_of_message(
    conn: &mut Conn<'_>,
    message: &MessageSid,
    wallet_ids: std::ops::Range<i64>,
    limit: Limit,
) -> Result<Vec<NumberedTransaction>> {
    let rows = on!(conn, c => sqlx::query_as::<_, OwnedRow>(PAGE_OF_MESSAGE)
        .bind(message.as_str())
        .bind(wallet_ids.start)
        .bind(wallet_ids.end)
        .bind(limit.with_lookahead())
        .fetch_all(c)
        .await)?;
    rows.into_iter().map(NumberedTransaction::try_from).collect()
}
