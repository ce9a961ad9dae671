//! Checks the terms an admin gives a plan, and applies changes to them.

use serde::Serialize;

use super::plans::{PRICE_MAX, PlanType, PricingPlan, VolumeTier, VolumeTiers};
use crate::domain::values::fields::{FieldError, check_text};
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::PlanSid;
use crate::domain::values::text::{Feature, LongText, Title};
use crate::domain::values::time::Timestamp;
use crate::domain::values::versions::Version;

/// The most tiers, and the most features, of a plan.
const PARTS_MAX: usize = 100;

/// The highest segment that a tier may name: far more than anybody sends in a month.
const MESSAGES_MAX: i64 = 1_000_000_000_000;

/// The terms of a plan that an admin sets. Serialised, they are what the audit log stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanTerms {
    pub name: String,
    pub description: String,
    #[serde(rename = "type")]
    pub plan_type: PlanType,
    pub base_price_per_sms: Money,
    pub volume_tiers: Vec<TierTerms>,
    pub features: Vec<String>,
    pub card_discount_percent: BasisPoints,
    pub failed_refund_percent: BasisPoints,
}

/// A tier with both its bounds, as people write it. Only the upper bounds are stored, so that there can be no gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TierTerms {
    pub min_messages: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_messages: Option<i64>,
    pub price_per_sms: Money,
    pub discount_percent: BasisPoints,
}

impl PlanTerms {
    /// A plan with these terms.
    ///
    /// # Errors
    /// Every rule that the terms break.
    pub fn into_plan(
        self,
        sid: PlanSid,
        created_at: Timestamp,
        updated_at: Timestamp,
    ) -> Result<PricingPlan, Vec<FieldError>> {
        let mut errors = self.check();
        let tiers = tiers_of(&self.volume_tiers).unwrap_or_else(|wrong| {
            errors.extend(wrong);
            VolumeTiers::default()
        });
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(PricingPlan {
            sid,
            name: self.name,
            description: self.description,
            plan_type: self.plan_type,
            base_price_per_sms: self.base_price_per_sms,
            card_discount: self.card_discount_percent,
            failed_refund: self.failed_refund_percent,
            features: self.features,
            tiers,
            created_at,
            updated_at,
        })
    }

    /// Every rule but those of the tiers that the terms break.
    fn check(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        errors.extend(check_text::<Title>("name", &self.name));
        if self.name.trim() != self.name {
            errors.push(FieldError::new("name", "must not begin or end with a blank"));
        }
        errors.extend(check_text::<LongText>("description", &self.description));
        errors.extend(check_price("base_price_per_sms", self.base_price_per_sms));
        errors.extend(check_share("card_discount_percent", self.card_discount_percent));
        errors.extend(check_share("failed_refund_percent", self.failed_refund_percent));
        if self.features.len() > PARTS_MAX {
            errors.push(FieldError::new("features", format!("must have at most {PARTS_MAX} entries")));
        }
        let wrong = |(place, feature): (usize, &String)| check_text::<Feature>(&format!("features[{place}]"), feature);
        errors.extend(self.features.iter().enumerate().filter_map(wrong));
        errors
    }
}

/// The error of a price that is out of range, for plans and rate cards.
pub fn check_price(field: &str, price: Money) -> Option<FieldError> {
    let is_fine = (Money::ZERO..=PRICE_MAX).contains(&price);
    (!is_fine).then(|| FieldError::new(field, format!("must lie between 0 and {PRICE_MAX}")))
}

fn check_share(field: &str, share: BasisPoints) -> Option<FieldError> {
    (!share.is_share()).then(|| FieldError::new(field, "must lie between 0 and 100"))
}

