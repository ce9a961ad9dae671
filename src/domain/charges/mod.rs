//! Defines charges, the debits for messages, with their delivery reports and refunds.

pub mod campaigns;
pub mod charging;
pub mod quotes;
pub mod usage;

use std::sync::Arc;

use crate::domain::audit::Actor;
use crate::domain::prices::destinations::Destination;
use crate::domain::prices::messages::{ChargeKey, InputDigest, MessageSid, MessageSize};
use crate::domain::prices::rating::{RatedPart, Unrated};
use crate::domain::values::currency::Currency;
use crate::domain::values::fields::FieldError;
use crate::domain::values::idempotency::InputHash;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::sid::{BusinessSid, TransactionSid};
use crate::domain::values::text::{ErrorCode, Reason};
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::ledger::{BalanceOutOfRange, Entry};
use crate::domain::wallets::transactions::{DebitDetails, Posting, Transaction, TransactionType};

/// A message to charge.
#[derive(Clone, Debug)]
pub struct NewCharge {
    /// The id of the debit, if it is entered.
    pub sid: TransactionSid,
    pub key: ChargeKey,
    /// The destination, or why there is none: an error that counts only if the message was not charged before.
    pub destination: Result<Destination, FieldError>,
    /// The destination number, masked, if it was given.
    pub sent_to: Option<String>,
    pub size: MessageSize,
    pub submitted_at: Option<Timestamp>,
    pub metadata: JsonObject,
    pub input: InputDigest,
    pub actor: Arc<Actor>,
}

/// A message that was charged.
#[derive(Clone, Debug)]
pub struct Charge {
    pub entry: Entry,
    pub business: BusinessSid,
    pub message: MessageSid,
    pub currency: Currency,
    pub parts: Vec<RatedPart>,
    pub sent_to: Option<String>,
    pub size: MessageSize,
    pub submitted_at: Option<Timestamp>,
    pub metadata: JsonObject,
    pub input: InputDigest,
}

impl Charge {
    /// The total cost, zero or above.
    ///
    /// # Errors
    /// None for a charge that was entered.
    pub fn total(&self) -> Result<Money, MoneyError> {
        Money::ZERO.checked_sub(self.entry.amount)
    }

    /// The average cost of a segment, rounded half up to a millionth.
    ///
    /// # Errors
    /// None for a charge that was entered.
    pub fn price_per_sms(&self) -> Result<Money, MoneyError> {
        Ok(self.total()?.mean_over(self.size.segments.into()))
    }

    /// The destination. Every part has the same one.
    pub fn destination(&self) -> Option<&Destination> {
        self.parts.first().map(|part| &part.rate.destination)
    }

    /// The debit as a transaction of the wallet's history.
    ///
    /// # Errors
    /// None for a charge that was entered.
    pub fn transaction(&self) -> Result<Transaction, MoneyError> {
        let destination = self.destination();
        let details = DebitDetails {
            messages: 1,
            segments: self.size.segments.into(),
            price_per_sms: self.price_per_sms()?,
            country_code: destination.map_or("", |found| found.country.as_str()),
            operator: destination.map_or("", |found| &found.operator),
            to: self.sent_to.as_deref().unwrap_or_default(),
        };
        let posting = Posting {
            transaction_type: TransactionType::SmsDebit,
            reference: (&self.message).into(),
            details: details.into(),
            metadata: self.metadata.clone(),
        };
        Ok(Transaction { entry: self.entry, posting })
    }
}

named_enum! {
    /// Whether a message was delivered.
    pub enum DeliveryStatus { Delivered = "delivered", Failed = "failed" }
}

/// The gateway's report on the delivery of a message.
#[derive(Clone, Debug)]
pub struct DeliveryReport {
    pub key: ChargeKey,
    pub status: DeliveryStatus,
    pub error_code: Option<ErrorCode>,
    /// The id of the refund, if there is one.
    pub refund_sid: TransactionSid,
    pub actor: Arc<Actor>,
}

/// A delivery report that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub status: DeliveryStatus,
    pub error_code: Option<ErrorCode>,
    pub reported_at: Timestamp,
}

