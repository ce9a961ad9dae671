//! Closes a month: builds the final invoice, numbers it, and checks that the month may be closed.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate};

use super::tax::Tax;
use super::{InvoiceLine, InvoiceStatus};
use crate::domain::prices::plans::PlanType;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{BasisPoints, Money, MoneyError};
use crate::domain::values::time::{BillingCalendar, CalendarMonth, Timestamp};

/// How long after its end a month is closed: messages may be submitted so much later, and delivery reports come in
/// meanwhile.
const GRACE_SECONDS: i64 = 72 * 3_600;

/// The longest time between the moment a message is charged at and its commit, and between servers' clocks.
const SETTLING_SECONDS: i64 = 60;

/// How many days a business has to pay.
const DAYS_TO_PAY: u64 = 14;

/// The facts about a wallet that its month close needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosingTerms {
    pub currency: Currency,
    pub plan: PlanType,
    pub tax_rate: BasisPoints,
    /// The balance at the end of the month.
    pub balance: Money,
    /// The part of it that older invoices cover, without the tax on top of them.
    pub still_due: Money,
    pub issue_date: NaiveDate,
}

/// The final figures of an invoice.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedInvoice {
    pub lines: Vec<InvoiceLine>,
    /// The sum of the rounded lines.
    pub total: Money,
    /// The amount due, tax included.
    pub amount_due: Money,
    pub tax: Tax,
    pub status: InvoiceStatus,
    pub issue_date: NaiveDate,
    pub due_date: Option<NaiveDate>,
    pub paid_date: Option<NaiveDate>,
}

/// Closes the month of a wallet. `None` where there is nothing to invoice.
///
/// The amount due is what the wallet owes at the month's end beyond older invoices, up to the total: usage that was
/// paid in advance is paid already.
///
/// # Errors
/// [`MoneyError::Overflow`] where a sum leaves the range of money.
pub fn close(terms: ClosingTerms, lines: Vec<InvoiceLine>) -> Result<Option<ClosedInvoice>, MoneyError> {
    if lines.is_empty() {
        return Ok(None);
    }
    let total = Money::sum(lines.iter().map(|line| line.total))?;
    let owed = Money::ZERO.checked_sub(terms.balance)?.max(Money::ZERO).checked_sub(terms.still_due)?;
    let net_due = total.min(owed).max(Money::ZERO);
    let tax = match terms.plan {
        _ if terms.tax_rate == BasisPoints::ZERO => Tax::NONE,
        PlanType::Prepaid => Tax::included_in(total, terms.tax_rate, terms.currency)?,
        PlanType::Postpaid => Tax::on_top_of(net_due, terms.tax_rate, terms.currency)?,
    };
    let amount_due = net_due.checked_add(tax.added())?;
    let (status, due_date, paid_date) = if amount_due.is_zero() {
        (InvoiceStatus::Paid, None, Some(terms.issue_date))
    } else {
        (InvoiceStatus::Sent, terms.issue_date.checked_add_days(Days::new(DAYS_TO_PAY)), None)
    };
    let issue_date = terms.issue_date;
    Ok(Some(ClosedInvoice { lines, total, amount_due, tax, status, issue_date, due_date, paid_date }))
}

/// The number series of invoices issued on a day.
pub fn invoice_series(issue_date: NaiveDate) -> String {
    format!("INV-{}", issue_date.year())
}

/// The number series of credit notes written on a day.
pub fn credit_note_series(issue_date: NaiveDate) -> String {
    format!("CN-{}", issue_date.year())
}

/// An invoice number as printed.
pub fn numbered(series: &str, number: i64) -> String {
    format!("{series}-{number:06}")
}

/// The instant at which a month is over.
pub fn end_of(month: CalendarMonth, calendar: BillingCalendar) -> Timestamp {
    calendar.start_of(month.next().first())
}

/// When a month is closed automatically, unless an operator closed it before.
pub fn due_at(month: CalendarMonth, calendar: BillingCalendar) -> Timestamp {
    end_of(month, calendar).plus_seconds(GRACE_SECONDS)
}

/// Why a month cannot be closed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooEarly {
    #[error("{0} is not over: it ends on {last}, and can be closed after that", last = .0.days().last)]
    NotOver(CalendarMonth),
    #[error("{0} is over since a moment, and its last messages may still be on their way: try again in a minute")]
    Settling(CalendarMonth),
    #[error("{month} is closed by itself on {at}, 72 hours after its end; --now closes it before that")]
    Grace { month: CalendarMonth, at: Timestamp },
}

