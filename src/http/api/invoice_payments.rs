//! Enters payments of invoices.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::invoices::InvoiceStatus;
use crate::domain::invoices::dues::PaidInvoice;
use crate::domain::invoices::payments::InvoicePayment;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::domain::values::text::Reference;
use crate::http::bodies::invoices::InvoiceSummaryBody;
use crate::http::bodies::transactions::TransactionBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, InvoiceRules, Missing, TenantForbidden};
use crate::http::edge::ask::extract::{Json, OwnPath, present};
use crate::http::edge::ask::idempotency::{IdempotencyHeader, replayed};
use crate::http::edge::who::auth::TopUp;
use crate::http::edge::writes::to_the_end;
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;
use crate::services::invoices::payments::PaymentReceipt;

/// A payment for an invoice.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewInvoicePayment, example = json!({"reference": "BANK-2026-0412"}))]
pub struct PaymentRequest {
    /// Including tax: greater than 0, at most 1,000,000,000, with at most six decimals. By default all that is due on
    /// this invoice.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    amount: Option<Money>,
    /// Your own reference for this payment: at most 255 characters, shown in the list of transactions.
    #[serde(default)]
    reference: Option<Reference>,
}

/// The part of a payment or credit that paid one invoice.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Allocation)]
pub struct AllocationBody {
    invoice_sid: Option<InvoiceSid>,
    #[schema(example = "INV-2026-000001")]
    invoice_number: String,
    /// Including tax.
    amount: Money,
    net: Money,
    /// The tax on top that was paid with it; it does not go to the wallet.
    tax: Money,
    /// The status of the invoice afterwards.
    status: InvoiceStatus,
}

impl AllocationBody {
    pub(super) fn list(paid: Vec<PaidInvoice>) -> Result<Vec<AllocationBody>, Problem> {
        let body = |paid: PaidInvoice| {
            Ok(AllocationBody {
                invoice_sid: paid.sid,
                invoice_number: paid.number,
                amount: paid.net.checked_add(paid.tax).map_err(crate::error::Error::from)?,
                net: paid.net,
                tax: paid.tax,
                status: paid.status,
            })
        };
        paid.into_iter().map(body).collect()
    }
}

/// A payment and the invoices it paid.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoicePayment)]
pub struct PaymentBody {
    /// The invoice afterwards.
    invoice: InvoiceSummaryBody,
    /// The payment as a transaction: `amount` is what the wallet received, `details` has `gross` and `tax`.
    transaction: TransactionBody,
    /// The invoices that the payment paid; the rest stays in the wallet.
    allocations: Vec<AllocationBody>,
}

impl TryFrom<PaymentReceipt> for PaymentBody {
    type Error = Problem;

    fn try_from(receipt: PaymentReceipt) -> Result<PaymentBody, Problem> {
        let (business, currency) = (receipt.invoice.business_sid.clone(), receipt.invoice.currency);
        Ok(PaymentBody {
            transaction: TransactionBody::new(business, currency, receipt.transaction()?),
            allocations: AllocationBody::list(receipt.paid)?,
            invoice: receipt.invoice.into(),
        })
    }
}

/// Pay an invoice
///
/// Enters a received payment at once. Like every credit to the wallet, it pays the business's open invoices, oldest
/// first; the rest stays in the wallet. If tax is added on top of an invoice, the payment is split into net and tax in
/// proportion to the amount due, and only the net part goes to the wallet.
///
/// Send an `Idempotency-Key` so that a repeated request pays only once.
#[utoipa::path(
    post,
    path = "/api/billing/invoices/{business_sid}/{invoice_sid}/payments/",
    tag = "Invoices",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("invoice_sid" = InvoiceSid, Path, description = "The invoice"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "1 to 255 visible ASCII characters, such as a UUID; a new one for each payment"),
    ),
    request_body(content = PaymentRequest, description = "The amount; by default all that is due"),
    responses(
        (status = 200, description = "The payment", body = PaymentBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the same answer was given before"))),
        CommonErrors,
        TenantForbidden,
        Missing,
        BodyErrors,
        InvoiceRules,
    ),
)]
pub async fn pay_invoice(
    State(state): State<AppState>,
    OwnPath { tenant, sid: invoice, may }: OwnPath<TopUp, InvoiceSid>,
    idempotency: IdempotencyHeader,
    Json(request): Json<PaymentRequest>,
) -> Result<(HeaderMap, Json<PaymentBody>), Problem> {
    let business = tenant.sid().clone();
    let payment = InvoicePayment::new(tenant, invoice, request.amount, request.reference.unwrap_or_default())?;
    if !may.credits_at_once(&state) {
        return Err(only_operators());
    }
    let actor = may.actor;
    let key =
        idempotency.scope(&actor, "POST /api/billing/invoices/{business_sid}/{invoice_sid}/payments/", Some(business));
    let pay = async move { services::invoices::payments::pay(&state.billing, payment, key, &actor).await };
    let answer = to_the_end(pay).await?;
    Ok((replayed(answer.replayed), Json(answer.value.try_into()?)))
}

fn only_operators() -> Problem {
    let detail = "Only an operator can enter the payment of an invoice. Top up the wallet instead: what comes in pays open \
                  invoices, the oldest first.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no_payment_provider", detail)
}
