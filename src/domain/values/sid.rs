//! Defines SIDs, the public ids made of a prefix and a UUID, and the SIDs of businesses, which callers choose.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::named_enum::deserialize_from_str;

/// Defines the SID of one kind of object. The database holds the bare UUID (version 7, so SIDs sort by time); the API
/// shows it as `prefix_` and 32 hexadecimal digits.
macro_rules! sids {
    ($($(#[$meta:meta])* $name:ident = $prefix:literal),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            pub const fn new(id: Uuid) -> $name {
                $name(id)
            }

            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<$name, String> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|digits| digits.len() == 32)
                    .and_then(|digits| Uuid::try_parse(digits).ok())
                    .map($name)
                    .ok_or_else(|| concat!("must be `", $prefix, "_` and 32 hexadecimal digits").to_owned())
            }
        }

        deserialize_from_str!($name);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}

sids! {
    WalletSid = "wallet",
    TransactionSid = "txn",
    PlanSid = "plan",
    RateCardSid = "rate",
    InvoiceSid = "inv",
    AlertSid = "alert",
    UserSid = "user",
    KeySid = "key",
    PaymentSid = "pay",
    SuspenseSid = "sus",
    WebhookSid = "wh",
    MessageEventSid = "msg",
}

/// The SID of a business, chosen by callers: 1 to 64 characters of `A-Z a-z 0-9 _ . -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BusinessSid(Arc<str>);

/// The text is no SID of a business. Callers read this sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 letters (A-Z, a-z), digits, `_`, `.` or `-`, and neither `undefined` nor `null`")]
pub struct InvalidBusinessSid;

impl BusinessSid {
    const MAX_LENGTH: usize = 64;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BusinessSid {
    type Err = InvalidBusinessSid;

    fn from_str(text: &str) -> Result<BusinessSid, InvalidBusinessSid> {
        let well_formed = (1..=BusinessSid::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
        // A page that has not loaded its user yet asks for the business `undefined`.
        if well_formed && text != "undefined" && text != "null" {
            Ok(BusinessSid(Arc::from(text)))
        } else {
            Err(InvalidBusinessSid)
        }
    }
}

deserialize_from_str!(BusinessSid);

impl Serialize for BusinessSid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for BusinessSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn spelled_with_its_prefix() {
        let sid = WalletSid::new(Uuid::from_u128(0xabc));
        assert_eq!(sid.to_string(), "wallet_00000000000000000000000000000abc");
        assert_eq!(sid.to_string().parse(), Ok(sid));
        assert!("txn_00000000000000000000000000000abc".parse::<WalletSid>().is_err());
        assert!("wallet_00000000-0000-0000-0000-000000000abc".parse::<WalletSid>().is_err());
    }

    #[rstest]
    #[case("a", true)]
    #[case("AC_CLIENT-2001.x", true)]
    #[case(".", true)]
    #[case("Undefined", true)]
    #[case("", false)]
    #[case("undefined", false)]
    #[case("null", false)]
    #[case("a b", false)]
    #[case("a/b", false)]
    #[case("é", false)]
    fn is_a_business_sid(#[case] text: &str, #[case] valid: bool) {
        assert_eq!(text.parse::<BusinessSid>().is_ok(), valid);
    }

    #[test]
    fn length_counts() {
        assert!("x".repeat(64).parse::<BusinessSid>().is_ok());
        assert!("x".repeat(65).parse::<BusinessSid>().is_err());
    }
}
