//! The database without HTTP: the server's own queries, from as many tasks as there are callers.

use chrono::{Datelike, NaiveDate};
use clap::{CommandFactory, FromArgMatches};
use wecall_billing::app;
use wecall_billing::clock::Clock;
use wecall_billing::config::{Cli, Settings};
use wecall_billing::domain::audit::Actor;
use wecall_billing::domain::time::DayRange;
use wecall_billing::services::Billing;
use wecall_billing::services::wallet::{Topup, top_up};
use wecall_billing::storage;
use wecall_billing::storage::db::Db;
use wecall_billing::storage::open::IfMissing;

use crate::Result;
use crate::calls::{AMOUNT, Ask, BUSY_WALLETS, Businesses, Random, sid};
use crate::pressure::Worker;
use crate::server;

/// Opens the server's database beside it, as it does itself.
pub(crate) async fn open(database_url: &str) -> Result<Billing> {
    let settings = settings(database_url)?;
    let db = storage::open::open(&settings.database_url, settings.pools(), IfMissing::Fail).await?;
    Ok(app::billing(&settings, db, Clock::system()))
}

/// The settings the server has: its arguments and defaults, nothing from the environment.
fn settings(database_url: &str) -> Result<Settings> {
    let command = Cli::command().mut_args(|argument| argument.env(None::<&'static str>));
    let arguments = std::iter::once("wecall-billing".to_owned()).chain(server::arguments(database_url));
    Ok(Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)?.settings)
}

/// The database's name and version.
pub(crate) async fn version(billing: &Billing) -> Result<String> {
    Ok(storage::deployment::version(&mut billing.db.read().await?.conn()).await?)
}

/// One that reads or writes again and again.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) billing: Billing,
    pub(crate) businesses: Businesses,
    pub(crate) ask: Ask,
}

impl Worker for Direct {
    async fn work(&mut self, random: &mut Random) -> Result<bool> {
        let ask = self.ask.pick(random);
        let business = sid(&self.businesses.any(random))?;
        if ask.credits() {
            let topup = Topup::new(business, AMOUNT, "LOAD".parse()?)?;
            top_up(&self.billing, topup, None, &Actor::seed()).await?;
        } else {
            let found = storage::wallet::find(&mut self.billing.db.read().await?.conn(), &business).await?;
            found.ok_or("a wallet is gone")?;
        }
        Ok(ask.credits())
    }
}

/// Sums over the wallets of a run, in millionths of a dollar.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) balances: i64,
    pub(crate) ledger: i64,
}

/// Runs one statement with one text bound on whichever database is open, and reads one number.
async fn sum(db: &Db, sql: &'static str, pattern: &str) -> Result<i64> {
    Ok(match db {
        Db::Sqlite { readers, .. } => sqlx::query_scalar(sql).bind(pattern).fetch_one(readers).await?,
        Db::Postgres(pool) => sqlx::query_scalar(sql).bind(pattern).fetch_one(pool).await?,
    })
}

pub(crate) async fn totals(billing: &Billing, businesses: &Businesses) -> Result<Totals> {
    const BALANCES: &str = "SELECT CAST(COALESCE(SUM(w.balance), 0) AS BIGINT) \
         FROM businesses b JOIN wallets w ON w.business_id = b.id WHERE b.sid LIKE $1";
    const LEDGER: &str = "SELECT CAST(COALESCE(SUM(t.amount), 0) AS BIGINT) FROM businesses b \
         JOIN wallets w ON w.business_id = b.id JOIN transactions t ON t.wallet_id = w.id WHERE b.sid LIKE $1";
    let pattern = businesses.pattern();
    let balances = sum(&billing.db, BALANCES, &pattern).await?;
    Ok(Totals { balances, ledger: sum(&billing.db, LEDGER, &pattern).await? })
}

/// Gives the busy wallets a month of usage, every destination on every day, as charges would have left it.
pub(crate) async fn add_usage(billing: &Billing, businesses: &Businesses) -> Result<()> {
    const SQL: &str = "INSERT INTO usage_metrics (wallet_id, day, country_code, operator, unit_price, messages_sent, \
         messages_delivered, messages_failed, segments, cost) \
         SELECT w.id, $2, r.country_code, r.operator, r.price_per_sms, 100, 97, 3, 110, 110 * r.price_per_sms \
         FROM businesses b JOIN wallets w ON w.business_id = b.id CROSS JOIN rate_cards r \
         WHERE b.sid = $1 ON CONFLICT DO NOTHING";
    let days: Vec<NaiveDate> = DayRange::month_of(billing.today()).days().filter(|day| day.day() <= 28).collect();
    for number in 0..BUSY_WALLETS {
        let business = businesses.name(number);
        match &billing.db {
            Db::Sqlite { writer, .. } => {
                let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
                for day in &days {
                    sqlx::query(SQL).bind(&business).bind(*day).execute(&mut *tx).await?;
                }
                tx.commit().await?;
            }
            Db::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                for day in &days {
                    sqlx::query(SQL).bind(&business).bind(*day).execute(&mut *tx).await?;
                }
                tx.commit().await?;
            }
        }
    }
    Ok(())
}
