//! Tests debits: which are accepted, which are refused, and the rows that each writes.

use rstest::rstest;

use super::*;
use crate::domain::prices::rating::Unrated;
use crate::domain::prices::rating::fixtures::{currency, day};
use crate::domain::values::fields::FieldError;

/// Two segments cost 0.04.
#[rstest]
#[case::exactly_enough("0.04", "0", Some("0"))]
#[case::one_micro_short("0.039999", "0", None)]
#[case::on_credit("0", "0.04", Some("-0.04"))]
#[case::on_the_last_of_the_credit("-0.96", "1", Some("-1"))]
#[case::one_micro_past_the_credit("-0.960001", "1", None)]
#[case::with_nothing("0", "0", None)]
fn a_debit_passes_when_enough_is_available(
    #[case] balance: &str,
    #[case] credit_limit: &str,
    #[case] left: Option<&str>,
) {
    let mut database = database(HALF, balance, credit_limit);
    let available = money(balance).checked_add(money(credit_limit)).expect("a small sum");
    match (charge(&mut database, sms("m", 2), NOW), left) {
        (Ok(charged), Some(left)) => {
            assert_eq!((charged.balance, charged.replayed), (money(left), false));
            assert_eq!(Ok(charged.available), money(left).checked_add(money(credit_limit)));
            assert_eq!(charged.charge.entry.amount, money("-0.04"));
            assert_eq!(usage(&database), [used("2026-03-10", "0.02", 1, 2, "0.04")]);
        }
        (Err(refusal), None) => {
            let required = money("0.04");
            assert_eq!(refusal, Refusal::InsufficientFunds { available, required, currency: currency("USD") });
            assert_eq!(database.accounts[0].head.balance, money(balance));
            assert!(database.usage.is_empty());
        }
        (outcome, _) => panic!("{outcome:?}"),
    }
    database.assert_chains();
}

/// A message that costs nothing needs no money, but none passes below the limit, which an adjustment may have passed.
#[rstest]
#[case("0", true)]
#[case("-0.000001", false)]
fn a_message_without_a_price(#[case] balance: &str, #[case] passes: bool) {
    let mut database = database(HALF, balance, "0");
    let free = sms_to(("TZ", "Vodacom"), "free", 3);
    assert_eq!(charge(&mut database, free.clone(), NOW).is_ok(), passes);
    if passes {
        assert_eq!(usage(&database), [used("2026-03-10", "0", 1, 3, "0")]);
        assert_eq!(database.accounts[0].head.last_seq, 2, "it has its entry all the same");
        assert_eq!(database.accounts[0].tiers.segments, 3);
        assert!(charge(&mut database, free, NOW).is_ok_and(|again| !again.replayed), "with the same sid: its own work");
        assert!(charge(&mut database, sms_to(("TZ", "Vodacom"), "free", 3), NOW).is_ok_and(|again| again.replayed));
        assert_eq!(report(&mut database, "free", DeliveryStatus::Failed, NOW).expect("a report").refunded, Money::ZERO);
        let too_much = Refusal::RefundExceedsCharge { left: Money::ZERO, currency: currency("USD") };
        assert_eq!(refund(&mut database, "free", None, NOW).expect_err("nothing to give back"), too_much);
        assert_eq!(database.entries.len(), 2);
    }
}

#[test]
fn the_same_input_again_is_the_same_charge() {
    let mut database = database(HALF, "0.05", "0");
    let first = charge(&mut database, sms("m", 2), NOW).expect("a charge");
    for later in [NOW, "2026-05-01T00:00:00Z"] {
        let again = charge(&mut database, sms("m", 2), later).expect("a replay");
        assert_eq!((again.charge.entry, again.replayed), (first.charge.entry, true));
        assert_eq!((again.balance, again.available), (money("0.01"), money("0.01")));
    }
    assert_eq!(database.entries.len(), 2);
    assert_eq!(usage(&database), [used("2026-03-10", "0.02", 1, 2, "0.04")]);
}

#[test]
fn a_replay_tells_the_balance_of_now() {
    let mut database = database(HALF, "1", "0");
    charge(&mut database, sms("m", 2), NOW).expect("a charge");
    charge(&mut database, sms("other", 1), NOW).expect("a charge");
    assert_eq!(charge(&mut database, sms("m", 2), NOW).expect("a replay").balance, money("0.94"));
}

