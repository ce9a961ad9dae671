//! The public names of things: a prefix that says what it is, and a UUID.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::names::deserialize_from_str;

/// Defines the id of one kind of thing. The database holds the bare UUID (version 7, so ids sort by time); the wire
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_with_its_prefix() {
        let sid = WalletSid::new(Uuid::from_u128(0xabc));
        assert_eq!(sid.to_string(), "wallet_00000000000000000000000000000abc");
        assert_eq!(sid.to_string().parse(), Ok(sid));
        assert!("txn_00000000000000000000000000000abc".parse::<WalletSid>().is_err());
        assert!("wallet_00000000-0000-0000-0000-000000000abc".parse::<WalletSid>().is_err());
    }
}
