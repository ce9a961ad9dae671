//! Reads refunds with their debits, and the items that invoices list beside messages.

use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::entries::DebitRow;
use super::{PAGE_ROWS, business_of};
use crate::domain::operations::reconcile::entries::Debit;
use crate::domain::operations::reconcile::refunds::{Item, ItemEntry, Refund};
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::{Conn, on};

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

const ITEMS: &str = concat!(
    "SELECT ",
    business_of!("i"),
    ", i.transaction_uid, t.wallet_id = i.wallet_id AS is_of_same_wallet, t.type, t.amount + i.amount = 0 AS is_reversed \
     FROM invoice_items i LEFT JOIN transactions t ON t.uid = i.transaction_uid \
     WHERE i.transaction_uid > $1 ORDER BY i.transaction_uid LIMIT $2"
);

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
