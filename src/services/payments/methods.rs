//! Encrypts and masks payment methods, such as the phone numbers that businesses pay from.
//! Not a use case: payments and recharge settings use it.

use crate::domain::payments::providers::PaymentMethod;
use crate::domain::values::sid::BusinessSid;
use crate::error::{Error, Result};
use crate::services::Billing;

/// Encrypts a payment method, for the database.
///
/// # Errors
/// [`Error::Setup`] where the system gives no random bytes.
pub fn seal(billing: &Billing, business: &BusinessSid, method: &PaymentMethod) -> Result<String> {
    let sealed = billing.live.sealer.seal(
        &PaymentMethod::seal_context(business),
        method.reveal(),
        crate::random::bytes::<24>()?,
    );
    sealed.ok_or_else(|| Error::Setup("a payment method cannot be sealed".to_owned()))
}

/// A payment method as people see it; a placeholder where it was encrypted under another `SECRET_KEY`.
pub fn masked(billing: &Billing, business: &BusinessSid, sealed: Option<&str>) -> Option<String> {
    let opened = open(billing, business, sealed?);
    Some(opened.map_or_else(|| "****".to_owned(), |method| method.masked()))
}

/// A payment method in clear; `None` where it was encrypted under another `SECRET_KEY`.
pub fn open(billing: &Billing, business: &BusinessSid, sealed: &str) -> Option<PaymentMethod> {
    billing.live.sealer.open(&PaymentMethod::seal_context(business), sealed)?.parse().ok()
}
