//! Lists, shows, creates, changes and deletes businesses.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::changes::ReasonQuery;
use crate::domain::businesses::{Business, BusinessChanges, BusinessKind, BusinessStatus};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::{Address, BusinessName, Email, TaxId};
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{self, ListQuery};
use crate::http::edge::ask::etag::{IfMatch, etag};
use crate::http::edge::ask::extract::{BusinessPath, Json, Query, nullable, present};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::openapi::{BodyErrors, BusinessRules, CommonErrors, Forbidden, Missing, Preconditions, Taken};
use crate::http::state::AppState;
use crate::services;
use crate::services::businesses::NewBusiness;

/// Who has a wallet, and what invoices say of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Business)]
pub struct BusinessBody {
    sid: BusinessSid,
    kind: BusinessKind,
    /// Its own. One that is active is suspended all the same while a business above it is.
    status: BusinessStatus,
    /// The reseller it buys from; left out where that is the platform itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_sid: Option<BusinessSid>,
    name: BusinessName,
    /// Left out where nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<Email>,
    address: Address,
    /// Left out where nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    country_code: Option<CountryCode>,
    tax_id: TaxId,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Business> for BusinessBody {
    fn from(business: Business) -> BusinessBody {
        BusinessBody {
            sid: business.sid,
            kind: business.kind,
            status: business.status,
            parent_sid: business.parent,
            name: business.name,
            email: business.email,
            address: business.address,
            country_code: business.country,
            tax_id: business.tax_id,
            created_at: business.created_at,
            updated_at: business.updated_at,
        }
    }
}

/// The answer with one business, and its `ETag`.
type OneBusiness = ([(HeaderName, HeaderValue); 1], Json<BusinessBody>);

fn one(business: Business) -> OneBusiness {
    (etag(business.version()), Json(business.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BusinessFilter {
    /// Only businesses of this kind.
    kind: Option<BusinessKind>,
    /// Only those of this status, whatever the status of those above them.
    status: Option<BusinessStatus>,
    /// Only those directly below this reseller.
    #[param(value_type = Option<BusinessSid>)]
    parent_sid: Option<BusinessSid>,
    /// Only those of this country.
    #[param(value_type = Option<CountryCode>)]
    country_code: Option<CountryCode>,
}

impl BusinessFilter {
    fn of(self, query: ListQuery) -> ListRequest {
        let text = |text: &str| ListValue::Text(text.to_owned());
        ListRequest::from(query)
            .filtered("kind", self.kind.map(|kind| text(kind.as_str())))
            .filtered("status", self.status.map(|status| text(status.as_str())))
            .filtered("parent_sid", self.parent_sid.map(|parent| text(parent.as_str())))
            .filtered("country_code", self.country_code.map(|country| text(country.as_str())))
    }
}

/// List businesses
///
/// A page at a time: the `Link` header leads to the next. `search` looks into SID, name and e-mail address. Sorted by
/// `sid`, or by `name` or `created_at`.
#[utoipa::path(
    get,
    path = "/api/admin/businesses/",
    tag = "Admin",
    params(ListQuery, BusinessFilter),
    responses(
        (status = 200, description = "A page of businesses", body = Vec<BusinessBody>,
         headers(("Link" = String, description = "The next page, with rel=\"next\"; missing on the last one"))),
        CommonErrors,
        Forbidden,
    ),
)]
pub async fn list_businesses(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(list): Query<ListQuery>,
    Query(filter): Query<BusinessFilter>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<BusinessBody>>), Problem> {
    let page = services::businesses::page(&state.billing, &filter.of(list)).await?;
    Ok(listing::answer(&uri, page))
}

/// Show a business
///
/// With the `ETag` that who changes it has to send.
#[utoipa::path(
    get,
    path = "/api/admin/businesses/{business_sid}/",
    tag = "Admin",
    params(("business_sid" = BusinessSid, Path, description = "The business")),
    responses(
        (status = 200, description = "The business", body = BusinessBody,
         headers(("ETag" = String, description = "Which state of the business this is"))),
        CommonErrors,
        Forbidden,
        Missing,
    ),
)]
pub async fn show_business(
    State(state): State<AppState>,
    path: BusinessPath<Administer>,
) -> Result<OneBusiness, Problem> {
    Ok(one(services::businesses::show(&state.billing, path.tenant.sid()).await?))
}

/// A business to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewBusiness, example = json!({
    "sid": "acme_ke", "kind": "CLIENT", "name": "Acme Kenya Ltd", "email": "accounts@acme.example",
    "address": "Moi Avenue 12, Nairobi", "country_code": "KE", "tax_id": "P051234567X"
}))]
pub struct BusinessRequest {
    /// What it goes by everywhere, and for good.
    sid: BusinessSid,
    kind: BusinessKind,
    name: BusinessName,
    email: Option<Email>,
    #[serde(default)]
    address: Address,
    country_code: Option<CountryCode>,
    #[serde(default)]
    tax_id: TaxId,
    /// The reseller it is to buy from. Left out: the platform itself.
    parent_sid: Option<BusinessSid>,
}

