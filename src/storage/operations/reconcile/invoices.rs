//! Reads invoices, number counters and payments for reconcile.

use std::collections::HashMap;

use chrono::NaiveDate;
use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;

use crate::domain::operations::reconcile::invoices::{Month, StoredInvoice, StoredLine};
use crate::domain::operations::reconcile::usage::PriceKey;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::error::Result;
use crate::storage::db::{Conn, on};

/// The invoices on one page.
const PAGE_ROWS: i64 = 1_000;

const PAGE: &str = "SELECT i.id, b.sid AS business, i.wallet_id, w.currency, i.kind = 'INVOICE' AS is_invoice, i.number, \
     i.status, COALESCE(i.seller_id, 0) AS seller_id, i.period_start, i.total, i.amount_due, \
     CASE WHEN i.tax_included THEN 0 ELSE i.tax_amount END AS added_tax, \
     CAST(COALESCE((SELECT SUM(p.net + p.tax) FROM invoice_payments p WHERE p.invoice_id = i.id), 0) AS BIGINT) AS paid \
     FROM invoices i JOIN wallets w ON w.id = i.wallet_id JOIN businesses b ON b.id = w.business_id \
     WHERE i.id > $1 AND i.status <> 'DRAFT' ORDER BY i.id LIMIT $2";

const LINES: &str = "SELECT invoice_id, description, quantity, unit_price, total, cost, details FROM invoice_line_items \
     WHERE invoice_id > $1 AND invoice_id <= $2 ORDER BY invoice_id, position";

/// The usage of the months of invoices. Cancelled ones are left out: their month may have changed since.
const USAGE: &str = "SELECT i.id, u.country_code, u.operator, u.unit_price, CAST(SUM(u.segments) AS BIGINT), \
     CAST(SUM(u.cost) AS BIGINT) FROM invoices i JOIN usage_metrics u ON u.wallet_id = i.wallet_id \
     AND u.day BETWEEN i.period_start AND i.period_end \
     WHERE i.id > $1 AND i.id <= $2 AND i.kind = 'INVOICE' AND i.status NOT IN ('DRAFT', 'CANCELLED') \
     GROUP BY i.id, u.country_code, u.operator, u.unit_price HAVING SUM(u.segments) <> 0 OR SUM(u.cost) <> 0";

const ITEMS: &str = "SELECT i.id, x.description, x.amount FROM invoices i JOIN invoice_items x ON x.wallet_id = i.wallet_id \
     AND x.day BETWEEN i.period_start AND i.period_end \
     WHERE i.id > $1 AND i.id <= $2 AND i.kind = 'INVOICE' AND i.status NOT IN ('DRAFT', 'CANCELLED') \
     ORDER BY i.id, x.day, x.transaction_uid";

const COUNTERS: &str = "SELECT seller_id, series, last_number FROM invoice_series ORDER BY seller_id, series";

/// Payments by an entry that is no credit of the invoice's wallet, and all payments of drafts, which have no number.
const STRAY_PAYMENTS: &str = "SELECT b.sid, i.number, p.transaction_uid FROM invoice_payments p \
     JOIN invoices i ON i.id = p.invoice_id JOIN wallets w ON w.id = i.wallet_id JOIN businesses b ON b.id = w.business_id \
     LEFT JOIN transactions t ON t.uid = p.transaction_uid \
     WHERE i.status = 'DRAFT' OR t.uid IS NULL OR t.wallet_id <> i.wallet_id OR t.amount < 0 \
     OR t.type NOT IN ('TOPUP', 'INVOICE_PAYMENT', 'CREDIT_ADJUSTMENT', 'TRANSFER') \
     ORDER BY p.invoice_id, p.transaction_uid LIMIT 10000";

#[derive(FromRow)]
struct Row {
    id: i64,
    business: String,
    wallet_id: i64,
    currency: Currency,
    is_invoice: bool,
    number: String,
    status: String,
    seller_id: i64,
    period_start: NaiveDate,
    total: Money,
    amount_due: Money,
    added_tax: Money,
    paid: Money,
}

#[derive(FromRow)]
struct LineRow {
    invoice_id: i64,
    description: String,
    quantity: i64,
    unit_price: Money,
    total: Money,
    cost: Option<Money>,
    details: Json<Map<String, Value>>,
}

impl From<LineRow> for StoredLine {
    fn from(row: LineRow) -> StoredLine {
        let text = |name: &str| row.details.0.get(name).and_then(Value::as_str).map(str::to_owned);
        StoredLine {
            description: row.description,
            quantity: row.quantity,
            unit_price: row.unit_price,
            total: row.total,
            cost: row.cost,
            destination: text("country_code").zip(text("operator")),
        }
    }
}

/// Rows of the invoices from one id, not included, to another, included.
async fn within<T>(conn: &mut Conn<'_>, sql: &'static str, (after, until): (i64, i64)) -> Result<Vec<T>>
where
    T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    Ok(on!(conn, c => sqlx::query_as::<_, T>(sql).bind(after).bind(until).fetch_all(c).await)?)
}

/// A page of invoices that are no drafts, by row id, each with its lines and with the charges of its month; and where
/// the next page begins, if there is one.
pub async fn page(conn: &mut Conn<'_>, after: i64) -> Result<(Vec<StoredInvoice>, Option<i64>)> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(PAGE).bind(after).bind(PAGE_ROWS).fetch_all(c).await)?;
    let Some(last) = rows.last().map(|row| row.id) else { return Ok((Vec::new(), None)) };
    let span = (after, last);
    let mut lines: HashMap<i64, Vec<StoredLine>> = HashMap::new();
    for row in within::<LineRow>(conn, LINES, span).await? {
        lines.entry(row.invoice_id).or_default().push(row.into());
    }
    let mut months: HashMap<i64, Month> = HashMap::new();
    type Usage = (i64, String, String, Money, i64, Money);
    for (id, country, operator, unit_price, segments, cost) in within::<Usage>(conn, USAGE, span).await? {
        let key = PriceKey { country, operator, unit_price };
        months.entry(id).or_default().usage.insert(key, (segments, cost));
    }
    for (id, description, amount) in within::<(i64, String, Money)>(conn, ITEMS, span).await? {
        months.entry(id).or_default().items.push((description, amount));
    }
    let to_invoice = |row: Row| StoredInvoice {
        business: row.business,
        wallet_id: row.wallet_id,
        currency: row.currency,
        is_invoice: row.is_invoice,
        number: row.number,
        status: row.status,
        seller_id: row.seller_id,
        period_start: row.period_start,
        total: row.total,
        amount_due: row.amount_due,
        added_tax: row.added_tax,
        paid: row.paid,
        lines: lines.remove(&row.id).unwrap_or_default(),
        month: months.remove(&row.id).unwrap_or_default(),
    };
    Ok((rows.into_iter().map(to_invoice).collect(), Some(last)))
}

/// The last number of each seller and series.
pub async fn counters(conn: &mut Conn<'_>) -> Result<Vec<(i64, String, i64)>> {
    Ok(on!(conn, c => sqlx::query_as(COUNTERS).fetch_all(c).await)?)
}

/// Payments that cannot be: the business, the invoice (a draft has no number), and the paying transaction.
pub async fn stray_payments(conn: &mut Conn<'_>) -> Result<Vec<(String, Option<String>, TransactionSid)>> {
    Ok(on!(conn, c => sqlx::query_as(STRAY_PAYMENTS).fetch_all(c).await)?)
}
