//! Computes with money and percentages as whole numbers, so that nothing is rounded by accident.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;

/// Millionths per unit of a currency.
const MICROS_PER_UNIT: i64 = 1_000_000;
/// The most decimals of a money value.
const DECIMALS: i64 = 6;

/// An amount or a price, in millionths of the currency's unit (`0.02` is `20_000`).
///
/// The currency stands beside it, on the wallet, the rate card or the invoice. On the wire it is a plain JSON
/// number with at most six decimals; in both databases a 64-bit integer. Its range is about ± 9.2 × 10¹² units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// Why a text or a computation yields no [`Money`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("must be a number such as 12.5 (digits, with a dot before the decimals)")]
    NotANumber,
    #[error("has more than six decimals, and money is never rounded silently")]
    TooManyDecimals,
    #[error("is too large a number")]
    Overflow,
}

impl Money {
    pub const ZERO: Money = Money(0);

    pub const fn from_micros(micros: i64) -> Money {
        Money(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole units of the currency, for limits written in code.
    pub const fn from_units(units: i32) -> Money {
        Money(units as i64 * MICROS_PER_UNIT)
    }

    pub fn is_negative(self) -> bool {
        self.0 < 0
    }

    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// # Errors
    /// [`MoneyError::Overflow`] outside the 64-bit range.
    pub fn checked_add(self, other: Money) -> Result<Money, MoneyError> {
        self.0.checked_add(other.0).map(Money).ok_or(MoneyError::Overflow)
    }

    /// # Errors
    /// [`MoneyError::Overflow`] outside the 64-bit range.
    pub fn checked_sub(self, other: Money) -> Result<Money, MoneyError> {
        self.0.checked_sub(other.0).map(Money).ok_or(MoneyError::Overflow)
    }

    /// A price times a count.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] outside the 64-bit range.
    pub fn checked_mul(self, count: i64) -> Result<Money, MoneyError> {
        self.0.checked_mul(count).map(Money).ok_or(MoneyError::Overflow)
    }

    /// A price after discounts, one on top of the other: rounded once, half up to a millionth. Discounts above the
    /// whole count as the whole, so that no discount turns a price into a credit.
    pub fn discounted(self, discounts: &[BasisPoints]) -> Money {
        let whole = i128::from(BasisPoints::WHOLE.0);
        let (mut left, mut scale) = (i128::from(self.0), 1);
        for discount in discounts {
            left *= whole - i128::from(discount.0).clamp(0, whole);
            scale *= whole;
        }
        // A part of a value is no larger than the value, so this cannot overflow.
        Money(i64::try_from((2 * left + scale).div_euclid(2 * scale)).unwrap_or(self.0))
    }

    /// A share of an amount: rounded once, half up to a millionth.
    pub fn share(self, share: BasisPoints) -> Money {
        self.discounted(&[BasisPoints(BasisPoints::WHOLE.0 - share.0)])
    }

    /// The sum of all, checked at every step.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] outside the 64-bit range.
    pub fn sum(amounts: impl IntoIterator<Item = Money>) -> Result<Money, MoneyError> {
        amounts.into_iter().try_fold(Money::ZERO, Money::checked_add)
    }

    /// The mean over `count`, half up to a millionth; zero where `count` is not above zero. For display only: no money
    /// is moved by a mean.
    pub fn mean_over(self, count: i64) -> Money {
        if count <= 0 {
            return Money::ZERO;
        }
        let (total, count) = (i128::from(self.0), i128::from(count));
        let rounded = (2 * total + count).div_euclid(2 * count);
        // The magnitude of a mean never exceeds that of its total, so this cannot overflow.
        Money(i64::try_from(rounded).unwrap_or(i64::MAX))
    }

    /// Rounded half up (away from zero) to a currency's own decimals, as an invoice line is.
    /// `exponent` is that of ISO 4217: 2 for USD, 0 for UGX.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where rounding up leaves the 64-bit range.
    pub fn rounded_to_exponent(self, exponent: u32) -> Result<Money, MoneyError> {
        let rounded = self.to_decimal().round_dp_with_strategy(exponent, RoundingStrategy::MidpointAwayFromZero);
        Money::from_decimal(rounded)
    }

    /// The part `numerator / denominator` of an amount: rounded once, half up (away from zero), to a currency's own
    /// decimals.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] outside the 64-bit range.
    pub fn fraction(self, numerator: i64, denominator: i64, exponent: u32) -> Result<Money, MoneyError> {
        let step = 10_i128.pow(DECIMALS as u32 - exponent.min(DECIMALS as u32));
        let divisor =
            i128::from(denominator).checked_mul(step).filter(|divisor| *divisor > 0).ok_or(MoneyError::Overflow)?;
        let part = i128::from(self.0) * i128::from(numerator);
        let steps = (2 * part.abs() + divisor) / (2 * divisor) * part.signum();
        i64::try_from(steps * step).map(Money).map_err(|_| MoneyError::Overflow)
    }

    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, DECIMALS as u32)
    }

