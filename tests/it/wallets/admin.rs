//! Tests how admins change wallets: settings with versions, and adjustments that are entered once.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::services;

use crate::access::rights::business;
use crate::edge::bad_inputs::check;
use crate::support::{Server, answer, on_each_database};

const WALLET: &str = "/api/admin/wallets/biz_test_001/";
const ADJUSTMENTS: &str = "/api/admin/wallets/biz_test_001/adjustments/";

/// The wallet as admins read it, and its ETag.
async fn read(server: &Server, path: &str) -> (String, Value) {
    let response = server.as_admin(Method::GET, path).await.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    (etag, response.json().await.unwrap())
}

async fn change(server: &Server, path: &str, if_match: &str, body: Value) -> (StatusCode, Value) {
    answer(server.as_admin(Method::PATCH, path).await.header("if-match", if_match).json(&body)).await
}

/// An adjustment with a key: the status, whether it was a replay, and the answer.
async fn adjust(server: &Server, key: &str, body: &Value) -> (StatusCode, bool, Value) {
    let request = server.as_admin(Method::POST, ADJUSTMENTS).await.header("idempotency-key", key).json(body);
    let response = request.send().await.unwrap();
    let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
    (response.status(), replayed, response.json().await.unwrap())
}

async fn plan(server: &Server, name: &str) -> Value {
    let plans = server.get("/api/billing/pricing-plans/").await;
    let found = plans.as_array().unwrap().iter().find(|plan| plan["name"] == name);
    found.unwrap()["sid"].clone()
}

fn message(business: &str, message: &str) -> Value {
    json!({"business_sid": business, "message_sid": message, "to": "+254712345678", "segments": 1})
}

async fn charge(server: &Server, business: &str, sid: &str) -> (StatusCode, Value) {
    server.post("/api/billing/charges/", &message(business, sid).to_string()).await
}

/// Nothing that must hold is broken.
async fn assert_reconciled(server: &Server) {
    let report = services::operations::reconcile::reconcile(&server.billing.db, chrono_tz::UTC, &|_| ()).await.unwrap();
    let told: Vec<String> = report.findings().flat_map(|(_, finding)| finding.told).collect();
    assert!(told.is_empty(), "{told:#?}");
}

