//! Lists, shows, creates, changes and deletes plans.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::changes::ReasonQuery;
use crate::domain::prices::plan_terms::{PlanChanges, PlanTerms, TierTerms};
use crate::domain::prices::plans::{PlanType, PricingPlan};
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::PlanSid;
use crate::http::api::plans::PlanBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{self, ListQuery};
use crate::http::edge::ask::etag::{IfMatch, etag};
use crate::http::edge::ask::extract::{Json, Query, SidPath, optional_whole_number, present, whole_number};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::openapi::{BodyErrors, CommonErrors, Conflicts, Forbidden, Missing, Preconditions};
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;

/// All of a plan that people decide.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = PlanTerms, example = json!({
    "name": "Growth", "description": "For shops that send every week", "type": "PREPAID", "base_price_per_sms": 0.048,
    "volume_tiers": [
        {"min_messages": 1, "max_messages": 5000, "price_per_sms": 0.048},
        {"min_messages": 5001, "price_per_sms": 0.042, "discount_percent": 12.5}
    ],
    "features": ["Delivery reports"], "card_discount_percent": 5, "failed_refund_percent": 100
}))]
pub struct PlanTermsBody {
    /// Unique: at most 64 characters.
    name: String,
    /// At most 1,000 characters.
    #[serde(default)]
    description: String,
    #[serde(rename = "type")]
    plan_type: PlanType,
    /// What a segment costs where no rate card names its operator and no tier its volume: 0 to 1,000,000.
    #[schema(value_type = DecimalInput)]
    base_price_per_sms: Money,
    /// Graduated prices by the segments of a calendar month, without a gap, the last without an end; may be empty.
    #[serde(default)]
    volume_tiers: Vec<TierTermsBody>,
    /// At most 100, of at most 255 characters each.
    #[serde(default)]
    features: Vec<String>,
    /// What the plan takes off a rate card's price: 0 (unless given) to 100, with at most two decimals.
    #[serde(default)]
    #[schema(value_type = DecimalInput)]
    card_discount_percent: BasisPoints,
    /// How much of its price a failed message gets back: 0 to 100 (unless given), with at most two decimals.
    #[serde(default = "whole")]
    #[schema(value_type = DecimalInput)]
    failed_refund_percent: BasisPoints,
}

fn whole() -> BasisPoints {
    BasisPoints::WHOLE
}

/// One step of a plan's graduated prices.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = TierTerms)]
pub struct TierTermsBody {
    /// The first segment of the month that pays this price: 1, or one more than the end of the tier before.
    #[serde(deserialize_with = "whole_number")]
    #[schema(minimum = 1)]
    min_messages: i64,
    /// The last one; left out on the last tier, which has no end.
    #[serde(default, deserialize_with = "optional_whole_number", skip_serializing_if = "Option::is_none")]
    max_messages: Option<i64>,
    #[schema(value_type = DecimalInput)]
    price_per_sms: Money,
    /// What the tier takes off a rate card's price: 0 (unless given) to 100, with at most two decimals.
    #[serde(default)]
    #[schema(value_type = DecimalInput)]
    discount_percent: BasisPoints,
}

impl From<TierTermsBody> for TierTerms {
    fn from(tier: TierTermsBody) -> TierTerms {
        TierTerms {
            min_messages: tier.min_messages,
            max_messages: tier.max_messages,
            price_per_sms: tier.price_per_sms,
            discount_percent: tier.discount_percent,
        }
    }
}

impl From<TierTerms> for TierTermsBody {
    fn from(tier: TierTerms) -> TierTermsBody {
        TierTermsBody {
            min_messages: tier.min_messages,
            max_messages: tier.max_messages,
            price_per_sms: tier.price_per_sms,
            discount_percent: tier.discount_percent,
        }
    }
}

