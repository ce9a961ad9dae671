//! Says what a provider is asked for and what it can answer.

use crate::domain::payments::Payment;
use crate::domain::payments::confirmations::PaymentOutcome;
use crate::domain::payments::providers::{PaymentMethod, ProviderReference};

/// What a provider is asked for.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub payment: &'a Payment,
    /// What to take the money from, in clear.
    pub method: Option<&'a PaymentMethod>,
}

/// What a provider says when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It took the request, and confirms it later.
    Accepted(Option<ProviderReference>),
    Settled(PaymentOutcome),
    /// It is under way, or the provider knows nothing of it.
    Open,
}
