//! Says what a provider is asked for and what it can answer.

use crate::domain::payments::Payment;
use crate::domain::payments::confirmations::PaymentOutcome;
use crate::domain::payments::providers::{PaymentMethod, ProviderReference};

/// A request for a payment.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub payment: &'a Payment,
    /// The payment method, in clear.
    pub method: Option<&'a PaymentMethod>,
}

/// A provider's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It accepted the request, and will confirm it.
    Accepted(Option<ProviderReference>),
    Settled(PaymentOutcome),
    /// The payment is under way, or the provider does not know it.
    Open,
}
