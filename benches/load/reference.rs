//! Serves the bare handler: the cost of HTTP, routing and JSON alone.
//! It runs in a process of its own, as the server does, since both share the processors with the caller.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;

use axum::extract::{DefaultBodyLimit, Path};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use wecall_billing::http::api::charges::ChargeItem;
use wecall_billing::http::api::delivery_reports::{DeliveryItem, DeliveryRequest};

use crate::Result;

const ROLE: &str = "BENCH_ROLE";
const ROLE_BARE: &str = "bare-handler";

/// Whether this process is to be the bare handler.
pub(crate) fn is_asked_for() -> bool {
    std::env::var(ROLE).is_ok_and(|role| role == ROLE_BARE)
}

/// Starts this program again, as the bare handler. It ends when the pipe that holds it is closed.
pub(crate) async fn start() -> Result<(Child, SocketAddr)> {
    let mut child = Command::new(std::env::current_exe()?)
        .env(ROLE, ROLE_BARE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().ok_or("the bare handler has no output")?;
    let line = BufReader::new(output).lines().next_line().await?.ok_or("the bare handler did not start")?;
    Ok((child, line.parse()?))
}

pub(crate) async fn serve() -> Result<()> {
    let router = Router::new()
        .route("/api/billing/wallet/{business_sid}/", get(show_wallet))
        .route("/api/billing/transactions/{business_sid}/", get(show_wallet))
        .route("/api/billing/usage/{business_sid}/", get(show_wallet))
        .route("/api/billing/topup/", post(top_up))
        .route("/api/billing/charges/", post(charge))
        .route("/api/billing/charges/batch/", post(charge_batch))
        .route("/api/billing/charges/{business_sid}/{message_sid}/delivery/", post(report))
        .route("/api/billing/deliveries/batch/", post(report_batch))
        .layer(DefaultBodyLimit::disable());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn show_wallet(Path(business_sid): Path<String>) -> Json<Wallet> {
    Json(Wallet::of(business_sid, 1_000.0))
}

async fn top_up(Json(topup): Json<Topup>) -> Json<Wallet> {
    let Topup { business_sid, amount, reference } = topup;
    Json(Wallet::of(business_sid, amount + reference.len() as f64))
}

/// Parses the same JSON as the server, into the same types.
async fn charge(Json(item): Json<ChargeItem>) -> (StatusCode, Json<Taken>) {
    std::hint::black_box(item);
    (StatusCode::CREATED, Json(Taken { items: 1 }))
}

async fn charge_batch(Json(batch): Json<Charges>) -> Json<Taken> {
    Json(Taken { items: batch.charges.len() })
}

async fn report(Path(_message): Path<(String, String)>, Json(request): Json<DeliveryRequest>) -> Json<Taken> {
    std::hint::black_box(request);
    Json(Taken { items: 1 })
}

async fn report_batch(Json(batch): Json<Deliveries>) -> Json<Taken> {
    Json(Taken { items: batch.deliveries.len() })
}

#[derive(Deserialize)]
struct Charges {
    charges: Vec<ChargeItem>,
}

#[derive(Deserialize)]
struct Deliveries {
    deliveries: Vec<DeliveryItem>,
}

#[derive(Serialize)]
struct Taken {
    items: usize,
}

#[derive(Deserialize)]
struct Topup {
    business_sid: String,
    amount: f64,
    reference: String,
}

/// The fields of the server's answer, as a program without a database would hold them.
#[derive(Serialize)]
struct Wallet {
    sid: String,
    business_sid: String,
    balance: f64,
    currency: &'static str,
    credit_limit: i64,
    available: f64,
    auto_recharge_enabled: bool,
    auto_recharge_amount: i64,
    auto_recharge_threshold: i64,
    #[serde(rename = "type")]
    plan_type: &'static str,
    pricing_plan_sid: String,
    created_at: &'static str,
    updated_at: &'static str,
}

impl Wallet {
    fn of(business_sid: String, balance: f64) -> Wallet {
        Wallet {
            sid: "wallet_019abc3456785def8123456789abcdef".to_owned(),
            business_sid,
            balance,
            currency: "USD",
            credit_limit: 0,
            available: balance,
            auto_recharge_enabled: false,
            auto_recharge_amount: 0,
            auto_recharge_threshold: 0,
            plan_type: "PREPAID",
            pricing_plan_sid: "plan_019abc3456785def8123456789abcdef".to_owned(),
            created_at: "2026-01-01T00:00:00.000000Z",
            updated_at: "2026-01-01T00:00:00.000000Z",
        }
    }
}
