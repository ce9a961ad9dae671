//! Tests when a wallet warns and asks for a recharge.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn usd() -> Currency {
    "USD".parse().expect("a currency")
}

const RULES: WatchRules = WatchRules { low_balance_threshold: Money::from_units(10) };

/// Balances one after the other, and what is told at each: `w` a warning, `c` a critical alert, `-` nothing.
fn told(limit: &str, balances: &[&str], alert_type: AlertType) -> String {
    let mut watch = Watch::default();
    let mut letters = String::new();
    for pair in balances.windows(2) {
        let change = BalanceChange {
            before: money(pair[0]),
            after: money(pair[1]),
            credit_limit: money(limit),
            currency: usd(),
            month: day("2026-03-01"),
        };
        let drafts = watch.follow(change, RULES);
        let own: Vec<_> = drafts.iter().filter(|draft| draft.alert_type == alert_type).collect();
        assert!(own.len() <= 1, "one crossing, one alert: {own:?}");
        letters.push(own.first().map_or('-', |draft| match draft.severity {
            AlertSeverity::Critical => 'c',
            _ => 'w',
        }));
    }
    letters
}

#[rstest]
#[case(&["20", "10", "9.999999", "5", "1"], "-w--")]
#[case(&["20", "9", "0.5", "0", "-1"], "w-c-")]
#[case(&["20", "0", "-5"], "c-")] // both crossed at once: the worse one tells
#[case(&["20", "9", "11", "9", "11.000001", "9"], "w---w")] // armed again above 11 only
#[case(&["20", "0", "1", "0", "1.000001", "0"], "c---c")] // from critical to warned above 1
#[case(&["0", "5", "4"], "-w")] // nothing is told of what comes in
#[case(&["5", "5"], "-")]
fn low_balances(#[case] balances: &[&str], #[case] expected: &str) {
    assert_eq!(told("0", balances, AlertType::LowBalance), expected);
}

#[rstest]
#[case("100", &["0", "-79.999999", "-80", "-99", "-100"], "-w-c")]
#[case("100", &["0", "-100", "-91", "-100"], "c--")] // the limit itself is armed again at 90 used
#[case("100", &["0", "-100", "-90", "-100"], "c-c")]
#[case("100", &["0", "-80", "-72", "-80"], "w-w")]
#[case("1", &["0", "-0.8", "0", "-0.8"], "w-w")] // the margin is more than the line: armed again at none used
#[case("0", &["5", "-5"], "-")]
fn overages(#[case] limit: &str, #[case] balances: &[&str], #[case] expected: &str) {
    assert_eq!(told(limit, balances, AlertType::OverageWarning), expected);
}

#[test]
fn a_new_month_tells_again() {
    let mut watch = Watch::default();
    let mut follow = |before: &str, after: &str, month: &str| {
        let (before, after, month) = (money(before), money(after), day(month));
        let change = BalanceChange { before, after, credit_limit: Money::ZERO, currency: usd(), month };
        watch.follow(change, RULES).len()
    };
    assert_eq!(follow("20", "9", "2026-03-01"), 1);
    assert_eq!(follow("9", "8", "2026-03-01"), 0);
    assert_eq!(follow("8", "7", "2026-04-01"), 1);
}

#[test]
fn sentences() {
    let mut watch = Watch { low_balance_threshold: Some(money("5")), ..Watch::default() };
    let change = BalanceChange {
        before: money("5"),
        after: money("4.98"),
        credit_limit: Money::ZERO,
        currency: usd(),
        month: day("2026-03-01"),
    };
    let drafts = watch.follow(change, RULES);
    assert_eq!(drafts[0].message, "The balance is 4.98 USD, below 5 USD: top up soon.");
    assert_eq!((drafts[0].threshold, drafts[0].current_value), (money("5"), money("4.98")));
}

#[test]
fn an_unusual_day_is_told_once() {
    let today = day("2026-03-18");
    // Seven a week is one a day; more than three is unusual.
    let mut watch = Watch { spend: Spend::of_new_day(today, Some(money("7"))), ..Watch::default() };
    assert_eq!(watch.spend(money("3"), today, usd()), None);
    let told = watch.spend(money("0.000001"), today, usd()).expect("above three times the mean");
    assert_eq!((told.threshold, told.current_value), (money("3"), money("3.000001")));
    assert_eq!(watch.spend(money("5"), today, usd()), None);
    for week in [None, Some(Money::ZERO)] {
        let mut watch = Watch { spend: Spend::of_new_day(today, week), ..Watch::default() };
        assert_eq!(watch.spend(money("1000"), today, usd()), None, "{week:?}");
    }
}

#[test]
fn recharges_are_wanted_where_they_are_possible() {
    let now = Timestamp::from_micros(1_000);
    let watch = RechargeWatch { is_enabled: true, threshold: money("5"), open: Money::ZERO, not_before: None };
    assert!(watch.is_wanted(money("4.999999"), now) && !watch.is_wanted(money("5"), now));
    let later = Some(Timestamp::from_micros(1_001));
    for not_now in [
        RechargeWatch { is_enabled: false, ..watch },
        RechargeWatch { open: money("20"), ..watch },
        RechargeWatch { not_before: later, ..watch },
    ] {
        assert!(!not_now.is_wanted(money("1"), now), "{not_now:?}");
    }
    assert!(RechargeWatch { not_before: Some(now), ..watch }.is_possible(now));
}

proptest! {
    #![proptest_config(crate::repetition::cases(256))]

    /// However a balance moves: between two alerts of one severity it rose above the line's margin, and nothing is ever
    /// told without a debit.
    #[test]
    fn one_alert_a_crossing(steps in prop::collection::vec(-15_000_000_i64..15_000_000, 1..100)) {
        let mut watch = Watch::default();
        let (mut balance, mut highest_since) = (30_000_000_i64, i64::MAX);
        for step in steps {
            let (before, after) = (balance, balance + step);
            balance = after;
            highest_since = highest_since.max(before).max(after);
            let change = BalanceChange {
                before: Money::from_micros(before),
                after: Money::from_micros(after),
                credit_limit: Money::ZERO,
                currency: usd(),
                month: day("2026-03-01"),
            };
            let drafts = watch.follow(change, RULES);
            prop_assert!(drafts.is_empty() || step < 0);
            if drafts.iter().any(|draft| draft.severity == AlertSeverity::Warning) {
                prop_assert!(highest_since > 11_000_000);
                highest_since = after;
            }
            if after < 10_000_000 {
                prop_assert!(watch.low_balance >= Level::Warned);
            }
            if after <= 0 {
                prop_assert_eq!(watch.low_balance, Level::Critical);
            }
        }
    }
}
