//! Lists the rate cards in force.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::prices::rate_cards::RateCardFilter;
use crate::domain::values::countries::CountryCode;
use crate::domain::values::text::OperatorName;
use crate::domain::values::time::CalendarDay;
use crate::http::bodies::rate_cards::RateCardBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::CommonErrors;
use crate::http::edge::ask::extract::{Json, Query};
use crate::http::edge::who::auth::{May, ReadPrices};
use crate::http::state::AppState;
use crate::services;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RateCardQuery {
    /// Only this country, ignoring case.
    #[param(value_type = Option<String>, example = "KE")]
    country_code: Option<CountryCode>,
    /// Only this operator, ignoring case.
    #[param(value_type = Option<String>, example = "Safaricom")]
    operator: Option<OperatorName>,
    /// The rate cards in force on this day instead of today.
    #[param(value_type = Option<NaiveDate>)]
    as_of: Option<CalendarDay>,
}

/// List rate cards
///
/// The rate cards in force, one per destination and currency; an empty list for businesses that buy from a reseller.
#[utoipa::path(
    get,
    path = "/api/billing/rate-cards/",
    tag = "Prices",
    params(RateCardQuery),
    responses((status = 200, description = "The rate cards in force", body = Vec<RateCardBody>), CommonErrors),
)]
pub async fn list_rate_cards(
    State(state): State<AppState>,
    may: May<ReadPrices>,
    Query(query): Query<RateCardQuery>,
) -> Result<Json<Vec<RateCardBody>>, Problem> {
    if !may.sees_platform_prices() {
        return Ok(Json(Vec::new()));
    }
    let filter = RateCardFilter { country: query.country_code, operator: query.operator };
    let cards = services::prices::rate_cards::list(&state.billing, &filter, query.as_of.map(CalendarDay::date)).await?;
    Ok(Json(cards.into_iter().map(RateCardBody::from).collect()))
}
