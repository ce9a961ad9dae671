//! Tests delivery reports and refunds.

use rstest::rstest;

use super::*;
use crate::domain::prices::rating::fixtures::{currency, day};

const LATER: &str = "2026-03-20T10:00:00Z";
const NEXT_MONTH: &str = "2026-04-05T10:00:00Z";

fn delivered_and_failed(database: &Database) -> (i64, i64) {
    let counts = database.usage.values();
    counts.fold((0, 0), |sum, row| (sum.0 + row.messages_delivered, sum.1 + row.messages_failed))
}

#[test]
fn a_delivered_message_is_counted() {
    let mut database = database(TIERED, "1", "0");
    charge(&mut database, sms("m", 2), NOW).expect("a charge");
    let reported = report(&mut database, "m", DeliveryStatus::Delivered, NEXT_MONTH).expect("a report");
    assert_eq!((reported.recorded, reported.refunded), (true, Money::ZERO));
    assert_eq!((reported.delivery.error_code, reported.delivery.reported_at), (None, at(NEXT_MONTH)));
    assert_eq!(delivered_and_failed(&database), (1, 0));
    assert_eq!(usage(&database), [used("2026-03-10", "0.02", 1, 2, "0.04")], "counted on the day of its charge");
    assert_eq!(database.entries.len(), 2, "no money moves");
}

/// A message of 0.05 that failed. Only what is given back whole is taken out of usage and the tiers.
#[rstest]
#[case::whole(TIERED, "0.05", (0, 0, "0"), 0)]
#[case::half(HALF, "0.025", (1, 1, "0.025"), 1)]
#[case::nothing(NOTHING, "0", (1, 1, "0.05"), 1)]
fn a_failed_message(
    #[case] plan: u128,
    #[case] refunded: &str,
    #[case] (sent, segments, cost): (i64, i64, &str),
    #[case] in_tiers: i64,
) {
    let mut database = database(plan, "1", "0");
    let charged = charge(&mut database, tiered_sms("m", 1), NOW).expect("a charge");
    let reported = report(&mut database, "m", DeliveryStatus::Failed, LATER).expect("a report");
    assert_eq!((reported.recorded, reported.refunded), (true, money(refunded)));
    assert_eq!(delivered_and_failed(&database), (0, 1));
    assert_eq!(usage(&database), [used("2026-03-10", "0.05", sent, segments, cost)]);
    assert_eq!(database.accounts[0].tiers.segments, in_tiers);
    assert_eq!(Ok(database.accounts[0].head.balance), money("0.95").checked_add(money(refunded)));
    let refunds = database.entries.iter().filter_map(|row| match &row.kind {
        Some(EntryKind::Refund { charge, reason }) => Some((charge.entry.sid, reason.as_str(), row.entry.created_at)),
        _ => None,
    });
    let refunds: Vec<_> = refunds.collect();
    let expected =
        (money(refunded) > Money::ZERO).then(|| (charged.charge.entry.sid, "Delivery failed: 27", at(LATER)));
    assert_eq!(refunds, Vec::from_iter(expected));
    database.assert_chains();
}

/// What the plan promised when the message was charged, whatever plan the wallet has now.
#[test]
fn the_plan_of_the_charge_decides() {
    let mut database = database(HALF, "1", "0");
    charge(&mut database, sms("m", 1), NOW).expect("a charge");
    database.accounts[0].plan = Some(plan_sid(NOTHING));
    charge(&mut database, sms("n", 1), NOW).expect("a charge");
    database.accounts[0].plan = None;
    charge(&mut database, sms("o", 1), NOW).expect("a charge");
    let refunded = ["m", "n", "o"]
        .map(|message| report(&mut database, message, DeliveryStatus::Failed, LATER).expect("a report").refunded);
    assert_eq!(refunded, [money("0.01"), Money::ZERO, money("0.02")], "without a plan, all of it");
}

#[rstest]
#[case(DeliveryStatus::Delivered, "0")]
#[case(DeliveryStatus::Failed, "0.04")]
fn the_first_report_counts(#[case] first: DeliveryStatus, #[case] refunded: &str) {
    let mut database = database(TIERED, "1", "0");
    charge(&mut database, sms("m", 2), NOW).expect("a charge");
    report(&mut database, "m", first, NOW).expect("a report");
    let (entries, usage) = (database.entries.len(), database.usage.clone());
    for second in [DeliveryStatus::Delivered, DeliveryStatus::Failed] {
        let again = report(&mut database, "m", second, LATER).expect("an answer");
        assert_eq!((again.recorded, again.refunded), (false, money(refunded)));
        assert_eq!((again.delivery.status, again.delivery.reported_at), (first, at(NOW)));
    }
    assert_eq!((database.entries.len(), database.usage), (entries, usage));
}