/// Checks that a month may be closed. `is_urgent`: before the 72 hours after its end are over.
///
/// # Errors
/// [`TooEarly`], with a sentence on what to do.
pub fn check(month: CalendarMonth, calendar: BillingCalendar, now: Timestamp, is_urgent: bool) -> Result<(), TooEarly> {
    let (end, due) = (end_of(month, calendar), due_at(month, calendar));
    if now < end {
        Err(TooEarly::NotOver(month))
    } else if now < end.plus_seconds(SETTLING_SECONDS) {
        Err(TooEarly::Settling(month))
    } else if now < due && !is_urgent {
        Err(TooEarly::Grace { month, at: due })
    } else {
        Ok(())
    }
}

/// The month to close next: the oldest since the first entry of the ledger that was not closed. It may not be over yet.
pub fn next_to_close(first_entry: CalendarMonth, closed: &BTreeSet<CalendarMonth>) -> CalendarMonth {
    let mut month = first_entry;
    while closed.contains(&month) {
        month = month.next();
    }
    month
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::domain::invoices::LineCategory;

    fn money(text: &str) -> Money {
        Money::parse(text).expect("an amount")
    }

    fn line(total: Money) -> InvoiceLine {
        InvoiceLine {
            description: "SMS".to_owned(),
            quantity: 1,
            unit_price: total,
            total,
            cost: Some(total),
            category: LineCategory::Sms,
            details: serde_json::Map::new(),
        }
    }

    fn terms(plan: PlanType, rate: i64, balance: &str, still_due: &str) -> ClosingTerms {
        ClosingTerms {
            currency: "USD".parse().expect("a currency"),
            plan,
            tax_rate: BasisPoints::new(rate),
            balance: money(balance),
            still_due: money(still_due),
            issue_date: "2026-04-03".parse().expect("a date"),
        }
    }

    #[rstest]
    // Paid before it was used.
    #[case(PlanType::Prepaid, 0, "100", "0", "0", "0")]
    #[case(PlanType::Prepaid, 0, "0", "0", "0", "0")]
    #[case(PlanType::Prepaid, 1_600, "100", "0", "0", "4.14")]
    // On credit: all of it, a part, and more than this month's.
    #[case(PlanType::Postpaid, 0, "-30", "0", "30", "0")]
    #[case(PlanType::Postpaid, 0, "-12.5", "0", "12.5", "0")]
    #[case(PlanType::Postpaid, 0, "-80", "0", "30", "0")]
    // Older invoices are about a part of what is owed.
    #[case(PlanType::Postpaid, 0, "-50", "20", "30", "0")]
    #[case(PlanType::Postpaid, 0, "-50", "35", "15", "0")]
    #[case(PlanType::Postpaid, 0, "-50", "60", "0", "0")]
    #[case(PlanType::Postpaid, 1_600, "-12.5", "0", "14.5", "2")]
    #[case(PlanType::Postpaid, 1_600, "5", "0", "0", "0")]
    // Prepaid, and below zero all the same: the price contains the tax.
    #[case(PlanType::Prepaid, 1_600, "-12.5", "0", "12.5", "4.14")]
    fn what_is_due(
        #[case] plan: PlanType,
        #[case] rate: i64,
        #[case] balance: &str,
        #[case] still_due: &str,
        #[case] due: &str,
        #[case] tax: &str,
    ) {
        let lines = vec![line(money("10")), line(money("20"))];
        let closed = close(terms(plan, rate, balance, still_due), lines).expect("small sums").expect("an invoice");
        assert_eq!((closed.total, closed.amount_due, closed.tax.amount), (money("30"), money(due), money(tax)));
        let date = |text: &str| Some(text.parse().expect("a date"));
        let expected = if money(due).is_zero() {
            (InvoiceStatus::Paid, None, date("2026-04-03"))
        } else {
            (InvoiceStatus::Sent, date("2026-04-17"), None)
        };
        assert_eq!((closed.status, closed.due_date, closed.paid_date), expected);
    }

    #[test]
    fn nothing_is_invoiced_for_nothing() {
        assert_eq!(close(terms(PlanType::Postpaid, 0, "-5", "0"), Vec::new()), Ok(None));
        let credit = close(terms(PlanType::Postpaid, 0, "-5", "0"), vec![line(money("-2"))]);
        let credit = credit.expect("small sums").expect("an invoice");
        assert_eq!((credit.total, credit.amount_due, credit.status), (money("-2"), Money::ZERO, InvoiceStatus::Paid));
    }

    #[test]
    fn numbers() {
        let day = "2027-01-03".parse().expect("a date");
        assert_eq!(numbered(&invoice_series(day), 7), "INV-2027-000007");
        assert_eq!(numbered("INV-2027", 1_234_567), "INV-2027-1234567");
    }

    #[rstest]
    #[case("2026-03-31T23:59:59Z", false, Some("not over"))]
    #[case("2026-03-31T23:59:59Z", true, Some("not over"))]
    #[case("2026-04-01T00:00:30Z", true, Some("on their way"))]
    #[case("2026-04-01T00:01:00Z", true, None)]
    #[case("2026-04-03T23:59:59Z", false, Some("2026-04-04T00:00:00"))]
    #[case("2026-04-04T00:00:00Z", false, None)]
    fn when_a_month_may_be_closed(#[case] now: &str, #[case] is_urgent: bool, #[case] problem: Option<&str>) {
        let calendar = BillingCalendar::new(chrono_tz::UTC);
        let month = "2026-03".parse().expect("a month");
        let found = check(month, calendar, now.parse().expect("an instant"), is_urgent);
        match (found, problem) {
            (Ok(()), None) => {}
            (Err(early), Some(problem)) => assert!(early.to_string().contains(problem), "{early}"),
            (found, problem) => panic!("{found:?} is not {problem:?}"),
        }
    }

    #[test]
    fn months_are_caught_up_with_oldest_first() {
        let month = |text: &str| text.parse::<CalendarMonth>().expect("a month");
        let closed = |texts: &[&str]| texts.iter().map(|text| month(text)).collect::<BTreeSet<_>>();
        assert_eq!(next_to_close(month("2025-11"), &closed(&[])), month("2025-11"));
        assert_eq!(next_to_close(month("2025-11"), &closed(&["2025-11", "2025-12"])), month("2026-01"));
        assert_eq!(next_to_close(month("2025-11"), &closed(&["2025-11", "2026-01"])), month("2025-12"));
    }

    /// The rules once more, in whole millionths and as the rules say them.
    fn model(totals: &[i64], plan: PlanType, rate: i128, balance: i128, still_due: i128) -> (i128, i128, i128) {
        let total: i128 = totals.iter().map(|total| i128::from(*total)).sum();
        let debt = if balance < 0 { -balance } else { 0 };
        let mut due = debt - still_due;
        if due > total {
            due = total;
        }
        if due < 0 {
            due = 0;
        }
        // To cents, half away from zero: by the distance to the two neighbours.
        let to_cents = |numerator: i128, denominator: i128| {
            let sign = if numerator < 0 { -1 } else { 1 };
            let (cents, rest) = (numerator.abs() / (denominator * 10_000), numerator.abs() % (denominator * 10_000));
            sign * 10_000 * (cents + i128::from(2 * rest >= denominator * 10_000))
        };
        match plan {
            PlanType::Prepaid => (total, due, to_cents(total * rate, 10_000 + rate)),
            PlanType::Postpaid => {
                let tax = to_cents(due * rate, 10_000);
                (total, due + tax, tax)
            }
        }
    }

    proptest! {
        #![proptest_config(crate::repetition::cases(256))]

        #[test]
        fn an_invoice_is_what_the_rules_say(
            totals in prop::collection::vec(-10_000_000_i64..1_000_000_000, 1..6),
            is_prepaid: bool,
            rate in 0_i64..=10_000,
            balance in -5_000_000_000_i64..1_000_000_000,
            still_due in 0_i64..2_000_000_000,
        ) {
            let plan = if is_prepaid { PlanType::Prepaid } else { PlanType::Postpaid };
            let terms = ClosingTerms {
                balance: Money::from_micros(balance),
                still_due: Money::from_micros(still_due),
                ..terms(plan, rate, "0", "0")
            };
            let lines = totals.iter().map(|total| line(Money::from_micros(*total))).collect();
            let closed = close(terms, lines).expect("small sums").expect("an invoice");
            let (total, due, tax) = model(&totals, plan, rate.into(), balance.into(), still_due.into());
            prop_assert_eq!(i128::from(closed.total.micros()), total);
            prop_assert_eq!(i128::from(closed.amount_due.micros()), due);
            prop_assert_eq!(i128::from(closed.tax.amount.micros()), tax);
            prop_assert_eq!(closed.status == InvoiceStatus::Paid, due == 0);
        }
    }
}
