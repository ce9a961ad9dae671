//! Tests logins: cookies, locks, passwords, and requests from other origins.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::Role;

use super::rights::business;
use crate::support::{Database, PASSWORD, REQUIRED, Server, answer, on_each_database};

const LOGIN: &str = "/api/auth/login/";
const ME: &str = "/api/auth/me/";
const ASHA: &str = "asha@example.com";
const PAGE: &str = "http://localhost:3000";

async fn log_in(server: &Server, email: &str, password: &str) -> (StatusCode, Value) {
    answer(server.request(Method::POST, LOGIN).json(&json!({"email": email, "password": password}))).await
}

fn with_cookie(server: &Server, method: Method, path: &str, cookie: &str) -> RequestBuilder {
    server.request(method, path).header("cookie", cookie).header("origin", PAGE)
}

/// Whom the server takes the holder of a cookie for.
async fn who(server: &Server, cookie: &str) -> Value {
    answer(with_cookie(server, Method::GET, ME, cookie)).await.1["user"]["email"].clone()
}

on_each_database! {
    async fn a_login_and_its_end(server) {
        business(server, "c", "CLIENT", "ACTIVE", None).await;
        server.user(ASHA, Role::Client, Some("c")).await;
        let (status, login) = log_in(server, " Asha@Example.com", PASSWORD).await;
        assert_eq!((status, &login["user"]["business_sid"]), (StatusCode::OK, &json!("c")), "{login}");
        assert_eq!(login["expires_at"], "2026-03-18T22:00:00.000000Z");
        let cookie = server.login(ASHA).await;
        assert_eq!(who(server, &cookie).await, ASHA);
        let response = with_cookie(server, Method::POST, "/api/auth/logout", &cookie).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert!(response.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
        assert_eq!(who(server, &cookie).await, Value::Null);
        assert_eq!(server.number("SELECT count(*) FROM sessions").await, 1, "the other login is still there");
    }

    async fn a_login_ends_by_itself(server) {
        server.user(ASHA, Role::Admin, None).await;
        let cookie = server.login(ASHA).await;
        server.set_clock("2026-03-18T21:59:59Z");
        assert_eq!(who(server, &cookie).await, ASHA);
        server.set_clock("2026-03-18T22:00:00Z");
        assert_eq!(who(server, &cookie).await, Value::Null);
    }

    async fn out_everywhere(server) {
        server.user(ASHA, Role::Admin, None).await;
        server.user("juma@example.com", Role::Admin, None).await;
        let (one, two, other) = (server.login(ASHA).await, server.login(ASHA).await, server.login("juma@example.com").await);
        assert_eq!(who(server, &two).await, ASHA);
        let (status, ended) = answer(with_cookie(server, Method::POST, "/api/auth/logout-everywhere/", &one)).await;
        assert_eq!((status, &ended["sessions_ended"]), (StatusCode::OK, &json!(2)));
        assert_eq!((who(server, &one).await, who(server, &two).await), (Value::Null, Value::Null));
        assert_eq!(who(server, &other).await, "juma@example.com");
    }

    /// Nobody learns whether there is such a user.
    async fn a_wrong_login(server) {
        server.user(ASHA, Role::Admin, None).await;
        server.user("juma@example.com", Role::Admin, None).await;
        server.execute("UPDATE users SET status = 'DISABLED' WHERE email = 'juma@example.com'").await.unwrap();
        let mut answers = Vec::new();
        for (email, password) in [(ASHA, "another password"), ("nobody@example.com", PASSWORD), ("juma@example.com", PASSWORD)] {
            let (status, mut problem) = log_in(server, email, password).await;
            problem["request_id"] = json!(null);
            assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("wrong_login")));
            answers.push(problem);
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]));
        let (status, problem) = log_in(server, "not an address", PASSWORD).await;
        assert_eq!((status, problem["errors"]["email"].is_array()), (StatusCode::BAD_REQUEST, true));
        assert_eq!(server.number("SELECT count(*) FROM sessions").await, 0);
    }

    /// Ten guesses lock a user, also those made at once and with the right password after them; the lock ends by
    /// itself.
    async fn guessing_locks_the_user(server) {
        server.user(ASHA, Role::Admin, None).await;
        let guesses = futures_util::future::join_all((0..16).map(|_| log_in(server, ASHA, "another password"))).await;
        let tried = guesses.iter().filter(|(status, _)| *status == StatusCode::UNAUTHORIZED).count();
        assert_eq!(tried, 10, "{guesses:?}");
        let response = server.request(Method::POST, LOGIN).json(&json!({"email": ASHA, "password": PASSWORD}));
        let response = response.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u16>().unwrap() > 800);
        assert_eq!(response.json::<Value>().await.unwrap()["code"], "login_locked");
        server.set_clock("2026-03-18T10:15:01Z");
        assert_eq!(log_in(server, ASHA, PASSWORD).await.0, StatusCode::OK);
        assert_eq!(log_in(server, ASHA, "another password").await.0, StatusCode::UNAUTHORIZED, "counted from none again");
    }

    /// One address that tries many users is locked too; logins that work do not count.
    async fn guessing_locks_the_address(server) {
        server.user(ASHA, Role::Admin, None).await;
        for _ in 0..12 {
            assert_eq!(log_in(server, ASHA, PASSWORD).await.0, StatusCode::OK);
        }
        assert_eq!(log_in(server, "one@example.com", "guess").await.0, StatusCode::UNAUTHORIZED);
        server.execute("UPDATE login_failures SET failures = 50 WHERE subject LIKE 'address %'").await.unwrap();
        assert_eq!(log_in(server, "two@example.com", "guess").await.0, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(log_in(server, ASHA, PASSWORD).await.0, StatusCode::TOO_MANY_REQUESTS);
    }

    /// Failures count from the first of them on, and those that turn out to be none are taken back.
    async fn failures_are_forgotten(server) {
        server.user(ASHA, Role::Admin, None).await;
        assert_eq!(log_in(server, ASHA, PASSWORD).await.0, StatusCode::OK);
        assert_eq!(server.number("SELECT count(*) FROM login_failures").await, 0);
        for minute in ["00", "05", "10"] {
            server.set_clock(&format!("2026-03-18T10:{minute}:00Z"));
            assert_eq!(log_in(server, ASHA, "another password").await.0, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(server.number("SELECT failures FROM login_failures WHERE subject LIKE 'user %'").await, 3);
        server.set_clock("2026-03-18T10:15:01Z");
        assert_eq!(log_in(server, ASHA, "another password").await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(server.number("SELECT failures FROM login_failures WHERE subject LIKE 'user %'").await, 1);
    }

    /// Whoever locks a user's login does not keep them from changing their password while they are in.
    async fn a_locked_user_changes_the_password(server) {
        server.user(ASHA, Role::Admin, None).await;
        let cookie = server.login(ASHA).await;
        for _ in 0..10 {
            log_in(server, ASHA, "another password").await;
        }
        assert_eq!(log_in(server, ASHA, PASSWORD).await.0, StatusCode::TOO_MANY_REQUESTS);
        let request = with_cookie(server, Method::POST, "/api/auth/password/", &cookie);
        let body = json!({"current_password": PASSWORD, "new_password": "a new and long sentence"});
        assert_eq!(answer(request.json(&body)).await.0, StatusCode::NO_CONTENT);
    }

    async fn changing_a_password(server) {
        server.user(ASHA, Role::Admin, None).await;
        let (cookie, other) = (server.login(ASHA).await, server.login(ASHA).await);
        let change = |current: &'static str, new: &'static str| {
            let request = with_cookie(server, Method::POST, "/api/auth/password/", &cookie);
            answer(request.json(&json!({"current_password": current, "new_password": new})))
        };
        for (current, new, field) in [
            ("another password", "a new and long password", "current_password"),
            (PASSWORD, "short", "new_password"),
            (PASSWORD, "aaaaaaaaaaaaaaaa", "new_password"),
            (PASSWORD, PASSWORD, "new_password"),
        ] {
            let (status, problem) = change(current, new).await;
            assert_eq!((status, problem["errors"][field].is_array()), (StatusCode::BAD_REQUEST, true), "{problem}");
        }
        assert_eq!(change(PASSWORD, "a new and long password").await.0, StatusCode::NO_CONTENT);
        assert_eq!(who(server, &cookie).await, ASHA, "who changed it stays in");
        assert_eq!(who(server, &other).await, Value::Null, "everybody else is out");
        assert_eq!(log_in(server, ASHA, PASSWORD).await.0, StatusCode::UNAUTHORIZED);
        assert_eq!(log_in(server, ASHA, "a new and long password").await.0, StatusCode::OK);
    }

    /// The cookie comes along whoever wrote the page: so a write has to say whose page it is.
    async fn writes_with_a_cookie_come_from_our_pages(server) {
        server.user(ASHA, Role::Admin, None).await;
        let cookie = server.login(ASHA).await;
        let before = server.row_counts().await;
        for (origin, expected) in [
            (None, "origin_missing"),
            (Some("http://evil.example"), "origin_not_allowed"),
            (Some("null"), "origin_not_allowed"),
        ] {
            for path in ["/api/billing/keys/", "/api/billing/topup/", "/api/auth/logout/"] {
                let request = server.request(Method::POST, path).header("cookie", &cookie).json(&json!({}));
                let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
                let (status, problem) = answer(request).await;
                assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!(expected)), "{path}");
            }
        }
        assert_eq!(server.row_counts().await, before);
        assert_eq!(who(server, &cookie).await, ASHA);
    }
}

/// Over TLS, as a trusted proxy says, the cookie is one that no other server of the site can set.
#[tokio::test]
async fn over_tls() {
    let server = Server::start(Database::Sqlite, &[REQUIRED, &["--trusted-proxies", "127.0.0.1"]].concat()).await;
    server.user(ASHA, Role::Admin, None).await;
    let login = server.request(Method::POST, LOGIN).header("x-forwarded-proto", "https");
    let response = login.json(&json!({"email": ASHA, "password": PASSWORD})).send().await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-wecall_session=") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    for (cookie, status) in [(pair.to_owned(), 200), (pair.replace("__Host-", ""), 401)] {
        let me = server.request(Method::GET, ME).header("x-forwarded-proto", "https").header("cookie", cookie);
        assert_eq!(me.send().await.unwrap().status(), status);
    }
}

