//! Tests alerts, when they are raised, and at which thresholds.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Database, Server, answer, on_each_database};

/// Alerts of the first wallet, numbered; the odd ones are read.
pub async fn warn(server: &Server, count: i64) {
    let uid = match server.database {
        Database::Sqlite => "randomblob(16)",
        Database::Postgres => "gen_random_uuid()",
    };
    for number in 1..=count {
        let is_read = if number % 2 == 1 { "TRUE" } else { "FALSE" };
        let sql = format!(
            "INSERT INTO alerts (uid, wallet_id, type, severity, message, threshold, current_value, is_read, created_at) \
             VALUES ({uid}, 1, 'LOW_BALANCE', 'WARNING', 'alert {number}', 10000000, 9500000, {is_read}, \
             1773828000000000)"
        );
        server.execute(&sql).await.unwrap();
    }
}

fn messages(alerts: &Value) -> Vec<&str> {
    alerts.as_array().unwrap().iter().map(|alert| alert["message"].as_str().unwrap()).collect()
}

on_each_database! {
    async fn newest_first(server) {
        warn(server, 3).await;
        let alerts = server.get("/api/billing/alerts/biz_test_001/").await;
        assert_eq!(messages(&alerts), ["alert 3", "alert 2", "alert 1"]);
        assert_eq!(alerts[0]["business_sid"], "biz_test_001");
        assert_eq!((&alerts[0]["type"], &alerts[0]["severity"]), (&json!("LOW_BALANCE"), &json!("WARNING")));
        assert_eq!((&alerts[0]["threshold"], &alerts[0]["current_value"]), (&json!(10), &json!(9.5)));
        assert_eq!((&alerts[0]["is_read"], &alerts[1]["is_read"]), (&json!(true), &json!(false)));
        assert_eq!(alerts[0]["created_at"], "2026-03-18T10:00:00.000000Z");
        assert_eq!(server.get("/api/billing/alerts/biz_test_002/").await, json!([]));
    }

    async fn only_unread(server) {
        warn(server, 5).await;
        let unread = server.get("/api/billing/alerts/biz_test_001/?unread=true").await;
        assert_eq!(messages(&unread), ["alert 4", "alert 2"]);
        assert_eq!(server.get("/api/billing/alerts/biz_test_001/?unread=0").await.as_array().unwrap().len(), 5);
    }

    async fn a_page_at_a_time(server) {
        warn(server, 5).await;
        let path = "/api/billing/alerts/biz_test_001/?limit=2&unread=false";
        let first = server.request(Method::GET, path).send().await.unwrap();
        let link = first.headers()["link"].to_str().unwrap().to_owned();
        let next = link.trim_start_matches('<').split('>').next().unwrap();
        assert_eq!(messages(&server.get(next).await), ["alert 3", "alert 2"]);
    }

    /// 10,000 messages in flight cross one threshold, and then zero: two alerts, and not one more.
    async fn one_alert_a_crossing(server) {
        server.top_up("busy", "110").await;
        let mut batches = Vec::new();
        for batch in 0..100 {
            let messages: Vec<Value> = (0..100).map(|number| message("busy", &format!("m{batch}-{number}"))).collect();
            let body = json!({"charges": messages}).to_string();
            let request = server.request(Method::POST, "/api/billing/charges/batch/");
            batches.push(answer(request.header("content-type", "application/json").body(body)));
        }
        let answers = futures_util::future::join_all(batches).await;
        let results = answers.iter().flat_map(|(_, answer)| answer["results"].as_array().unwrap());
        let passed = results.filter(|result| result["status"] == 201).count();
        // 1,000 at 0.02, and from there on at 0.018: the last that passes leaves nothing.
        assert_eq!(passed, 6_000);
        let alerts = server.get("/api/billing/alerts/busy/").await;
        let told: Vec<_> = alerts.as_array().unwrap().iter().map(|alert| (&alert["type"], &alert["severity"])).collect();
        let (kind, low, none) = (json!("LOW_BALANCE"), json!("WARNING"), json!("CRITICAL"));
        assert_eq!(told, [(&kind, &none), (&kind, &low)]);
        assert_eq!((&alerts[1]["threshold"], &alerts[1]["current_value"]), (&json!(10), &json!(9.99)));
        assert_eq!(alerts[1]["message"], "The balance is 9.99 USD, below 10 USD: top up soon.");
        let sentence = "The balance is used up (0 USD): messages are refused until it is topped up.";
        assert_eq!((&alerts[0]["message"], &alerts[0]["current_value"]), (&json!(sentence), &json!(0)));
    }

    async fn a_top_up_arms_them_again(server) {
        server.top_up("b", "10").await;
        for (step, amount) in [(1, "0.5"), (2, "2"), (3, "0")] {
            server.charge(message("b", &format!("m{step}"))).await;
            if amount != "0" {
                server.top_up("b", amount).await;
            }
        }
        // Told at 9.98; 10.46 is not far enough above 10, 12.44 is, but nothing goes below 10 again.
        assert_eq!(server.get("/api/billing/alerts/b/").await.as_array().unwrap().len(), 1);
        let body = json!({"amount": -3, "reason": "a test"}).to_string();
        let (status, _) = server.post_as_admin("/api/admin/wallets/b/adjustments/", &body).await;
        assert_eq!(status, StatusCode::CREATED);
        let alerts = server.get("/api/billing/alerts/b/").await;
        assert_eq!(alerts.as_array().unwrap().len(), 2, "an adjustment takes too: {alerts}");
    }

    /// Three times the mean of the week before, and not in the first week of a wallet.
    async fn an_unusual_day(server) {
        server.top_up("b", "1000").await;
        let mut number = 0;
        for (day, messages) in [(18, 30), (19, 1), (20, 1), (21, 1), (22, 1), (23, 1), (24, 1), (25, 15), (25, 1), (26, 1)] {
            server.set_clock(&format!("2026-03-{day}T12:00:00Z"));
            for _ in 0..messages {
                number += 1;
                server.charge(message("b", &format!("m{number}"))).await;
            }
            // 36 messages in the week before the 25th: more than 36 × 3 / 7 = 15.4 of them are unusual.
            let expected = usize::from(number >= 52);
            let alerts = server.get("/api/billing/alerts/b/").await;
            assert_eq!(alerts.as_array().unwrap().len(), expected, "after {number} messages: {alerts}");
        }
        let alert = &server.get("/api/billing/alerts/b/").await[0];
        assert_eq!((&alert["type"], &alert["severity"]), (&json!("BILLING_ALERT"), &json!("WARNING")));
        assert_eq!(alert["current_value"], json!(0.32));
    }

    async fn read_one_and_all(server) {
        warn(server, 4).await;
        let count = |critical, warning, info| {
            json!({"business_sid": "biz_test_001", "unread": critical + warning + info, "critical": critical,
                   "warning": warning, "info": info})
        };
        assert_eq!(server.get("/api/billing/alerts/biz_test_001/count/").await, count(0, 2, 0));
        let unread = server.get("/api/billing/alerts/biz_test_001/?unread=true").await;
        let path = format!("/api/billing/alerts/biz_test_001/{}/read/", unread[0]["sid"].as_str().unwrap());
        for _ in 0..2 {
            let (status, alert) = answer(server.as_admin(Method::POST, &path).await).await;
            assert_eq!((status, &alert["is_read"]), (StatusCode::OK, &json!(true)));
        }
        assert_eq!(server.get("/api/billing/alerts/biz_test_001/count/").await, count(0, 1, 0));
        for marked in [1, 0] {
            let request = server.as_admin(Method::POST, "/api/billing/alerts/biz_test_001/read-all/").await;
            let expected = json!({"business_sid": "biz_test_001", "marked": marked});
            assert_eq!(answer(request).await, (StatusCode::OK, expected));
        }
        assert_eq!(server.get("/api/billing/alerts/biz_test_001/count/").await, count(0, 0, 0));
        assert_eq!(server.get("/api/billing/alerts/nobody/count/").await["unread"], 0);
        let audited = "SELECT count(*) FROM audit_log WHERE action IN ('alerts.read', 'alert.changed')";
        assert_eq!(server.number(audited).await, 2, "once each");
    }

    async fn thresholds(server) {
        let path = "/api/billing/wallet/biz_test_001/thresholds/";
        let shown = server.get(path).await;
        assert_eq!((&shown["low_balance"], &shown["is_default"]), (&json!(10), &json!(true)));
        let set = async |body: &str| {
            let request = server.as_admin(Method::PUT, path).await.header("content-type", "application/json");
            answer(request.body(body.to_owned())).await
        };
        for (body, detail) in [
            ("{}", "low_balance is missing"),
            (r#"{"low_balance": -1}"#, "low_balance must be 0 to 1000000000, or null for the server's own threshold"),
            (r#"{"low_balance": 1000000000.01}"#, "low_balance must be 0 to 1000000000, or null for the server's own threshold"),
        ] {
            let (status, problem) = set(body).await;
            assert_eq!((status, &problem["detail"]), (StatusCode::BAD_REQUEST, &json!(detail)));
        }
        let (status, now) = set(r#"{"low_balance": 999.99}"#).await;
        assert_eq!((status, &now["low_balance"], &now["is_default"]), (StatusCode::OK, &json!(999.99), &json!(false)));
        server.charge(message("biz_test_001", "m1")).await;
        assert_eq!(server.get("/api/billing/alerts/biz_test_001/").await[0]["current_value"], json!(999.98));
        let (_, now) = set(r#"{"low_balance": null}"#).await;
        assert_eq!(now["low_balance"], json!(10));
        assert_eq!(server.get(path).await, now);
    }
}

fn message(business: &str, message: &str) -> Value {
    json!({"business_sid": business, "message_sid": message, "country_code": "KE", "operator": "Safaricom", "segments": 1})
}
