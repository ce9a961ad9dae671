//! Lists a wallet's history, entries and payments, and for admins the whole ledger.

use uuid::Uuid;

use crate::domain::access::rights::Tenant;
use crate::domain::payments::{Payment, PaymentStatus};
use crate::domain::prices::messages::MessageSid;
use crate::domain::reports::history::{History, merge};
use crate::domain::values::listing::{ListCursor, ListPage, ListValue};
use crate::domain::values::paging::{Cursor, HistoryCursor, Limit, Page};
use crate::domain::values::sid::{BusinessSid, TransactionSid};
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::transactions::{
    LedgerQuery, OwnedTransaction, Statement, Transaction, TransactionFilter, TransactionStatus, TransactionType,
    first_sid_since,
};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::payments::UnsettledQuery;
use crate::storage::wallets::StoredWallet;
use crate::storage::wallets::history::Span;
use crate::storage::wallets::ledger_lists::NumberedTransaction;

/// A page of a wallet's history, newest first, with its open and failed payments among its entries. A business that was
/// never used has none.
///
/// # Errors
/// Those of the database.
pub async fn list(
    billing: &Billing,
    tenant: Tenant,
    filter: TransactionFilter,
    cursor: HistoryCursor,
    limit: Limit,
) -> Result<History> {
    let business = tenant.into_sid();
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let Some(stored) = storage::wallets::find(&mut conn, &business).await? else {
        let page = Page { items: Vec::new(), next: None };
        return Ok(History { business_sid: business, currency: billing.rules.terms.currency, page });
    };
    let payments = unsettled(&mut conn, stored.id, filter, cursor, limit).await?;
    let entries = entries(&mut conn, &stored, filter, Cursor::below(cursor.seq), limit).await?;
    let page = merge(entries, payments, cursor, limit);
    Ok(History { business_sid: business, currency: stored.wallet.currency, page })
}

/// A wallet's payments that the ledger does not hold, filtered, each with its position among all payments.
async fn unsettled(
    conn: &mut Conn<'_>,
    wallet_id: i64,
    filter: TransactionFilter,
    cursor: HistoryCursor,
    limit: Limit,
) -> Result<Vec<(i64, Payment)>> {
    let status = match filter.status {
        None => None,
        Some(TransactionStatus::Pending) => Some(PaymentStatus::Pending),
        Some(TransactionStatus::Failed) => Some(PaymentStatus::Failed),
        Some(TransactionStatus::Completed) => return Ok(Vec::new()),
    };
    let may_be_payment =
        |wanted: TransactionType| matches!(wanted, TransactionType::Topup | TransactionType::InvoicePayment);
    if !filter.transaction_type.is_none_or(may_be_payment) {
        return Ok(Vec::new());
    }
    let query = UnsettledQuery {
        wallet_id,
        below: cursor.payment,
        from: filter.from,
        until: filter.until,
        status,
        transaction_type: filter.transaction_type,
    };
    let rows = storage::payments::unsettled(conn, query, limit).await?;
    Ok(rows.into_iter().map(|row| (row.position, row.payment)).collect())
}

async fn history(
    billing: &Billing,
    business: BusinessSid,
    filter: TransactionFilter,
    cursor: Cursor,
    limit: Limit,
) -> Result<Statement> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let Some(stored) = storage::wallets::find(&mut conn, &business).await? else {
        let empty = Page { items: Vec::new(), next: None };
        return Ok(Statement { business_sid: business, currency: billing.rules.terms.currency, page: empty });
    };
    let page = entries(&mut conn, &stored, filter, cursor, limit).await?;
    Ok(Statement { business_sid: business, currency: stored.wallet.currency, page })
}

/// A page of a wallet's ledger.
async fn entries(
    conn: &mut Conn<'_>,
    stored: &StoredWallet,
    filter: TransactionFilter,
    cursor: Cursor,
    limit: Limit,
) -> Result<Page<Transaction>> {
    let empty = Page { items: Vec::new(), next: None };
    if filter.status.is_some_and(|status| status != TransactionStatus::Completed) {
        return Ok(empty);
    }
    let Some(last_sid) = stored.last_sid else { return Ok(empty) };
    let last = (stored.wallet.last_seq, last_sid);
    let mut span = Span::between(conn, stored.id, last, filter.from, filter.until).await?;
    span.end_seq = span.end_seq.min(cursor.position());
    Ok(match filter.transaction_type {
        None => page(storage::wallets::history::page(conn, span, limit).await?, limit),
        Some(TransactionType::SmsDebit | TransactionType::Commission) => {
            walk(conn, span, filter.transaction_type, limit).await?
        }
        Some(rare) => page(storage::wallets::history::page_of_type(conn, span, rare, limit).await?, limit),
    })
}

