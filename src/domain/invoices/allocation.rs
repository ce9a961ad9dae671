//! Allocates a credit to the open invoices of its wallet, oldest first.

use chrono::NaiveDate;

use crate::domain::values::currency::Currency;
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::wallets::transactions::TransactionType;

/// Whether an entry pays open invoices: payments and credits given by hand do. REFUND and FEE never do: they are lines
/// of an invoice already and make its amount smaller or larger, so paying with them as well would count the same money
/// twice.
pub fn pays_invoices(transaction_type: TransactionType, amount: Money) -> bool {
    use TransactionType::{Commission, CreditAdjustment, Fee, InvoicePayment, Refund, SmsDebit, Topup, Transfer};
    match transaction_type {
        Topup | InvoicePayment | CreditAdjustment | Transfer => amount > Money::ZERO,
        SmsDebit | Refund | Commission | Fee => false,
    }
}

/// An invoice that is not wholly paid yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInvoice {
    /// The invoice's key in the database.
    pub id: i64,
    pub period_start: NaiveDate,
    pub number: String,
    /// The net amount still due, without the tax on top.
    pub net: Money,
    /// The tax on top that is still due.
    pub tax: Money,
}

/// The part of a credit that pays one invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    pub invoice: i64,
    pub net: Money,
    pub tax: Money,
}

impl Allocation {
    /// Net and tax together.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`], which no amount of an invoice comes near.
    pub fn gross(&self) -> Result<Money, MoneyError> {
        self.net.checked_add(self.tax)
    }
}

/// Allocates a credit to open invoices: the one named `first` before the others, and those oldest first. A partial
/// payment is split into net and tax in the proportion still due, the tax rounded half up to the currency's decimals;
/// the last payment takes exactly what is left. Allocations of nothing are left out.
///
/// # Errors
/// [`MoneyError::Overflow`], which no amount of an invoice comes near.
pub fn allocate(
    credit: Money,
    open: &[OpenInvoice],
    first: Option<i64>,
    currency: Currency,
) -> Result<Vec<Allocation>, MoneyError> {
    let mut in_order: Vec<&OpenInvoice> = open.iter().collect();
    in_order.sort_by_key(|invoice| (Some(invoice.id) != first, invoice.period_start, &invoice.number));
    let (mut left, mut allocations) = (credit, Vec::new());
    for invoice in in_order {
        let gross = invoice.net.checked_add(invoice.tax)?;
        let paid = left.min(gross);
        if paid <= Money::ZERO {
            continue;
        }
        let tax = if paid == gross { invoice.tax } else { tax_part(paid, invoice, gross, currency) };
        allocations.push(Allocation { invoice: invoice.id, net: paid.checked_sub(tax)?, tax });
        left = left.checked_sub(paid)?;
    }
    Ok(allocations)
}

/// The tax in a partial payment; never more than is due of either.
fn tax_part(paid: Money, invoice: &OpenInvoice, gross: Money, currency: Currency) -> Money {
    let rounded = proportion(paid, invoice.tax, gross, currency);
    let at_least = Money::from_micros((paid.micros() - invoice.net.micros()).max(0));
    rounded.max(at_least).min(invoice.tax).min(paid)
}

