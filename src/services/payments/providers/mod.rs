//! Defines payment providers: each takes payment requests and reports their status.
//! Not a use case: payments call [`Provider::request`] and [`Provider::status`]. What a provider sends unasked comes in
//! as a confirmation.

mod http;
mod simulated;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::domain::payments::confirmations::PaymentOutcome;
use crate::domain::payments::providers::{PaymentMethod, ProviderName, ProviderReference};
use crate::domain::payments::signatures::SigningSecret;
use crate::domain::payments::{Payment, PaymentPurpose};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::error::{Error, Result};
pub use http::{Endpoint, HttpProvider};

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

#[derive(Clone, Debug)]
pub enum Provider {
    Simulated,
    Http(HttpProvider),
}

impl Provider {
    /// How many seconds to wait for a confirmation before the provider is asked for the status.
    pub const fn confirms_within_seconds(&self) -> i64 {
        match self {
            Provider::Simulated => simulated::SECONDS,
            Provider::Http(_) => 3_600,
        }
    }

    /// Requests a payment. Repeating it does no harm, since the payment's SID is the idempotency key.
    ///
    /// # Errors
    /// [`Error::Provider`] where it is unknown whether the request was accepted: ask again.
    pub async fn request(&self, request: Request<'_>) -> Result<Said> {
        match self {
            Provider::Simulated => Ok(Said::Accepted(simulated::reference(request.payment))),
            Provider::Http(provider) => provider.request(request).await,
        }
    }

    /// Asks for the status of a payment.
    ///
    /// # Errors
    /// [`Error::Provider`] where the provider does not answer.
    pub async fn status(&self, request: Request<'_>) -> Result<Said> {
        match self {
            Provider::Simulated => simulated::status(request),
            Provider::Http(provider) => provider.status(request.payment.sid).await,
        }
    }
}

/// The providers of this server.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    by_name: Arc<BTreeMap<ProviderName, Provider>>,
    default: Option<ProviderName>,
}

impl Providers {
    /// `default` is the provider of requests that name none.
    pub fn new(
        providers: impl IntoIterator<Item = (ProviderName, Provider)>,
        default: Option<ProviderName>,
    ) -> Providers {
        Providers { by_name: Arc::new(providers.into_iter().collect()), default }
    }

    pub fn find(&self, name: &ProviderName) -> Option<&Provider> {
        self.by_name.get(name)
    }

    pub fn default_name(&self) -> Option<&ProviderName> {
        self.default.as_ref()
    }

    pub fn names(&self) -> impl Iterator<Item = &ProviderName> {
        self.by_name.keys()
    }

    /// The secret that signs a provider's messages; `None` where it sends none.
    pub fn secret(&self, name: &ProviderName) -> Option<&SigningSecret> {
        match self.find(name)? {
            Provider::Simulated => None,
            Provider::Http(provider) => Some(provider.secret()),
        }
    }

    /// The provider that a caller names, or the default one.
    ///
    /// # Errors
    /// [`Error::Invalid`] where there is none of that name, [`Error::Impossible`] where there is none at all.
    pub fn choose(&self, named: Option<&ProviderName>) -> Result<ProviderName> {
        let name = named.or(self.default_name()).ok_or_else(no_provider)?;
        if self.by_name.contains_key(name) {
            return Ok(name.clone());
        }
        let names: Vec<&str> = self.names().map(ProviderName::as_str).collect();
        if names.is_empty() {
            return Err(no_provider());
        }
        Err(Error::invalid("provider", format!("must be one of {}", names.join(", "))))
    }
}

fn no_provider() -> Error {
    let sentence =
        "No payment provider is set up here, so only an operator can top up a wallet: ask them to.".to_owned();
    Error::Impossible { code: "no_payment_provider", sentence }
}

/// The body of a request to an adapter.
#[derive(Debug, Serialize)]
struct RequestBody<'a> {
    payment_sid: crate::domain::values::sid::PaymentSid,
    business_sid: &'a crate::domain::values::sid::BusinessSid,
    purpose: PaymentPurpose,
    amount: Money,
    currency: Currency,
    reference: &'a str,
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm_url: Option<String>,
}

impl<'a> RequestBody<'a> {
    fn new(request: &Request<'a>, confirm_url: Option<String>) -> RequestBody<'a> {
        let payment = request.payment;
        RequestBody {
            payment_sid: payment.sid,
            business_sid: &payment.business_sid,
            purpose: payment.purpose,
            amount: payment.amount,
            currency: payment.currency,
            reference: payment.reference.as_str(),
            method: request.method.map(PaymentMethod::reveal),
            confirm_url,
        }
    }
}
