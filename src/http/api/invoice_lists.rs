//! Lists the invoices of a business.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::invoices::{InvoiceKind, InvoiceStatus};
use crate::domain::values::listing::{ListCursor, ListRequest, ListValue};
use crate::domain::values::paging::Limit;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::{CalendarDay, DayRange};
use crate::http::bodies::invoices::InvoiceSummaryBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing;
use crate::http::edge::answer::responses::CommonErrors;
use crate::http::edge::ask::extract::{BusinessPath, Json, Query};
use crate::http::edge::who::auth::Read;
use crate::http::state::AppState;
use crate::services;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OwnInvoiceQuery {
    /// Only those with this status.
    status: Option<InvoiceStatus>,
    /// Only invoices, or only credit notes.
    kind: Option<InvoiceKind>,
    /// Only those of the month that contains this day.
    #[param(value_type = Option<NaiveDate>)]
    period_start: Option<CalendarDay>,
    /// The number of rows per page.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 50)]
    limit: Option<Limit>,
    /// Pagination cursor: take it unchanged from the `Link` header of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<ListCursor>,
}

impl OwnInvoiceQuery {
    fn request(self) -> ListRequest {
        let month = |day: CalendarDay| ListValue::Day(DayRange::month_of(day.date()).first);
        let limit = self.limit.unwrap_or_default();
        ListRequest { search: None, filters: Vec::new(), sort: None, cursor: self.cursor, limit }
            .filtered("status", self.status.map(|status| ListValue::text(status.as_str())))
            .filtered("kind", self.kind.map(|kind| ListValue::text(kind.as_str())))
            .filtered("period_start", self.period_start.map(month))
    }
}

/// List a business's invoices
///
/// Invoices and credit notes without line items, newest month first, a page at a time: the `Link` header points to the
/// next page. The total of a draft is the current sum of its lines.
#[utoipa::path(
    get,
    path = "/api/billing/invoices/{business_sid}/list/",
    tag = "Invoices",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"), OwnInvoiceQuery),
    responses(
        (status = 200, description = "A page of invoices", body = Vec<InvoiceSummaryBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
    ),
)]
pub async fn list_own_invoices(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Read>,
    Query(query): Query<OwnInvoiceQuery>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<InvoiceSummaryBody>>), Problem> {
    let page = services::invoices::list_of(&state.billing, &tenant, query.request()).await?;
    Ok(listing::answer(&uri, page))
}
