//! HTTP: the route table, and how requests become calls to services.

pub mod accept;
pub mod admin;
pub mod admin_adjustments;
pub mod admin_alerts;
pub mod admin_businesses;
pub mod admin_fees;
pub mod admin_invoices;
pub mod admin_plan_sheets;
pub mod admin_plans;
pub mod admin_rate_card_sheets;
pub mod admin_rate_cards;
pub mod admin_suspense;
pub mod admin_transactions;
pub mod admin_users;
pub mod admin_wallets;
pub mod alerts;
pub mod audit;
pub mod auth;
pub mod auto_recharge;
pub mod batches;
pub mod bodies;
pub mod buckets;
pub mod charges;
pub mod client_address;
pub mod confirmations;
pub mod credentials;
pub mod credit_notes;
pub mod csv;
pub mod deliveries;
pub mod docs;
pub mod edge;
pub mod error;
pub mod etag;
pub mod exports;
pub mod extract;
pub mod failed_credentials;
pub mod head_limits;
pub mod health;
pub mod idempotency;
pub mod invoice_documents;
pub mod invoice_lists;
pub mod invoice_payments;
pub mod invoices;
pub mod json_depth;
pub mod keys;
pub mod listing;
pub mod logins;
pub mod metrics;
pub mod openapi;
pub mod origins;
pub mod page;
pub mod payments;
pub mod pricing;
pub mod quotes;
pub mod rate_cards;
pub mod rate_limits;
pub mod rating;
pub mod schema;
pub mod thresholds;
pub mod transactions;
pub mod usage;
pub mod wallet;
pub mod webhook_deliveries;
pub mod webhook_paths;
pub mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post, put};
use tower::ServiceExt;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::cors::CorsLayer;
use tracing::Instrument;

use crate::clock::Clock;
use crate::services::Billing;
use auth::AuthMode;
use bodies::BodyBudget;
use client_address::TrustedProxies;
use error::Problem;
use exports::Exports;
use failed_credentials::FailedCredentials;
use invoice_documents::Documents;
use metrics::Metrics;
use rate_limits::RateLimits;

/// THE route table. It serves the routes and lists them for the OpenAPI document, so that neither can miss one.
/// Addresses of the API end in a slash; without it they are the same address.
macro_rules! routes {
    ($($method:ident $path:literal => $module:ident :: $handler:ident;)+) => {
        /// Every route: method and path template.
        pub const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),+];

        fn table() -> Router<AppState> {
            Router::new()$(.route($path, $method($module::$handler)))+
        }

        /// What the OpenAPI document takes from the table.
        #[derive(Debug, utoipa::OpenApi)]
        #[openapi(paths($($module::$handler),+))]
        pub struct Operations;
    };
}

