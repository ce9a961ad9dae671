//! Finds the country, and for some countries the operator, of a phone number by its prefix.

use std::sync::LazyLock;

use super::phone_numbers::PhoneNumber;
use crate::domain::values::countries::CountryCode;

/// One prefix a line, sorted: digits, a country and perhaps an operator, with blanks between. `#` starts a comment.
const PREFIXES: &str = include_str!("../../../seeds/prefixes.txt");

static TRIE: LazyLock<Trie> = LazyLock::new(|| Trie::of(rows()));

/// The country and operator of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixMatch {
    pub country: CountryCode,
    /// `None` where the data names none. A ported number is no longer with the operator named.
    pub operator: Option<&'static str>,
    /// The digits that matched.
    pub prefix: &'static str,
}

/// The longest prefix of the number that names an operator, else the longest that names a country. `None` where the
/// number is in no country: an unassigned area code, a freephone number of +1, a satellite network.
pub fn find(number: &PhoneNumber) -> Option<PrefixMatch> {
    TRIE.find(number.digits())
}

/// The rows of the data. A malformed line, which the tests let nobody commit, would be left out.
fn rows() -> impl Iterator<Item = PrefixMatch> {
    lines().filter_map(parse)
}

fn lines() -> impl Iterator<Item = &'static str> {
    PREFIXES.lines().filter(|line| !line.starts_with('#'))
}

fn parse(line: &'static str) -> Option<PrefixMatch> {
    let mut fields = line.splitn(3, ' ');
    let (prefix, country, operator) = (fields.next()?, fields.next()?, fields.next());
    let has_digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
    let has_good_operator = operator.is_none_or(|name| !name.is_empty() && name.trim() == name);
    let country = country.parse().ok()?;
    (has_digits && has_good_operator).then_some(PrefixMatch { country, operator, prefix })
}

/// A trie over digits. A message is rated by a walk of at most fifteen steps through a few dozen kilobytes, without an
/// allocation.
struct Trie {
    /// The root first.
    nodes: Vec<Node>,
    rows: Vec<PrefixMatch>,
}

/// Narrow numbers keep the trie in the processor's cache.
#[derive(Clone, Copy, Default)]
struct Node {
    /// Indexes in `nodes`, by digit. 0 is none: the root is nobody's child.
    children: [u16; 10],
    /// An index in `rows` plus one. 0 is none.
    row: u16,
}

impl Trie {
    fn of(rows: impl Iterator<Item = PrefixMatch>) -> Trie {
        let mut trie = Trie { nodes: vec![Node::default()], rows: Vec::new() };
        for row in rows {
            // What the trie is too narrow for is left out, and missed by a test.
            let _ = trie.insert(row);
        }
        trie
    }

    fn insert(&mut self, row: PrefixMatch) -> Option<()> {
        let mut at = 0;
        for byte in row.prefix.bytes() {
            let next = u16::try_from(self.nodes.len()).ok()?;
            let child = self.nodes.get_mut(at)?.children.get_mut(digit(byte))?;
            if *child == 0 {
                *child = next;
                at = usize::from(next);
                self.nodes.push(Node::default());
            } else {
                at = usize::from(*child);
            }
        }
        self.rows.push(row);
        self.nodes.get_mut(at)?.row = u16::try_from(self.rows.len()).ok()?;
        Some(())
    }

    fn find(&self, digits: &str) -> Option<PrefixMatch> {
        let mut best: Option<&PrefixMatch> = None;
        let mut node = self.nodes.first()?;
        for byte in digits.bytes() {
            let child = node.children.get(digit(byte)).copied().filter(|child| *child != 0);
            let Some(next) = child.and_then(|child| self.nodes.get(usize::from(child))) else { break };
            node = next;
            let row = usize::from(node.row).checked_sub(1).and_then(|place| self.rows.get(place));
            // A longer prefix wins, unless it would trade an operator for a country alone.
            if let Some(row) = row
                && (row.operator.is_some() || best.is_none_or(|best| best.operator.is_none()))
            {
                best = Some(row);
            }
        }
        best.copied()
    }
}

