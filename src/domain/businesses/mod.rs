//! Defines businesses, the clients and resellers that own wallets.

pub mod hierarchy;

use serde::Serialize;

use crate::domain::values::countries::CountryCode;
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::{Address, BusinessName, Email, TaxId};
use crate::domain::values::time::Timestamp;
use crate::domain::values::versions::Version;

named_enum! {
    pub enum BusinessKind { Client = "CLIENT", Reseller = "RESELLER" }
}

named_enum! {
    pub enum BusinessStatus { Active = "ACTIVE", Suspended = "SUSPENDED" }
}

/// A business, with the details that its invoices print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Business {
    pub sid: BusinessSid,
    pub kind: BusinessKind,
    pub status: BusinessStatus,
    /// The reseller it buys from; `None`: the platform itself.
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

/// Changes to a business. Fields left out stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BusinessChanges {
    pub kind: Option<BusinessKind>,
    pub status: Option<BusinessStatus>,
    /// `Some(None)`: it is to have no parent.
    pub parent: Option<Option<BusinessSid>>,
    pub name: Option<BusinessName>,
    pub email: Option<Option<Email>>,
    pub address: Option<Address>,
    pub country: Option<Option<CountryCode>>,
    pub tax_id: Option<TaxId>,
}

impl BusinessChanges {
    /// The changed business, with `now` as the time of change; equal to `before` where nothing changes.
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
