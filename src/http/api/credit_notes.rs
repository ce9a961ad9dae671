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
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, Forbidden, InvoiceRules, Missing};
use crate::http::edge::ask::extract::{Json, OwnPath, optional_whole_number, present};
use crate::http::edge::ask::idempotency::{IdempotencyHeader, replayed};
use crate::http::edge::who::auth::Administer;
use crate::http::edge::writes::to_the_end;
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;
use crate::services::invoices::credit_notes::{NewNote, NoteReceipt};

/// Why an invoice is cancelled.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = InvoiceCancellation, example = json!({"reason": "Made out to the wrong business"}))]
pub struct CancelRequest {
    /// At most 255 characters, for the audit log.
    reason: Reason,
}

/// Cancel an invoice
///
/// Only possible if nothing has been paid on the invoice or credited from it; any other invoice is corrected by a
/// credit note. The invoice keeps its number, nothing is due on it any more, and the ledger does not change. Repeating
/// the request changes nothing.
#[utoipa::path(
    post,
    path = "/api/billing/invoices/{business_sid}/{invoice_sid}/cancel/",
    tag = "Invoices",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("invoice_sid" = InvoiceSid, Path, description = "The invoice"),
    ),
    request_body(content = CancelRequest, description = "The reason"),
    responses(
        (status = 200, description = "The updated invoice", body = InvoiceSummaryBody),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        InvoiceRules,
    ),
)]
pub async fn cancel_invoice(
    State(state): State<AppState>,
    OwnPath { tenant, sid: invoice, may }: OwnPath<Administer, InvoiceSid>,
    Json(request): Json<CancelRequest>,
) -> Result<Json<InvoiceSummaryBody>, Problem> {
    let cancel = async move {
        services::invoices::credit_notes::cancel(&state.billing, &tenant, invoice, &request.reason, &may.actor).await
    };
    Ok(Json(to_the_end(cancel).await?.into()))
}

/// What to credit, and why: `lines`, or an `amount`, or by default all that has not been credited yet.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewCreditNote, example = json!({"reason": "Route was down on 3 March", "amount": 1.25}))]
pub struct CreditNoteRequest {
    /// At most 255 characters, shown on the credit note.
    reason: Reason,
    /// A part of the invoice's total, without any tax added on top.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    amount: Option<Money>,
    /// 1 to 100 lines, each a part of the invoice's total.
    #[serde(default)]
    lines: Option<Vec<CreditedLineRequest>>,
}

/// A part of an invoice to credit.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreditedLine)]
pub struct CreditedLineRequest {
    /// Greater than 0, with at most the currency's own decimals; at most the total of the line at `position`, if given.
    #[schema(value_type = DecimalInput)]
    amount: Money,
    /// The number of the invoice line, from 1; its description and category are the defaults.
    #[serde(default, deserialize_with = "optional_whole_number")]
    #[schema(minimum = 1)]
    position: Option<i64>,
    /// At most 1,000 characters; required without `position`.
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

/// A credit note and its effects.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreditNote)]
pub struct CreditNoteBody {
    /// The credit note; its total is negative.
    credit_note: InvoiceSummaryBody,
    /// The lines of the credit note; their totals are negative.
    line_items: Vec<LineBody>,
    /// The credited invoice afterwards.
    invoice: InvoiceSummaryBody,
    /// The credit to the wallet as a transaction.
    transaction: TransactionBody,
    /// The invoices that the credit paid.
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

/// Issue a credit note
///
/// Credits an invoice of a closed month, in full or in part. The credit note has a number from its own series, negative
/// lines, and tax in proportion to the invoice. The wallet receives the credited amount, with the tax if it was added
/// on top. This pays the credited invoice first, then other open invoices, oldest first; the rest stays in the wallet.
/// The credit notes of an invoice together never exceed it.
///
/// Send an `Idempotency-Key` so that a repeated request credits only once.
#[utoipa::path(
    post,
    path = "/api/billing/invoices/{business_sid}/{invoice_sid}/credit-notes/",
    tag = "Invoices",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("invoice_sid" = InvoiceSid, Path, description = "The invoice"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "1 to 255 visible ASCII characters, such as a UUID; a new one for each credit note"),
    ),
    request_body(content = CreditNoteRequest, description = "The amounts to credit, and the reason"),
    responses(
        (status = 201, description = "The credit note, and the invoices it paid", body = CreditNoteBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the same answer was given before"))),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        InvoiceRules,
    ),
)]
pub async fn write_credit_note(
    State(state): State<AppState>,
    OwnPath { tenant, sid: invoice, may }: OwnPath<Administer, InvoiceSid>,
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
