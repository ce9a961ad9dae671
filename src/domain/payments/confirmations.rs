//! Judges a provider's confirmation of a payment: completed, failed, repeated, or money for suspense.

use super::providers::{ProviderName, ProviderReference};
use super::suspense::SuspenseCause;
use super::{Payment, PaymentStatus};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;

/// A provider's confirmation of a payment's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    pub provider: ProviderName,
    /// The payment's SID, as the provider repeats it.
    pub payment: String,
    pub outcome: PaymentOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// The provider has the money.
    Completed { provider_reference: ProviderReference, amount: Money, currency: Currency },
    /// The payment has failed for good: why, in a sentence or a word.
    Failed { reason: String },
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

/// The decision on a confirmation.
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
