//! The entries of the ledger as callers see them.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::businesses::BusinessSid;
use super::currency::Currency;
use super::money::Money;
use super::names::named_enum;
use super::sid::TransactionSid;
use super::text::Reference;
use super::time::Timestamp;

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
    /// The ledger holds completed money only; a payment that is open or failed stands beside it.
    pub enum TransactionStatus { Pending = "PENDING", Completed = "COMPLETED", Failed = "FAILED" }
}

/// A JSON object kept as its text, so that every number in it stays as it was written.
#[derive(Clone, Debug, Default)]
pub struct JsonObject(Option<Box<RawValue>>);

impl JsonObject {
    /// From the text of an object; `None` is the empty one.
    pub fn from_text(text: Option<Box<RawValue>>) -> JsonObject {
        JsonObject(text)
    }

    /// The text; `None` for the empty object.
    pub fn text(&self) -> Option<&RawValue> {
        self.0.as_deref()
    }
}

impl Serialize for JsonObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(text) => text.serialize(serializer),
            None => serializer.collect_map(std::iter::empty::<((), ())>()),
        }
    }
}

/// One row of a wallet's history. Rows of the ledger are never changed or deleted.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub sid: TransactionSid,
    pub transaction_type: TransactionType,
    pub status: TransactionStatus,
    /// Signed: what the wallet gained, so a debit is below zero.
    pub amount: Money,
    /// The balance this entry left.
    pub balance_after: Money,
    /// 1, 2, 3 … within the wallet, without a gap.
    pub seq: i64,
    pub reference: Reference,
    pub details: JsonObject,
    pub metadata: JsonObject,
    /// Never earlier than that of the entry before it.
    pub created_at: Timestamp,
}

/// A wallet's history, or a page of it, with what its rows have in common.
#[derive(Debug)]
pub struct Statement {
    pub business_sid: BusinessSid,
    pub currency: Currency,
    pub page: super::paging::Page<Transaction>,
}

/// Which entries a caller asks for. `from` is included, `until` is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransactionFilter {
    pub transaction_type: Option<TransactionType>,
    pub status: Option<TransactionStatus>,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}