routes! {
    get  "/api/billing/wallet/{business_sid}/"       => wallet::show_wallet;
    get  "/api/billing/transactions/{business_sid}/" => transactions::list_transactions;
    get  "/api/billing/transactions/{business_sid}/export.csv/" => exports::export_transactions;
    post "/api/billing/topup/"                       => wallet::top_up;
    get  "/api/billing/payments/{business_sid}/"     => payments::list_payments;
    get  "/api/billing/payments/{business_sid}/{payment_sid}/" => payments::show_payment;
    post "/api/billing/payments/{provider}/confirmations/" => confirmations::confirm_payment;
    get  "/api/billing/wallet/{business_sid}/auto-recharge/" => auto_recharge::show_auto_recharge;
    put  "/api/billing/wallet/{business_sid}/auto-recharge/" => auto_recharge::change_auto_recharge;
    get  "/api/billing/pricing-plans/"               => pricing::list_pricing_plans;
    get  "/api/billing/rate-cards/"                  => rate_cards::list_rate_cards;
    get  "/api/billing/usage/{business_sid}/"        => usage::show_usage;
    get  "/api/billing/usage/{business_sid}/export.csv/" => exports::export_usage;
    get  "/api/billing/invoices/{business_sid}/"     => invoices::show_invoice;
    get  "/api/billing/invoices/{business_sid}/{invoice_sid}/" => invoice_documents::show_own_invoice;
    get  "/api/billing/invoices/{business_sid}/{invoice_sid}/html/" => invoice_documents::show_invoice_as_html;
    get  "/api/billing/invoices/{business_sid}/{invoice_sid}/pdf/" => invoice_documents::show_invoice_as_pdf;
    get  "/api/billing/invoices/{business_sid}/list/" => invoice_lists::list_own_invoices;
    post "/api/billing/invoices/{business_sid}/{invoice_sid}/payments/" => invoice_payments::pay_invoice;
    post "/api/billing/invoices/{business_sid}/{invoice_sid}/cancel/" => credit_notes::cancel_invoice;
    post "/api/billing/invoices/{business_sid}/{invoice_sid}/credit-notes/" => credit_notes::write_credit_note;
    get  "/api/billing/alerts/{business_sid}/"       => alerts::list_alerts;
    get  "/api/billing/alerts/{business_sid}/count/" => alerts::count_alerts;
    post "/api/billing/alerts/{business_sid}/read-all/" => alerts::read_all_alerts;
    patch "/api/billing/alerts/{business_sid}/{alert_sid}/" => alerts::mark_alert;
    post "/api/billing/alerts/{business_sid}/{alert_sid}/read/" => alerts::read_alert;
    get  "/api/billing/wallet/{business_sid}/thresholds/" => thresholds::show_thresholds;
    put  "/api/billing/wallet/{business_sid}/thresholds/" => thresholds::set_thresholds;
    post "/api/billing/charges/"                     => charges::charge;
    post "/api/billing/charges/batch/"               => charges::charge_batch;
    get  "/api/billing/charges/{business_sid}/export.csv/" => exports::export_charges;
    get  "/api/billing/charges/{business_sid}/{message_sid}/" => charges::show_charge;
    post "/api/billing/charges/{business_sid}/{message_sid}/delivery/" => deliveries::report_delivery;
    post "/api/billing/charges/{business_sid}/{message_sid}/refund/" => charges::refund_charge;
    post "/api/billing/deliveries/batch/"            => deliveries::report_deliveries;
    post "/api/billing/quotes/"                      => quotes::quote;
    get  "/api/billing/keys/"                        => keys::list_keys;
    post "/api/billing/keys/"                        => keys::create_key;
    get  "/api/billing/keys/{key_sid}/"              => keys::show_key;
    delete "/api/billing/keys/{key_sid}/"            => keys::revoke_key;
    post "/api/billing/keys/{key_sid}/rotate/"       => keys::rotate_key;
    get  "/api/billing/webhooks/{business_sid}/"     => webhooks::list_webhooks;
    post "/api/billing/webhooks/{business_sid}/"     => webhooks::create_webhook;
    get  "/api/billing/webhooks/{business_sid}/{webhook_sid}/" => webhooks::show_webhook;
    patch "/api/billing/webhooks/{business_sid}/{webhook_sid}/" => webhooks::change_webhook;
    delete "/api/billing/webhooks/{business_sid}/{webhook_sid}/" => webhooks::delete_webhook;
    post "/api/billing/webhooks/{business_sid}/{webhook_sid}/rotate-secret/" => webhooks::rotate_webhook_secret;
    post "/api/billing/webhooks/{business_sid}/{webhook_sid}/test/" => webhook_deliveries::test_webhook;
    get  "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/" => webhook_deliveries::list_webhook_deliveries;
    get  "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/{delivery_sid}/" => webhook_deliveries::show_webhook_delivery;
    post "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/{delivery_sid}/resend/" => webhook_deliveries::resend_webhook_delivery;
    get  "/api/billing/audit/"                       => audit::list_audit;
    post "/api/auth/login/"                          => logins::login;
    post "/api/auth/logout/"                         => logins::logout;
    post "/api/auth/logout-everywhere/"              => logins::logout_everywhere;
    post "/api/auth/password/"                       => logins::change_password;
    get  "/api/auth/me/"                             => logins::show_me;
    get  "/api/admin/plans/"                         => admin_plans::list_plans;
    post "/api/admin/plans/"                         => admin_plans::create_plan;
    get  "/api/admin/plans/export/"                  => admin_plan_sheets::export_plans;
    post "/api/admin/plans/import/"                  => admin_plan_sheets::import_plans;
    get  "/api/admin/plans/{plan_sid}/"              => admin_plans::show_plan;
    patch "/api/admin/plans/{plan_sid}/"             => admin_plans::change_plan;
    delete "/api/admin/plans/{plan_sid}/"            => admin_plans::delete_plan;
    get  "/api/admin/rate-cards/"                    => admin_rate_cards::list_all_rate_cards;
    post "/api/admin/rate-cards/"                    => admin_rate_cards::create_rate_card;
    get  "/api/admin/rate-cards/export/"             => admin_rate_card_sheets::export_rate_cards;
    post "/api/admin/rate-cards/import/"             => admin_rate_card_sheets::import_rate_cards;
    get  "/api/admin/rate-cards/{rate_card_sid}/"    => admin_rate_cards::show_rate_card;
    patch "/api/admin/rate-cards/{rate_card_sid}/"   => admin_rate_cards::change_rate_card;
    delete "/api/admin/rate-cards/{rate_card_sid}/"  => admin_rate_cards::delete_rate_card;
    get  "/api/admin/businesses/"                    => admin_businesses::list_businesses;
    post "/api/admin/businesses/"                    => admin_businesses::create_business;
    get  "/api/admin/businesses/{business_sid}/"     => admin_businesses::show_business;
    patch "/api/admin/businesses/{business_sid}/"    => admin_businesses::change_business;
    delete "/api/admin/businesses/{business_sid}/"   => admin_businesses::delete_business;
    get  "/api/admin/users/"                         => admin_users::list_users;
    post "/api/admin/users/"                         => admin_users::create_user;
    get  "/api/admin/users/{user_sid}/"              => admin_users::show_user;
    patch "/api/admin/users/{user_sid}/"             => admin_users::change_user;
    delete "/api/admin/users/{user_sid}/"            => admin_users::delete_user;
    post "/api/admin/users/{user_sid}/password/"     => admin_users::set_password;
    get  "/api/admin/wallets/"                       => admin_wallets::list_wallets;
    get  "/api/admin/wallets/{business_sid}/"        => admin_wallets::show_wallet_settings;
    patch "/api/admin/wallets/{business_sid}/"       => admin_wallets::change_wallet;
    post "/api/admin/wallets/{business_sid}/adjustments/" => admin_adjustments::adjust_wallet;
    post "/api/admin/wallets/{business_sid}/fees/"   => admin_fees::charge_fee;
    get  "/api/admin/transactions/"                  => admin_transactions::list_all_transactions;
    get  "/api/admin/invoices/"                      => admin_invoices::list_invoices;
    get  "/api/admin/invoices/{invoice_sid}/"        => admin_invoices::show_any_invoice;
    get  "/api/admin/alerts/"                        => admin_alerts::list_all_alerts;
    get  "/api/admin/suspense/"                      => admin_suspense::list_suspense;
    post "/api/admin/suspense/{suspense_sid}/assign/" => admin_suspense::assign_suspense;
    post "/api/admin/suspense/{suspense_sid}/dismiss/" => admin_suspense::dismiss_suspense;
    get  "/healthz"                                  => health::healthz;
    get  "/readyz"                                   => health::readyz;
    get  "/metrics"                                  => health::metrics;
    get  "/openapi.json"                             => docs::openapi_document;
}

