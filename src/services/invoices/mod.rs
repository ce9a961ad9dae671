//! Shows and lists the invoices of a business.

pub mod credit_notes;
pub mod fees;
pub mod month_close;
pub mod payments;
pub mod reminders;

use std::collections::BTreeMap;

use crate::domain::access::rights::Tenant;
use crate::domain::audit::{Actor, AuditAction, AuditEntry};
use crate::domain::charges::usage::LONGEST_PERIOD_DAYS;
use crate::domain::invoices::parties::{Party, PartyRole};
use crate::domain::invoices::{self, Invoice, InvoiceHeader, InvoiceLine, InvoiceStatus, InvoiceSummary};
use crate::domain::values::currency::Currency;
use crate::domain::values::listing::{ListPage, ListRequest, ListValue};
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::domain::values::time::{DayRange, Moment};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::invoices::StoredInvoice;
use crate::storage::wallets::{Opening, StoredWallet};

/// Shows the invoice of a period; without one, of this month. A whole month that has begun is stored, as a draft until
/// it is closed; any other period is a preview, computed and not stored.
///
/// # Errors
/// [`Error::Invalid`] where the period runs backwards or over a year, and those of the database.
pub async fn show(
    billing: &Billing,
    tenant: Tenant,
    bounds: Option<(Moment, Moment)>,
    actor: &Actor,
) -> Result<Invoice> {
    let business = tenant.into_sid();
    let period = resolve(billing, bounds)?;
    if invoices::is_kept(period, billing.today()) {
        show_month(billing, business, period, actor).await
    } else {
        preview(billing, business, period).await
    }
}

fn resolve(billing: &Billing, bounds: Option<(Moment, Moment)>) -> Result<DayRange> {
    let Some((start, end)) = bounds else { return Ok(DayRange::month_of(billing.today())) };
    let period = billing.rules.calendar.range(start, end).map_err(|problem| Error::invalid("period_end", problem))?;
    if period.len_days() > LONGEST_PERIOD_DAYS {
        let problem = format!("must leave a period of at most {LONGEST_PERIOD_DAYS} days");
        return Err(Error::invalid("period_end", problem));
    }
    Ok(period)
}

async fn show_month(billing: &Billing, business: BusinessSid, month: DayRange, actor: &Actor) -> Result<Invoice> {
    let mut snapshot = billing.db.snapshot().await?;
    let mut conn = snapshot.conn();
    if let Some(wallet) = storage::wallets::find(&mut conn, &business).await?
        && let Some(invoice) = storage::invoices::find(&mut conn, wallet.id, month).await?
    {
        return with_lines(&mut conn, wallet, invoice, month).await;
    }
    drop(snapshot);
    draft(billing, &business, month, actor).await
}

/// Inserts the month's draft, and opens the wallet if this is its first use.
async fn draft(billing: &Billing, business: &BusinessSid, month: DayRange, actor: &Actor) -> Result<Invoice> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let opening = Opening { business, terms: &billing.rules.terms, wallet_id: billing.clock.new_id(), now, actor };
    let wallet = storage::wallets::lock_or_open(&mut conn, &opening).await?;
    let sid = InvoiceSid::new(billing.clock.new_id());
    if storage::invoices::insert_draft(&mut conn, sid, wallet.id, month, now).await? {
        let after =
            serde_json::json!({"business_sid": business, "period_start": month.first, "period_end": month.last});
        let entry = AuditEntry::created(AuditAction::InvoiceDrafted, sid.to_string(), after);
        storage::audit::append(&mut conn.bulk(), &entry, actor, now).await?;
    }
    let stored = storage::invoices::find(&mut conn, wallet.id, month).await?;
    let stored = stored.ok_or_else(|| Error::Corrupt(format!("the draft {sid} is gone while it is made")))?;
    let invoice = with_lines(&mut conn, wallet, stored, month).await?;
    tx.commit().await?;
    Ok(invoice)
}

/// The invoice with its lines: computed on a draft, frozen on a finalised one.
async fn with_lines(
    conn: &mut Conn<'_>,
    StoredWallet { id, wallet, .. }: StoredWallet,
    stored: StoredInvoice,
    period: DayRange,
) -> Result<Invoice> {
    let mut header = stored.header;
    let lines = if header.status == InvoiceStatus::Draft {
        // A draft is as new as the last thing that happened to the wallet.
        header.updated_at = header.updated_at.max(wallet.updated_at);
        computed_lines(conn, id, period, wallet.currency).await?
    } else {
        storage::invoices::lines(conn, stored.id).await?
    };
    Ok(Invoice::new((wallet.business_sid, wallet.currency), period, header, lines)?)
}

async fn computed_lines(
    conn: &mut Conn<'_>,
    wallet_id: i64,
    period: DayRange,
    currency: Currency,
) -> Result<Vec<InvoiceLine>> {
    let usages = storage::charges::usage::by_price(conn, wallet_id, period).await?;
    let items = storage::invoices::items(conn, wallet_id, period).await?;
    Ok(invoices::lines(usages, items, currency)?)
}

async fn preview(billing: &Billing, business: BusinessSid, period: DayRange) -> Result<Invoice> {
    let header = InvoiceHeader::preview(billing.clock.now());
    let mut snapshot = billing.db.snapshot().await?;
    let mut conn = snapshot.conn();
    let Some(StoredWallet { id, wallet, .. }) = storage::wallets::find(&mut conn, &business).await? else {
        return Ok(Invoice::new((business, billing.rules.terms.currency), period, header, Vec::new())?);
    };
    let lines = computed_lines(&mut conn, id, period, wallet.currency).await?;
    Ok(Invoice::new((business, wallet.currency), period, header, lines)?)
}

