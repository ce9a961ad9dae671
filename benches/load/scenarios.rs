//! What is measured, in which company.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::process::Child;
use tokio::task::JoinSet;
use wecall_billing::services::Billing;

use crate::calls::{AMOUNT, Ask, BUSY_WALLETS, Businesses, WALLETS};
use crate::client::Client;
use crate::database::Direct;
use crate::pressure::{Sample, keep_busy};
use crate::report::{Report, Row};
use crate::server::{Server, Usage};
use crate::{Result, database, reference};

/// Those that are compared take turns this often, so that a machine that slows down does so to all of them.
const ROUNDS: u32 = 4;

/// One page is 50; with these there is a second.
const BUSY_TOP_UPS: u64 = 60;

const CALLERS: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    Bare,
    Database,
    Server,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) whom: Whom,
    pub(crate) ask: Ask,
    pub(crate) callers: usize,
}

/// What is compared is measured in turns. The first of each group is the bare handler.
const GROUPS: &[&[(&str, Whom, Ask, usize)]] = &[
    &[
        ("bare handler, read", Whom::Bare, Ask::Wallet, CALLERS),
        ("database only, wallet", Whom::Database, Ask::Wallet, CALLERS),
        ("wallet read", Whom::Server, Ask::Wallet, CALLERS),
    ],
    &[
        ("bare handler, read", Whom::Bare, Ask::Wallet, 1),
        ("database only, wallet", Whom::Database, Ask::Wallet, 1),
        ("wallet read, 1 caller", Whom::Server, Ask::Wallet, 1),
    ],
    &[
        ("bare handler, read", Whom::Bare, Ask::Wallet, CALLERS),
        ("50 transactions", Whom::Server, Ask::Transactions, CALLERS),
        ("usage of this month", Whom::Server, Ask::Usage, CALLERS),
        ("rate cards", Whom::Server, Ask::RateCards, CALLERS),
    ],
    &[
        ("bare handler, POST", Whom::Bare, Ask::TopUp, CALLERS),
        ("database only, top-up", Whom::Database, Ask::TopUp, CALLERS),
        ("top-up", Whom::Server, Ask::TopUp, CALLERS),
        ("top-up with a key", Whom::Server, Ask::TopUpWithKey, CALLERS),
    ],
    &[
        ("bare handler, 80/20", Whom::Bare, Ask::Mixed, CALLERS),
        ("database only, 80/20", Whom::Database, Ask::Mixed, CALLERS),
        ("80 % reads, 20 % top-ups", Whom::Server, Ask::Mixed, CALLERS),
    ],
];

/// A server, the bare handler and the database itself, ready to be asked.
pub(crate) struct Bench {
    database_url: String,
    seconds: f64,
    businesses: Businesses,
    server: Server,
    bare: Child,
    bare_address: SocketAddr,
    billing: Billing,
    credits: i64,
}

impl Bench {
    pub(crate) async fn start(database_url: &str, seconds: f64) -> Result<Bench> {
        let server = Server::start(database_url).await?;
        let (bare, bare_address) = reference::start().await?;
        let billing = database::open(database_url).await?;
        let businesses = Businesses::new();
        let database_url = database_url.to_owned();
        Ok(Bench { database_url, seconds, businesses, server, bare, bare_address, billing, credits: 0 })
    }

    /// Measures everything and prints it; what to say in the end.
    ///
    /// # Errors
    /// Where anything fails, or the money does not add up.
    pub(crate) async fn run(mut self, database: &str) -> Result<Vec<String>> {
        println!("\n{} at {}", database::version(&self.billing).await?, self.server.address);
        self.prepare().await?;
        self.compare_answers().await?;
        let mut report = Report::begin();
        let wanted = std::env::var("BENCH_SCENARIO").unwrap_or_default();
        for group in GROUPS.iter().filter(|group| group.iter().any(|(name, ..)| name.contains(&wanted))) {
            let scenarios = group.iter().map(|&(name, whom, ask, callers)| Scenario { name, whom, ask, callers });
            report.add(self.measure(scenarios.collect()).await?);
        }
        let mut summary = report.summary(database);
        summary.push(self.finish(database).await?);
        Ok(summary)
    }

