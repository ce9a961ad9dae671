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
use crate::http::edge::ask::extract::{Json, Query, SidPath};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::openapi::{CommonErrors, Forbidden, Missing};
use crate::http::state::AppState;
use crate::services;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InvoiceFilter {
    /// Only invoices of this business.
    #[param(value_type = Option<BusinessSid>)]
    business_sid: Option<BusinessSid>,
    /// Only invoices of this status.
    status: Option<InvoiceStatus>,
    /// Only invoices, or only credit notes.
    kind: Option<InvoiceKind>,
    /// Only those of the month that this day lies in.
    #[param(value_type = Option<NaiveDate>)]
    period_start: Option<CalendarDay>,
}

impl InvoiceFilter {
    fn of(self, query: ListQuery) -> ListRequest {
        let text = |text: &str| ListValue::Text(text.to_owned());
        let month = |day: CalendarDay| ListValue::Day(DayRange::month_of(day.date()).first);
        ListRequest::from(query)
            .filtered("business_sid", self.business_sid.map(|business| text(business.as_str())))
            .filtered("status", self.status.map(|status| text(status.as_str())))
            .filtered("kind", self.kind.map(|kind| text(kind.as_str())))
            .filtered("period_start", self.period_start.map(month))
    }
}

/// List invoices
///
/// Those of all businesses without their lines, a page at a time: the `Link` header leads to the next. `search` looks into
/// the business's SID and name and the invoice's number. Sorted by `period_start`, the newest first unless asked, or by
/// `created_at`.
#[utoipa::path(
    get,
    path = "/api/admin/invoices/",
    tag = "Admin",
    params(ListQuery, InvoiceFilter),
    responses(
        (status = 200, description = "A page of invoices", body = Vec<InvoiceSummaryBody>,
         headers(("Link" = String, description = "The next page, with rel=\"next\"; missing on the last one"))),
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

/// Show an invoice
///
/// Whosever it is, with its lines: those of a draft are worked out, those of a closed month were frozen.
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
