//! Lists, creates, changes and deletes webhook endpoints, and rotates their secrets.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::webhook_paths::WebhookParams;
use crate::domain::notifications::webhooks::{NewWebhook, Webhook, WebhookChanges, WebhookStatus, event_names};
use crate::domain::values::idempotency::OnceAnswer;
use crate::domain::values::sid::{BusinessSid, WebhookSid};
use crate::domain::values::text::LongText;
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, Missing, TenantForbidden, WriteErrors};
use crate::http::edge::ask::extract::{BusinessPath, Json, OwnPath, present};
use crate::http::edge::ask::idempotency::{IdempotencyHeader, replayed};
use crate::http::edge::who::auth::Manage;
use crate::http::edge::writes::to_the_end;
use crate::http::state::AppState;
use crate::services;
use crate::services::notifications::webhooks::IssuedWebhook;

/// A webhook, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookBody {
    sid: WebhookSid,
    business_sid: BusinessSid,
    #[schema(example = "https://example.com/hooks/billing")]
    url: String,
    description: LongText,
    /// The events that the webhook subscribes to; `*` alone means all, including events added later.
    #[schema(example = json!(["wallet.low_balance", "invoice.finalised"]))]
    events: Vec<&'static str>,
    status: WebhookStatus,
    /// Until when deliveries are also signed with the secret from before the last rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_expires_at: Option<Timestamp>,
    /// Since when deliveries have failed; left out if the last one succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Webhook> for WebhookBody {
    fn from(webhook: Webhook) -> WebhookBody {
        WebhookBody {
            sid: webhook.sid,
            url: webhook.url.as_str().to_owned(),
            business_sid: webhook.business,
            description: webhook.description,
            events: event_names(webhook.events),
            status: webhook.status,
            previous_secret_expires_at: webhook.previous_until,
            failing_since: webhook.failing_since,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
        }
    }
}

/// A webhook with its secret, which is shown only once.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedWebhook)]
pub struct IssuedWebhookBody {
    #[serde(flatten)]
    webhook: WebhookBody,
    /// The secret that deliveries are signed with. Store it now: it is not shown again.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
}

impl std::fmt::Debug for IssuedWebhookBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedWebhookBody").field("webhook", &self.webhook.sid).finish_non_exhaustive()
    }
}

impl From<IssuedWebhook> for IssuedWebhookBody {
    fn from(issued: IssuedWebhook) -> IssuedWebhookBody {
        IssuedWebhookBody { webhook: issued.webhook.into(), secret: issued.secret.reveal() }
    }
}

/// List webhooks
///
/// All webhooks of a business, oldest first.
#[utoipa::path(
    get,
    path = "/api/billing/webhooks/{business_sid}/",
    tag = "Webhooks",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    responses(
        (status = 200, description = "The webhooks", body = Vec<WebhookBody>),
        CommonErrors,
        TenantForbidden,
        Missing,
    ),
)]
pub async fn list_webhooks(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Manage>,
) -> Result<Json<Vec<WebhookBody>>, Problem> {
    let webhooks = services::notifications::webhooks::list(&state.billing, &tenant).await?;
    Ok(Json(webhooks.into_iter().map(WebhookBody::from).collect()))
}

/// A webhook to create.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewWebhook,
         example = json!({"url": "https://example.com/hooks/billing", "events": ["wallet.low_balance", "alert.created"]}))]
pub struct WebhookRequest {
    /// Where to send deliveries: an `https://` URL of at most 2,048 characters, without user name and password.
    url: String,
    /// The events to send, or `*` alone for all.
    events: Vec<String>,
    /// Your own description of the webhook.
    description: Option<LongText>,
    /// By default true.
    enabled: Option<bool>,
}

/// Create a webhook
///
/// The response contains the secret that deliveries are signed with (Standard Webhooks), which is shown only once. A
/// business can have at most 20 webhooks.
///
/// Send an `Idempotency-Key` so that a repeated request creates only one webhook; the repeated answer is the same,
/// including the secret.
#[utoipa::path(
    post,
    path = "/api/billing/webhooks/{business_sid}/",
    tag = "Webhooks",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "1 to 255 visible ASCII characters, such as a UUID; a new one for each webhook"),
    ),
    request_body(content = WebhookRequest, description = "The URL, and the events to send to it"),
    responses(
        (status = 201, description = "The webhook and its secret", body = IssuedWebhookBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the same answer was given before"))),
        CommonErrors,
        WriteErrors,
        Missing,
    ),
)]
pub async fn create_webhook(
    State(state): State<AppState>,
    BusinessPath { tenant, may }: BusinessPath<Manage>,
    idempotency: IdempotencyHeader,
    Json(body): Json<WebhookRequest>,
) -> Result<(StatusCode, HeaderMap, Json<IssuedWebhookBody>), Problem> {
    let new = NewWebhook {
        url: body.url,
        events: body.events,
        description: body.description.unwrap_or_default(),
        enabled: body.enabled.unwrap_or(true),
    };
    let business = Some(tenant.sid().clone());
    let scope = idempotency.scope(&may.actor, "POST /api/billing/webhooks/{business_sid}/", business);
    let create =
        async move { services::notifications::webhooks::create(&state.billing, &tenant, new, &may.actor, scope).await };
    let (headers, body) = issued(to_the_end(create).await?);
    Ok((StatusCode::CREATED, headers, body))
}

fn issued(answer: OnceAnswer<IssuedWebhook>) -> (HeaderMap, Json<IssuedWebhookBody>) {
    (replayed(answer.replayed), Json(answer.value.into()))
}

