//! Checks the amount of an adjustment, which an admin adds to a wallet or takes from it.

use crate::domain::access::rights::Tenant;
use crate::domain::values::fields::FieldError;
use crate::domain::values::idempotency::InputHash;
use crate::domain::values::money::Money;
use crate::domain::values::text::{Reason, Reference};

/// The largest adjustment, either way.
const ADJUSTMENT_MAX: Money = Money::from_units(1_000_000_000);
const ADJUSTMENT_MIN: Money = Money::from_units(-1_000_000_000);

/// An adjustment to enter.
#[derive(Clone, Debug)]
pub struct Adjustment {
    pub business: Tenant,
    /// Signed: above zero the wallet gains.
    pub amount: Money,
    pub reason: Reason,
    pub reference: Reference,
}

impl Adjustment {
    /// A valid adjustment.
    ///
    /// # Errors
    /// Names the field `amount` where it is zero, or above 1,000,000,000 either way.
    pub fn new(
        business: Tenant,
        amount: Money,
        reason: Reason,
        reference: Reference,
    ) -> Result<Adjustment, FieldError> {
        if amount.is_zero() {
            return Err(FieldError::new("amount", "must not be 0: above it adds, below it takes"));
        }
        if !(ADJUSTMENT_MIN..=ADJUSTMENT_MAX).contains(&amount) {
            let problem = format!("must lie between {ADJUSTMENT_MIN} and {ADJUSTMENT_MAX}");
            return Err(FieldError::new("amount", problem));
        }
        Ok(Adjustment { business, amount, reason, reference })
    }

    /// The input that an idempotency key stands for.
    pub fn hash(&self) -> InputHash {
        let amount = self.amount.to_string();
        InputHash::of(&[self.business.sid().as_str(), &amount, self.reason.as_str(), self.reference.as_str()])
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::access::rights::Reach;

    #[rstest]
    #[case(1, true)]
    #[case(-1, true)]
    #[case(ADJUSTMENT_MIN.micros(), true)]
    #[case(0, false)]
    #[case(ADJUSTMENT_MAX.micros() + 1, false)]
    #[case(ADJUSTMENT_MIN.micros() - 1, false)]
    fn amounts(#[case] micros: i64, #[case] passes: bool) {
        let tenant = Tenant::admit(&Reach::All, "biz_test_001".parse().expect("a SID"), false).expect("a tenant");
        let reason = "Credited twice".parse().expect("a reason");
        let adjustment = Adjustment::new(tenant, Money::from_micros(micros), reason, Reference::default());
        let expected = if passes { Ok(()) } else { Err("amount".to_owned()) };
        assert_eq!(adjustment.map(|_| ()).map_err(|error| error.field), expected);
    }
}
