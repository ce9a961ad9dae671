//! Checks finalised invoices against usage, invoice items, number series and payments.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;

use super::usage::PriceKey;
use super::{Check, Report};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;

/// A stored line of an invoice.
#[derive(Clone, Debug)]
pub struct StoredLine {
    pub description: String,
    pub quantity: i64,
    pub unit_price: Money,
    pub total: Money,
    /// The exact amount before rounding.
    pub cost: Option<Money>,
    /// Country and operator, on a line for messages.
    pub destination: Option<(String, String)>,
}

/// The charges and items of a month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Month {
    /// Segments and cost, by price.
    pub usage: HashMap<PriceKey, (i64, Money)>,
    /// Descriptions and amounts of the items.
    pub items: Vec<(String, Money)>,
}

/// A stored invoice or credit note that is no draft.
#[derive(Clone, Debug)]
pub struct StoredInvoice {
    pub business: String,
    pub wallet_id: i64,
    pub currency: Currency,
    /// Whether it is an invoice; otherwise a credit note.
    pub is_invoice: bool,
    pub number: String,
    pub status: String,
    /// 0 for the platform.
    pub seller_id: i64,
    pub period_start: NaiveDate,
    pub total: Money,
    pub amount_due: Money,
    /// The tax that comes on top of the net.
    pub added_tax: Money,
    /// The sum of its payments.
    pub paid: Money,
    pub lines: Vec<StoredLine>,
    pub month: Month,
}

/// All numbers given and all months invoiced, which takes memory for each invoice.
#[derive(Debug, Default)]
pub struct Invoices {
    numbers: BTreeMap<(i64, String), Vec<i64>>,
    months: BTreeSet<(i64, NaiveDate)>,
}

impl Invoices {
    /// Reports problems with an invoice by itself, and remembers its number and month.
    pub fn check(&mut self, invoice: &StoredInvoice, report: &mut Report) {
        let StoredInvoice { business, number, .. } = invoice;
        let is_in_force = invoice.is_invoice && invoice.status != "CANCELLED";
        if let Some(problem) = invoice.sum_problem().or_else(|| invoice.month_problem().filter(|_| is_in_force)) {
            report.problem(Check::Invoices, || format!("{number} of {business} {problem}"));
        }
        if is_in_force && !self.months.insert((invoice.wallet_id, invoice.period_start)) {
            let month = invoice.period_start;
            report.problem(Check::Invoices, || format!("{business} is invoiced again for {month} by {number}"));
        }
        if let Some(problem) = invoice.payment_problem() {
            report.problem(Check::Payments, || format!("{number} of {business} {problem}"));
        }
        match number.rsplit_once('-').and_then(|(series, digits)| Some((series, digits.parse::<i64>().ok()?))) {
            Some((series, digits)) => {
                self.numbers.entry((invoice.seller_id, series.to_owned())).or_default().push(digits);
            }
            None => report.problem(Check::Numbers, || format!("{number} of {business} is no number of a series")),
        }
    }

    /// Compares the numbers with the counters they were taken from.
    pub fn check_numbers(mut self, counters: Vec<(i64, String, i64)>, report: &mut Report) {
        for (seller_id, series, last) in counters {
            let mut numbers = self.numbers.remove(&(seller_id, series.clone())).unwrap_or_default();
            numbers.sort_unstable();
            if let Some((expected, _)) = (1..).zip(&numbers).find(|(expected, number)| expected != *number) {
                let problem = || {
                    format!("{} has none of {expected:06}, or more than one before it", series_name(&series, seller_id))
                };
                report.problem(Check::Numbers, problem);
            } else if i64::try_from(numbers.len()) != Ok(last) {
                let count = numbers.len();
                let problem =
                    || format!("{} counts to {last}, but has {count} numbers", series_name(&series, seller_id));
                report.problem(Check::Numbers, problem);
            }
        }
        for (seller_id, series) in self.numbers.into_keys() {
            report
                .problem(Check::Numbers, || format!("{} has numbers, but no counter", series_name(&series, seller_id)));
        }
    }
}

fn series_name(series: &str, seller_id: i64) -> String {
    if seller_id == 0 { series.to_owned() } else { format!("{series} of the seller number {seller_id}") }
}

