//! Measures how much charging slows down with alerts, recharges, refunds and webhooks.
//!
//! In every other round the same messages are charged to wallets that are watched by webhooks, while other wallets run
//! dry again and again: each of their messages is long, half of them fail and are refunded, and their recharges go
//! through the simulated provider. The figure that counts is how many messages are charged per second, those of the dry
//! wallets left out.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use wecall_billing::domain::access::rights::Role;

use crate::caller::Caller;
use crate::calls::{Ask, Businesses, Charges, FUNDS, WALLETS};
use crate::client::Client;
use crate::flood::key;
use crate::pressure::{Sample, keep_busy};
use crate::server::Server;
use crate::{Result, database};

const ROUNDS: usize = 8;

/// Wallets that run dry, with the number of their messages per request and the pace of requests.
const DRY: usize = 60;
const DRY_MESSAGES: usize = 10;
const DRY_EVERY: Duration = Duration::from_millis(50);

/// How many of the measured wallets have a webhook.
const TOLD: u64 = 200;

/// The measurements: name, charges, and the number of callers.
const ASKED: [(&str, Charges, usize); 2] =
    [("charge, 256 callers", Charges::of(1), 256), ("batch of 100", Charges::of(100), 4)];

/// Measures charging with all its consequences; returns the lines of the report.
///
/// # Errors
/// Where a request is refused that should not be, or an expected consequence is missing.
pub(crate) async fn measure(database_url: &str, name: &str, seconds: f64) -> Result<Vec<String>> {
    let settings = [
        "--webhooks-allow-private=true",
        "--rate-limit-address",
        "0",
        "--rate-limit-admin",
        "0",
        "--charge-queue",
        "100000",
    ];
    let server = Server::start_with(database_url, &settings).await?;
    let billing = database::open(database_url).await?;
    let admin = key(&billing, Role::Admin, None).await?;
    let hooks = listen().await?;
    let (plain, watched) = (Businesses::new(), Businesses::new());
    let mut client = Client::connect_with(server.address, Some(&admin)).await?;
    for businesses in [&plain, &watched] {
        for number in 0..WALLETS {
            let name = businesses.name(number);
            let body = format!(r#"{{"business_sid":"{name}","amount":{FUNDS}}}"#);
            client.post("/api/billing/topup/", body.as_bytes()).await?;
        }
    }
    for number in 0..TOLD {
        tell(&mut client, &watched.name(number), hooks).await?;
    }
    for number in 0..DRY {
        let name = watched.direct(number);
        client.post("/api/billing/topup/", format!(r#"{{"business_sid":"{name}","amount":30}}"#).as_bytes()).await?;
        let path = format!("/api/billing/wallet/{name}/auto-recharge/");
        client.put(&path, br#"{"enabled":true,"amount":20,"threshold":15,"max_per_day":100}"#).await?;
        tell(&mut client, &name, hooks).await?;
    }
    let round = Duration::from_secs_f64(seconds);
    let mut told = Vec::new();
    for (what, charges, callers) in ASKED {
        let (mut alone, mut followed) = (Sample::default(), Sample::default());
        for number in 0..ROUNDS {
            let seed = number as u64;
            if number % 2 == 0 {
                let callers = Caller::many(server.address, &plain, Ask::Charge(charges), callers, true).await?;
                alone.add(keep_busy(callers, round, seed).await?);
            } else {
                let callers = Caller::many(server.address, &watched, Ask::Charge(charges), callers, true).await?;
                let dry = tokio::spawn(run_dry(server.address, watched.clone(), Instant::now() + round));
                followed.add(keep_busy(callers, round, seed).await?);
                dry.await??;
            }
        }
        let (before, after) = (alone.per_second(), followed.per_second());
        let ((_, p99_before), (_, p99_after)) = (alone.percentiles_ms(), followed.percentiles_ms());
        told.push(format!(
            "{name}, {what}: {before:.0} messages per second alone, {after:.0} with all that follows: x {:.3}; p99 {:.1} and \
             {:.1} ms",
            after / before,
            p99_before.unwrap_or(f64::NAN),
            p99_after.unwrap_or(f64::NAN),
        ));
    }
    told.push(format!("{name}, followed: {}", counted(&billing).await?));
    billing.db.close().await;
    server.stop().await?;
    told.push(format!("{name}, followed: {}", crate::reconcile::reconcile(database_url).await?));
    Ok(told)
}

/// Starts a webhook receiver that accepts every delivery at once.
async fn listen() -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/", post(async || StatusCode::NO_CONTENT));
    tokio::spawn(async move {
        let mut server = hyper::server::conn::http1::Builder::new();
        server.keep_alive(false);
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            tokio::spawn(server.serve_connection(hyper_util::rt::TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

async fn tell(client: &mut Client, business: &str, hooks: SocketAddr) -> Result<()> {
    let body = format!(r#"{{"url":"http://{hooks}/","events":["*"]}}"#);
    client.post(&format!("/api/billing/webhooks/{business}/"), body.as_bytes()).await?;
    Ok(())
}

/// Charges long messages to the wallets that run dry; every other one fails.
async fn run_dry(address: SocketAddr, businesses: Businesses, ends: Instant) -> Result<()> {
    let mut client = Client::connect(address).await?;
    let mut number = 0_usize;
    let tag = wecall_billing::clock::Clock::system().now().micros();
    while Instant::now() < ends {
        let (mut charges, mut reports) = (Vec::new(), Vec::new());
        for _ in 0..DRY_MESSAGES {
            number += 1;
            let who =
                format!(r#""business_sid":"{}","message_sid":"dry-{tag}-{number}""#, businesses.direct(number % DRY));
            charges.push(format!(r#"{{{who},"to":"+254712345678","segments":255}}"#));
            let status = if number.is_multiple_of(2) { "failed" } else { "delivered" };
            reports.push(format!(r#"{{{who},"status":"{status}"}}"#));
        }
        let body = format!(r#"{{"charges":[{}]}}"#, charges.join(","));
        client.post("/api/billing/charges/batch/", body.as_bytes()).await?;
        let body = format!(r#"{{"deliveries":[{}]}}"#, reports.join(","));
        client.post("/api/billing/deliveries/batch/", body.as_bytes()).await?;
        tokio::time::sleep(DRY_EVERY).await;
    }
    Ok(())
}

/// The consequences, counted.
async fn counted(billing: &wecall_billing::services::Billing) -> Result<String> {
    let mut told = Vec::new();
    for (what, sql) in [
        ("refunds", "SELECT count(*) FROM transactions WHERE type = 'REFUND'"),
        ("alerts", "SELECT count(*) FROM alerts"),
        ("recharges", "SELECT count(*) FROM payments WHERE status = 'COMPLETED'"),
        ("messages to webhooks", "SELECT count(*) FROM webhook_messages"),
        ("delivered", "SELECT count(*) FROM webhook_messages WHERE status = 'DELIVERED'"),
    ] {
        let count = database::number(billing, sql).await?;
        if count == 0 {
            return Err(format!("nothing followed: no {what}").into());
        }
        told.push(format!("{count} {what}"));
    }
    Ok(told.join(", "))
}
