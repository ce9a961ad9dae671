//! Adjusts a wallet by hand.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::values::money::Money;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::{Reason, Reference};
use crate::domain::wallets::adjustments::Adjustment;
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
use crate::services::wallets::adjustments::AdjustmentReceipt;

/// An amount to add to a wallet or to take from it, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewAdjustment, example = json!({"amount": -2.5, "reason": "Credited twice", "reference": "TICKET-4711"}))]
pub struct AdjustmentRequest {
    /// Positive to add, negative to take: at most 1,000,000,000 either way, with at most six decimals.
    #[schema(value_type = SignedDecimalInput)]
    amount: Money,
    /// At most 255 characters, shown with the transaction.
    reason: Reason,
    /// Your own reference: at most 255 characters, shown in the list of transactions.
    #[serde(default)]
    reference: Option<Reference>,
}

/// An adjustment and the balance after it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Adjustment)]
pub struct AdjustmentBody {
    /// The adjustment as a transaction.
    transaction: TransactionBody,
    /// The wallet's balance afterwards.
    balance: Money,
    /// The amount available to debits afterwards: balance plus credit limit; negative if the wallet is past its limit.
    available: Money,
}

impl AdjustmentBody {
    fn new(business: BusinessSid, receipt: AdjustmentReceipt) -> AdjustmentBody {
        AdjustmentBody {
            balance: receipt.entry.balance_after,
            available: receipt.available,
            transaction: TransactionBody::new(business, receipt.currency, receipt.into_transaction()),
        }
    }
}

/// Adjust a wallet
///
/// Adds money to a wallet or takes it away by hand, at once and permanently: a ledger entry that records the reason and
/// the author. An adjustment may take the balance past the credit limit; messages are then refused until the wallet is
/// topped up. A business without a wallet gets one.
///
/// Send an `Idempotency-Key` so that a repeated request adjusts only once.
#[utoipa::path(
    post,
    path = "/api/admin/wallets/{business_sid}/adjustments/",
    tag = "Admin",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("Idempotency-Key" = Option<String>, Header,
         description = "1 to 255 visible ASCII characters, such as a UUID; a new one for each adjustment"),
    ),
    request_body(content = AdjustmentRequest, description = "The amount and the reason"),
    responses(
        (status = 201, description = "The adjustment, and the balance after it", body = AdjustmentBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the same answer was given before"))),
        CommonErrors,
        WriteErrors,
        Missing,
    ),
)]
pub async fn adjust_wallet(
    State(state): State<AppState>,
    BusinessPath { tenant, may }: BusinessPath<Administer>,
    idempotency: IdempotencyHeader,
    Json(request): Json<AdjustmentRequest>,
) -> Result<(StatusCode, HeaderMap, Json<AdjustmentBody>), Problem> {
    let (actor, business) = (may.actor, tenant.sid().clone());
    let adjustment = Adjustment::new(tenant, request.amount, request.reason, request.reference.unwrap_or_default())?;
    let key = idempotency.scope(&actor, "POST /api/admin/wallets/{business_sid}/adjustments/", Some(business.clone()));
    let adjust = async move { services::wallets::adjustments::adjust(&state.billing, adjustment, key, &actor).await };
    let answer = to_the_end(adjust).await?;
    let headers = replayed(answer.replayed);
    Ok((StatusCode::CREATED, headers, Json(AdjustmentBody::new(business, answer.value))))
}
