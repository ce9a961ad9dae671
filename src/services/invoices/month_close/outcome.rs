//! Counts what closing a month came to: invoices, numbers by seller, totals by currency.

use std::collections::BTreeMap;

use super::wallets::Issued;
use crate::domain::invoices::close;
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::values::sid::BusinessSid;

/// The numbers given by a seller in a series: how many, the first and the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    pub seller: Option<BusinessSid>,
    pub series: String,
    pub count: i64,
    pub first: i64,
    pub last: i64,
}

/// The result of closing a month.
#[derive(Clone, Debug, Default)]
pub struct CloseOutcome {
    /// Invoices issued by this close.
    pub invoices: i64,
    /// Numbers by seller and series.
    pub numbers: BTreeMap<(i64, String), Numbers>,
    pub totals: BTreeMap<&'static str, Money>,
    /// Invoices of the month that existed before, or that another server issued meanwhile. Known at the end.
    pub others: i64,
}

impl CloseOutcome {
    /// Counts an invoice that was issued.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where a total leaves the range of money.
    pub fn count(&mut self, made: Issued) -> std::result::Result<(), MoneyError> {
        self.invoices += 1;
        let total = self.totals.entry(made.wallet.currency.code()).or_default();
        *total = total.checked_add(made.header.frozen_total.unwrap_or_default())?;
        let (seller_id, seller) = made.wallet.seller.unzip();
        let (number, series) = (made.number, made.series);
        let numbers = self.numbers.entry((seller_id.unwrap_or(0), series.clone())).or_insert_with(|| Numbers {
            seller,
            series,
            count: 0,
            first: number,
            last: number,
        });
        numbers.count += 1;
        numbers.first = numbers.first.min(number);
        numbers.last = numbers.last.max(number);
        Ok(())
    }
}

impl Numbers {
    /// The first and the last number, as printed.
    pub fn ends(&self) -> (String, String) {
        (close::numbered(&self.series, self.first), close::numbered(&self.series, self.last))
    }

    /// The numbers as the audit log holds them.
    pub fn event_body(&self) -> serde_json::Value {
        let (first, last) = self.ends();
        serde_json::json!({"seller": self.seller, "count": self.count, "first": first, "last": last})
    }
}