    /// # Errors
    /// When the value has more than six decimals or does not fit.
    pub fn from_decimal(value: Decimal) -> Result<Money, MoneyError> {
        let value = value.normalize();
        let missing = DECIMALS - i64::from(value.scale());
        let factor = u32::try_from(missing).map_err(|_| MoneyError::TooManyDecimals)?;
        value
            .mantissa()
            .checked_mul(10_i128.pow(factor))
            .and_then(|micros| i64::try_from(micros).ok())
            .map(Money)
            .ok_or(MoneyError::Overflow)
    }

    /// Reads a number as JSON writes it (RFC 8259 section 6), an exponent form too, exactly: `0.045`, `1e3`, `-12.50`.
    ///
    /// # Errors
    /// When the text is no such number, has more than six decimals that are not zero, or does not fit.
    pub fn parse(text: &str) -> Result<Money, MoneyError> {
        let number = JsonNumber::split(text).ok_or(MoneyError::NotANumber)?;
        let digits: String = [number.whole, number.fraction].concat();
        let significant = digits.trim_start_matches('0');
        let trimmed = significant.trim_end_matches('0');
        if trimmed.is_empty() {
            return Ok(Money::ZERO);
        }
        // The value is `trimmed × 10^power`; every length here is that of a text in memory, so i64 cannot overflow.
        let power = number
            .exponent
            .saturating_sub(number.fraction.len() as i64)
            .saturating_add((significant.len() - trimmed.len()) as i64);
        if power < -DECIMALS {
            return Err(MoneyError::TooManyDecimals);
        }
        let shift = u32::try_from(power.saturating_add(DECIMALS)).map_err(|_| MoneyError::Overflow)?;
        let magnitude = trimmed.parse::<i64>().map_err(|_| MoneyError::Overflow)?;
        let micros = 10_i64.checked_pow(shift).and_then(|factor| magnitude.checked_mul(factor));
        let micros = micros.ok_or(MoneyError::Overflow)?;
        Ok(Money(if number.negative { -micros } else { micros }))
    }
}

/// The parts of a number as RFC 8259 writes it.
struct JsonNumber<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> JsonNumber<'a> {
    fn split(text: &'a str) -> Option<JsonNumber<'a>> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (mantissa, ""),
        };
        let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || has_leading_zero || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        Some(JsonNumber { negative, whole, fraction, exponent })
    }
}

/// An exponent of any length; past what an `i64` holds the number is zero, too fine or too large whatever its digits.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !all_digits(digits) {
        return None;
    }
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(if negative { -magnitude } else { magnitude })
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A decimal as text: the longest, `-9223372036854.775808`, has 21 characters.
struct DecimalText {
    bytes: [u8; 24],
    start: usize,
}

