//! Charges messages, one or many; shows a charge; refunds one.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::delivery_reports::DeliveryBody;
use super::ratings::RatingBody;
use crate::domain::charges::charging::{Charged, Reported};
use crate::domain::charges::{ChargeState, RefundRequest};
use crate::domain::prices::lookup::GivenDestination;
use crate::domain::prices::messages::{ChargeKey, MessageSid, OfferedMessage};
use crate::domain::prices::phone_numbers::PhoneNumber;
use crate::domain::prices::rate_cards::Network;
use crate::domain::values::countries::CountryCode;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::{OperatorName, Reason};
use crate::domain::values::time::{Instant, Timestamp};
use crate::error::Error;
use crate::http::bodies::transactions::TransactionBody;
use crate::http::edge::answer::error::{Problem, ProblemBody};
use crate::http::edge::answer::responses::{ChargeErrors, ChargeNotFound, CommonErrors, WriteErrors};
use crate::http::edge::ask::batches::{ItemProblem, Items, Results};
use crate::http::edge::ask::extract::{Json, OwnPath, present, segments};
use crate::http::edge::ask::idempotency::{IdempotencyHeader, replayed};
use crate::http::edge::who::auth::{self, Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::state::AppState;
use crate::services;
use crate::services::charges::{ChargeHistory, ChargeRequest, RefundReceipt};

/// A message to charge before it is sent.
///
/// The destination is given by `mcc` and `mnc`, else by `country_code` with `operator`, else by the prefix of `to`. The
/// length is given by `segments`, or by the `body`, from which they are counted.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({
    "business_sid": "biz_test_001", "message_sid": "0195a1b2-c3d4-7e5f-8091-a2b3c4d5e6f7", "to": "+254712345678",
    "body": "Your code is 4711"
}))]
pub struct ChargeItem {
    business_sid: BusinessSid,
    message_sid: MessageSid,
    /// The recipient's number, in international form.
    to: Option<PhoneNumber>,
    country_code: Option<CountryCode>,
    /// The operator's name, as on its rate card, ignoring case.
    operator: Option<OperatorName>,
    /// The mobile country code of the network, with `mnc`.
    #[schema(pattern = "^[0-9]{3}$", example = "639")]
    mcc: Option<String>,
    /// The mobile network code of the network, with `mcc`.
    #[schema(pattern = "^[0-9]{2,3}$", example = "02")]
    mnc: Option<String>,
    /// The number of segments.
    #[serde(default, deserialize_with = "segments")]
    #[schema(minimum = 1, maximum = 255)]
    segments: Option<u16>,
    /// The text of the message; segments are counted according to 3GPP TS 23.038 and 23.040. It is not stored.
    body: Option<String>,
    /// When the gateway accepted the message, at most 72 hours ago or 5 minutes ahead: the price at that time applies.
    #[schema(value_type = Option<Timestamp>)]
    submitted_at: Option<Instant>,
    /// Your own data, returned with the transaction: at most 4,096 bytes.
    #[schema(value_type = Option<Object>)]
    metadata: Option<JsonObject>,
}

impl ChargeItem {
    fn into_request(self, may: &May<auth::Charge>) -> Result<ChargeRequest, Problem> {
        may.check_listed(&self.business_sid)?;
        let network = Network::from_codes(self.mcc, self.mnc)?;
        Ok(ChargeRequest {
            key: ChargeKey { business: self.business_sid, message: self.message_sid },
            message: OfferedMessage {
                given: GivenDestination { to: self.to, country: self.country_code, operator: self.operator, network },
                segments: self.segments,
                body: self.body,
                submitted_at: self.submitted_at.map(Instant::timestamp),
                metadata: self.metadata.unwrap_or_default(),
            },
        })
    }
}

/// A charged message: the debit, how its cost was calculated, and the balance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Charge)]
pub struct ChargeBody {
    message_sid: MessageSid,
    /// The debit as a transaction.
    transaction: TransactionBody,
    rating: RatingBody,
    /// The wallet's current balance: after this charge or, when a charge is repeated, after all that followed it.
    balance: Money,
    /// The amount available to further debits: balance plus credit limit.
    available: Money,
}

impl TryFrom<Charged> for ChargeBody {
    type Error = Error;

    fn try_from(charged: Charged) -> Result<ChargeBody, Error> {
        let charge = &charged.charge;
        Ok(ChargeBody {
            message_sid: charge.message.clone(),
            transaction: TransactionBody::new(charge.business.clone(), charge.currency, charge.transaction()?),
            rating: RatingBody::of_charge(charge)?,
            balance: charged.balance,
            available: charged.available,
        })
    }
}

