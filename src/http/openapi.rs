//! Generates the OpenAPI document from the route table and its handlers.

use bytes::Bytes;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::http::edge::answer::error::ProblemBody;
use crate::http::edge::who::credentials::SESSION_COOKIE;
use crate::http::routes::DocumentedRoutes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "wecall billing",
        description = "Billing for an SMS gateway: wallets, an append-only ledger, prices, usage, invoices and \
                       alerts.\n\nMoney is a plain JSON number with at most six decimals, exact in both directions. \
                       Times are RFC 3339 in UTC; dates are `YYYY-MM-DD` in the billing time zone. Every path works \
                       with or without a slash at its end. Every error has the same shape (RFC 9457): `detail` is a \
                       sentence to show to people, `code` is for programs.\n\nPrograms authenticate with an API key \
                       (`Authorization: Bearer sk_live_…`), people with the cookie that a login sets. With \
                       `AUTH=open`, requests without credentials may read wallets, transactions, usage, prices, \
                       invoices, alerts, payments and metrics, and may quote, charge, report deliveries, top up and \
                       pay invoices; everything else still needs credentials, such as keys, webhooks, refunds by hand \
                       and all of `/api/admin/`. Missing or wrong credentials are answered with 401, missing rights \
                       with 403. An object of another business is answered with 404, as if it did not exist.",
        license(name = "MIT", identifier = "MIT"),
    ),
    components(schemas(ProblemBody)),
    modifiers(&SecuritySchemes),
    security(("api_key" = []), ("api_key_as_basic" = []), ("session" = [])),
    servers((url = "/", description = "This server")),
    tags(
        (name = "Wallets", description = "The balance of a business, and top-ups"),
        (name = "Payments", description = "Payments through payment providers, and auto-recharge"),
        (name = "Charges", description = "Charges for messages, quotes, delivery reports and refunds"),
        (name = "Transactions", description = "The ledger entries of a wallet"),
        (name = "Prices", description = "Pricing plans and rate cards"),
        (name = "Usage", description = "Messages sent, and their cost"),
        (name = "Invoices", description = "Monthly invoices, their payments and credit notes"),
        (name = "Alerts", description = "Alerts about wallets, and their thresholds"),
        (name = "Webhooks", description = "Endpoints that are notified of events"),
        (name = "Keys", description = "API keys for programs"),
        (name = "Login", description = "Logins and sessions of people"),
        (name = "Admin", description = "For operators: plans, rate cards, businesses, users and wallets"),
        (name = "Audit", description = "The audit log: who did what"),
        (name = "Operation", description = "For those who run the server: health, metrics, this document"),
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
            .description(Some("An API key. With AUTH=open, only some operations need one."))
            .build();
        let basic = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some("The API key as user name or password, for clients that know only Basic authentication"))
            .build();
        let cookie = ApiKeyValue::with_description(SESSION_COOKIE, "The cookie set by a login");
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

/// The same as JSON, as the server sends it.
pub fn json() -> Bytes {
    document().to_json().map(Bytes::from).unwrap_or_default()
}