impl DecimalText {
    /// The shortest exact decimal of a count of millionths: `0.045`, `12.5`, `-3`.
    fn of_micros(micros: i64) -> DecimalText {
        let mut text = DecimalText { bytes: [0; 24], start: 24 };
        let magnitude = micros.unsigned_abs();
        let (mut whole, mut fraction) =
            (magnitude / MICROS_PER_UNIT.unsigned_abs(), magnitude % MICROS_PER_UNIT.unsigned_abs());
        if fraction > 0 {
            let mut decimals = DECIMALS;
            while fraction % 10 == 0 {
                fraction /= 10;
                decimals -= 1;
            }
            for _ in 0..decimals {
                text.push_front(b'0' + (fraction % 10) as u8);
                fraction /= 10;
            }
            text.push_front(b'.');
        }
        loop {
            text.push_front(b'0' + (whole % 10) as u8);
            whole /= 10;
            if whole == 0 {
                break;
            }
        }
        if micros < 0 {
            text.push_front(b'-');
        }
        text
    }

    fn push_front(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    fn as_str(&self) -> &str {
        // Digits, a dot and a minus are ASCII.
        std::str::from_utf8(&self.bytes[self.start..]).unwrap_or_default()
    }
}

/// The shortest exact decimal: `0.045`, `12.5`, `-3`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DecimalText::of_micros(self.0).as_str())
    }
}

/// A plain JSON number with no float on the way. Works with `serde_json` only.
impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % MICROS_PER_UNIT == 0 {
            return serializer.serialize_i64(self.0 / MICROS_PER_UNIT);
        }
        // Written by hand, because every answer to the gateway has a dozen of these.
        let text = DecimalText::of_micros(self.0);
        serde_json::from_str::<&RawValue>(text.as_str()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// From a JSON number or a string that holds one. Works with `serde_json` only.
impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let unquoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Money::parse(unquoted.unwrap_or(text)).map_err(de::Error::custom)
    }
}

/// A share in hundredths of a percent: `1_000` is 10 %, `10_000` is the whole. In JSON a number of percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BasisPoints(i64);

impl BasisPoints {
    pub const ZERO: BasisPoints = BasisPoints(0);
    pub const WHOLE: BasisPoints = BasisPoints(10_000);

    pub const fn new(basis_points: i64) -> BasisPoints {
        BasisPoints(basis_points)
    }

    pub const fn get(self) -> i64 {
        self.0
    }

    pub const fn from_percent(percent: i64) -> BasisPoints {
        BasisPoints(percent * 100)
    }

    /// Reads a number of percent as [`Money::parse`] reads an amount: `10`, `12.25`.
    ///
    /// # Errors
    /// A sentence, also where it has more than two decimals.
    pub fn parse_percent(text: &str) -> Result<BasisPoints, String> {
        BasisPoints::from_percent_amount(Money::parse(text).map_err(|error| error.to_string())?)
    }

    fn from_percent_amount(percent: Money) -> Result<BasisPoints, String> {
        if percent.0 % 10_000 == 0 {
            Ok(BasisPoints(percent.0 / 10_000))
        } else {
            Err("has more than two decimals of a percent".to_owned())
        }
    }

    /// Whether it lies between 0 and 100 %, as a discount or a refund share must.
    pub fn is_share(self) -> bool {
        (0..=BasisPoints::WHOLE.0).contains(&self.0)
    }
}

/// The shortest exact number of percent: `10`, `12.25`.
impl fmt::Display for BasisPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Decimal::new(self.0, 2).normalize(), f)
    }
}

/// As percent: 1 050 basis points are the JSON number `10.5`.
impl Serialize for BasisPoints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_decimal(&Decimal::new(self.0, 2), serializer)
    }
}

