//! Defines rate cards: the price of a segment to a country or operator from a day on.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::fields::FieldError;
use crate::domain::values::money::Money;
use crate::domain::values::sid::RateCardSid;
use crate::domain::values::text::OperatorName;

/// A rate card: one price row. Rows are append-only: a new price is a new row with a later `effective_from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateCard {
    pub sid: RateCardSid,
    pub country: CountryCode,
    /// Empty on a card for the whole country.
    pub operator: String,
    /// The operator's networks; empty on a card for the whole country.
    pub networks: Vec<Network>,
    pub price_per_sms: Money,
    pub currency: Currency,
    /// The first day, in the billing time zone, on which the price applies.
    pub effective_from: NaiveDate,
    pub notes: String,
}

/// A mobile network by the codes of ITU-T E.212. An operator may have several, in the United States even under several
/// country codes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Network {
    /// Mobile country code: three digits.
    pub mcc: String,
    /// Mobile network code: two or three digits.
    pub mnc: String,
}

impl Network {
    /// The network of two codes as a caller gives them; `None` where neither is given.
    ///
    /// # Errors
    /// The code at fault, and what it must be.
    pub fn from_codes(mcc: Option<String>, mnc: Option<String>) -> Result<Option<Network>, FieldError> {
        match (mcc, mnc) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(FieldError::new("mnc", "is missing: mcc and mnc name a network together")),
            (None, Some(_)) => Err(FieldError::new("mcc", "is missing: mcc and mnc name a network together")),
            (Some(mcc), _) if !are_digits(&mcc, &[3]) => {
                Err(FieldError::new("mcc", "must be three digits, such as 639"))
            }
            (_, Some(mnc)) if !are_digits(&mnc, &[2, 3]) => {
                Err(FieldError::new("mnc", "must be two or three digits, such as 02"))
            }
            (Some(mcc), Some(mnc)) => Ok(Some(Network { mcc, mnc })),
        }
    }
}

fn are_digits(text: &str, lengths: &[usize]) -> bool {
    lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Filters on cards.
#[derive(Clone, Debug, Default)]
pub struct RateCardFilter {
    pub country: Option<CountryCode>,
    pub operator: Option<OperatorName>,
}

impl RateCard {
    /// The key that equal operators share: the name without regard to case.
    pub fn operator_key(&self) -> String {
        OperatorName::key(&self.operator)
    }

    /// Checks a card.
    ///
    /// # Errors
    /// A sentence on the first rule the card breaks.
    pub fn validate(&self) -> Result<(), String> {
        if self.price_per_sms.is_negative() {
            return Err(format!("price_per_sms {} is below zero", self.price_per_sms));
        }
        let is_network = |network: &&Network| are_digits(&network.mcc, &[3]) && are_digits(&network.mnc, &[2, 3]);
        if let Some(Network { mcc, mnc }) = self.networks.iter().find(|network| !is_network(network)) {
            return Err(format!("{mcc}-{mnc} is no network: the MCC has three digits, the MNC two or three"));
        }
        Ok(())
    }
}
