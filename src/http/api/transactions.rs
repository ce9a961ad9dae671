//! Lists the history of a wallet: ledger entries and open or failed payments.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::values::paging::{HistoryCursor, Limit};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::{BillingCalendar, Moment};
use crate::domain::wallets::transactions::{TransactionFilter, TransactionStatus, TransactionType};
use crate::http::bodies::transactions::TransactionBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::pages::next_link;
use crate::http::edge::answer::responses::CommonErrors;
use crate::http::edge::ask::extract::{BusinessPath, Json, Query};
use crate::http::edge::who::auth::Read;
use crate::http::state::AppState;
use crate::services;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TransactionQuery {
    /// The number of rows per page.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 50)]
    limit: Option<Limit>,
    /// Pagination cursor: take it unchanged from the `Link` header of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<HistoryCursor>,
    /// Only transactions of this type.
    #[serde(rename = "type")]
    transaction_type: Option<TransactionType>,
    /// Only transactions with this status.
    status: Option<TransactionStatus>,
    /// Only from this day (in the billing time zone) or this instant on.
    #[param(value_type = Option<String>, example = "2026-01-01")]
    from: Option<Moment>,
    /// Only up to the end of this day, or before this instant.
    #[param(value_type = Option<String>, example = "2199-12-31")]
    to: Option<Moment>,
}

impl TransactionQuery {
    fn filter(&self, calendar: BillingCalendar) -> TransactionFilter {
        let (from, until) = calendar.bounds(self.from, self.to);
        TransactionFilter { transaction_type: self.transaction_type, status: self.status, from, until }
    }
}

/// List transactions
///
/// The transactions of a wallet, newest first, a page at a time: the `Link` header points to the next page. Open and
/// failed payments are included, with the status PENDING or FAILED and without `seq` and `balance_after`; they do not
/// count towards the balance.
#[utoipa::path(
    get,
    path = "/api/billing/transactions/{business_sid}/",
    tag = "Transactions",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"), TransactionQuery),
    responses(
        (status = 200, description = "A page of transactions", body = Vec<TransactionBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
    ),
)]
pub async fn list_transactions(
    State(state): State<AppState>,
    BusinessPath { tenant, .. }: BusinessPath<Read>,
    Query(query): Query<TransactionQuery>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<TransactionBody>>), Problem> {
    let filter = query.filter(state.billing.rules.calendar);
    let (cursor, limit) = (query.cursor.unwrap_or(HistoryCursor::START), query.limit.unwrap_or_default());
    let history = services::reports::history::list(&state.billing, tenant, filter, cursor, limit).await?;
    Ok((next_link(&uri, history.page.next), Json(TransactionBody::list(history))))
}
