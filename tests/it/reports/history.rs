//! Tests a wallet's history.

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

    /// What the debit of a message looks like on the wire: details are there, numbers as numbers, exactly.
    async fn details_of_a_debit(server) {
        server.execute("UPDATE rate_cards SET price_per_sms = 18001 WHERE country_code = 'UG'").await.unwrap();
        server.billing.live.prices.refresh().await.unwrap();
        server.charge(json!({"business_sid": "biz_test_001", "message_sid": "m", "to": "+256772123456", "segments": 2,
                             "metadata": {"campaign": 7.50}})).await;
        let entries = server.get("/api/billing/transactions/biz_test_001/?type=SMS_DEBIT").await;
        assert_eq!(entries[0]["details"], json!({
            "messages": 1, "segments": 2, "price_per_sms": 0.018001, "country_code": "UG", "operator": "MTN",
            "to": "+25677****456",
        }));
        assert_eq!(entries[0]["metadata"], json!({"campaign": 7.5}));
        assert_eq!((&entries[0]["amount"], &entries[0]["reference"]), (&json!(-0.036002), &json!("m")));
        let text = server.get_text("/api/billing/transactions/biz_test_001/?type=SMS_DEBIT").await;
        assert!(text.contains("0.018001") && text.contains("-0.036002"), "{text}");
        assert_eq!(server.get("/api/billing/transactions/biz_test_001/").await.as_array().unwrap().len(), 2);
    }

    /// A history of several hundred rows, of two types in turns: every page, every filter and every bound of time
    /// agrees with counting, wherever the marked rows lie.
    async fn deep_in_a_long_history(server) {
        const ROWS: i64 = 300;
        for row in 1..=ROWS {
            let (hour, minute) = (row / 60, row % 60);
            server.set_clock(&format!("2026-03-01T{hour:02}:{minute:02}:00Z"));
            if row % 3 == 1 {
                server.top_up("h", "1").await;
            } else {
                server.charge(json!({"business_sid": "h", "message_sid": format!("m{row}"), "country_code": "RW",
                                     "operator": "Airtel", "segments": 1})).await;
            }
        }
        let seqs = |entries: &Value| -> Vec<i64> {
            entries.as_array().unwrap().iter().map(|entry| entry["seq"].as_i64().unwrap()).collect()
        };
        for (filter, is_wanted) in [
            ("", (|_| true) as fn(i64) -> bool),
            ("&type=TOPUP", |seq| seq % 3 == 1),
            ("&type=SMS_DEBIT", |seq| seq % 3 != 1),
            ("&type=COMMISSION", |_| false),
            ("&from=2026-03-01T01:10:00Z&to=2026-03-01T03:20:00Z", |seq| (70..200).contains(&seq)),
            ("&type=SMS_DEBIT&from=2026-03-01T01:10:00Z", |seq| seq >= 70 && seq % 3 != 1),
        ] {
            let mut path = format!("/api/billing/transactions/h/?limit=37{filter}");
            let mut seen = Vec::new();
            loop {
                let response = server.request(Method::GET, &path).send().await.unwrap();
                let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
                seen.extend(seqs(&response.json().await.unwrap()));
                let Some(link) = link else { break };
                path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
            }
            assert_eq!(seen, (1..=ROWS).rev().filter(|seq| is_wanted(*seq)).collect::<Vec<_>>(), "{filter}");
        }
        for row in [1, 2, 63, 64, 65, 127, 128, 129, 191, 192, 255, 256, 257, 299, 300] {
            let at = format!("2026-03-01T{:02}:{:02}:00", row / 60, row % 60);
            for (bound, first) in [(format!("{at}Z"), row), (format!("{at}.000001Z"), row + 1)] {
                let entries = server.get(&format!("/api/billing/transactions/h/?from={bound}&limit=1000")).await;
                assert_eq!(seqs(&entries), (first..=ROWS).rev().collect::<Vec<_>>(), "from {bound}");
                let entries = server.get(&format!("/api/billing/transactions/h/?to={bound}&limit=1000")).await;
                assert_eq!(seqs(&entries), (1..first).rev().collect::<Vec<_>>(), "to {bound}");
            }
        }
    }
}
