//! Decides auto-recharges: limits per day, waits after failures, and when to switch off.
//! Whether a balance calls for one is decided in [`crate::domain::wallets::watch`], at every message.

use chrono::NaiveDate;

use super::providers::ProviderName;
use crate::domain::notifications::alerts::{AlertDraft, AlertSeverity, AlertType};
use crate::domain::values::currency::Currency;
use crate::domain::values::fields::FieldError;
use crate::domain::values::money::Money;
use crate::domain::values::time::Timestamp;

/// The default limit of recharges per day.
pub const MOST_PER_DAY: i64 = 5;

/// Hours to wait after the first, second and third failed recharge in a row. After one more, auto-recharge is disabled.
const BACK_OFF_HOURS: [i64; 3] = [1, 4, 24];

/// The auto-recharge settings of a wallet, with its counts of the day and its failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recharging {
    pub provider: ProviderName,
    /// The payment method, encrypted.
    pub method: Option<String>,
    pub amount: Money,
    pub most_per_day: i64,
    /// The limit on the sum per day; `None`: only `most_per_day` limits it.
    pub most_sum_per_day: Option<Money>,
    /// The day of the next two fields.
    pub day: Option<NaiveDate>,
    pub count_of_day: i64,
    pub sum_of_day: Money,
    /// Failures since the last success.
    pub failures: i64,
}

/// The decision on a recharge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RechargeDecision {
    /// It is requested, and counted.
    Granted,
    /// The limits of the day are used up; the alert says so.
    UsedUp(AlertDraft),
}

impl Recharging {
    /// Grants a recharge of the set amount, if the limits of the day allow one more.
    pub fn decide(&mut self, today: NaiveDate, currency: Currency) -> RechargeDecision {
        if self.day != Some(today) {
            (self.day, self.count_of_day, self.sum_of_day) = (Some(today), 0, Money::ZERO);
        }
        let Some(sum) = self.sum_with_one_more() else { return RechargeDecision::UsedUp(self.used_up(currency)) };
        (self.count_of_day, self.sum_of_day) = (self.count_of_day + 1, sum);
        RechargeDecision::Granted
    }

    /// The sum of the day with one more recharge; `None` where a limit of the day would be passed.
    fn sum_with_one_more(&self) -> Option<Money> {
        let sum = self.sum_of_day.checked_add(self.amount).ok();
        sum.filter(|sum| self.count_of_day < self.most_per_day && self.most_sum_per_day.is_none_or(|most| *sum <= most))
    }

    /// Forgets failures, because a recharge has succeeded, and returns what remains of a wait. A wait after a failure
    /// ends with the failures. A wait until `tomorrow`, because the limits of `today` are used up, remains: this
    /// recharge has freed none.
    pub fn forgive(&mut self, wait: Option<Timestamp>, (today, tomorrow): (NaiveDate, Timestamp)) -> Option<Timestamp> {
        let had_failed = std::mem::take(&mut self.failures) > 0;
        let is_used_up = self.day == Some(today) && self.sum_with_one_more().is_none();
        wait.filter(|until| !had_failed || (is_used_up && *until == tomorrow))
    }

    fn used_up(&self, currency: Currency) -> AlertDraft {
        let times = if self.count_of_day == 1 { "once" } else { &format!("{} times", self.count_of_day) };
        AlertDraft {
            alert_type: AlertType::BillingAlert,
            severity: AlertSeverity::Warning,
            message: format!(
                "Auto-recharge has topped this wallet up {times} today, by {} {currency} in all, which is as much as its \
                 settings allow a day. It goes on tomorrow; until then top up by hand.",
                self.sum_of_day
            ),
            threshold: self.most_sum_per_day.unwrap_or(self.sum_of_day),
            current_value: self.sum_of_day,
        }
    }

    /// Subtracts a failed recharge from the counts of its day.
    pub fn take_back(&mut self, day: NaiveDate, amount: Money) {
        if self.day == Some(day) {
            self.count_of_day = (self.count_of_day - 1).max(0);
            self.sum_of_day = Money::from_micros((self.sum_of_day.micros() - amount.micros()).max(0));
        }
    }