/// What handlers work with.
pub type AppState = Arc<HttpState>;

#[derive(Debug)]
pub struct HttpState {
    pub billing: Billing,
    pub auth: AuthMode,
    /// The origins whose pages may call and write.
    pub cors_origins: Vec<HeaderValue>,
    /// The names this server goes by, in lower case; none listed: any.
    pub allowed_hosts: Vec<String>,
    pub limits: Limits,
    pub metrics: Metrics,
    /// Whose word on a client's address counts.
    pub trusted_proxies: TrustedProxies,
    pub rate_limits: RateLimits,
    pub failed_credentials: FailedCredentials,
    /// Where logins come from, those that work too.
    pub logins: FailedCredentials,
    pub body_budget: BodyBudget,
    pub exports: Exports,
    pub documents: Documents,
    /// Whether /metrics is served here, and not at an address of its own.
    pub serves_metrics: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub body_bytes: usize,
    /// For a request's body to arrive.
    pub body_timeout: Duration,
    /// For a request to be answered.
    pub request_timeout: Duration,
}

/// The id of a request: the caller's `X-Request-Id` where it is fit for a log, else a new one.
#[derive(Clone, Debug)]
pub struct RequestId(Arc<str>);

impl RequestId {
    fn of(headers: &HeaderMap, clock: &Clock) -> RequestId {
        let is_fit = |id: &&str| {
            (1..=128).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        };
        let given = headers.get("x-request-id").and_then(|value| value.to_str().ok()).filter(is_fit);
        RequestId(given.map_or_else(|| clock.new_id().to_string().into(), Arc::from))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}

/// The whole HTTP service.
pub type Service = tower::util::BoxCloneSyncService<Request, Response, std::convert::Infallible>;

/// Layers, the outermost last: routes → compression → guard (limits, who may, deadline, panics) → CORS → edge (ids,
/// addresses, bodies of problems, log, headers) → slash.
pub fn service(state: AppState) -> Service {
    let router = table()
        .route("/", get(docs::index))
        .route("/docs", get(docs::to_page))
        .route("/docs/", get(docs::page))
        .route("/docs/{*file}", get(docs::asset))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(other_method)
        .with_state(state.clone());
    // A PDF is compressed inside.
    let is_compressible = SizeAbove::new(1_024).and(NotForContentType::const_new("application/pdf"));
    let guard = middleware::from_fn_with_state(state.clone(), edge::guard);
    let edge = middleware::from_fn_with_state(state.clone(), edge::wrap);
    let for_pages = router
        .clone()
        .layer(CompressionLayer::new().compress_when(is_compressible))
        .layer(guard.clone())
        .layer(cors(&state))
        .layer(edge.clone());
    let for_programs = router.layer(guard).layer(edge);
    let choose = tower::service_fn(move |request: Request| {
        let router = if needs_page_layers(&request) { for_pages.clone() } else { for_programs.clone() };
        router.oneshot(edge::with_slash(request))
    });
    tower::util::BoxCloneSyncService::new(choose)
}

/// The service at the address that is for metrics alone.
pub fn metrics_service(state: AppState) -> Service {
    let edge = middleware::from_fn_with_state(state.clone(), edge::wrap);
    let router = Router::new().route("/metrics", get(health::metrics_of_their_own));
    let router = router.fallback(async || Problem::not_found()).with_state(state).layer(edge);
    tower::util::BoxCloneSyncService::new(tower::service_fn(move |request: Request| router.clone().oneshot(request)))
}

/// Whether a request needs what browsers do: CORS where it names its page's origin, compression where it offers to take
/// it. A gateway sends neither header, and does not pay for them. The CORS layer takes every OPTIONS for a preflight; one
/// that is none asks which methods there are, and goes past it.
fn needs_page_layers(request: &Request) -> bool {
    let has = |name: HeaderName| request.headers().contains_key(name);
    let is_plain_options = request.method() == Method::OPTIONS && !has(header::ACCESS_CONTROL_REQUEST_METHOD);
    !is_plain_options && (has(header::ORIGIN) || has(header::ACCEPT_ENCODING))
}

/// What a known address says to a method it has no handler for. axum adds the `Allow` header.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        Problem::method_not_allowed().into_response()
    }
}

fn cors(state: &HttpState) -> CorsLayer {
    let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect::<Vec<_>>();
    CorsLayer::new()
        .allow_origin(state.cors_origins.clone())
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS])
        .allow_headers(names(&["content-type", "authorization", "idempotency-key", "if-match"]))
        .expose_headers(names(&[
            "link",
            "etag",
            "x-request-id",
            "content-disposition",
            "idempotent-replayed",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
        ]))
        .max_age(Duration::from_secs(3_600))
}

/// Runs a write to its end, even if the caller hangs up or the deadline passes while it is under way.
///
/// # Errors
/// Those of the write.
pub async fn to_the_end<T: Send + 'static>(
    write: impl Future<Output = crate::error::Result<T>> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::spawn(write.in_current_span()).await {
        Ok(outcome) => Ok(outcome?),
        Err(failure) => Err(Problem::internal(format!("a write did not end: {failure}"))),
    }
}
