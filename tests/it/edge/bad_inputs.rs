//! Tests bad input: the answer names the field, and nothing changes.

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
    ("/api/billing/transactions/undefined/export.csv", 400, SID, "business_sid"),
    ("/api/billing/transactions/b/export.csv?type=PAYMENT", 400, BAD, "type"),
    ("/api/billing/transactions/b/export.csv?from=yesterday", 400, BAD, "from"),
    ("/api/billing/charges/null/export.csv", 400, SID, "business_sid"),
    ("/api/billing/charges/b/export.csv/?to=2026-02-30", 400, BAD, "to"),
    ("/api/billing/usage/b/export.csv?period=FOREVER", 400, BAD, "period"),
    ("/api/billing/usage/b/export.csv?period=CUSTOM&start=2026-03-02&end=2026-03-01", 400, BAD, "end"),
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
    ("/api/billing/invoices/b/inv_x/", 400, BAD, "invoice_sid"),
    ("/api/billing/invoices/b/alert_00000000000000000000000000000000/pdf/", 400, BAD, "invoice_sid"),
    ("/api/billing/invoices/undefined/inv_00000000000000000000000000000000/html/", 400, SID, "business_sid"),
    ("/api/billing/invoices/undefined/list/", 400, SID, "business_sid"),
    ("/api/billing/invoices/b/list/?status=OPEN", 400, BAD, "status"),
    ("/api/billing/invoices/b/list/?kind=BILL", 400, BAD, "kind"),
    ("/api/billing/invoices/b/list/?period_start=2026-02", 400, BAD, "period_start"),
    ("/api/billing/invoices/b/list/?limit=0", 400, BAD, "limit"),
    ("/api/billing/invoices/b/list/?cursor=abc", 400, BAD, "cursor"),
    ("/api/billing/payments/undefined/", 400, SID, "business_sid"),
    ("/api/billing/payments/b/?limit=0", 400, BAD, "limit"),
    ("/api/billing/payments/b/?cursor=1", 400, BAD, "cursor"),
    ("/api/billing/payments/b/pay_1/", 400, BAD, "payment_sid"),
    ("/api/billing/payments/b/pay_019abc3456787def8123456789abcdef/", 404, "payment_not_found", ""),
    ("/api/billing/payments/b/confirmations/", 405, "method_not_allowed", ""),
    ("/api/billing/wallet/undefined/auto-recharge/", 400, SID, "business_sid"),
    ("/api/billing/transactions/b/?cursor=c2-", 400, BAD, "cursor"),
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

