//! Stores invoices, their frozen lines, and invoice items.

pub mod closed_months;
pub mod credit_notes;
pub mod month_close;
pub mod parties;
pub mod payments;
pub mod reminders;
pub mod series;

use chrono::NaiveDate;
use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;

use crate::domain::invoices::tax::Tax;
use crate::domain::invoices::{
    Dues, InvoiceHeader, InvoiceItem, InvoiceKind, InvoiceLine, InvoiceStatus, InvoiceSummary, LineCategory,
};
use crate::domain::values::currency::Currency;
use crate::domain::values::listing::{ListPage, ListRequest, ValueKind};
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::{BusinessSid, InvoiceSid, TransactionSid};
use crate::domain::values::time::{DayRange, Timestamp};
use crate::error::Result;
use crate::storage::businesses::wallet_of;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::listing::{Filter, Listing, Sort};
use crate::storage::db::rows;
use crate::storage::db::{BulkConn, Conn, on};

macro_rules! header {
    () => {
        "i.id, i.uid, i.kind, i.number, i.status, i.total, (SELECT s.sid FROM businesses s WHERE s.id = i.seller_id) AS seller, \
         i.issue_date, i.amount_due, i.tax_rate, i.tax_amount, i.tax_included, \
         (SELECT CAST(COALESCE(SUM(p.net + p.tax), 0) AS BIGINT) FROM invoice_payments p WHERE p.invoice_id = i.id) AS paid, \
         (SELECT CAST(COALESCE(SUM(p.tax), 0) AS BIGINT) FROM invoice_payments p WHERE p.invoice_id = i.id) AS paid_tax, \
         i.due_date, i.paid_date, i.created_at, i.updated_at"
    };
}

pub const FIND: &str = concat!(
    "SELECT ",
    header!(),
    " FROM invoices i WHERE i.wallet_id = $1 AND i.period_start = $2 AND i.kind = 'INVOICE' AND i.status <> 'CANCELLED'"
);

macro_rules! columns {
    () => {
        concat!(
            "b.sid AS business_sid, w.currency, i.period_start, i.period_end, ",
            header!(),
            ", (SELECT credited.uid FROM invoices credited WHERE credited.id = i.credited_invoice_id) AS credited_uid, i.reason"
        )
    };
}
pub(super) use {columns, header};

macro_rules! tables {
    () => {
        "invoices i JOIN wallets w ON w.id = i.wallet_id JOIN businesses b ON b.id = w.business_id"
    };
}
pub(super) use tables;

pub const FIND_BY_SID: &str = concat!("SELECT ", columns!(), " FROM ", tables!(), " WHERE i.uid = $1");

pub static LISTING: Listing = Listing {
    select: columns!(),
    from: tables!(),
    id: "i.id",
    search: &["b.sid", "b.name", "COALESCE(i.number, '')"],
    filters: &[
        Filter { name: "business_sid", kind: ValueKind::Text, condition: concat!("i.wallet_id = ", wallet_of!()) },
        Filter { name: "status", kind: ValueKind::Text, condition: "i.status = {}" },
        Filter { name: "kind", kind: ValueKind::Text, condition: "i.kind = {}" },
        Filter { name: "period_start", kind: ValueKind::Day, condition: "i.period_start = {}" },
    ],
    sorts: &[
        Sort { name: "period_start", column: "i.period_start", kind: ValueKind::Day, is_unique: false },
        Sort { name: "created_at", column: "i.created_at", kind: ValueKind::Integer, is_unique: false },
    ],
    default_sort: "-period_start",
};

pub const INSERT_DRAFT: &str = "INSERT INTO invoices (uid, wallet_id, kind, number, status, period_start, period_end, \
     total, due_date, paid_date, created_at, updated_at) \
     VALUES ($1, $2, 'INVOICE', NULL, 'DRAFT', $3, $4, NULL, NULL, NULL, $5, $5) \
     ON CONFLICT (wallet_id, period_start) WHERE kind = 'INVOICE' AND status <> 'CANCELLED' DO NOTHING";

/// On a finalised invoice nothing else ever changes.
pub const SET_STATUS: &str = "UPDATE invoices SET status = $2, paid_date = $3, updated_at = $4 WHERE id = $1";

