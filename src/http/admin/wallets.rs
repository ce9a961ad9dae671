//! Lists wallets, shows their settings and changes them.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

use super::changes::{Edit, ReasonQuery, some_change};
use crate::domain::access::rights::Tenant;
use crate::domain::values::currency::Currency;
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, PlanSid};
use crate::domain::wallets::{Wallet, WalletChanges};
use crate::http::bodies::wallets::WalletBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::ListQuery;
use crate::http::edge::answer::pages::next_link;
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, Forbidden, Missing, Preconditions};
use crate::http::edge::ask::etag::{Versioned, etag};
use crate::http::edge::ask::extract::{BusinessPath, Json, Query, present};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::schema::DecimalInput;
use crate::http::state::AppState;
use crate::services;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WalletFilter {
    /// Only wallets in this currency.
    #[param(value_type = Option<String>)]
    currency: Option<Currency>,
    /// Only wallets on this plan.
    plan: Option<PlanSid>,
    /// Only wallets with a balance below this amount.
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
            .filtered("currency", self.currency.map(|currency| ListValue::text(currency.code())))
            .filtered("plan", self.plan.map(|plan| ListValue::Id(plan.uuid())))
            .filtered("balance_below", self.balance_below.map(|amount| ListValue::Integer(amount.micros())))
    }
}

/// List wallets
///
/// A page at a time: the `Link` header points to the next page. `search` matches the business's SID and name. Sorted by
/// `business_sid` (the default) or `created_at`. There is no sorting by balance, because every message changes one.
#[utoipa::path(
    get,
    path = "/api/admin/wallets/",
    tag = "Admin",
    params(ListQuery, WalletFilter),
    responses(
        (status = 200, description = "A page of wallets", body = Vec<WalletBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
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

fn one(wallet: Wallet) -> Result<Versioned<WalletBody>, Problem> {
    Ok((etag(wallet.settings_version()), Json(wallet.try_into()?)))
}

/// Get a wallet's settings
///
/// Returns the wallet with an `ETag`; send it in `If-Match` when you change the settings. The `ETag` covers
/// `credit_limit` and `pricing_plan_sid` only, not the balance, which changes with every message.
#[utoipa::path(
    get,
    path = "/api/admin/wallets/{business_sid}/",
    tag = "Admin",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001")),
    responses(
        (status = 200, description = "The wallet", body = WalletBody,
         headers(("ETag" = String, description = "The version of the settings, for `If-Match`"))),
        CommonErrors,
        Forbidden,
        Missing,
    ),
)]
pub async fn show_wallet_settings(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Administer>,
) -> Result<Versioned<WalletBody>, Problem> {
    one(services::wallets::settings::show(&state.billing, tenant.sid()).await?)
}

/// Changes to a wallet's settings; fields that you leave out keep their value.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = WalletChanges, example = json!({"credit_limit": 250}))]
pub struct WalletChangesBody {
    /// How far below zero a debit may take the balance: 0 to 1,000,000,000,000. A lower limit may leave the balance
    /// past it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<DecimalInput>)]
    credit_limit: Option<Money>,
    /// The plan for messages charged from now on; null for none.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<PlanSid>)]
    pricing_plan_sid: Option<Option<PlanSid>>,
}

impl TryFrom<WalletChangesBody> for WalletChanges {
    type Error = Problem;

    fn try_from(body: WalletChangesBody) -> Result<WalletChanges, Problem> {
        some_change(WalletChanges { credit_limit: body.credit_limit, pricing_plan_sid: body.pricing_plan_sid })
    }
}

/// Update a wallet's settings
///
/// Changes the credit limit and the plan; both apply from the next message on. The currency never changes, and the
/// balance changes only through ledger entries, such as an adjustment. Send the `ETag` of the settings in `If-Match`;
/// messages charged in the meantime do not change it.
#[utoipa::path(
    patch,
    path = "/api/admin/wallets/{business_sid}/",
    tag = "Admin",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("If-Match" = String, Header, description = "The `ETag` you received, or `*` for any version", example = "*"),
        ReasonQuery,
    ),
    request_body(content = WalletChangesBody, description = "The fields to change"),
    responses(
        (status = 200, description = "The updated wallet", body = WalletBody,
         headers(("ETag" = String, description = "The version of the settings, for `If-Match`"))),
        CommonErrors,
        Forbidden,
        Missing,
        BodyErrors,
        Preconditions,
    ),
)]
pub async fn change_wallet(
    State(state): State<AppState>,
    Edit { target, seen, author, .. }: Edit<Tenant>,
    Json(body): Json<WalletChangesBody>,
) -> Result<Versioned<WalletBody>, Problem> {
    let changes = body.try_into()?;
    let change =
        async move { services::wallets::settings::change(&state.billing, target.sid(), &seen, changes, &author).await };
    one(to_the_end(change).await?)
}
