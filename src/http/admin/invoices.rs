//! Lists and shows the invoices of all businesses.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::invoices::{InvoiceKind, InvoiceStatus};
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::domain::values::time::{CalendarDay, DayRange};
use crate::http::bodies::invoices::{InvoiceBody, InvoiceSummaryBody};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{self, ListQuery};
use crate::http::edge::answer::responses::{CommonErrors, Forbidden, Missing};
use crate::http::edge::ask::extract::{Json, Query, SidPath};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::state::AppState;
use crate::services;

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