fn page(rows: Vec<Transaction>, limit: Limit) -> Page<Transaction> {
    Page::from_lookahead(rows, limit, |row| row.entry.seq)
}

/// How many rows a page is searched in, at most: a page that is not full by then says where to go on.
const WALK_MAX: usize = 10_000;

/// Picks a page of one type from the wallet's rows as they come: debits and commissions are most rows of the wallets
/// that have them, and have no index.
async fn walk(
    conn: &mut Conn<'_>,
    mut span: Span,
    wanted: Option<TransactionType>,
    limit: Limit,
) -> Result<Page<Transaction>> {
    let (mut found, mut walked, mut step) = (Vec::new(), 0, limit);
    loop {
        let rows = storage::wallets::history::page(conn, span, step).await?;
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

/// A page of the ledger of all wallets. The cost does not grow with the ledger.
///
/// # Errors
/// [`Error::Invalid`] where the cursor belongs to another query, and those of the database.
pub async fn ledger(
    billing: &Billing,
    query: LedgerQuery,
    cursor: Option<ListCursor>,
    limit: Limit,
) -> Result<ListPage<OwnedTransaction>> {
    match query {
        LedgerQuery::Everybody { from, until } => everybody(billing, from, until, cursor, limit).await,
        LedgerQuery::Business { business, filter } => {
            let below = match place(cursor, "business")? {
                None => Cursor::START,
                Some(ListValue::Integer(seq)) => Cursor::below(seq),
                Some(_) => return Err(other_query()),
            };
            let Statement { business_sid, currency, page } = history(billing, business, filter, below, limit).await?;
            let own = |transaction| OwnedTransaction { business_sid: business_sid.clone(), currency, transaction };
            let next = page.next.map(|cursor| next("business", ListValue::Integer(cursor.position())));
            Ok(ListPage { items: page.items.into_iter().map(own).collect(), next })
        }
        LedgerQuery::Message { message, business } => {
            of_message(billing, &message, business.as_ref(), cursor, limit).await
        }
    }
}

async fn everybody(
    billing: &Billing,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    cursor: Option<ListCursor>,
    limit: Limit,
) -> Result<ListPage<OwnedTransaction>> {
    let lowest = from.map_or(TransactionSid::new(Uuid::nil()), first_sid_since);
    let end = until.map_or(TransactionSid::new(Uuid::max()), first_sid_since);
    let end = match place(cursor, "everybody")? {
        None => end,
        Some(ListValue::Id(last)) => end.min(TransactionSid::new(last)),
        Some(_) => return Err(other_query()),
    };
    let rows =
        storage::wallets::ledger_lists::page_of_all(&mut billing.db.read().await?.conn(), lowest, end, limit).await?;
    Ok(cut(rows, limit, |(_, last)| next("everybody", ListValue::Id(last.transaction.entry.sid.uuid()))))
}

async fn of_message(
    billing: &Billing,
    message: &MessageSid,
    business: Option<&BusinessSid>,
    cursor: Option<ListCursor>,
    limit: Limit,
) -> Result<ListPage<OwnedTransaction>> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let mut wallet_ids = match business {
        None => 0..i64::MAX,
        Some(business) => match storage::wallets::find(&mut conn, business).await? {
            Some(stored) => stored.id..stored.id + 1,
            None => return Ok(ListPage { items: Vec::new(), next: None }),
        },
    };
    match place(cursor, "message")? {
        None => {}
        Some(ListValue::Integer(last)) => wallet_ids.end = wallet_ids.end.min(last),
        Some(_) => return Err(other_query()),
    }
    let rows = storage::wallets::ledger_lists::page_of_message(&mut conn, message, wallet_ids, limit).await?;
    Ok(cut(rows, limit, |(wallet_id, _)| next("message", ListValue::Integer(*wallet_id))))
}

/// A page from rows with one more than it shows, where there is one.
fn cut(
    mut rows: Vec<NumberedTransaction>,
    limit: Limit,
    next: impl Fn(&NumberedTransaction) -> ListCursor,
) -> ListPage<OwnedTransaction> {
    let has_more = rows.len() > limit.get();
    rows.truncate(limit.get());
    let next = rows.last().filter(|_| has_more).map(next);
    ListPage { items: rows.into_iter().map(|(_, row)| row).collect(), next }
}

/// The position of a query's next page. The key alone is enough: no two rows share it.
fn next(query: &str, key: ListValue) -> ListCursor {
    ListCursor { order: query.to_owned(), key, id: 0 }
}

fn place(cursor: Option<ListCursor>, query: &str) -> Result<Option<ListValue>> {
    match cursor {
        None => Ok(None),
        Some(cursor) if cursor.order == query => Ok(Some(cursor.key)),
        Some(_) => Err(other_query()),
    }
}

fn other_query() -> Error {
    Error::invalid("cursor", "is of a list with other filters; begin again without it")
}
