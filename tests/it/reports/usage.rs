//! Tests usage, read from rollups.

use serde_json::{Value, json};

use crate::support::{Server, on_each_database};

/// A rollup row of the first wallet: day, country, operator, price in millionths, then sent, delivered, failed,
/// segments and cost in millionths.
pub async fn roll_up(server: &Server, row: &str) {
    let columns = "wallet_id, day, country_code, operator, unit_price, messages_sent, messages_delivered, \
                   messages_failed, segments, cost";
    server.execute(&format!("INSERT INTO usage_metrics ({columns}) VALUES (1, {row})")).await.unwrap();
}

async fn march(server: &Server) {
    roll_up(server, "'2026-03-18', 'KE', 'Safaricom', 20000, 10, 8, 1, 12, 240000").await;
    roll_up(server, "'2026-03-18', 'KE', 'Safaricom', 18000, 5, 4, 1, 5, 90000").await;
    roll_up(server, "'2026-03-17', 'KE', 'Airtel', 18000, 4, 0, 0, 4, 72000").await;
    roll_up(server, "'2026-03-16', 'UG', 'MTN', 18000, 20, 20, 0, 20, 360000").await;
    roll_up(server, "'2026-03-15', 'TZ', '', 50000, 1, 1, 0, 1, 50000").await;
    roll_up(server, "'2026-02-28', 'RW', 'MTN', 9000, 7, 7, 0, 7, 63000").await;
}

fn totals(usage: &Value) -> (i64, i64, i64) {
    let count = |name: &str| usage[name].as_i64().unwrap();
    (count("total_messages_sent"), count("total_messages_delivered"), count("total_messages_failed"))
}

on_each_database! {
    async fn periods(server) {
        march(server).await;
        for (period, sent, first, last) in [
            ("TODAY", 15, "2026-03-18", "2026-03-18"),
            ("YESTERDAY", 4, "2026-03-17", "2026-03-17"),
            ("THIS_WEEK", 39, "2026-03-16", "2026-03-22"),
            ("THIS_MONTH", 40, "2026-03-01", "2026-03-31"),
            ("LAST_MONTH", 7, "2026-02-01", "2026-02-28"),
            ("CUSTOM&start=2026-02-28&end=2026-03-15", 8, "2026-02-28", "2026-03-15"),
            ("custom&start=2026-02-28T12:00:00Z&end=2026-03-15T12:00:00Z", 8, "2026-02-28", "2026-03-15"),
        ] {
            let usage = server.get(&format!("/api/billing/usage/biz_test_001/?period={period}")).await;
            assert_eq!(totals(&usage).0, sent, "{period}");
            assert_eq!((&usage["period_start"], &usage["period_end"]), (&json!(first), &json!(last)), "{period}");
            let name = period.split('&').next().unwrap().to_uppercase();
            assert_eq!(usage["period"], json!(name));
        }
        let unasked = server.get("/api/billing/usage/biz_test_001/").await;
        assert_eq!(unasked["period"], "THIS_MONTH");
    }

    async fn sums_and_tops(server) {
        march(server).await;
        let usage = server.get("/api/billing/usage/biz_test_001/?period=THIS_MONTH").await;
        assert_eq!(totals(&usage), (40, 33, 2));
        assert_eq!(usage["segments"], 42);
        assert_eq!(usage["success_rate"], json!(0.942857));
        assert_eq!(usage["total_cost"], json!(0.812));
        assert_eq!(usage["average_cost_per_message"], json!(0.0203));
        assert_eq!(usage["top_countries"], json!([
            {"country_code": "KE", "country_name": "Kenya", "messages_sent": 19, "cost": 0.402},
            {"country_code": "UG", "country_name": "Uganda", "messages_sent": 20, "cost": 0.36},
            {"country_code": "TZ", "country_name": "Tanzania", "messages_sent": 1, "cost": 0.05},
        ]));
        assert_eq!(usage["top_operators"][0], json!(
            {"operator": "MTN", "country": "Uganda", "country_code": "UG", "messages_sent": 20, "cost": 0.36}
        ));
        assert_eq!(usage["top_operators"][3]["operator"], "Other");
        let daily = usage["daily"].as_array().unwrap();
        assert_eq!(daily.len(), 18, "the days up to today");
        assert_eq!(daily[17], json!({
            "date": "2026-03-18", "messages_sent": 15, "messages_delivered": 12, "messages_failed": 2, "segments": 17,
            "cost": 0.33
        }));
        assert_eq!(daily[0]["messages_sent"], 0);
    }

    /// The page multiplies and formats these: they are numbers even where there is nothing.
    async fn nothing_is_zero(server) {
        let usage = server.get("/api/billing/usage/biz_test_002/?period=TODAY").await;
        for field in ["success_rate", "total_cost", "average_cost_per_message", "total_messages_sent"] {
            assert_eq!(usage[field], json!(0), "{field}");
        }
        assert_eq!(usage["top_countries"], json!([]));
    }

    async fn another_business_is_not_counted(server) {
        march(server).await;
        assert_eq!(totals(&server.get("/api/billing/usage/biz_test_002/").await), (0, 0, 0));
    }
}

/// At 22:30 UTC it is tomorrow in Nairobi.
#[tokio::test]
async fn days_are_those_of_the_billing_zone() {
    use crate::support::Database;
    let server = Server::start(Database::Sqlite, &["--billing-timezone", "Africa/Nairobi"]).await;
    server.set_clock("2026-03-31T22:30:00Z");
    let usage = server.get("/api/billing/usage/biz_test_001/?period=TODAY").await;
    assert_eq!(usage["period_start"], "2026-04-01");
    let usage = server.get("/api/billing/usage/biz_test_001/?period=LAST_MONTH").await;
    assert_eq!(usage["period_end"], "2026-03-31");
}
