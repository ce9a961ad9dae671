//! Draws up credit notes: their lines, tax and limits against the invoice they correct.

use serde_json::json;

use super::allocation::proportion;
use super::dues::BillRefusal;
use super::{InvoiceLine, InvoiceSummary, LineCategory};
use crate::domain::values::currency::Currency;
use crate::domain::values::fields::FieldError;
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::values::text::LongText;

/// The most lines of a credit note.
pub const LINES_MAX: usize = 100;

/// The amounts to credit: above 0, and part of the invoice's total.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// All that was not credited before.
    Rest,
    Amount(Money),
    Lines(Vec<WantedLine>),
}

/// A line to credit: a part of one of the invoice's lines, or free text.
#[derive(Clone, Debug)]
pub struct WantedLine {
    /// The number of the invoice's line, from 1.
    pub position: Option<i64>,
    pub description: Option<LongText>,
    pub category: Option<LineCategory>,
    pub amount: Money,
}

/// The sums of earlier credit notes on the same invoice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    pub count: i64,
    pub total: Money,
    pub tax: Money,
}

/// A credit note to be stored; its amounts are above 0, its lines' below.
#[derive(Clone, Debug, PartialEq)]
pub struct CreditNote {
    pub lines: Vec<InvoiceLine>,
    pub total: Money,
    pub tax: Money,
    /// The amount the wallet gets: the tax too where it came on top.
    pub credit: Money,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreditNoteError {
    #[error(transparent)]
    Invalid(#[from] FieldError),
    #[error(transparent)]
    Refused(#[from] BillRefusal),
    #[error(transparent)]
    Money(#[from] MoneyError),
}

fn invalid(field: &'static str, problem: impl Into<String>) -> CreditNoteError {
    FieldError::new(field, problem).into()
}

/// Draws up the credit note for the wanted amounts. Its tax is in proportion, and the last note takes what is left of
/// the tax.
///
/// # Errors
/// Where the invoice cannot be credited, where less of it is left than is wanted, and where an amount is invalid.
pub fn draw_up(
    invoice: &InvoiceSummary,
    lines: &[InvoiceLine],
    earlier: Earlier,
    wanted: &Wanted,
) -> Result<CreditNote, CreditNoteError> {
    invoice.check_creditable()?;
    let currency = invoice.currency;
    let total = invoice.header.frozen_total.unwrap_or_default();
    let left = total.checked_sub(earlier.total)?;
    if left <= Money::ZERO {
        return Err(BillRefusal::NothingLeft.into());
    }
    let credited = match wanted {
        Wanted::Rest if earlier.count == 0 => lines.iter().map(turned_round).collect::<Result<_, _>>()?,
        Wanted::Rest => vec![part_of(invoice, left)?],
        Wanted::Amount(amount) => {
            check_amount("amount", *amount, currency)?;
            vec![part_of(invoice, *amount)?]
        }
        Wanted::Lines(wanted) => {
            if wanted.is_empty() || wanted.len() > LINES_MAX {
                return Err(invalid("lines", format!("must be 1 to {LINES_MAX} lines")));
            }
            wanted.iter().map(|line| line_of(line, lines, currency)).collect::<Result<_, _>>()?
        }
    };
    let credited_total = Money::ZERO.checked_sub(Money::sum(credited.iter().map(|line| line.total))?)?;
    if credited_total > left {
        return Err(BillRefusal::TooMuch { left, currency: currency.code() }.into());
    }
    let tax_left = invoice.header.dues.tax.amount.checked_sub(earlier.tax)?.max(Money::ZERO);
    let tax = if credited_total == left {
        tax_left
    } else {
        proportion(credited_total, invoice.header.dues.tax.amount, total, currency).min(tax_left)
    };
    let on_top = if invoice.header.dues.tax.is_included { Money::ZERO } else { tax };
    Ok(CreditNote { lines: credited, total: credited_total, tax, credit: credited_total.checked_add(on_top)? })
}

/// Checks that an amount is one that an invoice can have: above 0, in the currency's own decimals.
fn check_amount(field: &'static str, amount: Money, currency: Currency) -> Result<(), CreditNoteError> {
    if amount <= Money::ZERO {
        return Err(invalid(field, "must be greater than 0: a credit note takes off what you name"));
    }
    if amount.rounded_to_exponent(currency.exponent())? != amount {
        let problem = format!("must have at most {} decimals, as {currency} has", currency.exponent());
        return Err(invalid(field, problem));
    }
    Ok(())
}

fn negative(amount: Money) -> Result<Money, MoneyError> {
    Money::ZERO.checked_sub(amount)
}

/// A whole line of the invoice, reversed.
fn turned_round(line: &InvoiceLine) -> Result<InvoiceLine, MoneyError> {
    Ok(InvoiceLine { unit_price: negative(line.unit_price)?, total: negative(line.total)?, cost: None, ..line.clone() })
}

/// A part of the invoice as a whole.
fn part_of(invoice: &InvoiceSummary, amount: Money) -> Result<InvoiceLine, MoneyError> {
    let total = negative(amount)?;
    Ok(InvoiceLine {
        description: format!("Credit on {}", invoice.number()),
        quantity: 1,
        unit_price: total,
        total,
        cost: None,
        category: LineCategory::Other,
        details: serde_json::Map::new(),
    })
}

fn line_of(wanted: &WantedLine, lines: &[InvoiceLine], currency: Currency) -> Result<InvoiceLine, CreditNoteError> {
    check_amount("lines.amount", wanted.amount, currency)?;
    let (total, given) = (negative(wanted.amount)?, wanted.description.as_ref().map(LongText::as_str));
    let given = given.filter(|text| !text.is_empty()).map(str::to_owned);
    let Some(position) = wanted.position else {
        let description = given.ok_or_else(|| invalid("lines.description", "is needed where no position is given"))?;
        let category = wanted.category.unwrap_or(LineCategory::Other);
        let details = serde_json::Map::new();
        return Ok(InvoiceLine { description, quantity: 1, unit_price: total, total, cost: None, category, details });
    };
    let line = usize::try_from(position).ok().and_then(|position| lines.get(position.checked_sub(1)?));
    let line =
        line.ok_or_else(|| invalid("lines.position", format!("must be a line of the invoice: 1 to {}", lines.len())))?;
    if wanted.amount > line.total {
        return Err(invalid("lines.amount", format!("must be at most what line {position} comes to, {}", line.total)));
    }
    Ok(InvoiceLine {
        description: given.unwrap_or_else(|| line.description.clone()),
        quantity: 1,
        unit_price: total,
        total,
        cost: None,
        category: wanted.category.unwrap_or(line.category),
        details: json!({"position": position}).as_object().cloned().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::invoices::InvoiceStatus;
    use crate::domain::invoices::dues::tests::invoice;

    fn line(total: i32) -> InvoiceLine {
        InvoiceLine {
            description: "SMS to Kenya".to_owned(),
            quantity: 10,
            unit_price: Money::from_micros(i64::from(total) * 100_000),
            total: Money::from_units(total),
            cost: None,
            category: LineCategory::Sms,
            details: serde_json::Map::new(),
        }
    }

    /// 30 in two lines, and 4.80 of tax on top.
    fn taxed() -> InvoiceSummary {
        let mut invoice = invoice(InvoiceStatus::Sent, 30, 34);
        invoice.header.dues.tax.amount = Money::from_micros(4_800_000);
        invoice.header.dues.tax.is_included = false;
        invoice
    }

    fn amount(text: &str) -> Wanted {
        Wanted::Amount(Money::parse(text).expect("an amount"))
    }

    #[test]
    fn the_whole_and_its_parts() {
        let lines = [line(20), line(10)];
        let whole = draw_up(&taxed(), &lines, Earlier::default(), &Wanted::Rest).expect("a credit note");
        assert_eq!((whole.lines.len(), whole.lines[0].total), (2, Money::from_units(-20)));
        assert_eq!((whole.total, whole.credit), (Money::from_units(30), Money::from_micros(34_800_000)));

        let part = draw_up(&taxed(), &lines, Earlier::default(), &amount("10")).expect("a credit note");
        assert_eq!((part.total, part.tax), (Money::from_units(10), Money::from_micros(1_600_000)));
        let earlier = Earlier { count: 1, total: part.total, tax: Money::from_micros(1_600_001) };
        let rest = draw_up(&taxed(), &lines, earlier, &Wanted::Rest).expect("a credit note");
        assert_eq!((rest.lines.len(), rest.total, rest.tax.micros()), (1, Money::from_units(20), 3_199_999));
        let included = draw_up(&invoice(InvoiceStatus::Paid, 30, 0), &lines, Earlier::default(), &Wanted::Rest);
        assert_eq!(included.expect("a credit note").credit, Money::from_units(30));
    }

    #[test]
    fn what_cannot_be_credited() {
        let lines = [line(20), line(10)];
        let wanted = |position: Option<i64>, units: i32| {
            let amount = Money::from_units(units);
            Wanted::Lines(vec![WantedLine { position, description: None, category: None, amount }])
        };
        let whole = Earlier { count: 1, total: Money::from_units(30), tax: Money::ZERO };
        for (earlier, wanted, problem) in [
            (whole, Wanted::Rest, "credited as a whole"),
            (Earlier::default(), amount("30.01"), "30 USD can still be credited"),
            (Earlier { count: 1, total: Money::from_units(25), tax: Money::ZERO }, amount("6"), "5 USD can still"),
            (Earlier::default(), amount("0"), "greater than 0"),
            (Earlier::default(), amount("-1"), "greater than 0"),
            (Earlier::default(), amount("0.001"), "at most 2 decimals"),
            (Earlier::default(), wanted(Some(3), 1), "must be a line of the invoice: 1 to 2"),
            (Earlier::default(), wanted(Some(0), 1), "must be a line of the invoice"),
            (Earlier::default(), wanted(Some(2), 11), "what line 2 comes to, 10"),
            (Earlier::default(), wanted(None, 1), "is needed where no position"),
            (Earlier::default(), Wanted::Lines(vec![]), "must be 1 to 100 lines"),
        ] {
            let refused = draw_up(&taxed(), &lines, earlier, &wanted).expect_err(problem).to_string();
            assert!(refused.contains(problem), "{refused:?} is not {problem:?}");
        }
        let draft = draw_up(&invoice(InvoiceStatus::Draft, 0, 0), &[], Earlier::default(), &Wanted::Rest);
        assert_eq!(draft, Err(BillRefusal::Draft.into()));
    }

    #[test]
    fn a_line_of_the_invoice_lends_its_words() {
        let wanted = WantedLine { position: Some(2), description: None, category: None, amount: Money::from_units(4) };
        let note = draw_up(&taxed(), &[line(20), line(10)], Earlier::default(), &Wanted::Lines(vec![wanted]));
        let note = note.expect("a credit note");
        let line = &note.lines[0];
        assert_eq!((line.description.as_str(), line.category), ("SMS to Kenya", LineCategory::Sms));
        assert_eq!((line.total, line.details["position"].as_i64()), (Money::from_units(-4), Some(2)));
    }
}
