//! Lists, shows, creates, changes and deletes plans.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::changes::{Edit, ReasonQuery, some_change};
use crate::domain::prices::plan_terms::{PlanChanges, PlanTerms, TierTerms};
use crate::domain::prices::plans::{PlanType, PricingPlan};
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::PlanSid;
use crate::http::bodies::plans::PlanBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{self, ListQuery};
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, Conflicts, Forbidden, Missing, Preconditions};
use crate::http::edge::ask::etag::{Versioned, etag};
use crate::http::edge::ask::extract::{Json, Query, SidPath, optional_whole_number, present, whole_number};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;

/// The terms of a plan.
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
    /// The price of a segment if neither a rate card nor a volume tier applies: 0 to 1,000,000.
    #[schema(value_type = DecimalInput)]
    base_price_per_sms: Money,
    /// Graduated prices by the segments of a calendar month, without gaps and with an open last tier; may be empty.
    #[serde(default)]
    volume_tiers: Vec<TierTermsBody>,
    /// At most 100 texts of at most 255 characters each.
    #[serde(default)]
    features: Vec<String>,
    /// The plan's discount on rate card prices: 0 (the default) to 100, with at most two decimals.
    #[serde(default)]
    #[schema(value_type = DecimalInput)]
    card_discount_percent: BasisPoints,
    /// The share of its price that is refunded for a failed message: 0 to 100 (the default), with at most two decimals.
    #[serde(default = "whole")]
    #[schema(value_type = DecimalInput)]
    failed_refund_percent: BasisPoints,
}

fn whole() -> BasisPoints {
    BasisPoints::WHOLE
}

/// A volume tier of a plan.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = TierTerms)]
pub struct TierTermsBody {
    /// The first segment of the month with this price: 1, or one more than the end of the previous tier.
    #[serde(deserialize_with = "whole_number")]
    #[schema(minimum = 1)]
    min_messages: i64,
    /// The last segment with this price; left out on the last tier, which has no end.
    #[serde(default, deserialize_with = "optional_whole_number", skip_serializing_if = "Option::is_none")]
    max_messages: Option<i64>,
    #[schema(value_type = DecimalInput)]
    price_per_sms: Money,
    /// The tier's discount on rate card prices: 0 (the default) to 100, with at most two decimals.
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

/// Changes to a plan; fields that you leave out keep their value. Tiers and features are replaced as a whole.
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
        some_change(PlanChanges {
            name: body.name,
            description: body.description,
            plan_type: body.plan_type,
            base_price_per_sms: body.base_price_per_sms,
            volume_tiers: body.volume_tiers.map(|tiers| tiers.into_iter().map(TierTerms::from).collect()),
            features: body.features,
            card_discount_percent: body.card_discount_percent,
            failed_refund_percent: body.failed_refund_percent,
        })
    }
}

fn one(plan: PricingPlan) -> Versioned<PlanBody> {
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
        let plan_type = self.plan_type.map(|plan_type| ListValue::text(plan_type.as_str()));
        ListRequest::from(query).filtered("type", plan_type)
    }
}

/// List plans
///
/// A page at a time: the `Link` header points to the next page. `search` matches name and description. Sorted by `name`
/// (the default), `type`, `base_price_per_sms`, `created_at` or `updated_at`.
#[utoipa::path(
    get,
    path = "/api/admin/plans/",
    tag = "Admin",
    params(ListQuery, PlanFilter),
    responses(
        (status = 200, description = "A page of plans", body = Vec<PlanBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
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

/// Get a plan
///
/// Returns an `ETag`; send it in `If-Match` when you change or delete the plan.
#[utoipa::path(
    get,
    path = "/api/admin/plans/{plan_sid}/",
    tag = "Admin",
    params(("plan_sid" = PlanSid, Path, description = "The plan")),
    responses(
        (status = 200, description = "The plan", body = PlanBody,
         headers(("ETag" = String, description = "The version of the plan, for `If-Match`"))),
        CommonErrors,
        Forbidden,
        Missing,
    ),
)]
pub async fn show_plan(
    State(state): State<AppState>,
    _: May<Administer>,
    SidPath(sid): SidPath<PlanSid>,
) -> Result<Versioned<PlanBody>, Problem> {
    Ok(one(services::prices::plans::show(&state.billing, sid).await?))
}

/// Create a plan
///
/// It has no effect until a wallet uses it. The name is unique, so repeating the request creates no second plan.
#[utoipa::path(
    post,
    path = "/api/admin/plans/",
    tag = "Admin",
    params(ReasonQuery),
    request_body(content = PlanTermsBody, description = "The plan"),
    responses(
        (status = 201, description = "The plan", body = PlanBody,
         headers(("ETag" = String, description = "The version of the plan, for `If-Match`"))),
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
) -> Result<(StatusCode, Versioned<PlanBody>), Problem> {
    let author = reason.author(may);
    let create = async move { services::prices::plans::create(&state.billing, body.into(), &author).await };
    Ok((StatusCode::CREATED, one(to_the_end(create).await?)))
}

/// Update a plan
///
/// Fields that you leave out keep their value; tiers and features are replaced as a whole. The new terms apply at once
/// to further messages; past charges do not change. Send the `ETag` of the plan in `If-Match`.
#[utoipa::path(
    patch,
    path = "/api/admin/plans/{plan_sid}/",
    tag = "Admin",
    params(
        ("plan_sid" = PlanSid, Path, description = "The plan"),
        ("If-Match" = String, Header, description = "The `ETag` you received, or `*` for any version", example = "*"),
        ReasonQuery,
    ),
    request_body(content = PlanChangesBody, description = "The fields to change"),
    responses(
        (status = 200, description = "The updated plan", body = PlanBody,
         headers(("ETag" = String, description = "The version of the plan, for `If-Match`"))),
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
    Edit { target: sid, seen, author, .. }: Edit<PlanSid>,
    Json(body): Json<PlanChangesBody>,
) -> Result<Versioned<PlanBody>, Problem> {
    let changes = body.try_into()?;
    let change = async move { services::prices::plans::change(&state.billing, sid, &seen, changes, &author).await };
    Ok(one(to_the_end(change).await?))
}

/// Delete a plan
///
/// Not possible while a wallet uses the plan, nor for the default plan of new wallets. Send its `ETag` in `If-Match`.
#[utoipa::path(
    delete,
    path = "/api/admin/plans/{plan_sid}/",
    tag = "Admin",
    params(
        ("plan_sid" = PlanSid, Path, description = "The plan"),
        ("If-Match" = String, Header, description = "The `ETag` you received, or `*` for any version", example = "*"),
        ReasonQuery,
    ),
    responses(
        (status = 204, description = "The plan was deleted"),
        CommonErrors,
        Forbidden,
        Missing,
        Conflicts,
        Preconditions,
    ),
)]
pub async fn delete_plan(
    State(state): State<AppState>,
    Edit { target: sid, seen, author, .. }: Edit<PlanSid>,
) -> Result<StatusCode, Problem> {
    let delete = async move { services::prices::plans::delete(&state.billing, sid, &seen, &author).await };
    to_the_end(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}
