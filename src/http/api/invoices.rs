//! Shows the invoice of a period, or a preview of it.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::Moment;
use crate::http::bodies::invoices::InvoiceBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::ask::extract::{BusinessPath, Json, Query};
use crate::http::edge::who::auth::Read;
use crate::http::openapi::CommonErrors;
use crate::http::state::AppState;
use crate::services;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InvoiceQuery {
    /// The first day, or an instant: two instants within 14 hours of a month's bounds mean that month.
    #[param(value_type = Option<String>)]
    period_start: Option<Moment>,
    /// The last day, included, or an instant. At most 366 days in all.
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

/// Read an invoice
///
/// The invoice of a calendar month, made as a draft if it did not exist; without a period, of this month. Any other
/// period is a preview.
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
