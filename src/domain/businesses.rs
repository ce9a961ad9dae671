//! Businesses: who has a wallet.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use super::countries::CountryCode;
use super::names::{deserialize_from_str, named_enum};
use super::text::{Address, BusinessName, TaxId};
use super::time::Timestamp;
use super::users::Email;
use super::versions::Version;

named_enum! {
    pub enum BusinessKind { Client = "CLIENT", Reseller = "RESELLER" }
}

named_enum! {
    pub enum BusinessStatus { Active = "ACTIVE", Suspended = "SUSPENDED" }
}

/// Who has a wallet, and what invoices say of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Business {
    pub sid: BusinessSid,
    pub kind: BusinessKind,
    pub status: BusinessStatus,
    /// The reseller it buys from; none: the platform itself.
    pub parent: Option<BusinessSid>,
    pub name: BusinessName,
    pub email: Option<Email>,
    pub address: Address,
    pub country: Option<CountryCode>,
    pub tax_id: TaxId,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Business {
    pub fn version(&self) -> Version {
        Version::of(self)
    }
}

/// What is to become of a business; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusinessChanges {
    pub kind: Option<BusinessKind>,
    pub status: Option<BusinessStatus>,
    /// Inside: the parent it is to have, or none.
    pub parent: Option<Option<BusinessSid>>,
    pub name: Option<BusinessName>,
    pub email: Option<Option<Email>>,
    pub address: Option<Address>,
    pub country: Option<Option<CountryCode>>,
    pub tax_id: Option<TaxId>,
}

impl BusinessChanges {
    /// The business as it is to be: the very same where nothing changes, else changed now.
    pub fn apply_to(self, before: &Business, now: Timestamp) -> Business {
        let after = Business {
            kind: self.kind.unwrap_or(before.kind),
            status: self.status.unwrap_or(before.status),
            parent: self.parent.unwrap_or_else(|| before.parent.clone()),
            name: self.name.unwrap_or_else(|| before.name.clone()),
            email: self.email.unwrap_or_else(|| before.email.clone()),
            address: self.address.unwrap_or_else(|| before.address.clone()),
            country: self.country.unwrap_or(before.country),
            tax_id: self.tax_id.unwrap_or_else(|| before.tax_id.clone()),
            ..before.clone()
        };
        if after == *before { after } else { Business { updated_at: now, ..after } }
    }
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
