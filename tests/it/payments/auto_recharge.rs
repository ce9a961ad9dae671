//! Tests auto-recharge of wallets.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::worker;

use crate::support::{Database, MPESA, Server, answer, on_each_database, postgres};

const BUSINESS: &str = "biz_test_001";
const ADDRESS: &str = "/api/billing/wallet/biz_test_001/auto-recharge/";

async fn put(server: &Server, body: &Value) -> (StatusCode, Value) {
    answer(server.as_admin(Method::PUT, ADDRESS).await.json(body)).await
}

async fn set(server: &Server, body: Value) -> Value {
    let (status, settings) = put(server, &body).await;
    assert_eq!(status, StatusCode::OK, "{settings}");
    settings
}

/// The balance of the wallet becomes this.
async fn adjust(server: &Server, balance: f64) {
    let wallet = server.get(&format!("/api/billing/wallet/{BUSINESS}/")).await;
    let amount = balance - wallet["balance"].as_f64().unwrap();
    let body = format!(r#"{{"amount": {amount:.6}, "reason": "test"}}"#);
    let (status, _) = server.post_as_admin(&format!("/api/admin/wallets/{BUSINESS}/adjustments/"), &body).await;
    assert_eq!(status, StatusCode::CREATED);
}

async fn open_payments(server: &Server) -> Vec<Value> {
    let list = server.get(&format!("/api/billing/payments/{BUSINESS}/?limit=1000")).await;
    list.as_array().unwrap().iter().filter(|payment| payment["status"] == "PENDING").cloned().collect()
}

async fn the_open_one(server: &Server) -> String {
    let open = open_payments(server).await;
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0]["purpose"], "AUTO_RECHARGE");
    open[0]["sid"].as_str().unwrap().to_owned()
}

async fn fail(server: &Server) {
    let sid = the_open_one(server).await;
    let body = json!({"payment_sid": sid, "status": "failed", "reason": "no funds"});
    assert_eq!(server.confirm(&body.to_string()).await.1["result"], "failed");
}

async fn complete(server: &Server, sid: &str, amount: f64) {
    let body = json!({"payment_sid": sid, "status": "completed", "provider_reference": sid, "amount": amount,
                      "currency": "USD"});
    assert_eq!(server.confirm(&body.to_string()).await.1["result"], "credited");
}

async fn alerts(server: &Server) -> Vec<Value> {
    let list = server.get(&format!("/api/billing/alerts/{BUSINESS}/?limit=1000")).await;
    list.as_array().unwrap().iter().filter(|alert| alert["type"] == "BILLING_ALERT").cloned().collect()
}