impl StoredInvoice {
    /// The problem where lines are not rounded correctly, or do not add up.
    fn sum_problem(&self) -> Option<String> {
        let sum: i128 = self.lines.iter().map(|line| i128::from(line.total.micros())).sum();
        if sum != i128::from(self.total.micros()) {
            return Some(format!("says {}, but its lines add up to {sum} millionths", self.total));
        }
        let wrong = |line: &&StoredLine| match line.cost {
            Some(cost) => !is_rounded(cost, line.total, self.currency),
            None => self.is_invoice,
        };
        self.lines.iter().find(wrong).map(|line| {
            let cost = line.cost.map_or_else(|| "nothing".to_owned(), |cost| cost.to_string());
            format!("has a line of {}, which is not {cost} rounded", line.total)
        })
    }

    /// The problem where it does not list the charges and items of its month to the millionth.
    fn month_problem(&self) -> Option<String> {
        let mut listed = Month::default();
        for line in &self.lines {
            let cost = line.cost.unwrap_or_default();
            match &line.destination {
                Some((country, operator)) => {
                    let (country, operator) = (country.clone(), operator.clone());
                    let key = PriceKey { country, operator, unit_price: line.unit_price };
                    if listed.usage.insert(key, (line.quantity, cost)).is_some() {
                        return Some("lists one price of a destination twice".to_owned());
                    }
                }
                None => listed.items.push((line.description.clone(), cost)),
            }
        }
        if listed.usage != self.month.usage {
            return Some(format!("lists other messages than its month {} has", self.period_start));
        }
        (listed.items != self.month.items)
            .then(|| format!("lists other items than its month {} has", self.period_start))
    }

    fn payment_problem(&self) -> Option<String> {
        let net = i128::from(self.amount_due.micros()) - i128::from(self.added_tax.micros());
        if self.is_invoice && net > i128::from(self.total.micros()).max(0) {
            return Some(format!("asks for {}, more than its total {}", self.amount_due, self.total));
        }
        let (due, paid) = (self.amount_due, self.paid);
        let is_right = match self.status.as_str() {
            "PAID" => paid == due,
            "SENT" | "OVERDUE" => paid < due,
            _ => paid <= due,
        };
        (!is_right).then(|| format!("is {}, and {paid} of {due} is paid", self.status))
    }
}

/// Whether a total is an exact cost rounded to the currency's decimals, halves away from zero.
fn is_rounded(cost: Money, total: Money, currency: Currency) -> bool {
    let step = 10_i128.pow(6_u32.saturating_sub(currency.exponent()));
    let (cost, total) = (i128::from(cost.micros()), i128::from(total.micros()));
    let distance = 2 * (cost - total).abs();
    let is_half_away = distance == step && total.abs() > cost.abs();
    total % step == 0 && (distance < step || is_half_away)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("USD", 65_000, 70_000, true)]
    #[case("USD", 65_000, 60_000, false)]
    #[case("USD", -65_000, -70_000, true)]
    #[case("USD", -65_000, -60_000, false)]
    #[case("USD", 64_999, 60_000, true)]
    #[case("USD", 65_000, 65_000, false)]
    #[case("UGX", 106_500_000, 107_000_000, true)]
    #[case("UGX", 106_500_000, 106_000_000, false)]
    fn rounding(#[case] currency: &str, #[case] cost: i64, #[case] total: i64, #[case] is_right: bool) {
        let currency = currency.parse().expect("a currency");
        assert_eq!(is_rounded(Money::from_micros(cost), Money::from_micros(total), currency), is_right);
    }

    fn numbers(given: &[i64], last: i64) -> Report {
        let mut report = Report::default();
        let invoices =
            Invoices { numbers: [((0, "INV-2026".to_owned()), given.to_vec())].into(), months: BTreeSet::new() };
        invoices.check_numbers(vec![(0, "INV-2026".to_owned(), last)], &mut report);
        report
    }

    #[rstest]
    #[case(&[1, 2, 3], 3, true)]
    #[case(&[3, 1, 2], 3, true)]
    #[case(&[1, 3], 3, false)]
    #[case(&[1, 2], 3, false)]
    #[case(&[1, 2, 2], 3, false)]
    #[case(&[2, 3], 2, false)]
    #[case(&[], 1, false)]
    fn gaps_are_named(#[case] given: &[i64], #[case] last: i64, #[case] is_right: bool) {
        assert_eq!(numbers(given, last).problems() == 0, is_right);
    }
}
