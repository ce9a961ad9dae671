//! Finds invoices to remind of, and records the reminders sent.

use chrono::NaiveDate;
use sqlx::FromRow;

use crate::domain::invoices::reminders::ReminderKind;
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::domain::values::time::Timestamp;
use crate::error::Result;
use crate::storage::db::{Conn, on};

/// Open invoices overdue at `$1`, and those due up to `$2` that have no due-soon reminder.
pub const DUE: &str = "SELECT i.uid, b.sid AS business_sid FROM invoices i \
     JOIN wallets w ON w.id = i.wallet_id JOIN businesses b ON b.id = w.business_id \
     WHERE i.status = 'SENT' AND i.due_date <= $2 AND (i.due_date < $1 OR NOT EXISTS ( \
     SELECT 1 FROM invoice_reminders told WHERE told.invoice_id = i.id AND told.kind = 'DUE_SOON')) \
     ORDER BY i.due_date, i.id LIMIT $3";

pub const INSERT: &str = "INSERT INTO invoice_reminders (invoice_id, kind, created_at) VALUES ($1, $2, $3) \
     ON CONFLICT (invoice_id, kind) DO NOTHING";

/// An invoice that may need a reminder.
#[derive(Clone, Debug, FromRow)]
pub struct DueInvoice {
    #[sqlx(rename = "uid")]
    pub sid: InvoiceSid,
    pub business_sid: BusinessSid,
}

/// Invoices that are overdue, or due soon, in the order of their days. One that was reminded of leaves this list.
pub async fn due(conn: &mut Conn<'_>, today: NaiveDate, soon: NaiveDate, most: i64) -> Result<Vec<DueInvoice>> {
    Ok(on!(conn, c => sqlx::query_as::<_, DueInvoice>(DUE)
        .bind(today)
        .bind(soon)
        .bind(most)
        .fetch_all(c)
        .await)?)
}

/// Records a reminder; returns whether it is the first of its kind.
pub async fn insert(conn: &mut Conn<'_>, invoice_id: i64, kind: ReminderKind, now: Timestamp) -> Result<bool> {
    let inserted = on!(conn, c => sqlx::query(INSERT)
        .bind(invoice_id)
        .bind(kind)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(inserted == 1)
}
