//! Sums up usage: messages, segments, delivery rates and cost by country, operator and day.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;

use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::fields::FieldError;
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::{BillingCalendar, DayRange, Moment, days_before};

named_enum! {
    /// Days are those of the billing time zone; weeks start on Monday.
    pub enum Period {
        Today = "TODAY",
        Yesterday = "YESTERDAY",
        ThisWeek = "THIS_WEEK",
        ThisMonth = "THIS_MONTH",
        LastMonth = "LAST_MONTH",
        Custom = "CUSTOM",
    }
}

/// The longest period, in days, that usage and previews are computed for.
pub const LONGEST_PERIOD_DAYS: i64 = 366;

/// The length of the top lists of countries and operators.
const TOP_LENGTH: usize = 10;

/// A period as a caller requests it.
#[derive(Clone, Copy, Debug)]
pub enum PeriodRequest {
    Named(Period),
    Custom { start: Moment, end: Moment },
}

impl PeriodRequest {
    /// The period, and its days.
    ///
    /// # Errors
    /// The parameter that is wrong and what it must be, where a custom period runs backwards or over a year.
    pub fn resolve(self, today: NaiveDate, calendar: BillingCalendar) -> Result<(Period, DayRange), FieldError> {
        match self {
            PeriodRequest::Named(period) => period
                .days(today)
                .map(|days| (period, days))
                .ok_or_else(|| FieldError::new("start", "is needed with period=CUSTOM, and `end` too")),
            PeriodRequest::Custom { start, end } => {
                let days = calendar.range(start, end).map_err(|problem| FieldError::new("end", problem.to_string()))?;
                if days.len_days() > LONGEST_PERIOD_DAYS {
                    let problem = format!("must leave a period of at most {LONGEST_PERIOD_DAYS} days");
                    return Err(FieldError::new("end", problem));
                }
                Ok((Period::Custom, days))
            }
        }
    }
}

impl Period {
    /// The days of a named period up to its end, which may lie ahead; `None` for `CUSTOM`.
    pub fn days(self, today: NaiveDate) -> Option<DayRange> {
        let month = DayRange::month_of(today);
        Some(match self {
            Period::Today => DayRange { first: today, last: today },
            Period::Yesterday => {
                let yesterday = days_before(today, 1);
                DayRange { first: yesterday, last: yesterday }
            }
            Period::ThisWeek => {
                let monday = days_before(today, u64::from(today.weekday().num_days_from_monday()));
                DayRange { first: monday, last: monday + chrono::Days::new(6) }
            }
            Period::ThisMonth => month,
            Period::LastMonth => DayRange::month_of(days_before(month.first, 1)),
            Period::Custom => return None,
        })
    }
}

/// Message and segment counts and the cost, of any set of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageCounts {
    pub messages_sent: i64,
    pub messages_delivered: i64,
    pub messages_failed: i64,
    pub segments: i64,
    pub cost: Money,
}

impl UsageCounts {
    /// # Errors
    /// [`MoneyError::Overflow`] outside the 64-bit range.
    pub fn checked_add(self, other: UsageCounts) -> Result<UsageCounts, MoneyError> {
        let add = |a: i64, b: i64| a.checked_add(b).ok_or(MoneyError::Overflow);
        Ok(UsageCounts {
            messages_sent: add(self.messages_sent, other.messages_sent)?,
            messages_delivered: add(self.messages_delivered, other.messages_delivered)?,
            messages_failed: add(self.messages_failed, other.messages_failed)?,
            segments: add(self.segments, other.segments)?,
            cost: self.cost.checked_add(other.cost)?,
        })
    }

    fn sum(counts: impl IntoIterator<Item = UsageCounts>) -> Result<UsageCounts, MoneyError> {
        counts.into_iter().try_fold(UsageCounts::default(), UsageCounts::checked_add)
    }

    /// The share of messages with a known outcome that were delivered: 0 to 1, to six decimals; 0 where none is known.
    pub fn success_rate(self) -> Decimal {
        let known = Decimal::from(self.messages_delivered) + Decimal::from(self.messages_failed);
        Decimal::from(self.messages_delivered).checked_div(known).unwrap_or_default().round_dp(6)
    }
}

/// The usage of one operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorUsage {
    pub country: CountryCode,
    /// Empty where the operator was unknown.
    pub operator: String,
    pub counts: UsageCounts,
}

/// The name to show for an operator.
pub fn operator_name(operator: &str) -> &str {
    if operator.is_empty() { "Other" } else { operator }
}

/// The usage of one country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountryUsage {
    pub country: CountryCode,
    pub counts: UsageCounts,
}

/// The usage of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayUsage {
    pub day: NaiveDate,
    pub counts: UsageCounts,
}

/// The usage of a business over a period.
#[derive(Clone, Debug)]
pub struct UsageMetrics {
    pub business_sid: BusinessSid,
    pub currency: Currency,
    pub period: Period,
    pub days: DayRange,
    pub totals: UsageCounts,
    /// By cost, largest first, ten at most.
    pub top_countries: Vec<CountryUsage>,
    /// By cost, largest first, ten at most.
    pub top_operators: Vec<OperatorUsage>,
    /// Every day of the period up to today, in order, days without messages too.
    pub daily: Vec<DayUsage>,
}

