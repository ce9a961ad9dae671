//! Shows the usage of a business.

use axum::extract::State;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::charges::usage::{
    CountryUsage, DayUsage, OperatorUsage, Period, PeriodRequest, UsageMetrics, operator_name,
};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{Money, serialize_decimal};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::Moment;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::CommonErrors;
use crate::http::edge::ask::extract::{BusinessPath, Json, Query};
use crate::http::edge::who::auth::Read;
use crate::http::state::AppState;
use crate::services;

/// What a business sent in a period, and what it cost.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageMetrics)]
pub struct UsageBody {
    business_sid: BusinessSid,
    period: Period,
    period_start: NaiveDate,
    /// The last day, inclusive.
    period_end: NaiveDate,
    currency: Currency,
    total_messages_sent: i64,
    total_messages_delivered: i64,
    total_messages_failed: i64,
    /// The number of segments charged: a long message has several.
    segments: i64,
    /// Delivered messages as a share of those with a known outcome, 0 to 1; 0 if none is known.
    #[serde(serialize_with = "serialize_decimal")]
    #[schema(value_type = f64, minimum = 0, maximum = 1)]
    success_rate: Decimal,
    total_cost: Money,
    average_cost_per_message: Money,
    /// By cost, largest first, at most ten.
    #[schema(max_items = 10)]
    top_countries: Vec<CountryBody>,
    /// By cost, largest first, at most ten.
    #[schema(max_items = 10)]
    top_operators: Vec<OperatorBody>,
    /// Every day of the period up to today, for charts.
    daily: Vec<DayBody>,
}

/// The usage in one country.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CountryUsage)]
pub struct CountryBody {
    country_code: CountryCode,
    #[schema(example = "Kenya")]
    country_name: &'static str,
    messages_sent: i64,
    cost: Money,
}

/// The usage at one operator.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorUsage)]
pub struct OperatorBody {
    /// "Other" if the operator is not known.
    #[schema(example = "Safaricom")]
    operator: String,
    /// The name of the country.
    #[schema(example = "Kenya")]
    country: &'static str,
    country_code: CountryCode,
    messages_sent: i64,
    cost: Money,
}

/// The usage on one day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DayUsage)]
pub struct DayBody {
    date: NaiveDate,
    messages_sent: i64,
    messages_delivered: i64,
    messages_failed: i64,
    segments: i64,
    cost: Money,
}

impl From<UsageMetrics> for UsageBody {
    fn from(metrics: UsageMetrics) -> UsageBody {
        let totals = metrics.totals;
        UsageBody {
            business_sid: metrics.business_sid,
            period: metrics.period,
            period_start: metrics.days.first,
            period_end: metrics.days.last,
            currency: metrics.currency,
            total_messages_sent: totals.messages_sent,
            total_messages_delivered: totals.messages_delivered,
            total_messages_failed: totals.messages_failed,
            segments: totals.segments,
            success_rate: totals.success_rate(),
            total_cost: totals.cost,
            average_cost_per_message: totals.cost.mean_over(totals.messages_sent),
            top_countries: metrics.top_countries.into_iter().map(CountryBody::from).collect(),
            top_operators: metrics.top_operators.into_iter().map(OperatorBody::from).collect(),
            daily: metrics.daily.into_iter().map(DayBody::from).collect(),
        }
    }
}

impl From<CountryUsage> for CountryBody {
    fn from(usage: CountryUsage) -> CountryBody {
        CountryBody {
            country_code: usage.country,
            country_name: usage.country.name(),
            messages_sent: usage.counts.messages_sent,
            cost: usage.counts.cost,
        }
    }
}

impl From<OperatorUsage> for OperatorBody {
    fn from(usage: OperatorUsage) -> OperatorBody {
        OperatorBody {
            operator: operator_name(&usage.operator).to_owned(),
            country: usage.country.name(),
            country_code: usage.country,
            messages_sent: usage.counts.messages_sent,
            cost: usage.counts.cost,
        }
    }
}

impl From<DayUsage> for DayBody {
    fn from(usage: DayUsage) -> DayBody {
        DayBody {
            date: usage.day,
            messages_sent: usage.counts.messages_sent,
            messages_delivered: usage.counts.messages_delivered,
            messages_failed: usage.counts.messages_failed,
            segments: usage.counts.segments,
            cost: usage.counts.cost,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// The period; `CUSTOM` needs `start` and `end`.
    #[param(example = "THIS_MONTH")]
    period: Option<Period>,
    /// With `CUSTOM`: the first day, or an instant in it.
    #[param(value_type = Option<String>)]
    start: Option<Moment>,
    /// With `CUSTOM`: the last day (inclusive), or an instant in it. At most 366 days in all.
    #[param(value_type = Option<String>)]
    end: Option<Moment>,
}

impl UsageQuery {
    pub fn request(&self) -> Result<PeriodRequest, Problem> {
        match (self.period.unwrap_or(Period::ThisMonth), self.start, self.end) {
            (Period::Custom, Some(start), Some(end)) => Ok(PeriodRequest::Custom { start, end }),
            (Period::Custom, None, _) => Err(Problem::invalid("start", "is needed with period=CUSTOM")),
            (Period::Custom, _, None) => Err(Problem::invalid("end", "is needed with period=CUSTOM")),
            (named, ..) => Ok(PeriodRequest::Named(named)),
        }
    }
}

/// Get usage
///
/// What a business sent in a period (by default this month), and what it cost. Days are in the billing time zone; weeks
/// start on Monday.
#[utoipa::path(
    get,
    path = "/api/billing/usage/{business_sid}/",
    tag = "Usage",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"), UsageQuery),
    responses((status = 200, description = "The usage", body = UsageBody), CommonErrors),
)]
pub async fn show_usage(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Read>,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsageBody>, Problem> {
    let metrics = services::reports::usage::show(&state.billing, tenant, query.request()?).await?;
    Ok(Json(metrics.into()))
}
