//! Measures how long others wait while one tenant sends ten times the requests it may.
//!
//! A server with `AUTH=required`, gateways that charge and clients that read their wallets, each at a steady pace, and
//! in every other round a client whose key is limited and who sends ten times as many requests. The figure that counts
//! is how much longer the others then wait for their slowest answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use wecall_billing::domain::access::key_rules::{KeyKeeper, NewKey};
use wecall_billing::domain::access::rights::{KeyMode, Reach, Role, Tenant};
use wecall_billing::services::Billing;
use wecall_billing::services::access::keys;

use crate::calls::{Businesses, Charges, Random};
use crate::client::Client;
use crate::messages::Body;
use crate::server::Server;
use crate::{Result, database};

/// The limit of a client's requests per second, and the rate of the flooding one.
const LIMIT: u32 = 100;
const FLOOD: u32 = 10 * LIMIT;
const FLOODING_CONNECTIONS: u32 = 16;

/// The other callers: their connections, and the requests per second of each.
const READERS: u64 = 16;
const GATEWAYS: usize = 16;
const PACE: u32 = 40;

const ROUNDS: usize = 8;

/// The waits of the others, in microseconds, and the answers to the flooder.
#[derive(Debug, Default)]
struct Round {
    reads: Vec<u32>,
    charges: Vec<u32>,
    let_through: u64,
    refused: u64,
}

impl Round {
    fn add(&mut self, other: Round) {
        self.reads.extend(other.reads);
        self.charges.extend(other.charges);
        self.let_through += other.let_through;
        self.refused += other.refused;
    }
}

/// The callers, and their keys.
struct Cast {
    address: SocketAddr,
    businesses: Businesses,
    readers: Vec<String>,
    gateway: String,
    flooder: String,
}

/// Measures the flood; returns the lines of the report.
///
/// # Errors
/// Where anything but the flooder's own requests is refused, or the flooder is not.
pub(crate) async fn measure(database_url: &str, name: &str, seconds: f64) -> Result<Vec<String>> {
    let per_minute = (LIMIT * 60).to_string();
    // Each would come from an address of its own; here they share one.
    let limits = ["--rate-limit-client", &per_minute, "--rate-limit-address", "0"];
    let access = ["--auth", "required", "--secret-key", "of a benchmark: 0123456789abcdef"];
    let server = Server::start_with(database_url, &[&limits[..], &access[..]].concat()).await?;
    let billing = database::open(database_url).await?;
    let cast = Cast::new(server.address, &billing).await?;
    billing.db.close().await;
    // What the flooder may ask for at once is a minute's worth: that is used up first.
    let mut flooder = Client::connect_with(cast.address, Some(&cast.flooder)).await?;
    while flooder.status_of(&wallet(&cast.businesses, READERS)).await? == 200 {}
    let round = Duration::from_secs_f64(seconds);
    let (mut calm, mut flooded) = (Round::default(), Round::default());
    for number in 0..ROUNDS {
        let is_flooded = number % 2 == 1;
        let sample = cast.play(round, is_flooded).await?;
        if is_flooded { flooded.add(sample) } else { calm.add(sample) }
    }
    server.stop().await?;
    let total = flooded.let_through + flooded.refused;
    if flooded.refused * 10 < total * 7 {
        return Err(format!("{name}: the flood was let through: {} of {total}", flooded.let_through).into());
    }
    let line = |what: &str, calm: &mut [u32], flooded: &mut [u32]| {
        let (before, after) = (p99_ms(calm), p99_ms(flooded));
        format!(
            "{name}, flooded: p99 of {what} {before:.2} ms in calm, {after:.2} ms under the flood: x {:.2}",
            after / before
        )
    };
    Ok(vec![
        line("reads", &mut calm.reads, &mut flooded.reads),
        line("charges", &mut calm.charges, &mut flooded.charges),
        format!(
            "{name}, flooded: one tenant asked {FLOOD} times a second, {LIMIT} allowed: {} answered, {} refused",
            flooded.let_through, flooded.refused
        ),
    ])
}

fn p99_ms(latencies: &mut [u32]) -> f64 {
    latencies.sort_unstable();
    let index = (latencies.len() * 99 / 100).min(latencies.len().saturating_sub(1));
    latencies.get(index).map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
}

