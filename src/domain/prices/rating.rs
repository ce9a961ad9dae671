//! Rates messages: finds the price of each segment in the price book, and the rule behind it.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::destinations::Destination;
use super::plans::{PricingPlan, VolumeTier};
use super::rate_cards::{Network, RateCard};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{BasisPoints, Money, MoneyError};
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::sid::{PlanSid, RateCardSid};
use crate::domain::values::text::OperatorName;
use crate::domain::values::time::{BillingCalendar, Timestamp};

named_enum! {
    /// The kind of price that rating applied.
    pub enum RatingRule {
        /// The operator's own rate card, less the discounts of plan and tier.
        OperatorCard = "OPERATOR_CARD",
        /// The rate card of the whole country, less the discounts of plan and tier.
        CountryCard = "COUNTRY_CARD",
        /// The price of the plan's tier as it stands: the country is served, but no card names the operator.
        PlanTier = "PLAN_TIER",
        /// The plan's base price as it stands.
        PlanBase = "PLAN_BASE",
    }
}

/// The price of a segment, with everything that determined it. Stored with the charge, so that it holds however cards
/// and plans change; few differ, however many messages there are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppliedRate {
    pub destination: Destination,
    pub rule: RatingRule,
    pub unit_price: Money,
    /// The card whose price was used.
    pub card: Option<AppliedCard>,
    /// The wallet's plan, where it has one.
    pub plan: Option<AppliedPlan>,
    /// The tier of that plan that the segment fell into.
    pub tier: Option<AppliedTier>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppliedCard {
    pub sid: RateCardSid,
    pub price_per_sms: Money,
    pub effective_from: NaiveDate,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppliedPlan {
    pub sid: PlanSid,
    pub name: Arc<str>,
    pub card_discount: BasisPoints,
    /// The share of the price that is refunded for a failed message.
    pub failed_refund: BasisPoints,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppliedTier {
    /// The first segment of the month at this tier's price.
    pub first: i64,
    /// The last one; `None` where the tier is open.
    pub up_to: Option<i64>,
    pub discount: BasisPoints,
}

impl AppliedRate {
    /// The share of the price that is refunded for a failed message: all of it where the wallet has no plan.
    pub fn failed_refund(&self) -> BasisPoints {
        self.plan.as_ref().map_or(BasisPoints::WHOLE, |plan| plan.failed_refund)
    }
}

/// Segments of one message that share a rate. A message that crosses the bound of a tier has several parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RatedPart {
    pub segments: u16,
    pub rate: Arc<AppliedRate>,
}

impl RatedPart {
    /// # Errors
    /// [`MoneyError::Overflow`], which only an absurd price can cause.
    pub fn cost(&self) -> Result<Money, MoneyError> {
        self.rate.unit_price.checked_mul(self.segments.into())
    }
}

/// The price of a message. The sum over its parts is exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rating {
    /// In the order of the segments; at least one.
    pub parts: Vec<RatedPart>,
    pub total: Money,
}

/// Why a message has no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrated {
    #[error("No price for {destination}: no rate card is in force for that country, and none is sold by guessing.")]
    NoRate { destination: String },
    #[error(
        "No price for {destination}: no rate card in force holds for it, and the wallet has no plan whose price would instead."
    )]
    NoPlan { destination: String },
    #[error(
        "No price for {destination} in the wallet's {currency}: what rate cards there are for it are in another currency."
    )]
    CurrencyMismatch { destination: String, currency: Currency },
    #[error("the price of a message {0}")]
    Money(#[from] MoneyError),
}

/// The facts about a message and its wallet that rating needs, beside the price book.
#[derive(Clone, Copy, Debug)]
pub struct RatingTerms<'a> {
    pub currency: Currency,
    pub plan: Option<&'a PlanPrices>,
    /// The segments that the wallet was charged for before, in this calendar month.
    pub segments_before: i64,
    /// The time that selects the price row, and nothing else.
    pub submitted_at: Timestamp,
}

/// Every plan and rate card, indexed. Built once, and again when one changes.
#[derive(Debug, Default)]
pub struct PriceBook {
    plans: HashMap<PlanSid, PlanPrices>,
    countries: HashMap<CountryCode, CountryCards>,
    networks: HashMap<Network, Vec<NetworkRow>>,
}

/// A card that names a network; the newest come first.
#[derive(Debug)]
struct NetworkRow {
    from: Timestamp,
    country: CountryCode,
    operator: Arc<str>,
}

/// A plan as rating uses it.
#[derive(Clone, Debug)]
pub struct PlanPrices {
    terms: AppliedPlan,
    base_price_per_sms: Money,
    /// Each with its first segment.
    tiers: Vec<(i64, VolumeTier)>,
}