pub const LINES: &str = "SELECT description, quantity, unit_price, total, category, details, cost \
     FROM invoice_line_items WHERE invoice_id = $1 ORDER BY position";

given! {
    pub struct GivenMonths(months: &'v [(i64, NaiveDate)]) for (wallet_id, first) in months {
        wallet_id: BIGINT = *wallet_id,
        period_start: DATE = *first,
    }
}

/// Months whose invoice is finalised.
pub static CLOSED: Bulk<GivenMonths> = Bulk::new(Action::With(
    "SELECT i.wallet_id, i.period_start FROM given JOIN invoices i ON i.wallet_id = given.wallet_id \
     AND i.period_start = given.period_start AND i.kind = 'INVOICE' AND i.status <> 'CANCELLED' \
     WHERE i.status <> 'DRAFT'",
));

given! {
    pub struct GivenItems(items: &'v [NewItem]) for new in items {
        transaction_uid: UUID = new.transaction.uuid(),
        wallet_id: BIGINT = new.wallet_id,
        day: DATE = new.item.day,
        category: TEXT = new.item.category.as_str(),
        description: TEXT = new.item.description.as_str(),
        amount: BIGINT = new.item.amount.micros(),
    }
}

pub static INSERT_ITEMS: Bulk<GivenItems> = Bulk::new(Action::InsertInto("invoice_items"));

pub const ITEMS: &str = "SELECT day, category, description, amount FROM invoice_items \
     WHERE wallet_id = $1 AND day BETWEEN $2 AND $3 ORDER BY day, transaction_uid";

/// An invoice and its row id.
#[derive(Clone, Debug)]
pub struct StoredInvoice {
    pub id: i64,
    pub header: InvoiceHeader,
}

#[derive(FromRow)]
struct Row {
    id: i64,
    uid: InvoiceSid,
    kind: InvoiceKind,
    number: Option<String>,
    status: InvoiceStatus,
    total: Option<Money>,
    seller: Option<BusinessSid>,
    issue_date: Option<NaiveDate>,
    amount_due: Money,
    tax_rate: BasisPoints,
    tax_amount: Money,
    tax_included: bool,
    paid: Money,
    paid_tax: Money,
    due_date: Option<NaiveDate>,
    paid_date: Option<NaiveDate>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Row> for StoredInvoice {
    fn from(row: Row) -> StoredInvoice {
        let dues = Dues {
            at_close: row.amount_due,
            tax: Tax { rate: row.tax_rate, amount: row.tax_amount, is_included: row.tax_included },
            paid: row.paid,
            paid_tax: row.paid_tax,
        };
        let header = InvoiceHeader {
            kind: row.kind,
            sid: Some(row.uid),
            number: row.number,
            status: row.status,
            frozen_total: row.total,
            seller: row.seller,
            issue_date: row.issue_date,
            dues,
            due_date: row.due_date,
            paid_date: row.paid_date,
            created_at: row.created_at,
            updated_at: row.updated_at,
        };
        StoredInvoice { id: row.id, header }
    }
}

/// In the columns of `columns!`.
#[derive(FromRow)]
pub(super) struct SummaryRow {
    business_sid: BusinessSid,
    currency: Currency,
    period_start: NaiveDate,
    period_end: NaiveDate,
    credited_uid: Option<InvoiceSid>,
    reason: Option<String>,
    #[sqlx(flatten)]
    row: Row,
}

impl SummaryRow {
    pub(super) fn split(self) -> (i64, InvoiceSummary) {
        let stored = StoredInvoice::from(self.row);
        let summary = InvoiceSummary {
            business_sid: self.business_sid,
            currency: self.currency,
            period: DayRange { first: self.period_start, last: self.period_end },
            header: stored.header,
            credited_invoice: self.credited_uid,
            reason: self.reason,
        };
        (stored.id, summary)
    }
}

#[derive(FromRow)]
struct LineRow {
    description: String,
    quantity: i64,
    unit_price: Money,
    total: Money,
    category: LineCategory,
    details: Json<Map<String, Value>>,
    cost: Option<Money>,
}

impl From<LineRow> for InvoiceLine {
    fn from(row: LineRow) -> InvoiceLine {
        InvoiceLine {
            description: row.description,
            quantity: row.quantity,
            unit_price: row.unit_price,
            total: row.total,
            category: row.category,
            details: row.details.0,
            cost: row.cost,
        }
    }
}

/// The invoice of a month that is not cancelled.
pub async fn find(conn: &mut Conn<'_>, wallet_id: i64, month: DayRange) -> Result<Option<StoredInvoice>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND)
        .bind(wallet_id)
        .bind(month.first)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(StoredInvoice::from))
}