/// The digit's value, and of any other byte something past the last digit.
fn digit(byte: u8) -> usize {
    usize::from(byte.wrapping_sub(b'0'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn number(text: &str) -> PhoneNumber {
        text.parse().expect("an international number")
    }

    /// Country, operator and prefix of a number; none of them where it is in no country.
    fn told(text: &str) -> (&'static str, &'static str, &'static str) {
        find(&number(text))
            .map_or(("", "", ""), |found| (found.country.as_str(), found.operator.unwrap_or_default(), found.prefix))
    }

    #[test]
    fn every_line_is_read_once_and_in_order() {
        for line in lines() {
            assert!(parse(line).is_some(), "malformed: {line}");
        }
        let prefixes: Vec<&str> = rows().map(|row| row.prefix).collect();
        assert!(prefixes.len() > 1_000);
        assert!(prefixes.is_sorted_by(|a, b| a < b), "sorted by digits, each once");
        assert!(prefixes.iter().all(|prefix| prefix.len() <= 15 && !prefix.starts_with('0')));
    }

    #[test]
    fn malformed_lines_are_left_out() {
        for line in ["", "254", "254 UK", "25x KE", " KE", "254  KE", "254 KE ", "254 KE  MTN", "254 KE MTN "] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn every_row_is_found_by_its_own_digits() {
        for row in rows() {
            assert_eq!(TRIE.find(row.prefix), Some(row));
        }
    }

    #[test]
    fn under_an_operators_prefix_there_is_one_country() {
        let operators: Vec<PrefixMatch> = rows().filter(|row| row.operator.is_some()).collect();
        for row in rows() {
            for above in operators.iter().filter(|above| row.prefix.starts_with(above.prefix)) {
                assert_eq!(row.country, above.country, "{} under {}", row.prefix, above.prefix);
            }
        }
    }

    #[test]
    fn every_country_with_numbers_of_its_own_is_there() {
        let reached: BTreeSet<&str> = rows().map(|row| row.country.as_str()).collect();
        let missing: Vec<&str> = include_str!("../../../seeds/countries.txt")
            .lines()
            .map(|line| &line[..2])
            .filter(|code| !reached.contains(code))
            .collect();
        // These are uninhabited or share the numbers of a neighbour.
        assert_eq!(missing, ["AQ", "BV", "GS", "HM", "PN", "TF", "UM"]);
    }

    #[test]
    fn operators_are_named_where_the_rate_cards_name_them() {
        let named: BTreeSet<(&str, &str)> =
            rows().filter_map(|row| Some((row.country.as_str(), row.operator?))).collect();
        let countries: BTreeSet<&str> = named.iter().map(|(country, _)| *country).collect();
        assert_eq!(countries, BTreeSet::from(["ET", "GB", "KE", "NG", "RW", "TZ", "UG"]));
        let cards: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../../seeds/rate_cards.json")).expect("the cards are JSON");
        for card in cards {
            let country = card["country_code"].as_str().expect("a country");
            let operator = card["operator"].as_str().unwrap_or_default();
            if countries.contains(country) && !operator.is_empty() {
                assert!(named.contains(&(country, operator)), "{country} {operator}");
            }
        }
    }

    #[rstest]
    #[case("+254712345678", "KE", "Safaricom", "25471")]
    #[case("+254110345678", "KE", "Safaricom", "25411")]
    #[case("+254733345678", "KE", "Airtel", "25473")]
    #[case("+254124345678", "KE", "Equitel", "254124")]
    #[case("+254772345678", "KE", "Telkom", "25477")]
    #[case("+254747345678", "KE", "JTL", "254747")]
    #[case("+254202345678", "KE", "", "254")]
    #[case("+256772345678", "UG", "MTN", "25677")]
    #[case("+256702345678", "UG", "Airtel", "25670")]
    #[case("+255752345678", "TZ", "Vodacom", "25575")]
    #[case("+255782345678", "TZ", "Airtel", "25578")]
    #[case("+255712345678", "TZ", "Yas", "25571")]
    #[case("+250782345678", "RW", "MTN", "25078")]
    #[case("+250732345678", "RW", "Airtel", "25073")]
    #[case("+251912345678", "ET", "Ethio Telecom", "2519")]
    #[case("+251712345678", "ET", "Safaricom", "2517")]
    #[case("+2348031234567", "NG", "MTN", "234803")]
    #[case("+2348021234567", "NG", "Airtel", "234802")]
    #[case("+2348051234567", "NG", "Glo", "234805")]
    #[case("+2348091234567", "NG", "9mobile", "234809")]
    #[case("+2347025123456", "NG", "MTN", "2347025")]
    fn african_operators(#[case] text: &str, #[case] country: &str, #[case] operator: &str, #[case] prefix: &str) {
        assert_eq!(told(text), (country, operator, prefix));
    }

    #[rstest]
    #[case("+447700900123", "GB", "O2")]
    #[case("+447778123456", "GB", "Vodafone")]
    #[case("+447782123456", "GB", "Three")]
    #[case("+442079460000", "GB", "")]
    #[case("+447781123456", "GG", "")]
    #[case("+447797123456", "JE", "")]
    #[case("+447624123456", "IM", "")]
    #[case("+441481123456", "GG", "")]
    #[case("+441534123456", "JE", "")]
    #[case("+447911123456", "GG", "")]
    fn british_isles(#[case] text: &str, #[case] country: &str, #[case] operator: &str) {
        let (found_country, found_operator, _) = told(text);
        assert_eq!((found_country, found_operator), (country, operator));
    }

    #[rstest]
    #[case("+18765550100", "JM")]
    #[case("+16585550100", "JM")]
    #[case("+12125550100", "US")]
    #[case("+19075550100", "US")] // Alaska
    #[case("+18085550100", "US")] // Hawaii
    #[case("+14165550100", "CA")]
    #[case("+18675550100", "CA")]
    #[case("+17875550100", "PR")]
    #[case("+19395550100", "PR")]
    #[case("+16715550100", "GU")]
    #[case("+16705550100", "MP")]
    #[case("+16845550100", "AS")]
    #[case("+13405550100", "VI")]
    #[case("+12845550100", "VG")]
    #[case("+12425550100", "BS")]
    #[case("+12465550100", "BB")]
    #[case("+18685550100", "TT")]
    #[case("+18095550100", "DO")]
    #[case("+18495550100", "DO")]
    #[case("+17215550100", "SX")]
    #[case("+18005550100", "")] // freephone, shared by all of +1
    #[case("+18885550100", "")]
    #[case("+19005550100", "")]
    #[case("+15005550100", "")]
    #[case("+17105550100", "")]
    #[case("+12115550100", "")] // assigned to nobody
    #[case("+19995550100", "")]
    #[case("+11235550100", "")]
    fn plus_one_goes_by_area_code(#[case] text: &str, #[case] country: &str) {
        let (found, operator, prefix) = told(text);
        assert_eq!((found, operator), (country, ""));
        assert!(prefix.is_empty() || text[1..].starts_with(prefix) && prefix.len() == 4, "{prefix}");
    }

    #[rstest]
    #[case("+79161234567", "RU")]
    #[case("+77011234567", "KZ")]
    #[case("+390612345678", "IT")]
    #[case("+390669812345", "VA")]
    #[case("+4790123456", "NO")]
    #[case("+4779123456", "SJ")]
    #[case("+61412345678", "AU")]
    #[case("+61891641234", "CX")]
    #[case("+61891621234", "CC")]
    #[case("+212612345678", "MA")]
    #[case("+212528812345", "EH")]
    #[case("+262692123456", "RE")]
    #[case("+262639123456", "YT")]
    #[case("+358401234567", "FI")]
    #[case("+3581812345", "AX")]
    #[case("+590690123456", "GP")]
    #[case("+590590271234", "BL")]
    #[case("+590590871234", "BL")]
    #[case("+590590511234", "BL")]
    #[case("+590590501234", "MF")]
    #[case("+59995181234", "CW")]
    #[case("+5993181234", "BQ")]
    #[case("+29022158", "SH")]
    #[case("+2908123", "SH")] // Tristan da Cunha
    #[case("+24740123", "SH")] // Ascension
    #[case("+38344123456", "")] // Kosovo, to which ISO 3166-1 assigns no code
    #[case("+870773123456", "")] // at sea
    #[case("+881612345678", "")] // by satellite
    #[case("+80012345678", "")]
    #[case("+2101234567", "")] // assigned to nobody
    fn shared_and_odd_calling_codes(#[case] text: &str, #[case] country: &str) {
        let (found, operator, _) = told(text);
        assert_eq!((found, operator), (country, ""));
    }

    #[test]
    fn an_operator_is_never_traded_for_a_country_alone() {
        let row = |prefix, operator| PrefixMatch { country: "KE".parse().expect("Kenya"), operator, prefix };
        let (kenya, mtn) = (row("254", None), row("2547", Some("MTN")));
        let trie = Trie::of([kenya, mtn, row("25471", None), row("254712", Some("Glo"))].into_iter());
        assert_eq!(trie.find("25461"), Some(kenya));
        assert_eq!(trie.find("254710"), Some(mtn));
        assert_eq!(trie.find("2547120").and_then(|found| found.operator), Some("Glo"));
        assert_eq!(trie.find("25"), None);
        assert_eq!(trie.find(""), None);
        assert_eq!(trie.find("254x"), Some(kenya));
        assert_eq!(Trie::of([].into_iter()).find("254"), None);
    }

    /// An independent reading of the rule: look at every row.
    fn by_hand(rows: &[PrefixMatch], digits: &str) -> Option<PrefixMatch> {
        let fitting = || rows.iter().filter(|row| digits.starts_with(row.prefix));
        fitting()
            .filter(|row| row.operator.is_some())
            .max_by_key(|row| row.prefix.len())
            .or_else(|| fitting().max_by_key(|row| row.prefix.len()))
            .copied()
    }

    static ROWS: LazyLock<Vec<PrefixMatch>> = LazyLock::new(|| rows().collect());

    /// Numbers that begin as a row does, or as the start of one, and numbers of all kinds.
    fn digits() -> impl Strategy<Value = String> {
        let near_a_row = (any::<prop::sample::Index>(), 0..3_usize, "[0-9]{14}").prop_map(|(index, cut, rest)| {
            let prefix = index.get(ROWS.as_slice()).prefix;
            let kept = prefix.len().saturating_sub(cut).max(1);
            format!("{}{rest}", &prefix[..kept])
        });
        (prop_oneof![4 => near_a_row, 1 => "[1-9][0-9]{14}"], 7..=15_usize).prop_map(|(mut digits, length)| {
            digits.truncate(length);
            digits
        })
    }

    proptest! {
        #![proptest_config(crate::repetition::cases(1_000))]

        #[test]
        fn agrees_with_a_scan_of_every_row(digits in digits()) {
            prop_assert_eq!(find(&number(&digits)), by_hand(&ROWS, &digits));
        }
    }
}
