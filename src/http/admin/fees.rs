//! Adds fees and credits to the current month's invoice of a business.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::invoices::LineCategory;
use crate::domain::invoices::fees::Fee;
use crate::domain::values::money::Money;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::{LongText, Reason, Reference};
use crate::http::bodies::transactions::TransactionBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::{CommonErrors, Missing, WriteErrors};
use crate::http::edge::ask::extract::{BusinessPath, Json};
use crate::http::edge::ask::idempotency::{IdempotencyHeader, replayed};
use crate::http::edge::who::auth::Administer;
use crate::http::edge::writes::to_the_end;
use crate::http::schema::SignedDecimalInput;
use crate::http::state::AppState;
use crate::services;

/// A fee to charge, or a credit to give.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewFee, example = json!({
    "amount": 25, "category": "SUPPORT", "description": "Sender ID registration, Kenya", "reason": "Order 4711",
}))]
pub struct FeeRequest {
    /// The amount on the invoice: positive for a fee, negative for a credit; at most 1,000,000,000 either way, with at
    /// most six decimals.
    #[schema(value_type = SignedDecimalInput)]
    amount: Money,
    /// API, STORAGE, SUPPORT or OTHER.
    category: LineCategory,
    /// The text on the invoice: 1 to 1,000 characters.
    #[schema(value_type = String)]
    description: LongText,
    /// At most 255 characters, shown with the transaction.
    reason: Reason,
    /// Your own reference: at most 255 characters, shown in the list of transactions.
    #[serde(default)]
    reference: Option<Reference>,
}

/// A fee and the balance after it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fee)]
pub struct FeeBody {
    /// The fee as a transaction.
    transaction: TransactionBody,
    /// The wallet's balance afterwards.
    balance: Money,
    /// The amount available to debits afterwards: balance plus credit limit; negative if the wallet is past its limit.
    available: Money,
}

/// Add a fee or a credit
///
/// Takes a fee from a wallet, or gives a credit, at once, and adds it as a line to this month's invoice. A fee may take
/// the balance past the credit limit; messages are then refused until the wallet is topped up. A credit does not pay
/// any invoice. A business without a wallet gets one.
///
/// Send an `Idempotency-Key` so that a repeated request is entered only once.
#[utoipa::path(
    post,
    path = "/api/admin/wallets/{business_sid}/fees/",
    tag = "Admin",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "1 to 255 visible ASCII characters, such as a UUID; a new one for each fee"),
    ),
    request_body(content = FeeRequest, description = "The amount, the invoice text and the reason"),
    responses(
        (status = 201, description = "The fee, and the balance after it", body = FeeBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the same answer was given before"))),
        CommonErrors,
        WriteErrors,
        Missing,
    ),
)]
pub async fn charge_fee(
    State(state): State<AppState>,
    BusinessPath { tenant, may }: BusinessPath<Administer>,
    idempotency: IdempotencyHeader,
    Json(request): Json<FeeRequest>,
) -> Result<(StatusCode, HeaderMap, Json<FeeBody>), Problem> {
    let (actor, business) = (may.actor, tenant.sid().clone());
    let fee = Fee {
        business: tenant,
        amount: request.amount,
        category: request.category,
        description: request.description,
        reason: request.reason,
        reference: request.reference.unwrap_or_default(),
    };
    let fee = fee.check()?;
    let key = idempotency.scope(&actor, "POST /api/admin/wallets/{business_sid}/fees/", Some(business.clone()));
    let entered = fee.clone();
    let charge = async move { services::invoices::fees::charge(&state.billing, &entered, key, &actor).await };
    let answer = to_the_end(charge).await?;
    let (receipt, is_replayed) = (answer.value, answer.replayed);
    let body = FeeBody {
        balance: receipt.entry.balance_after,
        available: receipt.available,
        transaction: TransactionBody::new(business, receipt.currency, receipt.transaction(&fee)),
    };
    Ok((StatusCode::CREATED, replayed(is_replayed), Json(body)))
}
