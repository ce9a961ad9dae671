//! Exports transactions, charges or usage as CSV, in pieces, while the client reads.
//!
//! A piece is read through a connection that goes back before the piece is handed on, and in a task of its own, so that
//! it goes back however slowly a client reads. While a client reads one piece, the next is read already: two pieces are
//! all that an export holds.

use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::domain::access::rights::Tenant;
use crate::domain::charges::usage::PeriodRequest;
use crate::domain::reports::exports::{CsvLine, TransactionLine, UsageLine, piece};
use crate::domain::values::currency::Currency;
use crate::domain::values::paging::Limit;
use crate::domain::values::time::{DayRange, Timestamp};
use crate::domain::wallets::transactions::{TransactionFilter, TransactionType};
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::{Conn, Db};
use crate::storage::reports::exports::Walk;
use crate::storage::wallets::history::Span;

/// A CSV export that is read piece by piece. It shows the state when it began.
#[derive(Debug)]
pub struct Export {
    db: Db,
    currency: Currency,
    /// The piece that is being read ahead; `None` after the last.
    ahead: Option<JoinHandle<Result<Piece>>>,
}

/// A piece, and the source of the next ones.
#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    rest: Option<Source>,
}

/// The rows that are left to read.
#[derive(Debug)]
enum Source {
    /// No rows at all: only the header.
    Nothing(fn(Currency) -> Vec<u8>),
    /// A wallet's history, or its rows of one type that is frequent.
    History {
        walk: Walk,
        wanted: Option<TransactionType>,
    },
    /// The rows of one type that is rare.
    Rare {
        span: Span,
        wanted: TransactionType,
    },
    Charges {
        walk: Walk,
        reported_until: Timestamp,
    },
    Usage {
        wallet_id: i64,
        days: DayRange,
        after: Option<UsageLine>,
    },
}

/// Exports the transactions of a wallet, newest first.
///
/// # Errors
/// Those of the database.
pub async fn transactions(billing: &Billing, tenant: &Tenant, filter: TransactionFilter) -> Result<Export> {
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let (currency, span) = span(billing, &mut conn, tenant, filter.from, filter.until).await?;
    let source = match (span, filter.transaction_type) {
        (None, _) => None,
        (Some(span), wanted @ (None | Some(TransactionType::SmsDebit | TransactionType::Commission))) => {
            Walk::begin(&mut conn, span).await?.map(|walk| Source::History { walk, wanted })
        }
        (Some(span), Some(wanted)) => Some(Source::Rare { span, wanted }),
    };
    Ok(Export::begin(billing, currency, source.unwrap_or(Source::Nothing(header::<TransactionLine>))))
}

