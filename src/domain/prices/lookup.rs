//! Identifies the destination of a message from the number, network codes or country a caller gives.

use super::destinations::{Destination, MatchedBy};
use super::phone_numbers::PhoneNumber;
use super::rate_cards::Network;
use super::rating::PriceBook;
use super::{networks, prefixes};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::fields::FieldError;
use crate::domain::values::text::OperatorName;
use crate::domain::values::time::Timestamp;

/// The details that a caller gives to identify a destination.
#[derive(Clone, Debug, Default)]
pub struct GivenDestination {
    pub to: Option<PhoneNumber>,
    pub country: Option<CountryCode>,
    pub operator: Option<OperatorName>,
    pub network: Option<Network>,
}

impl GivenDestination {
    /// Identifies the destination: by MCC and MNC, else by country and operator as given, else by the number's prefix.
    /// The operator is spelled as on its rate card, where one is in force at that time.
    ///
    /// # Errors
    /// [`FieldError`] where nothing given identifies a country.
    pub fn resolve(&self, book: &PriceBook, at: Timestamp) -> Result<Destination, FieldError> {
        if let Some(network) = &self.network {
            return self.by_network(network, book, at);
        }
        let by_prefix = self.to.as_ref().and_then(prefixes::find);
        match (self.country, &self.operator, by_prefix) {
            (Some(country), None, Some(found)) if found.country == country && found.operator.is_some() => {
                Ok(by_number(&found, book, at))
            }
            (Some(country), operator, _) => Ok(given(country, operator.as_ref(), book, at)),
            (None, Some(operator), Some(found)) => Ok(given(found.country, Some(operator), book, at)),
            (None, None, Some(found)) => Ok(by_number(&found, book, at)),
            (None, _, None) if self.to.is_some() => {
                Err(FieldError::new("to", "has a prefix that belongs to no country; give country_code, or mcc and mnc"))
            }
            (None, Some(_), None) => {
                Err(FieldError::new("country_code", "is missing: an operator is one of a country"))
            }
            (None, None, None) => {
                Err(FieldError::new("to", "is missing; give it, or country_code and operator, or mcc and mnc"))
            }
        }
    }

    fn by_network(&self, network: &Network, book: &PriceBook, at: Timestamp) -> Result<Destination, FieldError> {
        let (country, operator) = match book.network(network, at) {
            Some((country, operator)) => (country, operator),
            None => match networks::find(&network.mcc, &network.mnc) {
                Some(found) => {
                    let named = found.operator.or(self.operator.as_ref().map(OperatorName::as_str));
                    (found.country, book.spelling(found.country, named.unwrap_or_default(), at))
                }
                None => {
                    let problem = format!("{} is no mobile country code that ITU-T E.212 assigns", network.mcc);
                    return Err(FieldError::new("mcc", problem));
                }
            },
        };
        let matched = format!("{}-{}", network.mcc, network.mnc).into();
        Ok(Destination { country, operator, matched_by: MatchedBy::Network, matched })
    }
}

fn given(country: CountryCode, operator: Option<&OperatorName>, book: &PriceBook, at: Timestamp) -> Destination {
    let operator = book.spelling(country, operator.map_or("", OperatorName::as_str), at);
    let matched = if operator.is_empty() { country.as_str().into() } else { format!("{country} {operator}").into() };
    Destination { country, operator, matched_by: MatchedBy::Given, matched }
}

