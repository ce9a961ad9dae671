//! Lists the history of a wallet: ledger entries and open or failed payments.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::payments::Payment;
use crate::domain::reports::history::{History, HistoryRow};
use crate::domain::values::currency::Currency;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::paging::{HistoryCursor, Limit};
use crate::domain::values::sid::{BusinessSid, TransactionSid};
use crate::domain::values::text::Reference;
use crate::domain::values::time::{BillingCalendar, Moment, Timestamp};
use crate::domain::wallets::transactions::{
    OwnedTransaction, Transaction, TransactionFilter, TransactionStatus, TransactionType,
};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::pages::next_link;
use crate::http::edge::ask::extract::{BusinessPath, Json, Query};
use crate::http::edge::who::auth::Read;
use crate::http::openapi::CommonErrors;
use crate::http::state::AppState;
use crate::services;

/// A transaction of a wallet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingTransaction)]
pub struct TransactionBody {
    sid: TransactionSid,
    business_sid: BusinessSid,
    #[serde(rename = "type")]
    transaction_type: TransactionType,
    /// Positive for credits to the wallet, negative for debits.
    amount: Money,
    currency: Currency,
    /// The caller's reference, or the `message_sid` of a message; may be empty.
    reference: Reference,
    status: TransactionStatus,
    /// Depends on the type; an `SMS_DEBIT` has `messages`, `segments`, `price_per_sms`, `country_code`, `operator` and
    /// the masked number.
    #[schema(value_type = Object)]
    details: JsonObject,
    #[schema(value_type = Object)]
    metadata: JsonObject,
    /// The balance after this entry; missing on a payment that is open or has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    balance_after: Option<Money>,
    /// The position in the wallet's ledger: 1, 2, 3 … without gaps; missing on a payment that is open or has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    seq: Option<i64>,
    created_at: Timestamp,
}

impl TransactionBody {
    pub fn new(business_sid: BusinessSid, currency: Currency, transaction: Transaction) -> TransactionBody {
        let Transaction { entry, posting } = transaction;
        TransactionBody {
            sid: entry.sid,
            business_sid,
            transaction_type: posting.transaction_type,
            amount: entry.amount,
            currency,
            reference: posting.reference,
            status: TransactionStatus::Completed,
            details: posting.details,
            metadata: posting.metadata,
            balance_after: Some(entry.balance_after),
            seq: Some(entry.seq),
            created_at: entry.created_at,
        }
    }

    fn list(history: History) -> Vec<TransactionBody> {
        let (business_sid, currency) = (history.business_sid, history.currency);
        let body = |row| match row {
            HistoryRow::Entry(transaction) => TransactionBody::new(business_sid.clone(), currency, transaction),
            HistoryRow::Payment(payment) => payment.into(),
        };
        history.page.items.into_iter().map(body).collect()
    }
}

/// A payment beside the ledger, without a position in it.
impl From<Payment> for TransactionBody {
    fn from(payment: Payment) -> TransactionBody {
        let posting = payment.posting();
        TransactionBody {
            sid: TransactionSid::new(payment.sid.uuid()),
            business_sid: payment.business_sid,
            transaction_type: posting.transaction_type,
            amount: payment.amount,
            currency: payment.currency,
            reference: posting.reference,
            status: payment.status.into(),
            details: posting.details,
            metadata: posting.metadata,
            balance_after: None,
            seq: None,
            created_at: payment.created_at,
        }
    }
}

impl From<OwnedTransaction> for TransactionBody {
    fn from(row: OwnedTransaction) -> TransactionBody {
        TransactionBody::new(row.business_sid, row.currency, row.transaction)
    }
}

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

/// The instants that a caller's bounds mean: from the first, included, until the second, excluded.
pub fn bounds(
    from: Option<Moment>,
    to: Option<Moment>,
    calendar: BillingCalendar,
) -> (Option<Timestamp>, Option<Timestamp>) {
    (from.map(|from| calendar.first_instant(from)), to.map(|to| calendar.first_instant_after(to)))
}

impl TransactionQuery {
    fn filter(&self, calendar: BillingCalendar) -> TransactionFilter {
        let (from, until) = bounds(self.from, self.to, calendar);
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
