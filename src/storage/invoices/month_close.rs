//! Reads and writes what the month close needs, many wallets at a time.

use sqlx::FromRow;

use crate::domain::invoices::close::ClosedInvoice;
use crate::domain::invoices::{ChargedUsage, InvoiceItem, InvoiceLine, InvoiceStatus};
use crate::domain::notifications::events::EventSet;
use crate::domain::prices::plans::PlanType;
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, InvoiceSid, TransactionSid};
use crate::domain::values::time::{DayRange, Timestamp};
use crate::error::{Error, Result};
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::rows;
use crate::storage::db::{BulkConn, Conn, on};

macro_rules! next {
    ($lock:literal) => {
        concat!(
            "SELECT w.id, b.sid, w.currency, w.balance, w.last_seq, w.last_uid, w.updated_at, w.webhook_events, \
             (SELECT type FROM pricing_plans WHERE id = w.pricing_plan_id) AS plan_type, b.country_code, b.parent_id, \
             (SELECT p1.sid FROM businesses p1 WHERE p1.id = b.parent_id) AS seller \
             FROM wallets w JOIN businesses b ON b.id = w.business_id WHERE w.id > $1 AND w.last_seq > 0 \
             AND (EXISTS (SELECT 1 FROM usage_metrics u WHERE u.wallet_id = w.id AND u.day BETWEEN $2 AND $3) \
             OR EXISTS (SELECT 1 FROM invoice_items x WHERE x.wallet_id = w.id AND x.day BETWEEN $2 AND $3)) \
             AND NOT EXISTS (SELECT 1 FROM invoices i WHERE i.wallet_id = w.id AND i.period_start = $2 \
             AND i.kind = 'INVOICE' AND i.status NOT IN ('DRAFT', 'CANCELLED')) ORDER BY w.id LIMIT $4",
            $lock
        )
    };
}

/// The next wallets that a month may invoice, by id.
pub const NEXT_ON_SQLITE: &str = next!("");

/// Locked until the transaction ends, in the order in which every transaction locks wallets. The plan is looked up from
/// the locked row: joined, it would be the one before the wait for the lock.
pub const NEXT_ON_POSTGRES: &str = next!(" FOR UPDATE OF w");

pub const LAST_WALLET: &str = "SELECT COALESCE(MAX(id), 0) FROM wallets";

given! {
    pub struct GivenMonths(wallets: &'v [i64], month: DayRange) for wallet_id in wallets {
        wallet_id: BIGINT = *wallet_id,
        period_start: DATE = month.first,
    }
}

/// The existing invoices of a month: drafts, and those that another server finalised before this one had the lock.
pub static EXISTING: Bulk<GivenMonths> = Bulk::new(Action::With(
    "SELECT i.wallet_id, i.id, i.uid, i.status, i.created_at FROM given JOIN invoices i \
     ON i.wallet_id = given.wallet_id AND i.period_start = given.period_start AND i.kind = 'INVOICE' \
     AND i.status <> 'CANCELLED'",
));

given! {
    pub struct GivenDays(wallets: &'v [i64], days: DayRange) for wallet_id in wallets {
        wallet_id: BIGINT = *wallet_id,
        first: DATE = days.first,
        last: DATE = days.last,
    }
}

pub static USAGE: Bulk<GivenDays> = Bulk::new(Action::With(
    "SELECT u.wallet_id, u.country_code, u.operator, u.unit_price, CAST(SUM(u.messages_sent) AS BIGINT), \
     CAST(SUM(u.segments) AS BIGINT), CAST(SUM(u.cost) AS BIGINT) FROM given JOIN usage_metrics u \
     ON u.wallet_id = given.wallet_id AND u.day BETWEEN given.first AND given.last \
     GROUP BY u.wallet_id, u.country_code, u.operator, u.unit_price \
     ORDER BY u.wallet_id, u.country_code, u.operator, u.unit_price DESC",
));

pub static ITEMS: Bulk<GivenDays> = Bulk::new(Action::With(
    "SELECT x.wallet_id, x.day, x.category, x.description, x.amount FROM given JOIN invoice_items x \
     ON x.wallet_id = given.wallet_id AND x.day BETWEEN given.first AND given.last \
     ORDER BY x.wallet_id, x.day, x.transaction_uid",
));

given! {
    /// Wallets with their newest entries.
    pub struct GivenHeads(wallets: &'v [&'v ClosingWallet], instant: Timestamp) for wallet in wallets {
        wallet_id: BIGINT = wallet.id,
        last_seq: BIGINT = wallet.last.0,
        last_uid: UUID = wallet.last.1.map(TransactionSid::uuid),
        instant: BIGINT = instant.micros(),
    }
}

