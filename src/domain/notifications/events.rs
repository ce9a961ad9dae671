//! Defines the events that webhooks deliver, and the set of event types an endpoint subscribes to.

use serde::Serialize;

use crate::domain::values::named_enum::named_enum;
use crate::domain::values::time::Timestamp;

named_enum! {
    pub enum EventType {
        AlertCreated = "alert.created",
        LowBalance = "wallet.low_balance",
        Recharged = "wallet.recharged",
        RechargeFailed = "recharge.failed",
        RechargeDisabled = "recharge.disabled",
        PaymentCompleted = "payment.completed",
        PaymentFailed = "payment.failed",
        InvoiceFinalised = "invoice.finalised",
        InvoicePaid = "invoice.paid",
        InvoiceOverdue = "invoice.overdue",
        InvoiceCancelled = "invoice.cancelled",
        ChargeRefunded = "charge.refunded",
        /// Sent on request, to any endpoint.
        Test = "webhook.test",
    }
}

impl EventType {
    /// The bit in an [`EventSet`]. Stored: a type keeps its bit for ever, and new types take the next.
    pub const fn bit(self) -> i64 {
        1 << match self {
            EventType::AlertCreated => 0,
            EventType::LowBalance => 1,
            EventType::Recharged => 2,
            EventType::RechargeFailed => 3,
            EventType::RechargeDisabled => 4,
            EventType::PaymentCompleted => 5,
            EventType::PaymentFailed => 6,
            EventType::InvoiceFinalised => 7,
            EventType::InvoicePaid => 8,
            EventType::InvoiceOverdue => 9,
            EventType::InvoiceCancelled => 10,
            EventType::ChargeRefunded => 11,
            EventType::Test => 12,
        }
    }
}

/// A set of event types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventSet(i64);

impl EventSet {
    /// All types, future ones included.
    pub const EVERY: EventSet = EventSet(i64::MAX);

    pub fn of(events: impl IntoIterator<Item = EventType>) -> EventSet {
        EventSet(events.into_iter().fold(0, |bits, event| bits | event.bit()))
    }

    pub const fn from_bits(bits: i64) -> EventSet {
        EventSet(bits)
    }

    pub const fn bits(self) -> i64 {
        self.0
    }

    pub const fn contains(self, event: EventType) -> bool {
        self.0 & event.bit() != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = EventType> {
        EventType::ALL.iter().copied().filter(move |event| self.contains(*event))
    }
}

/// An event about a business.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub event_type: EventType,
    pub at: Timestamp,
    /// The event's data in the API's format: JSON as text, so that no number in it passes through a float.
    pub data: String,
}

impl Event {
    pub fn new(event_type: EventType, at: Timestamp, data: impl Serialize) -> Event {
        // What the API tells always serialises.
        Event { event_type, at, data: serde_json::to_string(&data).unwrap_or_else(|_| "null".to_owned()) }
    }

    /// The body of the webhook delivery, in the format of Standard Webhooks: type, time and data.
    pub fn body(&self) -> String {
        format!(r#"{{"type":"{}","timestamp":"{}","data":{}}}"#, self.event_type, self.at, self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::values::money::Money;

    #[test]
    fn each_has_a_bit_of_its_own() {
        let all = EventSet::of(EventType::ALL.iter().copied());
        assert_eq!(all.bits().count_ones() as usize, EventType::ALL.len());
        assert_eq!(all.iter().collect::<Vec<_>>(), EventType::ALL);
        let some = EventSet::from_bits(EventType::LowBalance.bit());
        assert!(some.contains(EventType::LowBalance) && !some.contains(EventType::Test));
        assert!(EventSet::default().is_empty());
    }

    #[test]
    fn money_stays_exact() {
        #[derive(Serialize)]
        struct Data {
            amount: Money,
        }
        let amount = Money::parse("1234567890123.123456").expect("an amount");
        let event = Event::new(EventType::Test, Timestamp::from_micros(0), Data { amount });
        let body = r#"{"type":"webhook.test","timestamp":"1970-01-01T00:00:00.000000Z","data":{"amount":1234567890123.123456}}"#;
        assert_eq!(event.body(), body);
    }
}
