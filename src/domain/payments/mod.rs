//! Defines payments through providers, judges their confirmations, and holds unmatched money in suspense.

pub mod recharges;
pub mod signatures;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::prices::phone_numbers::PhoneNumber;
use crate::domain::values::currency::Currency;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::named_enum::{deserialize_from_str, named_enum};
use crate::domain::values::sid::{BusinessSid, PaymentSid, SuspenseSid, TransactionSid};
use crate::domain::values::text::Reference;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::transactions::{Posting, TransactionStatus, TransactionType};

named_enum! {
    pub enum PaymentPurpose {
        Topup = "TOPUP",
        AutoRecharge = "AUTO_RECHARGE",
        InvoicePayment = "INVOICE_PAYMENT",
    }
}

impl PaymentPurpose {
    /// The type of the ledger transaction.
    pub fn transaction_type(self) -> TransactionType {
        match self {
            PaymentPurpose::Topup | PaymentPurpose::AutoRecharge => TransactionType::Topup,
            PaymentPurpose::InvoicePayment => TransactionType::InvoicePayment,
        }
    }
}

named_enum! {
    pub enum PaymentStatus { Pending = "PENDING", Completed = "COMPLETED", Failed = "FAILED" }
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

/// The name of a payment provider: 1 to 32 of `a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ProviderName(String);

/// The name of the simulated provider: it settles by itself, and no money moves.
pub const SIMULATED: &str = "simulated";

impl ProviderName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_simulated(&self) -> bool {
        self.0 == SIMULATED
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProviderName {
    type Err = String;

    fn from_str(text: &str) -> Result<ProviderName, String> {
        let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if (1..=32).contains(&text.len()) && text.bytes().all(is_fit) {
            Ok(ProviderName(text.to_owned()))
        } else {
            Err("must be the name of a payment provider: 1 to 32 of a-z 0-9 _ -".to_owned())
        }
    }
}

deserialize_from_str!(ProviderName);

/// The source of a payment, such as a phone number. `Debug`, and with it every log line, shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentMethod(String);

impl PaymentMethod {
    /// The whole of it, for the provider alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The method as shown to people: of a phone number the beginning and the end, of anything else the last four
    /// characters at most.
    pub fn masked(&self) -> String {
        if let Ok(number) = self.0.parse::<PhoneNumber>() {
            return number.masked();
        }
        let length = self.0.chars().count();
        let shown = if length >= 8 { 4 } else { 0 };
        format!("****{}", self.0.chars().skip(length - shown).collect::<String>())
    }

    /// The context it is encrypted for: it cannot be decrypted for any other business.
    pub fn seal_context(business: &BusinessSid) -> String {
        format!("payment method of {business}")
    }
}

impl FromStr for PaymentMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<PaymentMethod, String> {
        if (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            Ok(PaymentMethod(text.to_owned()))
        } else {
            Err("must be 1 to 128 characters, with no control characters, such as a phone number".to_owned())
        }
    }
}

impl fmt::Debug for PaymentMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentMethod(…)")
    }
}

deserialize_from_str!(PaymentMethod);

/// The provider's own id of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ProviderReference(String);

impl ProviderReference {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderReference {
    type Err = String;

    fn from_str(text: &str) -> Result<ProviderReference, String> {
        if (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            Ok(ProviderReference(text.to_owned()))
        } else {
            Err("must be the provider's own name of the payment: 1 to 128 characters".to_owned())
        }
    }
}

deserialize_from_str!(ProviderReference);

/// A payment requested from a provider.
///
/// Serialised, it is what an idempotent answer keeps of it for 30 days: a field added later needs a default for the
/// answers stored before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    pub sid: PaymentSid,
    pub business_sid: BusinessSid,
    pub purpose: PaymentPurpose,
    pub provider: ProviderName,
    pub amount: Money,
    pub currency: Currency,
    pub status: PaymentStatus,
    pub reference: Reference,
    /// The payment method, encrypted.
    pub method: Option<String>,
    pub provider_reference: Option<ProviderReference>,
    /// Why it failed.
    pub failure: Option<String>,
    /// The ledger entry it was credited with.
    pub transaction_sid: Option<TransactionSid>,
    pub created_at: Timestamp,
    /// When the provider accepted the request.
    pub requested_at: Option<Timestamp>,
    pub settled_at: Option<Timestamp>,
}

