//! Defines money in suspense, which a provider received without a matching payment, and how it is credited.

use super::PaymentDetails;
use super::providers::{ProviderName, ProviderReference};
use crate::domain::values::currency::Currency;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::sid::{SuspenseSid, TransactionSid};
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::transactions::{Posting, TransactionType};

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
