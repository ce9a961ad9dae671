//! Lists, shows, creates, changes and deletes businesses.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::changes::{Edit, ReasonQuery, some_change};
use crate::domain::access::rights::Tenant;
use crate::domain::businesses::{Business, BusinessChanges, BusinessKind, BusinessStatus};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::{Address, BusinessName, Email, TaxId};
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{self, ListQuery};
use crate::http::edge::answer::responses::{
    BodyErrors, BusinessRules, CommonErrors, Forbidden, Missing, Preconditions, Taken,
};
use crate::http::edge::ask::etag::{Versioned, etag};
use crate::http::edge::ask::extract::{BusinessPath, Json, Query, nullable, present};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::state::AppState;
use crate::services;
use crate::services::businesses::NewBusiness;

/// The owner of a wallet, with the details that its invoices show.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Business)]
pub struct BusinessBody {
    sid: BusinessSid,
    kind: BusinessKind,
    /// The status of this business alone. An active business counts as suspended while a business above it is
    /// suspended.
    status: BusinessStatus,
    /// The reseller it buys from; left out if that is the platform itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_sid: Option<BusinessSid>,
    name: BusinessName,
    /// Left out if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<Email>,
    address: Address,
    /// Left out if not given.
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

fn one(business: Business) -> Versioned<BusinessBody> {
    (etag(business.version()), Json(business.into()))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BusinessFilter {
    /// Only businesses of this kind.
    kind: Option<BusinessKind>,
    /// Only businesses with this status of their own, whatever the status of those above them.
    status: Option<BusinessStatus>,
    /// Only businesses directly below this reseller.
    #[param(value_type = Option<BusinessSid>)]
    parent_sid: Option<BusinessSid>,
    /// Only businesses in this country.
    #[param(value_type = Option<CountryCode>)]
    country_code: Option<CountryCode>,
}

impl BusinessFilter {
    fn of(self, query: ListQuery) -> ListRequest {
        ListRequest::from(query)
            .filtered("kind", self.kind.map(|kind| ListValue::text(kind.as_str())))
            .filtered("status", self.status.map(|status| ListValue::text(status.as_str())))
            .filtered("parent_sid", self.parent_sid.map(|parent| ListValue::text(parent.as_str())))
            .filtered("country_code", self.country_code.map(|country| ListValue::text(country.as_str())))
    }
}

/// List businesses
///
/// A page at a time: the `Link` header points to the next page. `search` matches SID, name and e-mail address. Sorted
/// by `sid` (the default), `name` or `created_at`.
#[utoipa::path(
    get,
    path = "/api/admin/businesses/",
    tag = "Admin",
    params(ListQuery, BusinessFilter),
    responses(
        (status = 200, description = "A page of businesses", body = Vec<BusinessBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
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

/// Get a business
///
/// Returns an `ETag`; send it in `If-Match` when you change or delete the business.
#[utoipa::path(
    get,
    path = "/api/admin/businesses/{business_sid}/",
    tag = "Admin",
    params(("business_sid" = BusinessSid, Path, description = "The business")),
    responses(
        (status = 200, description = "The business", body = BusinessBody,
         headers(("ETag" = String, description = "The version of the business, for `If-Match`"))),
        CommonErrors,
        Forbidden,
        Missing,
    ),
)]
pub async fn show_business(
    State(state): State<AppState>,
    path: BusinessPath<Administer>,
) -> Result<Versioned<BusinessBody>, Problem> {
    Ok(one(services::businesses::show(&state.billing, path.tenant.sid()).await?))
}

/// A business to create.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewBusiness, example = json!({
    "sid": "acme_ke", "kind": "CLIENT", "name": "Acme Kenya Ltd", "email": "accounts@acme.example",
    "address": "Moi Avenue 12, Nairobi", "country_code": "KE", "tax_id": "P051234567X"
}))]
pub struct BusinessRequest {
    /// The permanent identifier of the business.
    sid: BusinessSid,
    kind: BusinessKind,
    name: BusinessName,
    email: Option<Email>,
    #[serde(default)]
    address: Address,
    country_code: Option<CountryCode>,
    #[serde(default)]
    tax_id: TaxId,
    /// The reseller it buys from; by default the platform itself.
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

/// Create a business
///
/// Its wallet is created on first use. The `sid` is unique, so repeating the request creates no second business.
#[utoipa::path(
    post,
    path = "/api/admin/businesses/",
    tag = "Admin",
    params(ReasonQuery),
    request_body(content = BusinessRequest, description = "The business"),
    responses(
        (status = 201, description = "The business", body = BusinessBody,
         headers(("ETag" = String, description = "The version of the business, for `If-Match`"))),
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
) -> Result<(StatusCode, Versioned<BusinessBody>), Problem> {
    let author = reason.author(may);
    let create = async move { services::businesses::create(&state.billing, body.into(), &author).await };
    Ok((StatusCode::CREATED, one(to_the_end(create).await?)))
}

/// Changes to a business; fields that you leave out keep their value.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = BusinessChanges, example = json!({"status": "SUSPENDED"}))]
pub struct BusinessChangesBody {
    /// A reseller can become a client only if it has no businesses below it, and no users or keys with the role
    /// `reseller`.
    #[serde(default, deserialize_with = "present")]
    kind: Option<BusinessKind>,
    /// A suspension also applies to all businesses below: to charges at once, to logins and keys within a second.
    #[serde(default, deserialize_with = "present")]
    status: Option<BusinessStatus>,
    /// A reseller that it buys from at once; `null` for the platform itself.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<BusinessSid>)]
    parent_sid: Option<Option<BusinessSid>>,
    #[serde(default, deserialize_with = "present")]
    name: Option<BusinessName>,
    /// `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Email>)]
    email: Option<Option<Email>>,
    #[serde(default, deserialize_with = "present")]
    address: Option<Address>,
    /// `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<CountryCode>)]
    country_code: Option<Option<CountryCode>>,
    #[serde(default, deserialize_with = "present")]
    tax_id: Option<TaxId>,
}

impl TryFrom<BusinessChangesBody> for BusinessChanges {
    type Error = Problem;

