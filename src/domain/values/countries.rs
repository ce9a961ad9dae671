//! Defines country codes (ISO 3166-1).

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::Serialize;

use super::named_enum::deserialize_from_str;

/// One country a line, sorted: the alpha-2 code, a blank, the short English name.
const COUNTRIES: &str = include_str!("../../../seeds/countries.txt");

/// An officially assigned ISO 3166-1 alpha-2 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountryCode(&'static str);

impl CountryCode {
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The common short name in English: `United Kingdom`.
    pub fn name(self) -> &'static str {
        find(self.0).map_or(self.0, |(_, name)| name)
    }
}

/// A row of the table: the code and the name.
type Country = (&'static str, &'static str);

/// Found by its letters, because every message names a country.
fn find(code: &str) -> Option<Country> {
    static BY_LETTERS: LazyLock<Vec<Option<Country>>> = LazyLock::new(|| {
        let mut places = vec![None; 26 * 26];
        for country in COUNTRIES.lines().filter_map(|line| line.split_once(' ')) {
            if let Some(place) = place_of(country.0).and_then(|place| places.get_mut(place)) {
                *place = Some(country);
            }
        }
        places
    });
    *BY_LETTERS.get(place_of(code)?)?
}

fn place_of(code: &str) -> Option<usize> {
    let letter = |byte: u8| byte.is_ascii_uppercase().then(|| usize::from(byte - b'A'));
    let [first, second] = code.as_bytes() else { return None };
    Some(letter(*first)? * 26 + letter(*second)?)
}

impl FromStr for CountryCode {
    type Err = String;

    fn from_str(text: &str) -> Result<CountryCode, String> {
        find(&text.to_ascii_uppercase())
            .map(|(code, _)| CountryCode(code))
            .ok_or_else(|| "must be a two-letter country code that ISO 3166-1 assigns, such as KE".to_owned())
    }
}

deserialize_from_str!(CountryCode);

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for CountryCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_once_and_in_order() {
        let codes: Vec<&str> = COUNTRIES.lines().map(|line| &line[..2]).collect();
        assert_eq!(codes.len(), 249, "ISO 3166-1 assigns 249 codes");
        assert!(codes.is_sorted_by(|a, b| a < b));
        assert!(COUNTRIES.lines().all(|line| line.len() > 3 && line.as_bytes()[2] == b' '));
    }

    #[test]
    fn codes_and_names() {
        assert_eq!("gb".parse::<CountryCode>().map(CountryCode::name), Ok("United Kingdom"));
        for unassigned in ["", "UK", "XX", "Kenya", "KE "] {
            assert!(unassigned.parse::<CountryCode>().is_err(), "{unassigned}");
        }
    }
}
