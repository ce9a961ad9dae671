//! Parses and masks phone numbers (E.164).

use std::fmt;
use std::str::FromStr;

use crate::domain::values::named_enum::deserialize_from_str;

/// The most digits that E.164 allows, country code included.
const LONGEST: usize = 15;
/// Shorter texts are short codes or numbers without their country.
const SHORTEST: usize = 7;
/// The least digits that masking hides.
const HIDDEN: usize = 4;

/// An international number, such as +254712345678, stored inline, so that a copy costs no allocation.
///
/// A number identifies a person. It is shown whole only where it is asked for ([`PhoneNumber::digits`], `Display`);
/// `Debug`, and with it every log line, masks it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PhoneNumber {
    /// ASCII digits, with zero bytes after the last, so that equal numbers are equal byte for byte.
    bytes: [u8; LONGEST],
    length: u8,
}

impl PhoneNumber {
    /// The digits alone, country code first: `254712345678`.
    pub fn digits(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }

    /// The number as clients and logs see it: `+25471****678`. Of a short number less is shown, so that four digits are
    /// always hidden; the length stays true.
    pub fn masked(&self) -> String {
        let digits = self.digits();
        let shown = digits.len().saturating_sub(HIDDEN);
        let tail = 3.min(shown / 2);
        let head = 5.min(shown - tail);
        let hidden = digits.len() - head - tail;
        format!("+{}{}{}", &digits[..head], "*".repeat(hidden), &digits[head + hidden..])
    }
}

impl FromStr for PhoneNumber {
    type Err = String;

    /// Reads the usual notations: a leading `+` or `00` or neither, and blanks, hyphens, dots and parentheses between
    /// the digits. `(0)`, which only callers inside the country dial, is refused: it would be read as part of the
    /// number.
    fn from_str(text: &str) -> Result<PhoneNumber, String> {
        read(text).ok_or_else(|| "must be an international number such as +254712345678".to_owned())
    }
}

fn read(text: &str) -> Option<PhoneNumber> {
    let national = text.strip_prefix('+').or_else(|| text.strip_prefix("00")).unwrap_or(text);
    let starts_well = national.starts_with(|first: char| matches!(first, '1'..='9'));
    let ends_well = national.ends_with(|last: char| last.is_ascii_digit());
    if !starts_well || !ends_well || national.contains("(0)") {
        return None;
    }
    let (mut bytes, mut length) = ([0; LONGEST], 0);
    for byte in national.bytes() {
        match byte {
            b'0'..=b'9' => {
                *bytes.get_mut(length)? = byte;
                length += 1;
            }
            b' ' | b'-' | b'.' | b'(' | b')' => {}
            _ => return None,
        }
    }
    let length = u8::try_from(length).ok().filter(|length| usize::from(*length) >= SHORTEST)?;
    Some(PhoneNumber { bytes, length })
}

deserialize_from_str!(PhoneNumber);

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.digits())
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PhoneNumber({})", self.masked())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn number(text: &str) -> PhoneNumber {
        text.parse().expect("an international number")
    }

    #[rstest]
    #[case("+254712345678")]
    #[case("254712345678")]
    #[case("00254712345678")]
    #[case("+254 712 345 678")]
    #[case("+254-712-345-678")]
    #[case("254.712.345.678")]
    #[case("00254 (712) 345-678")]
    fn reads_what_people_write(#[case] text: &str) {
        assert_eq!(number(text).digits(), "254712345678");
        assert_eq!(number(text), number("+254712345678"));
        assert_eq!(number(text).to_string(), "+254712345678");
    }

    #[rstest]
    #[case("")]
    #[case("+")]
    #[case("00")]
    #[case("0712345678")] // a national number
    #[case("+0712345678")]
    #[case("000254712345678")]
    #[case("++254712345678")]
    #[case("+00254712345678")]
    #[case("254+712345678")]
    #[case("123456")]
    #[case("+1234567890123456")]
    #[case(" +254712345678")]
    #[case("+254712345678 ")]
    #[case("+ 254712345678")]
    #[case("(254) 712345678")]
    #[case("+44 (0)7911 123456")]
    #[case("+254712345678x9")]
    #[case("+254_712_345_678")]
    #[case("+254\u{a0}712345678")]
    #[case("+254\n712345678")]
    #[case("٢٥٤٧١٢٣٤٥٦٧٨")]
    #[case("25471234567８")]
    #[case("Safaricom")]
    fn refuses_with_a_sentence(#[case] text: &str) {
        assert_eq!(
            text.parse::<PhoneNumber>(),
            Err("must be an international number such as +254712345678".to_owned()),
            "{text}"
        );
    }

    #[test]
    fn the_bounds_are_seven_and_fifteen_digits() {
        assert_eq!(number("2907123").digits(), "2907123");
        assert_eq!(number("123456789012345").digits(), "123456789012345");
    }

    #[rstest]
    #[case("2907123", "+29****3")]
    #[case("29071234", "+29****34")]
    #[case("290712345", "+290****45")]
    #[case("2907123456", "+290****456")]
    #[case("18765550100", "+1876****100")]
    #[case("254712345678", "+25471****678")]
    #[case("123456789012345", "+12345*******345")]
    fn masks(#[case] text: &str, #[case] masked: &str) {
        assert_eq!(number(text).masked(), masked);
    }

    #[test]
    fn a_debug_line_never_has_the_number() {
        assert_eq!(format!("{:?}", Some(number("+254712345678"))), "Some(PhoneNumber(+25471****678))");
    }

    #[test]
    fn a_json_string_is_read_and_a_json_number_is_not() {
        assert_eq!(serde_json::from_str::<PhoneNumber>("\"+254712345678\"").ok(), Some(number("254712345678")));
        assert!(serde_json::from_str::<PhoneNumber>("254712345678").is_err());
        let error = serde_json::from_str::<PhoneNumber>("\"0712345678\"").expect_err("a national number");
        assert!(error.to_string().starts_with("must be an international number"), "{error}");
    }

    proptest! {
        #![proptest_config(crate::repetition::cases(256))]

        #[test]
        fn goes_there_and_back(digits in "[1-9][0-9]{6,14}") {
            let number = number(&digits);
            prop_assert_eq!(number.digits(), &digits);
            prop_assert_eq!(number.to_string().parse(), Ok(number));
        }

        #[test]
        fn at_least_four_digits_are_hidden_and_the_length_is_true(digits in "[1-9][0-9]{6,14}") {
            let masked = number(&digits).masked();
            prop_assert_eq!(masked.len(), digits.len() + 1);
            prop_assert!(masked.matches('*').count() >= 4, "{}", masked);
            prop_assert!(masked[1..].bytes().zip(digits.bytes()).all(|(shown, real)| shown == b'*' || shown == real));
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = text.parse::<PhoneNumber>();
        }
    }
}
