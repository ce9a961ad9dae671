//! Tests API keys: created, shown once, rotated, revoked, and never with more rights than their creator.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::Role;

use super::rights::{business, public_id, sid_of};
use crate::support::{Database, REQUIRED, Server, answer, on_each_database, postgres};

const KEYS: &str = "/api/billing/keys/";
const ME: &str = "/api/auth/me/";

async fn send(server: &Server, key: &str, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let request = server.request(method.clone(), path).bearer_auth(key);
    answer(if method == Method::POST { request.json(&body) } else { request }).await
}

async fn status(server: &Server, key: &str) -> StatusCode {
    send(server, key, Method::GET, ME, json!(null)).await.0
}

async fn create(server: &Server, by: &str, body: Value) -> (StatusCode, Value) {
    send(server, by, Method::POST, KEYS, body).await
}

/// Two resellers' worlds: `r` with its client `c`, and `x` outside.
async fn world(server: &Server) {
    business(server, "r", "RESELLER", "ACTIVE", None).await;
    business(server, "c", "CLIENT", "ACTIVE", Some("r")).await;
    business(server, "x", "CLIENT", "ACTIVE", None).await;
}

on_each_database! {
    /// What a key may be, by who makes it.
    async fn nobody_makes_more_than_they_are(server) {
        world(server).await;
        let admin = server.admin_key().await.to_owned();
        let reseller = server.key(Role::Reseller, Some("r")).await;
        let client = server.key(Role::Client, Some("c")).await;
        let gateway = server.key(Role::Gateway, None).await;
        for (by, body, expected, field) in [
            (&admin, json!({"role": "admin"}), 201, ""),
            (&admin, json!({"role": "gateway"}), 201, ""),
            (&admin, json!({"role": "gateway", "businesses": ["c", "x", "c"]}), 201, ""),
            (&admin, json!({"role": "reseller", "business_sid": "r"}), 201, ""),
            (&admin, json!({"role": "client", "business_sid": "c", "mode": "test"}), 201, ""),
            (&admin, json!({"role": "client"}), 400, "business_sid"),
            (&admin, json!({"role": "client", "business_sid": "nobody"}), 400, "business_sid"),
            (&admin, json!({"role": "reseller", "business_sid": "c"}), 400, "role"),
            (&admin, json!({"role": "admin", "business_sid": "c"}), 400, "business_sid"),
            (&admin, json!({"role": "client", "business_sid": "c", "businesses": ["c"]}), 400, "businesses"),
            (&admin, json!({"role": "gateway", "businesses": []}), 400, "businesses"),
            (&admin, json!({"role": "gateway", "businesses": ["nobody"]}), 400, "businesses"),
            (&admin, json!({"role": "admin", "expires_at": "2020-01-01T00:00:00Z"}), 400, "expires_at"),
            (&admin, json!({"role": "root"}), 400, "role"),
            (&admin, json!({"role": "admin", "mode": "prod"}), 400, "mode"),
            (&admin, json!({"role": "admin", "name": ""}), 400, "name"),
            (&reseller, json!({"role": "reseller"}), 201, ""),
            (&reseller, json!({"role": "client"}), 201, ""),
            (&reseller, json!({"role": "client", "business_sid": "c"}), 201, ""),
            (&reseller, json!({"role": "client", "business_sid": "x"}), 404, ""),
            (&reseller, json!({"role": "admin"}), 403, ""),
            (&reseller, json!({"role": "gateway"}), 403, ""),
            (&client, json!({"role": "client"}), 201, ""),
            (&client, json!({"role": "client", "business_sid": "r"}), 404, ""),
            (&client, json!({"role": "reseller"}), 403, ""),
            (&client, json!({"role": "admin"}), 403, ""),
            (&gateway, json!({"role": "client", "business_sid": "c"}), 403, ""),
        ] {
            let before = server.row_counts().await;
            let mut full = body.clone();
            full["name"] = body.get("name").cloned().unwrap_or(json!("k"));
            let (status, made) = create(server, by, full).await;
            assert_eq!(status.as_u16(), expected, "{body}: {made}");
            if expected == 201 {
                let secret = made["secret"].as_str().unwrap();
                let (status, me) = send(server, secret, Method::GET, ME, json!(null)).await;
                assert_eq!((status, &me["role"], &me["key"]["sid"]), (StatusCode::OK, &body["role"], &made["sid"]));
            } else {
                assert_eq!(server.row_counts().await, before, "{body}");
                assert!(field.is_empty() || made["errors"][field].is_array(), "{body}: {made}");
            }
        }
    }

    /// By rotating a key one has it: so nobody touches, or sees, one above their own role, or of somebody else's.
    async fn nobody_touches_more_than_they_are(server) {
        world(server).await;
        let client_of_reseller = server.key(Role::Client, Some("r")).await;
        let reseller = server.key(Role::Reseller, Some("r")).await;
        let foreign = server.key(Role::Client, Some("x")).await;
        let (reseller_sid, foreign_sid) = (sid_of(server, &reseller).await, sid_of(server, &foreign).await);
        for (by, sid) in [(&client_of_reseller, &reseller_sid), (&reseller, &foreign_sid), (&client_of_reseller, &foreign_sid)] {
            let path = format!("{KEYS}{sid}/");
            for (method, path) in [(Method::GET, path.clone()), (Method::DELETE, path.clone()), (Method::POST, format!("{path}rotate/"))] {
                let (status, problem) = send(server, by, method, &path, json!({})).await;
                assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("key_not_found")), "{path}");
            }
        }
        let list = |by: String| async move {
            let (_, keys) = send(server, &by, Method::GET, KEYS, json!(null)).await;
            keys.as_array().unwrap().iter().map(|key| key["role"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(list(client_of_reseller.clone()).await, ["client"]);
        assert_eq!(list(reseller.clone()).await, ["reseller", "client"]);
        let admin = server.admin_key().await.to_owned();
        assert_eq!(list(admin).await, ["admin", "client", "reseller", "client"], "all, newest first");
        let (_, bad) = send(server, &reseller, Method::GET, &format!("{KEYS}nonsense/"), json!(null)).await;
        assert_eq!(bad["errors"]["key_sid"].as_array().map(Vec::len), Some(1), "{bad}");
    }

    /// The secret is shown once; what is stored and shown afterwards does not let anybody in.
    async fn a_secret_is_shown_once(server) {
        let admin = server.admin_key().await.to_owned();
        let (_, made) = create(server, &admin, json!({"name": "k", "role": "gateway"})).await;
        let secret = made["secret"].as_str().unwrap();
        let (_, shown) = send(server, &admin, Method::GET, &format!("{KEYS}{}/", made["sid"].as_str().unwrap()), json!(null)).await;
        assert!(shown.get("secret").is_none() && secret.starts_with(shown["prefix"].as_str().unwrap()), "{shown}");
        let digits = secret.rsplit('_').next().unwrap();
        assert!(!shown.to_string().contains(digits));
        let text = match server.database { Database::Sqlite => "hex(secret_hash)", Database::Postgres => "encode(secret_hash, 'hex')" };
        let in_clear = format!("SELECT count(*) FROM api_keys WHERE lower({text}) = '{digits}'");
        assert_eq!(server.number(&in_clear).await, 0);
    }

    /// A creation that is repeated makes one key and shows the same secret, which is stored only sealed.
    async fn a_creation_happens_once(server) {
        let admin = server.admin_key().await.to_owned();
        let ask = |name: &'static str| {
            let request = server.request(Method::POST, KEYS).bearer_auth(&admin).header("idempotency-key", "once");
            answer(request.json(&json!({"name": name, "role": "gateway"})))
        };
        let (first, second, third) = tokio::join!(ask("k"), ask("k"), ask("k"));
        assert_eq!((first.0, &first), (StatusCode::CREATED, &second));
        assert_eq!(first, third);
        assert_eq!(server.number("SELECT count(*) FROM api_keys WHERE name = 'k'").await, 1);
        assert_eq!(ask("other").await.0, StatusCode::CONFLICT);
        let digits = first.1["secret"].as_str().unwrap().rsplit('_').next().unwrap().to_owned();
        let kept = format!("SELECT count(*) FROM idempotency_keys WHERE CAST(answer AS TEXT) LIKE '%{digits}%'");
        assert_eq!(server.number(&kept).await, 0);
    }

    async fn rotation(server) {
        let admin = server.admin_key().await.to_owned();
        let old = server.key(Role::Gateway, None).await;
        let path = format!("{KEYS}{}/rotate/", sid_of(server, &old).await);
        let (code, rotated) = send(server, &admin, Method::POST, &path, json!({"overlap_seconds": 60})).await;
        assert_eq!(code, StatusCode::OK, "{rotated}");
        let new = rotated["secret"].as_str().unwrap().to_owned();
        assert_eq!(public_id(&new), public_id(&old), "it stays the same key");
        assert_eq!((status(server, &old).await, status(server, &new).await), (StatusCode::OK, StatusCode::OK));
        server.set_clock("2026-03-18T10:01:00Z");
        assert_eq!((status(server, &old).await, status(server, &new).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
        let (_, again) = send(server, &admin, Method::POST, &path, json!({})).await;
        let newest = again["secret"].as_str().unwrap().to_owned();
        assert_eq!((status(server, &new).await, status(server, &newest).await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
        for bad in [json!(-1), json!(604_801), json!("1")] {
            let (code, problem) = send(server, &admin, Method::POST, &path, json!({"overlap_seconds": bad})).await;
            assert_eq!(code, StatusCode::BAD_REQUEST, "{problem}");
        }
    }

    async fn revocation(server) {
        let admin = server.admin_key().await.to_owned();
        let key = server.key(Role::Gateway, None).await;
        let path = format!("{KEYS}{}/", sid_of(server, &key).await);
        assert_eq!(status(server, &key).await, StatusCode::OK);
        for _ in 0..2 {
            let (code, revoked) = send(server, &admin, Method::DELETE, &path, json!(null)).await;
            assert_eq!((code, revoked["revoked_at"].is_string()), (StatusCode::OK, true), "{revoked}");
        }
        let (code, problem) = send(server, &key, Method::GET, ME, json!(null)).await;
        assert_eq!((code, problem["detail"].as_str().unwrap().contains("revoked")), (StatusCode::UNAUTHORIZED, true));
        let (code, problem) = send(server, &admin, Method::POST, &format!("{path}rotate/"), json!({})).await;
        assert_eq!((code, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("key_revoked")));
        let audited = "SELECT count(*) FROM audit_log WHERE action IN ('key.created', 'key.revoked')";
        assert_eq!(server.number(audited).await, 3, "two made, one revoked once");
    }

    /// As Basic, for clients that know only that; and what is nearly a key is none.
    async fn ways_to_send_a_key(server) {
        let key = server.key(Role::Gateway, None).await;
        let me = || server.request(Method::GET, ME);
        for request in [
            me().basic_auth(&key, Some("")),
            me().basic_auth("AC123", Some(&key)),
            me().header("authorization", format!("bearer {key}")),
        ] {
            let (status, answer) = answer(request).await;
            assert_eq!((status, &answer["role"]), (StatusCode::OK, &json!("gateway")));
        }
        let digits = key.rsplit('_').next().unwrap();
        let other_digit = if digits.ends_with('0') { "1" } else { "0" };
        for wrong in [
            format!("{}{other_digit}", &key[..key.len() - 1]),
            key.replace("sk_live", "sk_test"),
            key.replace(public_id(&key), "0123456789abcdef"),
            format!("{key}0"),
            key.to_uppercase().replace("SK_LIVE", "sk_live"),
        ] {
            assert_eq!(status(server, &wrong).await, StatusCode::UNAUTHORIZED, "{wrong}");
        }
    }

    /// When a key was last used is noted within some seconds.
    async fn last_use_is_noted(server) {
        let key = server.key(Role::Gateway, None).await;
        assert_eq!(status(server, &key).await, StatusCode::OK);
        let noted = format!("SELECT count(*) FROM api_keys WHERE public_id = '{}' AND last_used_at IS NOT NULL", public_id(&key));
        for _ in 0..150 {
            if server.number(&noted).await == 1 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        panic!("it never was");
    }
}

/// What a key makes does not outlast it, and a business has only so many.
#[tokio::test]
async fn keys_that_keys_make() {
    let server = Server::start(Database::Sqlite, REQUIRED).await;
    business(&server, "c", "CLIENT", "ACTIVE", None).await;
    let admin = server.admin_key().await.to_owned();
    let end = "2026-03-20T00:00:00.000000Z";
    let (_, made) =
        create(&server, &admin, json!({"name": "k", "role": "client", "business_sid": "c", "expires_at": end})).await;
    let ends = made["secret"].as_str().unwrap().to_owned();
    let (status, child) = create(&server, &ends, json!({"name": "child", "role": "client"})).await;
    assert_eq!((status, &child["expires_at"]), (StatusCode::CREATED, &json!(end)));
    let later = json!({"name": "child", "role": "client", "expires_at": "2026-03-21T00:00:00Z"});
    let (status, problem) = create(&server, &ends, later).await;
    assert_eq!((status, problem["errors"]["expires_at"].is_array()), (StatusCode::BAD_REQUEST, true), "{problem}");
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 98) \
               INSERT INTO api_keys (uid, public_id, mode, name, role, business_id, is_limited, secret_hash, created_by, created_at) \
               SELECT randomblob(16), lower(hex(randomblob(8))), 'live', 'k', 'client', \
               (SELECT id FROM businesses WHERE sid = 'c'), 0, randomblob(32), 'test', 0 FROM n";
    server.execute(sql).await.unwrap();
    let (status, problem) = create(&server, &ends, json!({"name": "one too many", "role": "client"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("too_many_keys")));
}

/// A key that one server revokes, and a business that it suspends, count for others that share the database within a
/// second. (A second and a half here, for what else the machine does.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_servers_notice() {
    if !postgres::is_available() {
        return;
    }
    let url = postgres::create_database().await;
    let (one, other) = (Server::start_on_postgres(&url).await, Server::start_on_postgres(&url).await);
    business(&one, "c", "CLIENT", "ACTIVE", None).await;
    let (key, client) = (one.key(Role::Gateway, None).await, one.key(Role::Client, Some("c")).await);
    assert_eq!((status(&other, &key).await, status(&other, &client).await), (StatusCode::OK, StatusCode::OK));
    let admin = one.admin_key().await.to_owned();
    let path = format!("{KEYS}{}/", sid_of(&one, &key).await);
    assert_eq!(send(&one, &admin, Method::DELETE, &path, json!(null)).await.0, StatusCode::OK);
    one.execute("UPDATE businesses SET status = 'SUSPENDED' WHERE sid = 'c'").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(status(&other, &key).await, StatusCode::UNAUTHORIZED);
    let (code, problem) = create(&other, &client, json!({"name": "k", "role": "client"})).await;
    assert_eq!((code, &problem["code"]), (StatusCode::FORBIDDEN, &json!("business_suspended")));
}

/// Another SECRET_KEY cannot open what was sealed: the answer says so, and no second key is made.
#[tokio::test]
async fn a_secret_sealed_under_another_key() {
    let server = Server::start(Database::Sqlite, REQUIRED).await;
    let admin = server.admin_key().await.to_owned();
    let ask = || {
        let request = server.request(Method::POST, KEYS).bearer_auth(&admin).header("idempotency-key", "once");
        answer(request.json(&json!({"name": "k", "role": "gateway"})))
    };
    assert_eq!(ask().await.0, StatusCode::CREATED);
    server.execute("UPDATE idempotency_keys SET answer = json_set(answer, '$.sealed', 'v1.AAAA')").await.unwrap();
    let (status, problem) = ask().await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("secret_not_shown_again")));
}
