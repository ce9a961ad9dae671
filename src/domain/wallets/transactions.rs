//! Defines ledger transactions as callers see them, the postings that become them, and their filters.

use serde::Serialize;

use super::ledger::Entry;
use crate::domain::prices::messages::MessageSid;
use crate::domain::values::currency::Currency;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::paging::Page;
use crate::domain::values::sid::{BusinessSid, TransactionSid};
use crate::domain::values::text::{Reason, Reference};
use crate::domain::values::time::Timestamp;

named_enum! {
    pub enum TransactionType {
        Topup = "TOPUP",
        SmsDebit = "SMS_DEBIT",
        InvoicePayment = "INVOICE_PAYMENT",
        CreditAdjustment = "CREDIT_ADJUSTMENT",
        Refund = "REFUND",
        Commission = "COMMISSION",
        Transfer = "TRANSFER",
        Fee = "FEE",
    }
}

named_enum! {
    /// The ledger holds completed transactions only; payments that are open or failed stand beside it.
    pub enum TransactionStatus { Pending = "PENDING", Completed = "COMPLETED", Failed = "FAILED" }
}

/// The `details` of a message's debit. Unknown or zero values are left out, because pages would show them.
#[derive(Clone, Debug, Serialize)]
pub struct DebitDetails<'a> {
    pub messages: u8,
    pub segments: i64,
    #[serde(skip_serializing_if = "Money::is_zero")]
    pub price_per_sms: Money,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub country_code: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub operator: &'a str,
    /// The number, masked.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub to: &'a str,
}

impl From<DebitDetails<'_>> for JsonObject {
    fn from(details: DebitDetails<'_>) -> JsonObject {
        JsonObject::of(&details)
    }
}

/// An entry to be made in the ledger, apart from its amount.
#[derive(Clone, Debug)]
pub struct Posting {
    pub transaction_type: TransactionType,
    pub reference: Reference,
    pub details: JsonObject,
    pub metadata: JsonObject,
}

/// The posting of a charge's refund. Its reference is the message's id, and its details have the reason.
pub fn refund_posting(message: &MessageSid, reason: &str) -> Posting {
    let details = serde_json::json!({"message_sid": message, "reason": reason});
    Posting {
        transaction_type: TransactionType::Refund,
        reference: message.into(),
        details: JsonObject::of(&details),
        metadata: JsonObject::default(),
    }
}

/// The posting of an adjustment by hand, with its reason.
pub fn adjustment_posting(reason: &Reason, reference: Reference) -> Posting {
    let details = serde_json::json!({"reason": reason});
    Posting {
        transaction_type: TransactionType::CreditAdjustment,
        reference,
        details: JsonObject::of(&details),
        metadata: JsonObject::default(),
    }
}

/// A transaction: one row of a wallet's history. Rows of the ledger are never changed or deleted.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub entry: Entry,
    pub posting: Posting,
}

/// A transaction of any wallet, with its business.
#[derive(Clone, Debug)]
pub struct OwnedTransaction {
    pub business_sid: BusinessSid,
    pub currency: Currency,
    pub transaction: Transaction,
}

/// A wallet's history, or a page of it, with the fields that its rows share.
#[derive(Debug)]
pub struct Statement {
    pub business_sid: BusinessSid,
    pub currency: Currency,
    pub page: Page<Transaction>,
}

/// Filters on transactions. `from` is included, `until` is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransactionFilter {
    pub transaction_type: Option<TransactionType>,
    pub status: Option<TransactionStatus>,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// A query of the whole ledger. Each variant has an index in its order, so that a page costs the same however long the
/// ledger is.
#[derive(Clone, Debug)]
pub enum LedgerQuery {
    /// All wallets, in the order of ids. `from` is included, `until` is not.
    Everybody { from: Option<Timestamp>, until: Option<Timestamp> },
    /// The history of one wallet.
    Business { business: BusinessSid, filter: TransactionFilter },
    /// The debits of a message id, which every business may use once; or that of one business.
    Message { message: MessageSid, business: Option<BusinessSid> },
}

/// The lowest id that an entry made at or after an instant can have: a UUID version 7 begins with the milliseconds
/// since 1970 (RFC 9562, section 5.7). An id is made when a request comes in, so it may be a moment older than its
/// entry; and while a server's clock that fell back has not caught up, ids go on where they were.
pub fn first_sid_since(instant: Timestamp) -> TransactionSid {
    let milliseconds = u128::try_from(instant.micros().div_euclid(1_000)).unwrap_or(0);
    TransactionSid::new(uuid::Uuid::from_u128(milliseconds << 80))
}

#[cfg(test)]
mod tests {
    use uuid::{NoContext, Timestamp as UuidTimestamp, Uuid};

    use super::*;

    #[test]
    fn ids_lie_between_the_bounds_of_their_millisecond() {
        let made = UuidTimestamp::from_unix(NoContext, 1_773_828_000, 123_456_000);
        let sid = TransactionSid::new(Uuid::new_v7(made));
        let bound = |micros: i64| first_sid_since(Timestamp::from_micros(1_773_828_000_000_000 + micros));
        assert!(bound(123_000) <= sid && bound(123_999) <= sid);
        assert!(sid < bound(124_000));
        assert_eq!(first_sid_since(Timestamp::from_micros(-1)), TransactionSid::new(Uuid::nil()));
    }
}