/// Get a webhook
///
/// Returns all its details except the secret.
#[utoipa::path(
    get,
    path = "/api/billing/webhooks/{business_sid}/{webhook_sid}/",
    tag = "Webhooks",
    params(WebhookParams),
    responses(
        (status = 200, description = "The webhook", body = WebhookBody),
        CommonErrors,
        TenantForbidden,
        Missing,
    ),
)]
pub async fn show_webhook(
    State(state): State<AppState>,
    OwnPath { tenant, sid: webhook, .. }: OwnPath<Manage, WebhookSid>,
) -> Result<Json<WebhookBody>, Problem> {
    Ok(Json(services::notifications::webhooks::show(&state.billing, &tenant, webhook).await?.into()))
}

/// Changes to a webhook; fields that you leave out keep their value.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WebhookChanges, example = json!({"events": ["*"], "enabled": true}))]
pub struct WebhookChangesBody {
    #[serde(default, deserialize_with = "present")]
    url: Option<String>,
    #[serde(default, deserialize_with = "present")]
    events: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    description: Option<LongText>,
    /// `false`: nothing is sent, and events that happen meanwhile are never delivered. `true`: also re-enables a
    /// webhook that the server disabled, and sends the deliveries that still wait.
    #[serde(default, deserialize_with = "present")]
    enabled: Option<bool>,
}

/// Update a webhook
///
/// Changes the URL, the events, the description and whether the webhook is enabled. The secret stays the same.
#[utoipa::path(
    patch,
    path = "/api/billing/webhooks/{business_sid}/{webhook_sid}/",
    tag = "Webhooks",
    params(WebhookParams),
    request_body(content = WebhookChangesBody, description = "The fields to change"),
    responses(
        (status = 200, description = "The updated webhook", body = WebhookBody),
        CommonErrors,
        TenantForbidden,
        Missing,
        BodyErrors,
    ),
)]
pub async fn change_webhook(
    State(state): State<AppState>,
    OwnPath { tenant, sid: webhook, may }: OwnPath<Manage, WebhookSid>,
    Json(body): Json<WebhookChangesBody>,
) -> Result<Json<WebhookBody>, Problem> {
    let changes =
        WebhookChanges { url: body.url, events: body.events, description: body.description, enabled: body.enabled };
    let change = async move {
        services::notifications::webhooks::change(&state.billing, &tenant, webhook, changes, &may.actor).await
    };
    Ok(Json(to_the_end(change).await?.into()))
}

/// Delete a webhook
///
/// Also deletes its deliveries, including those not yet sent.
#[utoipa::path(
    delete,
    path = "/api/billing/webhooks/{business_sid}/{webhook_sid}/",
    tag = "Webhooks",
    params(WebhookParams),
    responses((status = 204, description = "The webhook was deleted"), CommonErrors, TenantForbidden, Missing),
)]
pub async fn delete_webhook(
    State(state): State<AppState>,
    OwnPath { tenant, sid: webhook, may }: OwnPath<Manage, WebhookSid>,
) -> Result<StatusCode, Problem> {
    let delete =
        async move { services::notifications::webhooks::delete(&state.billing, &tenant, webhook, &may.actor).await };
    to_the_end(delete).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How to rotate a webhook's secret.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = WebhookRotation, example = json!({"overlap_hours": 24}))]
pub struct RotateRequest {
    /// How many hours deliveries are also signed with the old secret, so that you have time to replace it in the
    /// receiver. By default 24; 0 to stop at once, as you should if it was stolen.
    #[serde(default, deserialize_with = "present")]
    #[schema(minimum = 0, maximum = 168)]
    overlap_hours: Option<i64>,
}

/// How many hours both secrets sign by default.
const OVERLAP_HOURS: i64 = 24;

/// Rotate a webhook's secret
///
/// Gives the webhook a new secret; the response contains it, and it is shown only once. Until
/// `previous_secret_expires_at`, deliveries are also signed with the old secret, so that the receiver can switch
/// without losing any.
#[utoipa::path(
    post,
    path = "/api/billing/webhooks/{business_sid}/{webhook_sid}/rotate-secret/",
    tag = "Webhooks",
    params(
        WebhookParams,
        ("Idempotency-Key" = Option<String>, Header,
         description = "1 to 255 visible ASCII characters, such as a UUID; a new one for each rotation"),
    ),
    request_body(content = RotateRequest, description = "How long the old secret keeps signing"),
    responses(
        (status = 200, description = "The webhook and its new secret", body = IssuedWebhookBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the same answer was given before"))),
        CommonErrors,
        WriteErrors,
        Missing,
    ),
)]
pub async fn rotate_webhook_secret(
    State(state): State<AppState>,
    OwnPath { tenant, sid: webhook, may }: OwnPath<Manage, WebhookSid>,
    idempotency: IdempotencyHeader,
    Json(body): Json<RotateRequest>,
) -> Result<(HeaderMap, Json<IssuedWebhookBody>), Problem> {
    let hours = body.overlap_hours.unwrap_or(OVERLAP_HOURS);
    let route = "POST /api/billing/webhooks/{business_sid}/{webhook_sid}/rotate-secret/";
    let scope = idempotency.scope(&may.actor, route, Some(tenant.sid().clone()));
    let rotate = async move {
        services::notifications::webhooks::rotate(&state.billing, &tenant, webhook, hours, &may.actor, scope).await
    };
    Ok(issued(to_the_end(rotate).await?))
}
