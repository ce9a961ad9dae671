//! Lists wallets, shows their settings and changes them.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

use super::changes::ReasonQuery;
use crate::domain::values::currency::Currency;
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, PlanSid};
use crate::domain::wallets::{Wallet, WalletChanges};
use crate::http::api::wallets::WalletBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::ListQuery;
use crate::http::edge::answer::pages::next_link;
use crate::http::edge::ask::etag::{IfMatch, etag};
use crate::http::edge::ask::extract::{BusinessPath, Json, Query, present};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::openapi::{BodyErrors, CommonErrors, Forbidden, Missing, Preconditions};
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WalletFilter {
    /// Only wallets in this currency.
    #[param(value_type = Option<String>)]
    currency: Option<Currency>,
    /// Only wallets that have this plan.
    plan: Option<PlanSid>,
    /// Only wallets with less than this.
    #[serde(default, deserialize_with = "amount")]
    #[param(value_type = Option<f64>)]
    balance_below: Option<Money>,
}

/// Reads an amount from a query string, where numbers are texts.
fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Money>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Money::parse(&text).map(Some).map_err(D::Error::custom)
}

impl WalletFilter {
    fn of(self, query: ListQuery) -> ListRequest {
        ListRequest::from(query)
            .filtered("currency", self.currency.map(|currency| ListValue::Text(currency.code().to_owned())))
            .filtered("plan", self.plan.map(|plan| ListValue::Id(plan.uuid())))
            .filtered("balance_below", self.balance_below.map(|amount| ListValue::Integer(amount.micros())))
    }
}

/// List wallets
///
/// A page at a time: the `Link` header leads to the next. `search` looks into the business's SID and name. Sorted by
/// `business_sid`, or by `created_at`. Not by balance: every message changes one, and would have to keep it in order.
#[utoipa::path(
    get,
    path = "/api/admin/wallets/",
    tag = "Admin",
    params(ListQuery, WalletFilter),
    responses(
        (status = 200, description = "A page of wallets", body = Vec<WalletBody>,
         headers(("Link" = String, description = "The next page, with rel=\"next\"; missing on the last one"))),
        CommonErrors,
        Forbidden,
    ),
)]
pub async fn list_wallets(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(list): Query<ListQuery>,
    Query(filter): Query<WalletFilter>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<WalletBody>>), Problem> {
    let page = services::wallets::settings::list(&state.billing, &filter.of(list)).await?;
    let wallets = page.items.into_iter().map(WalletBody::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok((next_link(&uri, page.next), Json(wallets)))
}

/// The answer with one wallet, and its `ETag`.
type OneWallet = ([(HeaderName, HeaderValue); 1], Json<WalletBody>);

fn one(wallet: Wallet) -> Result<OneWallet, Problem> {
    Ok((etag(wallet.settings_version()), Json(wallet.try_into()?)))
}

/// Show a wallet
///
/// With the `ETag` that who changes it has to send. It stands for the wallet's settings alone, `credit_limit` and
/// `pricing_plan_sid`, and not for its balance: that changes with every message.
#[utoipa::path(
    get,
    path = "/api/admin/wallets/{business_sid}/",
    tag = "Admin",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    responses(
        (status = 200, description = "The wallet", body = WalletBody,
         headers(("ETag" = String, description = "Which state of its settings this is"))),
        CommonErrors,
        Forbidden,
        Missing,
    ),
)]
pub async fn show_wallet_settings(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Administer>,
) -> Result<OneWallet, Problem> {
    one(services::wallets::settings::show(&state.billing, tenant.sid()).await?)
}

/// What is to become of a wallet; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WalletChanges, example = json!({"credit_limit": 250}))]
pub struct WalletChangesBody {
    /// How far below zero a debit may take the balance: 0 to 1,000,000,000,000. A lowered limit may leave the wallet below
    /// it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    credit_limit: Option<Money>,
    /// The plan that messages are charged by from now on; null for none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<PlanSid>)]
    pricing_plan_sid: Option<Option<PlanSid>>,
}

impl TryFrom<WalletChangesBody> for WalletChanges {
    type Error = Problem;

    fn try_from(body: WalletChangesBody) -> Result<WalletChanges, Problem> {
        let changes = WalletChanges { credit_limit: body.credit_limit, pricing_plan_sid: body.pricing_plan_sid };
        if changes == WalletChanges::default() { Err(Problem::no_change()) } else { Ok(changes) }
    }
}

/// Change a wallet
///
/// Its credit limit and its plan: the next message is charged by them. Its currency never changes, and its balance only by
/// entries of the ledger, such as an adjustment. Send the `ETag` you read in `If-Match`; messages that are charged
/// meanwhile do not change it.
#[utoipa::path(
    patch,
    path = "/api/admin/wallets/{business_sid}/",
    tag = "Admin",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("If-Match" = String, Header, description = "The `ETag` you read, or `*` for whatever it has become", example = "*"),
        ReasonQuery,
    ),
    request_body(content = WalletChangesBody, description = "What is to change"),
    responses(
        (status = 200, description = "The wallet as it is now", body = WalletBody,
         headers(("ETag" = String, description = "Which state of its settings this is"))),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        Preconditions,
    ),
)]
pub async fn change_wallet(
    State(state): State<AppState>,
    BusinessPath { tenant, may }: BusinessPath<Administer>,
    IfMatch(seen): IfMatch,
    Query(reason): Query<ReasonQuery>,
    Json(body): Json<WalletChangesBody>,
) -> Result<OneWallet, Problem> {
    let (author, changes, business) = (reason.author(may), body.try_into()?, tenant.into_sid());
    let change =
        async move { services::wallets::settings::change(&state.billing, &business, &seen, changes, &author).await };
    one(to_the_end(change).await?)
}
