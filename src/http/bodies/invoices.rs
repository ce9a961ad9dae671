//! Shapes invoices, with their lines and without.

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::invoices::tax::Tax;
use crate::domain::invoices::{Invoice, InvoiceKind, InvoiceLine, InvoiceStatus, InvoiceSummary, LineCategory};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::domain::values::time::Timestamp;

/// An invoice or credit note with its line items, or a preview.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invoice)]
pub struct InvoiceBody {
    /// `inv_preview` if the period is not a calendar month that has begun: a preview is computed and not stored.
    #[schema(example = "inv_019abc3456787def8123456789abcdef")]
    sid: String,
    business_sid: BusinessSid,
    kind: InvoiceKind,
    /// `DRAFT` until the month is closed.
    #[schema(example = "DRAFT")]
    invoice_number: String,
    /// The reseller that issues it; left out if the platform does, and on a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BusinessSid>)]
    seller: Option<BusinessSid>,
    period_start: NaiveDate,
    /// The last day, inclusive.
    period_end: NaiveDate,
    /// The sum of the lines.
    total_amount: Money,
    /// The amount due when the month was closed, including tax; left out on a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_due: Option<Money>,
    /// The amount paid since then; left out on a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_paid: Option<Money>,
    /// Left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    tax: Option<TaxBody>,
    currency: Currency,
    status: InvoiceStatus,
    line_items: Vec<LineBody>,
    /// Left out on a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    issue_date: Option<NaiveDate>,
    /// null if there is none.
    #[schema(required)]
    due_date: Option<NaiveDate>,
    /// null if there is none.
    #[schema(required)]
    paid_date: Option<NaiveDate>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// The tax of an invoice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceTax)]
pub struct TaxBody {
    #[schema(value_type = f64, example = 16)]
    rate_percent: BasisPoints,
    amount: Money,
    /// Whether the total includes the tax; otherwise it is added on top.
    included: bool,
}

impl TaxBody {
    /// `None` where there is no tax.
    pub fn of(tax: Tax) -> Option<TaxBody> {
        let Tax { rate, amount, is_included } = tax;
        tax.is_any().then_some(TaxBody { rate_percent: rate, amount, included: is_included })
    }
}

/// A line for the messages to one operator in one country at one unit price, or for one fee.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceLineItem)]
pub struct LineBody {
    #[schema(example = "SMS to Kenya, Safaricom")]
    description: String,
    /// The number of segments, on a line for messages.
    quantity: i64,
    unit_price: Money,
    /// Rounded half up to the currency's own decimals.
    total: Money,
    category: LineCategory,
    #[schema(value_type = Object)]
    details: Map<String, Value>,
}

impl From<InvoiceLine> for LineBody {
    fn from(line: InvoiceLine) -> LineBody {
        LineBody {
            description: line.description,
            quantity: line.quantity,
            unit_price: line.unit_price,
            total: line.total,
            category: line.category,
            details: line.details,
        }
    }
}

impl From<Invoice> for InvoiceBody {
    fn from(invoice: Invoice) -> InvoiceBody {
        let header = invoice.header;
        let is_finalised = header.status != InvoiceStatus::Draft;
        InvoiceBody {
            sid: header.sid.map_or_else(|| "inv_preview".to_owned(), |sid| sid.to_string()),
            business_sid: invoice.business_sid,
            kind: header.kind,
            seller: header.seller,
            amount_due: is_finalised.then_some(header.dues.at_close),
            amount_paid: is_finalised.then_some(header.dues.paid),
            tax: TaxBody::of(header.dues.tax),
            issue_date: header.issue_date,
            invoice_number: header.number.unwrap_or_else(|| "DRAFT".to_owned()),
            period_start: invoice.period.first,
            period_end: invoice.period.last,
            total_amount: invoice.total,
            currency: invoice.currency,
            status: header.status,
            line_items: invoice.lines.into_iter().map(LineBody::from).collect(),
            due_date: header.due_date,
            paid_date: header.paid_date,
            created_at: header.created_at,
            updated_at: header.updated_at,
        }
    }
}

/// An invoice or credit note without its line items.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceSummary)]
pub struct InvoiceSummaryBody {
    #[schema(value_type = Option<InvoiceSid>)]
    sid: Option<InvoiceSid>,
    business_sid: BusinessSid,
    kind: InvoiceKind,
    /// `DRAFT` until the month is closed.
    #[schema(example = "DRAFT")]
    invoice_number: String,
    period_start: NaiveDate,
    /// The last day, inclusive.
    period_end: NaiveDate,
    /// The reseller that issues it; left out if the platform does, and on a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BusinessSid>)]
    seller: Option<BusinessSid>,
    /// The sum of the lines. The list of all invoices leaves it out on a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_amount: Option<Money>,
    /// The amount due when the month was closed, including tax; left out on a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_due: Option<Money>,
    /// The amount paid since then; left out on a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_paid: Option<Money>,
    /// The amount still to be paid; left out on a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_outstanding: Option<Money>,
    /// Left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    tax: Option<TaxBody>,
    currency: Currency,
    status: InvoiceStatus,
    /// Left out on a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    issue_date: Option<NaiveDate>,
    /// null if there is none.
    #[schema(required)]
    due_date: Option<NaiveDate>,
    /// null if there is none.
    #[schema(required)]
    paid_date: Option<NaiveDate>,
    /// On a credit note only: the invoice that it credits.
    #[serde(skip_serializing_if = "Option::is_none")]
    credited_invoice_sid: Option<InvoiceSid>,
    /// On a credit note only: why it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<InvoiceSummary> for InvoiceSummaryBody {
    fn from(summary: InvoiceSummary) -> InvoiceSummaryBody {
        let header = summary.header;
        let is_finalised = header.status != InvoiceStatus::Draft;
        InvoiceSummaryBody {
            amount_outstanding: is_finalised.then(|| header.still_due()),
            credited_invoice_sid: summary.credited_invoice,
            reason: summary.reason,
            sid: header.sid,
            business_sid: summary.business_sid,
            kind: header.kind,
            seller: header.seller,
            amount_due: is_finalised.then_some(header.dues.at_close),
            amount_paid: is_finalised.then_some(header.dues.paid),
            tax: TaxBody::of(header.dues.tax),
            issue_date: header.issue_date,
            invoice_number: header.number.unwrap_or_else(|| "DRAFT".to_owned()),
            period_start: summary.period.first,
            period_end: summary.period.last,
            total_amount: header.frozen_total,
            currency: summary.currency,
            status: header.status,
            due_date: header.due_date,
            paid_date: header.paid_date,
            created_at: header.created_at,
            updated_at: header.updated_at,
        }
    }
}
