//! Checks the OpenAPI document: complete, true to the answers, with examples that work as they stand.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::Role;
use wecall_billing::http::routes::ROUTES;

use crate::reports::usage::roll_up;
use crate::support::bills::Bill;
use crate::support::{Database, MPESA, MPESA_SECRET, Server, answer, postgres};

fn document() -> Value {
    serde_json::to_value(wecall_billing::http::openapi::document()).unwrap()
}

/// Every operation: method, path, and what the document says of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            found.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    found
}

#[test]
fn documents_what_is_served() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let documented: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let served: BTreeSet<(String, String)> =
        ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(documented, served);
}

#[test]
fn every_operation_is_described() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{what}: its id is taken");
        for field in ["summary", "description"] {
            assert!(operation[field].as_str().is_some_and(|text| text.len() > 8), "{what} has no {field}");
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.contains_key(success(&operation)), "{what}");
        if path.starts_with("/api/") {
            for status in ["400", "401", "500", "503"] {
                let content = &responses[status]["content"]["application/problem+json"];
                assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{what} {status}");
            }
        }
        for (status, response) in responses {
            assert!(response["description"].as_str().is_some_and(|text| text.len() > 2), "{what} {status}");
        }
        for parameter in operation["parameters"].as_array().unwrap_or(&Vec::new()) {
            assert!(parameter["description"].as_str().is_some_and(|text| text.len() > 5), "{what}: {parameter}");
        }
    }
}

/// Every `$ref` leads somewhere, and the schemas are schemas.
#[test]
fn references_resolve() {
    fn walk(document: &Value, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.trim_start_matches('#');
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                fields.values().for_each(|value| walk(document, value));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(document, value)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        jsonschema::validator_for(&schema_of(&document, &json!({"$ref": format!("#/components/schemas/{name}")})))
            .unwrap();
    }
}

/// A schema of the document on its own, with what it refers to.
fn schema_of(document: &Value, schema: &Value) -> Value {
    let mut alone = schema.clone();
    alone["components"] = document["components"].clone();
    alone
}

fn check(document: &Value, schema: &Value, answer: &Value, what: &str) {
    let validator = jsonschema::validator_for(&schema_of(document, schema)).unwrap();
    let errors: Vec<String> = validator.iter_errors(answer).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:?} in {answer:#}");
}