impl From<PlanTermsBody> for PlanTerms {
    fn from(body: PlanTermsBody) -> PlanTerms {
        PlanTerms {
            name: body.name,
            description: body.description,
            plan_type: body.plan_type,
            base_price_per_sms: body.base_price_per_sms,
            volume_tiers: body.volume_tiers.into_iter().map(TierTerms::from).collect(),
            features: body.features,
            card_discount_percent: body.card_discount_percent,
            failed_refund_percent: body.failed_refund_percent,
        }
    }
}

impl From<PlanTerms> for PlanTermsBody {
    fn from(terms: PlanTerms) -> PlanTermsBody {
        PlanTermsBody {
            name: terms.name,
            description: terms.description,
            plan_type: terms.plan_type,
            base_price_per_sms: terms.base_price_per_sms,
            volume_tiers: terms.volume_tiers.into_iter().map(TierTermsBody::from).collect(),
            features: terms.features,
            card_discount_percent: terms.card_discount_percent,
            failed_refund_percent: terms.failed_refund_percent,
        }
    }
}

/// What is to become of a plan; what is left out stays. Tiers and features are replaced as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = PlanChanges, example = json!({"base_price_per_sms": 0.047, "features": ["Delivery reports", "E-mail support"]}))]
pub struct PlanChangesBody {
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    description: Option<String>,
    #[serde(default, rename = "type", deserialize_with = "present")]
    plan_type: Option<PlanType>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    base_price_per_sms: Option<Money>,
    #[serde(default, deserialize_with = "present")]
    volume_tiers: Option<Vec<TierTermsBody>>,
    #[serde(default, deserialize_with = "present")]
    features: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    card_discount_percent: Option<BasisPoints>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    failed_refund_percent: Option<BasisPoints>,
}

impl TryFrom<PlanChangesBody> for PlanChanges {
    type Error = Problem;

    fn try_from(body: PlanChangesBody) -> Result<PlanChanges, Problem> {
        let changes = PlanChanges {
            name: body.name,
            description: body.description,
            plan_type: body.plan_type,
            base_price_per_sms: body.base_price_per_sms,
            volume_tiers: body.volume_tiers.map(|tiers| tiers.into_iter().map(TierTerms::from).collect()),
            features: body.features,
            card_discount_percent: body.card_discount_percent,
            failed_refund_percent: body.failed_refund_percent,
        };
        if changes == PlanChanges::default() { Err(Problem::no_change()) } else { Ok(changes) }
    }
}

/// The answer with one plan, and its `ETag`.
type OnePlan = ([(HeaderName, HeaderValue); 1], Json<PlanBody>);

fn one(plan: PricingPlan) -> OnePlan {
    (etag(plan.version()), Json(plan.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PlanFilter {
    /// Only plans of this type.
    #[serde(rename = "type")]
    plan_type: Option<PlanType>,
}

impl PlanFilter {
    pub fn of(self, query: ListQuery) -> ListRequest {
        let plan_type = self.plan_type.map(|plan_type| ListValue::Text(plan_type.as_str().to_owned()));
        ListRequest::from(query).filtered("type", plan_type)
    }
}

/// List plans
///
/// A page at a time: the `Link` header leads to the next. `search` looks into name and description. Sorted by `name`, or by
/// `type`, `base_price_per_sms`, `created_at` or `updated_at`.
#[utoipa::path(
    get,
    path = "/api/admin/plans/",
    tag = "Admin",
    params(ListQuery, PlanFilter),
    responses(
        (status = 200, description = "A page of plans", body = Vec<PlanBody>,
         headers(("Link" = String, description = "The next page, with rel=\"next\"; missing on the last one"))),
        CommonErrors,
        Forbidden,
    ),
)]
pub async fn list_plans(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(list): Query<ListQuery>,
    Query(filter): Query<PlanFilter>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<PlanBody>>), Problem> {
    let page = services::prices::plans::page(&state.billing, &filter.of(list)).await?;
    Ok(listing::answer(&uri, page))
}

/// Show a plan
///
/// With the `ETag` that who changes it has to send.
#[utoipa::path(
    get,
    path = "/api/admin/plans/{plan_sid}/",
    tag = "Admin",
    params(("plan_sid" = PlanSid, Path, description = "The plan")),
    responses(
        (status = 200, description = "The plan", body = PlanBody,
         headers(("ETag" = String, description = "Which state of the plan this is"))),
        CommonErrors,
        Forbidden,
        Missing,
    ),
)]
pub async fn show_plan(
    State(state): State<AppState>,
    _: May<Administer>,
    SidPath(sid): SidPath<PlanSid>,
) -> Result<OnePlan, Problem> {
    Ok(one(services::prices::plans::show(&state.billing, sid).await?))
}

