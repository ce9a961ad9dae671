//! Tests the wire contract: the eight answers, each against a JSON Schema and as a snapshot.

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::notifications::alerts::warn;
use crate::reports::usage::roll_up;
use crate::support::{Server, on_each_database};

/// Checks an answer, or each row of one, against a definition of `schemas.json`.
fn check(name: &str, answer: &Value) {
    let mut schema: Value = serde_json::from_str(include_str!("schemas.json")).unwrap();
    let definition = json!({"$ref": format!("#/$defs/{name}")});
    if answer.is_array() {
        schema["items"] = definition;
    } else {
        schema["allOf"] = json!([definition]);
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(answer).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{name}: {errors:?} in {answer:#}");
}

/// Money and counts are numbers wherever they stand: a string would break the page's arithmetic.
fn no_number_is_a_string(answer: &Value) {
    match answer {
        Value::Array(items) => items.iter().for_each(no_number_is_a_string),
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_text = name.starts_with("mcc") || name.starts_with("mnc");
                if let Value::String(text) = value {
                    assert!(is_text || text.parse::<f64>().is_err(), "{name} is a number in a string: {text}");
                }
                no_number_is_a_string(value);
            }
        }
        _ => {}
    }
}

async fn fill(server: &Server) {
    server.top_up("biz_test_001", "12.34").await;
    roll_up(server, "'2026-03-17', 'KE', 'Safaricom', 20000, 10, 8, 1, 12, 240000").await;
    roll_up(server, "'2026-03-18', 'UG', 'MTN', 18000, 4, 4, 0, 4, 72000").await;
    warn(server, 1).await;
}

on_each_database! {
    async fn the_eight_answers(server) {
        fill(server).await;
        let body = r#"{"business_sid":"AC_CLIENT_2001","amount":12.34,"reference":"CLIENT_TOPUP"}"#;
        let (status, topup) = server.post("/api/billing/topup/", body).await;
        assert_eq!(status, StatusCode::OK);
        let answers = [
            ("Wallet", "wallet", server.get("/api/billing/wallet/biz_test_001/").await),
            ("BillingTransaction", "transactions", server.get("/api/billing/transactions/biz_test_001/?limit=50").await),
            ("Wallet", "topup", topup),
            ("PricingPlan", "pricing_plans", server.get("/api/billing/pricing-plans/").await),
            ("RateCard", "rate_cards", server.get("/api/billing/rate-cards/?country_code=KE&operator=Safaricom").await),
            ("UsageMetrics", "usage", server.get("/api/billing/usage/biz_test_001/?period=THIS_WEEK").await),
            ("Invoice", "invoice", server.get("/api/billing/invoices/biz_test_001/").await),
            ("BillingAlert", "alerts", server.get("/api/billing/alerts/biz_test_001/").await),
        ];
        for (schema, snapshot, answer) in &answers {
            check(schema, answer);
            no_number_is_a_string(answer);
            insta::with_settings!({prepend_module_to_snapshot => false, filters => vec![("[0-9a-f]{32}", "[id]")]}, {
                assert_json_snapshot!(*snapshot, answer);
            });
        }
        check("RateCard", &server.get("/api/billing/rate-cards/").await);
        check("UsageMetrics", &server.get("/api/billing/usage/nobody/").await);
        check("Invoice", &server.get("/api/billing/invoices/nobody/?period_start=2026-03-02&period_end=2026-03-03").await);
    }

    /// What the front end's pages ask, in their order, with the origin and the foreign host its proxy sends.
    async fn the_front_ends_pages(server) {
        let ask = |path: &'static str| async move {
            let request = server.request(Method::GET, path).header("origin", "http://localhost:3000");
            let response = request.header("host", "localhost:3000").send().await.unwrap();
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            response.json::<Value>().await.unwrap()
        };
        for slash in ["", "/"] {
            // The client's view.
            let business = "AC_CLIENT_2001";
            let get = |path: String| ask(Box::leak(path.into_boxed_str()));
            check("Wallet", &get(format!("/api/billing/wallet/{business}{slash}")).await);
            check("BillingTransaction", &get(format!("/api/billing/transactions/{business}{slash}?limit=30")).await);
            for period in ["THIS_MONTH", "TODAY", "THIS_WEEK"] {
                let usage = get(format!("/api/billing/usage/{business}{slash}?period={period}")).await;
                check("UsageMetrics", &usage);
                assert_eq!(usage["period"], period);
            }
            check("PricingPlan", &get(format!("/api/billing/pricing-plans{slash}")).await);
            check("BillingAlert", &get(format!("/api/billing/alerts/{business}{slash}")).await);
            let before = get(format!("/api/billing/wallet/{business}{slash}")).await["balance"].as_f64().unwrap();
            let body = r#"{"business_sid":"AC_CLIENT_2001","amount":12.34,"reference":"CLIENT_TOPUP"}"#;
            let (status, wallet) = server.post(&format!("/api/billing/topup{slash}"), body).await;
            assert_eq!(status, StatusCode::OK);
            check("Wallet", &wallet);
            assert!((wallet["balance"].as_f64().unwrap() - before - 12.34).abs() < 1e-9);
            let entries = get(format!("/api/billing/transactions/{business}{slash}?limit=30")).await;
            assert_eq!(entries[0]["reference"], "CLIENT_TOPUP");
            // The dashboard's, the reseller's and the admin's.
            for business in ["AC_CLIENT_2001", "AC_RESELLER_1001", "AC_CLIENT_2002"] {
                check("Wallet", &get(format!("/api/billing/wallet/{business}{slash}")).await);
                check("BillingTransaction", &get(format!("/api/billing/transactions/{business}{slash}?limit=50")).await);
            }
            check("BillingAlert", &get(format!("/api/billing/alerts/AC_RESELLER_1001{slash}")).await);
            check("RateCard", &get(format!("/api/billing/rate-cards{slash}")).await);
        }
    }
}

/// The schemas can fail: a money value that is a string, a field that is missing.
#[test]
#[should_panic(expected = "is not of type")]
fn a_string_is_no_money() {
    check(
        "RateCard",
        &json!({
            "sid": "rate_1", "country_code": "KE", "country_name": "Kenya", "operator": "Safaricom", "price_per_sms": "0.02",
            "currency": "USD", "effective_from": "2024-01-01", "notes": ""
        }),
    );
}
