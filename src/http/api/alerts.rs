//! Lists alerts, counts the unread and marks them read.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::notifications::alerts::UnreadAlerts;
use crate::domain::values::sid::{AlertSid, BusinessSid};
use crate::http::bodies::alerts::AlertBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::pages::{self, PageQuery};
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, Missing, TenantForbidden};
use crate::http::edge::ask::extract::{BusinessPath, Flag, Json, OwnPath, Query};
use crate::http::edge::who::auth::{Manage, Read};
use crate::http::edge::writes::to_the_end;
use crate::http::state::AppState;
use crate::services;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlertQuery {
    /// `true`: only unread alerts.
    #[param(value_type = Option<bool>)]
    unread: Option<Flag>,
}

/// List alerts
///
/// A business's alerts, newest first, a page at a time: the `Link` header points to the next page.
#[utoipa::path(
    get,
    path = "/api/billing/alerts/{business_sid}/",
    tag = "Alerts",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        AlertQuery,
        PageQuery,
    ),
    responses(
        (status = 200, description = "A page of alerts", body = Vec<AlertBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
    ),
)]
pub async fn list_alerts(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Read>,
    Query(query): Query<AlertQuery>,
    Query(page): Query<PageQuery>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<AlertBody>>), Problem> {
    let unread_only = query.unread.is_some_and(Flag::is_set);
    let (cursor, limit) = page.bounds();
    let page = services::notifications::alerts::list(&state.billing, &tenant, unread_only, cursor, limit).await?;
    Ok(pages::answer(&uri, page.map(|alert| AlertBody::new(tenant.sid().clone(), alert))))
}

/// Whether an alert is read.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AlertChanges, example = json!({"is_read": true}))]
pub struct AlertChangesBody {
    is_read: bool,
}

/// Mark an alert as read or unread
///
/// Sets `is_read`. Repeating the request changes nothing.
#[utoipa::path(
    patch,
    path = "/api/billing/alerts/{business_sid}/{alert_sid}/",
    tag = "Alerts",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("alert_sid" = AlertSid, Path, description = "The alert"),
    ),
    request_body(content = AlertChangesBody, description = "Whether the alert is read"),
    responses(
        (status = 200, description = "The updated alert", body = AlertBody),
        CommonErrors,
        TenantForbidden,
        Missing,
        BodyErrors,
    ),
)]
pub async fn mark_alert(
    State(state): State<AppState>,
    OwnPath { tenant, sid: alert, may }: OwnPath<Manage, AlertSid>,
    Json(body): Json<AlertChangesBody>,
) -> Result<Json<AlertBody>, Problem> {
    let business = tenant.sid().clone();
    let mark = async move {
        services::notifications::alerts::mark(&state.billing, &tenant, alert, body.is_read, &may.actor).await
    };
    Ok(Json(AlertBody::new(business, to_the_end(mark).await?)))
}

/// Mark an alert as read
///
/// The same as `PATCH` with `{"is_read": true}`, for callers that send no body. Repeating the request changes nothing.
#[utoipa::path(
    post,
    path = "/api/billing/alerts/{business_sid}/{alert_sid}/read/",
    tag = "Alerts",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("alert_sid" = AlertSid, Path, description = "The alert"),
    ),
    responses(
        (status = 200, description = "The updated alert", body = AlertBody),
        CommonErrors,
        TenantForbidden,
        Missing,
    ),
)]
pub async fn read_alert(
    State(state): State<AppState>,
    OwnPath { tenant, sid: alert, may }: OwnPath<Manage, AlertSid>,
) -> Result<Json<AlertBody>, Problem> {
    let business = tenant.sid().clone();
    let mark =
        async move { services::notifications::alerts::mark(&state.billing, &tenant, alert, true, &may.actor).await };
    Ok(Json(AlertBody::new(business, to_the_end(mark).await?)))
}

/// The number of alerts that were marked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MarkedAlerts)]
pub struct MarkedBody {
    business_sid: BusinessSid,
    /// Only alerts that were unread before.
    marked: u64,
}

/// Mark all alerts as read
///
/// Marks all alerts that the business has so far. Repeating the request marks none.
#[utoipa::path(
    post,
    path = "/api/billing/alerts/{business_sid}/read-all/",
    tag = "Alerts",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    responses(
        (status = 200, description = "The number of alerts that were marked", body = MarkedBody),
        CommonErrors,
        TenantForbidden,
    ),
)]
pub async fn read_all_alerts(
    State(state): State<AppState>,
    BusinessPath { tenant, may }: BusinessPath<Manage>,
) -> Result<Json<MarkedBody>, Problem> {
    let business_sid = tenant.sid().clone();
    let mark = async move { services::notifications::alerts::mark_all_read(&state.billing, &tenant, &may.actor).await };
    Ok(Json(MarkedBody { business_sid, marked: to_the_end(mark).await? }))
}

/// The number of unread alerts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertCount)]
pub struct AlertCountBody {
    business_sid: BusinessSid,
    /// All unread alerts.
    unread: i64,
    /// Those with severity CRITICAL.
    critical: i64,
    warning: i64,
    info: i64,
}

/// Count unread alerts
///
/// The number of unread alerts by severity, for example for a badge.
#[utoipa::path(
    get,
    path = "/api/billing/alerts/{business_sid}/count/",
    tag = "Alerts",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    responses((status = 200, description = "The number of unread alerts", body = AlertCountBody), CommonErrors),
)]
pub async fn count_alerts(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Read>,
) -> Result<Json<AlertCountBody>, Problem> {
    let UnreadAlerts { critical, warning, info } =
        services::notifications::alerts::count_unread(&state.billing, &tenant).await?;
    let business_sid = tenant.into_sid();
    Ok(Json(AlertCountBody { business_sid, unread: critical + warning + info, critical, warning, info }))
}
