//! Lists money in suspense, and assigns or dismisses it.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::payments::providers::{ProviderName, ProviderReference};
use crate::domain::payments::suspense::{Suspended, SuspenseCause, SuspenseStatus};
use crate::domain::values::currency::Currency;
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, SuspenseSid, TransactionSid};
use crate::domain::values::text::Reason;
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{ListQuery, answer};
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, Forbidden, Missing, SuspenseErrors};
use crate::http::edge::ask::extract::{Json, Query, SidPath};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::state::AppState;
use crate::services;

/// Money that a provider received but that matches no payment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Suspense)]
pub struct SuspenseBody {
    sid: SuspenseSid,
    provider: ProviderName,
    provider_reference: ProviderReference,
    /// The SID of the payment, as the provider gave it.
    payment_sid: String,
    amount: Money,
    currency: Currency,
    cause: SuspenseCause,
    status: SuspenseStatus,
    /// The ledger entry of the money, if it was assigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_sid: Option<TransactionSid>,
    created_at: Timestamp,
    /// When it was assigned or dismissed.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_at: Option<Timestamp>,
}

impl From<Suspended> for SuspenseBody {
    fn from(found: Suspended) -> SuspenseBody {
        SuspenseBody {
            sid: found.sid,
            provider: found.provider,
            provider_reference: found.provider_reference,
            payment_sid: found.reference,
            amount: found.amount,
            currency: found.currency,
            cause: found.cause,
            status: found.status,
            transaction_sid: found.transaction_sid,
            created_at: found.created_at,
            settled_at: found.settled_at,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SuspenseFilter {
    /// Only items with this status.
    status: Option<SuspenseStatus>,
    /// Only items of this provider.
    #[param(value_type = Option<String>)]
    provider: Option<ProviderName>,
}

/// List suspense items
///
/// A suspense item is money that a provider received but that matches no payment. Newest first by default, a page at a
/// time: the `Link` header points to the next page. `search` matches the provider's reference and the payment's SID.
/// Sorted by `created_at`.
#[utoipa::path(
    get,
    path = "/api/admin/suspense/",
    tag = "Admin",
    params(ListQuery, SuspenseFilter),
    responses(
        (status = 200, description = "A page of suspense items", body = Vec<SuspenseBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
        Forbidden,
    ),
)]
pub async fn list_suspense(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(list): Query<ListQuery>,
    Query(filter): Query<SuspenseFilter>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<SuspenseBody>>), Problem> {
    let request = ListRequest::from(list)
        .filtered("status", filter.status.map(|status| ListValue::text(status.as_str())))
        .filtered("provider", filter.provider.map(|provider| ListValue::text(provider.as_str())));
    Ok(answer(&uri, services::payments::suspense::list(&state.billing, &request).await?))
}

/// The business that the money belongs to, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SuspenseAssignment, example = json!({"business_sid": "biz_test_001", "reason": "The payer called"}))]
pub struct AssignRequest {
    business_sid: BusinessSid,
    /// At most 255 characters, shown with the transaction.
    reason: Reason,
}

/// Assign a suspense item
///
/// Credits the money to the wallet of a business, once. The wallet must be in the same currency.
#[utoipa::path(
    post,
    path = "/api/admin/suspense/{suspense_sid}/assign/",
    tag = "Admin",
    params(("suspense_sid" = SuspenseSid, Path, description = "The suspense item")),
    request_body(content = AssignRequest, description = "The business that the money belongs to, and the reason"),
    responses(
        (status = 200, description = "The updated suspense item", body = SuspenseBody),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        SuspenseErrors,
    ),
)]
pub async fn assign_suspense(
    State(state): State<AppState>,
    may: May<Administer>,
    SidPath(sid): SidPath<SuspenseSid>,
    Json(request): Json<AssignRequest>,
) -> Result<Json<SuspenseBody>, Problem> {
    let AssignRequest { business_sid, reason } = request;
    let assign = async move {
        services::payments::suspense::assign(&state.billing, sid, &business_sid, &reason, &may.actor).await
    };
    Ok(Json(to_the_end(assign).await?.into()))
}

/// Why the money belongs to no business here.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SuspenseDismissal, example = json!({"reason": "Paid back by the provider"}))]
pub struct DismissRequest {
    /// At most 255 characters, for the audit log.
    reason: Reason,
}

/// Dismiss a suspense item
///
/// Closes the item without crediting a wallet, for example because the money was paid back. No money moves.
#[utoipa::path(
    post,
    path = "/api/admin/suspense/{suspense_sid}/dismiss/",
    tag = "Admin",
    params(("suspense_sid" = SuspenseSid, Path, description = "The suspense item")),
    request_body(content = DismissRequest, description = "The reason"),
    responses(
        (status = 200, description = "The updated suspense item", body = SuspenseBody),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        SuspenseErrors,
    ),
)]
pub async fn dismiss_suspense(
    State(state): State<AppState>,
    may: May<Administer>,
    SidPath(sid): SidPath<SuspenseSid>,
    Json(DismissRequest { reason }): Json<DismissRequest>,
) -> Result<Json<SuspenseBody>, Problem> {
    let dismiss = async move { services::payments::suspense::dismiss(&state.billing, sid, &reason, &may.actor).await };
    Ok(Json(to_the_end(dismiss).await?.into()))
}
