//! Shapes rate cards and networks.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::prices::rate_cards::{Network, RateCard};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::RateCardSid;

/// The price of a segment to an operator, from a given day on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RateCard)]
pub struct RateCardBody {
    sid: RateCardSid,
    country_code: CountryCode,
    #[schema(example = "Kenya")]
    country_name: &'static str,
    /// Empty on a rate card for the whole country.
    #[schema(example = "Safaricom")]
    operator: String,
    /// The operator's networks; empty on a rate card for the whole country.
    networks: Vec<NetworkBody>,
    price_per_sms: Money,
    currency: Currency,
    /// The first day, in the billing time zone, on which the price applies.
    effective_from: NaiveDate,
    notes: String,
}

/// A mobile network, by its codes in ITU-T E.212.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Network)]
pub struct NetworkBody {
    /// Mobile country code.
    #[schema(example = "639")]
    mcc: String,
    /// Mobile network code.
    #[schema(example = "02")]
    mnc: String,
}

impl From<Network> for NetworkBody {
    fn from(network: Network) -> NetworkBody {
        NetworkBody { mcc: network.mcc, mnc: network.mnc }
    }
}

impl From<NetworkBody> for Network {
    fn from(network: NetworkBody) -> Network {
        Network { mcc: network.mcc, mnc: network.mnc }
    }
}

impl From<RateCard> for RateCardBody {
    fn from(card: RateCard) -> RateCardBody {
        RateCardBody {
            sid: card.sid,
            country_code: card.country,
            country_name: card.country.name(),
            operator: card.operator,
            networks: card.networks.into_iter().map(NetworkBody::from).collect(),
            price_per_sms: card.price_per_sms,
            currency: card.currency,
            effective_from: card.effective_from,
            notes: card.notes,
        }
    }
}
