//! Tests delivery reports and refunds.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Server, on_each_database};

/// Two segments to Safaricom, Kenya: 0.04 on Starter.
async fn charge(server: &Server, message: &str) -> Value {
    server
        .charge(json!({"business_sid": "biz_test_001", "message_sid": message, "to": "+254712345678", "segments": 2}))
        .await
}

async fn report(server: &Server, message: &str, body: Value) -> Value {
    let path = format!("/api/billing/charges/biz_test_001/{message}/delivery/");
    let (status, answer) = server.post(&path, &body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

async fn refund(server: &Server, message: &str, body: Value) -> (StatusCode, Value) {
    server.post_as_admin(&format!("/api/billing/charges/biz_test_001/{message}/refund/"), &body.to_string()).await
}

async fn balance(server: &Server) -> Value {
    server.get("/api/billing/wallet/biz_test_001/").await["balance"].clone()
}

/// Messages sent, delivered, failed, segments, cost.
async fn usage(server: &Server) -> [Value; 5] {
    let usage = server.get("/api/billing/usage/biz_test_001/?period=THIS_MONTH").await;
    ["total_messages_sent", "total_messages_delivered", "total_messages_failed", "segments", "total_cost"]
        .map(|name| usage[name].clone())
}

on_each_database! {
    /// The first report counts, and is what later ones are answered.
    async fn the_first_report_counts(server) {
        charge(server, "m1").await;
        let first = report(server, "m1", json!({"status": "delivered"})).await;
        assert_eq!((&first["status"], &first["recorded"]), (&json!("delivered"), &json!(true)));
        server.set_clock("2026-03-18T11:00:00Z");
        for status in ["delivered", "failed"] {
            let later = report(server, "m1", json!({"status": status})).await;
            assert_eq!((&later["status"], &later["recorded"]), (&json!("delivered"), &json!(false)));
            assert_eq!(later["reported_at"], first["reported_at"]);
        }
        assert_eq!(usage(server).await, [json!(1), json!(1), json!(0), json!(2), json!(0.04)]);
        assert_eq!(balance(server).await, json!(999.96));
        let usage = server.get("/api/billing/usage/biz_test_001/").await;
        assert_eq!(usage["success_rate"], json!(1));
    }

    /// A failed message is given back whole, with its usage and its place in the tiers.
    async fn a_failure_is_given_back(server) {
        charge(server, "m1").await;
        charge(server, "m2").await;
        let answer = report(server, "m1", json!({"status": "failed", "error_code": "30005"})).await;
        assert_eq!((&answer["refunded"], &answer["error_code"]), (&json!(0.04), &json!("30005")));
        report(server, "m1", json!({"status": "failed", "error_code": "30005"})).await;
        assert_eq!(balance(server).await, json!(999.96));
        assert_eq!(usage(server).await, [json!(1), json!(0), json!(1), json!(2), json!(0.04)]);
        assert_eq!(server.number("SELECT tier_segments FROM wallets WHERE id = 1").await, 2);
        let history = server.get("/api/billing/charges/biz_test_001/m1/").await;
        assert_eq!(history["delivery"]["status"], "failed");
        let entry = &history["refunds"][0];
        assert_eq!((&entry["type"], &entry["amount"], &entry["reference"]), (&json!("REFUND"), &json!(0.04), &json!("m1")));
        assert_eq!(entry["details"], json!({"message_sid": "m1", "reason": "Delivery failed: 30005"}));
        let refunds = server.get("/api/billing/transactions/biz_test_001/?type=REFUND").await;
        assert_eq!(refunds, json!([entry]));
    }

    /// The plan says how much of a failed message is given back, as it said when the message was charged.
    async fn a_share_is_given_back(server) {
        server.execute("UPDATE pricing_plans SET failed_refund = 3333 WHERE name = 'Starter'").await.unwrap();
        server.billing.live.prices.refresh().await.unwrap();
        charge(server, "m1").await;
        server.execute("UPDATE pricing_plans SET failed_refund = 10000 WHERE name = 'Starter'").await.unwrap();
        server.billing.live.prices.refresh().await.unwrap();
        assert_eq!(report(server, "m1", json!({"status": "failed"})).await["refunded"], json!(0.013332));
        // A part moves money and cost only.
        assert_eq!(usage(server).await, [json!(1), json!(0), json!(1), json!(2), json!(0.026668)]);
        let (status, rest) = refund(server, "m1", json!({"reason": "the rest"})).await;
        assert_eq!((status, &rest["transaction"]["amount"]), (StatusCode::CREATED, &json!(0.026668)));
        assert_eq!((&rest["refunded"], &rest["balance"]), (&json!(0.04), &json!(1000)));
        assert_eq!(usage(server).await, [json!(0), json!(0), json!(1), json!(0), json!(0)]);
        let (status, problem) = refund(server, "m1", json!({"amount": 0.000001, "reason": "too much"})).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("refund_exceeds_charge")));
    }

    async fn reports_of_no_message(server) {
        let before = server.row_counts().await;
        for path in ["/api/billing/charges/biz_test_001/m1/delivery/", "/api/billing/charges/nobody/m1/delivery/"] {
            let (status, problem) = server.post(path, r#"{"status": "delivered"}"#).await;
            assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("charge_not_found")));
        }
        assert_eq!(server.row_counts().await, before);
    }

    /// Reports come in batches too, even with the charge they belong to still warm.
    async fn batches_of_reports(server) {
        for message in ["m1", "m2", "m3"] {
            charge(server, message).await;
        }
        let item = |message: &str, status: &str| json!({"business_sid": "biz_test_001", "message_sid": message, "status": status});
        let batch = json!({"deliveries": [
            item("m1", "delivered"), item("m2", "failed"), item("m2", "failed"), item("nothing", "failed"), item("m3", "lost"),
        ]});
        let (status, answer) = server.post("/api/billing/deliveries/batch/", &batch.to_string()).await;
        assert_eq!(status, StatusCode::OK);
        let results = answer["results"].as_array().unwrap();
        let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
        assert_eq!(statuses, [200, 200, 200, 404, 400], "{answer}");
        assert_eq!(results[1]["delivery"]["recorded"], true);
        assert_eq!(results[2]["delivery"]["recorded"], false);
        assert!(results[4]["error"]["errors"]["status"].is_array(), "{answer}");
        assert_eq!(usage(server).await, [json!(2), json!(1), json!(1), json!(4), json!(0.08)]);
    }

    /// Fifty reports of one message at once: one refund.
    async fn reports_at_once(server) {
        charge(server, "m1").await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let request = server.request(Method::POST, "/api/billing/charges/biz_test_001/m1/delivery/");
            let request = request.json(&json!({"status": "failed"}));
            tasks.spawn(async move { request.send().await.unwrap().json::<Value>().await.unwrap()["recorded"] == true });
        }
        let recorded = tasks.join_all().await.into_iter().filter(|recorded| *recorded).count();
        assert_eq!((recorded, balance(server).await), (1, json!(1000)));
    }

    /// A refund by hand happens once with a key, and its reason stands in the history.
    async fn refunds_by_hand(server) {
        charge(server, "m1").await;
        let path = "/api/billing/charges/biz_test_001/m1/refund/";
        let body = json!({"amount": "0.01", "reason": "Goodwill"});
        let mut answers = Vec::new();
        for replayed in [false, true] {
            let request = server.as_admin(Method::POST, path).await.header("idempotency-key", "k1").json(&body);
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), StatusCode::CREATED);
            assert_eq!(response.headers().contains_key("idempotent-replayed"), replayed);
            answers.push(response.json::<Value>().await.unwrap());
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0]["transaction"]["details"], json!({"message_sid": "m1", "reason": "Goodwill"}));
        let other = server.as_admin(Method::POST, path).await.header("idempotency-key", "k1").json(&json!({"reason": "Other"}));
        assert_eq!(other.send().await.unwrap().status(), StatusCode::CONFLICT);
        assert_eq!(balance(server).await, json!(999.97));
        assert_eq!(server.get("/api/billing/charges/biz_test_001/m1/").await["refunded"], json!(0.01));
    }

    /// A month that was invoiced keeps its usage: the refund becomes a line of the current month.
    async fn a_refund_after_the_month_was_closed(server) {
        charge(server, "m1").await;
        server.get("/api/billing/invoices/biz_test_001/?period_start=2026-03-01&period_end=2026-03-31").await;
        server.set_clock("2026-04-05T10:00:00Z");
        let close = "UPDATE invoices SET status = 'SENT', number = 'INV-2026-000001', total = 40000 WHERE wallet_id = 1";
        server.execute(close).await.unwrap();
        report(server, "m1", json!({"status": "failed"})).await;
        assert_eq!(balance(server).await, json!(1000));
        let march = server.get("/api/billing/usage/biz_test_001/?period=LAST_MONTH").await;
        assert_eq!((&march["total_cost"], &march["segments"]), (&json!(0.04), &json!(2)), "as invoiced");
        let april = server.get("/api/billing/invoices/biz_test_001/").await;
        assert_eq!((&april["total_amount"], &april["period_start"]), (&json!(-0.04), &json!("2026-04-01")));
        let line = &april["line_items"][0];
        assert_eq!((&line["quantity"], &line["total"], &line["category"]), (&json!(1), &json!(-0.04), &json!("SMS")));
    }
}