/// A provider's confirmation of a payment's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    pub provider: ProviderName,
    /// The payment's SID, as the provider repeats it.
    pub payment: String,
    pub outcome: PaymentOutcome,
}

named_enum! {
    /// The status of a payment as a provider's adapter answers it.
    pub enum AnswerStatus {
        Accepted = "accepted",
        Pending = "pending",
        Completed = "completed",
        Failed = "failed",
        Declined = "declined",
        Unknown = "unknown",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// The provider has the money.
    Completed { provider_reference: ProviderReference, amount: Money, currency: Currency },
    /// The payment has failed for good: why, in a sentence or a word.
    Failed { reason: String },
}

named_enum! {
    /// Why money goes into suspense.
    pub enum SuspenseCause {
        /// There is no such payment with that provider.
        UnknownReference = "unknown_reference",
        OtherAmount = "other_amount",
        OtherCurrency = "other_currency",
        /// The payment was completed before, under another reference of the provider's.
        PaidTwice = "paid_twice",
        /// The provider's reference completed another payment before.
        ReferenceUsed = "reference_used",
    }
}

/// The stored facts that a confirmation is judged by.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConfirmationFacts<'a> {
    /// The payment that the confirmation names, with that provider.
    pub payment: Option<&'a Payment>,
    /// Whether the provider's reference is in suspense, or was.
    pub is_suspended: bool,
    /// Whether the provider's reference has completed another payment.
    pub has_completed_another: bool,
}

/// What to do about a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Complete,
    Fail,
    /// Nothing: it is a repeat.
    Replay,
    Suspend(SuspenseCause),
}

/// Judges a confirmation. Money received is credited or put into suspense exactly once, whatever came before; a failure
/// changes only payments that are still open.
pub fn judge(known: ConfirmationFacts<'_>, confirmation: &Confirmation) -> Verdict {
    let (provider_reference, amount, currency) = match &confirmation.outcome {
        PaymentOutcome::Failed { .. } => {
            let is_open = known.payment.is_some_and(|payment| payment.status == PaymentStatus::Pending);
            return if is_open { Verdict::Fail } else { Verdict::Replay };
        }
        PaymentOutcome::Completed { provider_reference, amount, currency } => (provider_reference, *amount, *currency),
    };
    // What an admin decides about, or has decided, is not decided here.
    if known.is_suspended {
        return Verdict::Replay;
    }
    let Some(payment) = known.payment else { return Verdict::Suspend(SuspenseCause::UnknownReference) };
    if payment.status == PaymentStatus::Completed {
        let is_same = payment.provider_reference.as_ref() == Some(provider_reference);
        return if is_same { Verdict::Replay } else { Verdict::Suspend(SuspenseCause::PaidTwice) };
    }
    if known.has_completed_another {
        Verdict::Suspend(SuspenseCause::ReferenceUsed)
    } else if payment.currency != currency {
        Verdict::Suspend(SuspenseCause::OtherCurrency)
    } else if payment.amount != amount {
        Verdict::Suspend(SuspenseCause::OtherAmount)
    } else {
        Verdict::Complete
    }
}

/// The details of a payment's ledger entry.
#[derive(Serialize)]
struct PaymentDetails<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_sid: Option<PaymentSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspense_sid: Option<SuspenseSid>,
    provider: &'a ProviderName,
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_reference: Option<&'a ProviderReference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
    /// No money has moved outside this server.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    simulated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl PaymentDetails<'_> {
    fn object(&self) -> JsonObject {
        // Texts always serialise.
        JsonObject::from_text(serde_json::value::to_raw_value(self).ok())
    }
}

