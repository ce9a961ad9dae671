//! Shows and sets the balance at which a wallet warns.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::BusinessSid;
use crate::domain::wallets::watch::{OVERAGE_PERCENT, UNUSUAL_SPEND_FACTOR};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::ask::extract::{BusinessPath, Json, present};
use crate::http::edge::who::auth::{Manage, Read};
use crate::http::edge::writes::to_the_end;
use crate::http::openapi::{BodyErrors, CommonErrors, TenantForbidden};
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;
use crate::services::wallets::thresholds::Thresholds;

/// What a wallet warns at.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Thresholds)]
pub struct ThresholdsBody {
    business_sid: BusinessSid,
    currency: Currency,
    /// Below this balance: a warning. At 0 or below it is critical, whatever stands here.
    low_balance: Money,
    /// Whether that is the server's own threshold, and not one of this wallet.
    is_default: bool,
    /// The server's own.
    low_balance_default: Money,
    /// From which share of the credit limit on its use is warned of, in percent; at 100 it is critical.
    overage_percent: i64,
    /// Above so many times the mean of the last seven days a day's spend is warned of.
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

/// Show a wallet's thresholds
///
/// What it warns at, and what of that is the server's own.
#[utoipa::path(
    get,
    path = "/api/billing/wallet/{business_sid}/thresholds/",
    tag = "Alerts",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    responses((status = 200, description = "What the wallet warns at", body = ThresholdsBody), CommonErrors),
)]
pub async fn show_thresholds(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Read>,
) -> Result<Json<ThresholdsBody>, Problem> {
    let thresholds = services::wallets::thresholds::show(&state.billing, &tenant).await?;
    Ok(Json(ThresholdsBody::new(tenant.into_sid(), thresholds)))
}

/// What a wallet is to warn at.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ThresholdsRequest, example = json!({"low_balance": 25}))]
pub struct ThresholdsRequest {
    /// Below this balance, 0 to 1,000,000,000; null for the server's own threshold.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = DecimalInput, required = true)]
    low_balance: Option<Option<Money>>,
}

/// Set a wallet's thresholds
///
/// They count from the next debit on: each time the balance crosses one there is one alert, and the next once the balance
/// has been well above it again (by a tenth, and by one unit at least).
#[utoipa::path(
    put,
    path = "/api/billing/wallet/{business_sid}/thresholds/",
    tag = "Alerts",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    request_body(content = ThresholdsRequest, description = "What to warn at"),
    responses(
        (status = 200, description = "What the wallet warns at now", body = ThresholdsBody),
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
