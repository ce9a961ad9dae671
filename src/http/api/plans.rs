//! Lists plans.

use axum::extract::State;

use crate::http::bodies::plans::PlanBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::CommonErrors;
use crate::http::edge::ask::extract::Json;
use crate::http::edge::who::auth::{May, ReadPrices};
use crate::http::state::AppState;
use crate::services;

/// List pricing plans
///
/// All plans with their volume tiers; an empty list for businesses that buy from a reseller.
#[utoipa::path(
    get,
    path = "/api/billing/pricing-plans/",
    tag = "Prices",
    responses((status = 200, description = "The plans", body = Vec<PlanBody>), CommonErrors),
)]
pub async fn list_pricing_plans(
    State(state): State<AppState>,
    may: May<ReadPrices>,
) -> Result<Json<Vec<PlanBody>>, Problem> {
    let plans =
        if may.sees_platform_prices() { services::prices::plans::list(&state.billing).await? } else { Vec::new() };
    Ok(Json(plans.into_iter().map(PlanBody::from).collect()))
}
