//! Lists every route, method by path, with its handler, and builds the HTTP service from the list.

use axum::Router;
use axum::routing::{delete, get, patch, post, put};

use crate::http::api::{docs, health};
use crate::http::edge::layers::{self, Service};
use crate::http::state::AppState;
use crate::http::{admin, api};

/// Declares THE route table. It serves the routes and lists them for the OpenAPI document, so that neither can miss
/// one. Addresses of the API end in a slash; without it they are the same address.
macro_rules! routes {
    ($($method:ident $path:literal => $face:ident :: $module:ident :: $handler:ident;)+) => {
        /// Every route: method and path template.
        pub const ROUTES: &[(&str, &str)] = &[$((stringify!($method), $path)),+];

        fn table() -> Router<AppState> {
            Router::new()$(.route($path, $method($face::$module::$handler)))+
        }

        /// The routes of the OpenAPI document.
        #[derive(Debug, utoipa::OpenApi)]
        #[openapi(paths($($face::$module::$handler),+))]
        pub struct DocumentedRoutes;
    };
}

routes! {
    get  "/api/billing/wallet/{business_sid}/"       => api::wallets::show_wallet;
    get  "/api/billing/transactions/{business_sid}/" => api::transactions::list_transactions;
    get  "/api/billing/transactions/{business_sid}/export.csv/" => api::exports::export_transactions;
    post "/api/billing/topup/"                       => api::wallets::top_up;
    get  "/api/billing/payments/{business_sid}/"     => api::payments::list_payments;
    get  "/api/billing/payments/{business_sid}/{payment_sid}/" => api::payments::show_payment;
    post "/api/billing/payments/{provider}/confirmations/" => api::confirmations::confirm_payment;
    get  "/api/billing/wallet/{business_sid}/auto-recharge/" => api::auto_recharge::show_auto_recharge;
    put  "/api/billing/wallet/{business_sid}/auto-recharge/" => api::auto_recharge::change_auto_recharge;
    get  "/api/billing/pricing-plans/"               => api::plans::list_pricing_plans;
    get  "/api/billing/rate-cards/"                  => api::rate_cards::list_rate_cards;
    get  "/api/billing/usage/{business_sid}/"        => api::usage::show_usage;
    get  "/api/billing/usage/{business_sid}/export.csv/" => api::exports::export_usage;
    get  "/api/billing/invoices/{business_sid}/"     => api::invoices::show_invoice;
    get  "/api/billing/invoices/{business_sid}/{invoice_sid}/" => api::invoice_documents::show_own_invoice;
    get  "/api/billing/invoices/{business_sid}/{invoice_sid}/html/" => api::invoice_documents::show_invoice_as_html;
    get  "/api/billing/invoices/{business_sid}/{invoice_sid}/pdf/" => api::invoice_documents::show_invoice_as_pdf;
    get  "/api/billing/invoices/{business_sid}/list/" => api::invoice_lists::list_own_invoices;
    post "/api/billing/invoices/{business_sid}/{invoice_sid}/payments/" => api::invoice_payments::pay_invoice;
    post "/api/billing/invoices/{business_sid}/{invoice_sid}/cancel/" => api::credit_notes::cancel_invoice;
    post "/api/billing/invoices/{business_sid}/{invoice_sid}/credit-notes/" => api::credit_notes::write_credit_note;
    get  "/api/billing/alerts/{business_sid}/"       => api::alerts::list_alerts;
    get  "/api/billing/alerts/{business_sid}/count/" => api::alerts::count_alerts;
    post "/api/billing/alerts/{business_sid}/read-all/" => api::alerts::read_all_alerts;
    patch "/api/billing/alerts/{business_sid}/{alert_sid}/" => api::alerts::mark_alert;
    post "/api/billing/alerts/{business_sid}/{alert_sid}/read/" => api::alerts::read_alert;
    get  "/api/billing/wallet/{business_sid}/thresholds/" => api::thresholds::show_thresholds;
    put  "/api/billing/wallet/{business_sid}/thresholds/" => api::thresholds::set_thresholds;
    post "/api/billing/charges/"                     => api::charges::charge;
    post "/api/billing/charges/batch/"               => api::charges::charge_batch;
    get  "/api/billing/charges/{business_sid}/export.csv/" => api::exports::export_charges;
    get  "/api/billing/charges/{business_sid}/{message_sid}/" => api::charges::show_charge;
    post "/api/billing/charges/{business_sid}/{message_sid}/delivery/" => api::delivery_reports::report_delivery;
    post "/api/billing/charges/{business_sid}/{message_sid}/refund/" => api::charges::refund_charge;
    post "/api/billing/deliveries/batch/"            => api::delivery_reports::report_deliveries;
    post "/api/billing/quotes/"                      => api::quotes::quote;
    get  "/api/billing/keys/"                        => api::keys::list_keys;
    post "/api/billing/keys/"                        => api::keys::create_key;
    get  "/api/billing/keys/{key_sid}/"              => api::keys::show_key;
    delete "/api/billing/keys/{key_sid}/"            => api::keys::revoke_key;
    post "/api/billing/keys/{key_sid}/rotate/"       => api::keys::rotate_key;
    get  "/api/billing/webhooks/{business_sid}/"     => api::webhooks::list_webhooks;
    post "/api/billing/webhooks/{business_sid}/"     => api::webhooks::create_webhook;
    get  "/api/billing/webhooks/{business_sid}/{webhook_sid}/" => api::webhooks::show_webhook;
    patch "/api/billing/webhooks/{business_sid}/{webhook_sid}/" => api::webhooks::change_webhook;
    delete "/api/billing/webhooks/{business_sid}/{webhook_sid}/" => api::webhooks::delete_webhook;
    post "/api/billing/webhooks/{business_sid}/{webhook_sid}/rotate-secret/" => api::webhooks::rotate_webhook_secret;
    post "/api/billing/webhooks/{business_sid}/{webhook_sid}/test/" => api::webhook_deliveries::test_webhook;
    get  "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/" => api::webhook_deliveries::list_webhook_deliveries;
    get  "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/{delivery_sid}/" => api::webhook_deliveries::show_webhook_delivery;
    post "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/{delivery_sid}/resend/" => api::webhook_deliveries::resend_webhook_delivery;
    get  "/api/billing/audit/"                       => api::audit::list_audit;
    post "/api/auth/login/"                          => api::logins::login;
    post "/api/auth/logout/"                         => api::logins::logout;
    post "/api/auth/logout-everywhere/"              => api::logins::logout_everywhere;
    post "/api/auth/password/"                       => api::logins::change_password;
    get  "/api/auth/me/"                             => api::logins::show_me;
    get  "/api/admin/plans/"                         => admin::plans::list_plans;
    post "/api/admin/plans/"                         => admin::plans::create_plan;
    get  "/api/admin/plans/export/"                  => admin::plan_csv::export_plans;
    post "/api/admin/plans/import/"                  => admin::plan_csv::import_plans;
    get  "/api/admin/plans/{plan_sid}/"              => admin::plans::show_plan;
    patch "/api/admin/plans/{plan_sid}/"             => admin::plans::change_plan;
    delete "/api/admin/plans/{plan_sid}/"            => admin::plans::delete_plan;
    get  "/api/admin/rate-cards/"                    => admin::rate_cards::list_all_rate_cards;
    post "/api/admin/rate-cards/"                    => admin::rate_cards::create_rate_card;
    get  "/api/admin/rate-cards/export/"             => admin::rate_card_csv::export_rate_cards;
    post "/api/admin/rate-cards/import/"             => admin::rate_card_csv::import_rate_cards;
    get  "/api/admin/rate-cards/{rate_card_sid}/"    => admin::rate_cards::show_rate_card;
    patch "/api/admin/rate-cards/{rate_card_sid}/"   => admin::rate_cards::change_rate_card;
    delete "/api/admin/rate-cards/{rate_card_sid}/"  => admin::rate_cards::delete_rate_card;
    get  "/api/admin/businesses/"                    => admin::businesses::list_businesses;
    post "/api/admin/businesses/"                    => admin::businesses::create_business;
    get  "/api/admin/businesses/{business_sid}/"     => admin::businesses::show_business;
    patch "/api/admin/businesses/{business_sid}/"    => admin::businesses::change_business;
    delete "/api/admin/businesses/{business_sid}/"   => admin::businesses::delete_business;
    get  "/api/admin/users/"                         => admin::users::list_users;
    post "/api/admin/users/"                         => admin::users::create_user;
    get  "/api/admin/users/{user_sid}/"              => admin::users::show_user;
    patch "/api/admin/users/{user_sid}/"             => admin::users::change_user;
    delete "/api/admin/users/{user_sid}/"            => admin::users::delete_user;
    post "/api/admin/users/{user_sid}/password/"     => admin::users::set_password;
    get  "/api/admin/wallets/"                       => admin::wallets::list_wallets;
    get  "/api/admin/wallets/{business_sid}/"        => admin::wallets::show_wallet_settings;
    patch "/api/admin/wallets/{business_sid}/"       => admin::wallets::change_wallet;
    post "/api/admin/wallets/{business_sid}/adjustments/" => admin::adjustments::adjust_wallet;
    post "/api/admin/wallets/{business_sid}/fees/"   => admin::fees::charge_fee;
    get  "/api/admin/transactions/"                  => admin::transactions::list_all_transactions;
    get  "/api/admin/invoices/"                      => admin::invoices::list_invoices;
    get  "/api/admin/invoices/{invoice_sid}/"        => admin::invoices::show_any_invoice;
    get  "/api/admin/alerts/"                        => admin::alerts::list_all_alerts;
    get  "/api/admin/suspense/"                      => admin::suspense::list_suspense;
    post "/api/admin/suspense/{suspense_sid}/assign/" => admin::suspense::assign_suspense;
    post "/api/admin/suspense/{suspense_sid}/dismiss/" => admin::suspense::dismiss_suspense;
    get  "/healthz"                                  => api::health::healthz;
    get  "/readyz"                                   => api::health::readyz;
    get  "/metrics"                                  => api::health::metrics;
    get  "/openapi.json"                             => api::docs::openapi_document;
}

/// The whole HTTP service: every route, inside its layers.
pub fn service(state: AppState) -> Service {
    let router = table()
        .route("/", get(docs::index))
        .route("/docs", get(docs::to_page))
        .route("/docs/", get(docs::page))
        .route("/docs/{*file}", get(docs::asset));
    layers::around(router, state)
}

/// The service at the separate address for metrics.
pub fn metrics_service(state: AppState) -> Service {
    let router = Router::new().route("/metrics", get(health::metrics_of_their_own));
    layers::around_metrics(router, state)
}
