//! An invoice as webhooks tell of it: what the API says of it, without its lines.

use chrono::NaiveDate;
use serde::Serialize;

use super::tax::Tax;
use super::{InvoiceHeader, InvoiceKind, InvoiceStatus};
use crate::domain::businesses::BusinessSid;
use crate::domain::currency::Currency;
use crate::domain::money::{BasisPoints, Money};
use crate::domain::time::{DayRange, Timestamp};

/// The tax of an invoice as it is told.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ToldTax {
    pub rate_percent: BasisPoints,
    pub amount: Money,
    pub included: bool,
}

impl ToldTax {
    /// None where there is none.
    pub fn of(tax: Tax) -> Option<ToldTax> {
        let Tax { rate, amount, is_included } = tax;
        (tax.rate != BasisPoints::ZERO).then_some(ToldTax { rate_percent: rate, amount, included: is_included })
    }
}

/// A finalised invoice without its lines.
#[derive(Clone, Debug, Serialize)]
pub struct ToldInvoice {
    sid: Option<String>,
    business_sid: BusinessSid,
    kind: InvoiceKind,
    invoice_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seller: Option<BusinessSid>,
    period_start: NaiveDate,
    period_end: NaiveDate,
    total_amount: Option<Money>,
    amount_due: Money,
    amount_paid: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax: Option<ToldTax>,
    currency: Currency,
    status: InvoiceStatus,
    issue_date: Option<NaiveDate>,
    due_date: Option<NaiveDate>,
    paid_date: Option<NaiveDate>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ToldInvoice {
    pub fn new(business_sid: BusinessSid, currency: Currency, period: DayRange, header: InvoiceHeader) -> ToldInvoice {
        ToldInvoice {
            sid: header.sid.map(|sid| sid.to_string()),
            business_sid,
            kind: header.kind,
            invoice_number: header.number,
            seller: header.seller,
            period_start: period.first,
            period_end: period.last,
            total_amount: header.frozen_total,
            amount_due: header.dues.at_close,
            amount_paid: header.dues.paid,
            tax: ToldTax::of(header.dues.tax),
            currency,
            status: header.status,
            issue_date: header.issue_date,
            due_date: header.due_date,
            paid_date: header.paid_date,
            created_at: header.created_at,
            updated_at: header.updated_at,
        }
    }
}
