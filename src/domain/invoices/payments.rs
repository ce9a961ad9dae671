//! Checks the amount of an invoice payment.

use crate::domain::access::rights::Tenant;
use crate::domain::values::fields::FieldError;
use crate::domain::values::idempotency::InputHash;
use crate::domain::values::money::Money;
use crate::domain::values::sid::InvoiceSid;
use crate::domain::values::text::Reference;

/// The largest payment.
const PAYMENT_MAX: Money = Money::from_units(1_000_000_000);

/// A payment of an invoice, to enter.
#[derive(Clone, Debug)]
pub struct InvoicePayment {
    pub business: Tenant,
    pub invoice: InvoiceSid,
    /// Above 0; `None`: all that is due on it.
    pub amount: Option<Money>,
    pub reference: Reference,
}

impl InvoicePayment {
    /// A valid payment.
    ///
    /// # Errors
    /// Names the field `amount` where it is not above zero, or above 1,000,000,000.
    pub fn new(
        business: Tenant,
        invoice: InvoiceSid,
        amount: Option<Money>,
        reference: Reference,
    ) -> Result<InvoicePayment, FieldError> {
        match amount {
            Some(amount) if amount <= Money::ZERO => Err(FieldError::new("amount", "must be greater than 0")),
            Some(amount) if amount > PAYMENT_MAX => Err(FieldError::new("amount", "must be at most 1000000000")),
            _ => Ok(InvoicePayment { business, invoice, amount, reference }),
        }
    }

    /// The input that an idempotency key stands for.
    pub fn hash(&self) -> InputHash {
        let (invoice, amount) = (self.invoice.to_string(), self.amount.map(|amount| amount.to_string()));
        let amount = amount.unwrap_or_default();
        InputHash::of(&[self.business.sid().as_str(), &invoice, &amount, self.reference.as_str()])
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use uuid::Uuid;

    use super::*;
    use crate::domain::access::rights::Reach;

    #[rstest]
    #[case(None, true)]
    #[case(Some(1), true)]
    #[case(Some(PAYMENT_MAX.micros()), true)]
    #[case(Some(0), false)]
    #[case(Some(PAYMENT_MAX.micros() + 1), false)]
    fn amounts(#[case] micros: Option<i64>, #[case] passes: bool) {
        let tenant = Tenant::admit(&Reach::All, "biz_test_001".parse().expect("a SID"), false).expect("a tenant");
        let (invoice, amount) = (InvoiceSid::new(Uuid::nil()), micros.map(Money::from_micros));
        let payment = InvoicePayment::new(tenant, invoice, amount, Reference::default());
        let expected = if passes { Ok(()) } else { Err("amount".to_owned()) };
        assert_eq!(payment.map(|_| ()).map_err(|error| error.field), expected);
    }
}