impl Payment {
    /// The posting that credits the payment to the wallet.
    pub fn posting(&self) -> Posting {
        let details = PaymentDetails {
            payment_sid: Some(self.sid),
            suspense_sid: None,
            provider: &self.provider,
            source: if self.purpose == PaymentPurpose::AutoRecharge { "auto_recharge" } else { "provider" },
            provider_reference: self.provider_reference.as_ref(),
            failure: self.failure.as_deref(),
            simulated: self.provider.is_simulated(),
            reason: None,
        };
        Posting {
            transaction_type: self.purpose.transaction_type(),
            reference: self.reference.clone(),
            details: details.object(),
            metadata: JsonObject::default(),
        }
    }
}

named_enum! {
    pub enum SuspenseStatus { Open = "OPEN", Assigned = "ASSIGNED", Dismissed = "DISMISSED" }
}

/// Money in suspense: received by a provider, without a matching payment.
#[derive(Clone, Debug)]
pub struct Suspended {
    pub sid: SuspenseSid,
    pub provider: ProviderName,
    pub provider_reference: ProviderReference,
    /// The payment's SID, as the provider gave it.
    pub reference: String,
    pub amount: Money,
    pub currency: Currency,
    pub cause: SuspenseCause,
    pub status: SuspenseStatus,
    pub transaction_sid: Option<TransactionSid>,
    pub created_at: Timestamp,
    pub settled_at: Option<Timestamp>,
}

impl Suspended {
    /// The posting that credits the money to a wallet, with the admin's reason.
    pub fn posting(&self, reason: &str) -> Posting {
        let details = PaymentDetails {
            payment_sid: None,
            suspense_sid: Some(self.sid),
            provider: &self.provider,
            source: "provider",
            provider_reference: Some(&self.provider_reference),
            failure: None,
            simulated: self.provider.is_simulated(),
            reason: Some(reason),
        };
        Posting {
            transaction_type: TransactionType::Topup,
            // Both are bounded texts without control characters.
            reference: self.provider_reference.as_str().parse().unwrap_or_default(),
            details: details.object(),
            metadata: JsonObject::default(),
        }
    }
}

/// A payment in the body of an event.
#[derive(Clone, Debug, Serialize)]
pub struct PaymentEventBody {
    payment_sid: PaymentSid,
    business_sid: BusinessSid,
    purpose: PaymentPurpose,
    provider: ProviderName,
    amount: Money,
    currency: Currency,
    status: PaymentStatus,
    reference: Reference,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl From<&Payment> for PaymentEventBody {
    fn from(payment: &Payment) -> PaymentEventBody {
        PaymentEventBody {
            payment_sid: payment.sid,
            business_sid: payment.business_sid.clone(),
            purpose: payment.purpose,
            provider: payment.provider.clone(),
            amount: payment.amount,
            currency: payment.currency,
            status: payment.status,
            reference: payment.reference.clone(),
            failure: payment.failure.clone(),
        }
    }
}

const MICROS_PER_UNIT: i64 = 1_000_000;

/// Checks that a provider can move the amount: none moves less than a currency's smallest coin.
///
/// # Errors
/// What the amount must be.
pub fn check_decimals(amount: Money, currency: Currency) -> Result<(), String> {
    let decimals = currency.exponent().min(6);
    if amount.micros() % (MICROS_PER_UNIT / 10_i64.pow(decimals)) == 0 {
        Ok(())
    } else if decimals == 0 {
        Err(format!("must be whole: payment providers move {currency} without decimals"))
    } else {
        Err(format!("must have at most {decimals} decimals: payment providers move no less of {currency}"))
    }
}

/// A provider's reason for a failure, shortened to 200 characters on one line.
pub fn failure_text(reason: &str) -> String {
    let clean: String = reason.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(200).collect();
    let clean = clean.trim();
    if clean.is_empty() { "the provider gave no reason".to_owned() } else { clean.to_owned() }
}

#[cfg(test)]
mod tests;
