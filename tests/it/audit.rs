//! Tests the audit log: who did what, found again by each of its filters.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::Role;

use crate::access::rights::sid_of;
use crate::support::{Server, answer, on_each_database};

const AUDIT: &str = "/api/billing/audit/";

async fn list(server: &Server, query: &str) -> Vec<Value> {
    let (status, list) = answer(server.as_admin(Method::GET, &format!("{AUDIT}{query}")).await).await;
    assert_eq!(status, StatusCode::OK, "{list}");
    list.as_array().unwrap().clone()
}

on_each_database! {
    async fn who_did_what(server) {
        let admin = sid_of(server, server.admin_key().await).await;
        server.set_clock("2026-03-19T10:00:00Z");
        let request = server.as_admin(Method::POST, "/api/billing/keys/").await.header("x-request-id", "req-7");
        let (_, made) = answer(request.json(&json!({"name": "Gateway", "role": "gateway"}))).await;
        let sid = made["sid"].as_str().unwrap();
        let deeds = list(server, &format!("?subject={sid}")).await;
        assert_eq!(deeds.len(), 1);
        let deed = &deeds[0];
        assert_eq!((&deed["actor"], &deed["action"]), (&json!(admin), &json!("key.created")));
        assert_eq!((&deed["request_id"], &deed["address"]), (&json!("req-7"), &json!("127.0.0.1")));
        assert_eq!((&deed["before"], &deed["after"]["role"], &deed["reason"]), (&json!(null), &json!("gateway"), &json!(null)));
        assert!(!deed.to_string().contains(made["secret"].as_str().unwrap().rsplit('_').next().unwrap()));
        for (query, count) in [
            (format!("?actor={admin}"), 1),
            ("?action=key.created".to_owned(), 2),
            ("?action=plan.created".to_owned(), 3),
            ("?request_id=req-7".to_owned(), 1),
            ("?from=2026-03-19".to_owned(), 1),
            ("?to=2026-03-18&action=key.created".to_owned(), 1),
            ("?from=2026-03-20".to_owned(), 0),
            (format!("?actor=command-line&subject={sid}"), 0),
        ] {
            assert_eq!(list(server, &query).await.len(), count, "{query}");
        }
        for (query, field) in [("?action=stolen", "action"), ("?sort=actor", "sort"), ("?from=x", "from"), ("?cursor=x", "cursor")] {
            let (status, problem) = answer(server.as_admin(Method::GET, &format!("{AUDIT}{query}")).await).await;
            assert_eq!((status, problem["errors"][field].is_array()), (StatusCode::BAD_REQUEST, true), "{query}: {problem}");
        }
    }

    /// Pages show each deed once, newest first, though more are done meanwhile.
    async fn a_page_at_a_time(server) {
        let all: Vec<Value> = list(server, "?limit=1000").await.into_iter().map(|deed| deed["id"].clone()).collect();
        let mut seen = Vec::new();
        let mut address = format!("{AUDIT}?limit=7");
        loop {
            let response = server.as_admin(Method::GET, &address).await.send().await.unwrap();
            let next = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
            let page: Vec<Value> = response.json().await.unwrap();
            seen.extend(page.into_iter().map(|deed| deed["id"].clone()));
            server.key(Role::Gateway, None).await;
            let Some(next) = next else { break };
            address = next.trim_start_matches('<').split('>').next().unwrap().to_owned();
        }
        assert_eq!(seen, all);
    }
}