/// Charge a message
///
/// Rates a message and debits its wallet, at once and permanently. Send the message only after this has answered 201.
/// Each `message_sid` is charged once: the same request again returns the same transaction, with
/// `Idempotent-Replayed: true`; a different request with the same `message_sid` gets 409.
///
/// Use a `message_sid` that increases over time, such as a UUID version 7, so that the database stays fast as it grows.
#[utoipa::path(
    post,
    path = "/api/billing/charges/",
    tag = "Charges",
    request_body(content = ChargeItem, description = "The message"),
    responses(
        (status = 201, description = "The charged message", body = ChargeBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the message was charged before"))),
        CommonErrors,
        WriteErrors,
        ChargeErrors,
    ),
)]
pub async fn charge(
    State(state): State<AppState>,
    may: May<auth::Charge>,
    Json(item): Json<ChargeItem>,
) -> Result<(StatusCode, HeaderMap, Json<ChargeBody>), Problem> {
    let charged = services::charges::charge(&state.billing, item.into_request(&may)?, may.actor).await?;
    let headers = replayed(charged.replayed);
    Ok((StatusCode::CREATED, headers, Json(charged.try_into()?)))
}

/// Messages to charge, of any businesses.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"charges": [
    {"business_sid": "biz_test_001", "message_sid": "0195a1b2-c3d4-7000-8000-000000000001", "to": "+254712345678", "segments": 1},
    {"business_sid": "biz_test_002", "message_sid": "0195a1b2-c3d4-7000-8000-000000000002", "mcc": "641", "mnc": "10", "segments": 2},
]}))]
pub struct ChargeBatch {
    /// 1 to 1,000 messages.
    #[schema(value_type = Vec<ChargeItem>, min_items = 1, max_items = 1000)]
    charges: Vec<Box<RawValue>>,
}

/// One result per message, in the order of the request.
// For the document alone: [`Results`] writes the answer.
#[derive(Debug, ToSchema)]
pub struct ChargeResults {
    pub results: Vec<ChargeResult>,
}

/// The result for one message: the same as for a request of its own.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChargeResult {
    /// 201, or the status of `error`.
    #[schema(minimum = 201, maximum = 599)]
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge: Option<ChargeBody>,
    /// Present and true if the message was charged before.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotent_replayed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemBody>)]
    error: Option<ItemProblem>,
}

/// Charge many messages
///
/// Charges up to 1,000 messages of any businesses. Each message is charged or refused on its own; `results` has one
/// result per message, in the same order. All charges are stored durably before the answer is sent.
#[utoipa::path(
    post,
    path = "/api/billing/charges/batch/",
    tag = "Charges",
    request_body(content = ChargeBatch, description = "The messages"),
    responses(
        (status = 200, description = "One result per message", body = ChargeResults),
        CommonErrors,
        WriteErrors,
    ),
)]
pub async fn charge_batch(
    State(state): State<AppState>,
    may: May<auth::Charge>,
    Json(batch): Json<ChargeBatch>,
) -> Result<Results<impl Iterator<Item = ChargeResult>>, Problem> {
    let items = Items::parse("charges", batch.charges, |item: ChargeItem| item.into_request(&may))?;
    let actor = may.actor;
    let request_id = actor.request_id.clone();
    let charged = services::charges::charge_many(&state.billing, items.valid, actor).await?;
    let result = move |outcome: Result<Charged, Problem>| {
        let outcome = outcome.and_then(|charged| {
            let replayed = charged.replayed.then_some(true);
            Ok((ChargeBody::try_from(charged)?, replayed))
        });
        match outcome {
            Ok((charge, idempotent_replayed)) => {
                ChargeResult { status: 201, charge: Some(charge), idempotent_replayed, error: None }
            }
            Err(problem) => ChargeResult {
                status: problem.status.as_u16(),
                charge: None,
                idempotent_replayed: None,
                error: Some(ItemProblem::new(problem, request_id.clone())),
            },
        }
    };
    Ok(Results(items.problems.place(charged).map(result)))
}

/// The cost of a message and how it was calculated, its delivery report and its refunds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChargeHistory)]
pub struct ChargeHistoryBody {
    message_sid: MessageSid,
    /// The debit as a transaction.
    transaction: TransactionBody,
    rating: RatingBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    submitted_at: Option<Timestamp>,
    /// Left out until there is a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryBody>,
    /// The sum of `refunds`.
    refunded: Money,
    /// Oldest first.
    refunds: Vec<TransactionBody>,
}

impl TryFrom<ChargeHistory> for ChargeHistoryBody {
    type Error = Error;

