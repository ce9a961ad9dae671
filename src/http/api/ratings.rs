//! Shapes the rating of a message in answers: which rate card, plan and tiers set the price.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::charges::Charge;
use crate::domain::prices::destinations::MatchedBy;
use crate::domain::prices::messages::MessageSize;
use crate::domain::prices::rating::{AppliedRate, AppliedTier, RatedPart, RatingRule};
use crate::domain::prices::segments::Encoding;
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{BasisPoints, Money, MoneyError};
use crate::domain::values::sid::{PlanSid, RateCardSid};

/// The cost of a message, and how it is calculated.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rating)]
pub struct RatingBody {
    #[schema(minimum = 1, maximum = 255)]
    segments: u16,
    /// Left out if the segments were given instead of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
    country_code: CountryCode,
    country_name: &'static str,
    /// Empty if not known.
    operator: String,
    matched_by: MatchedBy,
    /// What was matched: a network such as `639-02`, the country and operator given, or a prefix of the number.
    matched: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_sid: Option<PlanSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_name: Option<String>,
    /// The segments at each price: several if the message reaches another volume tier.
    parts: Vec<RatingPart>,
    /// The total divided by the number of segments, rounded half up to a millionth.
    price_per_sms: Money,
    total: Money,
    currency: Currency,
}

/// Segments with the same price.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatingPart {
    #[schema(minimum = 1)]
    segments: i64,
    price_per_sms: Money,
    total: Money,
    rule: RatingRule,
    /// The rate card that was used; left out if the plan's own price was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_card: Option<RatingCard>,
    /// The plan's discount on rate card prices, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    card_discount_percent: Option<BasisPoints>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<RatingTier>,
}

/// The rate card that a price comes from.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatingCard {
    sid: RateCardSid,
    /// Before discounts.
    price_per_sms: Money,
    /// The first day on which the price applies.
    #[schema(value_type = String, format = Date)]
    effective_from: chrono::NaiveDate,
}

/// The volume tier of a price, by the wallet's segments in the month.
#[derive(Debug, Serialize, ToSchema)]
pub struct RatingTier {
    #[schema(minimum = 1)]
    min_messages: i64,
    /// Left out on the last tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_messages: Option<i64>,
    /// The tier's discount on rate card prices, in percent.
    discount_percent: BasisPoints,
}

impl RatingBody {
    /// # Errors
    /// None for a charge that was entered.
    pub fn of_charge(charge: &Charge) -> Result<RatingBody, MoneyError> {
        RatingBody::new(charge.size, &charge.parts, charge.total()?, charge.currency)
    }

    /// A rating from its parts.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where a part's cost leaves its range; a rating without a part has none.
    pub fn new(
        size: MessageSize,
        parts: &[RatedPart],
        total: Money,
        currency: Currency,
    ) -> Result<RatingBody, MoneyError> {
        let rate: &AppliedRate = parts.first().map(|part| &*part.rate).ok_or(MoneyError::Overflow)?;
        Ok(RatingBody {
            segments: size.segments,
            encoding: size.encoding,
            country_code: rate.destination.country,
            country_name: rate.destination.country.name(),
            operator: rate.destination.operator.to_string(),
            matched_by: rate.destination.matched_by,
            matched: rate.destination.matched.to_string(),
            plan_sid: rate.plan.as_ref().map(|plan| plan.sid),
            plan_name: rate.plan.as_ref().map(|plan| plan.name.to_string()),
            parts: parts.iter().map(RatingPart::new).collect::<Result<_, _>>()?,
            price_per_sms: total.mean_over(size.segments.into()),
            total,
            currency,
        })
    }
}

impl RatingPart {
    fn new(part: &RatedPart) -> Result<RatingPart, MoneyError> {
        Ok(RatingPart::of_rate(&part.rate, part.segments.into(), part.cost()?))
    }

    /// Segments at one rate, of one message or of many.
    pub fn of_rate(rate: &AppliedRate, segments: i64, total: Money) -> RatingPart {
        let tier = |tier: AppliedTier| RatingTier {
            min_messages: tier.first,
            max_messages: tier.up_to,
            discount_percent: tier.discount,
        };
        let card = rate.card.as_ref();
        RatingPart {
            segments,
            price_per_sms: rate.unit_price,
            total,
            rule: rate.rule,
            rate_card: card.map(|card| RatingCard {
                sid: card.sid,
                price_per_sms: card.price_per_sms,
                effective_from: card.effective_from,
            }),
            card_discount_percent: card.and(rate.plan.as_ref()).map(|plan| plan.card_discount),
            tier: rate.tier.map(tier),
        }
    }
}