/// The request that an operation's examples make.
struct ExampleRequest {
    /// With the parameters filled in that have an example.
    address: String,
    headers: Vec<(String, String)>,
    /// Its type and its text.
    body: Option<(&'static str, String)>,
}

fn example_request(document: &Value, path: &str, operation: &Value) -> ExampleRequest {
    let (mut address, mut query, mut headers) = (path.to_owned(), Vec::new(), Vec::new());
    for parameter in operation["parameters"].as_array().unwrap_or(&Vec::new()) {
        let Some(example) = parameter.get("example").and_then(Value::as_str) else { continue };
        let name = parameter["name"].as_str().unwrap();
        match parameter["in"].as_str().unwrap() {
            "path" => address = address.replace(&format!("{{{name}}}"), example),
            "query" => query.push(format!("{name}={example}")),
            "header" => headers.push((name.to_owned(), example.to_owned())),
            _ => {}
        }
    }
    if !query.is_empty() {
        address = format!("{address}?{}", query.join("&"));
    }
    let content = &operation["requestBody"]["content"];
    let schema = content["application/json"]["schema"]["$ref"].as_str();
    let json =
        schema.map(|reference| document.pointer(reference.trim_start_matches('#')).unwrap()["example"].to_string());
    let csv = content["text/csv"]["example"].as_str().map(str::to_owned);
    let body = json.map(|text| ("application/json", text)).or(csv.map(|text| ("text/csv", text)));
    ExampleRequest { address, headers, body }
}

/// The SID of the newest of a list: of what the examples before made, where they made any.
async fn newest(server: &Server, list: &str) -> String {
    let list = server.as_admin(Method::GET, &format!("{list}?sort=-created_at&limit=1")).await;
    let (_, rows) = answer(list).await;
    rows[0]["sid"].as_str().unwrap().to_owned()
}

/// The SID of a user of the examples' own.
async fn new_user(server: &Server, number: usize) -> String {
    let body = json!({
        "email": format!("{number}@example.com"), "name": "Mine", "role": "client", "business_sid": "biz_test_001",
        "password": "a sentence for the examples",
    });
    let (_, user) = server.post_as_admin("/api/admin/users/", &body.to_string()).await;
    user["sid"].as_str().unwrap().to_owned()
}

/// The SID of a business of the examples' own, where a path names one but gives no example.
async fn new_business(server: &Server, number: usize) -> String {
    let body = json!({"sid": format!("mine_{number}"), "kind": "CLIENT", "name": "Mine"});
    let (_, business) = server.post_as_admin("/api/admin/businesses/", &body.to_string()).await;
    business["sid"].as_str().unwrap().to_owned()
}

/// The SID of a key of the examples' own.
async fn new_key(server: &Server) -> String {
    let (_, key) = server.post_as_admin("/api/billing/keys/", r#"{"name": "mine", "role": "admin"}"#).await;
    key["sid"].as_str().unwrap().to_owned()
}

/// The status an operation answers where all is well.
fn success(operation: &Value) -> &'static str {
    ["200", "201", "202", "204"]
        .into_iter()
        .find(|status| operation["responses"].get(status).is_some())
        .unwrap_or("200")
}

/// The SID of money in suspense, of the examples' own.
async fn new_suspense(server: &Server, number: usize) -> String {
    let body = json!({
        "payment_sid": "nothing of ours", "status": "completed", "provider_reference": format!("R{number}"),
        "amount": 7, "currency": "USD",
    });
    let (status, _) = server.confirm(&body.to_string()).await;
    assert_eq!(status, 202);
    newest(server, "/api/admin/suspense/").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn examples_work_on_sqlite() {
    examples_work(&Server::start(Database::Sqlite, MPESA).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn examples_work_on_postgres() {
    if postgres::is_available() {
        examples_work(&Server::start(Database::Postgres, MPESA).await).await;
    }
}

/// Every operation, called as its examples stand, answers as it promises, with what its schema says.
async fn examples_work(server: &Server) {
    server
        .charge(json!({"business_sid": "biz_test_001", "message_sid": "msg-1", "to": "+254712345678", "segments": 1}))
        .await;
    roll_up(server, "'2026-03-17', 'KE', 'Safaricom', 20000, 10, 8, 1, 12, 240000").await;
    crate::notifications::alerts::warn(server, 2).await;
    let alert = server.get("/api/billing/alerts/biz_test_001/").await[0]["sid"].as_str().unwrap().to_owned();
    let invoice = server.get("/api/billing/invoices/biz_test_001/").await["sid"].as_str().unwrap().to_owned();
    server.user("asha@example.com", Role::Admin, None).await;
    crate::notifications::webhooks::with_message(server, "biz_test_001").await;
    let asked = r#"{"business_sid": "biz_test_001", "amount": 5, "provider": "mpesa"}"#;
    let (_, topup) = server.post("/api/billing/topup/", asked).await;
    let payment = topup["pending_transaction"]["details"]["payment_sid"].as_str().unwrap().to_owned();
    new_suspense(server, 1_000_000).await;
    let document = document();
    for (number, (method, path, operation)) in operations(&document).into_iter().enumerate() {
        let ExampleRequest { mut address, headers, body } = example_request(&document, &path, &operation);
        address = address.replace("{key_sid}", &new_key(server).await);
        address = address.replace("{plan_sid}", &newest(server, "/api/admin/plans/").await);
        address = address.replace("{rate_card_sid}", &newest(server, "/api/admin/rate-cards/").await);
        if address.contains("{user_sid}") {
            address = address.replace("{user_sid}", &new_user(server, number).await);
        }
        if address.contains("{webhook_sid}") {
            let (webhook, delivery) = crate::notifications::webhooks::with_message(server, "biz_test_001").await;
            address = address.replace("{webhook_sid}", &webhook).replace("{delivery_sid}", &delivery);
        }
        if path.starts_with("/api/billing/invoices/{business_sid}/{invoice_sid}/") && method == "post" {
            let bill = Bill { month: (1 + number as u32 % 12, 2025), ..Bill::of("biz_test_001") };
            address = address.replace("{invoice_sid}", &bill.insert(server).await);
        }
        if address.contains("{business_sid}") {
            address = address.replace("{business_sid}", &new_business(server, number).await);
        }
        address = address.replace("{payment_sid}", &payment);
        if address.contains("{suspense_sid}") {
            address = address.replace("{suspense_sid}", &new_suspense(server, number).await);
        }
        address = address.replace("{alert_sid}", &alert).replace("{invoice_sid}", &invoice);
        assert!(!address.contains('{'), "{path} lacks an example for a path parameter");
        let request = server.request(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(), &address);
        let request = match path.starts_with("/api/auth/") {
            true => request
                .header("cookie", server.login("asha@example.com").await)
                .header("origin", "http://localhost:3000"),
            false => request.bearer_auth(server.admin_key().await),
        };
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = match (&body, path.ends_with("/confirmations/")) {
            (Some((_, text)), true) => server.signed(request, MPESA_SECRET, text),
            _ => request,
        };
        let request = match body {
            Some((content_type, text)) => request.header("content-type", content_type).body(text),
            None => request,
        };
        let response = request.send().await.unwrap();
        // The example names a payment that there is not: it is suspended.
        let promised = if path.ends_with("/confirmations/") { "202" } else { success(&operation) };
        assert_eq!(response.status().as_str(), promised, "{address}: {}", response.text().await.unwrap());
        if let Some(content) = operation["responses"][promised].pointer("/content/application~1json") {
            let answer: Value = response.json().await.unwrap();
            check(&document, &content["schema"], &answer, &address);
            assert_ne!(answer, json!([]), "{address}: an example that shows nothing");
        }
    }
}

#[tokio::test]
async fn errors_are_as_documented() {
    let server = Server::start(Database::Sqlite, &[]).await;
    let document = document();
    for path in ["/api/billing/wallet/undefined/", "/api/billing/transactions/b/?limit=0", "/nowhere"] {
        let problem: Value = server.request(Method::GET, path).send().await.unwrap().json().await.unwrap();
        check(&document, &json!({"$ref": "#/components/schemas/Problem"}), &problem, path);
    }
    let served: Value = server.get("/openapi.json").await;
    assert_eq!(served, document);
}