/// The tiers with these bounds: the first begins with the first segment, each where the one before ends, and the last
/// has no end.
fn tiers_of(given: &[TierTerms]) -> Result<VolumeTiers, Vec<FieldError>> {
    if given.len() > PARTS_MAX {
        return Err(vec![FieldError::new("volume_tiers", format!("must have at most {PARTS_MAX} entries"))]);
    }
    let mut errors = Vec::new();
    // Where the next tier has to begin; unknown after one without an end.
    let mut expected = Some(1);
    for (place, tier) in given.iter().enumerate() {
        let field = |name: &str| format!("volume_tiers[{place}].{name}");
        if let Some(first) = expected.filter(|first| *first != tier.min_messages) {
            let after = if place == 0 { "where the month begins" } else { "right after the tier before" };
            errors.push(FieldError::new(field("min_messages"), format!("must be {first}, {after}")));
        }
        let is_last = place + 1 == given.len();
        let wrong = match tier.max_messages {
            None if !is_last => Some("is missing: only the last tier has no end".to_owned()),
            Some(_) if is_last => Some("must be left out: the last tier has no end".to_owned()),
            Some(end) if end < tier.min_messages => Some(format!("must be at least {}", tier.min_messages)),
            Some(end) if end > MESSAGES_MAX => Some(format!("must be at most {MESSAGES_MAX}")),
            _ => None,
        };
        errors.extend(wrong.map(|problem| FieldError::new(field("max_messages"), problem)));
        errors.extend(check_price(&field("price_per_sms"), tier.price_per_sms));
        errors.extend(check_share(&field("discount_percent"), tier.discount_percent));
        expected = tier.max_messages.filter(|end| *end <= MESSAGES_MAX).map(|end| end + 1);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let tier = |tier: &TierTerms| VolumeTier {
        up_to: tier.max_messages,
        price_per_sms: tier.price_per_sms,
        discount: tier.discount_percent,
    };
    VolumeTiers::new(given.iter().map(tier).collect()).map_err(|rule| vec![FieldError::new("volume_tiers", rule)])
}

impl PricingPlan {
    pub fn terms(&self) -> PlanTerms {
        let tier = |(first, tier): (i64, &VolumeTier)| TierTerms {
            min_messages: first,
            max_messages: tier.up_to,
            price_per_sms: tier.price_per_sms,
            discount_percent: tier.discount,
        };
        PlanTerms {
            name: self.name.clone(),
            description: self.description.clone(),
            plan_type: self.plan_type,
            base_price_per_sms: self.base_price_per_sms,
            volume_tiers: self.tiers.with_starts().map(tier).collect(),
            features: self.features.clone(),
            card_discount_percent: self.card_discount,
            failed_refund_percent: self.failed_refund,
        }
    }

    /// The version of the plan, for `If-Match`.
    pub fn version(&self) -> Version {
        Version::of(&(self.sid, self.terms(), self.created_at, self.updated_at))
    }
}

/// Changes to a plan's terms. Fields left out stay as they are; tiers and features are replaced as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanChanges {
    pub name: Option<String>,
    pub description: Option<String>,
    pub plan_type: Option<PlanType>,
    pub base_price_per_sms: Option<Money>,
    pub volume_tiers: Option<Vec<TierTerms>>,
    pub features: Option<Vec<String>>,
    pub card_discount_percent: Option<BasisPoints>,
    pub failed_refund_percent: Option<BasisPoints>,
}

impl PlanChanges {
    pub fn apply_to(self, terms: PlanTerms) -> PlanTerms {
        PlanTerms {
            name: self.name.unwrap_or(terms.name),
            description: self.description.unwrap_or(terms.description),
            plan_type: self.plan_type.unwrap_or(terms.plan_type),
            base_price_per_sms: self.base_price_per_sms.unwrap_or(terms.base_price_per_sms),
            volume_tiers: self.volume_tiers.unwrap_or(terms.volume_tiers),
            features: self.features.unwrap_or(terms.features),
            card_discount_percent: self.card_discount_percent.unwrap_or(terms.card_discount_percent),
            failed_refund_percent: self.failed_refund_percent.unwrap_or(terms.failed_refund_percent),
        }
    }
}

