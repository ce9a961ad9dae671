//! Judges what a provider says of a payment.

use super::providers::{ProviderName, ProviderReference};
use super::suspense::SuspenseCause;
use super::{Payment, PaymentStatus};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;

/// What a provider says of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    pub provider: ProviderName,
    /// The payment, by the name we gave it, as the provider repeats it.
    pub payment: String,
    pub outcome: PaymentOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentOutcome {
    /// The provider has the money.
    Completed { provider_reference: ProviderReference, amount: Money, currency: Currency },
    /// It does not, and will not: why, in a sentence or a word.
    Failed { reason: String },
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
