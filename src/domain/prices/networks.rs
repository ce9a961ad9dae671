//! Finds the country and operator of mobile network codes (MCC and MNC, ITU-T E.212).

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::domain::values::countries::CountryCode;

/// One network, or one mobile country code with its country, a line. `#` starts a comment.
const NETWORKS: &str = include_str!("../../../seeds/networks.txt");

/// By mobile country code and network code; a country code's own row has an empty network code. A malformed line, which
/// the tests let nobody commit, would be left out.
static BY_CODES: LazyLock<HashMap<(&str, &str), NetworkMatch>> = LazyLock::new(|| lines().filter_map(parse).collect());

/// The country and operator of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkMatch {
    pub country: CountryCode,
    /// `None` where the data names none.
    pub operator: Option<&'static str>,
}

/// Finds the network with these codes, three digits and two or three; of an unknown one the country alone. Network
/// codes are compared as text: `01` and `001` are two networks. `None` where the country code belongs to no country.
pub fn find(mcc: &str, mnc: &str) -> Option<NetworkMatch> {
    BY_CODES.get(&(mcc, mnc)).or_else(|| BY_CODES.get(&(mcc, ""))).copied()
}

fn lines() -> impl Iterator<Item = &'static str> {
    NETWORKS.lines().filter(|line| !line.starts_with('#'))
}

/// Reads `639 KE`, `310 370 GU` or `639 02 KE Safaricom`.
fn parse(line: &'static str) -> Option<((&'static str, &'static str), NetworkMatch)> {
    let (mcc, rest) = line.split_once(' ')?;
    let (mnc, rest) = rest.split_once(' ').map_or((None, rest), |(mnc, rest)| (Some(mnc), rest));
    let (country, operator) = rest.split_once(' ').map_or((rest, None), |(country, name)| (country, Some(name)));
    let has_good_codes = is_code(mcc, 3..=3) && mnc.is_none_or(|mnc| is_code(mnc, 2..=3));
    let has_good_operator = operator.is_none_or(|name| !name.is_empty() && name.trim() == name);
    let found = NetworkMatch { country: country.parse().ok()?, operator };
    (has_good_codes && has_good_operator).then_some(((mcc, mnc.unwrap_or_default()), found))
}

