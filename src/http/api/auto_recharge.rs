//! Shows and changes the auto-recharge of a wallet.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::payments::providers::{PaymentMethod, ProviderName};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, PaymentSid};
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, Missing, RechargeErrors};
use crate::http::edge::ask::etag::{IfMatchOrAnything, Versioned, etag};
use crate::http::edge::ask::extract::{BusinessPath, Json, nullable, optional_whole_number, present};
use crate::http::edge::who::auth::{Manage, Read};
use crate::http::edge::writes::to_the_end;
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;
use crate::services::payments::recharge_settings::{RechargeChanges, RechargeStanding};

/// The auto-recharge settings of a wallet, and their state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AutoRecharge)]
pub struct AutoRechargeBody {
    enabled: bool,
    /// The amount of each recharge.
    amount: Money,
    /// A recharge is requested when the balance falls below this.
    threshold: Money,
    currency: Currency,
    /// The provider that is asked for the money; null if this server has none.
    provider: Option<ProviderName>,
    /// What the provider takes the money from, masked; null if not given.
    method: Option<String>,
    max_per_day: i64,
    /// null means `max_per_day` times `amount`.
    max_amount_per_day: Option<Money>,
    state: AutoRechargeState,
}

/// The state of a wallet's auto-recharge.
#[derive(Debug, Serialize, ToSchema)]
pub struct AutoRechargeState {
    /// The recharge payment that is still open.
    open_payment_sid: Option<PaymentSid>,
    /// Until when no recharge is requested, after a failure or when the day's limit is used up.
    next_attempt_at: Option<Timestamp>,
    /// The number of failures since the last successful recharge.
    failures: i64,
    /// Today's recharges, without failed ones.
    count_today: i64,
    amount_today: Money,
}

fn one(RechargeStanding { settings, state }: RechargeStanding) -> Versioned<AutoRechargeBody> {
    let version = settings.version();
    let state = AutoRechargeState {
        open_payment_sid: state.open_payment,
        next_attempt_at: state.next_attempt_at,
        failures: state.failures,
        count_today: state.count_today,
        amount_today: state.amount_today,
    };
    let body = AutoRechargeBody {
        enabled: settings.enabled,
        amount: settings.amount,
        threshold: settings.threshold,
        currency: settings.currency,
        provider: settings.provider,
        method: settings.method,
        max_per_day: settings.max_per_day,
        max_amount_per_day: settings.max_amount_per_day,
        state,
    };
    (etag(version), Json(body))
}

/// Get auto-recharge settings
///
/// Returns an `ETag`, which covers the settings but not their `state`; send it in `If-Match` when you change them.
#[utoipa::path(
    get,
    path = "/api/billing/wallet/{business_sid}/auto-recharge/",
    tag = "Payments",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    responses(
        (status = 200, description = "The settings and their state", body = AutoRechargeBody,
         headers(("ETag" = String, description = "The version of the settings, for `If-Match`"))),
        CommonErrors,
    ),
)]
pub async fn show_auto_recharge(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Read>,
) -> Result<Versioned<AutoRechargeBody>, Problem> {
    Ok(one(services::payments::recharge_settings::show(&state.billing, &tenant).await?))
}

/// New auto-recharge settings. Fields that you leave out keep their value, also when you disable auto-recharge.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AutoRechargeChanges, example = json!({
    "enabled": true, "amount": 20, "threshold": 5, "method": "+254712345678", "max_per_day": 3
}))]
pub struct AutoRechargeRequest {
    enabled: bool,
    /// At least `threshold`, at most 1,000,000,000.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    amount: Option<Money>,
    /// Greater than 0.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    threshold: Option<Money>,
    /// One of this server's payment providers; by default the one set before, else the server's default.
    provider: Option<ProviderName>,
    /// What the provider takes the money from, such as a phone number; null for none. It is stored encrypted and shown
    /// masked. If you switch to another provider without giving a method, the old one is deleted.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<PaymentMethod>)]
    method: Option<Option<PaymentMethod>>,
    /// 1 to 100; by default 5.
    #[serde(default, deserialize_with = "optional_whole_number")]
    max_per_day: Option<i64>,
    /// At least `amount`; null means `max_per_day` times `amount`.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<DecimalInput>)]
    max_amount_per_day: Option<Option<Money>>,
}

impl From<AutoRechargeRequest> for RechargeChanges {
    fn from(request: AutoRechargeRequest) -> RechargeChanges {
        RechargeChanges {
            enabled: request.enabled,
            amount: request.amount,
            threshold: request.threshold,
            provider: request.provider,
            method: request.method,
            max_per_day: request.max_per_day,
            max_amount_per_day: request.max_amount_per_day,
        }
    }
}

/// Update auto-recharge settings
///
/// When the balance falls below `threshold`, or a message is refused for lack of funds, a payment of `amount` is
/// requested from the provider, one at a time. Enabling auto-recharge checks the balance at once and resets the count
/// of failures. A failed recharge is retried after 1, 4 and 24 hours; if the next one fails too, auto-recharge is
/// disabled, with an alert.
#[utoipa::path(
    put,
    path = "/api/billing/wallet/{business_sid}/auto-recharge/",
    tag = "Payments",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("If-Match" = Option<String>, Header,
         description = "The `ETag` you received, so that you do not overwrite changes you have not seen"),
    ),
    request_body(content = AutoRechargeRequest, description = "The new settings"),
    responses(
        (status = 200, description = "The updated settings and their state", body = AutoRechargeBody,
         headers(("ETag" = String, description = "The version of the settings, for `If-Match`"))),
        CommonErrors,
        BodyErrors,
        Missing,
        RechargeErrors,
    ),
)]
pub async fn change_auto_recharge(
    State(state): State<AppState>,
    BusinessPath { tenant, may }: BusinessPath<Manage>,
    IfMatchOrAnything(seen): IfMatchOrAnything,
    Json(request): Json<AutoRechargeRequest>,
) -> Result<Versioned<AutoRechargeBody>, Problem> {
    let actor = may.actor;
    let change = async move {
        services::payments::recharge_settings::change(&state.billing, &tenant, &seen, request.into(), &actor).await
    };
    Ok(one(to_the_end(change).await?))
}
