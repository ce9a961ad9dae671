//! Computes the tax on an invoice by the tax rate of the buyer's country.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{BasisPoints, Money, MoneyError};

/// The tax rates by country.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaxRates(Arc<BTreeMap<&'static str, BasisPoints>>);

impl TaxRates {
    /// The rate of a country; zero where the country is unknown or has none.
    pub fn of(&self, country: Option<CountryCode>) -> BasisPoints {
        country.and_then(|country| self.0.get(country.as_str())).copied().unwrap_or(BasisPoints::ZERO)
    }
}

/// Reads `KE:16,UG:18.5`: countries and percent with at most two decimals. An empty text is no tax at all.
impl FromStr for TaxRates {
    type Err = String;

    fn from_str(text: &str) -> Result<TaxRates, String> {
        let wrong = || "must be a list of countries and percent such as KE:16,UG:18.5".to_owned();
        let mut rates = BTreeMap::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (country, percent) = part.split_once(':').ok_or_else(wrong)?;
            let country: CountryCode = country.trim().parse().map_err(|_| wrong())?;
            let rate = BasisPoints::parse_percent(percent.trim()).map_err(|_| wrong())?;
            if !rate.is_share() {
                return Err(format!("must have rates from 0 to 100 percent, also for {country}"));
            }
            if rates.insert(country.as_str(), rate).is_some() {
                return Err(format!("must name each country once, and names {country} twice"));
            }
        }
        Ok(TaxRates(Arc::new(rates)))
    }
}

impl fmt::Display for TaxRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates: Vec<String> = self.0.iter().map(|(country, rate)| format!("{country}:{rate}")).collect();
        f.write_str(&rates.join(","))
    }
}

/// The tax of an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tax {
    pub rate: BasisPoints,
    pub amount: Money,
    /// Whether the total contains it; else it comes on top of the amount due.
    pub is_included: bool,
}

impl Default for Tax {
    fn default() -> Tax {
        Tax::NONE
    }
}

impl Tax {
    pub const NONE: Tax = Tax { rate: BasisPoints::ZERO, amount: Money::ZERO, is_included: true };

    /// The tax contained in an amount: `amount × r / (1 + r)`, rounded once, half up, to the currency's decimals.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] outside the range of money.
    pub fn included_in(amount: Money, rate: BasisPoints, currency: Currency) -> Result<Tax, MoneyError> {
        let whole = BasisPoints::WHOLE.get().saturating_add(rate.get());
        Ok(Tax { rate, amount: amount.fraction(rate.get(), whole, currency.exponent())?, is_included: true })
    }

    /// The tax on top of an amount: `amount × r`, rounded once, half up, to the currency's decimals.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] outside the range of money.
    pub fn on_top_of(amount: Money, rate: BasisPoints, currency: Currency) -> Result<Tax, MoneyError> {
        let tax = amount.fraction(rate.get(), BasisPoints::WHOLE.get(), currency.exponent())?;
        Ok(Tax { rate, amount: tax, is_included: false })
    }

    /// Whether there is any tax.
    pub fn is_any(self) -> bool {
        self.rate != BasisPoints::ZERO
    }

    /// The tax that comes on top of the net; zero where it is included.
    pub fn added(self) -> Money {
        if self.is_included { Money::ZERO } else { self.amount }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "")]
    #[case("KE:16", "KE:16")]
    #[case(" ug:18.25 , KE:16,", "KE:16,UG:18.25")]
    #[case("KE:0", "KE:0")]
    #[case("KE:100", "KE:100")]
    fn rates_are_read(#[case] text: &str, #[case] read: &str) {
        assert_eq!(text.parse::<TaxRates>().map(|rates| rates.to_string()), Ok(read.to_owned()));
    }

    #[rstest]
    #[case("KE")]
    #[case("KE=16")]
    #[case("XX:16")]
    #[case("KE:sixteen")]
    #[case("KE:16.125")]
    #[case("KE:-1")]
    #[case("KE:100.01")]
    #[case("KE:16,ke:18")]
    fn rates_that_are_none(#[case] text: &str) {
        assert!(text.parse::<TaxRates>().is_err(), "{text}");
    }

    #[rstest]
    #[case("USD", "116", "16", "16")]
    #[case("USD", "100", "16", "13.79")] // 13.7931…
    #[case("USD", "0.04", "16", "0.01")] // 0.0055…
    #[case("UGX", "107", "18", "16")] // 16.32…
    #[case("USD", "-1.16", "16", "-0.16")]
    #[case("USD", "5", "0", "0")]
    fn tax_that_is_included(#[case] currency: &str, #[case] total: &str, #[case] rate: &str, #[case] tax: &str) {
        let (currency, total) = (currency.parse().expect("a currency"), Money::parse(total).expect("an amount"));
        let rate = BasisPoints::parse_percent(rate).expect("a rate");
        let amount = Tax::included_in(total, rate, currency).map(|tax| tax.amount);
        assert_eq!(amount, Money::parse(tax));
    }

    #[rstest]
    #[case("USD", "100", "16", "16")]
    #[case("USD", "0.03", "16.5", "0")] // 0.00495
    #[case("USD", "0.05", "10", "0.01")] // 0.005: half up
    #[case("UGX", "106.5", "18", "19")] // 19.17
    fn tax_that_is_added(#[case] currency: &str, #[case] net: &str, #[case] rate: &str, #[case] tax: &str) {
        let (currency, net) = (currency.parse().expect("a currency"), Money::parse(net).expect("an amount"));
        let rate = BasisPoints::parse_percent(rate).expect("a rate");
        assert_eq!(Tax::on_top_of(net, rate, currency).map(Tax::added), Money::parse(tax));
    }
}
