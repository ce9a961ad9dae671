//! Payments through a provider: money that is asked for, and what the provider says of it.

use super::names::{deserialize_from_str, named_enum};

named_enum! {
    pub enum PaymentPurpose {
        Topup = "TOPUP",
        AutoRecharge = "AUTO_RECHARGE",
        InvoicePayment = "INVOICE_PAYMENT",
    }
}

named_enum! {
    pub enum PaymentStatus { Pending = "PENDING", Completed = "COMPLETED", Failed = "FAILED" }
}

/// The name of a payment provider: 1 to 32 of `a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct ProviderName(String);

impl ProviderName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ProviderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for ProviderName {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_providers() {
        assert!("mpesa-ke_2".parse::<ProviderName>().is_ok());
        for bad in ["", "M-Pesa", "a b", "../x", &"x".repeat(33)] {
            assert!(bad.parse::<ProviderName>().is_err(), "{bad:?}");
        }
    }
}
