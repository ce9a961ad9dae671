//! Generates the OpenAPI document from the handlers, with the errors they share.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi};

use crate::http::edge::answer::error::ProblemBody;
use crate::http::edge::who::credentials::SESSION_COOKIE;
use crate::http::routes::DocumentedRoutes;

/// How every request to the API can fail.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum CommonErrors<'a> {
    /// Something in the request is not what it must be; `errors` names the field or parameter.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(ProblemBody<'a>),
    /// The server asks for credentials (`AUTH=required`), and the request carried none that it knows.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemBody<'a>),
    /// The address of the request is longer than 8 KiB.
    #[response(status = 414, content_type = "application/problem+json")]
    UriTooLong(ProblemBody<'a>),
    /// The caller, or all callers at its address, made more requests than are allowed in a minute, or opened more
    /// connections than one address may have; `Retry-After` says when to ask again. `RateLimit` and `RateLimit-Policy`
    /// say on every answer what is left.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(ProblemBody<'a>),
    /// The headers of the request are larger than 16 KiB together, or more than 64.
    #[response(status = 431, content_type = "application/problem+json")]
    HeadersTooLarge(ProblemBody<'a>),
    /// Something went wrong inside the server.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(ProblemBody<'a>),
    /// The server is busy, has too many connections or cannot reach its database; `Retry-After` says when to ask again.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody<'a>),
}

/// How a write can fail besides.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum WriteErrors<'a> {
    /// The request came from a web page whose origin is not in `CORS_ORIGINS`, or the business is suspended.
    #[response(status = 403, content_type = "application/problem+json")]
    OriginNotAllowed(ProblemBody<'a>),
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    Timeout(ProblemBody<'a>),
    /// The `Idempotency-Key` or the `message_sid` was used before with a different request.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemBody<'a>),
    /// The body is larger than the server takes.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody<'a>),
    /// The body is not sent as `application/json`.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemBody<'a>),
    /// The request is understood but impossible: there is no price for the destination, or only one in another currency;
    /// a refund exceeds its charge; the balance would leave its range.
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// How a charge can be refused besides.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum ChargeErrors<'a> {
    /// The wallet cannot pay: `available` and `required` say how much is missing.
    #[response(status = 402, content_type = "application/problem+json")]
    InsufficientFunds(ProblemBody<'a>),
}

/// How a charge can be missing.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum ChargeNotFound<'a> {
    /// No message of this `message_sid` was charged to this business.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody<'a>),
}

/// How an export can be refused besides.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum ExportErrors<'a> {
    /// There is no such business, or it is none of yours: nobody can tell which.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody<'a>),
    /// The request came by HTTP/1.0, whose answers do not tell whether they are whole.
    #[response(status = 505, content_type = "application/problem+json")]
    HttpVersion(ProblemBody<'a>),
}

/// How what is asked for can be missing.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum Missing<'a> {
    /// There is no such thing, or it is none of yours: nobody can tell which.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(ProblemBody<'a>),
}

/// How what is for admins is refused to others.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum Forbidden<'a> {
    /// This is for admins alone; or the request came from a web page whose origin is not in `CORS_ORIGINS`.
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
    /// The body is larger than the server takes.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemBody<'a>),
    /// The body is not sent as the type that this takes.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemBody<'a>),
}

