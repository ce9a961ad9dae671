//! Reminds of invoices that are due soon or overdue, once a day.

use crate::domain::invoices::InvoiceStatus;
use crate::domain::invoices::reminders::{DAYS_BEFORE, ReminderKind, due_reminder, reminder_alert};
use crate::domain::jobs::{JobKind, NewJob, Next};
use crate::domain::notifications::events::EventType;
use crate::domain::values::time::{day_after, days_after};
use crate::error::Result;
use crate::services::Billing;
use crate::services::posting::consequences::{self, Consequences, Context};
use crate::storage;
use crate::storage::invoices::reminders::DueInvoice;
use crate::storage::wallets::accounts::StoredAccount;

/// How many invoices one run looks at, well within its lease.
const MOST: i64 = 500;

/// The job that sends reminders; there is one in a deployment, due as soon as a worker starts.
pub fn job(billing: &Billing) -> NewJob {
    NewJob { kind: JobKind::InvoiceReminders, subject: "all".to_owned(), run_at: billing.clock.now() }
}

/// Reminds of invoices that are due soon, and marks and reports those that are overdue, each once, however often this
/// runs. Runs again the next day, or at once where there are more than one run takes.
///
/// # Errors
/// Those of the database. Reminders sent until then stay sent.
pub async fn remind(billing: &Billing) -> Result<Next> {
    let today = billing.today();
    let soon = days_after(today, DAYS_BEFORE);
    let due = {
        let mut reader = billing.db.read().await?;
        storage::invoices::reminders::due(&mut reader.conn(), today, soon, MOST).await?
    };
    for invoice in &due {
        tell(billing, invoice).await?;
    }
    let is_all = i64::try_from(due.len()).is_ok_and(|count| count < MOST);
    Ok(Next::At(if is_all { billing.rules.calendar.start_of(day_after(today)) } else { billing.clock.now() }))
}

/// Sends the reminder of one invoice, if it is still due.
async fn tell(billing: &Billing, due: &DueInvoice) -> Result<()> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let business = std::slice::from_ref(&due.business_sid);
    let stored = storage::wallets::accounts::load_and_lock(&mut conn.bulk(), business).await?.pop();
    let Some(StoredAccount { wallet_id, account }) = stored else { return Ok(()) };
    // It may have been paid or cancelled meanwhile.
    let Some((id, mut invoice)) = storage::invoices::find_by_sid(&mut conn, due.sid).await? else { return Ok(()) };
    let Some(kind) = due_reminder(&invoice, billing.rules.calendar.day_of(now)) else { return Ok(()) };
    let is_first = storage::invoices::reminders::insert(&mut conn, id, kind, now).await?;
    let mut consequences = Consequences::of(wallet_id, &account, account.watch);
    if kind == ReminderKind::Overdue {
        invoice.header.status = InvoiceStatus::Overdue;
        storage::invoices::set_status(&mut conn, id, InvoiceStatus::Overdue, None, now).await?;
        consequences.events.push(invoice.event(EventType::InvoiceOverdue, now));
    }
    if is_first {
        consequences.alerts.push(reminder_alert(&invoice, kind));
    }
    let context = Context { clock: &billing.clock, calendar: billing.rules.calendar, now };
    consequences::write(context, &mut conn.bulk(), vec![consequences]).await?;
    tx.commit().await
}
