//! Defines provider names and references, payment methods, and the answers of adapters.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::domain::prices::phone_numbers::PhoneNumber;
use crate::domain::values::named_enum::{deserialize_from_str, named_enum};
use crate::domain::values::sid::BusinessSid;

/// The name of a payment provider: 1 to 32 of `a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ProviderName(String);

/// The name of the simulated provider: it settles by itself, and no money moves.
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

/// The source of a payment, such as a phone number. `Debug`, and with it every log line, shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentMethod(String);

impl PaymentMethod {
    /// The whole of it, for the provider alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The method as shown to people: of a phone number the beginning and the end, of anything else the last four
    /// characters at most.
    pub fn masked(&self) -> String {
        if let Ok(number) = self.0.parse::<PhoneNumber>() {
            return number.masked();
        }
        let length = self.0.chars().count();
        let shown = if length >= 8 { 4 } else { 0 };
        format!("****{}", self.0.chars().skip(length - shown).collect::<String>())
    }

    /// The context it is encrypted for: it cannot be decrypted for any other business.
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

/// The provider's own id of a payment.
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

named_enum! {
    /// The status of a payment as a provider's adapter answers it.
    pub enum AnswerStatus {
        Accepted = "accepted",
        Pending = "pending",
        Completed = "completed",
        Failed = "failed",
        Declined = "declined",
        Unknown = "unknown",
    }
}

/// A provider's reason for a failure, shortened to 200 characters on one line.
pub fn failure_text(reason: &str) -> String {
    let clean: String = reason.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(200).collect();
    let clean = clean.trim();
    if clean.is_empty() { "the provider gave no reason".to_owned() } else { clean.to_owned() }
}
