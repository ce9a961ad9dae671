//! Checks the amount of a top-up.

use crate::domain::access::rights::Tenant;
use crate::domain::values::fields::FieldError;
use crate::domain::values::idempotency::InputHash;
use crate::domain::values::money::Money;
use crate::domain::values::text::Reference;

/// The largest top-up.
const TOPUP_MAX: Money = Money::from_units(1_000_000_000);

/// A top-up to enter.
#[derive(Clone, Debug)]
pub struct Topup {
    pub business: Tenant,
    /// Above 0, in the wallet's currency.
    pub amount: Money,
    pub reference: Reference,
}

impl Topup {
    /// A valid top-up.
    ///
    /// # Errors
    /// Names the field `amount` where it is not above zero, or above 1,000,000,000.
    pub fn new(business: Tenant, amount: Money, reference: Reference) -> Result<Topup, FieldError> {
        if amount <= Money::ZERO {
            return Err(FieldError::new("amount", "must be greater than 0"));
        }
        if amount > TOPUP_MAX {
            return Err(FieldError::new("amount", "must be at most 1000000000"));
        }
        Ok(Topup { business, amount, reference })
    }

    /// The input that an idempotency key stands for.
    pub fn hash(&self) -> InputHash {
        InputHash::of(&[self.business.sid().as_str(), &self.amount.to_string(), self.reference.as_str()])
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::access::rights::Reach;

    #[rstest]
    #[case(1, true)]
    #[case(TOPUP_MAX.micros(), true)]
    #[case(0, false)]
    #[case(-1, false)]
    #[case(TOPUP_MAX.micros() + 1, false)]
    fn amounts(#[case] micros: i64, #[case] passes: bool) {
        let tenant = Tenant::admit(&Reach::All, "biz_test_001".parse().expect("a SID"), false).expect("a tenant");
        let topup = Topup::new(tenant, Money::from_micros(micros), Reference::default());
        assert_eq!(
            topup.map(|_| ()).map_err(|error| error.field),
            if passes { Ok(()) } else { Err("amount".to_owned()) }
        );
    }
}