/// How what is asked can be at odds with what there is.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum Conflicts<'a> {
    /// There is one of that name, or for that destination, currency and day, already.
    #[response(status = 409, content_type = "application/problem+json")]
    Exists(ProblemBody<'a>),
    /// The request is understood but impossible: a wallet has the plan, new wallets get it, or the price is in force.
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// How a change of what the author has not seen is refused.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum Preconditions<'a> {
    /// It is no longer as the `If-Match` header says.
    #[response(status = 412, content_type = "application/problem+json")]
    Changed(ProblemBody<'a>),
    /// The header `If-Match` is missing.
    #[response(status = 428, content_type = "application/problem+json")]
    Required(ProblemBody<'a>),
}

/// How a sheet can be refused.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum LineErrors<'a> {
    /// Lines cannot be taken; `errors` names each, and nothing is stored.
    #[response(status = 422, content_type = "application/problem+json")]
    Refused(ProblemBody<'a>),
}

/// How something new can be there already.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum Taken<'a> {
    /// There is one of that `sid` or e-mail address already.
    #[response(status = 409, content_type = "application/problem+json")]
    Exists(ProblemBody<'a>),
}

/// What a business cannot become.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum BusinessRules<'a> {
    /// The request is understood but impossible: the chain of resellers would close in a circle (`hierarchy_cycle`) or be
    /// longer than five (`hierarchy_too_deep`), a reseller with clients, users or keys of one would become a client
    /// (`reseller_in_use`), or something hangs on what is to be deleted (`business_in_use`).
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// What cannot be done to a user.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum UserRules<'a> {
    /// The request is understood but impossible: nobody would be left who can administer (`last_admin`), or it is your own
    /// login (`own_user`).
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// How a change of a business's own things is refused.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum TenantForbidden<'a> {
    /// The caller's role or key may not, its business is suspended, or the request came from a web page whose origin is not
    /// in `CORS_ORIGINS`.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody<'a>),
}

/// What cannot be done with an invoice.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum InvoiceRules<'a> {
    /// The `Idempotency-Key` was used before with a different request.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemBody<'a>),
    /// The request is understood but impossible: the invoice is a draft (`invoice_draft`), cancelled (`invoice_cancelled`), a
    /// credit note (`invoice_is_credit_note`) or paid (`invoice_paid`); something was paid on it or credited
    /// (`invoice_in_use`); less of it is left to credit (`credit_exceeds_invoice`, `invoice_credited`); or only an operator
    /// can enter payments here (`no_payment_provider`).
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// How settings of recharges are refused.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum RechargeErrors<'a> {
    /// The caller's role or key may not, its business is suspended, or the request came from a web page whose origin is not
    /// in `CORS_ORIGINS`.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(ProblemBody<'a>),
    /// They are no longer as the `If-Match` header says.
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
    /// The request is understood but impossible: it was decided about before (`suspense_settled`), the wallet is in another
    /// currency (`currency_mismatch`), or a payment has brought this money already (`credited_already`).
    #[response(status = 422, content_type = "application/problem+json")]
    Impossible(ProblemBody<'a>),
}

/// How a login fails besides.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum LoginErrors<'a> {
    /// Too many logins failed; `Retry-After` says when to try again.
    #[response(status = 429, content_type = "application/problem+json")]
    Locked(ProblemBody<'a>),
}

/// How a probe fails.
#[derive(Debug, IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum ProbeErrors<'a> {
    /// It cannot.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemBody<'a>),
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "wecall billing",
        description = "The billing of an SMS gateway: wallets, an append-only ledger, prices, usage, invoices and \
                       alerts.\n\nMoney is a plain JSON number with at most six decimals, exact in and out. Times are \
                       RFC 3339 in UTC, dates `YYYY-MM-DD` in the billing time zone. Every address may end in a slash \
                       or not. Every error has one shape (RFC 9457), with `detail` as a sentence to show and `code` \
                       for programs.\n\nPrograms say who they are by an API key (`Authorization: Bearer sk_live_…`), \
                       people by the cookie of a login. A server with `AUTH=open` asks only for what moves other people's \
                       things: keys, logins, refunds by hand and all of `/api/admin/`. Whoever is not let in is answered \
                       401, whoever may not 403, and somebody else's things are answered 404 like things that do not exist.",
        license(name = "MIT", identifier = "MIT"),
    ),
    components(schemas(ProblemBody)),
    modifiers(&SecuritySchemes),
    security(("api_key" = []), ("api_key_as_basic" = []), ("session" = [])),
    servers((url = "/", description = "This server")),
    tags(
        (name = "Wallets", description = "What a business has to spend"),
        (name = "Payments", description = "Money that comes through payment providers"),
        (name = "Charges", description = "Messages, charged before they are sent"),
        (name = "Transactions", description = "The ledger"),
        (name = "Prices", description = "Pricing plans and rate cards"),
        (name = "Usage", description = "What was sent, and what it cost"),
        (name = "Invoices", description = "What a month adds up to"),
        (name = "Alerts", description = "Warnings to clients"),
        (name = "Webhooks", description = "Where a business is told of what happens"),
        (name = "Keys", description = "What programs come in by"),
        (name = "Login", description = "What people come in by"),
        (name = "Admin", description = "For those who run the business: plans and prices, businesses and users, wallets and all that is in them"),
        (name = "Audit", description = "Who did what"),
        (name = "Operation", description = "For those who run the server"),
    ),
)]
struct Document;

/// The ways to authenticate.
struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("sk_live_…")
            .description(Some("An API key. Servers with AUTH=open ask for it only where it says so."))
            .build();
        let basic = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some("The API key as the user's name or as the password, for clients that know only that"))
            .build();
        let cookie = ApiKeyValue::with_description(SESSION_COOKIE, "The cookie that a login sets");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("api_key", SecurityScheme::Http(bearer));
        components.add_security_scheme("api_key_as_basic", SecurityScheme::Http(basic));
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// The document that `/openapi.json` serves and `openapi` prints.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi().merge_from(DocumentedRoutes::openapi())
}