/// All addresses of a network of IPv6 are one guesser.
#[tokio::test]
async fn a_network_is_one_guesser() {
    let server = Server::start(Database::Sqlite, &[REQUIRED, &["--trusted-proxies", "127.0.0.1"]].concat()).await;
    for last in ["1", "2"] {
        let login = server.request(Method::POST, LOGIN).header("x-forwarded-for", format!("2001:db8::{last}"));
        let (status, _) = answer(login.json(&json!({"email": ASHA, "password": "a guess"}))).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let sql = "SELECT failures FROM login_failures WHERE subject LIKE 'address 2001:db8:%'";
    assert_eq!(server.number(sql).await, 2);
}

#[tokio::test]
async fn the_cookie_is_for_the_server_alone() {
    let server = Server::start(Database::Sqlite, REQUIRED).await;
    server.user(ASHA, Role::Admin, None).await;
    let request = server.request(Method::POST, LOGIN).json(&json!({"email": ASHA, "password": PASSWORD}));
    let response = request.send().await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in ["wecall_session=", "; Path=/", "; HttpOnly", "; SameSite=Lax", "; Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!response.text().await.unwrap().contains(&cookie[15..40]), "not in the body, where scripts read");
    // A changed cookie lets nobody in.
    let changed = format!("{}x", &cookie[..57]);
    let (status, _) = answer(server.request(Method::GET, ME).header("cookie", changed)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