/// Balances before an instant. The first marked row at or after it is found by binary search, as in `history`; from
/// there (or from the newest row) the chain leads down to the first row before the instant, which is not far.
pub static BALANCES: Bulk<GivenHeads> = Bulk::new(Action::With(
    "SELECT wallet_id, balance_after FROM ( \
     WITH RECURSIVE bounds (wallet_id, last_uid, instant, low, high) AS ( \
     SELECT given.wallet_id, given.last_uid, given.instant, CAST(0 AS BIGINT), given.last_seq / 64 + 1 FROM given \
     UNION ALL \
     SELECT o.wallet_id, o.last_uid, o.instant, CASE WHEN m.created_at < o.instant THEN m.seq / 64 ELSE o.low END, \
     CASE WHEN m.created_at < o.instant THEN o.high ELSE m.seq / 64 END FROM bounds o \
     JOIN transaction_marks m ON m.wallet_id = o.wallet_id AND m.seq = 64 * ((o.low + o.high) / 2) \
     WHERE o.high - o.low > 1 \
     ), chain (wallet_id, instant, previous_uid, balance_after, created_at) AS ( \
     SELECT o.wallet_id, o.instant, t.previous_uid, t.balance_after, t.created_at FROM bounds o \
     LEFT JOIN transaction_marks m ON m.wallet_id = o.wallet_id AND m.seq = 64 * o.high \
     JOIN transactions t ON t.uid = COALESCE(m.uid, o.last_uid) WHERE o.high - o.low = 1 \
     UNION ALL \
     SELECT c.wallet_id, c.instant, t.previous_uid, t.balance_after, t.created_at FROM chain c \
     JOIN transactions t ON t.uid = c.previous_uid WHERE c.created_at >= c.instant \
     ) SELECT wallet_id, balance_after FROM chain WHERE created_at < instant) found",
));

given! {
    pub struct GivenEnds(wallets: &'v [i64], month: DayRange, ends_at: Timestamp) for wallet_id in wallets {
        wallet_id: BIGINT = *wallet_id,
        period_start: DATE = month.first,
        ends_at: BIGINT = ends_at.micros(),
    }
}

/// The amounts still due on invoices of earlier months when this one ended, without the tax on top: payments since have
/// reduced them, but are not in the balance of the month's end.
pub static STILL_DUE: Bulk<GivenEnds> = Bulk::new(Action::With(
    "SELECT i.wallet_id, CAST(SUM(i.amount_due - CASE WHEN i.tax_included THEN 0 ELSE i.tax_amount END \
     - COALESCE((SELECT SUM(p.net) FROM invoice_payments p JOIN transactions t ON t.uid = p.transaction_uid \
     WHERE p.invoice_id = i.id AND t.created_at < given.ends_at), 0)) AS BIGINT) \
     FROM given JOIN invoices i ON i.wallet_id = given.wallet_id AND i.period_start < given.period_start \
     AND i.kind = 'INVOICE' AND i.status IN ('SENT', 'OVERDUE', 'PAID') AND i.amount_due > 0 GROUP BY i.wallet_id",
));

given! {
    pub struct GivenDrafts(
        drafts: &'v [(i64, InvoiceSid)],
        month: DayRange,
        now: Timestamp,
    ) for (wallet_id, sid) in drafts {
        uid: UUID = sid.uuid(),
        wallet_id: BIGINT = *wallet_id,
        period_start: DATE = month.first,
        period_end: DATE = month.last,
        created_at: BIGINT = now.micros(),
    }
}

pub static INSERT_DRAFTS: Bulk<GivenDrafts> = Bulk::new(Action::Insert {
    into: "invoices (uid, wallet_id, kind, status, period_start, period_end, created_at, updated_at)",
    values: "given.uid, given.wallet_id, 'INVOICE', 'DRAFT', given.period_start, given.period_end, given.created_at, \
             given.created_at",
    unless: "RETURNING wallet_id, id",
});

given! {
    /// Lines: the invoice, the position in it, and the details as JSON.
    pub struct GivenLines(
        lines: &'v [(i64, i64, &'v InvoiceLine, String)],
    ) for (invoice_id, position, line, details) in lines {
        invoice_id: BIGINT = *invoice_id,
        position: BIGINT = *position,
        description: TEXT = line.description.as_str(),
        quantity: BIGINT = line.quantity,
        unit_price: BIGINT = line.unit_price.micros(),
        total: BIGINT = line.total.micros(),
        cost: BIGINT = line.cost.map(Money::micros),
        category: TEXT = line.category.as_str(),
        details: JSONB = details.as_str(),
    }
}

pub static INSERT_LINES: Bulk<GivenLines> = Bulk::new(Action::InsertInto("invoice_line_items"));