/// From a number of percent with at most two decimals. Works with `serde_json` only.
impl<'de> Deserialize<'de> for BasisPoints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BasisPoints, D::Error> {
        BasisPoints::from_percent_amount(Money::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// A plain JSON number with the shortest exact decimals.
///
/// # Errors
/// Those of the serialiser.
pub fn serialize_decimal<S: Serializer>(value: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    let value = value.normalize();
    if value.scale() == 0
        && let Ok(whole) = i64::try_from(value.mantissa())
    {
        return serializer.serialize_i64(whole);
    }
    RawValue::from_string(value.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0", 0)]
    #[case("-0", 0)]
    #[case("0.0000000000000000000000000000000000", 0)]
    #[case("0e999999999999999999999999", 0)]
    #[case("1", 1_000_000)]
    #[case("0.045", 45_000)]
    #[case("12.50", 12_500_000)]
    #[case("-3.000001", -3_000_001)]
    #[case("1e3", 1_000_000_000)]
    #[case("1E+3", 1_000_000_000)]
    #[case("45e-3", 45_000)]
    #[case("1000000000000000000000e-21", 1_000_000)]
    #[case("0.00000000000000000001e20", 1_000_000)]
    #[case("9223372036854.775807", i64::MAX)]
    fn reads_exactly(#[case] text: &str, #[case] micros: i64) {
        assert_eq!(Money::parse(text), Ok(Money(micros)));
    }

    proptest! {
        /// The text written by hand is the one that the decimal library writes.
        #[test]
        fn texts_are_those_of_decimals(micros in prop_oneof![any::<i64>(), -10_000_000..10_000_000_i64, Just(i64::MIN)]) {
            let money = Money(micros);
            let text = money.to_decimal().normalize().to_string();
            prop_assert_eq!(money.to_string(), text.clone());
            prop_assert_eq!(serde_json::to_string(&money).expect("JSON"), text);
        }
    }

    #[rstest]
    #[case(20_000, &[1_000], 18_000)]
    #[case(20_000, &[1_000, 2_000], 14_400)]
    #[case(18_000, &[1_000, 1_000], 14_580)]
    #[case(7_500, &[3_333, 3_333], 3_334)] // 3333.66…: up
    #[case(15, &[1_000], 14)] // 13.5: half up
    #[case(5, &[1_000, 1_000], 4)] // 4.05: rounded once, not 4.5 and then 5
    #[case(1, &[10_000], 0)]
    #[case(20_000, &[0, 0], 20_000)]
    #[case(i64::MAX, &[0, 0], i64::MAX)]
    #[case(20_000, &[12_000], 0)]
    fn discounts_round_once(#[case] price: i64, #[case] discounts: &[i64], #[case] left: i64) {
        let discounts: Vec<BasisPoints> = discounts.iter().copied().map(BasisPoints).collect();
        assert_eq!(Money(price).discounted(&discounts), Money(left));
    }

    #[rstest]
    #[case(18_000, 10_000, 18_000)]
    #[case(18_000, 0, 0)]
    #[case(3, 5_000, 2)] // 1.5: half up
    fn shares(#[case] amount: i64, #[case] share: i64, #[case] part: i64) {
        assert_eq!(Money(amount).share(BasisPoints(share)), Money(part));
    }

    #[rstest]
    #[case("", MoneyError::NotANumber)]
    #[case("-", MoneyError::NotANumber)]
    #[case("+1", MoneyError::NotANumber)]
    #[case(".5", MoneyError::NotANumber)]
    #[case("5.", MoneyError::NotANumber)]
    #[case("01", MoneyError::NotANumber)]
    #[case("1e", MoneyError::NotANumber)]
    #[case("1e+", MoneyError::NotANumber)]
    #[case("1 ", MoneyError::NotANumber)]
    #[case("1,5", MoneyError::NotANumber)]
    #[case("0x10", MoneyError::NotANumber)]
    #[case("NaN", MoneyError::NotANumber)]
    #[case("Infinity", MoneyError::NotANumber)]
    #[case("١", MoneyError::NotANumber)]
    #[case("0.0000001", MoneyError::TooManyDecimals)]
    #[case("1e-7", MoneyError::TooManyDecimals)]
    #[case("1e-99999999999999999999", MoneyError::TooManyDecimals)]
    #[case("1e+21", MoneyError::Overflow)]
    #[case("1e99999999999999999999", MoneyError::Overflow)]
    #[case("9223372036854.775808", MoneyError::Overflow)]
    fn refuses(#[case] text: &str, #[case] error: MoneyError) {
        assert_eq!(Money::parse(text), Err(error));
    }

    #[rstest]
    #[case(Money(45_000), "0.045")]
    #[case(Money(12_000_000), "12")]
    #[case(Money(-1), "-0.000001")]
    #[case(Money(0), "0")]
    #[case(Money(i64::MAX), "9223372036854.775807")]
    #[case(Money(i64::MIN), "-9223372036854.775808")]
    fn writes_plain_numbers(#[case] money: Money, #[case] json: &str) {
        assert_eq!(serde_json::to_string(&money).ok().as_deref(), Some(json));
        assert_eq!(money.to_string(), json);
    }

    #[rstest]
    #[case(1_250, "12.5")]
    #[case(0, "0")]
    #[case(10_000, "100")]
    fn percent(#[case] basis_points: i64, #[case] json: &str) {
        assert_eq!(serde_json::to_string(&BasisPoints(basis_points)).ok().as_deref(), Some(json));
    }

    #[rstest]
    #[case(1_005_000, 2, 1_010_000)] // half goes up
    #[case(1_004_999, 2, 1_000_000)]
    #[case(-1_005_000, 2, -1_010_000)] // and away from zero, so that a credit note mirrors its invoice
    #[case(499_999, 0, 0)]
    #[case(500_000, 0, 1_000_000)]
    #[case(1_234_567, 3, 1_235_000)]
    fn rounds_to_the_currency(#[case] micros: i64, #[case] exponent: u32, #[case] expected: i64) {
        assert_eq!(Money(micros).rounded_to_exponent(exponent), Ok(Money(expected)));
    }

    #[test]
    fn a_mean_rounds_half_up_and_never_divides_by_zero() {
        assert_eq!(Money(10).mean_over(0), Money::ZERO);
        assert_eq!(Money(10).mean_over(4), Money(3));
        assert_eq!(Money(9).mean_over(4), Money(2));
        assert_eq!(Money(i64::MAX).mean_over(1), Money(i64::MAX));
        assert_eq!(Money(i64::MIN).mean_over(1), Money(i64::MIN));
    }

    /// Numbers by the grammar of RFC 8259, with digits and exponents far past what fits.
    fn json_number() -> impl Strategy<Value = String> {
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?"
    }

    /// An independent reading: schoolbook arithmetic on a string of digits, no integers of a fixed size.
    fn by_hand(text: &str) -> Result<i128, MoneyError> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i64 = exponent.trim_start_matches('+').parse().expect("a short exponent");
        let (sign, mantissa) = mantissa.strip_prefix('-').map_or((1, mantissa), |rest| (-1, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut digits = format!("{whole}{fraction}");
        let mut point = whole.len() as i64 + exponent + 6;
        while point > digits.len() as i64 && point < 4_000 {
            digits.push('0');
        }
        while point < 0 {
            digits.insert(0, '0');
            point += 1;
        }
        let (before, after) = digits.split_at(point as usize);
        if after.bytes().any(|digit| digit != b'0') {
            return Err(MoneyError::TooManyDecimals);
        }
        let before = before.trim_start_matches('0');
        let magnitude = if before.is_empty() { Ok(0) } else { before.parse::<i128>() };
        let micros = sign * magnitude.map_err(|_| MoneyError::Overflow)?;
        i64::try_from(micros).map(i128::from).map_err(|_| MoneyError::Overflow)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]

        #[test]
        fn agrees_with_schoolbook_arithmetic(text in json_number()) {
            let parsed = Money::parse(&text).map(|money| i128::from(money.micros()));
            let expected = by_hand(&text);
            // i64::MIN is out of reach of a sign read apart from its digits: ten trillion units below any balance.
            if expected != Ok(i128::from(i64::MIN)) {
                prop_assert_eq!(parsed, expected, "{}", text);
            }
        }

        #[test]
        fn survives_json(micros in prop_oneof![any::<i64>(), -1_000_000_000_i64..1_000_000_000]) {
            let money = Money(micros.max(-i64::MAX));
            let json = serde_json::to_string(&money).expect("money is JSON");
            prop_assert!(!json.contains(['e', '"']), "{}", json);
            prop_assert_eq!(serde_json::from_str::<Money>(&json).expect("and back"), money);
            prop_assert_eq!(serde_json::from_str::<Money>(&format!("\"{json}\"")).expect("as a string"), money);
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = Money::parse(&text);
        }

        #[test]
        fn decimals_go_there_and_back(micros in any::<i64>()) {
            prop_assert_eq!(Money::from_decimal(Money(micros).to_decimal()), Ok(Money(micros)));
        }
    }
}