    /// Counts a recharge again that was reported as failed, and succeeded after all.
    pub fn count_again(&mut self, day: NaiveDate, amount: Money) {
        if self.day == Some(day) {
            self.count_of_day += 1;
            self.sum_of_day = self.sum_of_day.checked_add(amount).unwrap_or(self.sum_of_day);
        }
    }

    /// The alert about a failed recharge; `until` is when the next is tried, `None` where auto-recharge is disabled.
    pub fn failure_alert(
        &self,
        reason: &str,
        until: Option<Timestamp>,
        balance: Money,
        currency: Currency,
        threshold: Money,
    ) -> AlertDraft {
        let (amount, provider) = (self.amount, &self.provider);
        let (severity, message) = match until {
            Some(until) => (
                AlertSeverity::Warning,
                format!(
                    "Auto-recharge by {amount} {currency} through {provider} failed: {reason}. It is tried again after \
                     {until}; until then top up by hand."
                ),
            ),
            None => (
                AlertSeverity::Critical,
                format!(
                    "Auto-recharge by {amount} {currency} through {provider} failed {} times in a row and is switched off: \
                     {reason}. Top up by hand, look into what it is paid from, and switch it on again.",
                    self.failures
                ),
            ),
        };
        AlertDraft { alert_type: AlertType::BillingAlert, severity, message, threshold, current_value: balance }
    }

    /// Counts a failed recharge. Returns until when to wait, or `None` where it failed too often and is to be disabled.
    pub fn fail(&mut self, now: Timestamp) -> Option<Timestamp> {
        let hours = usize::try_from(self.failures).ok().and_then(|failures| BACK_OFF_HOURS.get(failures));
        self.failures += 1;
        hours.map(|hours| now.plus_seconds(hours * 3_600))
    }
}

/// The auto-recharge settings that a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RechargeTerms {
    pub is_enabled: bool,
    pub amount: Money,
    pub threshold: Money,
    pub most_per_day: i64,
    pub most_sum_per_day: Option<Money>,
}

/// The largest amount of one recharge.
const AMOUNT_MAX: Money = Money::from_units(1_000_000_000);

const MOST_PER_DAY_MAX: i64 = 100;