/// A page of the invoices of all businesses, without their lines.
///
/// # Errors
/// [`Error::Invalid`] where sort or cursor is invalid, and those of the database.
pub async fn list(billing: &Billing, request: &ListRequest) -> Result<ListPage<InvoiceSummary>> {
    storage::invoices::page(&mut billing.db.read().await?.conn(), request).await
}

/// A page of a business's invoices and credit notes, without their lines. A draft's total is the present sum of its
/// lines.
///
/// # Errors
/// [`Error::Invalid`] where the cursor is invalid, and those of the database.
pub async fn list_of(billing: &Billing, tenant: &Tenant, request: ListRequest) -> Result<ListPage<InvoiceSummary>> {
    let business = ListValue::Text(tenant.sid().as_str().to_owned());
    let request = request.filtered("business_sid", Some(business));
    let mut snapshot = billing.db.snapshot().await?;
    let mut conn = snapshot.conn();
    let mut page = storage::invoices::page(&mut conn, &request).await?;
    let wallet = storage::wallets::find(&mut conn, tenant.sid()).await?;
    let Some(StoredWallet { id, wallet, .. }) = wallet else { return Ok(page) };
    for draft in page.items.iter_mut().filter(|invoice| invoice.header.status == InvoiceStatus::Draft) {
        let lines = computed_lines(&mut conn, id, draft.period, wallet.currency).await?;
        draft.header.frozen_total = Some(Money::sum(lines.iter().map(|line| line.total))?);
        draft.header.updated_at = draft.header.updated_at.max(wallet.updated_at);
    }
    Ok(page)
}

/// Finds an invoice by its SID, with its lines.
///
/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn find(billing: &Billing, sid: InvoiceSid) -> Result<Invoice> {
    let mut snapshot = billing.db.snapshot().await?;
    let mut conn = snapshot.conn();
    let Some((id, summary)) = storage::invoices::find_by_sid(&mut conn, sid).await? else {
        return Err(Error::NotFound { code: "invoice_not_found", sentence: "There is no such invoice." });
    };
    found(&mut conn, sid, id, summary).await
}

async fn found(conn: &mut Conn<'_>, sid: InvoiceSid, id: i64, summary: InvoiceSummary) -> Result<Invoice> {
    let wallet = storage::wallets::find(conn, &summary.business_sid).await?;
    let wallet = wallet.ok_or_else(|| Error::Corrupt(format!("the invoice {sid} is of no wallet")))?;
    let stored = StoredInvoice { id, header: summary.header };
    with_lines(conn, wallet, stored, summary.period).await
}

/// An invoice with its seller and buyer.
#[derive(Debug)]
pub struct OwnInvoice {
    pub invoice: Invoice,
    pub buyer: Party,
    /// `None` where the seller is unknown.
    pub seller: Option<Party>,
    /// Whether the platform itself is the seller, and no reseller.
    pub is_platforms: bool,
    /// The invoice that a credit note corrects.
    pub credited: Option<InvoiceSummary>,
}

/// Finds an invoice of a business by its SID, with its lines and with seller and buyer as they were named when it was
/// finalised.
///
/// # Errors
/// [`Error::NotFound`] where the business has no such invoice, and those of the database.
pub async fn find_own(billing: &Billing, tenant: &Tenant, sid: InvoiceSid) -> Result<OwnInvoice> {
    let mut snapshot = billing.db.snapshot().await?;
    let mut conn = snapshot.conn();
    let own = storage::invoices::find_by_sid(&mut conn, sid).await?;
    let Some((id, summary)) = own.filter(|(_, summary)| summary.business_sid == *tenant.sid()) else {
        let sentence = "There is no such invoice, or it is none of this business's.";
        return Err(Error::NotFound { code: "invoice_not_found", sentence });
    };
    let credited = match summary.credited_invoice {
        Some(credited) => storage::invoices::find_by_sid(&mut conn, credited).await?.map(|(_, credited)| credited),
        None => None,
    };
    let invoice = found(&mut conn, sid, id, summary).await?;
    let business = storage::businesses::find(&mut conn, tenant.sid()).await?;
    let business = business.ok_or_else(|| Error::Corrupt(format!("the invoice {sid} is of no business")))?;
    // The issuer of a finalised invoice stays its seller; a draft would be issued by the present parent.
    let is_draft = invoice.header.status == InvoiceStatus::Draft;
    let reseller = if is_draft { &business.parent } else { &invoice.header.seller };
    let is_platforms = reseller.is_none();
    let mut frozen: BTreeMap<_, _> = storage::invoices::parties::find(&mut conn, id).await?.into_iter().collect();
    let seller = match (frozen.remove(&PartyRole::Seller), reseller) {
        (Some(seller), _) => Some(seller),
        (None, Some(reseller)) => storage::businesses::find(&mut conn, reseller).await?.as_ref().map(Party::from),
        (None, None) => billing.rules.platform.clone(),
    };
    let buyer = frozen.remove(&PartyRole::Buyer).unwrap_or_else(|| Party::from(&business));
    Ok(OwnInvoice { invoice, buyer, seller, is_platforms, credited })
}
