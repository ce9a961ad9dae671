//! What charging decides, checked against what a database would hold of it.

mod charges;
mod database;
mod histories;
mod model;
mod refunds;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::*;
use crate::domain::destinations::Destination;
use crate::domain::messages::MessageSize;
use crate::domain::transactions::JsonObject;

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
        destination,
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
