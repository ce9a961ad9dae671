//! Checks the terms an admin gives a rate card, and until when a card may change.

use std::collections::HashSet;

use chrono::NaiveDate;
use serde::Serialize;

use super::messages::latest_submission;
use super::plan_terms::check_price;
use super::rate_cards::{Network, RateCard};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::fields::{FieldError, check_text};
use crate::domain::values::money::Money;
use crate::domain::values::sid::RateCardSid;
use crate::domain::values::text::{LongText, OperatorName, OptionalOperator};
use crate::domain::values::time::{BillingCalendar, Timestamp};
use crate::domain::values::versions::Version;

/// The most networks of a card.
const NETWORKS_MAX: usize = 100;

/// The terms of a rate card that an admin sets. Serialised, they are what the audit log stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RateCardTerms {
    pub country_code: CountryCode,
    /// Empty on a card for the whole country.
    pub operator: String,
    pub networks: Vec<Network>,
    pub price_per_sms: Money,
    pub currency: Currency,
    pub effective_from: NaiveDate,
    pub notes: String,
}

/// The destination and currency that the cards of one price share over time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PricedDestination {
    pub country: CountryCode,
    /// The operator's name as it is compared; empty for the whole country.
    pub operator_key: String,
    pub currency: Currency,
}

impl RateCardTerms {
    pub fn destination(&self) -> PricedDestination {
        PricedDestination {
            country: self.country_code,
            operator_key: OperatorName::key(&self.operator),
            currency: self.currency,
        }
    }

    /// Every rule that the terms break, on whatever day they are written.
    pub fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        errors.extend(check_text::<OptionalOperator>("operator", &self.operator));
        if self.operator.trim() != self.operator {
            errors.push(FieldError::new("operator", "must not begin or end with a blank"));
        }
        errors.extend(check_price("price_per_sms", self.price_per_sms));
        errors.extend(check_text::<LongText>("notes", &self.notes));
        if self.operator.is_empty() && !self.networks.is_empty() {
            errors.push(FieldError::new("networks", "must be left out on a card for the whole country"));
        }
        if self.networks.len() > NETWORKS_MAX {
            errors.push(FieldError::new("networks", format!("must have at most {NETWORKS_MAX} entries")));
        }
        let mut seen = HashSet::new();
        for (place, network) in self.networks.iter().enumerate() {
            if let Err(wrong) = Network::from_codes(Some(network.mcc.clone()), Some(network.mnc.clone())) {
                errors.push(FieldError::new(format!("networks[{place}].{}", wrong.field), wrong.problem));
            }
            if !seen.insert(network) {
                errors.push(FieldError::new(format!("networks[{place}]"), "is given twice"));
            }
        }
        errors
    }

    /// Whether both are equal, apart from the order of networks.
    pub fn is_same_as(&self, other: &RateCardTerms) -> bool {
        let networks = |terms: &RateCardTerms| terms.networks.iter().cloned().collect::<HashSet<_>>();
        let bare = |terms: &RateCardTerms| RateCardTerms { networks: Vec::new(), ..terms.clone() };
        networks(self) == networks(other) && bare(self) == bare(other)
    }

    pub fn into_card(self, sid: RateCardSid) -> RateCard {
        RateCard {
            sid,
            country: self.country_code,
            operator: self.operator,
            networks: self.networks,
            price_per_sms: self.price_per_sms,
            currency: self.currency,
            effective_from: self.effective_from,
            notes: self.notes,
        }
    }
}

impl RateCard {
    pub fn terms(&self) -> RateCardTerms {
        RateCardTerms {
            country_code: self.country,
            operator: self.operator.clone(),
            networks: self.networks.clone(),
            price_per_sms: self.price_per_sms,
            currency: self.currency,
            effective_from: self.effective_from,
            notes: self.notes.clone(),
        }
    }

    /// The version of the card, for `If-Match`.
    pub fn version(&self) -> Version {
        Version::of(&(self.sid, self.terms()))
    }
}

