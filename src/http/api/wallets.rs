//! Shows a wallet and tops it up.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::payments::providers::{PaymentMethod, ProviderName};
use crate::domain::values::money::Money;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::Reference;
use crate::domain::wallets::topups::Topup;
use crate::http::bodies::wallets::WalletBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::{CommonErrors, WriteErrors};
use crate::http::edge::ask::extract::{BusinessPath, Json};
use crate::http::edge::ask::idempotency::{IdempotencyHeader, replayed};
use crate::http::edge::who::auth::{May, Read, TopUp};
use crate::http::edge::writes::to_the_end;
use crate::http::state::AppState;
use crate::services;
use crate::services::payments::ProviderTopup;

/// Get a wallet
///
/// Returns the wallet of a business; creates it with a balance of 0 on first use.
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
    let wallet = services::wallets::show(&state.billing, &tenant, &may.actor).await?;
    Ok(Json(wallet.try_into()?))
}

/// A top-up of a wallet.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"business_sid": "biz_test_001", "amount": 12.34, "reference": "CLIENT_TOPUP"}))]
pub struct TopupRequest {
    business_sid: BusinessSid,
    /// Greater than 0, at most 1,000,000,000, with at most six decimals; a number, or a string that contains one.
    #[schema(value_type = crate::http::schema::DecimalInput)]
    amount: Money,
    /// Your own reference for this payment: at most 255 characters, shown in the list of transactions.
    #[serde(default)]
    reference: Option<Reference>,
    /// The payment provider to request the money from. By default, a top-up by an admin (with `AUTH=open`, by anyone)
    /// is credited at once, and all others go through this server's default provider.
    provider: Option<ProviderName>,
    /// What the provider takes the money from, such as a phone number: 1 to 128 characters, stored encrypted.
    method: Option<PaymentMethod>,
}

/// Top up a wallet
///
/// With `AUTH=open`, or for an admin, the amount is credited at once, and the wallet is returned with its new balance.
/// All other top-ups, and those that name a `provider`, go through a payment provider: the answer is 202, with the
/// wallet unchanged and a `pending_transaction`; the amount is credited once the provider has received the money. A
/// business without a wallet gets one.
///
/// Send an `Idempotency-Key` so that a repeated request credits only once: the same request again gets the same answer,
/// with `Idempotent-Replayed: true`; a different request with the same key gets 409. Keys are kept for 30 days.
#[utoipa::path(
    post,
    path = "/api/billing/topup/",
    tag = "Wallets",
    params((
        "Idempotency-Key" = Option<String>, Header,
        description = "1 to 255 visible ASCII characters, such as a UUID; a new one for each top-up",
    )),
    request_body(content = TopupRequest, description = "The business and the amount"),
    responses(
        (status = 200, description = "The wallet after the top-up", body = WalletBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the same answer was given before"))),
        (status = 202, description = "The unchanged wallet, with the pending payment", body = WalletBody,
         headers(("Idempotent-Replayed" = String, description = "`true` if the same answer was given before"))),
        CommonErrors,
        WriteErrors,
    ),
)]
pub async fn top_up(
    State(state): State<AppState>,
    may: May<TopUp>,
    idempotency: IdempotencyHeader,
    Json(request): Json<TopupRequest>,
) -> Result<(StatusCode, HeaderMap, Json<WalletBody>), Problem> {
    let business = may.tenant(&state, request.business_sid).await?;
    let reference = request.reference.unwrap_or_default();
    let topup = Topup::new(business.clone(), request.amount, reference.clone())?;
    let is_direct = may.credits_at_once(&state) && request.provider.is_none();
    if is_direct && request.method.is_some() {
        return Err(Problem::invalid("method", "is for a payment provider: say which, in `provider`"));
    }
    let actor = may.actor;
    let key = idempotency.scope(&actor, "POST /api/billing/topup/", Some(topup.business.sid().clone()));
    if is_direct {
        let answer =
            to_the_end(async move { services::wallets::top_up(&state.billing, topup, key, &actor).await }).await?;
        return Ok((StatusCode::OK, replayed(answer.replayed), Json(answer.value.try_into()?)));
    }
    let provider = state.billing.live.providers.choose(request.provider.as_ref())?;
    let topup = ProviderTopup { business, amount: request.amount, reference, provider, method: request.method };
    let answer =
        to_the_end(async move { services::payments::request(&state.billing, topup, key, &actor).await }).await?;
    Ok((StatusCode::ACCEPTED, replayed(answer.replayed), Json(answer.value.try_into()?)))
}
