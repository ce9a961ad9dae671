//! Bad input: what each is answered, that the answer names the field, and that nothing changes.

use reqwest::Method;
use serde_json::Value;

use crate::support::{Server, on_each_database};

/// Address, status, code, and the field that `errors` must name ("" where no single one is wrong).
type BadRead = (&'static str, u16, &'static str, &'static str);

const SID: &str = "invalid_business_sid";
const BAD: &str = "invalid_request";

const BAD_READS: &[BadRead] = &[
    ("/api/billing/wallet/undefined/", 400, SID, "business_sid"),
    ("/api/billing/wallet/null", 400, SID, "business_sid"),
    ("/api/billing/wallet/a%20b/", 400, SID, "business_sid"),
    ("/api/billing/wallet/a%2Fb/", 400, SID, "business_sid"),
    ("/api/billing/wallet/caf%C3%A9/", 400, SID, "business_sid"),
    ("/api/billing/wallet/%00/", 400, SID, "business_sid"),
    ("/api/billing/wallet/%FF/", 400, SID, "business_sid"),
    ("/api/billing/wallet/a'%20OR%201=1--/", 400, SID, "business_sid"),
    (
        "/api/billing/wallet/12345678901234567890123456789012345678901234567890123456789012345/",
        400,
        SID,
        "business_sid",
    ),
    ("/api/billing/wallet/", 404, "not_found", ""),
    ("/api/billing/wallet/a/b/", 404, "not_found", ""),
    ("/api/billing/wallet//", 400, SID, "business_sid"),
    ("/api/billing/nothing/", 404, "not_found", ""),
    ("/api/billing/topup/", 405, "method_not_allowed", ""),
    ("/api/billing/transactions/undefined/", 400, SID, "business_sid"),
    ("/api/billing/transactions/b/?limit=0", 400, BAD, "limit"),
    ("/api/billing/transactions/b/?limit=1001", 400, BAD, "limit"),
    ("/api/billing/transactions/b/?limit=-1", 400, BAD, "limit"),
    ("/api/billing/transactions/b/?limit=1.5", 400, BAD, "limit"),
    ("/api/billing/transactions/b/?limit=ten", 400, BAD, "limit"),
    ("/api/billing/transactions/b/?limit=99999999999999999999", 400, BAD, "limit"),
    ("/api/billing/transactions/b/?limit=5&limit=6", 400, BAD, "limit"),
    ("/api/billing/transactions/b/?cursor=abc", 400, BAD, "cursor"),
    ("/api/billing/transactions/b/?cursor=c0", 400, BAD, "cursor"),
    ("/api/billing/transactions/b/?cursor=cffffffffffffffff", 400, BAD, "cursor"),
    ("/api/billing/transactions/b/?type=PAYMENT", 400, BAD, "type"),
    ("/api/billing/transactions/b/?status=DONE", 400, BAD, "status"),
    ("/api/billing/transactions/b/?from=yesterday", 400, BAD, "from"),
    ("/api/billing/transactions/b/?from=2026-02-30", 400, BAD, "from"),
    ("/api/billing/transactions/b/?to=2026-03-01T00:00:00", 400, BAD, "to"),
    ("/api/billing/transactions/b/?to=0001-01-01", 400, BAD, "to"),
    ("/api/billing/transactions/b/?from=%00", 400, BAD, "from"),
    ("/api/billing/pricing-plans/x/", 404, "not_found", ""),
    ("/api/billing/pricing-plans//", 404, "not_found", ""),
    ("/api/billing/rate-cards/?country_code=XX", 400, BAD, "country_code"),
    ("/api/billing/rate-cards/?country_code=Kenya", 400, BAD, "country_code"),
    ("/api/billing/rate-cards/?country_code=KE&country_code=UG", 400, BAD, "country_code"),
    ("/api/billing/rate-cards/?operator=a%00b", 400, BAD, "operator"),
    (
        "/api/billing/rate-cards/?operator=12345678901234567890123456789012345678901234567890123456789012345",
        400,
        BAD,
        "operator",
    ),
    ("/api/billing/rate-cards/?as_of=2026-3-1", 400, BAD, "as_of"),
    ("/api/billing/rate-cards/?as_of=2026-03-01T00:00:00Z", 400, BAD, "as_of"),
    ("/api/billing/usage/null/", 400, SID, "business_sid"),
    ("/api/billing/usage/b/?period=FOREVER", 400, BAD, "period"),
    ("/api/billing/usage/b/?period=CUSTOM", 400, BAD, "start"),
    ("/api/billing/usage/b/?period=CUSTOM&start=2026-03-01", 400, BAD, "end"),
    ("/api/billing/usage/b/?period=CUSTOM&end=2026-03-01", 400, BAD, "start"),
    ("/api/billing/usage/b/?period=CUSTOM&start=2026-03-02&end=2026-03-01", 400, BAD, "end"),
    ("/api/billing/usage/b/?period=CUSTOM&start=2025-01-01&end=2026-03-01", 400, BAD, "end"),
    ("/api/billing/usage/b/?period=CUSTOM&start=soon&end=2026-03-01", 400, BAD, "start"),
    ("/api/billing/invoices/undefined/", 400, SID, "business_sid"),
    ("/api/billing/invoices/b/?period_start=2026-03-01", 400, BAD, "period_end"),
    ("/api/billing/invoices/b/?period_end=2026-03-31", 400, BAD, "period_start"),
    ("/api/billing/invoices/b/?period_start=2026-03-31&period_end=2026-03-01", 400, BAD, "period_end"),
    ("/api/billing/invoices/b/?period_start=2024-03-01&period_end=2026-03-31", 400, BAD, "period_end"),
    ("/api/billing/invoices/b/?period_start=Invalid%20Date&period_end=2026-03-31", 400, BAD, "period_start"),
    ("/api/billing/invoices/b/?period_start=1999-12-01&period_end=1999-12-31", 400, BAD, "period_start"),
    ("/api/billing/alerts/undefined/", 400, SID, "business_sid"),
    ("/api/billing/alerts/b/?unread=maybe", 400, BAD, "unread"),
    ("/api/billing/alerts/b/?limit=0", 400, BAD, "limit"),
    ("/api/billing/alerts/b/?cursor=1", 400, BAD, "cursor"),
];

const JSON: &str = "application/json";

/// Content type, body, status, code, field.
type BadTopup = (&'static str, &'static str, u16, &'static str, &'static str);

const BAD_TOPUPS: &[BadTopup] = &[
    ("", r#"{"business_sid":"b","amount":1}"#, 415, "unsupported_media_type", ""),
    ("text/plain", r#"{"business_sid":"b","amount":1}"#, 415, "unsupported_media_type", ""),
    ("application/x-www-form-urlencoded", "business_sid=b&amount=1", 415, "unsupported_media_type", ""),
    (JSON, "", 400, "malformed_json", ""),
    (JSON, "{", 400, "malformed_json", ""),
    (JSON, r#"{"business_sid":"b","amount":1}}"#, 400, "malformed_json", ""),
    (JSON, r#"{"business_sid":"b","amount":01}"#, 400, "malformed_json", ""),
    (JSON, r#"{"business_sid":"b","amount":NaN}"#, 400, "malformed_json", ""),
    (JSON, r#"{"business_sid":"b","amount":+1}"#, 400, "malformed_json", ""),
    (JSON, "null", 400, BAD, ""),
    (JSON, "7", 400, BAD, ""),
    (JSON, r#"["b",5,null]"#, 400, BAD, ""),
    (JSON, "{}", 400, BAD, "business_sid"),
    (JSON, r#"{"amount":1}"#, 400, BAD, "business_sid"),
    (JSON, r#"{"business_sid":"b"}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":1,"amount":2}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"undefined","amount":1}"#, 400, SID, "business_sid"),
    (JSON, r#"{"business_sid":null,"amount":1}"#, 400, SID, "business_sid"),
    (JSON, r#"{"business_sid":7,"amount":1}"#, 400, SID, "business_sid"),
    (JSON, r#"{"business_sid":"","amount":1}"#, 400, SID, "business_sid"),
    (JSON, r#"{"business_sid":"a b","amount":1}"#, 400, SID, "business_sid"),
    (JSON, r#"{"business_sid":"b","amount":0}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":-0.0}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":-5}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":0.0000001}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":1000000000.000001}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":1e+21}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":1e999999999999}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":1e-9}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":99999999999999999999999999999999}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":"12,34"}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":"NaN"}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":"Infinity"}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":""}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":" 1"}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":"+1"}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":null}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":true}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":[1]}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":{"value":1}}"#, 400, BAD, "amount"),
    (JSON, r#"{"business_sid":"b","amount":1,"reference":5}"#, 400, BAD, "reference"),
    (JSON, r#"{"business_sid":"b","amount":1,"reference":"a\u0000b"}"#, 400, BAD, "reference"),
    (JSON, r#"{"business_sid":"b","amount":1,"reference":"a\nb"}"#, 400, BAD, "reference"),
];

/// The one shape of every error: status, code, a sentence, and the field where one is wrong.
async fn check(response: reqwest::Response, status: u16, code: &str, field: &str, what: &str) {
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{what}");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.status(), status, "{what}");
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], code, "{what}: {problem}");
    assert_eq!(problem["status"], status, "{what}");
    assert_eq!(problem["request_id"], id.as_str(), "{what}");
    assert_eq!(problem["type"], "about:blank", "{what}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.len() > 10 && !detail.contains("at line 1"), "{what}: {detail}");
    if field.is_empty() {
        assert!(problem.get("errors").is_none(), "{what}: {problem}");
    } else {
        let sentences = problem["errors"][field].as_array();
        assert!(sentences.is_some_and(|sentences| !sentences.is_empty()), "{what}: {problem}");
    }
    assert_ne!(problem["title"], "", "{what}");
}

async fn post(server: &Server, content_type: &str, body: String) -> reqwest::Response {
    let request = server.request(Method::POST, "/api/billing/topup/").body(body);
    let request = if content_type.is_empty() { request } else { request.header("content-type", content_type) };
    request.send().await.unwrap()
}

on_each_database! {
    async fn reads(server) {
        let before = server.row_counts().await;
        for (path, status, code, field) in BAD_READS {
            let response = server.request(Method::GET, path).send().await.unwrap();
            check(response, *status, code, field, path).await;
        }
        assert_eq!(server.row_counts().await, before);
    }

    async fn topups(server) {
        let before = server.row_counts().await;
        for (content_type, body, status, code, field) in BAD_TOPUPS {
            let response = post(server, content_type, (*body).to_owned()).await;
            // Where the JSON itself is wrong, the sentence says at which column.
            if *code == "malformed_json" {
                let problem: Value = response.json().await.unwrap();
                assert_eq!((&problem["code"], &problem["status"]), (&Value::from(*code), &Value::from(*status)), "{body}");
                assert!(problem["detail"].as_str().unwrap().contains("line 1 column"), "{problem}");
            } else {
                check(response, *status, code, field, body).await;
            }
        }
        let long = format!(r#"{{"business_sid":"b","amount":1,"reference":"{}"}}"#, "x".repeat(256));
        check(post(server, JSON, long).await, 400, BAD, "reference", "a long reference").await;
        let deep = format!(r#"{{"business_sid":"b","amount":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        check(post(server, JSON, deep).await, 400, BAD, "amount", "an amount nested deeply").await;
        let large = format!(r#"{{"business_sid":"b","amount":1,"x":"{}"}}"#, "x".repeat(1 << 20));
        check(post(server, JSON, large).await, 413, "payload_too_large", "", "a large body").await;
        assert_eq!(server.row_counts().await, before);
    }

    async fn keys(server) {
        let before = server.row_counts().await;
        for key in ["", "a b", &"x".repeat(256), "caf\u{e9}"] {
            let request = server.request(Method::POST, "/api/billing/topup/").header("idempotency-key", key.as_bytes());
            let request = request.header("content-type", JSON).body(r#"{"business_sid":"b","amount":1}"#);
            check(request.send().await.unwrap(), 400, BAD, "Idempotency-Key", key).await;
        }
        assert_eq!(server.row_counts().await, before);
    }

    async fn methods(server) {
        let before = server.row_counts().await;
        for (method, path) in [
            (Method::POST, "/api/billing/wallet/b/"),
            (Method::DELETE, "/api/billing/wallet/b/"),
            (Method::PUT, "/api/billing/topup"),
            (Method::POST, "/api/billing/pricing-plans/"),
            (Method::PATCH, "/api/billing/rate-cards/"),
            (Method::from_bytes(b"BREW").unwrap(), "/api/billing/alerts/b/"),
        ] {
            let response = server.request(method, path).send().await.unwrap();
            assert!(response.headers().contains_key("allow"));
            check(response, 405, "method_not_allowed", "", path).await;
        }
        assert_eq!(server.row_counts().await, before);
    }
}