given! {
    pub struct GivenInvoices(invoices: &'v [Finalised], now: Timestamp) for invoice in invoices {
        id: BIGINT = invoice.id,
        number: TEXT = invoice.number.as_str(),
        status: TEXT = invoice.closed.status.as_str(),
        seller_id: BIGINT = invoice.seller_id,
        issue_date: DATE = invoice.closed.issue_date,
        due_date: DATE = invoice.closed.due_date,
        paid_date: DATE = invoice.closed.paid_date,
        total: BIGINT = invoice.closed.total.micros(),
        amount_due: BIGINT = invoice.closed.amount_due.micros(),
        tax_rate: BIGINT = invoice.closed.tax.rate.get(),
        tax_amount: BIGINT = invoice.closed.tax.amount.micros(),
        tax_included: BIGINT = i64::from(invoice.closed.tax.is_included),
        updated_at: BIGINT = now.micros(),
    }
}

pub static FINALISE: Bulk<GivenInvoices> = Bulk::new(Action::Update {
    table: "invoices",
    set: "number = given.number, status = given.status, seller_id = given.seller_id, issue_date = given.issue_date, \
          due_date = given.due_date, paid_date = given.paid_date, total = given.total, amount_due = given.amount_due, \
          tax_rate = given.tax_rate, tax_amount = given.tax_amount, tax_included = (given.tax_included = 1), \
          updated_at = given.updated_at",
    by: "invoices.id = given.id AND invoices.status = 'DRAFT'",
});

/// A wallet whose month is being closed, locked.
#[derive(Clone, Debug)]
pub struct ClosingWallet {
    pub id: i64,
    pub business: BusinessSid,
    pub currency: Currency,
    pub balance: Money,
    pub last: (i64, Option<TransactionSid>),
    /// Not before its newest entry.
    pub updated_at: Timestamp,
    pub webhook_events: EventSet,
    pub plan: Option<PlanType>,
    pub country: Option<CountryCode>,
    /// The reseller it buys from; `None`: the platform.
    pub seller: Option<(i64, BusinessSid)>,
}

#[derive(FromRow)]
struct WalletRow {
    id: i64,
    sid: BusinessSid,
    currency: Currency,
    balance: Money,
    last_seq: i64,
    last_uid: Option<TransactionSid>,
    updated_at: Timestamp,
    webhook_events: i64,
    plan_type: Option<PlanType>,
    country_code: String,
    parent_id: Option<i64>,
    seller: Option<BusinessSid>,
}

impl TryFrom<WalletRow> for ClosingWallet {
    type Error = Error;

    fn try_from(row: WalletRow) -> Result<ClosingWallet> {
        let country = Some(row.country_code).filter(|code| !code.is_empty()).map(|code| code.parse());
        Ok(ClosingWallet {
            id: row.id,
            business: row.sid,
            currency: row.currency,
            balance: row.balance,
            last: (row.last_seq, row.last_uid),
            updated_at: row.updated_at,
            webhook_events: EventSet::from_bits(row.webhook_events),
            plan: row.plan_type,
            country: country.transpose().map_err(Error::Corrupt)?,
            seller: row.parent_id.zip(row.seller),
        })
    }
}

/// The next wallets after one that a month may invoice: those with usage or items in it and without a finalised
/// invoice. They are locked until the transaction ends.
pub async fn next(conn: &mut Conn<'_>, after: i64, month: DayRange, most: i64) -> Result<Vec<ClosingWallet>> {
    let sql = conn.choose(NEXT_ON_SQLITE, NEXT_ON_POSTGRES);
    let rows = on!(conn, c => sqlx::query_as::<_, WalletRow>(sql)
        .bind(after)
        .bind(month.first)
        .bind(month.last)
        .bind(most)
        .fetch_all(c)
        .await)?;
    rows.into_iter().map(ClosingWallet::try_from).collect()
}

const PREFER_INDEXES_ON_POSTGRES: [&str; 3] =
    ["SET LOCAL enable_seqscan = off", "SET LOCAL enable_hashjoin = off", "SET LOCAL enable_mergejoin = off"];

/// Makes Postgres find each wallet's rows by index, as they are few however many there are in all. Its planner cannot
/// know how far a chain is walked, and its guess could make it read whole tables.
pub async fn prefer_indexes(conn: &mut Conn<'_>) -> Result<()> {
    conn.run_on_postgres(&PREFER_INDEXES_ON_POSTGRES).await
}

/// The highest wallet id.
pub async fn last_wallet(conn: &mut Conn<'_>) -> Result<i64> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, i64>(LAST_WALLET).fetch_one(c).await)?)
}

/// An existing invoice of a wallet's month.
#[derive(Clone, Copy, Debug)]
pub struct Existing {
    pub wallet_id: i64,
    pub id: i64,
    pub sid: InvoiceSid,
    pub status: InvoiceStatus,
    pub created_at: Timestamp,
}