fn is_code(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    static ROWS: LazyLock<Vec<((&str, &str), NetworkMatch)>> = LazyLock::new(|| lines().filter_map(parse).collect());

    fn told(mcc: &str, mnc: &str) -> Option<(&'static str, &'static str)> {
        find(mcc, mnc).map(|found| (found.country.as_str(), found.operator.unwrap_or_default()))
    }

    #[test]
    fn every_line_is_read_once_and_in_order() {
        for line in lines() {
            assert!(parse(line).is_some(), "malformed: {line}");
        }
        assert!(ROWS.len() > 500);
        assert!(ROWS.is_sorted_by(|(a, _), (b, _)| a < b), "sorted by codes, each once");
    }

    #[test]
    fn malformed_lines_are_left_out() {
        let codes = ["63 KE", "6390 KE", "63x KE", "639 2 KE", "639 0002 KE", "639 0x KE", "639  KE"];
        let rest =
            ["", "639", "639 XX", "639 KE Safaricom", "639 02", "639 02 KE ", "639 02 KE  MTN", "639 02 KE MTN "];
        for line in codes.into_iter().chain(rest) {
            assert!(parse(line).is_none(), "{line:?}");
        }
    }

    #[test]
    fn every_network_belongs_to_a_known_country_code_and_says_something_of_its_own() {
        for ((mcc, mnc), found) in ROWS.iter().filter(|((_, mnc), _)| !mnc.is_empty()) {
            let country = BY_CODES.get(&(*mcc, "")).map(|found| found.country);
            assert!(country.is_some(), "{mcc}");
            assert!(found.operator.is_some() || country != Some(found.country), "{mcc}-{mnc}");
        }
    }

    #[test]
    fn the_seeded_rate_cards_agree() {
        let cards: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../../seeds/rate_cards.json")).expect("the cards are JSON");
        for card in cards {
            let expected = (card["country_code"].as_str(), card["operator"].as_str());
            for network in card["networks"].as_array().expect("a list of networks") {
                let (mcc, mnc) = (network["mcc"].as_str().expect("an MCC"), network["mnc"].as_str().expect("an MNC"));
                let (country, operator) = told(mcc, mnc).expect("a known network");
                assert_eq!((Some(country), Some(operator)), expected, "{mcc}-{mnc}");
            }
        }
    }

    #[test]
    fn every_country_with_a_network_of_its_own_is_there() {
        let reached: BTreeSet<&str> = ROWS.iter().map(|(_, found)| found.country.as_str()).collect();
        let missing: Vec<&str> = include_str!("../../../seeds/countries.txt")
            .lines()
            .map(|line| &line[..2])
            .filter(|code| !reached.contains(code))
            .collect();
        // These are uninhabited or use the networks of a neighbour.
        assert_eq!(missing, ["AQ", "BL", "BV", "CC", "CX", "EH", "GS", "HM", "IO", "PN", "SJ", "TF", "UM"]);
    }

    #[rstest]
    #[case("639", "02", "KE", "Safaricom")]
    #[case("639", "03", "KE", "Airtel")]
    #[case("639", "06", "KE", "Equitel")]
    #[case("639", "07", "KE", "Telkom")]
    #[case("641", "10", "UG", "MTN")]
    #[case("641", "01", "UG", "Airtel")]
    #[case("640", "04", "TZ", "Vodacom")]
    #[case("640", "05", "TZ", "Airtel")]
    #[case("635", "10", "RW", "MTN")]
    #[case("635", "13", "RW", "Airtel")]
    #[case("636", "01", "ET", "Ethio Telecom")]
    #[case("621", "30", "NG", "MTN")]
    #[case("621", "20", "NG", "Airtel")]
    #[case("621", "50", "NG", "Glo")]
    #[case("234", "15", "GB", "Vodafone")]
    #[case("234", "10", "GB", "O2")]
    #[case("234", "20", "GB", "Three")]
    #[case("234", "30", "GB", "EE")]
    #[case("310", "410", "US", "AT&T")]
    #[case("313", "100", "US", "AT&T")]
    #[case("311", "480", "US", "Verizon")]
    #[case("310", "004", "US", "Verizon")]
    #[case("310", "260", "US", "T-Mobile")]
    #[case("312", "530", "US", "T-Mobile")]
    fn operators(#[case] mcc: &str, #[case] mnc: &str, #[case] country: &str, #[case] operator: &str) {
        assert_eq!(told(mcc, mnc), Some((country, operator)));
    }

    #[rstest]
    #[case("310", "140", "GU")]
    #[case("310", "110", "MP")]
    #[case("311", "470", "VI")]
    #[case("311", "780", "AS")]
    #[case("330", "110", "PR")]
    #[case("338", "050", "JM")]
    #[case("234", "55", "GG")]
    #[case("234", "50", "JE")]
    #[case("234", "58", "IM")]
    #[case("244", "14", "AX")]
    #[case("340", "01", "GP")]
    #[case("340", "12", "MQ")]
    #[case("362", "69", "CW")]
    #[case("362", "51", "SX")]
    #[case("362", "78", "BQ")]
    #[case("425", "01", "IL")]
    #[case("425", "05", "PS")]
    #[case("505", "10", "NF")]
    #[case("647", "03", "RE")]
    #[case("647", "02", "YT")]
    #[case("225", "01", "VA")]
    fn a_network_can_be_outside_the_country_of_its_code(#[case] mcc: &str, #[case] mnc: &str, #[case] country: &str) {
        assert_eq!(told(mcc, mnc), Some((country, "")));
    }

    #[rstest]
    #[case("639", "99")]
    #[case("639", "002")] // not 02
    #[case("639", "2")]
    #[case("639", "")]
    fn an_unknown_network_has_its_codes_country(#[case] mcc: &str, #[case] mnc: &str) {
        assert_eq!(told(mcc, mnc), Some(("KE", "")));
    }

    #[rstest]
    #[case("901", "01")] // international networks
    #[case("001", "01")] // a test network
    #[case("221", "01")] // Kosovo, to which ISO 3166-1 assigns no code
    #[case("000", "00")]
    #[case("", "")]
    #[case("", "02")]
    #[case("6390", "2")]
    #[case("KE", "02")]
    fn an_unknown_country_code_is_nobodys(#[case] mcc: &str, #[case] mnc: &str) {
        assert_eq!(told(mcc, mnc), None);
    }

    proptest! {
        #![proptest_config(crate::repetition::cases(2_000))]

        #[test]
        fn agrees_with_a_scan_of_every_row(
            (mcc, mnc) in prop_oneof![
                "[2-7][0-9]{2}".prop_flat_map(|mcc| (Just(mcc), "[0-9]{2,3}")),
                any::<prop::sample::Index>().prop_flat_map(|index| {
                    let ((mcc, mnc), _) = *index.get(ROWS.as_slice());
                    (Just(mcc.to_owned()), prop_oneof![Just(mnc.to_owned()), "[0-9]{2,3}"])
                }),
            ]
        ) {
            let scan = |mnc: &str| ROWS.iter().find(|(codes, _)| *codes == (mcc.as_str(), mnc)).map(|(_, found)| *found);
            prop_assert_eq!(find(&mcc, &mnc), scan(&mnc).or_else(|| scan("")));
        }
    }
}
