//! Records delivery reports, one or many.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::domain::charges::DeliveryStatus;
use crate::domain::charges::charging::Reported;
use crate::domain::prices::messages::{ChargeKey, MessageSid};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::ErrorCode;
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::{Problem, ProblemBody};
use crate::http::edge::answer::responses::{ChargeNotFound, CommonErrors, WriteErrors};
use crate::http::edge::ask::batches::{ItemProblem, Items, Results};
use crate::http::edge::ask::extract::{Json, OwnPath};
use crate::http::edge::who::auth::{Charge, May};
use crate::http::state::AppState;
use crate::services;
use crate::services::charges::ReportRequest;

/// A delivery report of the gateway.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"status": "delivered"}))]
pub struct DeliveryRequest {
    status: DeliveryStatus,
    /// The network's error code: at most 64 characters.
    error_code: Option<ErrorCode>,
}

/// The delivery report that counts for a message: the first one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryBody {
    business_sid: BusinessSid,
    message_sid: MessageSid,
    status: DeliveryStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<ErrorCode>,
    reported_at: Timestamp,
    /// The total refunded for this charge so far.
    refunded: Money,
    currency: Currency,
    /// Whether this report was the first; a later one changes nothing.
    recorded: bool,
}

impl From<Reported> for DeliveryBody {
    fn from(reported: Reported) -> DeliveryBody {
        let Reported { charge, delivery, refunded, recorded } = reported;
        DeliveryBody {
            business_sid: charge.business.clone(),
            message_sid: charge.message.clone(),
            status: delivery.status,
            error_code: delivery.error_code,
            reported_at: delivery.reported_at,
            refunded,
            currency: charge.currency,
            recorded,
        }
    }
}

/// Report a delivery
///
/// Stores the delivery report of a message. The first report counts; later or repeated ones change nothing, and the
/// answer shows the first. `failed` refunds the share of the price that the plan sets (`failed_refund_percent`).
#[utoipa::path(
    post,
    path = "/api/billing/charges/{business_sid}/{message_sid}/delivery/",
    tag = "Charges",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("message_sid" = MessageSid, Path, description = "The message", example = "msg-1"),
    ),
    request_body(content = DeliveryRequest, description = "The delivery report"),
    responses(
        (status = 200, description = "The report that counts: the first one", body = DeliveryBody),
        CommonErrors,
        WriteErrors,
        ChargeNotFound,
    ),
)]
pub async fn report_delivery(
    State(state): State<AppState>,
    OwnPath { tenant, sid: message, may }: OwnPath<Charge, MessageSid>,
    Json(request): Json<DeliveryRequest>,
) -> Result<Json<DeliveryBody>, Problem> {
    let key = ChargeKey { business: tenant.into_sid(), message };
    let request = ReportRequest { key, status: request.status, error_code: request.error_code };
    Ok(Json(services::charges::report(&state.billing, request, may.actor).await?.into()))
}

/// A delivery report in a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"business_sid": "biz_test_001", "message_sid": "msg-1", "status": "delivered"}))]
pub struct DeliveryItem {
    business_sid: BusinessSid,
    message_sid: MessageSid,
    status: DeliveryStatus,
    /// The network's error code: at most 64 characters.
    error_code: Option<ErrorCode>,
}

impl DeliveryItem {
    fn into_request(self, may: &May<Charge>) -> Result<ReportRequest, Problem> {
        may.check_listed(&self.business_sid)?;
        let key = ChargeKey { business: self.business_sid, message: self.message_sid };
        Ok(ReportRequest { key, status: self.status, error_code: self.error_code })
    }
}

/// Delivery reports, of any businesses.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"deliveries": [
    {"business_sid": "biz_test_001", "message_sid": "msg-1", "status": "delivered"},
    {"business_sid": "biz_test_001", "message_sid": "msg-2", "status": "failed", "error_code": "30005"},
]}))]
pub struct DeliveryBatch {
    /// 1 to 1,000 reports.
    #[schema(value_type = Vec<DeliveryItem>, min_items = 1, max_items = 1000)]
    deliveries: Vec<Box<RawValue>>,
}

/// One result per report, in the order of the request.
// For the document alone: [`Results`] writes the answer.
#[derive(Debug, ToSchema)]
pub struct DeliveryResults {
    pub results: Vec<DeliveryResult>,
}

/// The result for one report: the same as for a request of its own.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryResult {
    /// 200, or the status of `error`.
    #[schema(minimum = 200, maximum = 599)]
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemBody>)]
    error: Option<ItemProblem>,
}

/// Report many deliveries
///
/// Takes up to 1,000 delivery reports of any businesses; `results` has one result per report, in the same order.
#[utoipa::path(
    post,
    path = "/api/billing/deliveries/batch/",
    tag = "Charges",
    request_body(content = DeliveryBatch, description = "The delivery reports"),
    responses(
        (status = 200, description = "One result per report", body = DeliveryResults),
        CommonErrors,
        WriteErrors,
    ),
)]
pub async fn report_deliveries(
    State(state): State<AppState>,
    may: May<Charge>,
    Json(batch): Json<DeliveryBatch>,
) -> Result<Results<impl Iterator<Item = DeliveryResult>>, Problem> {
    let items = Items::parse("deliveries", batch.deliveries, |item: DeliveryItem| item.into_request(&may))?;
    let actor = may.actor;
    let request_id = actor.request_id.clone();
    let reported = services::charges::report_many(&state.billing, items.valid, actor).await?;
    let result = move |outcome: Result<Reported, Problem>| match outcome {
        Ok(reported) => DeliveryResult { status: 200, delivery: Some(reported.into()), error: None },
        Err(problem) => DeliveryResult {
            status: problem.status.as_u16(),
            delivery: None,
            error: Some(ItemProblem::new(problem, request_id.clone())),
        },
    };
    Ok(Results(items.problems.place(reported).map(result)))
}