impl From<BusinessRequest> for NewBusiness {
    fn from(request: BusinessRequest) -> NewBusiness {
        NewBusiness {
            sid: request.sid,
            kind: request.kind,
            parent: request.parent_sid,
            name: request.name,
            email: request.email,
            address: request.address,
            country: request.country_code,
            tax_id: request.tax_id,
        }
    }
}

/// Make a business
///
/// Its wallet comes to be when it is first used. Its `sid` is unique, so a repeated request makes no second one.
#[utoipa::path(
    post,
    path = "/api/admin/businesses/",
    tag = "Admin",
    params(ReasonQuery),
    request_body(content = BusinessRequest, description = "The business"),
    responses(
        (status = 201, description = "The business", body = BusinessBody,
         headers(("ETag" = String, description = "Which state of the business this is"))),
        CommonErrors,
        Forbidden,
        BodyErrors,
        Taken,
        BusinessRules,
    ),
)]
pub async fn create_business(
    State(state): State<AppState>,
    may: May<Administer>,
    Query(reason): Query<ReasonQuery>,
    Json(body): Json<BusinessRequest>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1], Json<BusinessBody>), Problem> {
    let author = reason.author(may);
    let create = async move { services::businesses::create(&state.billing, body.into(), &author).await };
    let (version, body) = one(to_the_end(create).await?);
    Ok((StatusCode::CREATED, version, body))
}

/// What is to become of a business; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = BusinessChanges, example = json!({"status": "SUSPENDED"}))]
pub struct BusinessChangesBody {
    /// A reseller becomes a client only without businesses below it, and without users and keys of a reseller.
    #[serde(default, deserialize_with = "present")]
    kind: Option<BusinessKind>,
    /// Suspension counts for all below it too: for charges at once, for people and keys within a second.
    #[serde(default, deserialize_with = "present")]
    status: Option<BusinessStatus>,
    /// A reseller, which it buys from at once; `null`: the platform itself.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<BusinessSid>)]
    parent_sid: Option<Option<BusinessSid>>,
    #[serde(default, deserialize_with = "present")]
    name: Option<BusinessName>,
    /// `null`: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Email>)]
    email: Option<Option<Email>>,
    #[serde(default, deserialize_with = "present")]
    address: Option<Address>,
    /// `null`: none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<CountryCode>)]
    country_code: Option<Option<CountryCode>>,
    #[serde(default, deserialize_with = "present")]
    tax_id: Option<TaxId>,
}

impl TryFrom<BusinessChangesBody> for BusinessChanges {
    type Error = Problem;

    fn try_from(body: BusinessChangesBody) -> Result<BusinessChanges, Problem> {
        let changes = BusinessChanges {
            kind: body.kind,
            status: body.status,
            parent: body.parent_sid,
            name: body.name,
            email: body.email,
            address: body.address,
            country: body.country_code,
            tax_id: body.tax_id,
        };
        if changes == BusinessChanges::default() { Err(Problem::no_change()) } else { Ok(changes) }
    }
}

/// Change a business
///
/// What is left out stays. Send the `ETag` you read in `If-Match`.
#[utoipa::path(
    patch,
    path = "/api/admin/businesses/{business_sid}/",
    tag = "Admin",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business"),
        ("If-Match" = String, Header, description = "The `ETag` you read, or `*` for whatever it has become", example = "*"),
        ReasonQuery,
    ),
    request_body(content = BusinessChangesBody, description = "What is to change"),
    responses(
        (status = 200, description = "The business as it is now", body = BusinessBody,
         headers(("ETag" = String, description = "Which state of the business this is"))),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        BusinessRules,
        Preconditions,
    ),
)]
pub async fn change_business(
    State(state): State<AppState>,
    path: BusinessPath<Administer>,
    IfMatch(seen): IfMatch,
    Query(reason): Query<ReasonQuery>,
    Json(body): Json<BusinessChangesBody>,
) -> Result<OneBusiness, Problem> {
    let (sid, author, changes) = (path.tenant.into_sid(), reason.author(path.may), body.try_into()?);
    let change = async move { services::businesses::change(&state.billing, &sid, &seen, changes, &author).await };
    Ok(one(to_the_end(change).await?))
}

/// Delete a business
///
/// Only one on which nothing hangs: no wallet, no users, no keys and no businesses below it. Suspend it otherwise. Send the
/// `ETag` you read in `If-Match`.
#[utoipa::path(
    delete,
    path = "/api/admin/businesses/{business_sid}/",
    tag = "Admin",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business"),
        ("If-Match" = String, Header, description = "The `ETag` you read, or `*` for whatever it has become", example = "*"),
        ReasonQuery,
    ),
    responses(
        (status = 204, description = "It is deleted"),
        CommonErrors,
        Forbidden,
        Missing,
        BusinessRules,
        Preconditions,
    ),
)]
pub async fn delete_business(
    State(state): State<AppState>,
    path: BusinessPath<Administer>,
    IfMatch(seen): IfMatch,
    Query(reason): Query<ReasonQuery>,
) -> Result<StatusCode, Problem> {
    let (sid, author) = (path.tenant.into_sid(), reason.author(path.may));
    let delete = async move { services::businesses::delete(&state.billing, &sid, &seen, &author).await };
    to_the_end(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}
