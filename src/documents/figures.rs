//! Formats amounts, counts, days and periods for documents.

use chrono::NaiveDate;

use crate::domain::values::time::DayRange;

/// The minus sign: the one that spreadsheets read, too.
const MINUS: char = '-';

const DECIMALS: usize = 6;

/// An amount or a price in millionths, with at least the decimals of its currency and all that it needs: `1,234.50`,
/// `0.0198`. Nothing is rounded here.
pub fn amount(micros: i128, exponent: u32) -> String {
    let magnitude = micros.unsigned_abs();
    let (units, fraction) = (magnitude / 1_000_000, magnitude % 1_000_000);
    let fraction = format!("{fraction:06}");
    let needed = fraction.trim_end_matches('0').len();
    let shown = needed.max(usize::try_from(exponent).unwrap_or(0)).min(DECIMALS);
    let mut text = signed(micros < 0, &grouped(units));
    if shown > 0 {
        text.push('.');
        text.push_str(&fraction[..shown]);
    }
    text
}

/// A whole number: `1,234,567`.
pub fn count(number: i64) -> String {
    signed(number < 0, &grouped(number.unsigned_abs().into()))
}

fn signed(is_negative: bool, digits: &str) -> String {
    if is_negative { format!("{MINUS}{digits}") } else { digits.to_owned() }
}

fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `14 April 2026`.
pub fn day(day: NaiveDate) -> String {
    day.format("%-d %B %Y").to_string()
}

/// `1–31 March 2026`, `5 March – 2 April 2026`: both days are included.
pub fn period(days: DayRange) -> String {
    let (first, last) = (days.first, days.last);
    let in_same = |pattern: &str| first.format(pattern).to_string() == last.format(pattern).to_string();
    if first == last {
        day(last)
    } else if in_same("%Y-%m") {
        format!("{}–{}", first.format("%-d"), day(last))
    } else if in_same("%Y") {
        format!("{} – {}", first.format("%-d %B"), day(last))
    } else {
        format!("{} – {}", day(first), day(last))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, 2, "0.00")]
    #[case(0, 0, "0")]
    #[case(12_340_000, 2, "12.34")]
    #[case(1_234_567_890_000, 2, "1,234,567.89")]
    #[case(36_000_000, 0, "36")]
    #[case(1_000_000_000, 0, "1,000")]
    #[case(19_800, 2, "0.0198")]
    #[case(20_000, 2, "0.02")]
    #[case(1, 0, "0.000001")]
    #[case(35_500_000, 0, "35.5")]
    #[case(-12_340_000, 2, "-12.34")]
    #[case(-500, 3, "-0.0005")]
    #[case(2 * i128::from(i64::MIN), 2, "-18,446,744,073,709.551616")]
    fn amounts(#[case] micros: i128, #[case] exponent: u32, #[case] expected: &str) {
        assert_eq!(amount(micros, exponent), expected);
    }

    #[rstest]
    #[case(0, "0")]
    #[case(999, "999")]
    #[case(1_000, "1,000")]
    #[case(-1_234_567, "-1,234,567")]
    #[case(i64::MIN, "-9,223,372,036,854,775,808")]
    fn counts(#[case] number: i64, #[case] expected: &str) {
        assert_eq!(count(number), expected);
    }

    #[rstest]
    #[case("2026-03-01", "2026-03-31", "1–31 March 2026")]
    #[case("2026-03-05", "2026-04-02", "5 March – 2 April 2026")]
    #[case("2025-12-05", "2026-01-02", "5 December 2025 – 2 January 2026")]
    #[case("2026-03-05", "2026-03-05", "5 March 2026")]
    fn periods(#[case] first: &str, #[case] last: &str, #[case] expected: &str) {
        let day = |text: &str| text.parse().expect("a date");
        assert_eq!(period(DayRange { first: day(first), last: day(last) }), expected);
    }
}