impl rows::FromRow for Existing {
    fn from_row(mut row: rows::Row<'_>) -> Result<Existing> {
        Ok(Existing {
            wallet_id: row.take()?,
            id: row.take()?,
            sid: row.take()?,
            status: row.take()?,
            created_at: row.take()?,
        })
    }
}

pub async fn existing(conn: &mut BulkConn<'_>, wallets: &[i64], month: DayRange) -> Result<Vec<Existing>> {
    EXISTING.fetch(conn, GivenMonths::of(wallets, month)).await
}

impl rows::FromRow for (i64, ChargedUsage) {
    fn from_row(mut row: rows::Row<'_>) -> Result<(i64, ChargedUsage)> {
        let wallet_id = row.take()?;
        let usage = ChargedUsage {
            country: row.take()?,
            operator: row.take()?,
            unit_price: row.take()?,
            messages: row.take()?,
            segments: row.take()?,
            cost: row.take()?,
        };
        Ok((wallet_id, usage))
    }
}

/// The usage of these wallets in a month, by wallet, in the order of an invoice's lines.
pub async fn usage(conn: &mut BulkConn<'_>, wallets: &[i64], month: DayRange) -> Result<Vec<(i64, ChargedUsage)>> {
    USAGE.fetch(conn, GivenDays::of(wallets, month)).await
}

impl rows::FromRow for (i64, InvoiceItem) {
    fn from_row(mut row: rows::Row<'_>) -> Result<(i64, InvoiceItem)> {
        let wallet_id = row.take()?;
        let item =
            InvoiceItem { day: row.take()?, category: row.take()?, description: row.take()?, amount: row.take()? };
        Ok((wallet_id, item))
    }
}

/// The items of these wallets in a month, by wallet, in the order of an invoice's lines.
pub async fn items(conn: &mut BulkConn<'_>, wallets: &[i64], month: DayRange) -> Result<Vec<(i64, InvoiceItem)>> {
    ITEMS.fetch(conn, GivenDays::of(wallets, month)).await
}

impl rows::FromRow for (i64, Money) {
    fn from_row(mut row: rows::Row<'_>) -> Result<(i64, Money)> {
        Ok((row.take()?, row.take()?))
    }
}

/// The balances of wallets before an instant; wallets without an entry by then are left out.
pub async fn balances(
    conn: &mut BulkConn<'_>,
    wallets: &[&ClosingWallet],
    instant: Timestamp,
) -> Result<Vec<(i64, Money)>> {
    BALANCES.fetch(conn, GivenHeads::of(wallets, instant)).await
}

/// The amounts still due on older invoices of these wallets when the month ended, where there were any.
pub async fn still_due(
    conn: &mut BulkConn<'_>,
    wallets: &[i64],
    month: DayRange,
    ends_at: Timestamp,
) -> Result<Vec<(i64, Money)>> {
    STILL_DUE.fetch(conn, GivenEnds::of(wallets, month, ends_at)).await
}

/// Inserts drafts; returns their row ids by wallet.
pub async fn insert_drafts(
    conn: &mut BulkConn<'_>,
    drafts: &[(i64, InvoiceSid)],
    month: DayRange,
    now: Timestamp,
) -> Result<Vec<(i64, i64)>> {
    INSERT_DRAFTS.fetch(conn, GivenDrafts::of(drafts, month, now)).await
}

/// An invoice to be finalised.
#[derive(Clone, Debug)]
pub struct Finalised {
    pub id: i64,
    pub number: String,
    pub seller_id: Option<i64>,
    pub closed: ClosedInvoice,
}

/// Inserts the lines of invoices that are still drafts.
pub async fn insert_lines(conn: &mut BulkConn<'_>, invoices: &[(i64, &ClosedInvoice)]) -> Result<()> {
    let details = |line: &InvoiceLine| serde_json::to_string(&line.details).unwrap_or_default();
    let lines = invoices.iter().flat_map(|(id, closed)| (1..).zip(&closed.lines).map(|(at, line)| (*id, at, line)));
    let lines: Vec<_> = lines.map(|(id, position, line)| (id, position, line, details(line))).collect();
    INSERT_LINES.execute(conn, GivenLines::of(&lines)).await?;
    Ok(())
}

/// Finalises drafts; nothing changes them after that.
///
/// # Errors
/// [`Error::Stale`] where one is no longer a draft.
pub async fn finalise(conn: &mut BulkConn<'_>, invoices: &[Finalised], now: Timestamp) -> Result<()> {
    let updated = FINALISE.execute(conn, GivenInvoices::of(invoices, now)).await?;
    if updated == invoices.len() as u64 { Ok(()) } else { Err(Error::Stale) }
}