fn by_number(found: &prefixes::PrefixMatch, book: &PriceBook, at: Timestamp) -> Destination {
    let operator = book.spelling(found.country, found.operator.unwrap_or_default(), at);
    Destination { country: found.country, operator, matched_by: MatchedBy::Prefix, matched: found.prefix.into() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::prices::rate_cards::RateCard;
    use crate::domain::prices::rating::fixtures::{UTC, at, card, country, network};

    /// What a caller gives: number, country, operator and network, each empty where it is not given.
    type Given<'a> = (&'a str, &'a str, &'a str, &'a str);

    fn resolve(given: Given<'_>) -> Result<Destination, String> {
        fn read<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> Option<T> {
            (!text.is_empty()).then(|| text.parse().expect("a value that parses"))
        }
        let moved = RateCard { networks: vec![network("639", "03")], ..card(1, "KE", "Faiba", "0.02") };
        let cards = vec![moved, card(2, "KE", "SAFARICOM", "0.02")];
        let network = given.3.split_once('-').map(|(mcc, mnc)| network(mcc, mnc));
        GivenDestination { to: read(given.0), country: read(given.1), operator: read(given.2), network }
            .resolve(&PriceBook::new(vec![], cards, UTC), at("2026-03-10T12:00:00Z"))
            .map_err(|unknown| unknown.field)
    }

    const SAFARICOM: &str = "+254712345678";
    const JAMAICA: &str = "+18765550123";
    /// A Kenyan number of no mobile operator.
    const NAIROBI: &str = "+254202345678";
    const FREEPHONE: &str = "+18005550123";

    /// What the gateway gives wins over what a prefix says, and a network over all; operators are spelled as on a card.
    #[rstest]
    #[case::network_by_its_card_before_the_table(("", "", "", "639-03"), "KE", "Faiba", MatchedBy::Network, "639-03")]
    #[case::network_by_the_table(("", "", "", "639-02"), "KE", "SAFARICOM", MatchedBy::Network, "639-02")]
    #[case::network_over_all(("+256772345678", "TZ", "Vodacom", "639-03"), "KE", "Faiba", MatchedBy::Network, "639-03")]
    #[case::network_of_a_country_alone(("", "", "", "639-999"), "KE", "", MatchedBy::Network, "639-999")]
    #[case::network_with_an_operator(("", "", "safaricom", "639-999"), "KE", "SAFARICOM", MatchedBy::Network, "639-999")]
    #[case::country_and_operator(("", "KE", "safaricom", ""), "KE", "SAFARICOM", MatchedBy::Given, "KE SAFARICOM")]
    #[case::a_ported_number((SAFARICOM, "KE", "Airtel", ""), "KE", "Airtel", MatchedBy::Given, "KE Airtel")]
    #[case::another_country((SAFARICOM, "UG", "", ""), "UG", "", MatchedBy::Given, "UG")]
    #[case::a_country_that_the_number_refines((SAFARICOM, "KE", "", ""), "KE", "SAFARICOM", MatchedBy::Prefix, "25471")]
    #[case::a_country_that_it_does_not((NAIROBI, "KE", "", ""), "KE", "", MatchedBy::Given, "KE")]
    #[case::country_alone(("", "KE", "", ""), "KE", "", MatchedBy::Given, "KE")]
    #[case::operator_in_the_numbers_country((SAFARICOM, "", "airtel", ""), "KE", "airtel", MatchedBy::Given, "KE airtel")]
    #[case::number((SAFARICOM, "", "", ""), "KE", "SAFARICOM", MatchedBy::Prefix, "25471")]
    #[case::number_of_no_operator((NAIROBI, "", "", ""), "KE", "", MatchedBy::Prefix, "254")]
    #[case::jamaica_is_not_the_united_states((JAMAICA, "", "", ""), "JM", "", MatchedBy::Prefix, "1876")]
    #[case::number_of_nobody_in_a_given_country((FREEPHONE, "US", "", ""), "US", "", MatchedBy::Given, "US")]
    fn tells(
        #[case] given: Given<'_>,
        #[case] code: &str,
        #[case] operator: &str,
        #[case] matched_by: MatchedBy,
        #[case] matched: &str,
    ) {
        let expected =
            Destination { country: country(code), operator: operator.into(), matched_by, matched: matched.into() };
        assert_eq!(resolve(given), Ok(expected));
    }

    #[rstest]
    #[case::nothing(("", "", "", ""), "to")]
    #[case::number_of_nobody((FREEPHONE, "", "", ""), "to")]
    #[case::number_of_nobody_with_an_operator((FREEPHONE, "", "AT&T", ""), "to")]
    #[case::operator_alone(("", "", "Safaricom", ""), "country_code")]
    #[case::no_such_network_even_with_a_country((SAFARICOM, "KE", "Safaricom", "999-01"), "mcc")]
    fn does_not_guess(#[case] given: Given<'_>, #[case] field: &str) {
        assert_eq!(resolve(given), Err(field.to_owned()));
    }
}