/// After a commit whose outcome was unknown, the same command comes again.
#[test]
fn a_command_that_meets_its_own_work_is_no_replay() {
    let mut database = database(HALF, "1", "0");
    let new = sms("m", 2);
    charge(&mut database, new.clone(), NOW).expect("a charge");
    let again = charge(&mut database, new, NOW).expect("the same charge");
    assert!(!again.replayed);
    assert_eq!((again.balance, database.entries.len()), (money("0.96"), 2));
}

#[test]
fn the_same_message_with_other_input_is_a_conflict() {
    let mut database = database(HALF, "1", "0");
    charge(&mut database, sms("m", 2), NOW).expect("a charge");
    assert_eq!(charge(&mut database, sms("m", 3), NOW).expect_err("a conflict"), Refusal::MessageConflict);
    assert_eq!(database.entries.len(), 2);
}

/// Commands are decided one after the other, each on what those before it left.
#[test]
fn one_batch_with_one_message_twice() {
    let mut database = database(HALF, "0.08", "0");
    let commands = [sms("m", 2), sms("m", 2), sms("m", 1), sms("n", 3), sms("o", 2), sms("p", 1)].map(Command::Charge);
    let told: Vec<String> = database
        .apply(&commands, at(NOW))
        .into_iter()
        .map(|outcome| match outcome {
            Ok(CommandOutcome::Charged(charged)) => {
                format!("{} {} {}", charged.charge.message, charged.replayed, charged.balance)
            }
            Ok(other) => panic!("{other:?}"),
            Err(Refusal::MessageConflict) => "conflict".to_owned(),
            Err(Refusal::InsufficientFunds { available, required, .. }) => format!("{available} of {required}"),
            Err(other) => panic!("{other}"),
        })
        .collect();
    assert_eq!(told, ["m false 0.04", "m true 0.04", "conflict", "0.04 of 0.06", "o false 0", "0 of 0.02"]);
    assert_eq!(usage(&database), [used("2026-03-10", "0.02", 2, 4, "0.08")]);
    database.assert_chains();
}

/// Replay, suspension, what was given, rating, funds: each is judged only where those before it let the message pass.
#[test]
fn the_order_of_judgement() {
    let mut database = database(HALF, "0.04", "0");
    charge(&mut database, sms("m", 2), NOW).expect("all the money there is");
    database.accounts[0].is_suspended = true;
    let nowhere = |message, days_ago| {
        let submitted_at = Some(at(NOW).minus_days(days_ago));
        new_charge(key("acme", message), destination("DE", "Telekom"), 1, submitted_at)
    };
    let unknown = || FieldError::new("to", "is nobody's number");
    let mut refused = |new| charge(&mut database, new, NOW).expect_err("refused");
    assert_eq!(refused(nowhere("m", 4)), Refusal::MessageConflict);
    assert_eq!(refused(nowhere("n", 4)), Refusal::BusinessSuspended);
    assert_eq!(refused(sms("n", 1)), Refusal::BusinessSuspended);
    assert!(
        charge(&mut database, sms("m", 2), NOW).is_ok_and(|again| again.replayed),
        "a replay of a suspended business"
    );
    database.accounts[0].is_suspended = false;
    let mut refused = |new| charge(&mut database, new, NOW).expect_err("refused");
    assert!(matches!(refused(nowhere("n", 4)), Refusal::Invalid(invalid) if invalid.field == "submitted_at"));
    assert_eq!(refused(NewCharge { destination: Err(unknown()), ..sms("n", 1) }), Refusal::Invalid(unknown()));
    let no_rate = Refusal::Unrated(Unrated::NoRate { destination: "Germany, Telekom".to_owned() });
    assert_eq!(refused(nowhere("n", 3)), no_rate);
    let no_funds = refused(sms("n", 1));
    assert!(matches!(no_funds, Refusal::InsufficientFunds { .. }), "{no_funds}");
    assert_eq!(database.entries.len(), 2);
}

