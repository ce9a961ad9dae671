//! Runs several server processes on one Postgres, which charge the same wallets at the same time.

use std::collections::HashMap;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::gateway::{Random, assert_reconciles, ledger, message};
use crate::support::postgres;
use crate::support::process::ServerProcess;
use crate::support::repetition::{scaled, seed};

const SERVERS: usize = 3;

/// Of the wallet that has money for so many messages and no more.
const POOR: &str = "poor";
const POOR_CAN_PAY: usize = 40;

type Key = (String, String);

/// What became of a message at one server: its transaction and whether it had been charged before; none where there was
/// no money for it.
type ChargeAnswer = (Key, Option<(String, bool)>);

async fn post(http: &reqwest::Client, url: String, body: &Value) -> (StatusCode, Value) {
    let request = http.post(url).header("content-type", "application/json").body(body.to_string());
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

fn body_of(key: &Key) -> Value {
    if key.0 == POOR {
        json!({"business_sid": key.0, "message_sid": key.1, "country_code": "KE", "operator": "Safaricom", "segments": 1})
    } else {
        message(&key.0, &key.1)
    }
}

fn answer_of(key: &Key, status: u64, charge: &Value, replayed: bool) -> ChargeAnswer {
    let charged = match status {
        201 => Some((charge["transaction"]["sid"].as_str().unwrap().to_owned(), replayed)),
        402 => None,
        other => panic!("{key:?}: {other} {charge}"),
    };
    (key.clone(), charged)
}

/// Charges messages through one server, singly and in batches.
async fn charge_all(base_url: &str, mut keys: Vec<Key>, mut random: Random) -> Vec<ChargeAnswer> {
    let http = crate::support::client();
    let mut answers = Vec::new();
    while !keys.is_empty() {
        if random.below(2) == 0 {
            let key = keys.pop().unwrap();
            let request = http.post(format!("{base_url}/api/billing/charges/"));
            let request = request.header("content-type", "application/json").body(body_of(&key).to_string());
            let response = request.send().await.unwrap();
            let replayed = response.headers().contains_key("idempotent-replayed");
            let status = response.status().as_u16();
            let charge: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            answers.push(answer_of(&key, status.into(), &charge, replayed));
        } else {
            let batch = keys.split_off(keys.len().saturating_sub(1 + random.below(60) as usize));
            let charges: Vec<Value> = batch.iter().map(body_of).collect();
            let url = format!("{base_url}/api/billing/charges/batch/");
            let (status, answer) = post(&http, url, &json!({ "charges": charges })).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            for (key, result) in batch.iter().zip(answer["results"].as_array().unwrap()) {
                let status = result["status"].as_u64().unwrap();
                answers.push(answer_of(key, status, &result["charge"], result["idempotent_replayed"] == true));
            }
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_is_charged_once() {
    let mut random = Random(seed());
    for _ in 0..scaled(u32::from(postgres::is_available())) {
        charge_each_message_once(random.next()).await;
    }
}

async fn charge_each_message_once(seed: u64) {
    let url = postgres::create_database().await;
    let homes: Vec<_> = (0..SERVERS).map(|_| tempfile::tempdir().unwrap()).collect();
    let args = ["--database-url", url.as_str(), "--log-level", "error"];
    let servers: Vec<_> = homes.iter().map(|home| ServerProcess::start(home.path(), &args)).collect();
    let http = crate::support::client();
    let top_up = format!("{}/api/billing/topup/", servers[0].base_url);
    let rich = ["one", "two", "three", "four"];
    for (business, amount) in rich.map(|business| (business, json!(1_000))).into_iter().chain([(POOR, json!(0.8))]) {
        let (status, answer) = post(&http, top_up.clone(), &json!({"business_sid": business, "amount": amount})).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let mut keys: Vec<Key> = Vec::new();
    for number in 0..150 {
        keys.extend(rich.iter().map(|business| ((*business).to_owned(), format!("m-{number:04}"))));
        keys.push((POOR.to_owned(), format!("p-{number:04}")));
    }
    // Every server is asked for every message, each in an order of its own, by two clients.
    let mut asked = Vec::new();
    for (server, number) in servers.iter().zip(1..) {
        let mut random = Random(seed ^ number);
        let mut order = keys.clone();
        random.shuffle(&mut order);
        let second = order.split_off(order.len() / 2);
        for (part, half) in [order, second].into_iter().zip(1..) {
            let random = Random(random.next() ^ half);
            asked.push(async { charge_all(&server.base_url, part, random).await });
        }
    }
    let answers: Vec<ChargeAnswer> = join_all(asked).await.into_iter().flatten().collect();
    assert_eq!(answers.len(), keys.len() * SERVERS);

    let mut charged: HashMap<Key, (String, usize)> = HashMap::new();
    for (key, charge) in answers {
        let Some((sid, replayed)) = charge else {
            assert_eq!(key.0, POOR, "{key:?}");
            continue;
        };
        let known = charged.entry(key.clone()).or_insert((sid.clone(), 0));
        assert_eq!(known.0, sid, "{key:?} has two transactions");
        known.1 += usize::from(!replayed);
    }
    assert!(charged.values().all(|(_, first)| *first == 1), "one server of the three charges it: {charged:?}");
    let poor = charged.keys().filter(|key| key.0 == POOR).count();
    assert_eq!((poor, charged.len()), (POOR_CAN_PAY, POOR_CAN_PAY + rich.len() * 150));
    let debits: Vec<_> = ledger(&url).await.into_iter().filter(|entry| entry.kind == "SMS_DEBIT").collect();
    assert_eq!(debits.len(), charged.len());
    for entry in debits {
        let key = (entry.business, entry.message.unwrap());
        assert_eq!(charged[&key].0, entry.sid, "{key:?}");
    }
    let wallet = crate::support::client()
        .get(format!("{}/api/billing/wallet/{POOR}/", servers[1].base_url))
        .send()
        .await
        .unwrap();
    let wallet: Value = wallet.json().await.unwrap();
    assert_eq!(wallet["balance"], 0, "{wallet}");
    assert_reconciles(homes[0].path(), &url);
}

/// Servers that meet rates nobody has met before, each in an order of its own, do not wait for each other in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rates_are_learnt_side_by_side() {
    let mut random = Random(seed());
    for _ in 0..scaled(u32::from(postgres::is_available())) {
        learn_rates_side_by_side(random.next()).await;
    }
}

async fn learn_rates_side_by_side(seed: u64) {
    let url = postgres::create_database().await;
    let homes: Vec<_> = (0..SERVERS).map(|_| tempfile::tempdir().unwrap()).collect();
    let args = ["--database-url", url.as_str(), "--log-level", "error"];
    let servers: Vec<_> = homes.iter().map(|home| ServerProcess::start(home.path(), &args)).collect();
    let http = crate::support::client();
    for number in 0..SERVERS {
        let body = json!({"business_sid": format!("own_{number}"), "amount": 1_000});
        let (status, answer) = post(&http, format!("{}/api/billing/topup/", servers[0].base_url), &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }
    let mut random = Random(seed);
    for round in 0..5 {
        let asked = servers.iter().enumerate().map(|(number, server)| {
            // A rate says which prefix matched, so each of these has one of its own.
            let mut prefixes: Vec<u64> = (0..20).map(|n| 700 + round * 20 + n).collect();
            random.shuffle(&mut prefixes);
            let charge = |prefix: &u64| {
                let to = format!("+254{prefix}123456");
                json!({"business_sid": format!("own_{number}"), "message_sid": format!("r-{prefix}"), "to": to, "segments": 1})
            };
            let body = json!({ "charges": prefixes.iter().map(charge).collect::<Vec<_>>() });
            let (http, url) = (http.clone(), format!("{}/api/billing/charges/batch/", server.base_url));
            async move { post(&http, url, &body).await }
        });
        for ((status, answer), home) in join_all(asked).await.into_iter().zip(&homes) {
            let log = std::fs::read_to_string(home.path().join("log")).unwrap();
            assert_eq!(status, StatusCode::OK, "round {round}: {answer} {log}");
            for result in answer["results"].as_array().unwrap() {
                assert_eq!(result["status"], 201, "round {round}: {result}");
            }
        }
    }
    assert_reconciles(homes[0].path(), &url);
}
