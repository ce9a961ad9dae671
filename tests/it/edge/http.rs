//! Tests HTTP at every address: slashes, methods, CORS, errors, headers, probes.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::support::{Database, Server, on_each_database};

const WALLET: &str = "/api/billing/wallet/biz_test_001/";
const PAGE: &str = "http://localhost:3000";

async fn sqlite(args: &[&str]) -> Server {
    Server::start(Database::Sqlite, args).await
}

on_each_database! {
    /// With the slash or without it: the same answer, and no redirect.
    async fn either_slash(server) {
        for path in [
            "/api/billing/wallet/biz_test_001",
            "/api/billing/transactions/biz_test_001",
            "/api/billing/pricing-plans",
            "/api/billing/rate-cards",
            "/api/billing/usage/biz_test_001",
            "/api/billing/invoices/biz_test_001",
            "/api/billing/alerts/biz_test_001",
        ] {
            for query in ["", "?limit=5&nonsense=%20"] {
                let with = server.get(&format!("{path}/{query}")).await;
                assert_eq!(server.get(&format!("{path}{query}")).await, with, "{path}");
            }
        }
        let (status, _) = server.post("/api/billing/topup", r#"{"business_sid":"b","amount":1}"#).await;
        assert_eq!(status, StatusCode::OK);
    }

    async fn probes(server) {
        assert_eq!(server.get("/healthz").await["status"], "ok");
        assert_eq!(server.get("/readyz").await["status"], "ok");
        server.billing.db.close().await;
        assert_eq!(server.get("/healthz").await["status"], "ok", "alive, though its database is gone");
        for path in ["/readyz", WALLET] {
            let response = server.request(Method::GET, path).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert_eq!(response.headers()["retry-after"], "1");
        }
    }

    async fn metrics_by_route(server) {
        server.get(WALLET).await;
        server.get("/api/billing/wallet/somebody").await;
        server.request(Method::GET, "/nowhere").send().await.unwrap();
        let response = server.request(Method::GET, "/metrics").send().await.unwrap();
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
        let text = response.text().await.unwrap();
        let route = "/api/billing/wallet/{business_sid}/";
        for line in [
            format!("http_requests_total{{method=\"GET\",route=\"{route}\",status=\"200\"}} 2"),
            format!("http_request_duration_seconds_count{{method=\"GET\",route=\"{route}\"}} 2"),
            "http_requests_total{method=\"GET\",route=\"(none)\",status=\"404\"} 1".to_owned(),
        ] {
            assert!(text.contains(&line), "{line} is not in {text}");
        }
        server.charge(serde_json::json!({"business_sid": "biz_test_001", "message_sid": "m", "country_code": "KE", "segments": 1}))
            .await;
        server.post("/api/billing/charges/", r#"{"business_sid": "p", "message_sid": "m", "country_code": "KE", "segments": 1}"#)
            .await;
        let charges = server.get_text("/metrics").await;
        for outcome in ["charged", "insufficient_funds"] {
            assert!(charges.contains(&format!("charge_commands_total{{outcome=\"{outcome}\"}} 1")), "{charges}");
        }
        assert!(charges.contains("charge_batch_commands_count 2") && charges.contains("charge_queue_commands 0"), "{charges}");
        assert!(text.contains("db_pool_connections{pool=") && text.ends_with("# EOF\n"), "{text}");
        assert!(!text.contains("somebody"), "no address, only its template");
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = sqlite(&[]).await;
    let length = server.get_text(WALLET).await.len().to_string();
    let response = server.request(Method::HEAD, WALLET).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-length"], length.as_str());
    assert_eq!(response.text().await.unwrap(), "");
    let response = server.request(Method::HEAD, "/api/billing/wallet/undefined/").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn options_lists_the_methods() {
    let server = sqlite(&[]).await;
    for (path, allow) in [(WALLET, "GET,HEAD"), ("/api/billing/topup", "POST")] {
        let response = server.request(Method::OPTIONS, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()["allow"], allow);
    }
    let response = server.request(Method::OPTIONS, "/nowhere").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

async fn preflight(server: &Server, path: &str, origin: &str) -> reqwest::Response {
    server
        .request(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,idempotency-key,authorization")
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn cors_as_the_front_end_needs_it() {
    let server = sqlite(&["--cors-origins", "http://localhost:3000,https://app.example.com"]).await;
    for path in [WALLET, "/api/billing/topup", "/api/billing/topup/", "/api/nowhere"] {
        for origin in [PAGE, "https://app.example.com"] {
            let response = preflight(&server, path, origin).await;
            assert_eq!(response.status(), StatusCode::OK, "never a redirect");
            let headers = response.headers();
            assert_eq!(headers["access-control-allow-origin"], origin);
            assert_eq!(headers["access-control-allow-credentials"], "true");
            let methods = headers["access-control-allow-methods"].to_str().unwrap();
            assert_eq!(methods, "GET,POST,PUT,PATCH,DELETE,OPTIONS");
            let allowed = headers["access-control-allow-headers"].to_str().unwrap();
            assert_eq!(allowed, "content-type,authorization,idempotency-key,if-match");
        }
        let response = preflight(&server, path, "http://evil.example").await;
        assert!(response.headers().get("access-control-allow-origin").is_none());
    }
    // Answers and errors carry them too, or a page could not read what went wrong.
    for (path, status) in [(WALLET, 200), ("/api/billing/wallet/undefined/", 400), ("/api/nowhere", 404)] {
        let response = server.request(Method::GET, path).header("origin", PAGE).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["access-control-allow-origin"], PAGE);
        let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap().to_owned();
        for header in ["link", "etag", "x-request-id", "idempotent-replayed", "ratelimit", "retry-after"] {
            assert!(exposed.contains(header), "{header}: {exposed}");
        }
    }
}

/// A page of somebody else's cannot move money; the front end's can, also through its own proxy.
#[tokio::test]
async fn writes_from_other_pages_are_refused() {
    let server = sqlite(&[]).await;
    let own = server.base_url.clone();
    let post = |origin: &str, host: &str| {
        let request = server.request(Method::POST, "/api/billing/topup/").header("content-type", "application/json");
        let request = request.header("origin", origin).header("host", host);
        request.body(r#"{"business_sid":"o","amount":1}"#).send()
    };
    let host = own.strip_prefix("http://").unwrap();
    let port = host.split(':').next_back().unwrap();
    assert_eq!(post(PAGE, "billing.internal").await.unwrap().status(), StatusCode::OK, "behind the proxy");
    assert_eq!(post(&own, host).await.unwrap().status(), StatusCode::OK, "our own page");
    let rebound = format!("evil.example:{port}");
    for (origin, host) in [
        ("http://evil.example".to_owned(), host.to_owned()),
        ("null".to_owned(), host.to_owned()),
        (format!("http://{rebound}"), rebound.clone()),
    ] {
        let response = post(&origin, &host).await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{origin}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], "origin_not_allowed");
    }
    assert_eq!(server.get("/api/billing/wallet/o/").await["balance"], 2);
}

#[tokio::test]
async fn only_the_names_it_goes_by() {
    let server = sqlite(&["--allowed-hosts", "billing.example,api.billing.example"]).await;
    let ask = |path: &'static str, host: &'static str| server.request(Method::GET, path).header("host", host).send();
    assert_eq!(ask(WALLET, "billing.example").await.unwrap().status(), StatusCode::OK);
    assert_eq!(ask(WALLET, "API.billing.example:8443").await.unwrap().status(), StatusCode::OK);
    let response = ask(WALLET, "other.example").await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "host_not_allowed");
    for probe in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(ask(probe, "10.0.0.7").await.unwrap().status(), StatusCode::OK, "probes ask by address");
    }
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let server = sqlite(&[]).await;
    for (path, status) in [(WALLET, 200), ("/healthz", 200), ("/openapi.json", 200), ("/nowhere", 404), ("/", 307)] {
        let response = server.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert_eq!(headers["x-request-id"].len(), 36);
    }
}

/// A caller's id is kept where it is fit for a log; the error's body names it too.
#[tokio::test]
async fn request_ids() {
    let server = sqlite(&[]).await;
    let ask = |id: &'static str| server.request(Method::GET, "/nowhere").header("x-request-id", id).send();
    let response = ask("trace:7f_3-a.b").await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "trace:7f_3-a.b");
    assert_eq!(response.json::<Value>().await.unwrap()["request_id"], "trace:7f_3-a.b");
    for unfit in ["", "a b", "a\"b", "{}"] {
        assert_eq!(ask(unfit).await.unwrap().headers()["x-request-id"].len(), 36, "{unfit:?}");
    }
}

#[tokio::test]
async fn large_answers_are_compressed_on_request() {
    let server = sqlite(&[]).await;
    let ask = |encoding: &'static str, path: &'static str| {
        server.request(Method::GET, path).header("accept-encoding", encoding).send()
    };
    let response = ask("gzip", "/api/billing/rate-cards/").await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert!(ask("identity", "/api/billing/rate-cards/").await.unwrap().headers().get("content-encoding").is_none());
    assert!(ask("gzip", WALLET).await.unwrap().headers().get("content-encoding").is_none(), "not worth it");
}

/// The documentation page and every file it names come from the program itself.
#[tokio::test]
async fn the_documentation_page() {
    let server = sqlite(&[]).await;
    let page = server.get_text("/docs/").await;
    let files: Vec<&str> = page.split("./").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(files.len() >= 4, "{page}");
    for file in files {
        let response = server.request(Method::GET, &format!("/docs/{file}")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{file}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("script-src 'self';"), "{policy}");
    }
    assert!(server.get_text("/docs/swagger-initializer.js").await.contains("/openapi.json"));
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing from elsewhere: {page}");
    let response = server.request(Method::GET, "/docs").send().await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["location"]),
        (StatusCode::PERMANENT_REDIRECT, &"/docs/".parse().unwrap())
    );
}
