//! Checks fees and credits that an admin adds to the invoice of the month.

use super::LineCategory;
use crate::domain::access::rights::Tenant;
use crate::domain::values::fields::FieldError;
use crate::domain::values::idempotency::InputHash;
use crate::domain::values::money::Money;
use crate::domain::values::text::{LongText, Reason, Reference};

/// The highest fee, and the largest credit.
const FEE_MAX: Money = Money::from_units(1_000_000_000);
const FEE_MIN: Money = Money::from_units(-1_000_000_000);

/// A fee, or a credit, to add.
#[derive(Clone, Debug)]
pub struct Fee {
    pub business: Tenant,
    /// Signed: above 0 it is taken from the wallet, below 0 it is credited.
    pub amount: Money,
    pub category: LineCategory,
    pub description: LongText,
    pub reason: Reason,
    pub reference: Reference,
}

impl Fee {
    /// Checks the fields.
    ///
    /// # Errors
    /// Names the first invalid field.
    pub fn check(self) -> Result<Fee, FieldError> {
        if self.amount.is_zero() {
            return Err(FieldError::new("amount", "must not be 0: above it a fee takes, below it a credit gives"));
        }
        if !(FEE_MIN..=FEE_MAX).contains(&self.amount) {
            return Err(FieldError::new("amount", format!("must lie between {FEE_MIN} and {FEE_MAX}")));
        }
        if self.category == LineCategory::Sms {
            let problem = "must be one of API, STORAGE, SUPPORT, OTHER: messages are charged one by one";
            return Err(FieldError::new("category", problem));
        }
        if self.description.as_str().trim().is_empty() {
            return Err(FieldError::new("description", "must not be empty: it is what the invoice says"));
        }
        Ok(self)
    }

    /// The input that an idempotency key stands for.
    pub fn hash(&self) -> InputHash {
        InputHash::of(&[
            self.business.sid().as_str(),
            &self.amount.to_string(),
            self.category.as_str(),
            self.description.as_str(),
            self.reason.as_str(),
            self.reference.as_str(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::access::rights::Reach;

    /// The field that is wrong, if one is.
    #[rstest]
    #[case(1, LineCategory::Api, "API", None)]
    #[case(FEE_MIN.micros(), LineCategory::Other, "Given back", None)]
    #[case(0, LineCategory::Api, "API", Some("amount"))]
    #[case(FEE_MAX.micros() + 1, LineCategory::Api, "API", Some("amount"))]
    #[case(FEE_MIN.micros() - 1, LineCategory::Api, "API", Some("amount"))]
    #[case(1, LineCategory::Sms, "SMS", Some("category"))]
    #[case(1, LineCategory::Api, " ", Some("description"))]
    fn fields(
        #[case] micros: i64,
        #[case] category: LineCategory,
        #[case] description: &str,
        #[case] wrong: Option<&str>,
    ) {
        let fee = Fee {
            business: Tenant::admit(&Reach::All, "biz_test_001".parse().expect("a SID"), false).expect("a tenant"),
            amount: Money::from_micros(micros),
            category,
            description: description.parse().expect("a text"),
            reason: "Contract".parse().expect("a reason"),
            reference: Reference::default(),
        };
        assert_eq!(fee.check().err().map(|error| error.field).as_deref(), wrong);
    }
}
