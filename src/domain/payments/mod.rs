//! Defines payments through providers: their purpose, status, ledger entry and event body.

pub mod confirmations;
pub mod providers;
pub mod recharges;
pub mod signatures;
pub mod suspense;

use serde::{Deserialize, Serialize};

use self::providers::{ProviderName, ProviderReference};
use crate::domain::values::currency::Currency;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::named_enum::named_enum;
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

/// A payment requested from a provider.
///
/// Serialised, it is kept for 30 days as an idempotent answer: a field added later needs a default for those stored
/// before it.
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

#[cfg(test)]
mod tests;
