//! A wallet's history.

use super::Billing;
use crate::domain::businesses::BusinessSid;
use crate::domain::paging::{Cursor, Limit, Page};
use crate::domain::transactions::{Statement, TransactionFilter, TransactionStatus};
use crate::error::Result;
use crate::storage;
use crate::storage::transactions::Span;

/// A page of a wallet's history, newest first. A business that nobody has used yet has none.
///
/// # Errors
/// Those of the database.
pub async fn list(
    billing: &Billing,
    business: BusinessSid,
    filter: TransactionFilter,
    cursor: Cursor,
    limit: Limit,
) -> Result<Statement> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let empty = Page { items: Vec::new(), next: None };
    let Some(stored) = storage::wallet::find(&mut conn, &business).await? else {
        return Ok(Statement { business_sid: business, currency: billing.terms.currency, page: empty });
    };
    let statement = |page| Statement { business_sid: business, currency: stored.wallet.currency, page };
    if filter.status.is_some_and(|status| status != TransactionStatus::Completed) {
        return Ok(statement(empty));
    }
    let last_seq = stored.wallet.last_seq;
    let first_seq = match filter.from {
        Some(from) => storage::transactions::first_seq_since(&mut conn, stored.id, last_seq, from).await?,
        None => 1,
    };
    let end_seq = match filter.until {
        Some(until) => storage::transactions::first_seq_since(&mut conn, stored.id, last_seq, until).await?,
        None => i64::MAX,
    };
    let span = Span { wallet_id: stored.id, first_seq, end_seq, transaction_type: filter.transaction_type };
    let rows = storage::transactions::page(&mut conn, span, cursor, limit).await?;
    Ok(statement(Page::from_lookahead(rows, limit, |entry| entry.seq)))
}