/// A request for a refund by hand.
#[derive(Clone, Debug)]
pub struct RefundRequest {
    pub key: ChargeKey,
    /// Above 0; `None`: all that is left of the charge.
    pub amount: Option<Money>,
    pub reason: Reason,
}

impl RefundRequest {
    /// A valid request.
    ///
    /// # Errors
    /// Names the field `amount` where it is not above zero.
    pub fn new(key: ChargeKey, amount: Option<Money>, reason: Reason) -> Result<RefundRequest, FieldError> {
        if amount.is_some_and(|amount| amount <= Money::ZERO) {
            return Err(FieldError::new("amount", "must be greater than 0; leave it out to refund all that is left"));
        }
        Ok(RefundRequest { key, amount, reason })
    }

    /// The input that an idempotency key stands for.
    pub fn hash(&self) -> InputHash {
        let amount = self.amount.map(|amount| amount.to_string()).unwrap_or_default();
        InputHash::of(&[self.key.business.as_str(), self.key.message.as_str(), &amount, self.reason.as_str()])
    }
}

/// A refund ordered by an admin.
#[derive(Clone, Debug)]
pub struct RefundOrder {
    /// The id of the refund, if it is entered.
    pub sid: TransactionSid,
    pub key: ChargeKey,
    /// `None`: all that is left of the charge.
    pub amount: Option<Money>,
    pub reason: Reason,
    pub actor: Arc<Actor>,
}

/// A charge with its delivery report and its refunds.
#[derive(Clone, Debug)]
pub struct ChargeState {
    pub charge: Arc<Charge>,
    pub delivery: Option<Delivery>,
    /// The sum of its refunds.
    pub refunded: Money,
}

/// Why a charge, a delivery report or a refund was refused. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    BalanceOutOfRange(#[from] BalanceOutOfRange),
    #[error("{0}")]
    Invalid(#[from] FieldError),
    #[error("This message_sid was charged before with a different request; a new message needs a new message_sid.")]
    MessageConflict,
    #[error("This business is suspended; its messages are not charged.")]
    BusinessSuspended,
    #[error("{0}")]
    Unrated(#[from] Unrated),
    #[error(
        "The message costs {required} {currency}, but only {available} {currency} are available; top up the wallet first."
    )]
    InsufficientFunds { available: Money, required: Money, currency: Currency },
    #[error("No message of this message_sid was charged to this business.")]
    ChargeNotFound,
    #[error("At most {left} {currency} are left to refund of this charge.")]
    RefundExceedsCharge { left: Money, currency: Currency },
}

impl Refusal {
    /// The error code, for the API and the metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Invalid(_) => "invalid_request",
            Refusal::BalanceOutOfRange(_) => "balance_out_of_range",
            Refusal::MessageConflict => "idempotency_conflict",
            Refusal::BusinessSuspended => "business_suspended",
            Refusal::Unrated(Unrated::NoRate { .. } | Unrated::NoPlan { .. }) => "no_rate",
            Refusal::Unrated(Unrated::CurrencyMismatch { .. }) => "currency_mismatch",
            Refusal::Unrated(Unrated::Money(_)) => "price_out_of_range",
            Refusal::InsufficientFunds { .. } => "insufficient_funds",
            Refusal::ChargeNotFound => "charge_not_found",
            Refusal::RefundExceedsCharge { .. } => "refund_exceeds_charge",
        }
    }
}

impl From<MoneyError> for Refusal {
    fn from(error: MoneyError) -> Refusal {
        Refusal::Unrated(Unrated::Money(error))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(None, true)]
    #[case(Some(1), true)]
    #[case(Some(0), false)]
    #[case(Some(-1), false)]
    fn amounts_of_refunds(#[case] micros: Option<i64>, #[case] passes: bool) {
        let (business, message) = ("biz_test_001".parse().expect("a SID"), "m1".parse().expect("a name"));
        let reason = "Never arrived".parse().expect("a reason");
        let request = RefundRequest::new(ChargeKey { business, message }, micros.map(Money::from_micros), reason);
        let expected = if passes { Ok(()) } else { Err("amount".to_owned()) };
        assert_eq!(request.map(|_| ()).map_err(|error| error.field), expected);
    }
}
