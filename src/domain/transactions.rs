//! The entries of the ledger as callers see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

use super::businesses::BusinessSid;
use super::currency::Currency;
use super::invoices::LineCategory;
use super::ledger::Entry;
use super::messages::MessageSid;
use super::money::Money;
use super::names::named_enum;
use super::paging::{Cursor, HistoryCursor, Limit, Page};
use super::payments::{Payment, PaymentStatus};
use super::sid::TransactionSid;
use super::text::{LongText, Reason, Reference};
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

impl From<PaymentStatus> for TransactionStatus {
    fn from(status: PaymentStatus) -> TransactionStatus {
        match status {
            PaymentStatus::Pending => TransactionStatus::Pending,
            PaymentStatus::Completed => TransactionStatus::Completed,
            PaymentStatus::Failed => TransactionStatus::Failed,
        }
    }
}

/// A JSON object kept as its text, so that every number in it stays as it was written.
#[derive(Clone, Debug, Default)]
pub struct JsonObject(Option<Box<RawValue>>);

impl JsonObject {
    /// From the text of an object; `None` is the empty one.
    pub fn from_text(text: Option<Box<RawValue>>) -> JsonObject {
        JsonObject(text)
    }

    /// The same text for the same object, however it was spelled: sorted, and without blanks.
    pub fn canonical(&self) -> String {
        let parsed = self.text().map(|text| serde_json::from_str::<serde_json::Value>(text.get()));
        match parsed {
            Some(Ok(value)) => value.to_string(),
            Some(Err(_)) => self.text().map_or_else(String::new, |text| text.get().to_owned()),
            None => String::new(),
        }
    }

    /// What serialises as an object.
    pub fn of(object: &impl Serialize) -> JsonObject {
        // Texts and numbers always serialise.
        JsonObject(serde_json::value::to_raw_value(object).ok())
    }

    /// The same with one more field, or another value of it; all others stay as they were written.
    #[must_use]
    pub fn with(&self, name: &str, value: &impl Serialize) -> JsonObject {
        let fields = self.text().map(|text| serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text.get()));
        let mut fields = fields.and_then(Result::ok).unwrap_or_default();
        if let Ok(value) = serde_json::value::to_raw_value(value) {
            fields.insert(name.to_owned(), value);
        }
        JsonObject::of(&fields)
    }

    /// An amount among its fields, if there is one of that name.
    pub fn amount(&self, name: &str) -> Option<Money> {
        let fields = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(self.text()?.get()).ok()?;
        serde_json::from_str(fields.get(name)?.get()).ok()
    }

    /// The text; `None` for the empty object.
    pub fn text(&self) -> Option<&RawValue> {
        self.0.as_deref()
    }
}

/// How large an object a caller may send along, in bytes.
const OBJECT_MAX_BYTES: usize = 4_096;

/// From an object of a bounded size. Works with `serde_json` only. What a database could not hold is refused: NUL
/// characters, lone surrogates, numbers beyond all range.
impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<JsonObject, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
        let is_fit = text.len() <= OBJECT_MAX_BYTES && !text.to_ascii_lowercase().contains("\\u0000");
        match parsed {
            Ok(object) if object.is_empty() => Ok(JsonObject(None)),
            Ok(_) if is_fit => Ok(JsonObject(Some(raw))),
            _ => Err(de::Error::custom(format!(
                "must be a JSON object of at most {OBJECT_MAX_BYTES} bytes, without NUL characters"
            ))),
        }
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

/// What the debit of a message tells in its `details`. What is not known or zero is left out, because the pages would
/// show it.
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
        // Texts and numbers always serialise.
        JsonObject(serde_json::value::to_raw_value(&details).ok())
    }
}

/// What somebody wants entered, beside its amount.
#[derive(Clone, Debug)]
pub struct Posting {
    pub transaction_type: TransactionType,
    pub reference: Reference,
    pub details: JsonObject,
    pub metadata: JsonObject,
}

