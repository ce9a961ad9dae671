//! Endpoint 2: a wallet's history.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, on_each_database};

/// Ten top-ups of 1, 2 … 10, an hour apart, beginning at 2026-03-01T00:00:00Z.
async fn history(server: &Server) {
    for hour in 0..10 {
        server.set_clock(&format!("2026-03-01T{hour:02}:00:00Z"));
        server.top_up("h", &(hour + 1).to_string()).await;
    }
}

fn amounts(entries: &Value) -> Vec<i64> {
    entries.as_array().unwrap().iter().map(|entry| entry["amount"].as_i64().unwrap()).collect()
}

on_each_database! {
    /// Following `Link` walks the whole history, newest first, each row once.
    async fn pages_follow_one_another(server) {
        history(server).await;
        let mut path = "/api/billing/transactions/h/?limit=4&type=TOPUP".to_owned();
        let (mut seen, mut pages) = (Vec::new(), 0);
        loop {
            let response = server.request(Method::GET, &path).send().await.unwrap();
            let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            seen.extend(amounts(&response.json().await.unwrap()));
            pages += 1;
            let Some(link) = link else { break };
            assert!(link.ends_with(">; rel=\"next\"") && link.contains("limit=4&type=TOPUP"), "{link}");
            path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        }
        assert_eq!((seen, pages), ((1..=10).rev().collect(), 3));
    }

    /// A row that comes in between pages moves nothing.
    async fn pages_stay_put_while_rows_come(server) {
        history(server).await;
        let first = server.request(Method::GET, "/api/billing/transactions/h/?limit=4").send().await.unwrap();
        let link = first.headers()["link"].to_str().unwrap().to_owned();
        server.top_up("h", "99").await;
        let next = link.trim_start_matches('<').split('>').next().unwrap();
        assert_eq!(amounts(&server.get(next).await), [6, 5, 4, 3]);
    }

    async fn fifty_unless_asked(server) {
        for _ in 0..51 {
            server.top_up("many", "1").await;
        }
        assert_eq!(server.get("/api/billing/transactions/many/").await.as_array().unwrap().len(), 50);
        assert_eq!(server.get("/api/billing/transactions/many/?limit=30").await.as_array().unwrap().len(), 30);
        assert_eq!(server.get("/api/billing/transactions/many/?limit=1000").await.as_array().unwrap().len(), 51);
    }

    /// `from` is included; `to` is included as a day, excluded as an instant.
    async fn by_time(server) {
        history(server).await;
        for (query, expected) in [
            ("from=2026-03-01T05:00:00Z", vec![10, 9, 8, 7, 6]),
            ("to=2026-03-01T05:00:00Z", vec![5, 4, 3, 2, 1]),
            ("from=2026-03-01T02:00:00Z&to=2026-03-01T04:00:00Z", vec![4, 3]),
            ("from=2026-03-01T08:30:00%2B03:00&limit=2", vec![10, 9]),
            ("from=2026-03-01T02:00:00.000001Z&to=2026-03-01T04:00:00.000001Z", vec![5, 4]),
            ("from=2026-03-01&to=2026-03-01", (1..=10).rev().collect()),
            ("from=2026-03-02", vec![]),
            ("to=2026-02-28", vec![]),
            ("from=2026-03-01T09:00:00Z&to=2026-03-01T01:00:00Z", vec![]),
            ("from=2026-03-01T05:00:00Z&type=TOPUP&status=COMPLETED", vec![10, 9, 8, 7, 6]),
        ] {
            let entries = server.get(&format!("/api/billing/transactions/h/?{query}")).await;
            assert_eq!(amounts(&entries), expected, "{query}");
        }
    }

    /// Every number of rows, every place of the bound: the halving agrees with counting.
    async fn a_time_is_found_in_histories_of_every_length(server) {
        for length in 0..9 {
            for hour in 0..=length {
                let entries = server
                    .get(&format!("/api/billing/transactions/h/?from=2026-03-01T{hour:02}:00:00Z&limit=1000"))
                    .await;
                assert_eq!(amounts(&entries).len(), length - hour, "{length} rows from {hour}:00");
            }
            server.set_clock(&format!("2026-03-01T{length:02}:00:00Z"));
            server.top_up("h", "1").await;
        }
    }

    async fn by_type_and_status(server) {
        history(server).await;
        let count = |query: &'static str| async move {
            server.get(&format!("/api/billing/transactions/h/?{query}")).await.as_array().unwrap().len()
        };
        assert_eq!(count("type=TOPUP").await, 10);
        assert_eq!(count("type=topup&status=completed").await, 10);
        assert_eq!(count("type=SMS_DEBIT").await, 0);
        assert_eq!(count("type=REFUND").await, 0);
        assert_eq!(count("status=PENDING").await, 0);
        assert_eq!(count("status=FAILED").await, 0);
        assert_eq!(count("type=&status=&cursor=&from=").await, 10, "empty parameters do not filter");
    }

    /// What the ledger of a message debit looks like on the wire: details are there, numbers as numbers, exactly.
    async fn details_are_shown_as_stored(server) {
        let uid = match server.database {
            crate::support::Database::Sqlite => "randomblob(16)",
            crate::support::Database::Postgres => "gen_random_uuid()",
        };
        let details = r#"{"messages":1,"segments":2,"price_per_sms":0.018001,"to":"+2547****678"}"#;
        let sql = format!(
            "INSERT INTO transactions (wallet_id, seq, uid, type, amount, balance_after, reference, details, metadata, \
             actor, request_id, created_at) SELECT id, 2, {uid}, 'SMS_DEBIT', -36002, 999963998, '', '{details}', NULL, \
             'gateway', NULL, updated_at FROM wallets WHERE id = 1"
        );
        server.execute(&sql).await.unwrap();
        let entries = server.get("/api/billing/transactions/biz_test_001/?type=SMS_DEBIT").await;
        assert_eq!(entries[0]["details"], serde_json::from_str::<Value>(details).unwrap());
        assert_eq!(entries[0]["metadata"], json!({}));
        assert_eq!(entries[0]["amount"], json!(-0.036002));
        let text = server.get_text("/api/billing/transactions/biz_test_001/?type=SMS_DEBIT").await;
        assert!(text.contains("0.018001") && text.contains("-0.036002"), "{text}");
        assert_eq!(server.get("/api/billing/transactions/biz_test_001/").await.as_array().unwrap().len(), 2);
    }
}