/// Make a plan
///
/// Nothing is charged by it until a wallet has it. Its name is unique, so a repeated request makes no second one.
#[utoipa::path(
    post,
    path = "/api/admin/plans/",
    tag = "Admin",
    params(ReasonQuery),
    request_body(content = PlanTermsBody, description = "The plan"),
    responses(
        (status = 201, description = "The plan", body = PlanBody,
         headers(("ETag" = String, description = "Which state of the plan this is"))),
        CommonErrors,
        Forbidden,
        BodyErrors,
        Conflicts,
    ),
)]
pub async fn create_plan(
    State(state): State<AppState>,
    may: May<Administer>,
    Query(reason): Query<ReasonQuery>,
    Json(body): Json<PlanTermsBody>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1], Json<PlanBody>), Problem> {
    let author = reason.author(may);
    let create = async move { services::prices::plans::create(&state.billing, body.into(), &author).await };
    let (version, body) = one(to_the_end(create).await?);
    Ok((StatusCode::CREATED, version, body))
}

/// Change a plan
///
/// What is left out stays; tiers and features are replaced as a whole. Messages are charged by it at once, and nothing that
/// was charged before changes. Send the `ETag` you read in `If-Match`.
#[utoipa::path(
    patch,
    path = "/api/admin/plans/{plan_sid}/",
    tag = "Admin",
    params(
        ("plan_sid" = PlanSid, Path, description = "The plan"),
        ("If-Match" = String, Header, description = "The `ETag` you read, or `*` for whatever it has become", example = "*"),
        ReasonQuery,
    ),
    request_body(content = PlanChangesBody, description = "What is to change"),
    responses(
        (status = 200, description = "The plan as it is now", body = PlanBody,
         headers(("ETag" = String, description = "Which state of the plan this is"))),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        Conflicts,
        Preconditions,
    ),
)]
pub async fn change_plan(
    State(state): State<AppState>,
    may: May<Administer>,
    SidPath(sid): SidPath<PlanSid>,
    IfMatch(seen): IfMatch,
    Query(reason): Query<ReasonQuery>,
    Json(body): Json<PlanChangesBody>,
) -> Result<OnePlan, Problem> {
    let (author, changes) = (reason.author(may), body.try_into()?);
    let change = async move { services::prices::plans::change(&state.billing, sid, &seen, changes, &author).await };
    Ok(one(to_the_end(change).await?))
}

/// Delete a plan
///
/// Not where a wallet has it, nor the one that new wallets get. Send the `ETag` you read in `If-Match`.
#[utoipa::path(
    delete,
    path = "/api/admin/plans/{plan_sid}/",
    tag = "Admin",
    params(
        ("plan_sid" = PlanSid, Path, description = "The plan"),
        ("If-Match" = String, Header, description = "The `ETag` you read, or `*` for whatever it has become", example = "*"),
        ReasonQuery,
    ),
    responses((status = 204, description = "It is deleted"), CommonErrors, Forbidden, Missing, Conflicts, Preconditions),
)]
pub async fn delete_plan(
    State(state): State<AppState>,
    may: May<Administer>,
    SidPath(sid): SidPath<PlanSid>,
    IfMatch(seen): IfMatch,
    Query(reason): Query<ReasonQuery>,
) -> Result<StatusCode, Problem> {
    let author = reason.author(may);
    let delete = async move { services::prices::plans::delete(&state.billing, sid, &seen, &author).await };
    to_the_end(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}