/// A page of invoices.
pub async fn page(conn: &mut Conn<'_>, request: &ListRequest) -> Result<ListPage<InvoiceSummary>> {
    Ok(LISTING.page::<SummaryRow>(conn, request).await?.map(|row| row.split().1))
}

/// An invoice of any kind and status, with its row id.
pub async fn find_by_sid(conn: &mut Conn<'_>, sid: InvoiceSid) -> Result<Option<(i64, InvoiceSummary)>> {
    let row = on!(conn, c => sqlx::query_as::<_, SummaryRow>(FIND_BY_SID).bind(sid).fetch_optional(c).await)?;
    Ok(row.map(SummaryRow::split))
}

/// Sets an invoice's status and paid date. The caller holds the wallet's lock.
pub async fn set_status(
    conn: &mut Conn<'_>,
    id: i64,
    status: InvoiceStatus,
    paid_date: Option<NaiveDate>,
    now: Timestamp,
) -> Result<()> {
    on!(conn, c => sqlx::query(SET_STATUS)
        .bind(id)
        .bind(status)
        .bind(paid_date)
        .bind(now)
        .execute(c)
        .await
        .map(|_| ()))?;
    Ok(())
}

/// Inserts a draft; returns false, and changes nothing, where the month has an invoice.
pub async fn insert_draft(
    conn: &mut Conn<'_>,
    sid: InvoiceSid,
    wallet_id: i64,
    month: DayRange,
    now: Timestamp,
) -> Result<bool> {
    let inserted = on!(conn, c => sqlx::query(INSERT_DRAFT)
        .bind(sid)
        .bind(wallet_id)
        .bind(month.first)
        .bind(month.last)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(inserted == 1)
}

/// The frozen lines of a finalised invoice.
pub async fn lines(conn: &mut Conn<'_>, invoice_id: i64) -> Result<Vec<InvoiceLine>> {
    let rows = on!(conn, c => sqlx::query_as::<_, LineRow>(LINES).bind(invoice_id).fetch_all(c).await)?;
    Ok(rows.into_iter().map(InvoiceLine::from).collect())
}

impl rows::FromRow for (i64, NaiveDate) {
    fn from_row(mut row: rows::Row<'_>) -> Result<(i64, NaiveDate)> {
        Ok((row.take()?, row.take()?))
    }
}

/// Of these wallets' months (by their first day), those whose invoice is finalised.
pub async fn closed(conn: &mut BulkConn<'_>, months: &[(i64, NaiveDate)]) -> Result<Vec<(i64, NaiveDate)>> {
    CLOSED.fetch(conn, GivenMonths::of(months)).await
}

/// An item that an invoice lists beside messages, with its transaction and wallet.
#[derive(Clone, Debug)]
pub struct NewItem {
    pub transaction: TransactionSid,
    pub wallet_id: i64,
    pub item: InvoiceItem,
}

pub async fn insert_items(conn: &mut BulkConn<'_>, items: &[NewItem]) -> Result<()> {
    INSERT_ITEMS.execute(conn, GivenItems::of(items)).await?;
    Ok(())
}

#[derive(FromRow)]
struct ItemRow {
    day: NaiveDate,
    category: LineCategory,
    description: String,
    amount: Money,
}

/// The items to list beside the messages of these days.
pub async fn items(conn: &mut Conn<'_>, wallet_id: i64, days: DayRange) -> Result<Vec<InvoiceItem>> {
    let rows = on!(conn, c => sqlx::query_as::<_, ItemRow>(ITEMS)
        .bind(wallet_id)
        .bind(days.first)
        .bind(days.last)
        .fetch_all(c)
        .await)?;
    let to_item = |row: ItemRow| InvoiceItem {
        day: row.day,
        category: row.category,
        description: row.description,
        amount: row.amount,
    };
    Ok(rows.into_iter().map(to_item).collect())
}
