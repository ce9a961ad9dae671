//! Cancels unpaid invoices, and writes credit notes on all others.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::access::rights::Tenant;
use crate::domain::audit::{Actor, AuditAction, AuditEntry, Author};
use crate::domain::invoices::close::{credit_note_series, numbered};
use crate::domain::invoices::credit_notes::{CreditNote, Wanted, draw_up};
use crate::domain::invoices::dues::PaidInvoice;
use crate::domain::invoices::postings::credit_note_posting;
use crate::domain::invoices::{InvoiceLine, InvoiceStatus, InvoiceSummary};
use crate::domain::notifications::events::EventType;
use crate::domain::values::idempotency::{InputHash, KeyScope, OnceAnswer};
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::domain::values::text::Reason;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::ledger::Entry;
use crate::domain::wallets::transactions::Transaction;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::services::posting::consequences::{self, Consequences, Context};
use crate::services::posting::once::{HeldWallet, Once, PlainJson};
use crate::services::posting::{self, NewPosting};
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::invoices::credit_notes::NewCreditNote;
use crate::storage::wallets::accounts::StoredAccount;

const MISSING: Error = Error::NotFound {
    code: "invoice_not_found",
    sentence: "There is no such invoice, or it is none of this business's.",
};

/// Locks the wallet of a business, and finds an invoice of it.
async fn lock_and_find(
    conn: &mut Conn<'_>,
    business: &BusinessSid,
    sid: InvoiceSid,
) -> Result<(StoredAccount, i64, InvoiceSummary)> {
    let stored =
        storage::wallets::accounts::load_and_lock(&mut conn.bulk(), std::slice::from_ref(business)).await?.pop();
    let (id, invoice) = find(conn, business, sid).await?;
    Ok((stored.ok_or(MISSING)?, id, invoice))
}

async fn find(conn: &mut Conn<'_>, business: &BusinessSid, sid: InvoiceSid) -> Result<(i64, InvoiceSummary)> {
    let found = storage::invoices::find_by_sid(conn, sid).await?;
    found.filter(|(_, invoice)| invoice.business_sid == *business).ok_or(MISSING)
}

/// Cancels an invoice that has no payments. It keeps its number, and nothing is due on it any more; the ledger does not
/// change. Cancelling it again changes nothing.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Impossible`] where it has payments or credit notes; those of the database.
pub async fn cancel(
    billing: &Billing,
    business: &Tenant,
    sid: InvoiceSid,
    reason: &Reason,
    actor: &Actor,
) -> Result<InvoiceSummary> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let (StoredAccount { wallet_id, account }, id, invoice) = lock_and_find(&mut conn, business.sid(), sid).await?;
    let earlier = storage::invoices::credit_notes::earlier(&mut conn, id).await?;
    if !invoice.is_to_cancel(earlier.count > 0)? {
        tx.roll_back().await?;
        return Ok(invoice);
    }
    let status = InvoiceStatus::Cancelled;
    storage::invoices::set_status(&mut conn, id, status, invoice.header.paid_date, now).await?;
    let (before, after) = (json!({"status": invoice.header.status}), json!({"status": status}));
    let author = Author { actor: actor.clone(), reason: Some(reason.clone()) };
    let entry = AuditEntry::changed(AuditAction::InvoiceCancelled, sid.to_string(), before, after).by(&author);
    storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    let (_, cancelled) = find(&mut conn, business.sid(), sid).await?;
    let events = vec![cancelled.event(EventType::InvoiceCancelled, now)];
    let consequences = Consequences { events, ..Consequences::of(wallet_id, &account, account.watch) };
    let context = Context { clock: &billing.clock, calendar: billing.rules.calendar, now };
    consequences::write(context, &mut conn.bulk(), vec![consequences]).await?;
    tx.commit().await?;
    Ok(cancelled)
}

/// A credit note to write.
#[derive(Clone, Debug)]
pub struct NewNote {
    pub business: Tenant,
    pub invoice: InvoiceSid,
    pub wanted: Wanted,
    pub reason: Reason,
}

impl NewNote {
    fn hash(&self) -> InputHash {
        let wanted = match &self.wanted {
            Wanted::Rest => String::new(),
            Wanted::Amount(amount) => amount.to_string(),
            Wanted::Lines(lines) => {
                let told = |line: &crate::domain::invoices::credit_notes::WantedLine| {
                    json!([line.position, line.description, line.category, line.amount.to_string(),])
                };
                serde_json::Value::Array(lines.iter().map(told).collect()).to_string()
            }
        };
        let invoice = self.invoice.to_string();
        InputHash::of(&[self.business.sid().as_str(), &invoice, &wanted, self.reason.as_str()])
    }
}

