//! Shows the invoice of a period, or a preview of it.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::Moment;
use crate::http::bodies::invoices::InvoiceBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::CommonErrors;
use crate::http::edge::ask::extract::{BusinessPath, Json, Query};
use crate::http::edge::who::auth::Read;
use crate::http::state::AppState;
use crate::services;

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