async fn on_each(test: impl AsyncFn(&Server)) {
    test(&Server::start(Database::Sqlite, MPESA).await).await;
    if postgres::is_available() {
        test(&Server::start(Database::Postgres, MPESA).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_threshold() {
    on_each(async |server| {
        let settings =
            set(server, json!({"enabled": true, "amount": 20, "threshold": 5, "method": "+254712345678"})).await;
        assert_eq!((&settings["method"], &settings["provider"]), (&json!("+25471****678"), &json!("mpesa")));
        assert_eq!(open_payments(server).await.len(), 0, "there is enough");
        adjust(server, 5.0).await;
        assert_eq!(open_payments(server).await.len(), 0, "5 is not below 5");
        adjust(server, 4.5).await;
        let sid = the_open_one(server).await;
        adjust(server, 4.0).await;
        assert_eq!(the_open_one(server).await, sid, "one at a time");
        let state = server.get(ADDRESS).await["state"].clone();
        assert_eq!((&state["open_payment_sid"], &state["count_today"]), (&json!(sid), &json!(1)));
        complete(server, &sid, 20.0).await;
        let newest = &server.get(&format!("/api/billing/transactions/{BUSINESS}/?limit=1")).await[0];
        assert_eq!((&newest["balance_after"], &newest["details"]["source"]), (&json!(24), &json!("auto_recharge")));
        assert_eq!(newest["type"], "TOPUP");
        assert_eq!(server.get(ADDRESS).await["state"]["open_payment_sid"], Value::Null);
        // One that is not enough asks for the next as it settles.
        adjust(server, -100.0).await;
        complete(server, &the_open_one(server).await, 20.0).await;
        the_open_one(server).await;
    })
    .await;
}

/// 1, 4 and 24 hours, then no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waits_after_failures() {
    on_each(async |server| {
        adjust(server, 1.0).await;
        set(server, json!({"enabled": true, "amount": 20, "threshold": 5})).await;
        the_open_one(server).await;
        for (failures, too_early, in_time) in [
            (1, "2026-03-18T10:59:59Z", "2026-03-18T11:00:00Z"),
            (2, "2026-03-18T14:59:59Z", "2026-03-18T15:00:00Z"),
            (3, "2026-03-19T14:59:59Z", "2026-03-19T15:00:00Z"),
        ] {
            fail(server).await;
            let settings = server.get(ADDRESS).await;
            assert_eq!((&settings["enabled"], &settings["state"]["failures"]), (&json!(true), &json!(failures)));
            assert_eq!(settings["state"]["count_today"], 0, "one that failed is not counted");
            assert_eq!(alerts(server).await.len(), failures);
            assert_eq!(alerts(server).await[0]["severity"], "WARNING");
            server.set_clock(too_early);
            worker::run_due(&server.billing).await.unwrap();
            adjust(server, 2.0 + failures as f64 / 10.0).await;
            assert_eq!(open_payments(server).await.len(), 0, "{too_early}");
            server.set_clock(in_time);
            worker::run_due(&server.billing).await.unwrap();
            the_open_one(server).await;
        }
        fail(server).await;
        let settings = server.get(ADDRESS).await;
        assert_eq!((&settings["enabled"], &settings["amount"]), (&json!(false), &json!(20)));
        let newest = alerts(server).await[0].clone();
        assert_eq!(newest["severity"], "CRITICAL", "{newest}");
        server.set_clock("2026-03-25T15:00:00Z");
        worker::run_due(&server.billing).await.unwrap();
        adjust(server, 1.5).await;
        assert_eq!(open_payments(server).await.len(), 0, "it is switched off");
        let settings = set(server, json!({"enabled": true})).await;
        assert_eq!((&settings["state"]["failures"], &settings["amount"]), (&json!(0), &json!(20)));
        the_open_one(server).await;
    })
    .await;
}

/// One that had been given up brings its money after all, and takes nothing from the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late() {
    on_each(async |server| {
        adjust(server, 1.0).await;
        set(server, json!({"enabled": true, "amount": 20, "threshold": 10})).await;
        let first = the_open_one(server).await;
        fail(server).await;
        server.set_clock("2026-03-18T11:00:00Z");
        worker::run_due(&server.billing).await.unwrap();
        let second = the_open_one(server).await;
        complete(server, &first, 20.0).await;
        assert_eq!(the_open_one(server).await, second);
        let settings = server.get(ADDRESS).await;
        assert_eq!((&settings["state"]["failures"], &settings["state"]["count_today"]), (&json!(0), &json!(2)));
        complete(server, &second, 20.0).await;
        let wallet = server.get(&format!("/api/billing/wallet/{BUSINESS}/")).await;
        assert_eq!(wallet["balance"], 41);
    })
    .await;
}

/// One that comes late gives back nothing of a day whose recharges are used up: the wallet waits for tomorrow as
/// before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_on_a_day_that_is_used_up() {
    on_each(async |server| {
        adjust(server, 1.0).await;
        set(server, json!({"enabled": true, "amount": 20, "threshold": 10, "max_per_day": 1})).await;
        let first = the_open_one(server).await;
        fail(server).await;
        server.set_clock("2026-03-18T11:00:00Z");
        worker::run_due(&server.billing).await.unwrap();
        let second = the_open_one(server).await;
        complete(server, &first, 20.0).await;
        adjust(server, 1.0).await;
        fail(server).await;
        server.set_clock("2026-03-18T12:00:00Z");
        worker::run_due(&server.billing).await.unwrap();
        let tomorrow = "2026-03-19T00:00:00.000000Z";
        let state = server.get(ADDRESS).await["state"].clone();
        assert_eq!((&state["next_attempt_at"], &state["failures"]), (&json!(tomorrow), &json!(1)));
        let told = alerts(server).await.len();
        complete(server, &second, 20.0).await;
        let state = server.get(ADDRESS).await["state"].clone();
        assert_eq!((&state["next_attempt_at"], &state["failures"]), (&json!(tomorrow), &json!(0)));
        adjust(server, 1.0).await;
        assert_eq!((open_payments(server).await.len(), alerts(server).await.len()), (0, told), "it was told already");
        server.set_clock("2026-03-19T00:00:00Z");
        worker::run_due(&server.billing).await.unwrap();
        the_open_one(server).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_has_an_end() {
    on_each(async |server| {
        adjust(server, -100.0).await;
        set(server, json!({"enabled": true, "amount": 20, "threshold": 5, "max_per_day": 3, "max_amount_per_day": 50}))
            .await;
        for _ in 0..2 {
            complete(server, &the_open_one(server).await, 20.0).await;
        }
        assert_eq!(open_payments(server).await.len(), 0, "60 is more than 50");
        let settings = server.get(ADDRESS).await;
        assert_eq!((&settings["state"]["count_today"], &settings["state"]["amount_today"]), (&json!(2), &json!(40)));
        assert_eq!(settings["state"]["next_attempt_at"], "2026-03-19T00:00:00.000000Z");
        assert_eq!(alerts(server).await.len(), 1);
        server.set_clock("2026-03-19T00:00:00Z");
        worker::run_due(&server.billing).await.unwrap();
        the_open_one(server).await;
    })
    .await;
}

/// A refusal for want of funds asks for a recharge above the threshold too, and of many at once only one does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_ask_once() {
    on_each(async |server| {
        adjust(server, 0.01).await;
        set(server, json!({"enabled": true, "amount": 20, "threshold": 0.001})).await;
        assert_eq!(open_payments(server).await.len(), 0);
        let charges = (0..40).map(|number| async move {
            let body = json!({"business_sid": BUSINESS, "message_sid": format!("m{number}"), "to": "+254712345678", "segments": 1});
            server.post("/api/billing/charges/", &body.to_string()).await.0.as_u16()
        });
        let statuses = futures_util::future::join_all(charges).await;
        assert!(statuses.iter().all(|status| *status == 402), "{statuses:?}");
        let sid = the_open_one(server).await;
        complete(server, &sid, 20.0).await;
        assert_eq!(open_payments(server).await.len(), 0);
    })
    .await;
}

on_each_database! {
    async fn settings_that_cannot_be(server) {
        let empty = server.get("/api/billing/wallet/nobody_yet/auto-recharge/").await;
        assert_eq!((&empty["enabled"], &empty["max_per_day"]), (&json!(false), &json!(5)));
        let before = server.number("SELECT count(*) FROM audit_log").await;
        for (body, field) in [
            (json!({}), "enabled"),
            (json!({"enabled": "yes"}), "enabled"),
            (json!({"enabled": true}), "threshold"),
            (json!({"enabled": true, "amount": 20, "threshold": 0}), "threshold"),
            (json!({"enabled": true, "amount": 20, "threshold": null}), "threshold"),
            (json!({"enabled": true, "amount": 4, "threshold": 5}), "amount"),
            (json!({"enabled": true, "amount": 1_000_000_001, "threshold": 5}), "amount"),
            (json!({"enabled": true, "amount": 20.001, "threshold": 5}), "amount"),
            (json!({"enabled": true, "amount": 20, "threshold": 5, "max_per_day": 0}), "max_per_day"),
            (json!({"enabled": true, "amount": 20, "threshold": 5, "max_per_day": 1.5}), "max_per_day"),
            (json!({"enabled": true, "amount": 20, "threshold": 5, "max_amount_per_day": 19}), "max_amount_per_day"),
            (json!({"enabled": true, "amount": 20, "threshold": 5, "provider": "card"}), "provider"),
            (json!({"enabled": true, "amount": 20, "threshold": 5, "method": ""}), "method"),
        ] {
            let (status, problem) = put(server, &body).await;
            assert_eq!(status, 400, "{body}: {problem}");
            assert!(problem["errors"].get(field).is_some(), "{body}: {problem}");
        }
        assert_eq!(server.number("SELECT count(*) FROM auto_recharges").await, 0);
        assert_eq!(server.number("SELECT count(*) FROM audit_log").await, before + 1, "the key of the admin alone");
    }

    async fn settings_stay(server) {
        let wanted = json!({"enabled": true, "amount": 20, "threshold": 5, "method": "+254712345678", "max_per_day": 2,
                            "max_amount_per_day": 30});
        set(server, wanted).await;
        let response = server.request(Method::GET, ADDRESS).send().await.unwrap();
        let seen = response.headers()["etag"].to_str().unwrap().to_owned();
        let off = set(server, json!({"enabled": false})).await;
        assert_eq!((&off["amount"], &off["max_amount_per_day"], &off["method"]), (&json!(20), &json!(30), &json!("+25471****678")));
        let off = set(server, json!({"enabled": false, "max_amount_per_day": null, "method": null})).await;
        assert_eq!((&off["max_amount_per_day"], &off["method"]), (&Value::Null, &Value::Null));
        let request = server.as_admin(Method::PUT, ADDRESS).await.header("if-match", seen).json(&json!({"enabled": true}));
        assert_eq!(answer(request).await.0, 412, "it was changed since");
        let wallet = server.get(&format!("/api/billing/wallet/{BUSINESS}/")).await;
        assert_eq!((&wallet["auto_recharge_enabled"], &wallet["auto_recharge_amount"]), (&json!(false), &json!(20)));
        let audit = server.as_admin(Method::GET, "/api/billing/audit/?limit=10").await.send().await.unwrap();
        let audit = audit.text().await.unwrap();
        assert!(audit.contains("wallet.recharge_changed") && !audit.contains("254712345678"), "{audit}");
    }
}