/// Changes to a card that is not yet in force. Fields left out stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateCardChanges {
    pub price_per_sms: Option<Money>,
    pub networks: Option<Vec<Network>>,
    pub notes: Option<String>,
    /// Fields that may be sent, but may not change.
    pub country_code: Option<CountryCode>,
    pub operator: Option<String>,
    pub currency: Option<Currency>,
    pub effective_from: Option<NaiveDate>,
}

impl RateCardChanges {
    /// The terms with these changes.
    ///
    /// # Errors
    /// The fields that may not change and would, and every rule that the terms would break.
    pub fn apply_to(self, terms: RateCardTerms) -> Result<RateCardTerms, Vec<FieldError>> {
        let fixed = [
            ("country_code", self.country_code.is_some_and(|country| country != terms.country_code)),
            ("operator", self.operator.is_some_and(|operator| operator != terms.operator)),
            ("currency", self.currency.is_some_and(|currency| currency != terms.currency)),
            ("effective_from", self.effective_from.is_some_and(|day| day != terms.effective_from)),
        ];
        let problem = "cannot be changed: delete this row and add another one";
        let changed = fixed.into_iter().filter(|(_, differs)| *differs);
        let mut errors: Vec<FieldError> = changed.map(|(field, _)| FieldError::new(field, problem)).collect();
        let terms = RateCardTerms {
            price_per_sms: self.price_per_sms.unwrap_or(terms.price_per_sms),
            networks: self.networks.unwrap_or(terms.networks),
            notes: self.notes.unwrap_or(terms.notes),
            ..terms
        };
        errors.extend(terms.check());
        if errors.is_empty() { Ok(terms) } else { Err(errors) }
    }
}

/// Why a card may not be changed or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateCardRefusal {
    #[error(
        "This price is or was in force (from {0}), and stays as it is: add a row with a later effective_from instead."
    )]
    InForce(NaiveDate),
}

impl RateCardRefusal {
    /// The error code of the API.
    pub fn code(self) -> &'static str {
        "rate_card_in_force"
    }
}

/// The days on which prices may be in use: a price that messages may have been sent at never changes.
#[derive(Clone, Copy, Debug)]
pub struct PriceDays {
    today: NaiveDate,
    /// The last day that may have begun for a gateway: near midnight its clock may be on tomorrow already.
    last_in_use: NaiveDate,
}

impl PriceDays {
    pub fn at(now: Timestamp, calendar: BillingCalendar) -> PriceDays {
        PriceDays { today: calendar.day_of(now), last_in_use: calendar.day_of(latest_submission(now)) }
    }

    /// Checks that a card with this first day may still be changed or deleted.
    ///
    /// # Errors
    /// [`RateCardRefusal::InForce`] where a message may have been charged by it.
    pub fn check_untouched(self, effective_from: NaiveDate) -> Result<(), RateCardRefusal> {
        if effective_from > self.last_in_use { Ok(()) } else { Err(RateCardRefusal::InForce(effective_from)) }
    }

