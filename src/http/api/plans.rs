//! Lists plans.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::prices::plans::{PlanType, PricingPlan, VolumeTier};
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::PlanSid;
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::ask::extract::Json;
use crate::http::edge::who::auth::{May, ReadPrices};
use crate::http::openapi::CommonErrors;
use crate::http::state::AppState;
use crate::services;

/// A pricing plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PricingPlan)]
pub struct PlanBody {
    sid: PlanSid,
    name: String,
    description: String,
    #[serde(rename = "type")]
    plan_type: PlanType,
    /// The price of a segment if neither a rate card nor a volume tier applies.
    base_price_per_sms: Money,
    /// Graduated prices by the segments of a calendar month; may be empty.
    volume_tiers: Vec<TierBody>,
    features: Vec<String>,
    /// The plan's discount on rate card prices, in percent.
    card_discount_percent: BasisPoints,
    /// The share of its price that is refunded for a failed message, in percent.
    failed_refund_percent: BasisPoints,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// A volume tier of a plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VolumeTier)]
pub struct TierBody {
    /// The first segment of the month with this price.
    #[schema(minimum = 1)]
    min_messages: i64,
    /// The last segment with this price; left out on the last tier, which has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_messages: Option<i64>,
    price_per_sms: Money,
    /// The tier's discount on rate card prices, in percent; left out if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    discount_percent: Option<BasisPoints>,
}

impl From<(i64, &VolumeTier)> for TierBody {
    fn from((min_messages, tier): (i64, &VolumeTier)) -> TierBody {
        TierBody {
            min_messages,
            max_messages: tier.up_to,
            price_per_sms: tier.price_per_sms,
            discount_percent: Some(tier.discount).filter(|discount| *discount != BasisPoints::ZERO),
        }
    }
}

impl From<PricingPlan> for PlanBody {
    fn from(plan: PricingPlan) -> PlanBody {
        PlanBody {
            sid: plan.sid,
            volume_tiers: plan.tiers.with_starts().map(TierBody::from).collect(),
            name: plan.name,
            description: plan.description,
            plan_type: plan.plan_type,
            base_price_per_sms: plan.base_price_per_sms,
            features: plan.features,
            card_discount_percent: plan.card_discount,
            failed_refund_percent: plan.failed_refund,
            created_at: plan.created_at,
            updated_at: plan.updated_at,
        }
    }
}

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