/// `whole` in the proportion of `part` to `of`, rounded half up to the currency's decimals; 0 where `of` is 0. None of
/// them is below 0, and `part` is at most `of`.
pub fn proportion(part: Money, whole: Money, of: Money, currency: Currency) -> Money {
    if of <= Money::ZERO {
        return Money::ZERO;
    }
    let unit = 10_i128.pow(6_u32.saturating_sub(currency.exponent()));
    let (part, whole, of) = (i128::from(part.micros()), i128::from(whole.micros()), i128::from(of.micros()));
    let units = (2 * part * whole + of * unit).div_euclid(2 * of * unit);
    // No larger than the whole and half a unit, both far inside the range.
    Money::from_micros(i64::try_from(units * unit).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn currency(code: &str) -> Currency {
        code.parse().expect("a currency")
    }

    fn money(text: &str) -> Money {
        Money::parse(text).expect("an amount")
    }

    fn invoice(id: i64, month: u32, net: &str, tax: &str) -> OpenInvoice {
        OpenInvoice {
            id,
            period_start: NaiveDate::from_ymd_opt(2026, month, 1).expect("a month"),
            number: format!("INV-2026-{id:06}"),
            net: money(net),
            tax: money(tax),
        }
    }

    /// Each allocation as `id net tax`.
    fn told(allocations: &[Allocation]) -> String {
        let one = |a: &Allocation| format!("{} {} {}", a.invoice, a.net, a.tax);
        allocations.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[rstest]
    #[case("20", None, "2 20 0")]
    #[case("30", None, "2 30 0")]
    #[case("45.5", None, "2 30 0, 1 13.36 2.14")] // 15.5 × 16 / 116 = 2.1379…
    #[case("64.8", None, "2 30 0, 1 30 4.8")]
    #[case("100", None, "2 30 0, 1 30 4.8")]
    #[case("0.000001", Some(1), "1 0.000001 0")]
    #[case("40", Some(1), "1 30 4.8, 2 5.2 0")]
    #[case("40", Some(9), "2 30 0, 1 8.62 1.38")]
    #[case("0", None, "")]
    #[case("-5", None, "")]
    fn the_oldest_first(#[case] credit: &str, #[case] first: Option<i64>, #[case] expected: &str) {
        let open = [invoice(1, 3, "30", "4.8"), invoice(2, 2, "30", "0")];
        let allocations = allocate(money(credit), &open, first, currency("USD")).expect("small sums");
        assert_eq!(told(&allocations), expected);
    }

    #[test]
    fn of_one_month_the_lower_number_first() {
        let open = [invoice(8, 2, "5", "0"), invoice(7, 2, "5", "0")];
        let allocations = allocate(money("6"), &open, None, currency("USD")).expect("small sums");
        assert_eq!(told(&allocations), "7 5 0, 8 1 0");
    }

    #[test]
    fn a_currency_without_decimals() {
        let open = [invoice(1, 2, "1000", "180")];
        let allocations = allocate(money("100"), &open, None, currency("UGX")).expect("small sums");
        assert_eq!(told(&allocations), "1 85 15"); // 15.25…
    }

    #[rstest]
    #[case(TransactionType::Topup, 1, true)]
    #[case(TransactionType::InvoicePayment, 1, true)]
    #[case(TransactionType::CreditAdjustment, 1, true)]
    #[case(TransactionType::CreditAdjustment, -1, false)]
    #[case(TransactionType::Transfer, 1, true)]
    #[case(TransactionType::Transfer, -1, false)]
    #[case(TransactionType::Refund, 1, false)]
    #[case(TransactionType::Fee, 1, false)]
    #[case(TransactionType::Commission, 1, false)]
    fn what_pays(#[case] transaction_type: TransactionType, #[case] amount: i64, #[case] pays: bool) {
        assert_eq!(pays_invoices(transaction_type, Money::from_micros(amount)), pays);
    }

    fn invoices() -> impl Strategy<Value = Vec<OpenInvoice>> {
        let one = (1..13_u32, 1..2_000_000_000_i64, 0..=10_000_i64);
        prop::collection::vec(one, 0..6).prop_map(|rows| {
            (1..)
                .zip(rows)
                .map(|(id, (month, net, rate))| {
                    let net = Money::from_micros(net);
                    let tax = Money::from_micros((net.micros() * rate / 10_000) / 10_000 * 10_000);
                    OpenInvoice { net, tax, ..invoice(id, month, "0", "0") }
                })
                .collect()
        })
    }

    proptest! {
        /// Credits one after the other: nothing is lost, nothing is paid twice, nobody jumps the queue, and what is
        /// wholly paid was paid exactly its net and its tax.
        #[test]
        fn sums_are_exact(
            open in invoices(),
            credits in prop::collection::vec(1..1_500_000_000_i64, 1..12),
            code in prop::sample::select(vec!["USD", "UGX", "KWD"]),
        ) {
            let mut left = open.clone();
            for credit in credits {
                let due: i64 = left.iter().map(|invoice| invoice.net.micros() + invoice.tax.micros()).sum();
                let allocations = allocate(Money::from_micros(credit), &left, None, currency(code)).expect("small sums");
                let paid: i64 = allocations.iter().map(|one| one.net.micros() + one.tax.micros()).sum();
                prop_assert_eq!(paid, credit.min(due));
                let mut order: Vec<usize> = (0..left.len()).collect();
                order.sort_by_key(|place| (left[*place].period_start, left[*place].number.clone()));
                for one in &allocations {
                    let place = left.iter().position(|invoice| invoice.id == one.invoice).expect("an open invoice");
                    prop_assert!(!one.net.is_negative() && !one.tax.is_negative());
                    prop_assert!(one.net <= left[place].net && one.tax <= left[place].tax);
                    left[place].net = left[place].net.checked_sub(one.net).expect("small sums");
                    left[place].tax = left[place].tax.checked_sub(one.tax).expect("small sums");
                    // Whatever is older is paid by now.
                    let older = order.iter().take_while(|other| **other != place);
                    prop_assert!(older.clone().all(|other| left[*other].net.is_zero() && left[*other].tax.is_zero()));
                }
            }
        }

        /// Parts of one invoice come to its net and its tax, and each part's tax is near its share.
        #[test]
        fn parts_come_to_the_whole(net in 1..1_000_000_000_i64, rate in 0..=10_000_i64, parts in 1..20_i64) {
            let usd = currency("USD");
            let tax = (net * rate / 10_000) / 10_000 * 10_000;
            let mut left = OpenInvoice { net: Money::from_micros(net), tax: Money::from_micros(tax), ..invoice(1, 1, "0", "0") };
            let part = Money::from_micros((net + tax) / parts + 1);
            let (mut nets, mut taxes) = (0, 0);
            for _ in 0..=parts {
                for one in allocate(part, std::slice::from_ref(&left), None, usd).expect("small sums") {
                    nets += one.net.micros();
                    taxes += one.tax.micros();
                    left.net = left.net.checked_sub(one.net).expect("small sums");
                    left.tax = left.tax.checked_sub(one.tax).expect("small sums");
                }
            }
            prop_assert_eq!((nets, taxes), (net, tax));
        }
    }
}
