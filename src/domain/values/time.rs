//! Defines instants, days and months, and the billing calendar that relates them in a time zone.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::named_enum::deserialize_from_str;

/// An instant: microseconds since 1970-01-01T00:00:00Z. On the wire RFC 3339 in UTC, ending in `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    pub const fn minus_days(self, days: i64) -> Timestamp {
        Timestamp(self.0 - days * 24 * 3_600_000_000)
    }

    /// Whole seconds since 1970, as Unix counts them.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    pub const fn plus_seconds(self, seconds: i64) -> Timestamp {
        Timestamp(self.0 + seconds * 1_000_000)
    }

    /// The distance of two instants, in whichever order, in microseconds.
    fn distance_micros(self, other: Timestamp) -> u64 {
        self.0.abs_diff(other.0)
    }

    fn to_utc(self) -> DateTime<Utc> {
        // Every instant comes from a clock or from `FromStr`, both of which chrono itself can represent.
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(instant: DateTime<Utc>) -> Timestamp {
        Timestamp(instant.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Timestamp, chrono::ParseError> {
        Ok(DateTime::parse_from_rfc3339(text)?.to_utc().into())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A day or an instant, as a caller gives the bound of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Day(NaiveDate),
    Instant(Timestamp),
}

/// The years a caller may name: far enough for any ledger, and every computation stays inside the calendar.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2199;

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Moment, String> {
        let moment = match text.parse::<NaiveDate>() {
            Ok(day) if text.len() == 10 => Moment::Day(day),
            // A `+` that was not percent-encoded reaches us as a blank.
            _ => Moment::Instant(text.replace(' ', "+").parse().map_err(|_| {
                "must be a date such as 2026-03-01 or an instant such as 2026-03-01T00:00:00Z".to_owned()
            })?),
        };
        let year = match moment {
            Moment::Day(day) => day.year(),
            Moment::Instant(instant) => instant.to_utc().year(),
        };
        if YEARS.contains(&year) {
            Ok(moment)
        } else {
            Err(format!("must lie in the years {} to {}", YEARS.start(), YEARS.end()))
        }
    }
}

deserialize_from_str!(Moment);

/// An instant given by a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(Timestamp);

impl Instant {
    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Instant, String> {
        match text.parse() {
            Ok(Moment::Instant(instant)) => Ok(Instant(instant)),
            Ok(Moment::Day(_)) | Err(_) => Err("must be an instant such as 2026-03-01T00:00:00Z".to_owned()),
        }
    }
}

deserialize_from_str!(Instant);

/// A day given by a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarDay(NaiveDate);

impl CalendarDay {
    pub fn date(self) -> NaiveDate {
        self.0
    }
}

impl FromStr for CalendarDay {
    type Err = String;

    fn from_str(text: &str) -> Result<CalendarDay, String> {
        match text.parse() {
            Ok(Moment::Day(day)) => Ok(CalendarDay(day)),
            Ok(Moment::Instant(_)) | Err(_) => {
                Err(format!("must be a date such as 2026-03-01, in the years {} to {}", YEARS.start(), YEARS.end()))
            }
        }
    }
}

deserialize_from_str!(CalendarDay);

/// Days from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRange {
    pub first: NaiveDate,
    pub last: NaiveDate,
}

impl DayRange {
    /// The whole calendar month that holds `day`.
    pub fn month_of(day: NaiveDate) -> DayRange {
        let first = day.with_day(1).unwrap_or(day);
        let last = first.checked_add_months(Months::new(1)).and_then(|next| next.pred_opt());
        DayRange { first, last: last.unwrap_or(day) }
    }

    pub fn is_whole_month(self) -> bool {
        self == DayRange::month_of(self.first)
    }

    pub fn days(self) -> impl Iterator<Item = NaiveDate> {
        self.first.iter_days().take_while(move |day| *day <= self.last)
    }

    pub fn len_days(self) -> i64 {
        (self.last - self.first).num_days() + 1
    }
}

/// A calendar month: `2026-02`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CalendarMonth(NaiveDate);

impl CalendarMonth {
    /// The month that holds `day`.
    pub fn of(day: NaiveDate) -> CalendarMonth {
        CalendarMonth(DayRange::month_of(day).first)
    }

    pub const fn first(self) -> NaiveDate {
        self.0
    }

    pub fn days(self) -> DayRange {
        DayRange::month_of(self.0)
    }

    pub fn next(self) -> CalendarMonth {
        CalendarMonth(self.0.checked_add_months(Months::new(1)).unwrap_or(self.0))
    }

    pub fn previous(self) -> CalendarMonth {
        CalendarMonth(self.0.checked_sub_months(Months::new(1)).unwrap_or(self.0))
    }
}

impl fmt::Display for CalendarMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m"))
    }
}

impl FromStr for CalendarMonth {
    type Err = String;

