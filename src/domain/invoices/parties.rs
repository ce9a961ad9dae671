//! Defines the seller and the buyer that an invoice names.

use crate::domain::businesses::Business;
use crate::domain::values::countries::CountryCode;
use crate::domain::values::named_enum::named_enum;

named_enum! {
    pub enum PartyRole { Seller = "SELLER", Buyer = "BUYER" }
}

/// The seller or the buyer. Unknown details are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    pub name: String,
    pub address: String,
    pub country: Option<CountryCode>,
    pub tax_id: String,
    pub email: String,
}

impl From<&Business> for Party {
    fn from(business: &Business) -> Party {
        Party {
            name: business.name.as_str().to_owned(),
            address: business.address.as_str().to_owned(),
            country: business.country,
            tax_id: business.tax_id.as_str().to_owned(),
            email: business.email.as_ref().map(|email| email.as_str().to_owned()).unwrap_or_default(),
        }
    }
}
