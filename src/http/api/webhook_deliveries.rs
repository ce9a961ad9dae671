//! Lists webhook deliveries, sends one again, and sends test events.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::webhook_paths::{DeliveryPath, WebhookParams};
use crate::domain::notifications::events::EventType;
use crate::domain::notifications::webhook_messages::{Attempt, DeliveryError, MessageStatus};
use crate::domain::values::sid::{MessageEventSid, WebhookSid};
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::pages::{self, PageQuery};
use crate::http::edge::answer::responses::{CommonErrors, Missing, TenantForbidden, WriteErrors};
use crate::http::edge::ask::extract::{Json, OwnPath, Query};
use crate::http::edge::who::auth::Manage;
use crate::http::edge::writes::to_the_end;
use crate::http::state::AppState;
use crate::services;
use crate::services::notifications::webhook_log::LoggedMessage;

/// An attempt to deliver a webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub struct AttemptBody {
    number: i64,
    /// The receiver's HTTP status; left out if there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<i64>,
    /// Why the attempt failed; left out if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<DeliveryError>,
    duration_ms: i64,
    attempted_at: Timestamp,
}

impl From<Attempt> for AttemptBody {
    fn from(attempt: Attempt) -> AttemptBody {
        AttemptBody {
            number: attempt.number,
            status_code: attempt.status_code,
            error: attempt.error,
            duration_ms: attempt.duration_micros / 1_000,
            attempted_at: attempt.attempted_at,
        }
    }
}

/// A webhook delivery and its attempts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct DeliveryBody {
    /// The value of the `webhook-id` header, the same on every attempt.
    sid: MessageEventSid,
    event: EventType,
    status: MessageStatus,
    attempts: Vec<AttemptBody>,
    /// Left out if there will be no further attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<LoggedMessage> for DeliveryBody {
    fn from(LoggedMessage { message, attempts }: LoggedMessage) -> DeliveryBody {
        DeliveryBody {
            sid: message.sid,
            event: message.event,
            status: message.status,
            attempts: attempts.into_iter().map(AttemptBody::from).collect(),
            next_attempt_at: message.next_attempt_at,
            created_at: message.created_at,
        }
    }
}

/// A webhook delivery with its payload.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDeliveryWithPayload)]
pub struct WholeDeliveryBody {
    #[serde(flatten)]
    delivery: DeliveryBody,
    /// The body of the request.
    #[schema(value_type = Object)]
    payload: Option<Box<RawValue>>,
}

impl From<LoggedMessage> for WholeDeliveryBody {
    fn from(logged: LoggedMessage) -> WholeDeliveryBody {
        let payload = RawValue::from_string(logged.message.payload.clone()).ok();
        WholeDeliveryBody { payload, delivery: logged.into() }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// Only deliveries with this status.
    status: Option<MessageStatus>,
}

/// List webhook deliveries
///
/// Newest first, with every attempt, a page at a time: the `Link` header points to the next page. Deliveries are kept
/// for 30 days.
#[utoipa::path(
    get,
    path = "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/",
    tag = "Webhooks",
    params(
        WebhookParams,
        DeliveryQuery,
        PageQuery,
    ),
    responses(
        (status = 200, description = "A page of webhook deliveries", body = Vec<DeliveryBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
        TenantForbidden,
        Missing,
    ),
)]
pub async fn list_webhook_deliveries(
    State(state): State<AppState>,
    OwnPath { tenant, sid: webhook, .. }: OwnPath<Manage, WebhookSid>,
    Query(query): Query<DeliveryQuery>,
    Query(page): Query<PageQuery>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<DeliveryBody>>), Problem> {
    let (cursor, limit) = page.bounds();
    let page =
        services::notifications::webhook_log::list(&state.billing, &tenant, webhook, query.status, cursor, limit)
            .await?;
    Ok(pages::answer(&uri, page.map(DeliveryBody::from)))
}

/// Get a webhook delivery
///
/// Returns the payload that was sent, and every attempt.
#[utoipa::path(
    get,
    path = "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/{delivery_sid}/",
    tag = "Webhooks",
    params(
        WebhookParams,
        ("delivery_sid" = MessageEventSid, Path, description = "The webhook delivery"),
    ),
    responses(
        (status = 200, description = "The webhook delivery", body = WholeDeliveryBody),
        CommonErrors,
        TenantForbidden,
        Missing,
    ),
)]
pub async fn show_webhook_delivery(
    State(state): State<AppState>,
    DeliveryPath { tenant, webhook, delivery, .. }: DeliveryPath<Manage>,
) -> Result<Json<WholeDeliveryBody>, Problem> {
    Ok(Json(services::notifications::webhook_log::show(&state.billing, &tenant, webhook, delivery).await?.into()))
}

/// Resend a webhook delivery
///
/// Sends it at once, and retries for up to 24 hours like a new delivery. The `webhook-id` stays the same. The answer
/// does not wait for the result.
#[utoipa::path(
    post,
    path = "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/{delivery_sid}/resend/",
    tag = "Webhooks",
    params(
        WebhookParams,
        ("delivery_sid" = MessageEventSid, Path, description = "The webhook delivery"),
    ),
    responses(
        (status = 202, description = "The delivery, which is about to be sent", body = WholeDeliveryBody),
        CommonErrors,
        WriteErrors,
        Missing,
    ),
)]
pub async fn resend_webhook_delivery(
    State(state): State<AppState>,
    DeliveryPath { tenant, webhook, delivery, may }: DeliveryPath<Manage>,
) -> Result<(StatusCode, Json<WholeDeliveryBody>), Problem> {
    let send = async move {
        services::notifications::webhook_log::send_again(&state.billing, &tenant, webhook, delivery, &may.actor).await
    };
    Ok((StatusCode::ACCEPTED, Json(to_the_end(send).await?.into())))
}

/// Test a webhook
///
/// Sends the event `webhook.test` in the same way as all others, whatever events the webhook subscribes to. The answer
/// does not wait for the result: look at the attempts of the delivery a moment later.
#[utoipa::path(
    post,
    path = "/api/billing/webhooks/{business_sid}/{webhook_sid}/test/",
    tag = "Webhooks",
    params(WebhookParams),
    responses(
        (status = 202, description = "The delivery, which is about to be sent", body = WholeDeliveryBody),
        CommonErrors,
        WriteErrors,
        Missing,
    ),
)]
pub async fn test_webhook(
    State(state): State<AppState>,
    OwnPath { tenant, sid: webhook, may }: OwnPath<Manage, WebhookSid>,
) -> Result<(StatusCode, Json<WholeDeliveryBody>), Problem> {
    let test =
        async move { services::notifications::webhook_log::test(&state.billing, &tenant, webhook, &may.actor).await };
    Ok((StatusCode::ACCEPTED, Json(to_the_end(test).await?.into())))
}