    fn from_str(text: &str) -> Result<CalendarMonth, String> {
        let day = if text.len() == 7 { format!("{text}-01").parse::<CalendarDay>().ok() } else { None };
        day.map(|day| CalendarMonth(day.date())).ok_or_else(|| {
            format!("must be a month such as 2026-02, in the years {} to {}", YEARS.start(), YEARS.end())
        })
    }
}

/// The day after a day.
pub fn day_after(day: NaiveDate) -> NaiveDate {
    day.succ_opt().unwrap_or(day)
}

pub fn days_before(day: NaiveDate, count: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(count)).unwrap_or(day)
}

pub fn days_after(day: NaiveDate, count: u64) -> NaiveDate {
    day.checked_add_days(Days::new(count)).unwrap_or(day)
}

/// How far a browser's local midnight may lie from ours and still mean the same day: the widest offset in use is
/// UTC+14.
const LOCAL_MIDNIGHT_SLACK_MICROS: u64 = 14 * 3_600 * 1_000_000;

/// The calendar of the deployment: it tells the day and month of an instant in `BILLING_TIMEZONE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BillingCalendar {
    zone: Tz,
}

impl BillingCalendar {
    pub const fn new(zone: Tz) -> BillingCalendar {
        BillingCalendar { zone }
    }

    pub fn day_of(self, instant: Timestamp) -> NaiveDate {
        instant.to_utc().with_timezone(&self.zone).date_naive()
    }

    /// The first instant of a period that begins with `moment`: the start of the day, or the instant itself.
    pub fn first_instant(self, moment: Moment) -> Timestamp {
        match moment {
            Moment::Day(day) => self.start_of(day),
            Moment::Instant(instant) => instant,
        }
    }

    /// The first instant after a period that ends with `moment`: after the end of the day, or the instant itself.
    pub fn first_instant_after(self, moment: Moment) -> Timestamp {
        match moment {
            Moment::Day(day) => self.start_of(day + chrono::Days::new(1)),
            Moment::Instant(instant) => instant,
        }
    }

    /// The instants that a caller's bounds mean: from the first, included, until the second, excluded.
    pub fn bounds(self, from: Option<Moment>, to: Option<Moment>) -> (Option<Timestamp>, Option<Timestamp>) {
        (from.map(|from| self.first_instant(from)), to.map(|to| self.first_instant_after(to)))
    }

    /// The first instant of a day; where a clock change skips midnight, the first that exists.
    pub fn start_of(self, day: NaiveDate) -> Timestamp {
        let midnight = day.and_time(NaiveTime::MIN);
        let first_existing = (0..=4 * 24)
            .filter_map(|quarters| midnight.checked_add_signed(chrono::TimeDelta::minutes(15 * quarters)))
            .find_map(|local| self.zone.from_local_datetime(&local).earliest());
        first_existing.map_or(Timestamp(midnight.and_utc().timestamp_micros()), |start| start.to_utc().into())
    }

    /// The last microsecond of a day.
    pub fn end_of(self, day: NaiveDate) -> Timestamp {
        let next = day.succ_opt().unwrap_or(day);
        Timestamp(self.start_of(next).0 - 1)
    }

    /// The days between two bounds as a caller means them. Two instants within 14 h of a month's first and last instant
    /// mean that month (browsers send local midnights in UTC); any other instant means the day it lies in.
    ///
    /// # Errors
    /// Where the last day lies before the first.
    pub fn range(self, start: Moment, end: Moment) -> Result<DayRange, String> {
        if let (Moment::Instant(start), Moment::Instant(end)) = (start, end)
            && let Some(month) = self.month_meant_by(start, end)
        {
            return Ok(month);
        }
        let (first, last) = (self.day_meant_by(start), self.day_meant_by(end));
        if last < first {
            return Err(format!(
                "must not lie before the start of the period: it ends on {last}, but starts on {first}"
            ));
        }
        Ok(DayRange { first, last })
    }

    fn day_meant_by(self, moment: Moment) -> NaiveDate {
        match moment {
            Moment::Day(day) => day,
            Moment::Instant(instant) => self.day_of(instant),
        }
    }

