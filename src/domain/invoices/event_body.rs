//! Builds the body of webhook events about an invoice, the same as the API's lists show.

use chrono::NaiveDate;
use serde::Serialize;

use super::tax::Tax;
use super::{InvoiceKind, InvoiceStatus, InvoiceSummary};
use crate::domain::notifications::events::{Event, EventType};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::domain::values::time::Timestamp;

/// The tax of an invoice in an event body.
#[derive(Clone, Copy, Debug, Serialize)]
struct TaxEventBody {
    rate_percent: BasisPoints,
    amount: Money,
    included: bool,
}

impl TaxEventBody {
    /// `None` where there is no tax.
    fn of(tax: Tax) -> Option<TaxEventBody> {
        let Tax { rate, amount, is_included } = tax;
        (tax.rate != BasisPoints::ZERO).then_some(TaxEventBody { rate_percent: rate, amount, included: is_included })
    }
}

/// A finalised invoice or a credit note, without its lines.
#[derive(Clone, Debug, Serialize)]
struct InvoiceEventBody<'a> {
    sid: Option<InvoiceSid>,
    business_sid: &'a BusinessSid,
    kind: InvoiceKind,
    invoice_number: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seller: Option<&'a BusinessSid>,
    period_start: NaiveDate,
    period_end: NaiveDate,
    total_amount: Money,
    amount_due: Money,
    amount_paid: Money,
    amount_outstanding: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax: Option<TaxEventBody>,
    currency: Currency,
    status: InvoiceStatus,
    issue_date: Option<NaiveDate>,
    due_date: Option<NaiveDate>,
    paid_date: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credited_invoice_sid: Option<InvoiceSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl InvoiceSummary {
    /// The webhook event about this finalised invoice.
    pub fn event(&self, event_type: EventType, at: Timestamp) -> Event {
        let header = &self.header;
        let told = InvoiceEventBody {
            sid: header.sid,
            business_sid: &self.business_sid,
            kind: header.kind,
            invoice_number: self.number(),
            seller: header.seller.as_ref(),
            period_start: self.period.first,
            period_end: self.period.last,
            total_amount: header.frozen_total.unwrap_or_default(),
            amount_due: header.dues.at_close,
            amount_paid: header.dues.paid,
            amount_outstanding: header.still_due(),
            tax: TaxEventBody::of(header.dues.tax),
            currency: self.currency,
            status: header.status,
            issue_date: header.issue_date,
            due_date: header.due_date,
            paid_date: header.paid_date,
            credited_invoice_sid: self.credited_invoice,
            reason: self.reason.as_deref(),
            created_at: header.created_at,
            updated_at: header.updated_at,
        };
        Event::new(event_type, at, told)
    }
}