/// The refund of a message's charge: it goes by the message's name too, and says why.
pub fn refund_posting(message: &MessageSid, reason: &str) -> Posting {
    let details = serde_json::value::to_raw_value(&serde_json::json!({"message_sid": message, "reason": reason}));
    Posting {
        transaction_type: TransactionType::Refund,
        reference: message.into(),
        // Texts always serialise.
        details: JsonObject(details.ok()),
        metadata: JsonObject::default(),
    }
}

/// An adjustment by hand, which says why.
pub fn adjustment_posting(reason: &Reason, reference: Reference) -> Posting {
    let details = serde_json::value::to_raw_value(&serde_json::json!({"reason": reason}));
    Posting {
        transaction_type: TransactionType::CreditAdjustment,
        reference,
        // Texts always serialise.
        details: JsonObject(details.ok()),
        metadata: JsonObject::default(),
    }
}

/// What somebody pays of invoices. Entering it notes the amount before tax is set apart, and that tax.
pub fn invoice_payment_posting(invoice: Option<&str>, reference: Reference) -> Posting {
    let details = invoice.map(|number| JsonObject::default().with("invoice", &number)).unwrap_or_default();
    Posting { transaction_type: TransactionType::InvoicePayment, reference, details, metadata: JsonObject::default() }
}

/// What a credit note gives back.
pub fn credit_note_posting(credit_note: &str, invoice: &str, reason: &str) -> Posting {
    let details = serde_json::json!({"credit_note": credit_note, "invoice": invoice, "reason": reason});
    Posting {
        transaction_type: TransactionType::CreditAdjustment,
        reference: credit_note.parse().unwrap_or_default(),
        details: JsonObject::of(&details),
        metadata: JsonObject::default(),
    }
}

/// The tax in what a credit paid: that part of it is no money of the wallet's.
pub fn tax_posting(credit: TransactionSid, invoices: &[&str]) -> Posting {
    let details = serde_json::json!({"tax_of_invoices": invoices, "transaction": credit});
    Posting {
        transaction_type: TransactionType::Fee,
        reference: invoices.first().and_then(|number| number.parse().ok()).unwrap_or_default(),
        details: JsonObject::of(&details),
        metadata: JsonObject::default(),
    }
}

/// A fee, or a credit, that somebody adds to the invoice of the month.
pub fn fee_posting(category: LineCategory, description: &LongText, reason: &Reason, reference: Reference) -> Posting {
    let details = serde_json::json!({"category": category, "description": description, "reason": reason});
    Posting {
        transaction_type: TransactionType::Fee,
        reference,
        details: JsonObject::of(&details),
        metadata: JsonObject::default(),
    }
}

/// One row of a wallet's history. Rows of the ledger are never changed or deleted.
#[derive(Clone, Debug)]
pub struct Transaction {
    pub entry: Entry,
    pub posting: Posting,
}

/// An entry of whatever wallet, and whose that is.
#[derive(Clone, Debug)]
pub struct OwnedTransaction {
    pub business_sid: BusinessSid,
    pub currency: Currency,
    pub transaction: Transaction,
}

/// A wallet's history, or a page of it, with what its rows have in common.
#[derive(Debug)]
pub struct Statement {
    pub business_sid: BusinessSid,
    pub currency: Currency,
    pub page: Page<Transaction>,
}

/// A row of a wallet's history as its owner sees it.
#[derive(Debug)]
pub enum HistoryRow {
    Entry(Transaction),
    /// One that is open or has failed: the ledger does not hold it.
    Payment(Payment),
}

impl HistoryRow {
    fn created_at(&self) -> Timestamp {
        match self {
            HistoryRow::Entry(transaction) => transaction.entry.created_at,
            HistoryRow::Payment(payment) => payment.created_at,
        }
    }
}

/// A page of a wallet's history, its payments among its entries.
#[derive(Debug)]
pub struct History {
    pub business_sid: BusinessSid,
    pub currency: Currency,
    pub page: Page<HistoryRow, HistoryCursor>,
}

