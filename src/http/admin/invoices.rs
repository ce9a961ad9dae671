//! Lists and shows the invoices of all businesses.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::invoices::{InvoiceKind, InvoiceStatus, InvoiceSummary};
use crate::domain::values::currency::Currency;
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::domain::values::time::{CalendarDay, DayRange, Timestamp};
use crate::http::api::invoices::{InvoiceBody, TaxBody};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{self, ListQuery};
use crate::http::edge::ask::extract::{Json, Query, SidPath};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::openapi::{CommonErrors, Forbidden, Missing};
use crate::http::state::AppState;
use crate::services;

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

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InvoiceFilter {
    /// Only invoices of this business.
    #[param(value_type = Option<BusinessSid>)]
    business_sid: Option<BusinessSid>,
    /// Only invoices with this status.
    status: Option<InvoiceStatus>,
    /// Only invoices, or only credit notes.
    kind: Option<InvoiceKind>,
    /// Only those of the month that contains this day.
    #[param(value_type = Option<NaiveDate>)]
    period_start: Option<CalendarDay>,
}

impl InvoiceFilter {
    fn of(self, query: ListQuery) -> ListRequest {
        let month = |day: CalendarDay| ListValue::Day(DayRange::month_of(day.date()).first);
        ListRequest::from(query)
            .filtered("business_sid", self.business_sid.map(|business| ListValue::text(business.as_str())))
            .filtered("status", self.status.map(|status| ListValue::text(status.as_str())))
            .filtered("kind", self.kind.map(|kind| ListValue::text(kind.as_str())))
            .filtered("period_start", self.period_start.map(month))
    }
}

/// List all invoices
///
/// Invoices and credit notes of all businesses, without line items, a page at a time: the `Link` header points to the
/// next page. `search` matches the business's SID and name, and the invoice number. Sorted by `period_start` (newest
/// first by default) or `created_at`.
#[utoipa::path(
    get,
    path = "/api/admin/invoices/",
    tag = "Admin",
    params(ListQuery, InvoiceFilter),
    responses(
        (status = 200, description = "A page of invoices", body = Vec<InvoiceSummaryBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
        Forbidden,
    ),
)]
pub async fn list_invoices(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(list): Query<ListQuery>,
    Query(filter): Query<InvoiceFilter>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<InvoiceSummaryBody>>), Problem> {
    let page = services::invoices::list(&state.billing, &filter.of(list)).await?;
    Ok(listing::answer(&uri, page))
}

/// Get any invoice
///
/// An invoice of any business, with its line items. The lines of a draft are computed on each request; those of a
/// closed month are frozen.
#[utoipa::path(
    get,
    path = "/api/admin/invoices/{invoice_sid}/",
    tag = "Admin",
    params(("invoice_sid" = InvoiceSid, Path, description = "The invoice")),
    responses((status = 200, description = "The invoice", body = InvoiceBody), CommonErrors, Forbidden, Missing),
)]
pub async fn show_any_invoice(
    State(state): State<AppState>,
    _: May<Administer>,
    SidPath(sid): SidPath<InvoiceSid>,
) -> Result<Json<InvoiceBody>, Problem> {
    Ok(Json(services::invoices::find(&state.billing, sid).await?.into()))
}
