//! Cancels invoices and writes credit notes.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::invoice_payments::AllocationBody;
use crate::domain::invoices::LineCategory;
use crate::domain::invoices::credit_notes::{Wanted, WantedLine};
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::domain::values::text::{LongText, Reason};
use crate::http::bodies::invoices::{InvoiceSummaryBody, LineBody};
use crate::http::bodies::transactions::TransactionBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::ask::extract::{InvoicePath, Json, optional_whole_number, present};
use crate::http::edge::ask::idempotency::{IdempotencyHeader, replayed};
use crate::http::edge::who::auth::Administer;
use crate::http::edge::writes::to_the_end;
use crate::http::openapi::{BodyErrors, CommonErrors, Forbidden, InvoiceRules, Missing};
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;
use crate::services::invoices::credit_notes::{NewNote, NoteReceipt};

/// Why an invoice is cancelled.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = InvoiceCancellation, example = json!({"reason": "Made out to the wrong business"}))]
pub struct CancelRequest {
    /// At most 255 characters, noted in the audit log.
    reason: Reason,
}

/// Cancel an invoice
///
/// One that nothing was paid on and nothing was credited of. It keeps its number, nothing is due on it any more, and the
/// ledger stays as it is. The same again changes nothing. Anything else is corrected by a credit note.
#[utoipa::path(
    post,
    path = "/api/billing/invoices/{business_sid}/{invoice_sid}/cancel/",
    tag = "Invoices",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("invoice_sid" = InvoiceSid, Path, description = "The invoice"),
    ),
    request_body(content = CancelRequest, description = "Why"),
    responses(
        (status = 200, description = "The invoice as it is now", body = InvoiceSummaryBody),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        InvoiceRules,
    ),
)]
pub async fn cancel_invoice(
    State(state): State<AppState>,
    InvoicePath { tenant, invoice, may }: InvoicePath<Administer>,
    Json(request): Json<CancelRequest>,
) -> Result<Json<InvoiceSummaryBody>, Problem> {
    let cancel = async move {
        services::invoices::credit_notes::cancel(&state.billing, &tenant, invoice, &request.reason, &may.actor).await
    };
    Ok(Json(to_the_end(cancel).await?.into()))
}

/// What to credit, and why: `lines`, or an `amount`, or all that was not credited before.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewCreditNote, example = json!({"reason": "Route was down on 3 March", "amount": 1.25}))]
pub struct CreditNoteRequest {
    /// At most 255 characters, shown on the credit note.
    reason: Reason,
    /// A part of the invoice's total, without tax that comes on top of it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    amount: Option<Money>,
    /// 1 to 100 of them, each a part of that total.
    #[serde(default)]
    lines: Option<Vec<CreditedLineRequest>>,
}

/// A part of an invoice to be credited.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreditedLine)]
pub struct CreditedLineRequest {
    /// Greater than 0, in the currency's own decimals; at most what the line comes to, where one is named.
    #[schema(value_type = DecimalInput)]
    amount: Money,
    /// Which line of the invoice, from 1; it lends its description and category.
    #[serde(default, deserialize_with = "optional_whole_number")]
    #[schema(minimum = 1)]
    position: Option<i64>,
    /// At most 1,000 characters; needed where no position is given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Option<LongText>,
    #[serde(default)]
    category: Option<LineCategory>,
}

impl CreditNoteRequest {
    fn wanted(self) -> Result<(Reason, Wanted), Problem> {
        let line = |line: CreditedLineRequest| WantedLine {
            position: line.position,
            description: line.description,
            category: line.category,
            amount: line.amount,
        };
        let wanted = match (self.amount, self.lines) {
            (Some(_), Some(_)) => return Err(Problem::invalid("amount", "must be left out where lines are given")),
            (Some(amount), None) => Wanted::Amount(amount),
            (None, Some(lines)) => Wanted::Lines(lines.into_iter().map(line).collect()),
            (None, None) => Wanted::Rest,
        };
        Ok((self.reason, wanted))
    }
}

/// A credit note, and what it did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreditNote)]
pub struct CreditNoteBody {
    /// The credit note; its total is below 0.
    credit_note: InvoiceSummaryBody,
    /// Its lines, whose totals are below 0.
    line_items: Vec<LineBody>,
    /// The credited invoice after it.
    invoice: InvoiceSummaryBody,
    /// What the wallet got, in its history.
    transaction: TransactionBody,
    /// What that paid of which invoices.
    allocations: Vec<AllocationBody>,
}

impl TryFrom<NoteReceipt> for CreditNoteBody {
    type Error = Problem;

    fn try_from(receipt: NoteReceipt) -> Result<CreditNoteBody, Problem> {
        let (business, currency) = (receipt.invoice.business_sid.clone(), receipt.invoice.currency);
        Ok(CreditNoteBody {
            transaction: TransactionBody::new(business, currency, receipt.transaction()),
            credit_note: receipt.credit_note.into(),
            line_items: receipt.lines.into_iter().map(LineBody::from).collect(),
            invoice: receipt.invoice.into(),
            allocations: AllocationBody::list(receipt.paid)?,
        })
    }
}

/// Write a credit note
///
/// Takes something off an invoice whose month is closed. The credit note has a number of its own series, negative lines, and
/// tax in the proportion of the invoice's. The wallet gets what is credited, with the tax where it came on top: that pays
/// the invoice first, then others, the oldest first, and the rest is the wallet's. All credit notes of an invoice together
/// never exceed it.
///
/// Send an `Idempotency-Key` so that a repeated request credits once.
#[utoipa::path(
    post,
    path = "/api/billing/invoices/{business_sid}/{invoice_sid}/credit-notes/",
    tag = "Invoices",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("invoice_sid" = InvoiceSid, Path, description = "The invoice"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "1 to 255 visible ASCII characters, such as a UUID: one for each credit note you mean"),
    ),
    request_body(content = CreditNoteRequest, description = "What to credit, and why"),
    responses(
        (status = 201, description = "The credit note", body = CreditNoteBody,
         headers(("Idempotent-Replayed" = String, description = "`true` where the key was used before"))),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        InvoiceRules,
    ),
)]
pub async fn write_credit_note(
    State(state): State<AppState>,
    InvoicePath { tenant, invoice, may }: InvoicePath<Administer>,
    idempotency: IdempotencyHeader,
    Json(request): Json<CreditNoteRequest>,
) -> Result<(StatusCode, HeaderMap, Json<CreditNoteBody>), Problem> {
    let (actor, business) = (may.actor, tenant.sid().clone());
    let (reason, wanted) = request.wanted()?;
    let note = NewNote { business: tenant, invoice, wanted, reason };
    let key = idempotency.scope(
        &actor,
        "POST /api/billing/invoices/{business_sid}/{invoice_sid}/credit-notes/",
        Some(business),
    );
    let write = async move { services::invoices::credit_notes::write(&state.billing, note, key, &actor).await };
    let answer = to_the_end(write).await?;
    Ok((StatusCode::CREATED, replayed(answer.replayed), Json(answer.value.try_into()?)))
}