/// Why a plan with valid terms may not be changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefusal {
    #[error("Wallets have this plan: give them another one first.")]
    InUse,
    #[error("New wallets get the plan {0} (DEFAULT_PLAN), so it must stay PREPAID.")]
    DefaultMustBePrepaid(String),
    #[error(
        "New wallets get the plan {0} (DEFAULT_PLAN), so it keeps its name and is not deleted; change that setting first."
    )]
    DefaultIsNeeded(String),
}

impl PlanRefusal {
    /// The error code of the API.
    pub fn code(&self) -> &'static str {
        match self {
            PlanRefusal::InUse => "plan_in_use",
            PlanRefusal::DefaultMustBePrepaid(_) | PlanRefusal::DefaultIsNeeded(_) => "default_plan",
        }
    }

    /// The field that the change would have to leave alone.
    pub fn field(&self) -> &'static str {
        match self {
            PlanRefusal::DefaultMustBePrepaid(_) => "type",
            PlanRefusal::InUse | PlanRefusal::DefaultIsNeeded(_) => "name",
        }
    }
}

/// Checks that the plan that new wallets get still exists after a change, and is prepaid. `before` and `after` are
/// `None` where a plan is created or deleted.
///
/// # Errors
/// [`PlanRefusal::DefaultMustBePrepaid`] and [`PlanRefusal::DefaultIsNeeded`].
pub fn check_default(
    default_plan: &str,
    before: Option<&PlanTerms>,
    after: Option<&PlanTerms>,
) -> Result<(), PlanRefusal> {
    let is_default = |terms: Option<&PlanTerms>| terms.is_some_and(|terms| terms.name == default_plan);
    if is_default(before) && !is_default(after) {
        return Err(PlanRefusal::DefaultIsNeeded(default_plan.to_owned()));
    }
    if is_default(after) && after.is_some_and(|terms| terms.plan_type == PlanType::Postpaid) {
        return Err(PlanRefusal::DefaultMustBePrepaid(default_plan.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn tier(min_messages: i64, max_messages: Option<i64>) -> TierTerms {
        let price_per_sms = Money::from_micros(45_000);
        TierTerms { min_messages, max_messages, price_per_sms, discount_percent: BasisPoints::ZERO }
    }

    fn terms(tiers: &[(i64, Option<i64>)]) -> PlanTerms {
        PlanTerms {
            name: "Growth".to_owned(),
            description: String::new(),
            plan_type: PlanType::Prepaid,
            base_price_per_sms: Money::from_micros(50_000),
            volume_tiers: tiers.iter().map(|(first, end)| tier(*first, *end)).collect(),
            features: vec!["Support".to_owned()],
            card_discount_percent: BasisPoints::ZERO,
            failed_refund_percent: BasisPoints::WHOLE,
        }
    }

    fn made(terms: PlanTerms) -> Result<PricingPlan, Vec<String>> {
        let (sid, at) = (PlanSid::new(uuid::Uuid::nil()), Timestamp::from_micros(0));
        let told = |errors: Vec<FieldError>| {
            errors.iter().map(|error| format!("{} {}", error.field, error.problem)).collect::<Vec<_>>()
        };
        terms.into_plan(sid, at, at).map_err(told)
    }

    #[rstest]
    #[case(&[])]
    #[case(&[(1, None)])]
    #[case(&[(1, Some(1)), (2, Some(10_000)), (10_001, None)])]
    fn terms_survive_being_a_plan(#[case] tiers: &[(i64, Option<i64>)]) {
        let terms = terms(tiers);
        assert_eq!(made(terms.clone()).expect("a plan").terms(), terms);
    }

    #[rstest]
    #[case(&[(0, None)], "volume_tiers[0].min_messages must be 1, where the month begins")]
    #[case(&[(2, None)], "volume_tiers[0].min_messages must be 1, where the month begins")]
    #[case(&[(1, Some(9))], "volume_tiers[0].max_messages must be left out: the last tier has no end")]
    #[case(&[(1, None), (2, None)], "volume_tiers[0].max_messages is missing: only the last tier has no end")]
    #[case(&[(1, Some(9)), (11, None)], "volume_tiers[1].min_messages must be 10, right after the tier before")]
    #[case(&[(1, Some(9)), (9, None)], "volume_tiers[1].min_messages must be 10, right after the tier before")]
    #[case(&[(1, Some(0)), (1, None)], "volume_tiers[0].max_messages must be at least 1")]
    #[case(&[(1, Some(i64::MAX)), (2, None)], "volume_tiers[0].max_messages must be at most 1000000000000")]
    fn bounds_leave_no_gap(#[case] tiers: &[(i64, Option<i64>)], #[case] told: &str) {
        assert_eq!(made(terms(tiers)), Err(vec![told.to_owned()]));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let wrong = PlanTerms {
            name: " x".to_owned(),
            description: "a\nb".to_owned(),
            base_price_per_sms: Money::from_micros(-1),
            card_discount_percent: BasisPoints::new(10_001),
            failed_refund_percent: BasisPoints::new(-1),
            features: vec!["fine".to_owned(), String::new()],
            volume_tiers: vec![TierTerms { price_per_sms: Money::from_units(1_000_001), ..tier(1, None) }],
            ..terms(&[])
        };
        let told = made(wrong).expect_err("a wrong plan");
        let fields: Vec<&str> = told.iter().filter_map(|sentence| sentence.split(' ').next()).collect();
        assert_eq!(
            fields,
            [
                "name",
                "description",
                "base_price_per_sms",
                "card_discount_percent",
                "failed_refund_percent",
                "features[1]",
                "volume_tiers[0].price_per_sms"
            ]
        );
    }

    #[test]
    fn what_is_not_given_stays() {
        let before = terms(&[(1, Some(5)), (6, None)]);
        assert_eq!(PlanChanges::default().apply_to(before.clone()), before);
        let changes = PlanChanges { volume_tiers: Some(Vec::new()), ..PlanChanges::default() };
        assert_eq!(changes.apply_to(before.clone()), PlanTerms { volume_tiers: Vec::new(), ..before });
    }

    #[test]
    fn every_content_is_a_version_of_its_own() {
        let plan = made(terms(&[])).expect("a plan");
        let dearer = PricingPlan { base_price_per_sms: Money::from_micros(50_001), ..plan.clone() };
        let later = PricingPlan { updated_at: Timestamp::from_micros(1), ..plan.clone() };
        assert!(plan.version() == plan.clone().version());
        assert!(plan.version() != dearer.version() && plan.version() != later.version());
    }

    #[test]
    fn new_wallets_keep_their_plan() {
        let named = |name: &str, plan_type| PlanTerms { name: name.to_owned(), plan_type, ..terms(&[]) };
        let (starter, other) = (named("Starter", PlanType::Prepaid), named("Other", PlanType::Postpaid));
        let postpaid = named("Starter", PlanType::Postpaid);
        let check = |before, after| check_default("Starter", before, after).err().map(|refusal| refusal.field());
        assert_eq!(check(Some(&starter), Some(&starter)), None);
        assert_eq!(check(None, Some(&starter)), None);
        assert_eq!(check(Some(&other), None), None);
        assert_eq!(check(Some(&starter), None), Some("name"));
        assert_eq!(check(Some(&starter), Some(&other)), Some("name"));
        assert_eq!(check(Some(&starter), Some(&postpaid)), Some("type"));
        assert_eq!(check(None, Some(&postpaid)), Some("type"));
        assert_eq!(check(Some(&other), Some(&postpaid)), Some("type"));
        assert_eq!(check(Some(&postpaid), Some(&starter)), None, "it can be put right");
    }
}
