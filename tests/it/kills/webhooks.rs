//! Kills the real server while it delivers webhooks: every event arrives at least once, under the same id.
//! Nothing arrives that did not happen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::support::gateway::{Random, assert_reconciles, end_leases, ledger, message};
use crate::support::postgres;
use crate::support::process::{ServerProcess, run, text};
use crate::support::receiver::Receiver;
use crate::support::repetition::{scaled, seed};

const BUSINESS: &str = "biz_test_001";

async fn post(http: &Client, url: String, body: &Value) -> Option<(StatusCode, Value)> {
    let request = http.post(url).header("content-type", "application/json").body(body.to_string());
    let response = request.send().await.ok()?;
    let status = response.status();
    Some((status, serde_json::from_str(&response.text().await.ok()?).unwrap_or(Value::Null)))
}

/// Charges messages and has them fail, until the server is gone: each failure is a refund, and each refund an event.
async fn fail_messages(http: Client, base_url: String, cycle: u32) {
    for batch in 0.. {
        let names: Vec<String> = (0..10).map(|number| format!("{cycle}-{batch}-{number}")).collect();
        let charges: Vec<Value> = names.iter().map(|name| message(BUSINESS, name)).collect();
        let url = format!("{base_url}/api/billing/charges/batch/");
        let Some(_) = post(&http, url, &json!({ "charges": charges })).await else { return };
        let report = |name: &String| json!({"business_sid": BUSINESS, "message_sid": name, "status": "failed"});
        let reports: Vec<Value> = names.iter().map(report).collect();
        let url = format!("{base_url}/api/billing/deliveries/batch/");
        let Some(_) = post(&http, url, &json!({ "deliveries": reports })).await else { return };
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn crash_again_and_again(home: &Path, database_url: &str, cycles: u32) {
    let mut random = Random(seed());
    let receiver = Receiver::start().await;
    let http = wecall_billing::outbound::tls::client().timeout(Duration::from_secs(30)).build().unwrap();
    let secret_key = "a key for tests: 0123456789abcdef";
    let args = ["--database-url", database_url, "--webhooks-allow-private", "--secret-key", secret_key];
    let args = [&args[..], &["--log-level", "error"]].concat();
    let server = ServerProcess::start(home, &args);
    let made = run(home, &["keys", "create", "--role", "admin", "--name", "me", "--database-url", database_url]);
    let key = text(&made.stdout);
    let url = format!("{}/api/billing/webhooks/{BUSINESS}/", server.base_url);
    let request = http.post(url).bearer_auth(key.trim()).header("content-type", "application/json");
    let body = json!({"url": receiver.url, "events": ["charge.refunded"]}).to_string();
    let made: Value = serde_json::from_str(&request.body(body).send().await.unwrap().text().await.unwrap()).unwrap();
    let (webhook, secret) = (made["sid"].as_str().unwrap(), made["secret"].as_str().unwrap());
    drop(server);
    receiver.delay(Duration::from_millis(20));
    for cycle in 0..cycles {
        end_leases(database_url).await;
        let mut server = ServerProcess::start(home, &args);
        let load = tokio::spawn(fail_messages(http.clone(), server.base_url.clone(), cycle));
        tokio::time::sleep(Duration::from_millis(700 + random.below(900))).await;
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        load.await.unwrap();
        assert_reconciles(home, database_url);
    }
    end_leases(database_url).await;
    receiver.delay(Duration::ZERO);
    let server = ServerProcess::start(home, &args);
    let waiting =
        format!("{}/api/billing/webhooks/{BUSINESS}/{webhook}/deliveries/?status=PENDING&limit=1", server.base_url);
    let begun = Instant::now();
    loop {
        let response = http.get(&waiting).bearer_auth(key.trim()).send().await.unwrap();
        if response.text().await.unwrap() == "[]" {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "something is never delivered");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    server.signal("-TERM");
    let mut server = server;
    assert!(server.child.wait().unwrap().success());

    let entries = ledger(database_url).await;
    let refunds: BTreeSet<String> =
        entries.into_iter().filter(|entry| entry.kind == "REFUND").map(|entry| entry.sid).collect();
    let arrived = receiver.arrived();
    let mut bodies: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for message in &arrived {
        assert!(message.is_signed_with(secret));
        let refund = message.json()["data"]["refund_sid"].as_str().unwrap().to_owned();
        bodies.entry(refund).or_default().insert((message.id().to_owned(), message.body.clone()));
    }
    assert_eq!(bodies.keys().cloned().collect::<BTreeSet<_>>(), refunds, "told of what happened, and of all of it");
    assert!(bodies.values().all(|told| told.len() == 1), "under the same id, each time the same");
    eprintln!("{cycles} crashes, {} events, {} messages arrived", refunds.len(), arrived.len());
    assert!(refunds.len() > 20, "there was load when it was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_on_sqlite() {
    let home = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", home.path().join("billing.db").display());
    crash_again_and_again(home.path(), &url, scaled(6)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_on_postgres() {
    if postgres::is_available() {
        let home = tempfile::tempdir().unwrap();
        crash_again_and_again(home.path(), &postgres::create_database().await, scaled(4)).await;
    }
}
