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
use crate::http::edge::ask::etag::{IfMatchOrAnything, Versioned, etag};
use crate::http::edge::ask::extract::{BusinessPath, Json, nullable, optional_whole_number, present};
use crate::http::edge::who::auth::{Manage, Read};
use crate::http::edge::writes::to_the_end;
use crate::http::openapi::{BodyErrors, CommonErrors, Missing, RechargeErrors};
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;
use crate::services::payments::recharge_settings::{RechargeChanges, RechargeStanding};

/// How a wallet is recharged by itself, and how that stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AutoRecharge)]
pub struct AutoRechargeBody {
    enabled: bool,
    /// What each recharge brings.
    amount: Money,
    /// Below which balance one is asked for.
    threshold: Money,
    currency: Currency,
    /// Who is asked; null where this server has no provider.
    provider: Option<ProviderName>,
    /// What the provider takes the money from, masked; null where nobody said.
    method: Option<String>,
    max_per_day: i64,
    /// null: `max_per_day` times the amount.
    max_amount_per_day: Option<Money>,
    state: AutoRechargeState,
}

/// How the recharges of a wallet stand.
#[derive(Debug, Serialize, ToSchema)]
pub struct AutoRechargeState {
    /// The payment that the wallet waits for.
    open_payment_sid: Option<PaymentSid>,
    /// Until when none is asked for, after one that failed or when the day's are used up.
    next_attempt_at: Option<Timestamp>,
    /// How many have failed since the last that worked.
    failures: i64,
    /// Today's, those that failed left out.
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

/// Show auto-recharge
///
/// With the `ETag` of the settings, whatever their state.
#[utoipa::path(
    get,
    path = "/api/billing/wallet/{business_sid}/auto-recharge/",
    tag = "Payments",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    responses(
        (status = 200, description = "The settings and how they stand", body = AutoRechargeBody,
         headers(("ETag" = String, description = "Which state of the settings this is"))),
        CommonErrors,
    ),
)]
pub async fn show_auto_recharge(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Read>,
) -> Result<Versioned<AutoRechargeBody>, Problem> {
    Ok(one(services::payments::recharge_settings::show(&state.billing, &tenant).await?))
}

/// How a wallet is to be recharged. What is left out stays; switched off, it keeps its numbers.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AutoRechargeChanges, example = json!({
    "enabled": true, "amount": 20, "threshold": 5, "method": "+254712345678", "max_per_day": 3
}))]
pub struct AutoRechargeRequest {
    enabled: bool,
    /// At least the threshold, at most 1,000,000,000.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    amount: Option<Money>,
    /// Greater than 0.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    threshold: Option<Money>,
    /// One of this server's payment providers; its default one where none was named before.
    provider: Option<ProviderName>,
    /// What the provider takes the money from, such as a phone number; null for nothing. It is kept sealed, and shown masked;
    /// naming another provider without it forgets it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<PaymentMethod>)]
    method: Option<Option<PaymentMethod>>,
    /// 1 to 100; 5 where nobody said.
    #[serde(default, deserialize_with = "optional_whole_number")]
    max_per_day: Option<i64>,
    /// At least the amount; null: `max_per_day` times the amount.
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

/// Change auto-recharge
///
/// When the balance falls below `threshold`, or a message is refused for want of funds, the provider is asked for `amount`,
/// one payment at a time. Switching it on judges the balance at once, and forgets what failed before. A recharge that fails
/// is tried again after 1, 4 and 24 hours; after one more it is switched off, with an alert.
#[utoipa::path(
    put,
    path = "/api/billing/wallet/{business_sid}/auto-recharge/",
    tag = "Payments",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("If-Match" = Option<String>, Header,
         description = "The `ETag` you read, so that you overwrite nothing you have not seen"),
    ),
    request_body(content = AutoRechargeRequest, description = "How the wallet is to be recharged"),
    responses(
        (status = 200, description = "The settings as they are now, and how they stand", body = AutoRechargeBody,
         headers(("ETag" = String, description = "Which state of the settings this is"))),
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