    fn try_from(history: ChargeHistory) -> Result<ChargeHistoryBody, Error> {
        let ChargeHistory { state, refunds } = history;
        let ChargeState { charge, delivery, refunded } = state;
        let body = |transaction| TransactionBody::new(charge.business.clone(), charge.currency, transaction);
        let delivery =
            delivery.map(|delivery| Reported { charge: charge.clone(), delivery, refunded, recorded: true }.into());
        Ok(ChargeHistoryBody {
            message_sid: charge.message.clone(),
            transaction: body(charge.transaction()?),
            rating: RatingBody::of_charge(&charge)?,
            submitted_at: charge.submitted_at,
            delivery,
            refunded,
            refunds: refunds.into_iter().map(body).collect(),
        })
    }
}

/// Get a charge
///
/// The cost of a message and how it was calculated, its delivery report and its refunds.
#[utoipa::path(
    get,
    path = "/api/billing/charges/{business_sid}/{message_sid}/",
    tag = "Charges",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("message_sid" = MessageSid, Path, description = "The message", example = "msg-1"),
    ),
    responses((status = 200, description = "The charge", body = ChargeHistoryBody), CommonErrors, ChargeNotFound),
)]
pub async fn show_charge(
    State(state): State<AppState>,
    OwnPath { tenant, sid: message, .. }: OwnPath<auth::Quote, MessageSid>,
) -> Result<Json<ChargeHistoryBody>, Problem> {
    let key = ChargeKey { business: tenant.into_sid(), message };
    Ok(Json(services::charges::show(&state.billing, &key).await?.try_into()?))
}

/// How much of a charge to refund, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"reason": "Sent twice by mistake"}))]
pub struct ChargeRefundRequest {
    /// Greater than 0, and at most what is left of the charge; by default all that is left.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<crate::http::schema::DecimalInput>)]
    amount: Option<Money>,
    /// At most 255 characters, shown with the refund.
    reason: Reason,
}

/// A refund and the balance after it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChargeRefund)]
pub struct ChargeRefundBody {
    message_sid: MessageSid,
    /// The refund as a transaction.
    transaction: TransactionBody,
    /// The total refunded for this charge so far.
    refunded: Money,
    /// The wallet's balance after the refund.
    balance: Money,
    available: Money,
}

impl ChargeRefundBody {
    fn new(business: BusinessSid, receipt: RefundReceipt) -> ChargeRefundBody {
        ChargeRefundBody {
            refunded: receipt.refunded,
            balance: receipt.entry.balance_after,
            available: receipt.available,
            message_sid: receipt.message.clone(),
            transaction: TransactionBody::new(business, receipt.currency, receipt.into_transaction()),
        }
    }
}

/// Refund a charge
///
/// Refunds a charge by hand, in full or in part. The refunds of a charge never exceed it. A full refund also removes
/// the message from the usage, unless its month is closed; a partial one only lowers its cost.
///
/// Send an `Idempotency-Key` so that a repeated request refunds only once.
#[utoipa::path(
    post,
    path = "/api/billing/charges/{business_sid}/{message_sid}/refund/",
    tag = "Charges",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("message_sid" = MessageSid, Path, description = "The message", example = "msg-1"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "1 to 255 visible ASCII characters, such as a UUID; a new one for each refund"),
    ),
    request_body(content = ChargeRefundRequest, description = "The amount and the reason"),
    responses(
        (status = 201, description = "The refund, and the balance after it", body = ChargeRefundBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the same answer was given before"))),
        CommonErrors,
        WriteErrors,
        ChargeNotFound,
    ),
)]
pub async fn refund_charge(
    State(state): State<AppState>,
    OwnPath { tenant, sid: message, may }: OwnPath<Administer, MessageSid>,
    idempotency: IdempotencyHeader,
    Json(request): Json<ChargeRefundRequest>,
) -> Result<(StatusCode, HeaderMap, Json<ChargeRefundBody>), Problem> {
    let (actor, business) = (may.actor, tenant.into_sid());
    let idempotency = idempotency.scope(
        &actor,
        "POST /api/billing/charges/{business_sid}/{message_sid}/refund/",
        Some(business.clone()),
    );
    let key = ChargeKey { business: business.clone(), message };
    let request = RefundRequest::new(key, request.amount, request.reason)?;
    let refund = async move { services::charges::refund(&state.billing, request, idempotency, actor).await };
    let answer = to_the_end(refund).await?;
    let body = ChargeRefundBody::new(business, answer.value);
    Ok((StatusCode::CREATED, replayed(answer.replayed), Json(body)))
}
