//! Stores credit notes: rows among the invoices, each with the invoice it corrects.

use chrono::NaiveDate;
use sqlx::FromRow;

use crate::domain::invoices::InvoiceLine;
use crate::domain::invoices::credit_notes::Earlier;
use crate::domain::values::money::Money;
use crate::domain::values::sid::InvoiceSid;
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::{BulkConn, Conn, on};

/// The sums credited on an invoice: the amounts of credit notes are below 0.
pub const EARLIER: &str = "SELECT CAST(COUNT(*) AS BIGINT) AS count, CAST(COALESCE(SUM(-total), 0) AS BIGINT) AS total, \
     CAST(COALESCE(SUM(-tax_amount), 0) AS BIGINT) AS tax FROM invoices WHERE credited_invoice_id = $1";

/// Inserts a draft, because only a draft takes lines. Seller, period and tax are those of the invoice.
pub const INSERT: &str = "INSERT INTO invoices (uid, wallet_id, kind, status, period_start, period_end, created_at, \
     updated_at, seller_id, issue_date, tax_rate, tax_amount, tax_included, credited_invoice_id, reason) \
     SELECT $2, wallet_id, 'CREDIT_NOTE', 'DRAFT', period_start, period_end, $3, $3, seller_id, $4, tax_rate, $5, \
     tax_included, id, $6 FROM invoices WHERE id = $1 RETURNING id, seller_id";

pub const FINALISE: &str = "UPDATE invoices SET number = $2, status = 'PAID', total = $3, paid_date = $4 WHERE id = $1";

given! {
    /// Lines: their positions, and their details as JSON.
    pub struct GivenLines(
        invoice_id: i64,
        lines: &'v [(i64, &'v InvoiceLine, String)],
    ) for (position, line, details) in lines {
        invoice_id: BIGINT = invoice_id,
        position: BIGINT = *position,
        description: TEXT = line.description.as_str(),
        quantity: BIGINT = line.quantity,
        unit_price: BIGINT = line.unit_price.micros(),
        total: BIGINT = line.total.micros(),
        category: TEXT = line.category.as_str(),
        details: JSONB = details.as_str(),
    }
}

pub static INSERT_LINES: Bulk<GivenLines> = Bulk::new(Action::InsertInto("invoice_line_items"));

#[derive(FromRow)]
struct EarlierRow {
    count: i64,
    total: Money,
    tax: Money,
}

/// The sums of earlier credit notes on an invoice.
pub async fn earlier(conn: &mut Conn<'_>, invoice_id: i64) -> Result<Earlier> {
    let row = on!(conn, c => sqlx::query_as::<_, EarlierRow>(EARLIER).bind(invoice_id).fetch_one(c).await)?;
    Ok(Earlier { count: row.count, total: row.total, tax: row.tax })
}

/// A credit note to insert. `tax` is below 0, as its lines are.
#[derive(Clone, Debug)]
pub struct NewCreditNote<'a> {
    pub sid: InvoiceSid,
    pub invoice_id: i64,
    pub issue_date: NaiveDate,
    pub tax: Money,
    pub reason: &'a str,
}

/// A credit note without a number yet.
#[derive(Clone, Copy, Debug, FromRow)]
pub struct Unnumbered {
    pub id: i64,
    pub seller_id: Option<i64>,
}

pub async fn insert(conn: &mut Conn<'_>, new: &NewCreditNote<'_>, now: Timestamp) -> Result<Unnumbered> {
    Ok(on!(conn, c => sqlx::query_as::<_, Unnumbered>(INSERT)
        .bind(new.invoice_id)
        .bind(new.sid)
        .bind(now)
        .bind(new.issue_date)
        .bind(new.tax)
        .bind(new.reason)
        .fetch_one(c)
        .await)?)
}

/// Inserts the lines of a draft.
pub async fn insert_lines(conn: &mut BulkConn<'_>, invoice_id: i64, lines: &[InvoiceLine]) -> Result<()> {
    let details = |line: &InvoiceLine| serde_json::Value::Object(line.details.clone()).to_string();
    let lines: Vec<_> = (1..).zip(lines).map(|(position, line)| (position, line, details(line))).collect();
    INSERT_LINES.execute(conn, GivenLines::of(invoice_id, &lines)).await?;
    Ok(())
}

/// Finalises a credit note with its number; it then counts as settled.
pub async fn finalise(conn: &mut Conn<'_>, id: i64, number: &str, total: Money, day: NaiveDate) -> Result<()> {
    on!(conn, c => sqlx::query(FINALISE).bind(id).bind(number).bind(total).bind(day).execute(c).await.map(|_| ()))?;
    Ok(())
}
