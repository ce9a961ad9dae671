//! Shows and sets the balance at which a wallet warns.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::BusinessSid;
use crate::domain::wallets::watch::{OVERAGE_PERCENT, UNUSUAL_SPEND_FACTOR};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, TenantForbidden};
use crate::http::edge::ask::extract::{BusinessPath, Json, present};
use crate::http::edge::who::auth::{Manage, Read};
use crate::http::edge::writes::to_the_end;
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;
use crate::services::wallets::thresholds::Thresholds;

/// The alert thresholds of a wallet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Thresholds)]
pub struct ThresholdsBody {
    business_sid: BusinessSid,
    currency: Currency,
    /// A balance below this raises a warning. At 0 or below, the alert is always critical.
    low_balance: Money,
    /// Whether `low_balance` is the server's default and not set for this wallet.
    is_default: bool,
    /// The server's default.
    low_balance_default: Money,
    /// The share of the credit limit whose use raises a warning, in percent; at 100, the alert is critical.
    overage_percent: i64,
    /// A day's spend raises an alert if it is above this many times the mean of the last seven days.
    unusual_spend_factor: i64,
}

impl ThresholdsBody {
    fn new(business_sid: BusinessSid, thresholds: Thresholds) -> ThresholdsBody {
        ThresholdsBody {
            business_sid,
            currency: thresholds.currency,
            low_balance: thresholds.low_balance.unwrap_or(thresholds.low_balance_default),
            is_default: thresholds.low_balance.is_none(),
            low_balance_default: thresholds.low_balance_default,
            overage_percent: OVERAGE_PERCENT,
            unusual_spend_factor: UNUSUAL_SPEND_FACTOR,
        }
    }
}

/// Get a wallet's alert thresholds
///
/// Shows which values raise an alert, and whether they are the server's defaults.
#[utoipa::path(
    get,
    path = "/api/billing/wallet/{business_sid}/thresholds/",
    tag = "Alerts",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    responses((status = 200, description = "The alert thresholds", body = ThresholdsBody), CommonErrors),
)]
pub async fn show_thresholds(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Read>,
) -> Result<Json<ThresholdsBody>, Problem> {
    let thresholds = services::wallets::thresholds::show(&state.billing, &tenant).await?;
    Ok(Json(ThresholdsBody::new(tenant.into_sid(), thresholds)))
}

/// New alert thresholds of a wallet.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ThresholdsRequest, example = json!({"low_balance": 25}))]
pub struct ThresholdsRequest {
    /// Warn below this balance, 0 to 1,000,000,000; null for the server's default.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = DecimalInput, required = true)]
    low_balance: Option<Option<Money>>,
}

/// Set a wallet's alert thresholds
///
/// They apply from the next debit on. Each time the balance falls below the threshold, one alert is raised; the next
/// one follows only after the balance has risen well above the threshold (by a tenth, and at least one unit), or in a
/// new month.
#[utoipa::path(
    put,
    path = "/api/billing/wallet/{business_sid}/thresholds/",
    tag = "Alerts",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    request_body(content = ThresholdsRequest, description = "The new threshold"),
    responses(
        (status = 200, description = "The updated alert thresholds", body = ThresholdsBody),
        CommonErrors,
        TenantForbidden,
        BodyErrors,
    ),
)]
pub async fn set_thresholds(
    State(state): State<AppState>,
    BusinessPath { tenant, may }: BusinessPath<Manage>,
    Json(request): Json<ThresholdsRequest>,
) -> Result<Json<ThresholdsBody>, Problem> {
    let low_balance = request.low_balance.ok_or_else(|| Problem::invalid("low_balance", "is missing"))?;
    let business_sid = tenant.sid().clone();
    let set = async move { services::wallets::thresholds::set(&state.billing, &tenant, low_balance, &may.actor).await };
    Ok(Json(ThresholdsBody::new(business_sid, to_the_end(set).await?)))
}
