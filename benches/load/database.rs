//! Measures the database without HTTP: the server's own queries, its size, and the money it holds.
//! The queries run in as many tasks as there are callers.

use clap::{CommandFactory, FromArgMatches};
use wecall_billing::clock::Clock;
use wecall_billing::config::{Cli, Settings};
use wecall_billing::domain::access::rights::{Reach, Tenant};
use wecall_billing::domain::audit::Actor;
use wecall_billing::domain::wallets::topups::Topup;
use wecall_billing::services::Billing;
use wecall_billing::services::wallets::top_up;
use wecall_billing::storage::db::Db;
use wecall_billing::storage::db::open::IfMissing;
use wecall_billing::{app, storage};

use crate::Result;
use crate::calls::{AMOUNT, Businesses, Random, sid};
use crate::pressure::{Done, Worker};
use crate::server;

/// Opens the server's database beside it, in the same way.
pub(crate) async fn open(database_url: &str) -> Result<Billing> {
    let settings = settings(database_url)?;
    let db = storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Fail).await?;
    Ok(app::billing(&settings, db, Clock::system())?)
}

/// The settings the server has: its arguments and defaults, nothing from the environment.
fn settings(database_url: &str) -> Result<Settings> {
    let command = Cli::command().mut_args(|argument| argument.env(None::<&'static str>));
    let arguments = std::iter::once("wecall-billing".to_owned()).chain(server::arguments(database_url));
    Ok(Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)?.settings)
}

/// The database's name and version.
pub(crate) async fn version(billing: &Billing) -> Result<String> {
    Ok(storage::db::deployment::version(&mut billing.db.read().await?.conn()).await?)
}

/// Reads a wallet or tops it up, again and again.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) billing: Billing,
    pub(crate) businesses: Businesses,
    pub(crate) credits: bool,
}

impl Worker for Direct {
    async fn work(&mut self, random: &mut Random) -> Result<Done> {
        let business = sid(&self.businesses.any(random))?;
        if self.credits {
            let tenant = Tenant::admit(&Reach::All, business, false).ok_or("a business out of reach")?;
            let topup = Topup::new(tenant, AMOUNT, "LOAD".parse()?)?;
            top_up(&self.billing, topup, None, &Actor::seed()).await?;
            return Ok(Done::credit(AMOUNT));
        }
        let found = storage::wallets::find(&mut self.billing.db.read().await?.conn(), &business).await?;
        found.ok_or("a wallet is gone")?;
        Ok(Done::request())
    }
}

/// The size of the database on disk in bytes, with the write-ahead log emptied.
pub(crate) async fn bytes(billing: &Billing) -> Result<i64> {
    match &billing.db {
        Db::Sqlite { writer, .. } => {
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(writer).await?;
            const SIZE: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
            Ok(sqlx::query_scalar(SIZE).fetch_one(writer).await?)
        }
        Db::Postgres(pool) => {
            Ok(sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(pool).await?)
        }
    }
}

/// The one number that a statement returns.
pub(crate) async fn number(billing: &Billing, sql: &'static str) -> Result<i64> {
    Ok(match &billing.db {
        Db::Sqlite { readers, .. } => sqlx::query_scalar(sql).fetch_one(readers).await?,
        Db::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await?,
    })
}

/// The totals that a run left in the database: sums in millionths of a dollar, and the number of charges.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) balances: i64,
    pub(crate) ledger: i64,
    pub(crate) credit: i64,
    pub(crate) charges: i64,
}

pub(crate) async fn totals(billing: &Billing, businesses: &Businesses) -> Result<Totals> {
    const BALANCES: &str = "SELECT CAST(COALESCE(SUM(w.balance), 0) AS BIGINT) \
         FROM businesses b JOIN wallets w ON w.business_id = b.id WHERE b.sid LIKE $1";
    const LEDGER: &str = "SELECT CAST(COALESCE(SUM(t.amount), 0) AS BIGINT), \
         CAST(COALESCE(SUM(CASE WHEN t.type = 'TOPUP' THEN t.amount ELSE 0 END), 0) AS BIGINT), \
         CAST(COALESCE(SUM(CASE WHEN t.type = 'SMS_DEBIT' THEN 1 ELSE 0 END), 0) AS BIGINT) \
         FROM transactions t WHERE t.wallet_id IN \
         (SELECT w.id FROM businesses b JOIN wallets w ON w.business_id = b.id WHERE b.sid LIKE $1)";
    let pattern = businesses.pattern();
    let (balances, (ledger, credit, charges)) = match &billing.db {
        Db::Sqlite { readers, .. } => (
            sqlx::query_scalar(BALANCES).bind(&pattern).fetch_one(readers).await?,
            sqlx::query_as(LEDGER).bind(&pattern).fetch_one(readers).await?,
        ),
        Db::Postgres(pool) => (
            sqlx::query_scalar(BALANCES).bind(&pattern).fetch_one(pool).await?,
            sqlx::query_as(LEDGER).bind(&pattern).fetch_one(pool).await?,
        ),
    };
    Ok(Totals { balances, ledger, credit, charges })
}
