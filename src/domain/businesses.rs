//! Businesses: who has a wallet.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use super::names::{deserialize_from_str, named_enum};

named_enum! {
    pub enum BusinessKind { Client = "CLIENT", Reseller = "RESELLER" }
}

named_enum! {
    pub enum BusinessStatus { Active = "ACTIVE", Suspended = "SUSPENDED" }
}

/// The name a business goes by everywhere: 1 to 64 characters of `A-Z a-z 0-9 _ . -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BusinessSid(Arc<str>);

/// What callers read when a business SID is none.
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
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
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
