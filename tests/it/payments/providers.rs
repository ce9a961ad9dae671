//! Tests payments through providers: from the request to the ledger, whatever a provider confirms, and however often.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::Role;
use wecall_billing::domain::values::secrets::Sealer;
use wecall_billing::services::{Billing, Live};
use wecall_billing::worker;

use crate::support::receiver::Receiver;
use crate::support::{Database, MPESA, MPESA_SECRET, REQUIRED, Server, answer, on_each_database, postgres};

const BUSINESS: &str = "biz_test_001";

/// Asks for a top-up through the provider of [`MPESA`]; the payment's SID.
async fn ask(server: &Server, amount: &str, more: &str) -> String {
    let body = format!(r#"{{"business_sid": "{BUSINESS}", "amount": {amount}, "provider": "mpesa"{more}}}"#);
    let (status, wallet) = server.post("/api/billing/topup/", &body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{wallet}");
    wallet["pending_transaction"]["details"]["payment_sid"].as_str().unwrap().to_owned()
}

async fn balance(server: &Server) -> Value {
    server.get(&format!("/api/billing/wallet/{BUSINESS}/")).await["balance"].clone()
}

async fn payment(server: &Server, sid: &str) -> Value {
    server.get(&format!("/api/billing/payments/{BUSINESS}/{sid}/")).await
}

fn completed(sid: &str, reference: &str, amount: f64, currency: &str) -> String {
    json!({"payment_sid": sid, "status": "completed", "provider_reference": reference, "amount": amount,
           "currency": currency})
    .to_string()
}

fn failed(sid: &str) -> String {
    json!({"payment_sid": sid, "status": "failed", "reason": "no funds"}).to_string()
}

/// Starts a server with settings on either database.
macro_rules! with_settings {
    ($($(#[$meta:meta])* async fn $name:ident($server:ident, $args:expr) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;

            async fn run($server: &Server) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run(&Server::start(Database::Sqlite, $args).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if postgres::is_available() {
                    run(&Server::start(Database::Postgres, $args).await).await;
                }
            }
        }
    )+};
}

with_settings! {
    /// The table: what was said before, what is said, what is answered, and what the wallet has gained then.
    async fn what_a_provider_says(server, MPESA) {
        let table: &[(&[&str], &str, u16, &str, f64)] = &[
            (&[], "right", 200, "credited", 20.0),
            (&["right"], "right", 200, "known", 20.0),
            (&["failed"], "right", 200, "credited", 20.0),
            (&["right"], "failed", 200, "known", 20.0),
            (&["failed"], "failed", 200, "known", 0.0),
            (&[], "failed", 200, "failed", 0.0),
            (&[], "less", 202, "suspended", 0.0),
            (&["less"], "less", 200, "known", 0.0),
            (&[], "shillings", 202, "suspended", 0.0),
            (&[], "unknown", 202, "suspended", 0.0),
            (&["right"], "other reference", 202, "suspended", 20.0),
            (&["right", "other reference"], "other reference", 200, "known", 20.0),
        ];
        for (number, (before, said, status, result, gained)) in table.iter().enumerate() {
            let sid = ask(server, "20", "").await;
            let (first, second) = (format!("R{number}"), format!("S{number}"));
            let body = |what: &str| match what {
                "right" => completed(&sid, &first, 20.0, "USD"),
                "less" => completed(&sid, &second, 19.0, "USD"),
                "shillings" => completed(&sid, &second, 20.0, "KES"),
                "unknown" => completed("pay_nothing", &second, 20.0, "USD"),
                "other reference" => completed(&sid, &second, 20.0, "USD"),
                _ => failed(&sid),
            };
            let start = balance(server).await.as_f64().unwrap();
            for what in *before {
                server.confirm(&body(what)).await;
            }
            let (answered, text) = server.confirm(&body(said)).await;
            let what = format!("{said} after {before:?}");
            assert_eq!((answered.as_u16(), &text["result"]), (*status, &json!(result)), "{what}: {text}");
            let now = balance(server).await.as_f64().unwrap();
            assert!((now - start - gained).abs() < 1e-6, "{what}: {start} became {now}");
        }
    }

    async fn what_becomes_of_it(server, MPESA) {
        let before = balance(server).await;
        let sid = ask(server, "20.5", r#", "method": "+254712345678", "reference": "for March""#).await;
        assert_eq!(balance(server).await, before, "nothing has come yet");
        let open = payment(server, &sid).await;
        assert_eq!((&open["status"], &open["method"]), (&json!("PENDING"), &json!("+25471****678")));
        let listed = server.get(&format!("/api/billing/transactions/{BUSINESS}/?status=PENDING")).await;
        assert_eq!(listed.as_array().unwrap().len(), 1);
        let row = &listed[0];
        assert_eq!(row["sid"], json!(sid.replace("pay_", "txn_")));
        assert_eq!((&row["type"], &row["amount"], &row["reference"]), (&json!("TOPUP"), &json!(20.5), &json!("for March")));
        assert!(row.get("seq").is_none() && row.get("balance_after").is_none(), "{row}");
        server.confirm(&completed(&sid, "R1", 20.5, "USD")).await;
        let done = payment(server, &sid).await;
        assert_eq!((&done["status"], &done["provider_reference"]), (&json!("COMPLETED"), &json!("R1")));
        let newest = &server.get(&format!("/api/billing/transactions/{BUSINESS}/?limit=1")).await[0];
        assert_eq!(newest["sid"], done["transaction_sid"]);
        assert_eq!((&newest["status"], &newest["type"]), (&json!("COMPLETED"), &json!("TOPUP")));
        let details =
            json!({"payment_sid": sid, "provider": "mpesa", "source": "provider", "provider_reference": "R1"});
        assert_eq!(newest["details"], details);
        let none = server.get(&format!("/api/billing/transactions/{BUSINESS}/?status=PENDING")).await;
        assert_eq!(none, json!([]));
    }

    /// A server whose SECRET_KEY is another now cannot ask for money any more, but still learns what became of
    /// requests.
    async fn another_secret_key(server, &["--payment-providers", "simulated"]) {
        let live = Live { sealer: Sealer::new(b"another"), ..(*server.billing.live).clone() };
        let another = Billing { live: Arc::new(live), ..server.billing.clone() };
        let ask = async |amount: i64| {
            let body = json!({"business_sid": BUSINESS, "amount": amount, "provider": "simulated", "method": "+254712345678"});
            let (status, wallet) = server.post("/api/billing/topup/", &body.to_string()).await;
            assert_eq!(status, StatusCode::ACCEPTED, "{wallet}");
            wallet["pending_transaction"]["details"]["payment_sid"].as_str().unwrap().to_owned()
        };
        let requested = ask(20).await;
        worker::run_due(&server.billing).await.unwrap();
        let unread = ask(30).await;
        server.set_clock("2026-03-18T10:00:04Z");
        worker::run_due(&another).await.unwrap();
        assert_eq!(payment(server, &requested).await["status"], "COMPLETED");
        let failure = "what it is paid from can no longer be read: enter it again";
        assert_eq!(payment(server, &unread).await["failure"], failure);
    }

    /// Fifty at once credit once.
    async fn confirmations_side_by_side(server, MPESA) {
        let before = balance(server).await.as_f64().unwrap();
        let sid = ask(server, "20", "").await;
        let body = completed(&sid, "R1", 20.0, "USD");
        let answers = futures_util::future::join_all((0..50).map(|_| server.confirm(&body))).await;
        let credited = answers.iter().filter(|(_, answer)| answer["result"] == "credited").count();
        let known = answers.iter().filter(|(_, answer)| answer["result"] == "known").count();
        assert_eq!((credited, known), (1, 49), "{answers:?}");
        assert_eq!(balance(server).await.as_f64().unwrap(), before + 20.0);
        // And so do fifty that fit nothing.
        let body = completed("pay_nothing", "R2", 20.0, "USD");
        let answers = futures_util::future::join_all((0..50).map(|_| server.confirm(&body))).await;
        assert!(answers.iter().all(|(status, _)| status.is_success()), "{answers:?}");
        assert_eq!(server.number("SELECT count(*) FROM suspense").await, 1);
    }

    async fn only_who_signs_is_heard(server, MPESA) {
        let sid = ask(server, "20", "").await;
        let body = completed(&sid, "R1", 20.0, "USD");
        let path = "/api/billing/payments/mpesa/confirmations/";
        let before = server.row_counts().await;
        let send = |request: reqwest::RequestBuilder, text: &str| answer(request.body(text.to_owned()));
        let signed = |secret: &str| server.signed(server.request(Method::POST, path), secret, &body);
        let (status, problem) = send(server.request(Method::POST, path), &body).await;
        assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("invalid_signature")), "{problem}");
        assert_eq!(send(signed("another secret, long enough"), &body).await.0, 401);
        assert_eq!(send(signed(MPESA_SECRET), &body.replace("20.0", "2000.0")).await.0, 401, "another body");
        let request = signed(MPESA_SECRET);
        server.set_clock("2026-03-18T10:05:01Z");
        assert_eq!(send(request, &body).await.0, 401, "five minutes and a second later");
        assert_eq!(send(server.request(Method::POST, path).bearer_auth(server.admin_key().await), &body).await.0, 401);
        let elsewhere = "/api/billing/payments/card/confirmations/";
        assert_eq!(send(server.signed(server.request(Method::POST, elsewhere), MPESA_SECRET, &body), &body).await.0, 404);
        for (wrong, field) in [
            ("{}", "payment_sid"),
            (r#"{"payment_sid": "", "status": "failed"}"#, "payment_sid"),
            (r#"{"payment_sid": "x", "status": "maybe"}"#, "status"),
            (r#"{"payment_sid": "x", "status": "completed"}"#, "provider_reference"),
            (r#"{"payment_sid": "x", "status": "completed", "provider_reference": "R"}"#, "amount"),
            (r#"{"payment_sid": "x", "status": "completed", "provider_reference": "R", "amount": 1}"#, "currency"),
            (r#"{"payment_sid": "x", "status": "completed", "provider_reference": "R", "amount": 0, "currency": "USD"}"#, "amount"),
            (r#"{"payment_sid": "x", "status": "completed", "provider_reference": "R", "amount": 1, "currency": "XXX"}"#, "currency"),
        ] {
            let (status, problem) = server.confirm(wrong).await;
            assert_eq!(status, 400, "{wrong}: {problem}");
            assert!(problem["errors"].get(field).is_some(), "{wrong}: {problem}");
        }
        assert_eq!(server.confirm("[").await.0, 400);
        let mut after = server.row_counts().await;
        after.retain(|(table, _)| *table != "api_keys" && *table != "audit_log");
        for row in after {
            assert!(before.contains(&row), "{row:?}");
        }
        assert_eq!(send(signed(MPESA_SECRET), &body).await.0, 200, "signed anew");
    }

    async fn a_key_of_idempotency_asks_once(server, MPESA) {
        let body = format!(r#"{{"business_sid": "{BUSINESS}", "amount": 5, "provider": "mpesa"}}"#);
        let send = |body: String| {
            let request = server.request(Method::POST, "/api/billing/topup/").header("idempotency-key", "once");
            request.header("content-type", "application/json").body(body).send()
        };
        let first = send(body.clone()).await.unwrap();
        assert_eq!(first.status(), 202);
        let first: Value = first.json().await.unwrap();
        let again = send(body.clone()).await.unwrap();
        assert_eq!((again.status().as_u16(), &again.headers()["idempotent-replayed"]), (202, &"true".parse().unwrap()));
        assert_eq!(again.json::<Value>().await.unwrap(), first);
        assert_eq!(send(body.replace("mpesa\"", "mpesa\", \"method\": \"1\"")).await.unwrap().status(), 409);
        assert_eq!(server.number("SELECT count(*) FROM payments").await, 1);
        for (wrong, field) in [
            (r#""provider": "card""#, "provider"),
            (r#""provider": 5"#, "provider"),
            (r#""provider": "mpesa", "method": """#, "method"),
            (r#""provider": "mpesa", "method": "a\nb""#, "method"),
            (r#""method": "+254712345678""#, "method"),
        ] {
            let body = format!(r#"{{"business_sid": "{BUSINESS}", "amount": 5, {wrong}}}"#);
            let (status, problem) = server.post("/api/billing/topup/", &body).await;
            assert_eq!(status, 400, "{body}: {problem}");
            assert!(problem["errors"].get(field).is_some(), "{body}: {problem}");
        }
        let body = format!(r#"{{"business_sid": "{BUSINESS}", "amount": 5.001, "provider": "mpesa"}}"#);
        let (status, problem) = server.post("/api/billing/topup/", &body).await;
        assert_eq!((status.as_u16(), problem["errors"].get("amount").is_some()), (400, true), "{problem}");
    }

    /// Entries and payments in one list, in the order of time, whatever the size of its pages.
    async fn pages_of_both(server, MPESA) {
        for minute in 0..12 {
            server.set_clock(&format!("2026-03-18T10:{minute:02}:30Z"));
            if minute % 3 == 0 {
                let sid = ask(server, "7", "").await;
                if minute % 2 == 0 {
                    server.confirm(&failed(&sid)).await;
                }
            } else {
                server.top_up(BUSINESS, &format!("{minute}")).await;
            }
        }
        let all = server.get(&format!("/api/billing/transactions/{BUSINESS}/?limit=1000")).await;
        let all = all.as_array().unwrap();
        assert_eq!(all.len(), 13, "twelve, and the sample data's own");
        let times: Vec<&str> = all.iter().map(|row| row["created_at"].as_str().unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
        let statuses: Vec<&str> = all.iter().map(|row| row["status"].as_str().unwrap()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == "PENDING").count(), 2);
        assert_eq!(statuses.iter().filter(|status| **status == "FAILED").count(), 2);
        for filter in ["", "&type=TOPUP", "&status=PENDING", "&status=FAILED", "&status=COMPLETED", "&type=SMS_DEBIT",
                       "&from=2026-03-18T10:03:00Z&to=2026-03-18T10:08:00Z"] {
            let whole = server.get(&format!("/api/billing/transactions/{BUSINESS}/?limit=1000{filter}")).await;
            for limit in [1, 2, 3, 5] {
                let mut address = format!("/api/billing/transactions/{BUSINESS}/?limit={limit}{filter}");
                let mut gathered = Vec::new();
                loop {
                    let response = server.request(Method::GET, &address).send().await.unwrap();
                    let next = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
                    let rows: Vec<Value> = response.json().await.unwrap();
                    assert!(rows.len() <= limit && (next.is_none() || !rows.is_empty()), "{address}");
                    gathered.extend(rows);
                    let Some(next) = next else { break };
                    address = next.trim_start_matches('<').split('>').next().unwrap().to_owned();
                }
                assert_eq!(json!(gathered), whole, "pages of {limit}{filter}");
            }
        }
        let listed = server.get(&format!("/api/billing/payments/{BUSINESS}/?limit=1000")).await;
        assert_eq!(listed.as_array().unwrap().len(), 4);
    }

    async fn money_in_suspense(server, MPESA) {
        let admin = server.admin().await;
        let sid = ask(server, "20", "").await;
        for (number, currency) in [(1, "USD"), (2, "KES"), (3, "USD")] {
            server.confirm(&completed(&sid, &format!("R{number}"), 19.0, currency)).await;
        }
        let list = admin.get("/api/admin/suspense/?status=OPEN&sort=created_at").await.body;
        assert_eq!(list.as_array().unwrap().len(), 3, "{list}");
        assert_eq!((&list[0]["cause"], &list[1]["cause"]), (&json!("other_amount"), &json!("other_currency")));
        assert_eq!(list[0]["payment_sid"], json!(sid));
        let address = |row: usize, deed: &str| format!("/api/admin/suspense/{}/{deed}/", list[row]["sid"].as_str().unwrap());
        let whose = json!({"business_sid": BUSINESS, "reason": "The payer called"});
        let before = balance(server).await.as_f64().unwrap();
        let assign_address = address(0, "assign");
        let assign = || admin.post(&assign_address, &whose);
        let answers = futures_util::future::join_all((0..5).map(|_| assign())).await;
        let passed: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(passed.len(), 1, "{answers:?}");
        assert_eq!(passed[0].body["status"], "ASSIGNED");
        assert!(answers.iter().all(|answer| answer.status == 200 || answer.refusal() == (422, "suspense_settled")));
        assert_eq!(balance(server).await.as_f64().unwrap(), before + 19.0);
        let newest = &server.get(&format!("/api/billing/transactions/{BUSINESS}/?status=COMPLETED&limit=1")).await[0];
        assert_eq!((&newest["sid"], &newest["type"]), (&passed[0].body["transaction_sid"], &json!("TOPUP")));
        assert_eq!(newest["details"]["reason"], "The payer called");
        assert_eq!(admin.post(&address(1, "assign"), &whose).await.refusal(), (422, "currency_mismatch"));
        let nobody = json!({"business_sid": "nobody", "reason": "x"});
        assert_eq!(admin.post(&address(1, "assign"), &nobody).await.refusal(), (404, "business_not_found"));
        assert_eq!(admin.post(&address(1, "assign"), &json!({"business_sid": BUSINESS})).await.refusal(), (400, "invalid_request"));
        let dismissed = admin.post(&address(1, "dismiss"), &json!({"reason": "Paid back"})).await;
        assert_eq!((dismissed.status.as_u16(), &dismissed.body["status"]), (200, &json!("DISMISSED")));
        assert_eq!(admin.post(&address(1, "dismiss"), &json!({"reason": "x"})).await.refusal(), (422, "suspense_settled"));
        let missing = format!("/api/admin/suspense/sus_{}/dismiss/", "0".repeat(32));
        assert_eq!(admin.post(&missing, &json!({"reason": "x"})).await.refusal(), (404, "suspense_not_found"));
        let audit = admin.get("/api/billing/audit/?limit=50").await.body;
        for deed in ["suspense.assigned", "suspense.dismissed"] {
            assert!(audit.as_array().unwrap().iter().any(|row| row["action"] == deed), "{deed}: {audit}");
        }
        // The provider tells of it again: it was decided about.
        assert_eq!(server.confirm(&completed(&sid, "R1", 20.0, "USD")).await.1["result"], "known");
        assert_eq!(balance(server).await.as_f64().unwrap(), before + 19.0);
    }
}

on_each_database! {
    /// The provider for development: by its job, a few seconds later, and it says so everywhere.
    async fn simulated(server) {
        let before = balance(server).await.as_f64().unwrap();
        let mut sids = Vec::new();
        for (amount, more) in [("20", ""), ("20.13", ""), ("5", r#", "reference": "please Decline""#)] {
            let body = format!(r#"{{"business_sid": "{BUSINESS}", "amount": {amount}, "provider": "simulated"{more}}}"#);
            let (status, wallet) = server.post("/api/billing/topup/", &body).await;
            assert_eq!(status, StatusCode::ACCEPTED, "{wallet}");
            assert_eq!(wallet["pending_transaction"]["details"]["simulated"], true);
            sids.push(wallet["pending_transaction"]["details"]["payment_sid"].as_str().unwrap().to_owned());
        }
        worker::run_due(&server.billing).await.unwrap();
        assert_eq!(payment(server, &sids[0]).await["status"], "PENDING", "not at once");
        server.set_clock("2026-03-18T10:00:04Z");
        worker::run_due(&server.billing).await.unwrap();
        let statuses = [payment(server, &sids[0]).await, payment(server, &sids[1]).await, payment(server, &sids[2]).await];
        let statuses = statuses.each_ref().map(|payment| payment["status"].as_str().unwrap());
        assert_eq!(statuses, ["COMPLETED", "FAILED", "FAILED"]);
        assert_eq!(balance(server).await.as_f64().unwrap(), before + 20.0);
        let newest = &server.get(&format!("/api/billing/transactions/{BUSINESS}/?status=COMPLETED&limit=1")).await[0];
        assert_eq!(newest["details"]["simulated"], true);
        let (status, _) = server.post("/api/billing/payments/simulated/confirmations/", "{}").await;
        assert_eq!(status, 404, "nobody speaks for it");
        assert_eq!(server.number("SELECT count(*) FROM jobs").await, 0);
    }
}

/// With credentials everybody but admins goes through a provider, where there is one.
#[tokio::test]
async fn who_pays_how() {
    let body = format!(r#"{{"business_sid": "{BUSINESS}", "amount": 5}}"#);
    for (settings, expected) in [(REQUIRED.to_vec(), 422), ([REQUIRED, MPESA].concat(), 202)] {
        let server = Server::start(Database::Sqlite, &settings).await;
        let (status, _) = server.post_as_admin("/api/billing/topup/", &body).await;
        assert_eq!(status, 200, "an admin's at once");
        let key = server.key(Role::Client, Some(BUSINESS)).await;
        let request = server.request(Method::POST, "/api/billing/topup/").bearer_auth(key);
        let (status, text) = answer(request.header("content-type", "application/json").body(body.clone())).await;
        assert_eq!(status, expected, "{text}");
        assert_eq!(text["code"] == "no_payment_provider", expected == 422, "{text}");
    }
}

/// What an adapter answers at once, and what becomes of the payment.
async fn answers(database: Database) {
    let receiver = Receiver::start().await;
    let provider = format!("mpesa={}", receiver.url);
    let secret = format!("mpesa={MPESA_SECRET}");
    let settings = ["--payment-providers", &provider, "--payment-secrets", &secret];
    let server = &Server::start(database, &settings).await;
    let start = balance(server).await.as_f64().unwrap();
    let has = json!({"status": "completed", "provider_reference": "A1", "amount": 15, "currency": "USD"});
    let table = [
        (200, has.to_string(), "COMPLETED", Value::Null),
        (200, json!({"status": "declined", "reason": "no such number"}).to_string(), "FAILED", json!("no such number")),
        (422, json!({"status": "declined", "reason": "no such number"}).to_string(), "FAILED", json!("no such number")),
        (402, String::new(), "FAILED", json!("the provider refused the request (HTTP 402)")),
        (200, "<html>".to_owned(), "PENDING", Value::Null),
        (500, has.to_string(), "PENDING", Value::Null),
        (202, json!({"status": "accepted"}).to_string(), "PENDING", Value::Null),
    ];
    for (status, said, becomes, failure) in table {
        receiver.answer(status);
        receiver.say(&said);
        let sid = ask(server, "15", "").await;
        worker::run_due(&server.billing).await.unwrap();
        let found = payment(server, &sid).await;
        assert_eq!((&found["status"], &found["failure"]), (&json!(becomes), &failure), "{status} {said}");
    }
    assert_eq!(balance(server).await.as_f64().unwrap(), start + 15.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_on_sqlite() {
    answers(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_on_postgres() {
    if postgres::is_available() {
        answers(Database::Postgres).await;
    }
}

/// One that answers nonsense, or nothing, is asked again until an hour has passed, and once more for another.
#[tokio::test]
async fn a_provider_that_does_not_say() {
    let server = Server::start(Database::Sqlite, MPESA).await;
    let sid = ask(&server, "10", "").await;
    for (time, status) in
        [("10:00:00", "PENDING"), ("10:30:00", "PENDING"), ("11:30:00", "PENDING"), ("12:00:01", "FAILED")]
    {
        server.set_clock(&format!("2026-03-18T{time}Z"));
        worker::run_due(&server.billing).await.unwrap();
        assert_eq!(payment(&server, &sid).await["status"], status, "{time}");
    }
    let error = server.number("SELECT count(*) FROM jobs").await;
    assert_eq!(error, 0);
}
