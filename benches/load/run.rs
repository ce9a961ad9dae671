//! Runs once: starts a server on a database with a ledger of some size, measures it and reconciles.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::Mutex;
use wecall_billing::services::Billing;

use crate::caller::Caller;
use crate::calls::{AMOUNT, Ask, BUSY_WALLETS, Businesses, FUNDS};
use crate::client::Client;
use crate::database::{Direct, Totals};
use crate::direct::{Appender, Chain, Model};
use crate::pressure::{Sample, keep_busy};
use crate::reconcile::reconcile;
use crate::report::{Report, Row};
use crate::scenarios::{GROUPS, Scenario, Whom};
use crate::server::{Server, Usage};
use crate::{Result, database, ledger, reference};

/// How often the compared scenarios take turns, so that a machine that slows down does so for all of them.
const ROUNDS: u32 = 4;

/// With these a history has a second page of 50.
const BUSY_TOP_UPS: u64 = 60;

/// A server, the bare handler and the database itself, ready to be measured.
pub(crate) struct Run {
    database_url: String,
    seconds: f64,
    businesses: Businesses,
    server: Server,
    bare: Child,
    bare_address: SocketAddr,
    billing: Billing,
    model: Option<Arc<Model>>,
    chains: Vec<Arc<Mutex<Chain>>>,
    /// The charges that must be found in the end.
    charges: u64,
    credit: i64,
    presses: u64,
}

impl Run {
    pub(crate) async fn start(database_url: &str, seconds: f64) -> Result<Run> {
        let server = Server::start(database_url).await?;
        let (bare, bare_address) = reference::start().await?;
        let billing = database::open(database_url).await?;
        Ok(Run {
            database_url: database_url.to_owned(),
            seconds,
            businesses: Businesses::new(),
            server,
            bare,
            bare_address,
            billing,
            model: None,
            chains: Vec::new(),
            charges: 0,
            credit: 0,
            presses: 0,
        })
    }

    /// Measures and prints everything; returns the lines of the summary.
    ///
    /// # Errors
    /// Where anything fails, or the money does not add up.
    pub(crate) async fn run(mut self, name: &str, transactions: u64) -> Result<Vec<String>> {
        let name = format!(
            "{name}, {}",
            if transactions == 0 { "empty ledger".to_owned() } else { format!("{transactions} transactions") }
        );
        println!("\n{name}: {} at {}", database::version(&self.billing).await?, self.server.address);
        self.prepare(transactions).await?;
        self.compare_answers().await?;
        let mut report = Report::begin();
        let wanted = std::env::var("BENCH_SCENARIO").unwrap_or_default();
        for group in GROUPS.iter().filter(|group| group.iter().any(|scenario| scenario.name.contains(&wanted))) {
            report.add(self.measure(group).await?);
        }
        let mut summary = report.summary(&name);
        summary.extend(self.finish(&name).await?);
        Ok(summary)
    }

