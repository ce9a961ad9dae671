//! Watches a wallet while its balance changes: decides when to warn and when to recharge.
//! Pure state machines, run inside the transaction that moves the money, so that each crossing of a threshold is
//! reported once, however many messages cross it.

use chrono::NaiveDate;

use crate::domain::notifications::alerts::{AlertDraft, AlertSeverity, AlertType};
use crate::domain::notifications::events::EventSet;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::time::Timestamp;

/// The last warning that was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    Fine,
    Warned,
    Critical,
}

impl Level {
    /// The level as the database stores it.
    pub const fn number(self) -> i64 {
        match self {
            Level::Fine => 0,
            Level::Warned => 1,
            Level::Critical => 2,
        }
    }

    pub const fn from_number(number: i64) -> Level {
        match number {
            0 => Level::Fine,
            1 => Level::Warned,
            _ => Level::Critical,
        }
    }
}

/// The used share of the credit limit, in percent, that is warned of.
pub const OVERAGE_PERCENT: i64 = 80;

/// A day's spend is unusual above this multiple of the mean of the week before it.
pub const UNUSUAL_SPEND_FACTOR: i64 = 3;

/// The number of days before a day whose mean its spend is compared with.
pub const SPEND_DAYS: u8 = 7;

const PERCENT: i64 = 100;

/// A warning is armed again once its value has left the threshold by this margin: the larger of a tenth and one unit.
fn margin(threshold: Money) -> i64 {
    (threshold.micros() / 10).max(Money::from_units(1).micros())
}

/// The watched values of a wallet, as the last entry left them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The balance below which to warn; `None`: the server's default threshold.
    pub low_balance_threshold: Option<Money>,
    pub low_balance: Level,
    pub overage: Level,
    /// The first day of the month of the two levels: in a new month they begin anew.
    pub month: Option<NaiveDate>,
    pub spend: Spend,
    pub recharge: RechargeWatch,
    /// The events that the business's webhooks subscribe to.
    pub events: EventSet,
}

/// The cost of messages on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spend {
    /// The day of the last message.
    pub day: Option<NaiveDate>,
    pub today: Money,
    /// The cost above which the day is unusual; `None` where that was reported already, or where there is nothing to
    /// compare with.
    pub limit: Option<Money>,
}

impl Spend {
    /// A new day, after a week in which messages cost `week` in total. A wallet that is younger than a week, or was
    /// silent all that week, has nothing to compare with.
    pub fn of_new_day(day: NaiveDate, week: Option<Money>) -> Spend {
        // One is above a seventh of the other exactly where it is above that seventh rounded down.
        let limit =
            week.map(|week| i128::from(week.micros()) * i128::from(UNUSUAL_SPEND_FACTOR) / i128::from(SPEND_DAYS));
        let limit = limit.and_then(|limit| i64::try_from(limit).ok()).filter(|limit| *limit > 0);
        Spend { day: Some(day), today: Money::ZERO, limit: limit.map(Money::from_micros) }
    }
}

/// The values that decide whether to request a recharge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RechargeWatch {
    pub is_enabled: bool,
    pub threshold: Money,
    /// The amount of the open recharge; zero where none is open.
    pub open: Money,
    pub not_before: Option<Timestamp>,
}

impl RechargeWatch {
    /// Whether a recharge may be requested at all.
    pub fn is_possible(&self, now: Timestamp) -> bool {
        self.is_enabled && self.open.is_zero() && self.not_before.is_none_or(|not_before| now >= not_before)
    }

    /// Whether a recharge is to be requested at that balance.
    pub fn is_wanted(&self, balance: Money, now: Timestamp) -> bool {
        self.is_possible(now) && balance < self.threshold
    }
}

/// The rules for watching all wallets.
#[derive(Clone, Copy, Debug)]
pub struct WatchRules {
    /// The default threshold, of wallets that have none of their own.
    pub low_balance_threshold: Money,
}

/// The highest threshold.
const THRESHOLD_MAX: Money = Money::from_units(1_000_000_000);

/// Checks a threshold; `None`: the server's default.
///
/// # Errors
/// What it must be, where it is out of range.
pub fn low_balance_threshold(asked: Option<Money>) -> Result<Option<Money>, String> {
    match asked {
        Some(amount) if amount.is_negative() || amount > THRESHOLD_MAX => {
            Err(format!("must be 0 to {THRESHOLD_MAX}, or null for the server's own threshold"))
        }
        fine => Ok(fine),
    }
}

/// A change of a wallet's balance.
#[derive(Clone, Copy, Debug)]
pub struct BalanceChange {
    pub before: Money,
    pub after: Money,
    pub credit_limit: Money,
    pub currency: Currency,
    /// The first day of the month of the change.
    pub month: NaiveDate,
}

impl Watch {
    /// Whether it has the same warning levels.
    pub fn has_levels_of(&self, other: &Watch) -> bool {
        (self.low_balance, self.overage, self.month) == (other.low_balance, other.overage, other.month)
    }

    pub fn threshold(&self, rules: WatchRules) -> Money {
        self.low_balance_threshold.unwrap_or(rules.low_balance_threshold)
    }

