//! Shows the invoice of a period, or a preview of it.

use axum::extract::State;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::domain::invoices::tax::Tax;
use crate::domain::invoices::{Invoice, InvoiceKind, InvoiceLine, InvoiceStatus, LineCategory};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::{Moment, Timestamp};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::ask::extract::{BusinessPath, Json, Query};
use crate::http::edge::who::auth::Read;
use crate::http::openapi::CommonErrors;
use crate::http::state::AppState;
use crate::services;

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

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InvoiceQuery {
    /// The first day, or an instant. Two instants within 14 hours of a month's start and end mean that month.
    #[param(value_type = Option<String>)]
    period_start: Option<Moment>,
    /// The last day (inclusive), or an instant. At most 366 days in all.
    #[param(value_type = Option<String>)]
    period_end: Option<Moment>,
}

impl InvoiceQuery {
    fn bounds(&self) -> Result<Option<(Moment, Moment)>, Problem> {
        match (self.period_start, self.period_end) {
            (Some(start), Some(end)) => Ok(Some((start, end))),
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Problem::invalid("period_start", "is needed with period_end")),
            (Some(_), None) => Err(Problem::invalid("period_end", "is needed with period_start")),
        }
    }
}

/// Get the invoice of a period
///
/// The invoice of a calendar month, created as a draft if it does not exist yet; by default, of the current month. Any
/// other period returns a preview, which is not stored.
#[utoipa::path(
    get,
    path = "/api/billing/invoices/{business_sid}/",
    tag = "Invoices",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"), InvoiceQuery),
    responses((status = 200, description = "The invoice", body = InvoiceBody), CommonErrors),
)]
pub async fn show_invoice(
    State(state): State<AppState>,
    BusinessPath { tenant, may }: BusinessPath<Read>,
    Query(query): Query<InvoiceQuery>,
) -> Result<Json<InvoiceBody>, Problem> {
    let invoice = services::invoices::show(&state.billing, tenant, query.bounds()?, &may.actor).await?;
    Ok(Json(invoice.into()))
}
