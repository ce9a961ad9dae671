//! Builds plans, rate cards and price books for tests.

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Deserialize;
use uuid::Uuid;

use super::PriceBook;
use crate::domain::prices::destinations::{Destination, MatchedBy};
use crate::domain::prices::plans::{PlanType, PricingPlan, VolumeTier, VolumeTiers};
use crate::domain::prices::rate_cards::{Network, RateCard};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::{PlanSid, RateCardSid};
use crate::domain::values::time::{BillingCalendar, Timestamp};

pub const UTC: BillingCalendar = BillingCalendar::new(Tz::UTC);

/// Three hours ahead of UTC, all year.
pub const NAIROBI: BillingCalendar = BillingCalendar::new(Tz::Africa__Nairobi);

pub fn money(text: &str) -> Money {
    Money::parse(text).expect("an amount")
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

pub fn currency(code: &str) -> Currency {
    code.parse().expect("a currency")
}

pub fn country(code: &str) -> CountryCode {
    code.parse().expect("a country")
}

pub fn network(mcc: &str, mnc: &str) -> Network {
    Network { mcc: mcc.to_owned(), mnc: mnc.to_owned() }
}

pub fn destination(code: &str, operator: &str) -> Destination {
    Destination {
        country: country(code),
        operator: operator.into(),
        matched_by: MatchedBy::Given,
        matched: format!("{code} {operator}").into(),
    }
}

/// The card with this number, in US dollars, in force from 2024 on.
pub fn card(number: u128, country_code: &str, operator: &str, price: &str) -> RateCard {
    RateCard {
        sid: RateCardSid::new(Uuid::from_u128(number)),
        country: country(country_code),
        operator: operator.to_owned(),
        networks: Vec::new(),
        price_per_sms: money(price),
        currency: currency("USD"),
        effective_from: day("2024-01-01"),
        notes: String::new(),
    }
}

pub fn tier(up_to: Option<i64>, price: &str, discount_percent: i64) -> VolumeTier {
    VolumeTier { up_to, price_per_sms: money(price), discount: BasisPoints::from_percent(discount_percent) }
}

pub fn plan_sid(number: u128) -> PlanSid {
    PlanSid::new(Uuid::from_u128(number))
}

/// The plan with this number, which refunds failed messages in full.
pub fn plan(number: u128, base_price: &str, card_discount_percent: i64, tiers: Vec<VolumeTier>) -> PricingPlan {
    PricingPlan {
        sid: plan_sid(number),
        name: format!("plan {number}"),
        description: String::new(),
        plan_type: PlanType::Prepaid,
        base_price_per_sms: money(base_price),
        card_discount: BasisPoints::from_percent(card_discount_percent),
        failed_refund: BasisPoints::WHOLE,
        features: Vec::new(),
        tiers: VolumeTiers::new(tiers).expect("valid tiers"),
        created_at: Timestamp::from_micros(0),
        updated_at: Timestamp::from_micros(0),
    }
}

#[derive(Deserialize)]
struct SamplePlan {
    name: String,
    base_price_per_sms: Money,
    card_discount_percent: BasisPoints,
    tiers: Vec<SampleTier>,
}

#[derive(Deserialize)]
struct SampleTier {
    up_to: Option<i64>,
    price_per_sms: Money,
    discount_percent: BasisPoints,
}

#[derive(Deserialize)]
struct SampleCard {
    country_code: String,
    operator: String,
    price_per_sms: Money,
    networks: Vec<Network>,
}

/// The sample data.
pub fn sample_book() -> PriceBook {
    let plans: Vec<SamplePlan> =
        serde_json::from_str(include_str!("../../../../seeds/plans.json")).expect("the sample plans");
    let cards: Vec<SampleCard> =
        serde_json::from_str(include_str!("../../../../seeds/rate_cards.json")).expect("the sample cards");
    let tier = |tier: &SampleTier| VolumeTier {
        up_to: tier.up_to,
        price_per_sms: tier.price_per_sms,
        discount: tier.discount_percent,
    };
    let plans = (1..).zip(plans).map(|(number, sample)| PricingPlan {
        base_price_per_sms: sample.base_price_per_sms,
        card_discount: sample.card_discount_percent,
        tiers: VolumeTiers::new(sample.tiers.iter().map(tier).collect()).expect("valid tiers"),
        name: sample.name,
        ..plan(number, "0", 0, Vec::new())
    });
    let cards = (1..).zip(cards).map(|(number, sample)| RateCard {
        price_per_sms: sample.price_per_sms,
        networks: sample.networks,
        ..card(number, &sample.country_code, &sample.operator, "0")
    });
    PriceBook::new(plans.collect(), cards.collect(), UTC)
}
