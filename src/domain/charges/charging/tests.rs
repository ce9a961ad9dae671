//! Tests charging against a small database in memory.

mod charges;
mod database;
mod histories;
mod model;
mod refunds;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use database::Database;

use super::*;
use crate::domain::prices::destinations::Destination;
use crate::domain::prices::messages::MessageSize;
use crate::domain::prices::plans::PricingPlan;
use crate::domain::prices::rating::fixtures::{NAIROBI, at, card, destination, money, plan, plan_sid, tier};
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::BasisPoints;

fn next_sid() -> TransactionSid {
    static LAST: AtomicU64 = AtomicU64::new(0);
    TransactionSid::new(Uuid::from_u128(u128::from(LAST.fetch_add(1, Ordering::Relaxed)) + 1))
}

fn actor() -> Arc<Actor> {
    Arc::new(Actor::seed())
}

fn key(business: &str, message: &str) -> ChargeKey {
    ChargeKey { business: business.parse().expect("a business"), message: message.parse().expect("a message") }
}

/// A message to charge. Its input is all that is given here but the sid.
fn new_charge(key: ChargeKey, destination: Destination, segments: u16, submitted_at: Option<Timestamp>) -> NewCharge {
    let mut input = [0; 16];
    let given = submitted_at.map_or(0, Timestamp::micros).to_be_bytes();
    let place = [destination.country.as_str().as_bytes(), destination.operator.as_bytes()].concat();
    let all = [&segments.to_be_bytes()[1..], &given[..], &place[..]].concat();
    for (to, from) in input.iter_mut().zip(all) {
        *to = from;
    }
    NewCharge {
        sid: next_sid(),
        key,
        destination: Ok(destination),
        sent_to: None,
        size: MessageSize { segments, encoding: None },
        submitted_at,
        metadata: JsonObject::default(),
        input,
        actor: actor(),
    }
}

fn new_report(key: ChargeKey, status: DeliveryStatus, error_code: Option<&str>) -> Command {
    let error_code = error_code.map(|code| code.parse().expect("an error code"));
    Command::Report(DeliveryReport { key, status, error_code, refund_sid: next_sid(), actor: actor() })
}

fn new_refund(key: ChargeKey, amount: Option<Money>) -> Command {
    let reason = "a complaint".parse().expect("a reason");
    Command::Refund(RefundOrder { sid: next_sid(), key, amount, reason, actor: actor() })
}

/// A plan of 0.05 up to the third segment of a month, 0.04 up to the fifth, then 0.03.
const TIERED: u128 = 1;
/// Plans that give failed messages half of their price back, and nothing.
const HALF: u128 = 2;
const NOTHING: u128 = 3;

/// 13:00 in Nairobi, whose days count here.
const NOW: &str = "2026-03-10T10:00:00Z";

/// A database with one wallet, of the business `acme`. A segment to Safaricom costs 0.02, to Vodacom nothing; Airtel of
/// Uganda has no card, so the plan's own price holds.
fn database(plan_number: u128, balance: &str, credit_limit: &str) -> Database {
    let gives_back = |number, percent, tiers| PricingPlan {
        failed_refund: BasisPoints::from_percent(percent),
        ..plan(number, "0.05", 0, tiers)
    };
    let tiers = vec![tier(Some(3), "0.05", 0), tier(Some(5), "0.04", 0), tier(None, "0.03", 0)];
    let plans = vec![gives_back(TIERED, 100, tiers), gives_back(HALF, 50, vec![]), gives_back(NOTHING, 0, vec![])];
    let cards = vec![card(1, "KE", "Safaricom", "0.02"), card(2, "UG", "MTN", "0.018"), card(3, "TZ", "Vodacom", "0")];
    let mut database = Database::new(Arc::new(PriceBook::new(plans, cards, NAIROBI)), NAIROBI);
    let opened_at = at("2026-01-01T00:00:00Z");
    database.open("acme", Some(plan_sid(plan_number)), money(credit_limit), opened_at);
    database.move_money(0, money(balance), opened_at);
    database
}

fn sms_to(place: (&str, &str), message: &str, segments: u16) -> NewCharge {
    new_charge(key("acme", message), destination(place.0, place.1), segments, None)
}

/// A message at 0.02 a segment.
fn sms(message: &str, segments: u16) -> NewCharge {
    sms_to(("KE", "Safaricom"), message, segments)
}

/// A message at the price of the plan's tiers.
fn tiered_sms(message: &str, segments: u16) -> NewCharge {
    sms_to(("UG", "Airtel"), message, segments)
}

fn charge(database: &mut Database, new: NewCharge, now: &str) -> Result<Charged, Refusal> {
    match database.apply(&[Command::Charge(new)], at(now)).remove(0)? {
        CommandOutcome::Charged(charged) => Ok(charged),
        other => panic!("{other:?}"),
    }
}

fn report(database: &mut Database, message: &str, status: DeliveryStatus, now: &str) -> Result<Reported, Refusal> {
    let code = (status == DeliveryStatus::Failed).then_some("27");
    match database.apply(&[new_report(key("acme", message), status, code)], at(now)).remove(0)? {
        CommandOutcome::Reported(reported) => Ok(reported),
        other => panic!("{other:?}"),
    }
}

fn refund(database: &mut Database, message: &str, amount: Option<&str>, now: &str) -> Result<Refunded, Refusal> {
    match database.apply(&[new_refund(key("acme", message), amount.map(money))], at(now)).remove(0)? {
        CommandOutcome::Refunded(refunded) => Ok(refunded),
        other => panic!("{other:?}"),
    }
}

/// The rows of usage that are not empty, in order: day, unit price, messages sent, segments, cost.
fn usage(database: &Database) -> Vec<(String, String, i64, i64, String)> {
    let counted = database.usage.iter().filter(|(_, counts)| **counts != UsageCounts::default());
    let mut rows: Vec<_> = counted
        .map(|(key, counts)| {
            let (day, price) = (key.day.to_string(), key.unit_price.to_string());
            (day, price, counts.messages_sent, counts.segments, counts.cost.to_string())
        })
        .collect();
    rows.sort();
    rows
}

fn used(day: &str, price: &str, sent: i64, segments: i64, cost: &str) -> (String, String, i64, i64, String) {
    (day.to_owned(), price.to_owned(), sent, segments, cost.to_owned())
}