/// The cards of a country by operator key (`""` for the whole country), each list with the newest first.
#[derive(Debug, Default)]
struct CountryCards(HashMap<String, OperatorCards>);

#[derive(Debug)]
struct OperatorCards {
    rows: Vec<CardRow>,
}

#[derive(Debug)]
struct CardRow {
    card: AppliedCard,
    /// The operator's name as this card spells it.
    name: Arc<str>,
    currency: Currency,
    from: Timestamp,
}

impl PriceBook {
    /// The book of all plans and rate cards, past and future ones included.
    pub fn new(plans: Vec<PricingPlan>, cards: Vec<RateCard>, calendar: BillingCalendar) -> PriceBook {
        let mut book = PriceBook {
            plans: plans.into_iter().map(|plan| (plan.sid, PlanPrices::from(plan))).collect(),
            ..PriceBook::default()
        };
        let mut cards = cards;
        cards.sort_by_key(|card| std::cmp::Reverse(card.effective_from));
        for card in cards {
            book.add(card, calendar);
        }
        book
    }

    fn add(&mut self, card: RateCard, calendar: BillingCalendar) {
        let operators = &mut self.countries.entry(card.country).or_default().0;
        let operator = operators.entry(card.operator_key()).or_insert_with(|| OperatorCards { rows: Vec::new() });
        let name: Arc<str> = card.operator.as_str().into();
        let from = calendar.start_of(card.effective_from);
        for network in card.networks {
            let row = NetworkRow { from, country: card.country, operator: name.clone() };
            self.networks.entry(network).or_default().push(row);
        }
        operator.rows.push(CardRow {
            name,
            card: AppliedCard { sid: card.sid, price_per_sms: card.price_per_sms, effective_from: card.effective_from },
            currency: card.currency,
            from,
        });
    }

    pub fn plan(&self, sid: PlanSid) -> Option<&PlanPrices> {
        self.plans.get(&sid)
    }

    /// The plan with this name; new wallets get theirs by name.
    pub fn plan_named(&self, name: &str) -> Option<PlanSid> {
        self.plans.values().find(|plan| *plan.terms.name == *name).map(|plan| plan.terms.sid)
    }

    /// The country and operator of a network, by the newest rate card in force that names it.
    pub fn network(&self, network: &Network, at: Timestamp) -> Option<(CountryCode, Arc<str>)> {
        let row = self.networks.get(network)?.iter().find(|row| row.from <= at)?;
        Some((row.country, row.operator.clone()))
    }

    /// An operator's name as the newest of its cards in force spells it; unchanged where there is none.
    pub fn spelling(&self, country: CountryCode, operator: &str, at: Timestamp) -> Arc<str> {
        let known = self.countries.get(&country).and_then(|cards| cards.0.get(&OperatorName::key(operator)));
        let row = known.and_then(|cards| cards.rows.iter().find(|row| row.from <= at));
        row.map_or_else(|| operator.into(), |row| row.name.clone())
    }

    /// Rates a message of so many segments, as the next of its wallet's month.
    ///
    /// The price is that of the operator's card in the wallet's currency, else of the country's card, less the
    /// discounts of plan and tier. Where the country is served in that currency but neither card exists in any, the
    /// plan's own price holds as it stands.
    ///
    /// # Errors
    /// [`Unrated`]; there is no price to fall back to, and none is zero by accident.
    pub fn rate(&self, destination: &Destination, segments: u16, terms: RatingTerms<'_>) -> Result<Rating, Unrated> {
        let source = self.price_source(destination, terms)?;
        let mut parts = Vec::with_capacity(1);
        let mut total = Money::ZERO;
        for (segments, tier) in split(terms.plan, terms.segments_before, segments) {
            let rate = Arc::new(source.rate(destination, terms.plan, tier));
            let part = RatedPart { segments, rate };
            total = total.checked_add(part.cost()?)?;
            parts.push(part);
        }
        Ok(Rating { parts, total })
    }

