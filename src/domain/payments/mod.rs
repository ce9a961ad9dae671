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
    /// What it is in the wallet's history.
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

/// The name of the provider that is none: it settles by itself, and no money moves.
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

/// What a provider takes the money from, such as a phone number. `Debug`, and with it every log line, tells nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentMethod(String);

impl PaymentMethod {
    /// The whole of it, for the provider alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// As people see it: of a phone number the beginning and the end, of anything else the last four characters at most.
    pub fn masked(&self) -> String {
        if let Ok(number) = self.0.parse::<PhoneNumber>() {
            return number.masked();
        }
        let length = self.0.chars().count();
        let shown = if length >= 8 { 4 } else { 0 };
        format!("****{}", self.0.chars().skip(length - shown).collect::<String>())
    }

    /// What it is sealed for: it opens for no other business.
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

/// The provider's own name of a payment.
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

/// Money that was asked for through a provider.
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
    /// What the provider takes the money from, sealed.
    pub method: Option<String>,
    pub provider_reference: Option<ProviderReference>,
    /// Why it failed.
    pub failure: Option<String>,
    /// The entry of the ledger that it became.
    pub transaction_sid: Option<TransactionSid>,
    pub created_at: Timestamp,
    /// When the provider took the request.
    pub requested_at: Option<Timestamp>,
    pub settled_at: Option<Timestamp>,
}

/// What a provider says of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    pub provider: ProviderName,
    /// The payment, by the name we gave it, as the provider repeats it.
    pub payment: String,
    pub outcome: PaymentOutcome,
}

named_enum! {
    /// What a provider's adapter answers when it is asked.
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
    /// It does not, and will not: why, in a sentence or a word.
    Failed { reason: String },
}

named_enum! {
    /// Why money fits no payment.
    pub enum SuspenseCause {
        /// There is no such payment at that provider.
        UnknownReference = "unknown_reference",
        OtherAmount = "other_amount",
        OtherCurrency = "other_currency",
        /// The payment has been completed already, by another payment of the provider's.
        PaidTwice = "paid_twice",
        /// The provider's reference has completed another payment already.
        ReferenceUsed = "reference_used",
    }
}

/// What is known of what a confirmation names.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConfirmationFacts<'a> {
    /// The payment of that name at that provider.
    pub payment: Option<&'a Payment>,
    /// Whether the provider's reference lies in suspense, or lay there.
    pub is_suspended: bool,
    /// Whether the provider's reference has completed another payment.
    pub has_completed_another: bool,
}

/// What is to become of a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Complete,
    Fail,
    /// It says nothing new.
    Replay,
    Suspend(SuspenseCause),
}

/// Judges a confirmation. Money that a provider says it has is credited once or set aside once, whatever came before; that
/// it has none changes only what is still open.
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

/// What the ledger tells of money that came through a provider.
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
    /// As a row of the wallet's history, of the ledger or beside it.
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

/// Money that a provider says it has, and that fits no payment.
#[derive(Clone, Debug)]
pub struct Suspended {
    pub sid: SuspenseSid,
    pub provider: ProviderName,
    pub provider_reference: ProviderReference,
    /// The payment's name, as the provider gave it.
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
    /// As an admin enters it, who says why.
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

/// A payment as an event tells it.
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

/// Whether a gateway can move that amount: none moves less than a currency's smallest coin.
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

/// What went wrong, as people may read it: at most 200 characters, on one line.
pub fn failure_text(reason: &str) -> String {
    let clean: String = reason.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(200).collect();
    let clean = clean.trim();
    if clean.is_empty() { "the provider gave no reason".to_owned() } else { clean.to_owned() }
}

#[cfg(test)]
mod tests;
