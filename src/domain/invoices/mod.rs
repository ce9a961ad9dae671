//! Defines invoices, which bill the usage and items of a month, and builds their lines.

pub mod allocation;
pub mod close;
pub mod credit_notes;
pub mod dues;
pub mod event_body;
pub mod fees;
pub mod parties;
pub mod payments;
pub mod postings;
pub mod reminders;
pub mod tax;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::values::named_enum::named_enum;
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::domain::values::time::{DayRange, Timestamp};
use tax::Tax;

named_enum! {
    pub enum InvoiceStatus {
        Draft = "DRAFT",
        Sent = "SENT",
        Paid = "PAID",
        Overdue = "OVERDUE",
        Cancelled = "CANCELLED",
    }
}

named_enum! {
    /// A credit note corrects an invoice downwards.
    pub enum InvoiceKind { Invoice = "INVOICE", CreditNote = "CREDIT_NOTE" }
}

named_enum! {
    pub enum LineCategory { Sms = "SMS", Api = "API", Storage = "STORAGE", Support = "SUPPORT", Other = "OTHER" }
}

/// An invoice apart from its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceHeader {
    pub kind: InvoiceKind,
    /// `None` on a preview, which is computed and not stored.
    pub sid: Option<InvoiceSid>,
    /// Given at month close; a draft has none.
    pub number: Option<String>,
    pub status: InvoiceStatus,
    /// Frozen at month close; a draft's total is the sum of its lines.
    pub frozen_total: Option<Money>,
    /// The reseller who issues it; `None`: the platform itself.
    pub seller: Option<BusinessSid>,
    pub issue_date: Option<NaiveDate>,
    pub dues: Dues,
    pub due_date: Option<NaiveDate>,
    pub paid_date: Option<NaiveDate>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl InvoiceHeader {
    pub fn preview(now: Timestamp) -> InvoiceHeader {
        InvoiceHeader {
            kind: InvoiceKind::Invoice,
            sid: None,
            number: None,
            status: InvoiceStatus::Draft,
            frozen_total: None,
            seller: None,
            issue_date: None,
            dues: Dues::default(),
            due_date: None,
            paid_date: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The amounts due and paid of an invoice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dues {
    /// The amount due at its close, tax included.
    pub at_close: Money,
    pub tax: Tax,
    /// The sum of payments since, tax included.
    pub paid: Money,
    /// The part of the payments that was tax on top.
    pub paid_tax: Money,
}

impl Dues {
    /// The part of the amount due at close that is tax on top.
    pub fn tax_on_top(&self) -> Money {
        self.tax.added().min(self.at_close).max(Money::ZERO)
    }

    /// The unpaid amount. Neither part is below zero, so nothing overflows.
    fn left(&self) -> Money {
        self.at_close.checked_sub(self.paid).unwrap_or(Money::ZERO).max(Money::ZERO)
    }
}

impl InvoiceHeader {
    /// The amount still due: 0 for drafts and for cancelled invoices.
    pub fn still_due(&self) -> Money {
        match self.status {
            InvoiceStatus::Sent | InvoiceStatus::Overdue => self.dues.left(),
            InvoiceStatus::Draft | InvoiceStatus::Paid | InvoiceStatus::Cancelled => Money::ZERO,
        }
    }
}

/// An invoice without its lines, as lists show it. Serialised, it is part of idempotent answers that are kept for 30
/// days: a field added later needs a default for those stored before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceSummary {
    pub business_sid: BusinessSid,
    pub currency: Currency,
    pub period: DayRange,
    pub header: InvoiceHeader,
    /// The invoice that a credit note corrects.
    pub credited_invoice: Option<InvoiceSid>,
    /// The reason of a credit note.
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InvoiceLine {
    pub description: String,
    /// Segments, on a line for messages.
    pub quantity: i64,
    pub unit_price: Money,
    /// Rounded half up to the currency's decimals.
    pub total: Money,
    /// The exact amount before rounding; `None` on lines that were never rounded, as on a credit note.
    pub cost: Option<Money>,
    pub category: LineCategory,
    pub details: Map<String, Value>,
}

/// An invoice with its lines, or a preview of one.
#[derive(Clone, Debug)]
pub struct Invoice {
    pub business_sid: BusinessSid,
    pub currency: Currency,
    pub period: DayRange,
    pub header: InvoiceHeader,
    pub total: Money,
    pub lines: Vec<InvoiceLine>,
}

impl Invoice {
    /// # Errors
    /// [`MoneyError::Overflow`] where the sum of the lines leaves its range.
    pub fn new(
        (business_sid, currency): (BusinessSid, Currency),
        period: DayRange,
        header: InvoiceHeader,
        lines: Vec<InvoiceLine>,
    ) -> Result<Invoice, MoneyError> {
        let total = match header.frozen_total {
            Some(total) => total,
            None => Money::sum(lines.iter().map(|line| line.total))?,
        };
        Ok(Invoice { business_sid, currency, period, header, total, lines })
    }
}

/// The usage charged to one operator at one price over a period.
#[derive(Clone, Debug)]
pub struct ChargedUsage {
    pub country: CountryCode,
    /// Empty where the operator was unknown.
    pub operator: String,
    pub unit_price: Money,
    pub messages: i64,
    pub segments: i64,
    pub cost: Money,
}

/// The lines for messages: one per country, operator and unit price, each rounded to the currency.
///
/// # Errors
/// [`MoneyError::Overflow`] where a rounded line leaves its range.
pub fn usage_lines(usages: Vec<ChargedUsage>, currency: Currency) -> Result<Vec<InvoiceLine>, MoneyError> {
    let has_amount = |usage: &ChargedUsage| usage.segments != 0 || !usage.cost.is_zero();
    usages.into_iter().filter(has_amount).map(|usage| usage_line(usage, currency)).collect()
}

fn usage_line(usage: ChargedUsage, currency: Currency) -> Result<InvoiceLine, MoneyError> {
    let country = usage.country;
    let operator = if usage.operator.is_empty() { "other operators" } else { &usage.operator };
    let details = json!({
        "country_code": country.as_str(),
        "country_name": country.name(),
        "operator": usage.operator,
        "messages": usage.messages,
    });
    Ok(InvoiceLine {
        description: format!("SMS to {}, {operator}", country.name()),
        quantity: usage.segments,
        unit_price: usage.unit_price,
        total: usage.cost.rounded_to_exponent(currency.exponent())?,
        cost: Some(usage.cost),
        category: LineCategory::Sms,
        details: details.as_object().cloned().unwrap_or_default(),
    })
}

/// An item that an invoice lists beside messages: a fee, a credit or a refund of a closed month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceItem {
    pub day: NaiveDate,
    pub category: LineCategory,
    pub description: String,
    /// Signed: a credit is below zero.
    pub amount: Money,
}

/// One line per item, each rounded to the currency.
///
/// # Errors
/// [`MoneyError::Overflow`] where a rounded line leaves its range.
pub fn item_lines(items: Vec<InvoiceItem>, currency: Currency) -> Result<Vec<InvoiceLine>, MoneyError> {
    let to_line = |item: InvoiceItem| {
        Ok(InvoiceLine {
            description: item.description,
            quantity: 1,
            unit_price: item.amount,
            total: item.amount.rounded_to_exponent(currency.exponent())?,
            cost: Some(item.amount),
            category: item.category,
            details: json!({"day": item.day}).as_object().cloned().unwrap_or_default(),
        })
    };
    items.into_iter().map(to_line).collect()
}

/// All lines of a period: messages first.
///
/// # Errors
/// [`MoneyError::Overflow`] where a rounded line leaves its range.
pub fn lines(
    usages: Vec<ChargedUsage>,
    items: Vec<InvoiceItem>,
    currency: Currency,
) -> Result<Vec<InvoiceLine>, MoneyError> {
    let mut lines = usage_lines(usages, currency)?;
    lines.extend(item_lines(items, currency)?);
    Ok(lines)
}

/// Whether a period is stored as an invoice: only whole months that have begun; any other period is a preview.
pub fn is_kept(period: DayRange, today: NaiveDate) -> bool {
    period.is_whole_month() && period.first <= today
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(operator: &str, price: i64, segments: i64, cost: i64) -> ChargedUsage {
        ChargedUsage {
            country: "KE".parse().expect("a country"),
            operator: operator.to_owned(),
            unit_price: Money::from_micros(price),
            messages: segments,
            segments,
            cost: Money::from_micros(cost),
        }
    }

    #[test]
    fn lines_round_one_by_one_and_the_total_is_their_sum() {
        let usd = "USD".parse().expect("a currency");
        let usages =
            vec![usage("Safaricom", 20_000, 3, 65_000), usage("", 15_000, 1, 15_000), usage("Airtel", 18_000, 0, 0)];
        let lines = usage_lines(usages, usd).expect("small sums");
        assert_eq!(lines.len(), 2, "nothing was charged at the third price");
        assert_eq!(lines[0].total, Money::from_micros(70_000));
        assert_eq!(lines[1].total, Money::from_micros(20_000));
        assert_eq!(lines[1].description, "SMS to Kenya, other operators");
        let business = "biz".parse().expect("a SID");
        let period = DayRange::month_of("2026-03-01".parse().expect("a date"));
        let header = InvoiceHeader::preview(Timestamp::from_micros(0));
        let invoice = Invoice::new((business, usd), period, header, lines).expect("small sums");
        assert_eq!(invoice.total, Money::from_micros(90_000));
    }

    #[test]
    fn a_currency_without_decimals_rounds_to_units() {
        let ugx = "UGX".parse().expect("a currency");
        let lines = usage_lines(vec![usage("MTN", 35_500_000, 3, 106_500_000)], ugx).expect("small sums");
        assert_eq!(lines[0].total, Money::from_units(107));
    }

    #[test]
    fn only_months_that_have_begun_are_kept() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a date");
        let today = day("2026-03-15");
        assert!(is_kept(DayRange::month_of(today), today));
        assert!(is_kept(DayRange::month_of(day("2025-12-01")), today));
        assert!(!is_kept(DayRange::month_of(day("2026-04-01")), today));
        assert!(!is_kept(DayRange { first: day("2026-03-01"), last: today }, today));
    }
}
