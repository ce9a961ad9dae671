//! Describes the errors that operations share, for the OpenAPI document.

use utoipa::IntoResponses;

use super::error::ProblemBody;

/// How every request to the API can fail.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum CommonErrors<'a> {
    /// The request is invalid; `errors` names the fields or parameters concerned.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(ProblemBody<'a>),
    /// Credentials are missing or not valid. With `AUTH=open`, only some operations need them.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemBody<'a>),
    /// The URL is longer than 8 KiB.
    #[response(status = 414, content_type = "application/problem+json")]
    UriTooLong(ProblemBody<'a>),
    /// Too many requests: the caller, or all callers at its address together, made more requests than allowed per
    /// minute, or the address has too many open connections. `Retry-After` says when to try again. Every answer carries
    /// `RateLimit` and `RateLimit-Policy`, which say what is left.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(ProblemBody<'a>),
    /// The request headers are larger than 16 KiB in total, or there are more than 64 of them.
    #[response(status = 431, content_type = "application/problem+json")]
    HeadersTooLarge(ProblemBody<'a>),
    /// An unexpected error in the server.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(ProblemBody<'a>),
    /// The server is busy, has too many connections or cannot reach its database; `Retry-After` says when to try again.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody<'a>),
}

/// How a write can fail besides.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum WriteErrors<'a> {
    /// The caller's role or key does not permit this, the business is suspended, or the request comes from a web page
    /// whose origin is not in `CORS_ORIGINS`.
    #[response(status = 403, content_type = "application/problem+json")]
    OriginNotAllowed(ProblemBody<'a>),
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Timeout(ProblemBody<'a>),
    /// The `Idempotency-Key` or the `message_sid` has been used before with a different request.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemBody<'a>),
    /// The body is larger than the server accepts.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody<'a>),
    /// The body was not sent as `application/json`.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemBody<'a>),
    /// The request is valid but cannot be carried out, for example because there is no price for the destination or
    /// only one in another currency, a refund exceeds its charge, or the balance would go out of range.
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// How a charge can be refused besides.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum ChargeErrors<'a> {
    /// The wallet cannot pay; `available` and `required` show how much is missing.
    #[response(status = 402, content_type = "application/problem+json")]
    InsufficientFunds(ProblemBody<'a>),
}

/// How a charge can be missing.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum ChargeNotFound<'a> {
    /// No message with this `message_sid` was charged to this business.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody<'a>),
}

/// How an export can be refused besides.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum ExportErrors<'a> {
    /// The business does not exist, or it is not yours: the answer does not tell which.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody<'a>),
    /// The request used HTTP/1.0, which cannot show whether an answer is complete.
    #[response(status = 505, content_type = "application/problem+json")]
    HttpVersion(ProblemBody<'a>),
}

/// How what is asked for can be missing.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum Missing<'a> {
    /// The object does not exist, or it belongs to another business: the answer does not tell which.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody<'a>),
}

/// How what is for admins is refused to others.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum Forbidden<'a> {
    /// The caller is not an admin or uses a test key, or the request comes from a web page whose origin is not in
    /// `CORS_ORIGINS`.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody<'a>),
}

/// How a body can fail to arrive.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum BodyErrors<'a> {
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Timeout(ProblemBody<'a>),
    /// The body is larger than the server accepts.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody<'a>),
    /// The body was not sent with the content type that this operation expects.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemBody<'a>),
}

/// How what is asked can be at odds with what there is.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum Conflicts<'a> {
    /// A plan of this name, or a rate card for this destination, currency and day, already exists.
    #[response(status = 409, content_type = "application/problem+json")]
    Exists(ProblemBody<'a>),
    /// The request is valid but cannot be carried out: a wallet uses the plan, the plan is the default for new wallets,
    /// or the price is or was in force.
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// How a change of what the author has not seen is refused.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum Preconditions<'a> {
    /// The object has changed: its version is no longer the one in `If-Match`.
    #[response(status = 412, content_type = "application/problem+json")]
    Changed(ProblemBody<'a>),
    /// The `If-Match` header is missing.
    #[response(status = 428, content_type = "application/problem+json")]
    Required(ProblemBody<'a>),
}

/// How a sheet can be refused.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum LineErrors<'a> {
    /// Some lines are invalid; `errors` names each of them. Nothing was stored.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemBody<'a>),
}

/// How something new can be there already.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum Taken<'a> {
    /// The `sid` or the e-mail address is already taken.
    #[response(status = 409, content_type = "application/problem+json")]
    Exists(ProblemBody<'a>),
}

/// What a business cannot become.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum BusinessRules<'a> {
    /// The request is valid but cannot be carried out: the chain of resellers would form a cycle (`hierarchy_cycle`) or
    /// be longer than five (`hierarchy_too_deep`); a reseller that still has clients, or users or keys with the role
    /// `reseller`, cannot become a client (`reseller_in_use`); or the business to delete is still in use
    /// (`business_in_use`).
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// What cannot be done to a user.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum UserRules<'a> {
    /// The request is valid but cannot be carried out: no admin who can log in would be left (`last_admin`), or it
    /// would disable, delete or demote your own login (`own_user`).
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// How a change of a business's own things is refused.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum TenantForbidden<'a> {
    /// The caller's role or key does not permit this, its business is suspended, or the request comes from a web page
    /// whose origin is not in `CORS_ORIGINS`.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody<'a>),
}

/// What cannot be done with an invoice.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum InvoiceRules<'a> {
    /// The `Idempotency-Key` has been used before with a different request.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemBody<'a>),
    /// The request is valid but cannot be carried out: the invoice is a draft (`invoice_draft`), cancelled
    /// (`invoice_cancelled`), a credit note (`invoice_is_credit_note`) or already paid (`invoice_paid`); something has
    /// been paid on it or credited from it (`invoice_in_use`); less of it is left to credit (`credit_exceeds_invoice`),
    /// or nothing (`invoice_credited`); or only an operator may enter payments (`no_payment_provider`).
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// How settings of recharges are refused.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum RechargeErrors<'a> {
    /// The caller's role or key does not permit this, its business is suspended, or the request comes from a web page
    /// whose origin is not in `CORS_ORIGINS`.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody<'a>),
    /// The settings have changed: their version is no longer the one in `If-Match`.
    #[response(status = 412, content_type = "application/problem+json")]
    Changed(ProblemBody<'a>),
    /// This server has no payment provider (`no_payment_provider`).
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// How a decision about money in suspense is refused.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum SuspenseErrors<'a> {
    /// The request is valid but cannot be carried out: the item has already been assigned or dismissed
    /// (`suspense_settled`), the wallet is in another currency (`currency_mismatch`), or a payment has already credited
    /// this money (`credited_already`).
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// How a login fails besides.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum LoginErrors<'a> {
    /// Too many failed logins; `Retry-After` says when to try again.
    #[response(status = 429, content_type = "application/problem+json")]
    Locked(ProblemBody<'a>),
}

/// How a probe fails.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum ProbeErrors<'a> {
    /// The server is not ready.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody<'a>),
}
