//! Defines currencies (ISO 4217) and their decimal places.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::named_enum::deserialize_from_str;

/// A currency that money is kept in: an ISO 4217 code with decimals of its own (`XAU`, `XXX` and their like have none).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// The number of decimals on an invoice in this currency: USD 2, UGX and RWF 0, KWD 3.
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(2, u32::from)
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Currency, String> {
        iso_currency::Currency::from_code(&text.to_ascii_uppercase())
            .filter(|currency| currency.exponent().is_some())
            .map(Currency)
            .ok_or_else(|| "must be an ISO 4217 currency code such as USD or KES".to_owned())
    }
}

deserialize_from_str!(Currency);

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("USD", 2)]
    #[case("kes", 2)]
    #[case("UGX", 0)]
    #[case("RWF", 0)]
    #[case("TZS", 2)]
    #[case("ETB", 2)]
    #[case("KWD", 3)]
    fn decimals_of_iso_4217(#[case] code: &str, #[case] exponent: u32) {
        assert_eq!(code.parse::<Currency>().map(Currency::exponent), Ok(exponent));
    }

    #[rstest]
    #[case("")]
    #[case("DOLLAR")]
    #[case("XXX")]
    #[case("US")]
    fn no_currency(#[case] code: &str) {
        assert!(code.parse::<Currency>().is_err());
    }
}
