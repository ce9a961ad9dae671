//! Wallets: reading one, topping it up.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AppState;
use super::auth::{AuthMode, May, Read, TopUp};
use super::error::Problem;
use super::extract::{BusinessPath, IdempotencyHeader, Json};
use super::openapi::{CommonErrors, WriteErrors};
use super::to_the_end;
use crate::domain::access::{Principal, Role};
use crate::domain::businesses::BusinessSid;
use crate::domain::currency::Currency;
use crate::domain::idempotency::KeyScope;
use crate::domain::money::Money;
use crate::domain::pricing::PlanType;
use crate::domain::sid::{PlanSid, WalletSid};
use crate::domain::text::Reference;
use crate::domain::time::Timestamp;
use crate::domain::wallet::Wallet;
use crate::error::Error;
use crate::services;
use crate::services::wallet::Topup;

/// What a business has to spend.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Wallet)]
pub struct WalletBody {
    sid: WalletSid,
    business_sid: BusinessSid,
    /// The sum of all ledger entries; below zero where credit is used.
    balance: Money,
    currency: Currency,
    /// How far below zero a debit may take the balance.
    credit_limit: Money,
    /// The balance and the credit limit: a debit passes when it costs no more than this.
    available: Money,
    auto_recharge_enabled: bool,
    auto_recharge_amount: Money,
    auto_recharge_threshold: Money,
    /// How the wallet's plan is paid.
    #[serde(rename = "type")]
    plan_type: PlanType,
    /// Left out where the wallet has no plan: then the rate card's own price applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pricing_plan_sid: Option<PlanSid>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl TryFrom<Wallet> for WalletBody {
    type Error = Error;

    fn try_from(wallet: Wallet) -> Result<WalletBody, Error> {
        Ok(WalletBody {
            available: wallet.available()?,
            sid: wallet.sid,
            business_sid: wallet.business_sid,
            balance: wallet.balance,
            currency: wallet.currency,
            credit_limit: wallet.credit_limit,
            auto_recharge_enabled: wallet.auto_recharge.enabled,
            auto_recharge_amount: wallet.auto_recharge.amount,
            auto_recharge_threshold: wallet.auto_recharge.threshold,
            plan_type: wallet.plan_type,
            pricing_plan_sid: wallet.pricing_plan,
            created_at: wallet.created_at,
            updated_at: wallet.updated_at,
        })
    }
}

/// Read a wallet
///
/// The wallet of a business, opened with a balance of 0 if this is its first use.
#[utoipa::path(
    get,
    path = "/api/billing/wallet/{business_sid}/",
    tag = "Wallets",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    responses((status = 200, description = "The wallet", body = WalletBody), CommonErrors),
)]
pub async fn show_wallet(
    State(state): State<AppState>,
    BusinessPath { tenant, may }: BusinessPath<Read>,
) -> Result<Json<WalletBody>, Problem> {
    let wallet = services::wallet::show(&state.billing, &tenant, &may.actor).await?;
    Ok(Json(wallet.try_into()?))
}

/// Money to put into a wallet.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"business_sid": "biz_test_001", "amount": 12.34, "reference": "CLIENT_TOPUP"}))]
pub struct TopupRequest {
    business_sid: BusinessSid,
    /// Greater than 0, at most 1,000,000,000, with at most six decimals; a number, or a string that holds one.
    #[schema(value_type = super::schema::DecimalInput)]
    amount: Money,
    /// What you call this payment: at most 255 characters, shown in the list of transactions.
    #[serde(default)]
    reference: Option<Reference>,
}

/// Top up a wallet
///
/// Credits the wallet at once and answers it as it is then. A business without a wallet gets one.
///
/// Send an `Idempotency-Key` so that a repeated request credits once: the same request again gets the same answer, with
/// `Idempotent-Replayed: true`; another request with the same key gets 409. Keys are kept for 30 days.
#[utoipa::path(
    post,
    path = "/api/billing/topup/",
    tag = "Wallets",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "1 to 255 visible ASCII characters, such as a UUID: one for each top-up you mean",
    )),
    request_body(content = TopupRequest, description = "Which wallet, and how much"),
    responses(
        (status = 200, description = "The wallet after the top-up", body = WalletBody,
         headers(("Idempotent-Replayed" = String, description = "`true` where the key was used before"))),
        CommonErrors,
        WriteErrors,
    ),
)]
pub async fn top_up(
    State(state): State<AppState>,
    may: May<TopUp>,
    IdempotencyHeader(key): IdempotencyHeader,
    Json(request): Json<TopupRequest>,
) -> Result<(HeaderMap, Json<WalletBody>), Problem> {
    let topup = Topup::new(
        may.tenant(&state, request.business_sid).await?,
        request.amount,
        request.reference.unwrap_or_default(),
    )?;
    check_direct(state.auth, may.principal.as_deref())?;
    let actor = may.actor;
    let key = key.map(|key| KeyScope {
        caller: actor.name.to_string(),
        route: "POST /api/billing/topup/",
        business_sid: Some(topup.business.sid().clone()),
        key,
    });
    let answer = to_the_end(async move { services::wallet::top_up(&state.billing, topup, key, &actor).await }).await?;
    let mut headers = HeaderMap::new();
    if answer.replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    Ok((headers, Json(answer.value.try_into()?)))
}

/// Whether a top-up, or the payment of an invoice, may be credited at once: anybody's in open mode, else an admin's. Everybody else's money has to come
/// from somewhere first.
///
/// # Errors
/// 422 `no_payment_provider`.
pub(super) fn check_direct(mode: AuthMode, principal: Option<&Principal>) -> Result<(), Problem> {
    if mode == AuthMode::Open || principal.is_some_and(|principal| principal.role == Role::Admin) {
        return Ok(());
    }
    let detail = "No payment provider is set up here, so only an operator can top up a wallet: ask them to.";
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no_payment_provider", detail))
}