    /// Opens the wallets with one top-up each, the busy ones with a history and usage.
    async fn prepare(&mut self) -> Result<()> {
        let mut callers = JoinSet::new();
        for number in 0..CALLERS as u64 {
            let mut client = Client::connect(self.server.address, &self.businesses, Ask::TopUp).await?;
            let businesses = self.businesses.clone();
            callers.spawn(async move {
                let mut credits = 0;
                for wallet in (number..WALLETS).step_by(CALLERS) {
                    let count = if wallet < BUSY_WALLETS { BUSY_TOP_UPS } else { 1 };
                    for _ in 0..count {
                        client.top_up(&businesses.name(wallet), None).await?;
                        credits += 1;
                    }
                }
                Result::Ok(credits)
            });
        }
        while let Some(credits) = callers.join_next().await {
            self.credits += credits??;
        }
        database::add_usage(&self.billing, &self.businesses).await
    }

    /// A bare handler whose answer is not the server's would be no measure.
    async fn compare_answers(&self) -> Result<()> {
        let path = format!("/api/billing/wallet/{}/", self.businesses.name(0));
        let mut fields = Vec::new();
        for address in [self.server.address, self.bare_address] {
            let answer = Client::connect(address, &self.businesses, Ask::Wallet).await?.get(&path).await?;
            let answer: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&answer)?;
            fields.push(answer.into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>());
        }
        match fields.as_slice() {
            [server, bare] if server == bare => Ok(()),
            _ => Err(format!("the bare handler's wallet is not the server's: {fields:?}").into()),
        }
    }

    async fn measure(&mut self, scenarios: Vec<Scenario>) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = scenarios.into_iter().map(Row::new).collect();
        for round in 0..ROUNDS {
            for row in &mut rows {
                let before = self.usage(row.scenario.whom);
                let sample = self.press(row.scenario, u64::from(round)).await?;
                self.credits += if row.scenario.whom == Whom::Bare { 0 } else { sample.credits };
                row.add(sample, before, self.usage(row.scenario.whom));
            }
        }
        Ok(rows)
    }

    async fn press(&self, scenario: Scenario, round: u64) -> Result<Sample> {
        let Scenario { whom, ask, callers, .. } = scenario;
        let measured = Duration::from_secs_f64(self.seconds / f64::from(ROUNDS));
        let seed = round + self.credits.unsigned_abs();
        let address = match whom {
            Whom::Bare => self.bare_address,
            Whom::Server => self.server.address,
            Whom::Database => {
                let (billing, businesses) = (&self.billing, &self.businesses);
                let worker = |_| Direct { billing: billing.clone(), businesses: businesses.clone(), ask };
                return keep_busy((0..callers).map(worker).collect(), measured, seed).await;
            }
        };
        let clients = Client::connect_many(address, &self.businesses, ask, callers).await?;
        keep_busy(clients, measured, seed).await
    }

    fn usage(&self, whom: Whom) -> Usage {
        match whom {
            Whom::Bare => Usage::of(&self.bare),
            Whom::Server => self.server.usage(),
            Whom::Database => Usage::default(),
        }
    }

    /// Stops the server and counts the money it left in the database.
    async fn finish(self, database: &str) -> Result<String> {
        self.server.stop().await?;
        self.billing.db.close().await;
        let reopened = database::open(&self.database_url).await?;
        let totals = database::totals(&reopened, &self.businesses).await?;
        reopened.db.close().await;
        let topped_up = self.credits * AMOUNT.micros();
        if totals.balances != topped_up || totals.ledger != topped_up {
            return Err(format!("{topped_up} millionths were topped up on {database}, but it holds {totals:?}").into());
        }
        Ok(format!("{database}: {} top-ups answered; balances and ledger add up to exactly that", self.credits))
    }
}
