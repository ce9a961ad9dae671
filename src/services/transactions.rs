//! A wallet's history.

use super::Billing;
use crate::domain::access::Tenant;
use crate::domain::paging::{Cursor, Limit, Page};
use crate::domain::transactions::{Statement, Transaction, TransactionFilter, TransactionStatus, TransactionType};
use crate::error::Result;
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::transactions::Span;

/// A page of a wallet's history, newest first. A business that nobody has used yet has none.
///
/// # Errors
/// Those of the database.
pub async fn list(
    billing: &Billing,
    tenant: Tenant,
    filter: TransactionFilter,
    cursor: Cursor,
    limit: Limit,
) -> Result<Statement> {
    let business = tenant.into_sid();
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
    let Some(last_sid) = stored.last_sid else { return Ok(statement(empty)) };
    let last = (stored.wallet.last_seq, last_sid);
    let mut span = Span { wallet_id: stored.id, last, first_seq: 1, end_seq: last.0 + 1 };
    if let Some(from) = filter.from {
        span.first_seq = storage::transactions::first_seq_since(&mut conn, span, from).await?;
    }
    if let Some(until) = filter.until {
        span.end_seq = storage::transactions::first_seq_since(&mut conn, span, until).await?;
    }
    span.end_seq = span.end_seq.min(cursor.position());
    Ok(statement(match filter.transaction_type {
        None => page(storage::transactions::page(&mut conn, span, limit).await?, limit),
        Some(TransactionType::SmsDebit | TransactionType::Commission) => {
            walk(&mut conn, span, filter.transaction_type, limit).await?
        }
        Some(rare) => page(storage::transactions::page_of_type(&mut conn, span, rare, limit).await?, limit),
    }))
}

fn page(rows: Vec<Transaction>, limit: Limit) -> Page<Transaction> {
    Page::from_lookahead(rows, limit, |row| row.entry.seq)
}

/// How many rows a page is looked for in, at most: a page that is not full by then says where to go on.
const WALK_MAX: usize = 10_000;

/// Debits and commissions are most rows of the wallets that have them, and have no index: a page of them is picked from
/// the wallet's rows as they come.
async fn walk(
    conn: &mut Conn<'_>,
    mut span: Span,
    wanted: Option<TransactionType>,
    limit: Limit,
) -> Result<Page<Transaction>> {
    let (mut found, mut walked, mut step) = (Vec::new(), 0, limit);
    loop {
        let rows = storage::transactions::page(conn, span, step).await?;
        walked += rows.len();
        let Some(lowest) = rows.last().map(|row| row.entry.seq) else { return Ok(page(found, limit)) };
        found.extend(rows.into_iter().filter(|row| Some(row.posting.transaction_type) == wanted));
        if found.len() > limit.get() {
            return Ok(page(found, limit));
        }
        if walked >= WALK_MAX && lowest > span.first_seq {
            return Ok(Page { items: found, next: Some(Cursor::below(lowest)) });
        }
        span.end_seq = lowest;
        step = Limit::LARGEST;
    }
}