    fn month_meant_by(self, start: Timestamp, end: Timestamp) -> Option<DayRange> {
        // The start may lie in the month before by the slack, so look at the month of the instant that much later.
        let probe = Timestamp(start.0.checked_add(LOCAL_MIDNIGHT_SLACK_MICROS as i64)?);
        let month = DayRange::month_of(self.day_of(probe));
        let near_start = start.distance_micros(self.start_of(month.first)) <= LOCAL_MIDNIGHT_SLACK_MICROS;
        let near_end = end.distance_micros(self.end_of(month.last)) <= LOCAL_MIDNIGHT_SLACK_MICROS;
        (near_start && near_end).then_some(month)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn calendar(zone: &str) -> BillingCalendar {
        BillingCalendar::new(zone.parse().expect("a zone"))
    }

    #[rstest]
    #[case("UTC", "2026-03-01", "2026-03-31", "2026-03-01", "2026-03-31")]
    #[case("UTC", "2026-03-02", "2026-03-31", "2026-03-02", "2026-03-31")]
    // Nairobi, UTC+3: the browser's March begins at 21:00 on the last of February.
    #[case("UTC", "2026-02-28T21:00:00.000Z", "2026-03-31T20:59:59.999Z", "2026-03-01", "2026-03-31")]
    // Honolulu, UTC-10, and an end given as the first instant of the next month.
    #[case("UTC", "2026-03-01T10:00:00.000Z", "2026-04-01T10:00:00.000Z", "2026-03-01", "2026-03-31")]
    // Exactly 14 hours still counts; a second more does not.
    #[case("UTC", "2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z", "2026-03-01", "2026-03-31")]
    #[case("UTC", "2026-02-28T09:59:59Z", "2026-03-31T10:00:00Z", "2026-02-28", "2026-03-31")]
    // The billing zone's own month, seen from UTC.
    #[case("Africa/Nairobi", "2026-02-28T21:00:00Z", "2026-03-31T20:59:59Z", "2026-03-01", "2026-03-31")]
    #[case("Africa/Nairobi", "2026-03-09T21:00:00Z", "2026-03-10T22:00:00Z", "2026-03-10", "2026-03-11")]
    fn bounds_mean_days(
        #[case] zone: &str,
        #[case] start: &str,
        #[case] end: &str,
        #[case] first: &str,
        #[case] last: &str,
    ) {
        let range = calendar(zone).range(start.parse().expect("a bound"), end.parse().expect("a bound"));
        assert_eq!(range, Ok(DayRange { first: day(first), last: day(last) }));
    }

    #[rstest]
    #[case("2026-02-30")]
    #[case("2026-3-1")]
    #[case("1999-12-31")]
    #[case("2200-01-01")]
    #[case("yesterday")]
    #[case("2026-03-01T00:00:00")]
    #[case("")]
    fn bounds_that_are_none(#[case] text: &str) {
        assert!(text.parse::<Moment>().is_err(), "{text}");
    }

    #[test]
    fn an_unencoded_plus_is_understood() {
        assert_eq!("2026-03-01T03:00:00 03:00".parse::<Moment>(), "2026-03-01T00:00:00Z".parse::<Moment>());
    }

    #[test]
    fn a_day_that_begins_after_midnight() {
        // Beirut skips from 00:00 to 01:00 on 2026-03-29.
        let start = calendar("Asia/Beirut").start_of(day("2026-03-29"));
        assert_eq!(start.to_string(), "2026-03-28T22:00:00.000000Z");
    }

    #[rstest]
    #[case("2026-02", Some(("2026-01", "2026-03", "2026-02-28")))]
    #[case("2027-12", Some(("2027-11", "2028-01", "2027-12-31")))]
    #[case("2028-02", Some(("2028-01", "2028-03", "2028-02-29")))]
    #[case("2026-2", None)]
    #[case("2026-13", None)]
    #[case("1999-12", None)]
    #[case("2026-02-01", None)]
    #[case("+026-02", None)]
    fn months_by_name(#[case] text: &str, #[case] expected: Option<(&str, &str, &str)>) {
        let month = text.parse::<CalendarMonth>().ok();
        let around = month.map(|month| {
            assert_eq!(month.to_string(), text);
            (month.previous().to_string(), month.next().to_string(), month.days().last.to_string())
        });
        assert_eq!(around, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    }

    #[test]
    fn months_across_leap_day_and_year_end() {
        assert_eq!(DayRange::month_of(day("2028-02-10")).last, day("2028-02-29"));
        assert_eq!(
            DayRange::month_of(day("2026-12-31")),
            DayRange { first: day("2026-12-01"), last: day("2026-12-31") }
        );
        assert!(!DayRange { first: day("2026-02-01"), last: day("2026-02-27") }.is_whole_month());
    }

    proptest! {
        #![proptest_config(crate::repetition::cases(256))]

        #[test]
        fn an_instant_lies_in_its_day(
            zone in prop::sample::select(vec!["UTC", "Africa/Nairobi", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]),
            micros in 946_684_800_000_000_i64..4_102_444_800_000_000,
        ) {
            let (calendar, instant) = (calendar(zone), Timestamp(micros));
            let day = calendar.day_of(instant);
            prop_assert!(calendar.start_of(day) <= instant && instant <= calendar.end_of(day));
        }

        #[test]
        fn timestamps_survive_text(micros in -62_135_596_800_000_000_i64..253_402_300_799_999_999) {
            let instant = Timestamp(micros);
            prop_assert_eq!(instant.to_string().parse::<Timestamp>(), Ok(instant));
        }
    }
}
