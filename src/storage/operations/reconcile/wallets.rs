//! Reads wallets, and sums up their ledger entries.

use chrono::NaiveDate;
use sqlx::FromRow;

use super::{Span, page, within};
use crate::domain::operations::reconcile::wallets::{StoredWallet, Tally};
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::Conn;

const TALLIES: &str = "SELECT wallet_id, COUNT(*), MAX(seq), CAST(SUM(seq) AS BIGINT), CAST(SUM(amount) AS BIGINT) \
     FROM transactions WHERE uid > $1 AND uid <= $2 GROUP BY wallet_id";

const WALLETS: &str = "SELECT w.id, b.sid, w.balance, w.last_seq, w.last_uid, w.updated_at, w.tier_month, w.tier_segments, \
     n.seq AS newest_seq, n.created_at AS newest_created_at, w.recharge_open, \
     (SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) FROM payments p WHERE p.wallet_id = w.id \
     AND p.purpose = 'AUTO_RECHARGE' AND p.status = 'PENDING') AS open_payments FROM wallets w JOIN businesses b ON b.id = w.business_id \
     LEFT JOIN transactions n ON n.uid = w.last_uid AND n.wallet_id = w.id WHERE w.id > $1 ORDER BY w.id LIMIT $2";

/// The sums over the entries of each wallet.
pub async fn tallies(conn: &mut Conn<'_>, span: Span) -> Result<Vec<(i64, Tally)>> {
    let rows = within::<(i64, i64, i64, i64, i64)>(conn, TALLIES, span).await?;
    let to_tally = |(wallet_id, entries, last_seq, seqs, amounts): (i64, i64, i64, i64, i64)| {
        (wallet_id, Tally { entries, last_seq, seqs: seqs.into(), amounts: amounts.into() })
    };
    Ok(rows.into_iter().map(to_tally).collect())
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
