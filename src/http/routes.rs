//! Lists every route with its method, right and handler, and builds the HTTP service from the list.

use std::sync::LazyLock;

use axum::Router;
use axum::routing::{delete, get, patch, post, put};

use crate::domain::access::rights::Right;
use crate::http::api::health;
use crate::http::edge::layers::{self, Service};
use crate::http::edge::who::access::{Access, right_of};
use crate::http::state::AppState;
use crate::http::{admin, api};

/// One line of the route table.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub method: &'static str,
    /// The path template.
    pub path: &'static str,
    pub access: Access,
}

macro_rules! access {
    (Public) => {
        Access::Public
    };
    ($right:ident) => {
        Access::Has(Right::$right)
    };
}

/// Lists and serves a part of the table. A line that names another right than its handler does not compile.
macro_rules! table {
    ($list:ident, $router:ident: $($method:ident $who:ident $path:literal => $face:ident :: $module:ident :: $handler:ident;)+) => {
        pub const $list: &[Route] =
            &[$(Route { method: stringify!($method), path: $path, access: access!($who) }),+];

        $(const _: () = assert!(
            access!($who).is_kept_by(right_of(&$face::$module::$handler)),
            "{}",
            concat!($path, ": the signature of ", stringify!($handler), " asks for something else than ", stringify!($who)),
        );)+

        fn $router() -> Router<AppState> {
            Router::new()$(.route($path, $method($face::$module::$handler)))+
        }
    };
}

/// Declares THE route table: method, who may, path, handler. It serves the routes and lists them for the OpenAPI
/// document, so that neither can miss one, and the guard takes the public paths from it. Addresses of the API end in a
/// slash; without it they are the same address.
macro_rules! routes {
    ($($method:ident $who:ident $path:literal => $face:ident :: $module:ident :: $handler:ident;)+) => {
        table! { ROUTES, routes: $($method $who $path => $face :: $module :: $handler;)+ }

        /// The routes of the OpenAPI document.
        #[derive(Debug, utoipa::OpenApi)]
        #[openapi(paths($($face::$module::$handler),+))]
        pub struct DocumentedRoutes;
    };
}

