//! Defines plans and their volume tiers.

use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::sid::PlanSid;
use crate::domain::values::time::Timestamp;

/// The highest price of a segment: anything above is a typing mistake in any currency.
pub const PRICE_MAX: Money = Money::from_units(1_000_000);

named_enum! {
    /// Whether messages are paid in advance or on the invoice. A plan gives no credit; only a wallet's credit limit
    /// does.
    pub enum PlanType { Prepaid = "PREPAID", Postpaid = "POSTPAID" }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricingPlan {
    pub sid: PlanSid,
    pub name: String,
    pub description: String,
    pub plan_type: PlanType,
    /// The price of a segment where no rate card names its operator and no tier its volume.
    pub base_price_per_sms: Money,
    /// The discount on a rate card's price.
    pub card_discount: BasisPoints,
    /// The share of the price that is refunded for a failed message.
    pub failed_refund: BasisPoints,
    pub features: Vec<String>,
    pub tiers: VolumeTiers,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl PricingPlan {
    /// # Errors
    /// A sentence on the first rule the plan breaks.
    pub fn validate(&self) -> Result<(), String> {
        if self.name.trim().is_empty() {
            return Err("the plan needs a name".to_owned());
        }
        if self.base_price_per_sms.is_negative() {
            return Err(format!("base_price_per_sms {} is below zero", self.base_price_per_sms));
        }
        if !self.card_discount.is_share() || !self.failed_refund.is_share() {
            return Err("card_discount_percent and failed_refund_percent lie between 0 and 100".to_owned());
        }
        Ok(())
    }
}

/// A volume tier: one step of a plan's graduated prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeTier {
    /// The last segment of the month at this price; `None` on the last tier, which has no end.
    pub up_to: Option<i64>,
    pub price_per_sms: Money,
    pub discount: BasisPoints,
}

/// A plan's tiers in rising order, the last one open: each begins where the one before ends, so that there is no gap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeTiers(Vec<VolumeTier>);

impl VolumeTiers {
    /// Checks tiers. None at all are fine.
    ///
    /// # Errors
    /// A sentence on the first rule the tiers break.
    pub fn new(tiers: Vec<VolumeTier>) -> Result<VolumeTiers, String> {
        let mut reached = 0;
        for (position, tier) in tiers.iter().enumerate() {
            let is_last = position + 1 == tiers.len();
            match tier.up_to {
                None if !is_last => return Err(format!("tier {} has no end, so none may follow it", position + 1)),
                Some(end) if is_last => return Err(format!("the last tier ends at {end}, but must have no end")),
                Some(end) if end <= reached => {
                    return Err(format!("tier {} ends at {end}, not above {reached}", position + 1));
                }
                Some(end) => reached = end,
                None => {}
            }
            if tier.price_per_sms.is_negative() || !tier.discount.is_share() {
                return Err(format!("tier {} has a price below zero or a discount outside 0 to 100 %", position + 1));
            }
        }
        Ok(VolumeTiers(tiers))
    }

    pub fn as_slice(&self) -> &[VolumeTier] {
        &self.0
    }

    /// Each tier with the first segment it applies to.
    pub fn with_starts(&self) -> impl Iterator<Item = (i64, &VolumeTier)> {
        let starts = std::iter::once(1).chain(self.0.iter().filter_map(|tier| tier.up_to).map(|end| end + 1));
        starts.zip(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn tiers(ends: &[Option<i64>]) -> Result<VolumeTiers, String> {
        let tier = |up_to| VolumeTier { up_to, price_per_sms: Money::from_micros(50_000), discount: BasisPoints::ZERO };
        VolumeTiers::new(ends.iter().copied().map(tier).collect())
    }

    #[rstest]
    #[case(&[], true)]
    #[case(&[None], true)]
    #[case(&[Some(1_000), Some(10_000), None], true)]
    #[case(&[Some(1_000)], false)]
    #[case(&[None, None], false)]
    #[case(&[Some(0), None], false)]
    #[case(&[Some(10), Some(10), None], false)]
    #[case(&[Some(10), Some(9), None], false)]
    fn bounds_leave_no_gap(#[case] ends: &[Option<i64>], #[case] valid: bool) {
        assert_eq!(tiers(ends).is_ok(), valid);
    }

    #[test]
    fn each_tier_starts_after_the_one_before() {
        let tiers = tiers(&[Some(1_000), Some(10_000), None]).expect("valid tiers");
        let starts: Vec<i64> = tiers.with_starts().map(|(start, _)| start).collect();
        assert_eq!(starts, [1, 1_001, 10_001]);
    }
}