    fn price_source<'a>(
        &'a self,
        destination: &Destination,
        terms: RatingTerms<'a>,
    ) -> Result<PriceSource<'a>, Unrated> {
        let whole = || {
            let country = destination.country.name();
            let operator = &destination.operator;
            if operator.is_empty() { country.to_owned() } else { format!("{country}, {operator}") }
        };
        let no_rate = || Unrated::NoRate { destination: whole() };
        let country = self.countries.get(&destination.country).ok_or_else(no_rate)?;
        let at = terms.submitted_at;
        let own_key = OperatorName::key(&destination.operator);
        let operator = (!own_key.is_empty()).then_some((own_key.as_str(), RatingRule::OperatorCard));
        let candidates = operator.into_iter().chain([("", RatingRule::CountryCard)]);
        let mut has_card = false;
        for (key, rule) in candidates {
            let Some(cards) = country.0.get(key) else { continue };
            if let Some(card) = cards.in_force(terms.currency, at) {
                return Ok(PriceSource::Card(card, rule));
            }
            has_card |= cards.rows.iter().any(|row| row.from <= at);
        }
        let mut served_in = country.rows_in_force(at).map(|row| row.currency).peekable();
        if served_in.peek().is_none() {
            return Err(no_rate());
        }
        // The price of a plan stands in for a card that nobody made, not for one in another currency.
        if has_card || served_in.all(|currency| currency != terms.currency) {
            return Err(Unrated::CurrencyMismatch { destination: whole(), currency: terms.currency });
        }
        terms.plan.map(PriceSource::Plan).ok_or_else(|| Unrated::NoPlan { destination: whole() })
    }
}

impl CountryCards {
    fn rows_in_force(&self, at: Timestamp) -> impl Iterator<Item = &CardRow> {
        self.0.values().flat_map(|cards| &cards.rows).filter(move |row| row.from <= at)
    }
}

impl OperatorCards {
    fn in_force(&self, currency: Currency, at: Timestamp) -> Option<&AppliedCard> {
        self.rows.iter().find(|row| row.currency == currency && row.from <= at).map(|row| &row.card)
    }
}

/// Where the price of a message comes from.
#[derive(Clone, Copy)]
enum PriceSource<'a> {
    Card(&'a AppliedCard, RatingRule),
    Plan(&'a PlanPrices),
}

impl PriceSource<'_> {
    fn rate(
        self,
        destination: &Destination,
        plan: Option<&PlanPrices>,
        tier: Option<(i64, VolumeTier)>,
    ) -> AppliedRate {
        let (rule, unit_price, card) = match (self, tier) {
            (PriceSource::Card(card, rule), tier) => {
                let plan_discount = plan.map_or(BasisPoints::ZERO, |plan| plan.terms.card_discount);
                let tier_discount = tier.map_or(BasisPoints::ZERO, |(_, tier)| tier.discount);
                (rule, card.price_per_sms.discounted(&[plan_discount, tier_discount]), Some(card.clone()))
            }
            (PriceSource::Plan(_), Some((_, tier))) => (RatingRule::PlanTier, tier.price_per_sms, None),
            (PriceSource::Plan(plan), None) => (RatingRule::PlanBase, plan.base_price_per_sms, None),
        };
        AppliedRate {
            destination: destination.clone(),
            rule,
            unit_price,
            card,
            plan: plan.map(|plan| plan.terms.clone()),
            tier: tier.map(|(first, tier)| AppliedTier { first, up_to: tier.up_to, discount: tier.discount }),
        }
    }
}

/// Splits a message over the tiers of a plan: segment n of the month belongs to the tier whose inclusive bounds hold n.
fn split(
    plan: Option<&PlanPrices>,
    before: i64,
    segments: u16,
) -> impl Iterator<Item = (u16, Option<(i64, VolumeTier)>)> {
    let tiers = plan.map_or(&[][..], |plan| plan.tiers.as_slice());
    let (mut next, last) = (before.saturating_add(1), before.saturating_add(segments.into()));
    let mut untiered = tiers.is_empty().then_some((segments, None));
    let mut tiers = tiers.iter();
    std::iter::from_fn(move || {
        if let Some(whole) = untiered.take() {
            return Some(whole);
        }
        while next <= last {
            let (first, tier) = tiers.next()?;
            let end = tier.up_to.unwrap_or(i64::MAX).min(last);
            if end >= next {
                // No more than the message has, so it fits.
                let count = u16::try_from(end - next + 1).unwrap_or(segments);
                next = end.saturating_add(1);
                return Some((count, Some((*first, *tier))));
            }
        }
        None
    })
}

impl From<PricingPlan> for PlanPrices {
    fn from(plan: PricingPlan) -> PlanPrices {
        PlanPrices {
            terms: AppliedPlan {
                sid: plan.sid,
                name: plan.name.into(),
                card_discount: plan.card_discount,
                failed_refund: plan.failed_refund,
            },
            base_price_per_sms: plan.base_price_per_sms,
            tiers: plan.tiers.with_starts().map(|(first, tier)| (first, *tier)).collect(),
        }
    }
}

#[cfg(test)]
pub(in crate::domain) mod fixtures;

#[cfg(test)]
mod tests;
