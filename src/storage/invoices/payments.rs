//! Stores which credits paid which open invoices, and how much.

use chrono::NaiveDate;
use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;

use super::{SummaryRow, columns, header, tables};
use crate::domain::invoices::InvoiceSummary;
use crate::domain::invoices::allocation::Allocation;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::transactions::TransactionType;
use crate::error::Result;
use crate::storage::db::{Conn, on};

/// The invoices of a wallet that are not wholly paid. The words after AND are those of the index.
pub const OPEN: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM ",
    tables!(),
    " WHERE i.wallet_id = $1 AND i.status IN ('SENT', 'OVERDUE') AND i.kind = 'INVOICE' ORDER BY i.period_start, i.number"
);

pub const INSERT: &str = "INSERT INTO invoice_payments (invoice_id, transaction_uid, net, tax, paid_on, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6)";

/// Credits of a wallet after an entry, and what each has paid so far.
pub const CREDITS_SINCE: &str = "SELECT t.uid, t.type, t.amount, t.details, \
     (SELECT CAST(COALESCE(SUM(p.net + p.tax), 0) AS BIGINT) FROM invoice_payments p WHERE p.transaction_uid = t.uid) AS paid \
     FROM transactions t WHERE t.wallet_id = $1 AND t.seq > $2 \
     AND t.type IN ('TOPUP', 'INVOICE_PAYMENT', 'CREDIT_ADJUSTMENT', 'TRANSFER') \
     AND t.type NOT IN ('SMS_DEBIT', 'COMMISSION') AND t.amount > 0 ORDER BY t.seq";

/// The invoices of a wallet that are not wholly paid, with their row ids.
pub async fn open(conn: &mut Conn<'_>, wallet_id: i64) -> Result<Vec<(i64, InvoiceSummary)>> {
    let rows = on!(conn, c => sqlx::query_as::<_, SummaryRow>(OPEN).bind(wallet_id).fetch_all(c).await)?;
    Ok(rows.into_iter().map(SummaryRow::split).collect())
}

/// Inserts the allocations of a credit to invoices.
pub async fn insert(
    conn: &mut Conn<'_>,
    paid: Allocation,
    by: TransactionSid,
    on: NaiveDate,
    now: Timestamp,
) -> Result<()> {
    on!(conn, c => sqlx::query(INSERT)
        .bind(paid.invoice)
        .bind(by)
        .bind(paid.net)
        .bind(paid.tax)
        .bind(on)
        .bind(now)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// A credit of a wallet, and the part of it that has paid no invoice.
#[derive(Clone, Copy, Debug)]
pub struct EarlierCredit {
    pub sid: TransactionSid,
    pub left: Money,
}

#[derive(FromRow)]
struct CreditRow {
    uid: TransactionSid,
    #[sqlx(rename = "type")]
    transaction_type: TransactionType,
    amount: Money,
    details: Option<Json<Box<RawValue>>>,
    paid: Money,
}

/// The credits of a wallet after that entry, the oldest first.
pub async fn credits_since(conn: &mut Conn<'_>, wallet_id: i64, seq: i64) -> Result<Vec<EarlierCredit>> {
    let rows = on!(conn, c => sqlx::query_as::<_, CreditRow>(CREDITS_SINCE)
        .bind(wallet_id)
        .bind(seq)
        .fetch_all(c)
        .await)?;
    let mut credits = Vec::new();
    for row in rows {
        // Of an invoice's payment the tax was set apart before it came into the ledger.
        let gross = match row.transaction_type {
            TransactionType::InvoicePayment => {
                JsonObject::from_text(row.details.map(|json| json.0)).amount("gross").unwrap_or(row.amount)
            }
            _ => row.amount,
        };
        credits.push(EarlierCredit { sid: row.uid, left: gross.checked_sub(row.paid)? });
    }
    Ok(credits)
}