impl Cast {
    async fn new(address: SocketAddr, billing: &Billing) -> Result<Cast> {
        let businesses = Businesses::new();
        let admin = key(billing, Role::Admin, None).await?;
        let mut client = Client::connect_with(address, Some(&admin)).await?;
        let mut readers = Vec::new();
        for number in 0..crate::calls::WALLETS {
            let name = businesses.name(number);
            let body = format!(r#"{{"business_sid":"{name}","amount":1000}}"#);
            client.post("/api/billing/topup/", body.as_bytes()).await?;
            if number < READERS {
                readers.push(key(billing, Role::Client, Some(&name)).await?);
            }
        }
        let flooder = key(billing, Role::Client, Some(&businesses.name(READERS))).await?;
        Ok(Cast { address, businesses, readers, gateway: key(billing, Role::Gateway, None).await?, flooder })
    }

    async fn play(&self, duration: Duration, is_flooded: bool) -> Result<Round> {
        let ends = Instant::now() + duration;
        let mut players = JoinSet::new();
        for (number, reader) in (0_u64..).zip(&self.readers) {
            let client = Client::connect_with(self.address, Some(reader)).await?;
            players.spawn(read(client, wallet(&self.businesses, number), ends));
        }
        for number in 0..GATEWAYS {
            let client = Client::connect_with(self.address, Some(&self.gateway)).await?;
            let mut random = Random::new(number as u64);
            let body = Body::new(&self.businesses, Charges::of(1), &mut random);
            players.spawn(charge(client, body, random, ends));
        }
        for _ in 0..if is_flooded { FLOODING_CONNECTIONS } else { 0 } {
            let client = Client::connect_with(self.address, Some(&self.flooder)).await?;
            players.spawn(flood(client, wallet(&self.businesses, READERS), ends));
        }
        let mut round = Round::default();
        while let Some(played) = players.join_next().await {
            round.add(played??);
        }
        Ok(round)
    }
}

fn wallet(businesses: &Businesses, number: u64) -> String {
    format!("/api/billing/wallet/{}/", businesses.name(number))
}

pub(crate) async fn key(billing: &Billing, role: Role, business: Option<&str>) -> Result<String> {
    let business = match business {
        Some(name) => Tenant::admit(&Reach::All, name.parse()?, false),
        None => None,
    };
    let name = "benchmark".parse()?;
    let new = NewKey { name, mode: KeyMode::Live, role, business, businesses: None, expires_at: None };
    Ok(keys::create(billing, new, &KeyKeeper::command_line(), None).await?.value.secret)
}

/// Ticks this often per second, starting at a random moment.
async fn pace(per_second: u32) -> tokio::time::Interval {
    let period = Duration::from_secs(1) / per_second;
    tokio::time::sleep(period.mul_f64(f64::from(rand_share()))).await;
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn rand_share() -> f32 {
    let micros = wecall_billing::clock::Clock::system().now().micros().unsigned_abs();
    Random::new(micros).below(1_000) as f32 / 1_000.0
}

async fn read(mut client: Client, path: String, ends: Instant) -> Result<Round> {
    let mut round = Round::default();
    let mut interval = pace(PACE).await;
    while Instant::now() < ends {
        interval.tick().await;
        let started = Instant::now();
        client.get(&path).await?;
        round.reads.push(micros_since(started));
    }
    Ok(round)
}

async fn charge(mut client: Client, mut body: Body, mut random: Random, ends: Instant) -> Result<Round> {
    let mut round = Round::default();
    let mut interval = pace(PACE).await;
    while Instant::now() < ends {
        interval.tick().await;
        body.renew(&mut random);
        let started = Instant::now();
        client.post(body.charges_path(), body.charges()).await?;
        round.charges.push(micros_since(started));
    }
    Ok(round)
}

async fn flood(mut client: Client, path: String, ends: Instant) -> Result<Round> {
    let mut round = Round::default();
    let mut interval = pace(FLOOD / FLOODING_CONNECTIONS).await;
    interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while Instant::now() < ends {
        interval.tick().await;
        match client.status_of(&path).await? {
            200 => round.let_through += 1,
            429 => round.refused += 1,
            other => return Err(format!("the flooder was answered {other}").into()),
        }
    }
    Ok(round)
}

fn micros_since(started: Instant) -> u32 {
    u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX)
}