/// Exports the charged messages of a wallet, newest first, with their delivery reports and refunds.
///
/// # Errors
/// Those of the database.
pub async fn charges(
    billing: &Billing,
    tenant: &Tenant,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<Export> {
    let reported_until = billing.clock.now();
    let mut reader = billing.db.read().await?;
    let mut conn = reader.conn();
    let (currency, span) = span(billing, &mut conn, tenant, from, until).await?;
    let walk = match span {
        Some(span) => Walk::begin(&mut conn, span).await?,
        None => None,
    };
    let source = walk.map(|walk| Source::Charges { walk, reported_until });
    Ok(Export::begin(
        billing,
        currency,
        source.unwrap_or(Source::Nothing(header::<crate::domain::reports::exports::ChargeLine>)),
    ))
}

/// Exports the usage of a business day by day, in order.
///
/// # Errors
/// [`Error::Invalid`] where a custom period runs backwards or over a year, and those of the database.
pub async fn usage(billing: &Billing, tenant: &Tenant, request: PeriodRequest) -> Result<Export> {
    let (_, days) = request.resolve(billing.today(), billing.rules.calendar)?;
    let stored = storage::wallets::find(&mut billing.db.read().await?.conn(), tenant.sid()).await?;
    let currency = stored.as_ref().map_or(billing.rules.terms.currency, |stored| stored.wallet.currency);
    let source = stored.map(|stored| Source::Usage { wallet_id: stored.id, days, after: None });
    Ok(Export::begin(billing, currency, source.unwrap_or(Source::Nothing(header::<UsageLine>))))
}

/// A wallet's currency, and the part of its history to read; `None` where there is nothing to read.
async fn span(
    billing: &Billing,
    conn: &mut Conn<'_>,
    tenant: &Tenant,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<(Currency, Option<Span>)> {
    let Some(stored) = storage::wallets::find(conn, tenant.sid()).await? else {
        return Ok((billing.rules.terms.currency, None));
    };
    let Some(last_sid) = stored.last_sid else { return Ok((stored.wallet.currency, None)) };
    let last = (stored.wallet.last_seq, last_sid);
    let span = Span::between(conn, stored.id, last, from, until).await?;
    Ok((stored.wallet.currency, Some(span)))
}

fn header<L: CsvLine>(currency: Currency) -> Vec<u8> {
    piece::<L>(&[], currency, true)
}

impl Export {
    fn begin(billing: &Billing, currency: Currency, source: Source) -> Export {
        let ahead = Some(read_ahead(billing.db.clone(), currency, source, true));
        Export { db: billing.db.clone(), currency, ahead }
    }

    /// The next piece, never empty; `None` after the last.
    ///
    /// # Errors
    /// Those of the database: then the export is incomplete.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(ahead) = self.ahead.take() else { return Ok(None) };
        let read = ahead.await.map_err(|failure| Error::Corrupt(format!("a page could not be read: {failure}")))?;
        let Piece { bytes, rest } = read?;
        self.ahead = rest.map(|source| read_ahead(self.db.clone(), self.currency, source, false));
        Ok(if bytes.is_empty() { None } else { Some(bytes) })
    }
}

fn read_ahead(db: Db, currency: Currency, source: Source, is_first: bool) -> JoinHandle<Result<Piece>> {
    tokio::spawn(read(db, currency, source, is_first).in_current_span())
}

/// Reads on until there is something to write, or nothing left.
async fn read(db: Db, currency: Currency, mut source: Source, is_first: bool) -> Result<Piece> {
    loop {
        let (bytes, rest) = source.step(&db, currency, is_first).await?;
        match rest {
            Some(rest) if bytes.is_empty() => source = rest,
            rest => return Ok(Piece { bytes, rest }),
        }
    }
}

impl Source {
    /// Reads one page. Its connection is returned to the pool before anything is written of it.
    async fn step(self, db: &Db, currency: Currency, with_header: bool) -> Result<(Vec<u8>, Option<Source>)> {
        Ok(match self {
            Source::Nothing(header) => (header(currency), None),
            Source::History { walk, wanted } => {
                let (mut lines, rest) = storage::reports::exports::history(&mut db.read().await?.conn(), walk).await?;
                lines.retain(|line| wanted.is_none_or(|wanted| line.transaction_type == wanted));
                (piece(&lines, currency, with_header), rest.map(|walk| Source::History { walk, wanted }))
            }
            Source::Rare { span, wanted } => {
                let limit = Limit::LARGEST;
                let mut conn = db.read().await?;
                let mut rows = storage::wallets::history::page_of_type(&mut conn.conn(), span, wanted, limit).await?;
                drop(conn);
                let has_more = rows.len() > limit.get();
                rows.truncate(limit.get());
                let lines: Vec<TransactionLine> = rows.into_iter().map(TransactionLine::from).collect();
                let lowest = lines.last().filter(|_| has_more).map(|line| line.seq);
                let rest = lowest.map(|end_seq| Source::Rare { span: Span { end_seq, ..span }, wanted });
                (piece(&lines, currency, with_header), rest)
            }
            Source::Charges { walk, reported_until } => {
                let mut conn = db.read().await?;
                let (lines, rest) = storage::reports::exports::charges(&mut conn.conn(), walk, reported_until).await?;
                drop(conn);
                let rest = rest.map(|walk| Source::Charges { walk, reported_until });
                (piece(&lines, currency, with_header), rest)
            }
            Source::Usage { wallet_id, days, after } => {
                let mut conn = db.read().await?;
                let read = storage::reports::exports::usage(&mut conn.conn(), wallet_id, days, after.as_ref()).await?;
                drop(conn);
                let (lines, is_last) = read;
                let bytes = piece(&lines, currency, with_header);
                let last = lines.into_iter().next_back().filter(|_| !is_last);
                (bytes, last.map(|line| Source::Usage { wallet_id, days, after: Some(line) }))
            }
        })
    }
}