    /// Follows a change of the balance and returns the alerts it raises: a fall may cross a threshold, a rise arms it
    /// again.
    pub fn follow(&mut self, change: BalanceChange, rules: WatchRules) -> Vec<AlertDraft> {
        if self.month != Some(change.month) {
            self.month = Some(change.month);
            (self.low_balance, self.overage) = (Level::Fine, Level::Fine);
        }
        let threshold = self.threshold(rules);
        // Whatever raised the balance since, and however: what lies above the margin now is armed again.
        self.rearm(change.before.max(change.after), change.credit_limit, threshold);
        if change.after >= change.before {
            return Vec::new();
        }
        let mut drafts = Vec::new();
        let low = low_balance_level(change.after, threshold);
        if low > self.low_balance {
            self.low_balance = low;
            drafts.push(low_balance_alert(low, change, threshold));
        }
        let overage = overage_level(change.after, change.credit_limit);
        if overage > self.overage {
            self.overage = overage;
            drafts.push(overage_alert(overage, change));
        }
        drafts
    }

    fn rearm(&mut self, balance: Money, credit_limit: Money, threshold: Money) {
        let balance = balance.micros();
        let is_above = |line: Money| balance > line.micros().saturating_add(margin(line));
        if self.low_balance == Level::Critical && is_above(Money::ZERO) {
            self.low_balance = Level::Warned;
        }
        if self.low_balance == Level::Warned && is_above(threshold) {
            self.low_balance = Level::Fine;
        }
        let used = (-balance).max(0);
        let is_below = |line: Money| used <= (line.micros() - margin(line)).max(0);
        if self.overage == Level::Critical && is_below(credit_limit) {
            self.overage = Level::Warned;
        }
        if self.overage == Level::Warned && is_below(overage_warning(credit_limit)) {
            self.overage = Level::Fine;
        }
    }

    /// Adds a message's cost (or, below zero, a refund) to a day, and returns the alert if the day becomes unusual.
    pub fn spend(&mut self, cost: Money, day: NaiveDate, currency: Currency) -> Option<AlertDraft> {
        if self.spend.day != Some(day) {
            self.spend = Spend::of_new_day(day, None);
        }
        self.spend.today = Money::from_micros(self.spend.today.micros().saturating_add(cost.micros()).max(0));
        let limit = self.spend.limit.filter(|limit| self.spend.today > *limit)?;
        self.spend.limit = None;
        let mean = Money::from_micros(limit.micros() / UNUSUAL_SPEND_FACTOR);
        let message = format!(
            "Messages cost {} {currency} today so far, more than {UNUSUAL_SPEND_FACTOR} times the mean of the last \
             {SPEND_DAYS} days ({} {currency} a day). If you did not expect that, check who sends in your name.",
            self.spend.today, mean,
        );
        Some(AlertDraft {
            alert_type: AlertType::BillingAlert,
            severity: AlertSeverity::Warning,
            message,
            threshold: limit,
            current_value: self.spend.today,
        })
    }
}

fn low_balance_level(balance: Money, threshold: Money) -> Level {
    if balance <= Money::ZERO {
        Level::Critical
    } else if balance < threshold {
        Level::Warned
    } else {
        Level::Fine
    }
}

fn overage_warning(credit_limit: Money) -> Money {
    // Rounded down: a warning a millionth early.
    let share = i128::from(credit_limit.micros()) * i128::from(OVERAGE_PERCENT) / i128::from(PERCENT);
    Money::from_micros(i64::try_from(share).unwrap_or(i64::MAX))
}

fn overage_level(balance: Money, credit_limit: Money) -> Level {
    let used = -balance.micros();
    if credit_limit.is_zero() || used <= 0 {
        Level::Fine
    } else if used >= credit_limit.micros() {
        Level::Critical
    } else if used >= overage_warning(credit_limit).micros() {
        Level::Warned
    } else {
        Level::Fine
    }
}

fn low_balance_alert(level: Level, change: BalanceChange, threshold: Money) -> AlertDraft {
    let currency = change.currency;
    let balance = change.after;
    let (severity, threshold, message) = if level == Level::Critical {
        let consequence = if change.credit_limit.is_zero() {
            "messages are refused until it is topped up"
        } else {
            "messages now use the credit limit"
        };
        let message = format!("The balance is used up ({balance} {currency}): {consequence}.");
        (AlertSeverity::Critical, Money::ZERO, message)
    } else {
        let line = threshold;
        let message = format!("The balance is {balance} {currency}, below {line} {currency}: top up soon.");
        (AlertSeverity::Warning, threshold, message)
    };
    AlertDraft { alert_type: AlertType::LowBalance, severity, message, threshold, current_value: change.after }
}

fn overage_alert(level: Level, change: BalanceChange) -> AlertDraft {
    let currency = change.currency;
    let used = Money::from_micros(-change.after.micros());
    let (used_shown, limit) = (used, change.credit_limit);
    let (severity, threshold, message) = if level == Level::Critical {
        let message =
            format!("All of the credit limit of {limit} {currency} is used: messages are refused until some is paid.");
        (AlertSeverity::Critical, change.credit_limit, message)
    } else {
        let message = format!(
            "{used_shown} {currency} of the credit limit of {limit} {currency} are used, {OVERAGE_PERCENT} % or more."
        );
        (AlertSeverity::Warning, overage_warning(change.credit_limit), message)
    };
    AlertDraft { alert_type: AlertType::OverageWarning, severity, message, threshold, current_value: used }
}

#[cfg(test)]
mod tests;
