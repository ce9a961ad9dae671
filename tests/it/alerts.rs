//! Endpoint 8: alerts.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Database, Server, on_each_database};

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
}