/// Within one batch too.
#[test]
fn a_charge_and_its_reports_in_one_batch() {
    let mut database = database(TIERED, "0.04", "0");
    let failed = || new_report(key("acme", "m"), DeliveryStatus::Failed, None);
    let commands =
        [Command::Charge(sms("m", 2)), Command::Charge(sms("n", 1)), failed(), failed(), Command::Charge(sms("o", 2))];
    let outcomes = database.apply(&commands, at(NOW));
    let are_ok: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(are_ok, [true, false, true, true, true], "what the refund gave back pays the next message");
    assert!(matches!(&outcomes[3], Ok(CommandOutcome::Reported(again)) if !again.recorded));
    assert_eq!(usage(&database), [used("2026-03-10", "0.02", 1, 2, "0.04")]);
    assert_eq!((delivered_and_failed(&database), database.accounts[0].tiers.segments), ((0, 1), 2));
    let reason = |row: &database::Row| matches!(&row.kind, Some(EntryKind::Refund { reason, .. }) if reason == "Delivery failed");
    assert_eq!(database.entries.iter().filter(|row| reason(row)).count(), 1);
    database.assert_chains();
}

#[test]
fn messages_that_nobody_charged() {
    let mut database = database(TIERED, "1", "0");
    database.open("other", None, Money::ZERO, at(NOW));
    charge(&mut database, sms("m", 1), NOW).expect("a charge");
    for (business, message) in [("acme", "unknown"), ("other", "m"), ("nobody", "m")] {
        let key = || key(business, message);
        let commands = [new_report(key(), DeliveryStatus::Failed, None), new_refund(key(), None)];
        let refusals = database.apply(&commands, at(NOW)).into_iter().map(|outcome| outcome.expect_err("refused"));
        assert_eq!(refusals.collect::<Vec<_>>(), [Refusal::ChargeNotFound, Refusal::ChargeNotFound]);
    }
    assert_eq!((database.entries.len(), database.deliveries.len()), (2, 0));
}

/// Of a charge of 0.06: what each refund in turn comes to, `None` where it is refused.
#[rstest]
#[case::whole(&[(None, Some("0.06")), (None, None), (Some("0.000001"), None)])]
#[case::a_part(&[(Some("0.01"), Some("0.01"))])]
#[case::parts_up_to_the_whole(&[(Some("0.01"), Some("0.01")), (Some("0.02"), Some("0.03")), (Some("0.03"), Some("0.06"))])]
#[case::the_rest(&[(Some("0.01"), Some("0.01")), (None, Some("0.06"))])]
#[case::one_micro_too_much(&[(Some("0.060001"), None), (Some("0.01"), Some("0.01")), (Some("0.050001"), None)])]
#[case::nothing_or_less(&[(Some("0"), None), (Some("-0.01"), None)])]
fn refunds_by_hand(#[case] refunds: &[(Option<&str>, Option<&str>)]) {
    let mut database = database(HALF, "1", "0");
    charge(&mut database, sms("m", 3), NOW).expect("a charge");
    let mut so_far = Money::ZERO;
    for (amount, refunded) in refunds {
        let outcome = refund(&mut database, "m", *amount, LATER);
        match refunded {
            Some(refunded) => {
                so_far = money(refunded);
                let done = outcome.expect("a refund");
                assert_eq!(
                    (done.refunded, done.balance),
                    (so_far, money("0.94").checked_add(so_far).expect("a small sum"))
                );
                assert_eq!(done.reason, "a complaint");
            }
            None => {
                let left = money("0.06").checked_sub(so_far).expect("no more than the whole");
                let refusal = outcome.expect_err("refused");
                assert_eq!(refusal, Refusal::RefundExceedsCharge { left, currency: currency("USD") });
            }
        }
        let is_whole = so_far == money("0.06");
        let (sent, segments) = if is_whole { (0, 0) } else { (1, 3) };
        let left = money("0.06").checked_sub(so_far).expect("no more than the whole").to_string();
        let row = used("2026-03-10", "0.02", sent, segments, &left);
        assert_eq!(usage(&database), Vec::from_iter((!is_whole).then_some(row)));
        assert_eq!(database.accounts[0].tiers.segments, segments);
    }
    database.assert_chains();
}

/// A failed message gets no more back than is left of its charge.
#[test]
fn a_report_after_a_refund_by_hand() {
    let mut database = database(HALF, "1", "0");
    charge(&mut database, sms("m", 2), NOW).expect("a charge");
    refund(&mut database, "m", Some("0.03"), NOW).expect("a refund");
    let reported = report(&mut database, "m", DeliveryStatus::Failed, NOW).expect("a report");
    assert_eq!((reported.refunded, database.accounts[0].head.balance), (money("0.04"), money("1")));
    assert_eq!(usage(&database), Vec::from_iter(Some(used("2026-03-10", "0.02", 0, 0, "0"))), "but the failure counts");
}