/// However late it comes, and even if nobody could tell any more where the message goes.
#[test]
fn a_replay_is_not_judged_again() {
    let mut database = database(HALF, "1", "0");
    let new = || new_charge(key("acme", "m"), destination("KE", "Safaricom"), 1, Some(at(NOW)));
    charge(&mut database, new(), NOW).expect("a charge");
    let unknown = FieldError::new("to", "is nobody's number");
    let late = NewCharge { destination: Err(unknown), ..new() };
    assert!(charge(&mut database, late, "2026-05-01T00:00:00Z").is_ok_and(|again| again.replayed));
}

/// A suspended business sends nothing, but its reports are recorded and its refunds paid.
#[test]
fn what_a_suspended_business_still_gets() {
    let mut database = database(HALF, "1", "0");
    charge(&mut database, sms("m", 2), NOW).expect("a charge");
    database.accounts[0].is_suspended = true;
    let failed = report(&mut database, "m", DeliveryStatus::Failed, NOW).expect("a report");
    assert_eq!(failed.refunded, money("0.02"));
    assert_eq!(refund(&mut database, "m", None, NOW).expect("a refund").balance, money("1"));
}

/// A message over a bound has two parts, costs their sum, and counts once, in its first part's row.
#[test]
fn a_message_over_a_bound() {
    let mut database = database(TIERED, "1", "0");
    charge(&mut database, tiered_sms("m", 2), NOW).expect("a charge");
    let split = charge(&mut database, tiered_sms("n", 2), NOW).expect("a charge");
    assert_eq!(split.charge.entry.amount, money("-0.09"));
    assert_eq!(split.charge.price_per_sms(), Ok(money("0.045")));
    assert_eq!(usage(&database), [used("2026-03-10", "0.04", 0, 1, "0.04"), used("2026-03-10", "0.05", 2, 3, "0.15")]);
    assert_eq!(database.accounts[0].tiers, TierCounter { month: Some(day("2026-03-01")), segments: 4 });
}

/// Months are those of Nairobi, where this one ends at 21:00 UTC; when the message was submitted does not matter.
#[test]
fn tiers_begin_anew_each_month() {
    let mut database = database(TIERED, "1", "0");
    let price = |charged: Result<Charged, Refusal>| charged.expect("a charge").charge.entry.amount;
    assert_eq!(price(charge(&mut database, tiered_sms("a", 3), NOW)), money("-0.15"));
    assert_eq!(price(charge(&mut database, tiered_sms("b", 1), "2026-03-31T20:59:59.999999Z")), money("-0.04"));
    let submitted_at = Some(at("2026-03-31T20:00:00Z"));
    let late = new_charge(key("acme", "c"), destination("UG", "Airtel"), 1, submitted_at);
    assert_eq!(price(charge(&mut database, late, "2026-03-31T21:00:00Z")), money("-0.05"));
    assert_eq!(database.accounts[0].tiers, TierCounter { month: Some(day("2026-04-01")), segments: 1 });
    let days: Vec<_> = usage(&database).into_iter().map(|row| row.0).collect();
    assert_eq!(days, ["2026-03-10", "2026-03-31", "2026-04-01"]);
}

/// Where the clock falls back over midnight, a wallet's entries do not: its day and month are those of its newest
/// entry.
#[test]
fn the_clock_may_fall_back() {
    let mut database = database(TIERED, "1", "0");
    let first = charge(&mut database, tiered_sms("a", 3), "2026-03-31T21:00:00Z").expect("a charge");
    let second = charge(&mut database, tiered_sms("b", 1), "2026-03-31T20:59:00Z").expect("a charge");
    assert_eq!(second.charge.entry.created_at, first.charge.entry.created_at);
    assert_eq!(second.charge.entry.amount, money("-0.04"));
    assert_eq!(database.accounts[0].tiers, TierCounter { month: Some(day("2026-04-01")), segments: 4 });
    assert_eq!(usage(&database), [used("2026-04-01", "0.04", 1, 1, "0.04"), used("2026-04-01", "0.05", 1, 3, "0.15")]);
    let reported = report(&mut database, "a", DeliveryStatus::Failed, "2026-03-31T20:58:00Z").expect("a report");
    assert_eq!(reported.delivery.reported_at, first.charge.entry.created_at);
    database.assert_chains();
}
