//! Lists every route, method by path, with its handler, and builds the HTTP service from the list.

use axum::Router;
use axum::routing::{delete, get, patch, post, put};

use super::edge::{self, Service};
use super::state::AppState;
use super::{
    admin_adjustments, admin_alerts, admin_businesses, admin_fees, admin_invoices, admin_plan_sheets, admin_plans,
    admin_rate_card_sheets, admin_rate_cards, admin_suspense, admin_transactions, admin_users, admin_wallets, alerts,
    audit, auto_recharge, charges, confirmations, credit_notes, deliveries, docs, exports, health, invoice_documents,
    invoice_lists, invoice_payments, invoices, keys, logins, payments, pricing, quotes, rate_cards, thresholds,
    transactions, usage, wallet, webhook_deliveries, webhooks,
};

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
        pub struct DocumentedRoutes;
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

/// The whole service: every route, with the layers around it.
pub fn service(state: AppState) -> Service {
    let router = table()
        .route("/", get(docs::index))
        .route("/docs", get(docs::to_page))
        .route("/docs/", get(docs::page))
        .route("/docs/{*file}", get(docs::asset));
    edge::around(router, state)
}

/// The service at the address that is for metrics alone.
pub fn metrics_service(state: AppState) -> Service {
    let router = Router::new().route("/metrics", get(health::metrics_of_their_own));
    edge::around_metrics(router, state)
}