/// Content type, If-Match, body, status, code, field.
type BadChange = (&'static str, &'static str, &'static str, u16, &'static str, &'static str);

const JSON: &str = "application/json";
const BAD: &str = "invalid_request";
const NO_PLAN: &str = r#"{"credit_limit":5,"pricing_plan_sid":"plan_00000000000000000000000000000000"}"#;

const BAD_CHANGES: &[BadChange] = &[
    (JSON, "", r#"{"credit_limit":5}"#, 428, "precondition_required", "If-Match"),
    (JSON, "abc", r#"{"credit_limit":5}"#, 400, BAD, "If-Match"),
    (JSON, "\"abc\"", r#"{"credit_limit":5}"#, 412, "changed_meanwhile", "If-Match"),
    (JSON, "W/\"abc\"", r#"{"credit_limit":5}"#, 412, "changed_meanwhile", "If-Match"),
    ("text/plain", "*", r#"{"credit_limit":5}"#, 415, "unsupported_media_type", ""),
    (JSON, "*", "[]", 400, BAD, ""),
    (JSON, "*", "{}", 400, BAD, ""),
    (JSON, "*", r#"{"balance":5}"#, 400, BAD, ""),
    (JSON, "*", r#"{"currency":"KES"}"#, 400, BAD, ""),
    (JSON, "*", r#"{"credit_limit":null}"#, 400, BAD, "credit_limit"),
    (JSON, "*", r#"{"credit_limit":-0.000001}"#, 400, BAD, "credit_limit"),
    (JSON, "*", r#"{"credit_limit":1000000000000.000001}"#, 400, BAD, "credit_limit"),
    (JSON, "*", r#"{"credit_limit":0.0000001}"#, 400, BAD, "credit_limit"),
    (JSON, "*", r#"{"credit_limit":1e21}"#, 400, BAD, "credit_limit"),
    (JSON, "*", r#"{"credit_limit":"unlimited"}"#, 400, BAD, "credit_limit"),
    (JSON, "*", r#"{"credit_limit":true}"#, 400, BAD, "credit_limit"),
    (JSON, "*", r#"{"credit_limit":1,"credit_limit":2}"#, 400, BAD, "credit_limit"),
    (JSON, "*", r#"{"pricing_plan_sid":"Starter"}"#, 400, BAD, "pricing_plan_sid"),
    (JSON, "*", r#"{"pricing_plan_sid":7}"#, 400, BAD, "pricing_plan_sid"),
    (JSON, "*", NO_PLAN, 400, BAD, "pricing_plan_sid"),
];

/// Body, status, code, field.
type BadAdjustment = (&'static str, u16, &'static str, &'static str);

const BAD_ADJUSTMENTS: &[BadAdjustment] = &[
    ("[]", 400, BAD, ""),
    ("{}", 400, BAD, "amount"),
    (r#"{"amount":1}"#, 400, BAD, "reason"),
    (r#"{"reason":"x"}"#, 400, BAD, "amount"),
    (r#"{"amount":1,"reason":""}"#, 400, BAD, "reason"),
    (r#"{"amount":1,"reason":null}"#, 400, BAD, "reason"),
    (r#"{"amount":1,"reason":"a\nb"}"#, 400, BAD, "reason"),
    (r#"{"amount":1,"reason":"a\u0000b"}"#, 400, BAD, "reason"),
    (r#"{"amount":0,"reason":"x"}"#, 400, BAD, "amount"),
    (r#"{"amount":-0.0,"reason":"x"}"#, 400, BAD, "amount"),
    (r#"{"amount":null,"reason":"x"}"#, 400, BAD, "amount"),
    (r#"{"amount":"-","reason":"x"}"#, 400, BAD, "amount"),
    (r#"{"amount":0.0000001,"reason":"x"}"#, 400, BAD, "amount"),
    (r#"{"amount":1000000000.000001,"reason":"x"}"#, 400, BAD, "amount"),
    (r#"{"amount":-1000000000.000001,"reason":"x"}"#, 400, BAD, "amount"),
    (r#"{"amount":-1e21,"reason":"x"}"#, 400, BAD, "amount"),
    (r#"{"amount":1,"reason":"x","reference":5}"#, 400, BAD, "reference"),
];

on_each_database! {
    /// What is changed stands in the wallet and in the audit log, and an unchanged one leaves no trace.
    async fn settings_are_changed(server) {
        let (etag, before) = read(server, WALLET).await;
        assert_eq!(server.get("/api/billing/wallet/biz_test_001/").await, before);
        let professional = plan(server, "Professional").await;
        server.set_clock("2026-03-18T11:00:00Z");
        let body = json!({"credit_limit": "250.5", "pricing_plan_sid": professional});
        let address = format!("{WALLET}?reason=Good%20payer");
        let (status, after) = change(server, &address, &etag, body.clone()).await;
        assert_eq!(status, StatusCode::OK, "{after}");
        assert_eq!((&after["credit_limit"], &after["available"]), (&json!(250.5), &json!(1250.5)));
        assert_eq!((&after["pricing_plan_sid"], &after["balance"]), (&professional, &json!(1000)));
        assert_eq!(after["updated_at"], "2026-03-18T11:00:00.000000Z");
        let (new_etag, shown) = read(server, WALLET).await;
        assert_eq!((&shown, new_etag != etag), (&after, true));
        assert_eq!(server.get("/api/billing/wallet/biz_test_001/").await, after);

        let rows = server.row_counts().await;
        assert_eq!(change(server, &address, &new_etag, body).await, (StatusCode::OK, after.clone()));
        assert_eq!(server.row_counts().await, rows, "nothing was changed, and nothing is noted");

        let trail = format!(
            "SELECT count(*) FROM audit_log WHERE action = 'wallet.changed' AND subject = '{}' AND reason = 'Good payer' \
             AND actor LIKE 'key_%' AND request_id IS NOT NULL AND CAST(before AS TEXT) LIKE '%\"credit_limit\"%0%' \
             AND CAST(after AS TEXT) LIKE '%250.5%'",
            after["sid"].as_str().unwrap()
        );
        assert_eq!(server.number(&trail).await, 1);

        let (status, without) = change(server, WALLET, "*", json!({"pricing_plan_sid": null})).await;
        assert_eq!((status, without.get("pricing_plan_sid")), (StatusCode::OK, None));
        assert_eq!((&without["type"], &without["credit_limit"]), (&json!("PREPAID"), &json!(250.5)), "what is left out stays");
        let enterprise = plan(server, "Enterprise").await;
        let (_, postpaid) = change(server, WALLET, "*", json!({"pricing_plan_sid": enterprise})).await;
        assert_eq!(postpaid["type"], "POSTPAID");
        assert_eq!(server.get("/api/billing/wallet/biz_test_001/").await, postpaid);
        let (status, most) = change(server, WALLET, "*", json!({"credit_limit": 1_000_000_000_000_i64})).await;
        assert_eq!((status, &most["available"]), (StatusCode::OK, &json!(1_000_000_001_000_i64)));
        assert_reconciled(server).await;
    }

    /// Who did not see the last change does not undo it. Messages and top-ups are none.
    async fn a_lost_update_is_refused(server) {
        let (etag, _) = read(server, WALLET).await;
        server.charge(message("biz_test_001", "m-1")).await;
        server.top_up("biz_test_001", "5").await;
        assert_eq!(read(server, WALLET).await.0, etag, "its balance is another, its settings are not");
        let (status, _) = change(server, WALLET, &etag, json!({"credit_limit": 10})).await;
        assert_eq!(status, StatusCode::OK);
        let rows = server.row_counts().await;
        let (status, problem) = change(server, WALLET, &etag, json!({"credit_limit": 20})).await;
        assert_eq!((status, &problem["code"]), (StatusCode::PRECONDITION_FAILED, &json!("changed_meanwhile")));
        assert_eq!(server.row_counts().await, rows);

        let (etag, _) = read(server, WALLET).await;
        let writers = (1..=10).map(|limit| change(server, WALLET, &etag, json!({"credit_limit": 100 + limit})));
        let statuses: Vec<StatusCode> = futures_util::future::join_all(writers).await.into_iter().map(|(status, _)| status).collect();
        assert_eq!(statuses.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == StatusCode::PRECONDITION_FAILED).count(), 9, "{statuses:?}");
        assert_eq!(server.number("SELECT count(*) FROM audit_log WHERE action = 'wallet.changed'").await, 2);
    }

    /// The limit and the plan count from the next message on; a lowered limit may leave the wallet below it.
    async fn the_next_message_is_charged_by_them(server) {
        let path = "/api/admin/wallets/acme/";
        server.top_up("acme", "0.01").await;
        assert_eq!(charge(server, "acme", "m-1").await.0, StatusCode::PAYMENT_REQUIRED);
        assert_eq!(change(server, path, "*", json!({"credit_limit": 0.05})).await.0, StatusCode::OK);
        let (status, charged) = charge(server, "acme", "m-1").await;
        assert_eq!((status, &charged["balance"]), (StatusCode::CREATED, &json!(-0.01)));
        let professional = plan(server, "Professional").await;
        change(server, path, "*", json!({"pricing_plan_sid": professional})).await;
        let (_, charged) = charge(server, "acme", "m-2").await;
        assert_eq!((&charged["rating"]["total"], &charged["balance"]), (&json!(0.018), &json!(-0.028)));
        change(server, path, "*", json!({"pricing_plan_sid": null})).await;
        let (_, charged) = charge(server, "acme", "m-3").await;
        assert_eq!((&charged["rating"]["total"], &charged["available"]), (&json!(0.02), &json!(0.002)));
        let (_, lowered) = change(server, path, "*", json!({"credit_limit": 0})).await;
        assert_eq!((&lowered["balance"], &lowered["available"]), (&json!(-0.048), &json!(-0.048)));
        let (status, problem) = charge(server, "acme", "m-4").await;
        assert_eq!((status, &problem["available"]), (StatusCode::PAYMENT_REQUIRED, &json!(-0.048)));
        assert_reconciled(server).await;
    }

    /// A change of the limit and a batch of charges each keep the other's columns, whoever comes first.
    async fn no_balance_is_lost_under_load(server) {
        let charges = (0..20).map(|batch| async move {
            let messages: Vec<Value> = (0..20).map(|n| message("biz_test_001", &format!("m-{batch}-{n}"))).collect();
            let body = json!({"charges": messages}).to_string();
            let (status, answer) = server.post("/api/billing/charges/batch/", &body).await;
            assert_eq!(status, StatusCode::OK);
            assert!(answer["results"].as_array().unwrap().iter().all(|result| result["status"] == 201), "{answer}");
        });
        let changes = (1..=20).map(|limit| async move {
            let (status, wallet) = change(server, WALLET, "*", json!({"credit_limit": limit})).await;
            assert_eq!((status, &wallet["credit_limit"]), (StatusCode::OK, &json!(limit)));
        });
        let adjustments = (0..20).map(|turn| async move {
            let (status, _, answer) = adjust(server, &format!("k-{turn}"), &json!({"amount": 0.5, "reason": "load"})).await;
            assert_eq!(status, StatusCode::CREATED, "{answer}");
        });
        let (charges, changes) = (futures_util::future::join_all(charges), futures_util::future::join_all(changes));
        futures_util::future::join3(charges, changes, futures_util::future::join_all(adjustments)).await;
        let (_, wallet) = read(server, WALLET).await;
        assert_eq!(wallet["balance"], json!(1002), "1000 - 400 x 0.02 + 20 x 0.5");
        assert!((1..=20).contains(&wallet["credit_limit"].as_i64().unwrap()));
        assert_eq!(server.number("SELECT count(*) FROM audit_log WHERE action = 'wallet.changed'").await, 20);
        assert_reconciled(server).await;
    }

    async fn bad_changes(server) {
        server.admin_key().await;
        let before = server.row_counts().await;
        for (content_type, if_match, body, status, code, field) in BAD_CHANGES {
            let request = server.as_admin(Method::PATCH, WALLET).await.header("content-type", *content_type);
            let request = if if_match.is_empty() { request } else { request.header("if-match", *if_match) };
            check(request.body(*body).send().await.unwrap(), *status, code, field, body).await;
        }
        business(server, "walletless", "CLIENT", "ACTIVE", None).await;
        for (sid, status, code, field) in [
            ("undefined", 400, "invalid_business_sid", "business_sid"),
            ("nobody", 404, "business_not_found", ""),
            ("walletless", 404, "wallet_not_found", ""),
        ] {
            let path = format!("/api/admin/wallets/{sid}/");
            check(server.as_admin(Method::GET, &path).await.send().await.unwrap(), status, code, field, sid).await;
            let request = server.as_admin(Method::PATCH, &path).await.header("if-match", "*");
            check(request.json(&json!({"credit_limit": 1})).send().await.unwrap(), status, code, field, sid).await;
        }
        server.execute("DELETE FROM businesses WHERE sid = 'walletless'").await.unwrap();
        assert_eq!(server.row_counts().await, before);
    }

    /// An adjustment adds or takes, says why in the wallet's history, and may pass the limit.
    async fn adjustments_are_entries(server) {
        let body = json!({"amount": -1200.000001, "reason": "Credited twice", "reference": "TICKET-4711"});
        let (status, _, taken) = adjust(server, "k-1", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{taken}");
        let row = &taken["transaction"];
        assert_eq!((&row["type"], &row["amount"]), (&json!("CREDIT_ADJUSTMENT"), &json!(-1200.000001)));
        assert_eq!((&row["balance_after"], &taken["balance"]), (&json!(-200.000001), &json!(-200.000001)));
        assert_eq!(taken["available"], json!(-200.000001), "below the limit, which is 0");
        assert_eq!((&row["details"], &row["reference"]), (&json!({"reason": "Credited twice"}), &json!("TICKET-4711")));
        assert_eq!(server.get("/api/billing/transactions/biz_test_001/?type=CREDIT_ADJUSTMENT").await, json!([row]));
        assert_eq!(charge(server, "biz_test_001", "m-1").await.0, StatusCode::PAYMENT_REQUIRED);
        let (_, _, given) = adjust(server, "k-2", &json!({"amount": "1e3", "reason": "Goodwill"})).await;
        assert_eq!((&given["balance"], &given["transaction"]["reference"]), (&json!(799.999999), &json!("")));
        let trail = "SELECT count(*) FROM transactions WHERE type = 'CREDIT_ADJUSTMENT' AND actor LIKE 'key_%' \
                     AND request_id IS NOT NULL";
        assert_eq!(server.number(trail).await, 2, "its own row says who");
        for bound in ["1000000000", "-1000000000", "0.000001"] {
            let (status, answer) = server.post_as_admin(ADJUSTMENTS, &format!(r#"{{"amount": {bound}, "reason": "x"}}"#)).await;
            assert_eq!(status, StatusCode::CREATED, "{answer}");
        }
        assert_reconciled(server).await;
    }

    /// A business without a wallet gets one; a name that is nobody's gets nothing.
    async fn whose_wallet(server) {
        business(server, "walletless", "CLIENT", "ACTIVE", None).await;
        let body = json!({"amount": 5, "reason": "Welcome"}).to_string();
        let (status, answer) = server.post_as_admin("/api/admin/wallets/walletless/adjustments/", &body).await;
        assert_eq!((status, &answer["balance"]), (StatusCode::CREATED, &json!(5)), "{answer}");
        assert_eq!(server.get("/api/billing/wallet/walletless/").await["balance"], json!(5));
        server.admin_key().await;
        let before = server.row_counts().await;
        let request = server.as_admin(Method::POST, "/api/admin/wallets/nobody/adjustments/").await;
        let request = request.header("content-type", JSON).body(body);
        check(request.send().await.unwrap(), 404, "business_not_found", "", "nobody").await;
        assert_eq!(server.row_counts().await, before);
        assert_reconciled(server).await;
    }

    /// 20 identical requests at once: one entry, one answer. The key with another request is a conflict.
    async fn a_key_counts_once_however_often(server) {
        let body = json!({"amount": 5, "reason": "once", "reference": "r"});
        let answers = futures_util::future::join_all((0..20).map(|_| adjust(server, "key-1", &body))).await;
        assert!(answers.iter().all(|(status, _, _)| *status == StatusCode::CREATED), "{answers:?}");
        assert_eq!(answers.iter().filter(|(_, replayed, _)| !replayed).count(), 1, "one did it, the rest replayed");
        assert!(answers.iter().all(|(_, _, answer)| answer == &answers[0].2));
        let count = "SELECT count(*) FROM transactions WHERE type = 'CREDIT_ADJUSTMENT'";
        assert_eq!(server.number(count).await, 1);
        server.top_up("biz_test_001", "100").await;
        let again = json!({"reference": "r", "reason": "once", "amount": "5.00"});
        assert_eq!(adjust(server, "key-1", &again).await, (StatusCode::CREATED, true, answers[0].2.clone()));
        server.admin_key().await;
        let before = server.row_counts().await;
        for other in [
            json!({"amount": -5, "reason": "once", "reference": "r"}),
            json!({"amount": 5, "reason": "twice", "reference": "r"}),
            json!({"amount": 5, "reason": "once"}),
        ] {
            let (status, _, problem) = adjust(server, "key-1", &other).await;
            assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("idempotency_conflict")));
        }
        assert_eq!(server.row_counts().await, before);
        assert_reconciled(server).await;
    }

    async fn bad_adjustments(server) {
        server.admin_key().await;
        let before = server.row_counts().await;
        for (body, status, code, field) in BAD_ADJUSTMENTS {
            let request = server.as_admin(Method::POST, ADJUSTMENTS).await.header("content-type", JSON);
            check(request.body(*body).send().await.unwrap(), *status, code, field, body).await;
        }
        let request = server.as_admin(Method::POST, ADJUSTMENTS).await.header("idempotency-key", "a b");
        let request = request.json(&json!({"amount": 1, "reason": "x"}));
        check(request.send().await.unwrap(), 400, BAD, "Idempotency-Key", "a key").await;
        assert_eq!(server.row_counts().await, before);
        for (balance, amount) in [("4000000000000000000", "0.000001"), ("-4000000000000000000", "-0.000001")] {
            server.execute(&format!("UPDATE wallets SET balance = {balance} WHERE id = 1")).await.unwrap();
            server.admin_key().await;
        let before = server.row_counts().await;
            let body = format!(r#"{{"amount":{amount},"reason":"x"}}"#);
            let request = server.as_admin(Method::POST, ADJUSTMENTS).await.header("content-type", JSON).body(body);
            check(request.send().await.unwrap(), 422, "balance_out_of_range", "", balance).await;
            assert_eq!(server.row_counts().await, before);
        }
    }
}

/// A connection that breaks during COMMIT leaves the outcome unknown: the key is looked up again, and the same key
/// settles it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_outcome_is_unknown() {
    use crate::support::{Database, postgres};
    if !postgres::is_available() {
        return;
    }
    let server = Server::start(Database::Postgres, &[]).await;
    server.admin_key().await;
    for sql in [
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON transactions DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION dawdle()",
    ] {
        server.execute(sql).await.unwrap();
    }
    let body = json!({"amount": 1, "reason": "x"});
    let breaking = async {
        let find = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
                    AND state = 'active' AND query ILIKE 'COMMIT%'";
        while server.number(find).await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let ((status, _, problem), ()) = futures_util::future::join(adjust(&server, "k", &body), breaking).await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("outcome_unknown")));
    server.execute("DROP TRIGGER dawdle ON transactions").await.unwrap();
    assert_eq!(adjust(&server, "k", &body).await.0, StatusCode::CREATED);
    assert_eq!(server.get("/api/billing/wallet/biz_test_001/").await["balance"], json!(1001));
}