    /// Opens the wallets, loads their past, and gives some of them a history that is longer than a page.
    async fn prepare(&mut self, transactions: u64) -> Result<()> {
        let mut client = Client::connect(self.server.address).await?;
        self.credit += ledger::charge_sample(&mut client, &self.businesses).await?;
        self.charges += ledger::sample_charges();
        let loaded = ledger::load(&self.billing, &self.database_url, &self.businesses, transactions).await?;
        // The server has closed a connection that was silent for so long.
        let mut client = Client::connect(self.server.address).await?;
        self.credit += loaded.credit;
        self.charges += loaded.charges;
        for wallet in 0..BUSY_WALLETS {
            for _ in 0..BUSY_TOP_UPS {
                client.top_up(&self.businesses.name(wallet), None).await?;
                self.credit += AMOUNT.micros();
            }
        }
        let callers = GROUPS.iter().flat_map(|group| group.iter());
        let callers = callers.filter(|scenario| scenario.whom == Whom::Database).map(|scenario| scenario.callers);
        for number in 0..callers.max().unwrap_or(0) {
            let name = self.businesses.direct(number);
            let body = format!(r#"{{"business_sid":"{name}","amount":{FUNDS}}}"#);
            client.post("/api/billing/topup/", body.as_bytes()).await?;
            self.credit += FUNDS.micros();
            self.chains.push(Chain::of(&self.billing, &name).await?);
        }
        self.model = Some(Arc::new(Model::read(&self.billing, &self.businesses).await?));
        Ok(())
    }

    /// Checks that the bare handler answers like the server: otherwise it would be no measure.
    async fn compare_answers(&self) -> Result<()> {
        let path = format!("/api/billing/wallet/{}/", self.businesses.name(0));
        let mut fields = Vec::new();
        for address in [self.server.address, self.bare_address] {
            let mut client = Client::connect(address).await?;
            let answer: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(client.get(&path).await?)?;
            fields.push(answer.into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>());
        }
        match fields.as_slice() {
            [server, bare] if server == bare => Ok(()),
            _ => Err(format!("the bare handler's wallet is not the server's: {fields:?}").into()),
        }
    }

    async fn measure(&mut self, scenarios: &[Scenario]) -> Result<Vec<Row>> {
        let mut rows: Vec<Row> = scenarios.iter().copied().map(Row::new).collect();
        for _ in 0..ROUNDS {
            for row in &mut rows {
                let is_kept = row.scenario.whom != Whom::Bare;
                let bytes = if is_kept { database::bytes(&self.billing).await? } else { 0 };
                let before = self.usage(row.scenario.whom);
                let sample = self.press(row.scenario).await?;
                let after = self.usage(row.scenario.whom);
                let mut grown = 0;
                if is_kept {
                    grown = database::bytes(&self.billing).await? - bytes;
                    self.charges += sample.charges;
                    self.credit += sample.credit;
                }
                row.add(sample, before, after, grown);
            }
        }
        Ok(rows)
    }

    async fn press(&mut self, scenario: Scenario) -> Result<Sample> {
        let Scenario { whom, ask, callers, .. } = scenario;
        let measured = Duration::from_secs_f64(self.seconds / f64::from(ROUNDS));
        self.presses += 1;
        let seed = u64::from(self.businesses.tag()) << 16 | self.presses;
        let address = match (whom, ask) {
            (Whom::Bare, _) => self.bare_address,
            (Whom::Server, _) => self.server.address,
            (Whom::Database, Ask::Charge(charges)) => {
                let model = self.model.as_ref().ok_or("there is no model")?;
                let chains = self.chains.iter().take(callers);
                let appenders = chains.map(|chain| Appender::new(&self.billing, model, chain, charges));
                return keep_busy(appenders.collect(), measured, seed).await;
            }
            (Whom::Database, _) => {
                let (billing, businesses, credits) = (&self.billing, &self.businesses, ask == Ask::TopUp);
                let worker = |_| Direct { billing: billing.clone(), businesses: businesses.clone(), credits };
                return keep_busy((0..callers).map(worker).collect(), measured, seed).await;
            }
        };
        let callers = Caller::many(address, &self.businesses, ask, callers, whom == Whom::Server).await?;
        keep_busy(callers, measured, seed).await
    }

    fn usage(&self, whom: Whom) -> Usage {
        match whom {
            Whom::Bare => Usage::of(&self.bare),
            Whom::Server => self.server.usage(),
            Whom::Database => Usage::default(),
        }
    }

    /// Stops the server, counts what it left in the database, and has it reconciled.
    async fn finish(self, name: &str) -> Result<Vec<String>> {
        let peak = self.server.usage().peak_kib;
        self.server.stop().await?;
        for chain in &self.chains {
            let model = self.model.as_ref().ok_or("there is no model")?;
            chain.lock().await.finish(&self.billing, model).await?;
        }
        let bytes = database::bytes(&self.billing).await?;
        self.billing.db.close().await;
        let reopened = database::open(&self.database_url).await?;
        let totals = database::totals(&reopened, &self.businesses).await?;
        reopened.db.close().await;
        let Totals { balances, ledger, credit, charges } = totals;
        if balances != ledger || credit != self.credit || u64::try_from(charges)? != self.charges {
            let (charged, credited) = (self.charges, self.credit);
            return Err(format!(
                "{name}: {charged} charges and {credited} millionths put in were answered, but the database holds {totals:?}"
            )
            .into());
        }
        let mebibytes = |bytes: f64| bytes / 1_048_576.0;
        Ok(vec![
            format!(
                "{name}: the server held {:.1} MiB at most, the database holds {:.0} MiB",
                mebibytes(peak.unwrap_or(0) as f64 * 1_024.0),
                mebibytes(bytes as f64),
            ),
            format!("{name}: all of {charges} charges and every top-up are there; balances and ledger add up"),
            format!("{name}: {}", reconcile(&self.database_url).await?),
        ])
    }
}
