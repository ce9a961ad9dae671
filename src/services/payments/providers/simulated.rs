//! Simulates a payment provider, for development: it confirms after a few seconds, and no money moves.
//! An amount that ends in 13 hundredths fails, and so does a reference or a method with the word "decline" in it.

use super::{Request, Said};
use crate::domain::payments::Payment;
use crate::domain::payments::confirmations::PaymentOutcome;
use crate::domain::payments::providers::ProviderReference;
use crate::error::{Error, Result};

/// How many seconds a payment takes.
pub(super) const SECONDS: i64 = 3;

const MICROS_PER_UNIT: i64 = 1_000_000;

/// The hundredths of an amount that fails, in millionths.
const UNLUCKY_MICROS: i64 = 130_000;

pub(super) fn reference(payment: &Payment) -> Option<ProviderReference> {
    format!("simulated_{}", payment.sid.uuid().simple()).parse().ok()
}

pub(super) fn status(request: Request<'_>) -> Result<Said> {
    let payment = request.payment;
    let declines = |text: &str| text.to_ascii_lowercase().contains("decline");
    let is_declined = payment.amount.micros() % MICROS_PER_UNIT == UNLUCKY_MICROS
        || declines(payment.reference.as_str())
        || request.method.is_some_and(|method| declines(method.reveal()));
    if is_declined {
        return Ok(Said::Settled(PaymentOutcome::Failed { reason: "declined by the simulated provider".to_owned() }));
    }
    let provider_reference = reference(payment).ok_or_else(|| Error::Provider("it has no name for this".to_owned()))?;
    let outcome = PaymentOutcome::Completed { provider_reference, amount: payment.amount, currency: payment.currency };
    Ok(Said::Settled(outcome))
}