    /// The error of a new card that may not begin on this day. Messages are charged up to 72 hours after they were
    /// submitted, at the price of that time, so a price of the past may not change; but where there was none, a new one
    /// takes nothing from anybody.
    pub fn check_start(self, effective_from: NaiveDate, has_rows: bool) -> Option<FieldError> {
        (effective_from < self.today && has_rows).then(|| {
            let problem = format!(
                "must be {} or later: prices of the past stay as they were (only the first row of a destination and \
                 currency may begin on any day)",
                self.today
            );
            FieldError::new("effective_from", problem)
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use rstest::rstest;

    use super::*;
    use crate::domain::prices::rating::fixtures::{NAIROBI, UTC, at, card, day, network};

    fn fields(errors: &[FieldError]) -> Vec<&str> {
        errors.iter().map(|error| error.field.as_str()).collect()
    }

    #[test]
    fn what_a_card_may_say() {
        let good = RateCardTerms {
            networks: vec![network("639", "01"), network("639", "001")],
            ..card(1, "KE", "Safaricom", "0.02").terms()
        };
        assert_eq!(good.check(), []);
        assert_eq!(card(1, "KE", "", "0").terms().check(), [], "the whole country, for nothing");
        let wrong = RateCardTerms {
            operator: "x".repeat(65),
            price_per_sms: Money::from_micros(-1),
            notes: "a\tb".to_owned(),
            networks: vec![network("63", "01"), network("639", "1"), network("639", "1")],
            ..good.clone()
        };
        let told = wrong.check();
        let expected = ["operator", "price_per_sms", "notes", "networks[0].mcc", "networks[1].mnc", "networks[2].mnc"];
        assert_eq!(fields(&told)[..6], expected);
        assert_eq!(fields(&told)[6..], ["networks[2]"]);
        assert_eq!(fields(&RateCardTerms { operator: String::new(), ..good.clone() }.check()), ["networks"]);
        assert_eq!(fields(&RateCardTerms { operator: "MTN ".to_owned(), ..good }.check()), ["operator"]);
    }

    #[test]
    fn the_order_of_networks_says_nothing() {
        let one = RateCardTerms {
            networks: vec![network("639", "01"), network("639", "02")],
            ..card(1, "KE", "Safaricom", "0.02").terms()
        };
        let mut other = one.clone();
        other.networks.reverse();
        assert!(one.is_same_as(&other));
        other.networks.pop();
        assert!(!one.is_same_as(&other));
        assert!(!one.is_same_as(&RateCardTerms { notes: "x".to_owned(), ..one.clone() }));
    }

    #[test]
    fn what_stays_as_it_is() {
        let before = card(1, "KE", "Safaricom", "0.02").terms();
        let whole = RateCardChanges {
            price_per_sms: Some(Money::from_micros(21_000)),
            country_code: Some(before.country_code),
            operator: Some(before.operator.clone()),
            currency: Some(before.currency),
            effective_from: Some(before.effective_from),
            ..RateCardChanges::default()
        };
        let after = whole.clone().apply_to(before.clone()).expect("a change of price");
        assert_eq!(after, RateCardTerms { price_per_sms: Money::from_micros(21_000), ..before.clone() });
        let moved =
            RateCardChanges { operator: Some("Airtel".to_owned()), effective_from: Some(day("2030-01-01")), ..whole };
        let told = moved.apply_to(before).expect_err("a change of what stays");
        assert_eq!(fields(&told), ["operator", "effective_from"]);
    }

    /// At 23:54 the gateway's clock may say 23:59; at 23:55 it may say that it is tomorrow.
    #[rstest]
    #[case("2026-03-18T23:54:59Z", "2026-03-18", false)]
    #[case("2026-03-18T23:54:59Z", "2026-03-19", true)]
    #[case("2026-03-18T23:55:00Z", "2026-03-19", false)]
    #[case("2026-03-18T23:55:00Z", "2026-03-20", true)]
    #[case("2026-03-18T10:00:00Z", "2024-01-01", false)]
    fn what_may_have_been_charged_by_stays(#[case] now: &str, #[case] from: &str, #[case] changeable: bool) {
        assert_eq!(PriceDays::at(at(now), UTC).check_untouched(day(from)).is_ok(), changeable);
    }

    #[test]
    fn days_are_those_of_the_billing_time_zone() {
        let evening = PriceDays::at(at("2026-03-18T21:30:00Z"), NAIROBI);
        assert!(evening.check_untouched(day("2026-03-19")).is_err(), "it is the 19th in Nairobi");
        assert!(evening.check_start(day("2026-03-18"), true).is_some());
        let west = BillingCalendar::new(Tz::America__New_York);
        assert!(PriceDays::at(at("2026-03-18T03:00:00Z"), west).check_start(day("2026-03-17"), true).is_none());
    }

    #[rstest]
    #[case("2026-03-18", true, true)]
    #[case("2026-03-19", true, true)]
    #[case("2026-03-17", true, false)]
    #[case("2001-01-01", true, false)]
    #[case("2001-01-01", false, true)]
    fn when_a_row_may_begin(#[case] from: &str, #[case] has_rows: bool, #[case] may: bool) {
        let days = PriceDays::at(at("2026-03-18T10:00:00Z"), UTC);
        assert_eq!(days.check_start(day(from), has_rows).is_none(), may);
    }
}
