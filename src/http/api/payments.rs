//! Lists and shows a business's payments through providers.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::payments::providers::{ProviderName, ProviderReference};
use crate::domain::payments::{Payment, PaymentPurpose, PaymentStatus};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, PaymentSid, TransactionSid};
use crate::domain::values::text::Reference;
use crate::domain::values::time::Timestamp;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::pages::{self, PageQuery};
use crate::http::edge::answer::responses::{CommonErrors, Missing};
use crate::http::edge::ask::extract::{BusinessPath, Json, OwnPath, Query};
use crate::http::edge::who::auth::Read;
use crate::http::state::AppState;
use crate::services::{self, Billing};

/// Money requested through a payment provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentBody {
    sid: PaymentSid,
    business_sid: BusinessSid,
    purpose: PaymentPurpose,
    provider: ProviderName,
    amount: Money,
    currency: Currency,
    status: PaymentStatus,
    reference: Reference,
    /// What the provider takes the money from, masked; left out if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// The provider's own reference, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_reference: Option<ProviderReference>,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// The ledger entry of the payment, if it was completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_sid: Option<TransactionSid>,
    /// Present and true if no real money moves.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    simulated: bool,
    created_at: Timestamp,
    /// When it was completed or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_at: Option<Timestamp>,
}

impl PaymentBody {
    fn new(billing: &Billing, payment: Payment) -> PaymentBody {
        PaymentBody {
            method: services::payments::methods::masked(billing, &payment.business_sid, payment.method.as_deref()),
            simulated: payment.provider.is_simulated(),
            sid: payment.sid,
            business_sid: payment.business_sid,
            purpose: payment.purpose,
            provider: payment.provider,
            amount: payment.amount,
            currency: payment.currency,
            status: payment.status,
            reference: payment.reference,
            provider_reference: payment.provider_reference,
            failure: payment.failure,
            transaction_sid: payment.transaction_sid,
            created_at: payment.created_at,
            settled_at: payment.settled_at,
        }
    }
}

/// List payments
///
/// Payments that a business has requested through payment providers, newest first, a page at a time: the `Link` header
/// points to the next page. Completed payments are also entries in the ledger.
#[utoipa::path(
    get,
    path = "/api/billing/payments/{business_sid}/",
    tag = "Payments",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"), PageQuery),
    responses(
        (status = 200, description = "A page of payments", body = Vec<PaymentBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
    ),
)]
pub async fn list_payments(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Read>,
    Query(page): Query<PageQuery>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<PaymentBody>>), Problem> {
    let (cursor, limit) = page.bounds();
    let page = services::payments::list(&state.billing, &tenant, cursor, limit).await?;
    Ok(pages::answer(&uri, page.map(|payment| PaymentBody::new(&state.billing, payment))))
}

/// Get a payment
///
/// Shows the status of a payment. Poll until it is no longer PENDING, or use a webhook.
#[utoipa::path(
    get,
    path = "/api/billing/payments/{business_sid}/{payment_sid}/",
    tag = "Payments",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("payment_sid" = PaymentSid, Path, description = "The payment"),
    ),
    responses((status = 200, description = "The payment", body = PaymentBody), CommonErrors, Missing),
)]
pub async fn show_payment(
    State(state): State<AppState>,
    OwnPath { tenant, sid: payment, .. }: OwnPath<Read, PaymentSid>,
) -> Result<Json<PaymentBody>, Problem> {
    let payment = services::payments::show(&state.billing, &tenant, payment).await?;
    Ok(Json(PaymentBody::new(&state.billing, payment)))
}
