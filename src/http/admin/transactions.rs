//! Lists the transactions of the whole ledger.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use serde::de::IgnoredAny;
use utoipa::IntoParams;

use crate::domain::prices::messages::MessageSid;
use crate::domain::values::listing::ListCursor;
use crate::domain::values::paging::Limit;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::{BillingCalendar, Moment};
use crate::domain::wallets::transactions::{LedgerQuery, TransactionFilter, TransactionType};
use crate::http::bodies::transactions::TransactionBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing;
use crate::http::edge::answer::responses::{CommonErrors, Forbidden};
use crate::http::edge::ask::extract::{Json, Query};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::state::AppState;
use crate::services;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LedgerListQuery {
    /// Only transactions of this business.
    #[param(value_type = Option<BusinessSid>)]
    business_sid: Option<BusinessSid>,
    /// Only transactions of this type; needs `business_sid`.
    #[serde(rename = "type")]
    transaction_type: Option<TransactionType>,
    /// Only the debit of this message, in `business_sid` or in every business that has one; not with `type`, `from` or
    /// `to`.
    #[param(value_type = Option<MessageSid>)]
    message_sid: Option<MessageSid>,
    /// Only from this day (in the billing time zone) or this instant on.
    #[param(value_type = Option<String>, example = "2026-01-01")]
    from: Option<Moment>,
    /// Only up to the end of this day, or before this instant.
    #[param(value_type = Option<String>, example = "2199-12-31")]
    to: Option<Moment>,
    /// The number of rows per page.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 50)]
    limit: Option<Limit>,
    /// Pagination cursor: take it unchanged from the `Link` header of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<ListCursor>,
    // The ledger has no index for these. If they were ignored, a filtered request would return everything.
    #[param(ignore)]
    reference: Option<IgnoredAny>,
    #[param(ignore)]
    request_id: Option<IgnoredAny>,
}

impl LedgerListQuery {
    fn query(self, calendar: BillingCalendar) -> Result<LedgerQuery, Problem> {
        const NOT_IN_ORDER: &str = "cannot be searched for: the ledger is too long to be gone through for it";
        for (name, given) in [("reference", self.reference), ("request_id", self.request_id)] {
            if given.is_some() {
                return Err(Problem::invalid(name, NOT_IN_ORDER));
            }
        }
        let (from, until) = calendar.bounds(self.from, self.to);
        match (self.message_sid, self.business_sid, self.transaction_type) {
            (Some(message), business, None) if from.is_none() && until.is_none() => {
                Ok(LedgerQuery::Message { message, business })
            }
            (Some(_), ..) => Err(Problem::invalid("message_sid", "must be given without type, from and to")),
            (None, Some(business), transaction_type) => {
                let filter = TransactionFilter { transaction_type, status: None, from, until };
                Ok(LedgerQuery::Business { business, filter })
            }
            (None, None, Some(_)) => {
                Err(Problem::invalid("type", "must be given with business_sid: types are in order by wallet alone"))
            }
            (None, None, None) => Ok(LedgerQuery::Everybody { from, until }),
        }
    }
}

/// List all transactions
///
/// The ledger of all wallets, newest first, a page at a time: the `Link` header points to the next page. Because the
/// ledger is long, only these filters can be combined: `from` and `to` alone; `business_sid` with `type`, `from` and
/// `to`; `message_sid` with or without `business_sid`, which finds the debit of a message in one business, or in all
/// businesses that used this SID (newest wallets first). Other combinations are refused.
///
/// Entries of all wallets are sorted by their ids, which begin with the millisecond in which the request came in.
/// `from` and `to` refer to that time; an entry that had to wait may have been written a moment later.
#[utoipa::path(
    get,
    path = "/api/admin/transactions/",
    tag = "Admin",
    params(LedgerListQuery),
    responses(
        (status = 200, description = "A page of transactions", body = Vec<TransactionBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
        Forbidden,
    ),
)]
pub async fn list_all_transactions(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(mut query): Query<LedgerListQuery>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<TransactionBody>>), Problem> {
    let (cursor, limit) = (query.cursor.take(), query.limit.unwrap_or_default());
    let query = query.query(state.billing.rules.calendar)?;
    let page = services::reports::history::ledger(&state.billing, query, cursor, limit).await?;
    Ok(listing::answer(&uri, page))
}