/// Three segments at 0.05 and one at 0.04: refunds take the cost from the first part on, and the segments of both at
/// the end.
#[test]
fn a_split_message_is_refunded_over_its_parts() {
    let mut database = database(TIERED, "1", "0");
    charge(&mut database, tiered_sms("m", 4), NOW).expect("a charge of 0.19");
    refund(&mut database, "m", Some("0.1"), LATER).expect("a refund");
    assert_eq!(usage(&database), [used("2026-03-10", "0.04", 0, 1, "0.04"), used("2026-03-10", "0.05", 1, 3, "0.05")]);
    refund(&mut database, "m", Some("0.07"), LATER).expect("a refund");
    assert_eq!(usage(&database), [used("2026-03-10", "0.04", 0, 1, "0.02"), used("2026-03-10", "0.05", 1, 3, "0")]);
    assert_eq!(database.accounts[0].tiers.segments, 4);
    refund(&mut database, "m", None, LATER).expect("a refund");
    assert_eq!((usage(&database), database.accounts[0].tiers.segments), (vec![], 0));
}

/// What is given back whole makes room in its tier again; what was charged meanwhile is not priced anew.
#[test]
fn a_whole_refund_turns_the_tiers_back() {
    let mut database = database(TIERED, "1", "0");
    let price = |charged: Result<Charged, Refusal>| charged.expect("a charge").charge.entry.amount;
    charge(&mut database, tiered_sms("m", 3), NOW).expect("a charge");
    assert_eq!(price(charge(&mut database, tiered_sms("n", 1), NOW)), money("-0.04"));
    refund(&mut database, "m", Some("0.149999"), NOW).expect("a refund");
    assert_eq!(
        price(charge(&mut database, tiered_sms("o", 1), NOW)),
        money("-0.04"),
        "a part refund turns nothing back"
    );
    refund(&mut database, "m", None, NOW).expect("a refund");
    assert_eq!(price(charge(&mut database, tiered_sms("p", 2), NOW)), money("-0.09"), "the third and the fourth");
}

/// A refund of an earlier month takes usage back from the day of the charge, and leaves the tiers of this month alone.
#[test]
fn a_refund_in_a_later_month() {
    let mut database = database(TIERED, "1", "0");
    charge(&mut database, tiered_sms("m", 3), NOW).expect("a charge");
    charge(&mut database, tiered_sms("n", 2), NEXT_MONTH).expect("a charge");
    refund(&mut database, "m", None, NEXT_MONTH).expect("a refund");
    assert_eq!(usage(&database), [used("2026-04-05", "0.05", 1, 2, "0.1")]);
    assert_eq!(database.accounts[0].tiers, TierCounter { month: Some(day("2026-04-01")), segments: 2 });
    assert!(database.items.is_empty());
}

/// Once its month is invoiced, usage stays as it is, and what is given back stands on the invoice of the current month.
#[test]
fn a_refund_after_month_close() {
    let mut database = database(TIERED, "1", "0");
    charge(&mut database, tiered_sms("m", 4), NOW).expect("a charge of 0.19");
    refund(&mut database, "m", Some("0.01"), LATER).expect("a refund");
    let business: BusinessSid = "acme".parse().expect("a business");
    database.closed.insert((business, day("2026-03-01")));
    let before = usage(&database);
    refund(&mut database, "m", Some("0.08"), NEXT_MONTH).expect("a refund");
    let reported = report(&mut database, "m", DeliveryStatus::Failed, NEXT_MONTH).expect("a report");
    assert_eq!((reported.refunded, database.accounts[0].head.balance), (money("0.19"), money("1")));
    assert_eq!(usage(&database), before);
    assert_eq!(before[1], used("2026-03-10", "0.05", 1, 3, "0.14"));
    let items: Vec<_> = database.items.iter().map(|new| (new.item.day, new.item.amount, new.item.category)).collect();
    let april = |amount| (day("2026-04-05"), money(amount), LineCategory::Sms);
    assert_eq!(items, [april("-0.08"), april("-0.1")]);
    let entries: Vec<_> = database.items.iter().map(|new| new.transaction).collect();
    assert_eq!(entries, [database.entries[3].entry.sid, database.entries[4].entry.sid]);
    assert_eq!(database.items[0].item.description, "Refund of message m of 2026-03-10");
    assert_eq!(database.accounts[0].tiers, TierCounter { month: Some(day("2026-03-01")), segments: 4 });
    charge(&mut database, tiered_sms("n", 1), NEXT_MONTH).expect("a charge");
    assert_eq!(database.accounts[0].tiers.segments, 1, "the closed month is another");
}
