//! Turns every error into problem details (RFC 9457), with `detail` as a sentence a person can act on.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::charges::Refusal;
use crate::domain::values::currency::Currency;
use crate::domain::values::fields::FieldError;
use crate::domain::values::money::Money;
use crate::error::Error;

/// The `Retry-After` of a busy server, in seconds.
const RETRY_AFTER_SECONDS: u16 = 1;

/// An error answer. As a response it is only a status until [`Problem::render`] writes its body, because only the
/// outermost layer knows the request's id.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub detail: Cow<'static, str>,
    /// Errors by field.
    pub errors: BTreeMap<String, Vec<String>>,
    pub retry_after_seconds: Option<u16>,
    /// The available and the needed amount, where money was short.
    pub funds: Option<Funds>,
    /// For the log, never for the client.
    pub cause: Option<String>,
}

/// Why a wallet could not pay.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Funds {
    /// What a debit may take: the balance and the credit limit.
    pub available: Money,
    /// What the message costs.
    pub required: Money,
    pub currency: Currency,
}

/// The body of every error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "about:blank",
    "title": "Bad Request",
    "status": 400,
    "detail": "amount must be greater than 0",
    "code": "invalid_request",
    "errors": {"amount": ["must be greater than 0"]},
    "request_id": "019abc34-5678-7def-8123-456789abcdef",
}))]
pub struct ProblemBody<'a> {
    /// Always `about:blank`; see `code` for the kind of problem.
    #[serde(rename = "type")]
    problem_type: &'static str,
    /// The HTTP status in words.
    title: &'static str,
    /// The HTTP status code.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// A sentence to show to a person.
    detail: &'a str,
    /// The kind of problem, for programs: one of a fixed set of codes.
    code: &'static str,
    /// What is wrong with which field or parameter. Left out if no single one is to blame.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Option<BTreeMap<String, Vec<String>>>)]
    errors: &'a BTreeMap<String, Vec<String>>,
    /// With `insufficient_funds` only: the amount available to debits, balance plus credit limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<Money>,
    /// With `insufficient_funds` only: the cost of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    required: Option<Money>,
    /// With `insufficient_funds` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<Currency>,
    /// The id of the request, also in the `X-Request-Id` header: quote it when you ask for help.
    request_id: &'a str,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Problem {
        let detail = detail.into();
        Problem { status, code, detail, errors: BTreeMap::new(), retry_after_seconds: None, funds: None, cause: None }
    }

    /// 400: one field or parameter is invalid.
    pub fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Problem {
        FieldError::new(field, problem).into()
    }

    pub fn with_error(mut self, field: impl Into<String>, problem: impl Into<String>) -> Problem {
        self.errors.entry(field.into()).or_default().push(problem.into());
        self
    }

    /// 401: the caller gave no credentials, or none that the server knows.
    pub fn unauthorized(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 404 for a business that does not exist, and for one out of the caller's reach: nobody can tell which.
    pub fn business_not_found() -> Problem {
        let detail = "There is no such business, or it is none of yours.";
        Problem::new(StatusCode::NOT_FOUND, "business_not_found", detail)
    }

    /// 400: a change without any known field, which is most likely misspelt.
    pub fn no_change() -> Problem {
        let detail = "The body names nothing that can be changed; the documentation (/docs) lists what can.";
        Problem::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    pub fn not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address; /docs lists what there is.")
    }

    pub fn method_not_allowed() -> Problem {
        let detail = "This address does not answer that method; the Allow header lists those it does.";
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    pub fn internal(cause: impl Into<String>) -> Problem {
        let detail =
            "Something went wrong on our side; nothing was changed by halves. Name the request id when you ask.";
        let mut problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail);
        problem.cause = Some(cause.into());
        problem
    }

    /// 503, with `Retry-After`.
    pub fn unavailable(code: &'static str, detail: &'static str, cause: Option<String>) -> Problem {
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        problem.retry_after_seconds = Some(RETRY_AFTER_SECONDS);
        problem.cause = cause;
        problem
    }

    /// The problem as a body.
    pub fn body<'a>(&'a self, request_id: &'a str) -> ProblemBody<'a> {
        ProblemBody {
            problem_type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            errors: &self.errors,
            available: self.funds.map(|funds| funds.available),
            required: self.funds.map(|funds| funds.required),
            currency: self.funds.map(|funds| funds.currency),
            request_id,
        }
    }

    /// Writes the body into a response, which keeps its headers.
    pub fn render(&self, response: &mut Response, request_id: &str) {
        let body = self.body(request_id);
        // A struct of texts and numbers always serialises.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.remove(header::CONTENT_LENGTH);
        if self.status == StatusCode::UNAUTHORIZED {
            // Basic works too, but offering it would make browsers open a window of their own.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        *response.body_mut() = body.into();
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Problem {
        let detail = error.to_string();
        Problem::new(StatusCode::BAD_REQUEST, "invalid_request", detail).with_error(error.field, error.problem)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        match error {
            Error::Invalid(error) => error.into(),
            Error::InvalidFields(ref errors) => {
                let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid_request", error.to_string());
                errors.iter().fold(problem, |problem, wrong| problem.with_error(&*wrong.field, &*wrong.problem))
            }
            Error::MalformedCsv(sentence) => Problem::new(StatusCode::BAD_REQUEST, "malformed_csv", sentence),
            Error::LinesRefused(ref lines) => {
                let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "lines_refused", error.to_string());
                let sentences = lines.iter().map(|line| (format!("line {}", line.line), line.sentences().collect()));
                problem.errors.extend(sentences);
                problem
            }
            Error::NotFound { code, sentence } => Problem::new(StatusCode::NOT_FOUND, code, sentence),
            Error::Exists(error) => Problem::new(StatusCode::CONFLICT, "already_exists", error.to_string())
                .with_error(error.field, error.problem),
            Error::Forbidden(sentence) => Problem::new(StatusCode::FORBIDDEN, "forbidden", sentence),
            Error::Changed => Problem::new(StatusCode::PRECONDITION_FAILED, "changed_meanwhile", error.to_string())
                .with_error("If-Match", "is not the ETag that it has now"),
            Error::Impossible { code, sentence } => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, sentence),
            Error::WrongLogin => Problem::new(StatusCode::UNAUTHORIZED, "wrong_login", error.to_string()),
            Error::LoginLocked { seconds } => {
                let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "login_locked", error.to_string());
                problem.retry_after_seconds = Some(u16::try_from(seconds).unwrap_or(u16::MAX));
                problem
            }
            Error::IdempotencyConflict => Problem::new(StatusCode::CONFLICT, "idempotency_conflict", error.to_string())
                .with_error("Idempotency-Key", "was used before with a different request"),
            Error::Refused(refusal) => refusal.into(),
            Error::Busy(sentence) => Problem::unavailable("busy", sentence, None),
            Error::Unavailable(_) | Error::Stale => Problem::unavailable(
                "unavailable",
                "The database is busy or cannot be reached; try again in a moment.",
                Some(error.to_string()),
            ),
            Error::OutcomeUnknown(_) => {
                let detail = "The database broke off while it stored this: it may have happened or not. Repeat it with the \
                              same Idempotency-Key or message_sid; without one, look whether it happened first.";
                Problem::unavailable("outcome_unknown", detail, Some(error.to_string()))
            }
            Error::Database(_) | Error::Corrupt(_) | Error::Money(_) | Error::Setup(_) | Error::Provider(_) => {
                Problem::internal(error.to_string())
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let status = match &refusal {
            Refusal::Invalid(error) => return error.clone().into(),
            Refusal::InsufficientFunds { .. } => StatusCode::PAYMENT_REQUIRED,
            Refusal::BusinessSuspended => StatusCode::FORBIDDEN,
            Refusal::ChargeNotFound => StatusCode::NOT_FOUND,
            Refusal::MessageConflict => StatusCode::CONFLICT,
            Refusal::Unrated(_) | Refusal::RefundExceedsCharge { .. } | Refusal::BalanceOutOfRange(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        let mut problem = Problem::new(status, refusal.code(), refusal.to_string());
        match refusal {
            Refusal::InsufficientFunds { available, required, currency } => {
                problem.funds = Some(Funds { available, required, currency });
                problem
            }
            Refusal::MessageConflict => {
                problem.with_error("message_sid", "was charged before with a different request")
            }
            Refusal::RefundExceedsCharge { left, .. } => {
                problem.with_error("amount", format!("must be at most {left}"))
            }
            _ => problem,
        }
    }
}