/// Sums up usage by operator and by day.
///
/// # Errors
/// [`MoneyError::Overflow`] where a sum leaves its range.
pub fn summarise(
    business_sid: BusinessSid,
    currency: Currency,
    (period, days): (Period, DayRange),
    today: NaiveDate,
    operators: Vec<OperatorUsage>,
    active_days: &[DayUsage],
) -> Result<UsageMetrics, MoneyError> {
    let totals = UsageCounts::sum(operators.iter().map(|usage| usage.counts))?;
    let top_countries = top(by_country(&operators)?, |usage| (usage.counts, usage.country.as_str().to_owned()));
    let top_operators = top(operators, |usage| (usage.counts, format!("{}{}", usage.country, usage.operator)));
    let counts_by_day: BTreeMap<NaiveDate, UsageCounts> =
        active_days.iter().map(|usage| (usage.day, usage.counts)).collect();
    let daily = days
        .days()
        .take_while(|day| *day <= today)
        .map(|day| DayUsage { day, counts: counts_by_day.get(&day).copied().unwrap_or_default() })
        .collect();
    Ok(UsageMetrics { business_sid, currency, period, days, totals, top_countries, top_operators, daily })
}

fn by_country(operators: &[OperatorUsage]) -> Result<Vec<CountryUsage>, MoneyError> {
    let mut countries: BTreeMap<CountryCode, UsageCounts> = BTreeMap::new();
    for usage in operators {
        let counts = countries.entry(usage.country).or_default();
        *counts = counts.checked_add(usage.counts)?;
    }
    Ok(countries.into_iter().map(|(country, counts)| CountryUsage { country, counts }).collect())
}

/// The first ten by cost, then by messages, then by name, so that equals always stand in the same order.
fn top<T>(mut usages: Vec<T>, rank: impl Fn(&T) -> (UsageCounts, String)) -> Vec<T> {
    usages.sort_by_cached_key(|usage| {
        let (counts, name) = rank(usage);
        (Reverse(counts.cost), Reverse(counts.messages_sent), name)
    });
    usages.truncate(TOP_LENGTH);
    usages
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[rstest]
    #[case(Period::Today, "2026-03-01", "2026-03-01")]
    #[case(Period::Yesterday, "2026-02-28", "2026-02-28")]
    #[case(Period::ThisWeek, "2026-02-23", "2026-03-01")] // 2026-03-01 is a Sunday
    #[case(Period::ThisMonth, "2026-03-01", "2026-03-31")]
    #[case(Period::LastMonth, "2026-02-01", "2026-02-28")]
    fn named_periods(#[case] period: Period, #[case] first: &str, #[case] last: &str) {
        assert_eq!(period.days(day("2026-03-01")), Some(DayRange { first: day(first), last: day(last) }));
    }

    #[rstest]
    #[case(0, 0, "0")]
    #[case(3, 0, "1")]
    #[case(0, 3, "0")]
    #[case(2, 1, "0.666667")]
    fn success_rate_is_a_fraction(#[case] delivered: i64, #[case] failed: i64, #[case] rate: &str) {
        let counts = UsageCounts { messages_delivered: delivered, messages_failed: failed, ..UsageCounts::default() };
        assert_eq!(counts.success_rate(), rate.parse().expect("a decimal"));
    }

    #[test]
    fn top_lists_are_by_cost_and_short() {
        let operators = (0..15)
            .map(|rank| OperatorUsage {
                country: if rank % 2 == 0 { "KE" } else { "UG" }.parse().expect("a country"),
                operator: format!("operator {rank}"),
                counts: UsageCounts {
                    messages_sent: 1,
                    cost: Money::from_micros(rank * 1_000),
                    ..UsageCounts::default()
                },
            })
            .collect();
        let range = DayRange { first: day("2026-03-01"), last: day("2026-03-31") };
        let metrics = summarise(
            "biz".parse().expect("a SID"),
            "USD".parse().expect("a currency"),
            (Period::ThisMonth, range),
            day("2026-03-03"),
            operators,
            &[DayUsage { day: day("2026-03-02"), counts: UsageCounts { segments: 7, ..UsageCounts::default() } }],
        )
        .expect("small sums");
        assert_eq!(metrics.totals.messages_sent, 15);
        assert_eq!(metrics.totals.cost, Money::from_micros(105_000));
        assert_eq!(metrics.top_operators.len(), 10);
        assert_eq!(metrics.top_operators[0].operator, "operator 14");
        let countries: Vec<&str> = metrics.top_countries.iter().map(|usage| usage.country.as_str()).collect();
        assert_eq!(countries, ["KE", "UG"]);
        let segments: Vec<i64> = metrics.daily.iter().map(|usage| usage.counts.segments).collect();
        assert_eq!(segments, [0, 7, 0], "days without a message are there, days ahead are not");
    }
}