/// Members that replace those of a good message, code, field.
type BadCharge = (&'static str, &'static str, &'static str);

const BAD_CHARGES: &[BadCharge] = &[
    (r#""business_sid":"undefined""#, SID, "business_sid"),
    (r#""business_sid":null"#, SID, "business_sid"),
    (r#""message_sid":null"#, BAD, "message_sid"),
    (r#""message_sid":"""#, BAD, "message_sid"),
    (r#""message_sid":"a b""#, BAD, "message_sid"),
    (r#""message_sid":"a/b""#, BAD, "message_sid"),
    (r#""message_sid":7"#, BAD, "message_sid"),
    (r#""to":"0712345678""#, BAD, "to"),
    (r#""to":"+25471""#, BAD, "to"),
    (r#""to":"+2547123456789012""#, BAD, "to"),
    (r#""to":"Safaricom""#, BAD, "to"),
    (r#""to":"""#, BAD, "to"),
    (r#""to":254712345678"#, BAD, "to"),
    (r#""to":"+18005550100""#, BAD, "to"), // toll-free: of no country
    (r#""to":null"#, BAD, "to"),
    (r#""to":null,"operator":"Airtel""#, BAD, "country_code"),
    (r#""country_code":"UK""#, BAD, "country_code"),
    (r#""country_code":"Kenya""#, BAD, "country_code"),
    (r#""country_code":"KE","operator":"""#, BAD, "operator"),
    (r#""mcc":"639""#, BAD, "mnc"),
    (r#""mnc":"02""#, BAD, "mcc"),
    (r#""mcc":"39","mnc":"02""#, BAD, "mcc"),
    (r#""mcc":"639","mnc":"2""#, BAD, "mnc"),
    (r#""mcc":639,"mnc":"02""#, BAD, "mcc"),
    (r#""mcc":"000","mnc":"02""#, BAD, "mcc"),
    (r#""segments":0"#, BAD, "segments"),
    (r#""segments":256"#, BAD, "segments"),
    (r#""segments":-1"#, BAD, "segments"),
    (r#""segments":1.5"#, BAD, "segments"),
    (r#""segments":"1""#, BAD, "segments"),
    (r#""segments":99999999999"#, BAD, "segments"),
    (r#""segments":null"#, BAD, "segments"),
    (r#""segments":1,"body":"x""#, BAD, "segments"),
    (r#""segments":null,"body":7"#, BAD, "body"),
    (r#""submitted_at":"2026-03-18""#, BAD, "submitted_at"),
    (r#""submitted_at":"now""#, BAD, "submitted_at"),
    (r#""submitted_at":1773828000"#, BAD, "submitted_at"),
    (r#""submitted_at":"2026-03-15T09:59:59Z""#, BAD, "submitted_at"),
    (r#""submitted_at":"2026-03-18T10:05:01Z""#, BAD, "submitted_at"),
    (r#""metadata":[]"#, BAD, "metadata"),
    (r#""metadata":"x""#, BAD, "metadata"),
    (r#""metadata":{"a":"\u0000"}"#, BAD, "metadata"),
    (r#""metadata":{"a":"\ud800"}"#, BAD, "metadata"),
    (r#""metadata":{"a":1e999}"#, BAD, "metadata"),
];

/// A message that could be charged, with some members replaced.
fn message(members: &str) -> String {
    let mut message =
        serde_json::json!({"business_sid": "biz_test_001", "message_sid": "m", "to": "+254712345678", "segments": 1});
    // A member given as null is left out of the good one, and stands as null in the bad one.
    let names = ["business_sid", "message_sid", "to", "segments"];
    for name in names.iter().filter(|name| members.contains(&format!("\"{name}\":"))) {
        message.as_object_mut().unwrap().remove(*name);
    }
    let text = message.to_string();
    format!("{},{members}}}", &text[..text.len() - 1])
}

/// Address after the message's, body, status, code, field.
type BadFollowUp = (&'static str, &'static str, u16, &'static str, &'static str);

const BAD_FOLLOW_UPS: &[BadFollowUp] = &[
    ("delivery/", r#"{}"#, 400, BAD, "status"),
    ("delivery/", r#"{"status":"lost"}"#, 400, BAD, "status"),
    ("delivery/", r#"{"status":null}"#, 400, BAD, "status"),
    ("delivery/", r#"{"status":"failed","error_code":30005}"#, 400, BAD, "error_code"),
    ("delivery/", r#"{"status":"failed","error_code":""}"#, 400, BAD, "error_code"),
    ("delivery/", r#"{"status":"delivered"}"#, 404, "charge_not_found", ""),
    ("refund/", r#"{}"#, 400, BAD, "reason"),
    ("refund/", r#"{"reason":""}"#, 400, BAD, "reason"),
    ("refund/", r#"{"reason":"x","amount":0}"#, 400, BAD, "amount"),
    ("refund/", r#"{"reason":"x","amount":-1}"#, 400, BAD, "amount"),
    ("refund/", r#"{"reason":"x","amount":0.0000001}"#, 400, BAD, "amount"),
    ("refund/", r#"{"reason":"x","amount":"all"}"#, 400, BAD, "amount"),
    ("refund/", r#"{"reason":"x","amount":null}"#, 400, BAD, "amount"),
    ("refund/", r#"{"reason":"x"}"#, 404, "charge_not_found", ""),
];

/// Method, address after the business's webhooks, body, code, field.
type BadWebhook = (&'static str, &'static str, &'static str, &'static str);

const BAD_WEBHOOKS: &[BadWebhook] = &[
    ("POST", "", r#"{"events":["*"]}"#, "url"),
    ("POST", "", r#"{"url":7,"events":["*"]}"#, "url"),
    ("POST", "", r#"{"url":"","events":["*"]}"#, "url"),
    ("POST", "", r#"{"url":"example.com","events":["*"]}"#, "url"),
    ("POST", "", r#"{"url":"http://example.com/","events":["*"]}"#, "url"),
    ("POST", "", r#"{"url":"https://user:pass@example.com/","events":["*"]}"#, "url"),
    ("POST", "", r#"{"url":"https://127.0.0.1/","events":["*"]}"#, "url"),
    ("POST", "", r#"{"url":"https://2130706433/","events":["*"]}"#, "url"),
    ("POST", "", r#"{"url":"https://[::ffff:10.0.0.1]/","events":["*"]}"#, "url"),
    ("POST", "", r#"{"url":"https://169.254.169.254/","events":["*"]}"#, "url"),
    ("POST", "", r#"{"url":"https://example.com/"}"#, "events"),
    ("POST", "", r#"{"url":"https://example.com/","events":"*"}"#, "events"),
    ("POST", "", r#"{"url":"https://example.com/","events":[]}"#, "events"),
    ("POST", "", r#"{"url":"https://example.com/","events":["wallet.stolen"]}"#, "events"),
    ("POST", "", r#"{"url":"https://example.com/","events":["webhook.test"]}"#, "events"),
    ("POST", "", r#"{"url":"https://example.com/","events":["*","alert.created"]}"#, "events"),
    ("POST", "", r#"{"url":"https://example.com/","events":["*"],"description":7}"#, "description"),
    ("POST", "", r#"{"url":"https://example.com/","events":["*"],"enabled":"yes"}"#, "enabled"),
    ("PATCH", "{webhook}/", r#"{"url":null}"#, "url"),
    ("PATCH", "{webhook}/", r#"{"url":"https://10.0.0.1/"}"#, "url"),
    ("PATCH", "{webhook}/", r#"{"events":[]}"#, "events"),
    ("PATCH", "{webhook}/", r#"{"enabled":null}"#, "enabled"),
    ("PATCH", "wh_1/", r#"{}"#, "webhook_sid"),
    ("POST", "{webhook}/rotate-secret/", r#"{"overlap_hours":-1}"#, "overlap_hours"),
    ("POST", "{webhook}/rotate-secret/", r#"{"overlap_hours":169}"#, "overlap_hours"),
    ("POST", "{webhook}/rotate-secret/", r#"{"overlap_hours":null}"#, "overlap_hours"),
    ("GET", "{webhook}/deliveries/?status=LOST", "{}", "status"),
    ("GET", "{webhook}/deliveries/?limit=0", "{}", "limit"),
    ("GET", "{webhook}/deliveries/?cursor=x", "{}", "cursor"),
    ("GET", "{webhook}/deliveries/msg_1/", "{}", "delivery_sid"),
];

/// The one shape of every error: status, code, a sentence, and the field where one is wrong.
pub async fn check(response: reqwest::Response, status: u16, code: &str, field: &str, what: &str) {
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
        check(post(server, JSON, deep).await, 400, BAD, "", "an amount nested deeply").await;
        let large = format!(r#"{{"business_sid":"b","amount":1,"x":"{}"}}"#, "x".repeat(1 << 20));
        check(post(server, JSON, large).await, 413, "payload_too_large", "", "a large body").await;
        assert_eq!(server.row_counts().await, before);
    }

    /// The same sentence for a message alone and for one of many.
    async fn charges(server) {
        let before = server.row_counts().await;
        for (members, code, field) in BAD_CHARGES {
            let body = message(members);
            let request = server.request(Method::POST, "/api/billing/charges/").header("content-type", JSON);
            check(request.body(body.clone()).send().await.unwrap(), 400, code, field, &body).await;
            let (status, answer) = server.post("/api/billing/charges/batch/", &format!(r#"{{"charges":[{body}]}}"#)).await;
            let result = &answer["results"][0];
            assert_eq!((status.as_u16(), &result["status"], &result["error"]["code"]), (200, &400.into(), &(*code).into()));
            assert!(result["error"]["errors"][field].is_array(), "{body}: {result}");
        }
        let long = message(&format!(r#""segments":null,"body":"{}""#, "x".repeat(153 * 255 + 1)));
        let request = server.request(Method::POST, "/api/billing/charges/").header("content-type", JSON);
        check(request.body(long).send().await.unwrap(), 400, BAD, "body", "a long body").await;
        let large = message(&format!(r#""metadata":{{"a":"{}"}}"#, "x".repeat(4_096)));
        let request = server.request(Method::POST, "/api/billing/charges/").header("content-type", JSON);
        check(request.body(large).send().await.unwrap(), 400, BAD, "metadata", "large metadata").await;
        assert_eq!(server.row_counts().await, before);
    }

    async fn reports_and_refunds(server) {
        server.admin_key().await;
        let before = server.row_counts().await;
        for (end, body, status, code, field) in BAD_FOLLOW_UPS {
            let path = format!("/api/billing/charges/biz_test_001/m/{end}");
            let request = server.as_admin(Method::POST, &path).await.header("content-type", JSON);
            check(request.body(*body).send().await.unwrap(), *status, code, field, body).await;
        }
        for (path, code, field) in [
            ("/api/billing/charges/undefined/m/", SID, "business_sid"),
            ("/api/billing/charges/b/a%20b/", BAD, "message_sid"),
            ("/api/billing/charges/b/%FF/", SID, "business_sid"),
        ] {
            check(server.request(Method::GET, path).send().await.unwrap(), 400, code, field, path).await;
        }
        assert_eq!(server.row_counts().await, before);
    }

    async fn webhooks(server) {
        server.admin_key().await;
        let (webhook, _) = crate::notifications::webhooks::with_message(server, "biz_test_001").await;
        let before = server.row_counts().await;
        for (method, end, body, field) in BAD_WEBHOOKS {
            let path = format!("/api/billing/webhooks/biz_test_001/{}", end.replace("{webhook}", &webhook));
            let request = server.as_admin(Method::from_bytes(method.as_bytes()).unwrap(), &path).await;
            let request = request.header("content-type", JSON).body(*body);
            check(request.send().await.unwrap(), 400, BAD, field, &format!("{method} {path} {body}")).await;
        }
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