    fn try_from(body: BusinessChangesBody) -> Result<BusinessChanges, Problem> {
        some_change(BusinessChanges {
            kind: body.kind,
            status: body.status,
            parent: body.parent_sid,
            name: body.name,
            email: body.email,
            address: body.address,
            country: body.country_code,
            tax_id: body.tax_id,
        })
    }
}

/// Update a business
///
/// Fields that you leave out keep their value. Send the `ETag` of the business in `If-Match`.
#[utoipa::path(
    patch,
    path = "/api/admin/businesses/{business_sid}/",
    tag = "Admin",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business"),
        ("If-Match" = String, Header, description = "The `ETag` you received, or `*` for any version", example = "*"),
        ReasonQuery,
    ),
    request_body(content = BusinessChangesBody, description = "The fields to change"),
    responses(
        (status = 200, description = "The updated business", body = BusinessBody,
         headers(("ETag" = String, description = "The version of the business, for `If-Match`"))),
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
    Edit { target, seen, author, .. }: Edit<Tenant>,
    Json(body): Json<BusinessChangesBody>,
) -> Result<Versioned<BusinessBody>, Problem> {
    let changes = body.try_into()?;
    let change =
        async move { services::businesses::change(&state.billing, target.sid(), &seen, changes, &author).await };
    Ok(one(to_the_end(change).await?))
}

/// Delete a business
///
/// Only possible if it has no wallet, no users, no keys and no businesses below it; otherwise suspend it. Send its
/// `ETag` in `If-Match`.
#[utoipa::path(
    delete,
    path = "/api/admin/businesses/{business_sid}/",
    tag = "Admin",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business"),
        ("If-Match" = String, Header, description = "The `ETag` you received, or `*` for any version", example = "*"),
        ReasonQuery,
    ),
    responses(
        (status = 204, description = "The business was deleted"),
        CommonErrors,
        Forbidden,
        Missing,
        BusinessRules,
        Preconditions,
    ),
)]
pub async fn delete_business(
    State(state): State<AppState>,
    Edit { target, seen, author, .. }: Edit<Tenant>,
) -> Result<StatusCode, Problem> {
    let delete = async move { services::businesses::delete(&state.billing, target.sid(), &seen, &author).await };
    to_the_end(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}