routes! {
    get    Read       "/api/billing/wallet/{business_sid}/" => api::wallets::show_wallet;
    get    Read       "/api/billing/transactions/{business_sid}/" => api::transactions::list_transactions;
    get    Read       "/api/billing/transactions/{business_sid}/export.csv/" => api::exports::export_transactions;
    post   TopUp      "/api/billing/topup/" => api::wallets::top_up;
    get    Read       "/api/billing/payments/{business_sid}/" => api::payments::list_payments;
    get    Read       "/api/billing/payments/{business_sid}/{payment_sid}/" => api::payments::show_payment;
    post   Public     "/api/billing/payments/{provider}/confirmations/" => api::confirmations::confirm_payment;
    get    Read       "/api/billing/wallet/{business_sid}/auto-recharge/" => api::auto_recharge::show_auto_recharge;
    put    Manage     "/api/billing/wallet/{business_sid}/auto-recharge/" => api::auto_recharge::change_auto_recharge;
    get    ReadPrices "/api/billing/pricing-plans/" => api::plans::list_pricing_plans;
    get    ReadPrices "/api/billing/rate-cards/" => api::rate_cards::list_rate_cards;
    get    Read       "/api/billing/usage/{business_sid}/" => api::usage::show_usage;
    get    Read       "/api/billing/usage/{business_sid}/export.csv/" => api::exports::export_usage;
    get    Read       "/api/billing/invoices/{business_sid}/" => api::invoices::show_invoice;
    get    Read       "/api/billing/invoices/{business_sid}/{invoice_sid}/" => api::invoice_documents::show_own_invoice;
    get    Read       "/api/billing/invoices/{business_sid}/{invoice_sid}/html/" => api::invoice_documents::show_invoice_as_html;
    get    Read       "/api/billing/invoices/{business_sid}/{invoice_sid}/pdf/" => api::invoice_documents::show_invoice_as_pdf;
    get    Read       "/api/billing/invoices/{business_sid}/list/" => api::invoice_lists::list_own_invoices;
    post   TopUp      "/api/billing/invoices/{business_sid}/{invoice_sid}/payments/" => api::invoice_payments::pay_invoice;
    post   Administer "/api/billing/invoices/{business_sid}/{invoice_sid}/cancel/" => api::credit_notes::cancel_invoice;
    post   Administer "/api/billing/invoices/{business_sid}/{invoice_sid}/credit-notes/" => api::credit_notes::write_credit_note;
    get    Read       "/api/billing/alerts/{business_sid}/" => api::alerts::list_alerts;
    get    Read       "/api/billing/alerts/{business_sid}/count/" => api::alerts::count_alerts;
    post   Manage     "/api/billing/alerts/{business_sid}/read-all/" => api::alerts::read_all_alerts;
    patch  Manage     "/api/billing/alerts/{business_sid}/{alert_sid}/" => api::alerts::mark_alert;
    post   Manage     "/api/billing/alerts/{business_sid}/{alert_sid}/read/" => api::alerts::read_alert;
    get    Read       "/api/billing/wallet/{business_sid}/thresholds/" => api::thresholds::show_thresholds;
    put    Manage     "/api/billing/wallet/{business_sid}/thresholds/" => api::thresholds::set_thresholds;
    post   Charge     "/api/billing/charges/" => api::charges::charge;
    post   Charge     "/api/billing/charges/batch/" => api::charges::charge_batch;
    get    Read       "/api/billing/charges/{business_sid}/export.csv/" => api::exports::export_charges;
    get    Quote      "/api/billing/charges/{business_sid}/{message_sid}/" => api::charges::show_charge;
    post   Charge     "/api/billing/charges/{business_sid}/{message_sid}/delivery/" => api::delivery_reports::report_delivery;
    post   Administer "/api/billing/charges/{business_sid}/{message_sid}/refund/" => api::charges::refund_charge;
    post   Charge     "/api/billing/deliveries/batch/" => api::delivery_reports::report_deliveries;
    post   Quote      "/api/billing/quotes/" => api::quotes::quote;
    get    Manage     "/api/billing/keys/" => api::keys::list_keys;
    post   Manage     "/api/billing/keys/" => api::keys::create_key;
    get    Manage     "/api/billing/keys/{key_sid}/" => api::keys::show_key;
    delete Manage     "/api/billing/keys/{key_sid}/" => api::keys::revoke_key;
    post   Manage     "/api/billing/keys/{key_sid}/rotate/" => api::keys::rotate_key;
    get    Manage     "/api/billing/webhooks/{business_sid}/" => api::webhooks::list_webhooks;
    post   Manage     "/api/billing/webhooks/{business_sid}/" => api::webhooks::create_webhook;
    get    Manage     "/api/billing/webhooks/{business_sid}/{webhook_sid}/" => api::webhooks::show_webhook;
    patch  Manage     "/api/billing/webhooks/{business_sid}/{webhook_sid}/" => api::webhooks::change_webhook;
    delete Manage     "/api/billing/webhooks/{business_sid}/{webhook_sid}/" => api::webhooks::delete_webhook;
    post   Manage     "/api/billing/webhooks/{business_sid}/{webhook_sid}/rotate-secret/" => api::webhooks::rotate_webhook_secret;
    post   Manage     "/api/billing/webhooks/{business_sid}/{webhook_sid}/test/" => api::webhook_deliveries::test_webhook;
    get    Manage     "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/" => api::webhook_deliveries::list_webhook_deliveries;
    get    Manage     "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/{delivery_sid}/" => api::webhook_deliveries::show_webhook_delivery;
    post   Manage     "/api/billing/webhooks/{business_sid}/{webhook_sid}/deliveries/{delivery_sid}/resend/" => api::webhook_deliveries::resend_webhook_delivery;
    get    Administer "/api/billing/audit/" => api::audit::list_audit;
    post   Public     "/api/auth/login/" => api::logins::login;
    post   UseLogin   "/api/auth/logout/" => api::logins::logout;
    post   UseLogin   "/api/auth/logout-everywhere/" => api::logins::logout_everywhere;
    post   UseLogin   "/api/auth/password/" => api::logins::change_password;
    get    Anyone     "/api/auth/me/" => api::logins::show_me;
    get    Administer "/api/admin/plans/" => admin::plans::list_plans;
    post   Administer "/api/admin/plans/" => admin::plans::create_plan;
    get    Administer "/api/admin/plans/export/" => admin::plan_csv::export_plans;
    post   Administer "/api/admin/plans/import/" => admin::plan_csv::import_plans;
    get    Administer "/api/admin/plans/{plan_sid}/" => admin::plans::show_plan;
    patch  Administer "/api/admin/plans/{plan_sid}/" => admin::plans::change_plan;
    delete Administer "/api/admin/plans/{plan_sid}/" => admin::plans::delete_plan;
    get    Administer "/api/admin/rate-cards/" => admin::rate_cards::list_all_rate_cards;
    post   Administer "/api/admin/rate-cards/" => admin::rate_cards::create_rate_card;
    get    Administer "/api/admin/rate-cards/export/" => admin::rate_card_csv::export_rate_cards;
    post   Administer "/api/admin/rate-cards/import/" => admin::rate_card_csv::import_rate_cards;
    get    Administer "/api/admin/rate-cards/{rate_card_sid}/" => admin::rate_cards::show_rate_card;
    patch  Administer "/api/admin/rate-cards/{rate_card_sid}/" => admin::rate_cards::change_rate_card;
    delete Administer "/api/admin/rate-cards/{rate_card_sid}/" => admin::rate_cards::delete_rate_card;
    get    Administer "/api/admin/businesses/" => admin::businesses::list_businesses;
    post   Administer "/api/admin/businesses/" => admin::businesses::create_business;
    get    Administer "/api/admin/businesses/{business_sid}/" => admin::businesses::show_business;
    patch  Administer "/api/admin/businesses/{business_sid}/" => admin::businesses::change_business;
    delete Administer "/api/admin/businesses/{business_sid}/" => admin::businesses::delete_business;
    get    Administer "/api/admin/users/" => admin::users::list_users;
    post   Administer "/api/admin/users/" => admin::users::create_user;
    get    Administer "/api/admin/users/{user_sid}/" => admin::users::show_user;
    patch  Administer "/api/admin/users/{user_sid}/" => admin::users::change_user;
    delete Administer "/api/admin/users/{user_sid}/" => admin::users::delete_user;
    post   Administer "/api/admin/users/{user_sid}/password/" => admin::users::set_password;
    get    Administer "/api/admin/wallets/" => admin::wallets::list_wallets;
    get    Administer "/api/admin/wallets/{business_sid}/" => admin::wallets::show_wallet_settings;
    patch  Administer "/api/admin/wallets/{business_sid}/" => admin::wallets::change_wallet;
    post   Administer "/api/admin/wallets/{business_sid}/adjustments/" => admin::adjustments::adjust_wallet;
    post   Administer "/api/admin/wallets/{business_sid}/fees/" => admin::fees::charge_fee;
    get    Administer "/api/admin/transactions/" => admin::transactions::list_all_transactions;
    get    Administer "/api/admin/invoices/" => admin::invoices::list_invoices;
    get    Administer "/api/admin/invoices/{invoice_sid}/" => admin::invoices::show_any_invoice;
    get    Administer "/api/admin/alerts/" => admin::alerts::list_all_alerts;
    get    Administer "/api/admin/suspense/" => admin::suspense::list_suspense;
    post   Administer "/api/admin/suspense/{suspense_sid}/assign/" => admin::suspense::assign_suspense;
    post   Administer "/api/admin/suspense/{suspense_sid}/dismiss/" => admin::suspense::dismiss_suspense;
    get    Public     "/healthz" => api::health::healthz;
    get    Public     "/readyz" => api::health::readyz;
    get    Watch      "/metrics" => api::health::metrics;
    get    Public     "/openapi.json" => api::docs::openapi_document;
}

// The pages that show the OpenAPI document, which does not list them.
table! { PAGES, pages:
    get    Public     "/" => api::docs::index;
    get    Public     "/docs" => api::docs::to_page;
    get    Public     "/docs/" => api::docs::page;
    get    Public     "/docs/{*file}" => api::docs::asset;
}

/// The paths on which the guard asks for no credentials, whatever the method.
static PUBLIC: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let all = ROUTES.iter().chain(PAGES);
    all.filter(|route| route.access == Access::Public).map(|route| route.path).collect()
});

/// The whole HTTP service: every route, inside its layers.
pub fn service(state: AppState) -> Service {
    layers::around(routes().merge(pages()), &PUBLIC, state)
}

/// The service at the separate address for metrics.
pub fn metrics_service(state: AppState) -> Service {
    let router = Router::new().route("/metrics", get(health::metrics_of_their_own));
    layers::around_metrics(router, state)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guard goes by the path alone, so that a wrong method is answered 405 and not 401.
    #[test]
    fn a_public_path_is_public_for_every_method() {
        for route in ROUTES.iter().chain(PAGES) {
            assert_eq!(PUBLIC.contains(&route.path), route.access == Access::Public, "{} {}", route.method, route.path);
        }
    }
}