/// A credit note that was written. Serialised, it is kept for 30 days as an idempotent answer: a field added later
/// needs a default for those stored before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoteReceipt {
    pub credit_note: InvoiceSummary,
    pub lines: Vec<InvoiceLine>,
    /// The credited invoice afterwards.
    pub invoice: InvoiceSummary,
    pub entry: Entry,
    pub paid: Vec<PaidInvoice>,
}

impl NoteReceipt {
    /// The wallet's credit, as a transaction of its history.
    pub fn transaction(&self) -> Transaction {
        let reason = self.credit_note.reason.as_deref().unwrap_or_default();
        let posting = credit_note_posting(self.credit_note.number(), self.invoice.number(), reason);
        Transaction { entry: self.entry, posting }
    }
}

/// Writes a credit note on an invoice and credits its amount to the wallet, which pays that invoice first and then
/// others. With an idempotency key it happens once, however often it is requested.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Impossible`] where the invoice cannot be credited, or less of it is left;
/// [`Error::Invalid`] where an amount or a line is invalid; [`Error::IdempotencyConflict`]; those of the database.
pub async fn write(
    billing: &Billing,
    new: NewNote,
    key: Option<KeyScope>,
    actor: &Actor,
) -> Result<OnceAnswer<NoteReceipt>> {
    let now = billing.clock.now();
    let business = new.business.sid();
    let once = Once { billing, key: key.as_ref(), input: new.hash(), now };
    let work = async |conn: &mut Conn<'_>, (): ()| {
        let (id, invoice) = find(conn, business, new.invoice).await?;
        let lines = storage::invoices::lines(conn, id).await?;
        let earlier = storage::invoices::credit_notes::earlier(conn, id).await?;
        let note = draw_up(&invoice, &lines, earlier, &new.wanted)?;
        let credit_note = store(billing, conn, (id, &invoice), &note, &new.reason, now).await?;
        let after = json!({
            "business_sid": business, "invoice": invoice.number(), "credit_note": credit_note.number(),
            "total": note.total.to_string(),
        });
        let author = Author { actor: actor.clone(), reason: Some(new.reason.clone()) };
        let subject = credit_note.header.sid.map_or_else(String::new, |sid| sid.to_string());
        let entry = AuditEntry::created(AuditAction::CreditNoteWritten, subject, after).by(&author);
        storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
        let posting = credit_note_posting(credit_note.number(), invoice.number(), new.reason.as_str());
        // A credit note is finalised as it is written; `kind` tells it from an invoice.
        let events = vec![credit_note.event(EventType::InvoiceFinalised, now)];
        let posting = NewPosting { amount: note.credit, posting, actor, events };
        let posted = posting::enter_paying_first(billing, conn, business, posting, Some(id), now).await?;
        let (_, invoice) = find(conn, business, new.invoice).await?;
        Ok(NoteReceipt { credit_note, lines: note.lines, invoice, entry: posted.entry, paid: posted.paid })
    };
    once.run(HeldWallet(business), PlainJson, work).await
}

/// Stores a credit note with the next number of its seller.
async fn store(
    billing: &Billing,
    conn: &mut Conn<'_>,
    (invoice_id, invoice): (i64, &InvoiceSummary),
    note: &CreditNote,
    reason: &Reason,
    now: Timestamp,
) -> Result<InvoiceSummary> {
    let today = billing.rules.calendar.day_of(now);
    let sid = InvoiceSid::new(billing.clock.new_id());
    let tax = Money::ZERO.checked_sub(note.tax)?;
    let new = NewCreditNote { sid, invoice_id, issue_date: today, tax, reason: reason.as_str() };
    let stored = storage::invoices::credit_notes::insert(conn, &new, now).await?;
    storage::invoices::credit_notes::insert_lines(&mut conn.bulk(), stored.id, &note.lines).await?;
    let series = credit_note_series(today);
    let number = storage::invoices::series::next(conn, stored.seller_id, &series, 1).await?;
    let total = Money::ZERO.checked_sub(note.total)?;
    storage::invoices::credit_notes::finalise(conn, stored.id, &numbered(&series, number), total, today).await?;
    // It is between the same two, as they were called on the invoice.
    if !storage::invoices::parties::copy(conn, invoice_id, stored.id).await? {
        storage::invoices::parties::freeze(&mut conn.bulk(), &[stored.id], billing.rules.platform.as_ref()).await?;
    }
    Ok(find(conn, &invoice.business_sid, sid).await?.1)
}
