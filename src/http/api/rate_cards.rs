//! Lists the rate cards in force.

use axum::extract::State;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::prices::rate_cards::{Network, RateCard, RateCardFilter};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::RateCardSid;
use crate::domain::values::text::OperatorName;
use crate::domain::values::time::CalendarDay;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::ask::extract::{Json, Query};
use crate::http::edge::who::auth::{May, ReadPrices};
use crate::http::openapi::CommonErrors;
use crate::http::state::AppState;
use crate::services;

/// The price of a segment to an operator, from a given day on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RateCard)]
pub struct RateCardBody {
    sid: RateCardSid,
    country_code: CountryCode,
    #[schema(example = "Kenya")]
    country_name: &'static str,
    /// Empty on a rate card for the whole country.
    #[schema(example = "Safaricom")]
    operator: String,
    /// The operator's networks; empty on a rate card for the whole country.
    networks: Vec<NetworkBody>,
    price_per_sms: Money,
    currency: Currency,
    /// The first day, in the billing time zone, on which the price applies.
    effective_from: NaiveDate,
    notes: String,
}

/// A mobile network, by its codes in ITU-T E.212.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Network)]
pub struct NetworkBody {
    /// Mobile country code.
    #[schema(example = "639")]
    mcc: String,
    /// Mobile network code.
    #[schema(example = "02")]
    mnc: String,
}

impl From<Network> for NetworkBody {
    fn from(network: Network) -> NetworkBody {
        NetworkBody { mcc: network.mcc, mnc: network.mnc }
    }
}

impl From<NetworkBody> for Network {
    fn from(network: NetworkBody) -> Network {
        Network { mcc: network.mcc, mnc: network.mnc }
    }
}

impl From<RateCard> for RateCardBody {
    fn from(card: RateCard) -> RateCardBody {
        RateCardBody {
            sid: card.sid,
            country_code: card.country,
            country_name: card.country.name(),
            operator: card.operator,
            networks: card.networks.into_iter().map(NetworkBody::from).collect(),
            price_per_sms: card.price_per_sms,
            currency: card.currency,
            effective_from: card.effective_from,
            notes: card.notes,
        }
    }
}

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