impl RechargeTerms {
    /// Checks the settings against each other. While auto-recharge is disabled, amounts may be missing.
    ///
    /// # Errors
    /// The field at fault, and how.
    pub fn check(&self) -> Result<(), FieldError> {
        let is_unset = self.amount.is_zero() && self.threshold.is_zero();
        if !(1..=MOST_PER_DAY_MAX).contains(&self.most_per_day) {
            return Err(FieldError::new("max_per_day", format!("must be a whole number from 1 to {MOST_PER_DAY_MAX}")));
        }
        if !self.is_enabled && is_unset {
            return Ok(());
        }
        if self.threshold <= Money::ZERO {
            return Err(FieldError::new("threshold", "must be greater than 0: below it a recharge is asked for"));
        }
        if self.amount < self.threshold {
            return Err(FieldError::new("amount", format!("must be at least the threshold ({})", self.threshold)));
        }
        if self.amount > AMOUNT_MAX {
            return Err(FieldError::new("amount", format!("must be at most {AMOUNT_MAX}")));
        }
        if self.most_sum_per_day.is_some_and(|most| most < self.amount) {
            return Err(FieldError::new(
                "max_amount_per_day",
                format!("must be at least the amount ({}), or null", self.amount),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case((true, 20, 10, 5, None), None)]
    #[case((true, 10, 10, 1, Some(10)), None)]
    #[case((false, 0, 0, 5, None), None)]
    #[case((true, 0, 0, 5, None), Some("threshold"))]
    #[case((true, 20, 0, 5, None), Some("threshold"))]
    #[case((true, 20, -1, 5, None), Some("threshold"))]
    #[case((false, 20, 0, 5, None), Some("threshold"))]
    #[case((true, 9, 10, 5, None), Some("amount"))]
    #[case((true, 1_000_000_001, 10, 5, None), Some("amount"))]
    #[case((true, 20, 10, 0, None), Some("max_per_day"))]
    #[case((true, 20, 10, 101, None), Some("max_per_day"))]
    #[case((true, 20, 10, 5, Some(19)), Some("max_amount_per_day"))]
    fn bad_terms(#[case] terms: (bool, i32, i32, i64, Option<i32>), #[case] wrong: Option<&str>) {
        let (is_enabled, amount, threshold, most_per_day, most) = terms;
        let terms = RechargeTerms {
            is_enabled,
            amount: Money::from_units(amount),
            threshold: Money::from_units(threshold),
            most_per_day,
            most_sum_per_day: most.map(Money::from_units),
        };
        assert_eq!(terms.check().err().map(|error| error.field).as_deref(), wrong);
    }

    fn recharging() -> Recharging {
        Recharging {
            provider: "simulated".parse().expect("a name"),
            method: None,
            amount: Money::from_units(20),
            most_per_day: 3,
            most_sum_per_day: Some(Money::from_units(50)),
            day: None,
            count_of_day: 0,
            sum_of_day: Money::ZERO,
            failures: 0,
        }
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn a_day_has_an_end() {
        let usd = "USD".parse().expect("a currency");
        let mut recharging = recharging();
        let today = day("2026-03-18");
        assert_eq!(recharging.decide(today, usd), RechargeDecision::Granted);
        assert_eq!(recharging.decide(today, usd), RechargeDecision::Granted);
        let RechargeDecision::UsedUp(alert) = recharging.decide(today, usd) else { panic!("60 is more than 50") };
        assert!(alert.message.contains("2 times today, by 40 USD in all"), "{}", alert.message);
        recharging.take_back(today, Money::from_units(20));
        assert_eq!(recharging.decide(today, usd), RechargeDecision::Granted);
        assert_eq!(recharging.decide(day("2026-03-19"), usd), RechargeDecision::Granted);
        recharging.most_sum_per_day = None;
        for _ in 0..2 {
            assert_eq!(recharging.decide(day("2026-03-19"), usd), RechargeDecision::Granted);
        }
        assert!(matches!(recharging.decide(day("2026-03-19"), usd), RechargeDecision::UsedUp(_)), "three a day");
    }

    /// Failures before it, recharges of today (the third is the last), the hour waited for: is there still something to
    /// wait for? Tomorrow begins at 14.
    #[rstest]
    #[case(1, 1, 11, false)]
    #[case(1, 1, 14, false)] // A wait after a failure that happens to end with the day.
    #[case(1, 3, 11, false)]
    #[case(1, 3, 14, true)]
    #[case(0, 1, 11, true)]
    #[case(0, 3, 14, true)]
    fn what_success_leaves_of_a_wait(
        #[case] failures: i64,
        #[case] count_of_day: i64,
        #[case] hour: i64,
        #[case] is_left: bool,
    ) {
        let at = |hour: i64| Timestamp::from_micros(hour * 3_600_000_000);
        let today = day("2026-03-18");
        let mut recharging =
            Recharging { failures, day: Some(today), count_of_day, most_sum_per_day: None, ..recharging() };
        let left = recharging.forgive(Some(at(hour)), (today, at(14)));
        assert_eq!(left, is_left.then_some(at(hour)));
        assert_eq!((recharging.failures, recharging.forgive(None, (today, at(14)))), (0, None));
    }

    #[test]
    fn waits_grow_and_end() {
        let mut recharging = recharging();
        let now = Timestamp::from_micros(0);
        let waits: Vec<_> = (0..4).map(|_| recharging.fail(now).map(|until| until.micros() / 3_600_000_000)).collect();
        assert_eq!(waits, [Some(1), Some(4), Some(24), None]);
    }
}
