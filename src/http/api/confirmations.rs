//! Receives confirmations of payments from providers, authenticated by signature, without an API key.

use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::audit::Actor;
use crate::domain::payments::confirmations::{Confirmation, PaymentOutcome, Verdict};
use crate::domain::payments::providers::{ProviderName, ProviderReference, failure_text};
use crate::domain::payments::signatures::{BadSignature, SignedMessage};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::named_enum::named_enum;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, Missing};
use crate::http::edge::ask::extract::{Json, from_json};
use crate::http::edge::ask::{bodies, json_depth};
use crate::http::edge::who::access::Asks;
use crate::http::edge::who::auth::{Anyone, May};
use crate::http::edge::writes::to_the_end;
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;

/// A provider's message whose signature was verified.
#[derive(Debug)]
pub struct Signed {
    provider: ProviderName,
    body: Bytes,
}

impl Asks for Signed {}

impl FromRequest<AppState> for Signed {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Signed, Problem> {
        let (mut parts, body) = request.into_parts();
        let name = Path::<String>::from_request_parts(&mut parts, state).await.map(|Path(text)| text);
        let provider = name.unwrap_or_default().parse::<ProviderName>().map_err(|_| unknown_provider())?;
        let secret = state.billing.live.providers.secret(&provider).ok_or_else(unknown_provider)?.clone();
        let headers = std::mem::take(&mut parts.headers);
        let body = bodies::read(Request::from_parts(parts, body), state).await?;
        let header = |name: &str| header(&headers, name);
        let message = SignedMessage { id: header("webhook-id"), timestamp: header("webhook-timestamp"), body: &body };
        secret.verify(message, header("webhook-signature"), state.billing.clock.now()).map_err(unsigned)?;
        Ok(Signed { provider, body })
    }
}

/// The value of a header; empty where there is none or more than one.
fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        _ => "",
    }
}

fn unknown_provider() -> Problem {
    let detail = "There is no payment provider of this name here, or it confirms nothing.";
    Problem::new(StatusCode::NOT_FOUND, "provider_not_found", detail)
}

fn unsigned(problem: BadSignature) -> Problem {
    let mut refusal = Problem::unauthorized(problem.to_string());
    refusal.code = "invalid_signature";
    refusal
}

named_enum! {
    pub enum ConfirmedStatus { Completed = "completed", Failed = "failed" }
}

/// The outcome of a payment.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Confirmation, example = json!({
    "payment_sid": "pay_019abc3456787def8123456789abcdef", "status": "completed", "provider_reference": "SGR7X1KQ2P",
    "amount": 12.5, "currency": "USD"
}))]
pub struct ConfirmationBody {
    /// The SID of the payment, as given when it was requested: 1 to 128 characters.
    payment_sid: String,
    /// `completed`: you have received the money. `failed`: you have not, and will not.
    #[schema(value_type = String, pattern = "^(completed|failed)$")]
    status: ConfirmedStatus,
    /// Your own reference for the payment, the same in every message about it; required if completed.
    provider_reference: Option<ProviderReference>,
    /// The amount you received; required if completed.
    #[schema(value_type = Option<DecimalInput>)]
    amount: Option<Money>,
    /// The currency (ISO 4217); required if completed.
    currency: Option<Currency>,
    /// Why it failed, in words that the payer understands.
    reason: Option<String>,
}

impl ConfirmationBody {
    fn confirmation(self, provider: ProviderName) -> Result<Confirmation, Problem> {
        let length = self.payment_sid.chars().count();
        if !(1..=128).contains(&length) || self.payment_sid.chars().any(char::is_control) {
            return Err(Problem::invalid("payment_sid", "must be the name of the payment, 1 to 128 characters"));
        }
        let needed = |field: &'static str| Problem::invalid(field, "is missing: a completed payment has it");
        let outcome = match self.status {
            ConfirmedStatus::Failed => {
                PaymentOutcome::Failed { reason: failure_text(self.reason.as_deref().unwrap_or("")) }
            }
            ConfirmedStatus::Completed => PaymentOutcome::Completed {
                provider_reference: self.provider_reference.ok_or_else(|| needed("provider_reference"))?,
                amount: self.amount.ok_or_else(|| needed("amount"))?,
                currency: self.currency.ok_or_else(|| needed("currency"))?,
            },
        };
        match outcome {
            PaymentOutcome::Completed { amount, .. } if amount <= Money::ZERO => {
                Err(Problem::invalid("amount", "must be greater than 0"))
            }
            outcome => Ok(Confirmation { provider, payment: self.payment_sid, outcome }),
        }
    }
}

named_enum! {
    pub enum Taken { Credited = "credited", Failed = "failed", Known = "known", Suspended = "suspended" }
}

/// The result of a confirmation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConfirmationTaken)]
pub struct TakenBody {
    /// `credited`: the wallet has been credited. `failed`: the payment has failed. `known`: the message says nothing
    /// new. `suspended`: it matches no payment, and an admin will look into it. Do not send it again after any of
    /// these.
    #[schema(value_type = String, pattern = "^(credited|failed|known|suspended)$")]
    result: Taken,
}

/// Confirm a payment
///
/// For the adapters of payment providers. They need no API key but sign each message, in the headers `webhook-id`,
/// `webhook-timestamp` (seconds since 1970, at most 5 minutes from now) and `webhook-signature`: `v1,` followed by the
/// base64 of the HMAC-SHA256 of id, timestamp and body, joined by dots, with the provider's secret as the key.
/// Repeating a message changes nothing.
#[utoipa::path(
    post,
    path = "/api/billing/payments/{provider}/confirmations/",
    tag = "Payments",
    security(()),
    params(
        ("provider" = ProviderName, Path, description = "The provider's name in this server's settings", example = "mpesa"),
        ("webhook-id" = String, Header, description = "The id of the message"),
        ("webhook-timestamp" = String, Header, description = "The time of sending, in seconds since 1970"),
        ("webhook-signature" = String, Header, description = "The signature, or several separated by spaces"),
    ),
    request_body(content = ConfirmationBody, description = "The outcome of the payment"),
    responses(
        (status = 200, description = "Accepted; do not send it again", body = TakenBody),
        (status = 202, body = TakenBody,
         description = "Accepted, but it matches no payment; an admin will look into it. Do not send it again"),
        CommonErrors,
        BodyErrors,
        Missing,
    ),
)]
pub async fn confirm_payment(
    State(state): State<AppState>,
    may: May<Anyone>,
    Signed { provider, body }: Signed,
) -> Result<(StatusCode, Json<TakenBody>), Problem> {
    if json_depth::is_too_deep(&body) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "The body is nested too deeply."));
    }
    let confirmation = from_json::<ConfirmationBody>(&body)?.confirmation(provider)?;
    let actor = Actor::provider(confirmation.provider.as_str(), may.actor.request_id, may.actor.address);
    let take = async move { services::payments::confirm(&state.billing, &confirmation, &actor).await };
    let (status, result) = match to_the_end(take).await? {
        Verdict::Complete => (StatusCode::OK, Taken::Credited),
        Verdict::Fail => (StatusCode::OK, Taken::Failed),
        Verdict::Replay => (StatusCode::OK, Taken::Known),
        Verdict::Suspend(_) => (StatusCode::ACCEPTED, Taken::Suspended),
    };
    Ok((status, Json(TakenBody { result })))
}