/// Puts a page of entries and one of payments, both newest first, into one. Both were read from `cursor` on, the entries to
/// where their own page says, the payments with one more than `limit` where there is one; each comes with its place.
pub fn merge(
    entries: Page<Transaction>,
    payments: Vec<(i64, Payment)>,
    cursor: HistoryCursor,
    limit: Limit,
) -> Page<HistoryRow, HistoryCursor> {
    let entries_go_on = entries.next;
    let mut entries = entries.items.into_iter().peekable();
    let mut payments = payments.into_iter().peekable();
    let (mut items, mut next) = (Vec::new(), cursor);
    while items.len() < limit.get() {
        let takes_payment = match (entries.peek(), payments.peek()) {
            (None, None) => break,
            // What lies between the end of the entries read and the next of them may be newer than these payments.
            (None, Some(_)) if entries_go_on.is_some() => break,
            (None, Some(_)) => true,
            (Some(_), None) => false,
            (Some(entry), Some((_, payment))) => payment.created_at > entry.entry.created_at,
        };
        if takes_payment {
            if let Some((position, payment)) = payments.next() {
                next.payment = position;
                items.push(HistoryRow::Payment(payment));
            }
        } else if let Some(entry) = entries.next() {
            next.seq = entry.entry.seq;
            items.push(HistoryRow::Entry(entry));
        }
    }
    debug_assert!(items.is_sorted_by(|a, b| a.created_at() >= b.created_at()) || items.len() < 2);
    if entries.peek().is_none() {
        // A page that was looked for far down says itself how far.
        next.seq = entries_go_on.map_or(next.seq, Cursor::position);
    }
    let has_more = entries.peek().is_some() || payments.peek().is_some() || entries_go_on.is_some();
    Page { items, next: has_more.then_some(next) }
}

/// Which entries a caller asks for. `from` is included, `until` is not.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransactionFilter {
    pub transaction_type: Option<TransactionType>,
    pub status: Option<TransactionStatus>,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// Which entries of all wallets are asked for. Each of these an index has in order, so that a page costs the same however
/// long the ledger is.
#[derive(Clone, Debug)]
pub enum LedgerQuery {
    /// Everybody's, in the order of their ids. `from` is included, `until` is not.
    Everybody { from: Option<Timestamp>, until: Option<Timestamp> },
    /// The history of one wallet.
    Business { business: BusinessSid, filter: TransactionFilter },
    /// The debits of a message's name, which every business may use once; or that of one business.
    Message { message: MessageSid, business: Option<BusinessSid> },
}

/// No entry whose id was made at or after an instant has a lower id: a UUID version 7 begins with the milliseconds since
/// 1970 (RFC 9562, section 5.7). An id is made when a request comes in, so it may be a moment older than its entry;
/// and while a server's clock that fell back has not caught up, ids go on where they were.
pub fn first_sid_since(instant: Timestamp) -> TransactionSid {
    let milliseconds = u128::try_from(instant.micros().div_euclid(1_000)).unwrap_or(0);
    TransactionSid::new(uuid::Uuid::from_u128(milliseconds << 80))
}

#[cfg(test)]
mod tests {
    use uuid::{NoContext, Timestamp as UuidTimestamp, Uuid};

    use super::*;

    #[test]
    fn an_object_keeps_its_numbers() {
        let object: JsonObject = serde_json::from_str(r#"{"b": 1.10, "a": 1234567890123.123456}"#).expect("an object");
        let object = object.with("gross", &Money::from_micros(100_000)).with("b", &2);
        let text = object.text().map(RawValue::get);
        assert_eq!(text, Some(r#"{"a":1234567890123.123456,"b":2,"gross":0.1}"#));
        assert_eq!(object.amount("gross"), Some(Money::from_micros(100_000)));
        assert_eq!((object.amount("c"), JsonObject::default().amount("a")), (None, None));
    }

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
