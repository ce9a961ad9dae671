//! Tests that secrets do not leak: plants canaries wherever one is stored, and searches everywhere else.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::process::{ServerProcess, program, text};
use crate::support::{answer, postgres};

const SECRET_KEY: &str = "canary-of-the-secret-key-0123456789";
const PAYMENT_SECRET: &str = "canary-of-the-payment-secret-0123456789";
const PASSWORD: &str = "canary of the password";
const NEW_PASSWORD: &str = "canary of the new password";
const GIVEN_PASSWORD: &str = "canary of a password that an admin gave";
const SET_PASSWORD: &str = "canary of a password that an admin set";
const WRONG_PASSWORD: &str = "canary of a wrong password";
const FOREIGN_TOKEN: &str = "canary.of.a.foreign.token";
const BODY: &str = "canary of a message";
const NUMBER: &str = "254712987654";

/// Runs a subcommand with the secret key in its environment and a line on its standard input.
fn command(home: &Path, args: &[&str], input: &str) -> String {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = program(home)
        .args(args)
        .env("SECRET_KEY", SECRET_KEY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    let error = text(&output.stderr);
    assert!(!error.contains("canary"), "{error}");
    text(&output.stdout)
}

/// Everything that a server on this database could leak into, after everything that takes a secret was used.
async fn leaks(database_url: &str, home: &Path) -> Vec<(String, Vec<u8>)> {
    command(
        home,
        &["create-admin", "--email", "a@example.com", "--password-stdin", "--database-url", database_url],
        PASSWORD,
    );
    let admin =
        command(home, &["keys", "create", "--role", "admin", "--name", "a", "--database-url", database_url], "");
    let admin = admin.trim().to_owned();
    let server = ServerProcess::start(
        home,
        &[
            "--auth",
            "required",
            "--secret-key",
            SECRET_KEY,
            "--log-level",
            "trace",
            "--payment-providers",
            "mpesa=http://127.0.0.1:9/pay",
            "--payment-secrets",
            &format!("mpesa={PAYMENT_SECRET}"),
            "--database-url",
            database_url,
        ],
    );
    let client = crate::support::client();
    let request = |method: Method, path: &str| client.request(method, format!("{}{path}", server.base_url));
    let mut answers = Vec::new();
    let mut secrets = vec![admin.clone()];

    for password in [WRONG_PASSWORD, PASSWORD] {
        let login =
            request(Method::POST, "/api/auth/login/").json(&json!({"email": "a@example.com", "password": password}));
        let response = login.send().await.unwrap();
        if let Some(cookie) = response.headers().get("set-cookie") {
            secrets.push(cookie.to_str().unwrap().split(['=', ';']).nth(1).unwrap().to_owned());
        }
        answers.push(response.text().await.unwrap());
    }
    let cookie = format!("wecall_session={}", secrets.last().unwrap());
    let change = request(Method::POST, "/api/auth/password/")
        .header("cookie", &cookie)
        .header("origin", "http://localhost:3000");
    let (status, answered) =
        answer(change.json(&json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD}))).await;
    assert_eq!(status, 204, "{answered}");

    let user = json!({"email": "b@example.com", "name": "b", "role": "admin", "password": GIVEN_PASSWORD});
    let create = request(Method::POST, "/api/admin/users/").bearer_auth(&admin).json(&user);
    let (_, user) = answer(create).await;
    let user = format!("/api/admin/users/{}/", user["sid"].as_str().unwrap());
    for (password, expected) in [(json!(SET_PASSWORD), 204), (json!([SET_PASSWORD]), 400)] {
        let set = request(Method::POST, &format!("{user}password/")).bearer_auth(&admin);
        let (status, answered) = answer(set.json(&json!({"password": password}))).await;
        assert_eq!(status, expected, "{answered}");
        answers.push(answered.to_string());
    }

    let create = request(Method::POST, "/api/billing/keys/").bearer_auth(&admin).header("idempotency-key", "once");
    let (_, made) = answer(create.json(&json!({"name": "k", "role": "gateway"}))).await;
    secrets.push(made["secret"].as_str().unwrap().to_owned());
    let rotate = request(Method::POST, &format!("/api/billing/keys/{}/rotate/", made["sid"].as_str().unwrap()));
    let rotate = rotate.bearer_auth(&admin).header("idempotency-key", "once");
    let (_, rotated) = answer(rotate.json(&json!({"overlap_seconds": 60}))).await;
    let gateway = rotated["secret"].as_str().unwrap().to_owned();
    secrets.push(gateway.clone());

    let message = json!({"business_sid": "acme", "message_sid": "m", "to": format!("+{NUMBER}"), "body": BODY});
    for body in [json!({"business_sid": "acme", "amount": 5}), message] {
        let path = if body.get("amount").is_some() { "/api/billing/topup/" } else { "/api/billing/charges/" };
        answers.push(answer(request(Method::POST, path).bearer_auth(&admin).json(&body)).await.1.to_string());
    }
    // What somebody pays from, and what providers sign with.
    let method = format!("+{NUMBER}");
    let asked = json!({"business_sid": "acme", "amount": 5, "provider": "mpesa", "method": method});
    let request_topup = request(Method::POST, "/api/billing/topup/").bearer_auth(&admin);
    let (status, answered) = answer(request_topup.header("idempotency-key", "pay").json(&asked)).await;
    assert_eq!(status, 202, "{answered}");
    answers.push(answered.to_string());
    let settings = json!({"enabled": true, "amount": 20, "threshold": 10, "method": method});
    let put = request(Method::PUT, "/api/billing/wallet/acme/auto-recharge/").bearer_auth(&admin);
    let (status, answered) = answer(put.json(&settings)).await;
    assert_eq!((status.as_u16(), &answered["method"]), (200, &json!("+25471****654")), "{answered}");
    answers.push(answered.to_string());
    let confirmation = request(Method::POST, "/api/billing/payments/mpesa/confirmations/");
    answers.push(answer(confirmation.json(&json!({"payment_sid": NUMBER}))).await.1.to_string());
    // The worker asks, and nobody is there.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    for path in ["/api/billing/payments/acme/", "/api/billing/transactions/acme/", "/api/admin/suspense/"] {
        answers.push(request(Method::GET, path).bearer_auth(&admin).send().await.unwrap().text().await.unwrap());
    }
    // What goes wrong is told without what was sent.
    for (path, body) in [
        ("/api/auth/login/", json!({"email": "a@example.com", "password": [PASSWORD]})),
        ("/api/auth/login/", json!({"email": PASSWORD, "password": PASSWORD})),
        ("/api/billing/topup/", json!({"business_sid": "acme", "amount": 5, "provider": "mpesa", "method": [NUMBER]})),
        ("/api/billing/charges/", json!({"business_sid": "acme", "message_sid": "m2", "to": NUMBER, "body": [BODY]})),
    ] {
        answers.push(answer(request(Method::POST, path).bearer_auth(&gateway).json(&body)).await.1.to_string());
    }
    for token in [FOREIGN_TOKEN, &format!("{gateway}0"), &gateway.replace("sk_live", "sk_test")] {
        answers.push(answer(request(Method::GET, "/api/auth/me/").bearer_auth(token)).await.1.to_string());
    }
    for path in [
        "/api/admin/users/",
        &user,
        "/metrics",
        "/api/billing/audit/?limit=1000",
        "/api/billing/keys/",
        "/openapi.json",
    ] {
        answers.push(request(Method::GET, path).bearer_auth(&admin).send().await.unwrap().text().await.unwrap());
    }
    let found: Value = answer(request(Method::GET, "/api/billing/charges/acme/m/").bearer_auth(&admin)).await.1;
    assert_eq!(found["transaction"]["details"]["to"], "+25471****654", "the number is kept, masked: {found}");
    answers.push(found.to_string());
    drop(server);

    let mut places = vec![("answers".to_owned(), answers.join("\n").into_bytes())];
    for entry in std::fs::read_dir(home).unwrap().map(Result::unwrap) {
        places.push((entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()));
    }
    if database_url.starts_with("postgres") {
        command(home, &["backup", "dump", "--database-url", database_url], "");
        let rows =
            std::process::Command::new("pg_restore").args(["-f", "-", "dump"]).current_dir(home).output().unwrap();
        assert!(rows.status.success(), "{}", text(&rows.stderr));
        places.push(("the rows".to_owned(), rows.stdout));
    }
    // Planted themselves, in whole and as the part that alone is secret.
    let digits: Vec<String> = secrets.iter().map(|key| key.rsplit('_').next().unwrap().to_owned()).collect();
    let canaries = [
        SECRET_KEY,
        PAYMENT_SECRET,
        PASSWORD,
        NEW_PASSWORD,
        GIVEN_PASSWORD,
        SET_PASSWORD,
        WRONG_PASSWORD,
        FOREIGN_TOKEN,
        BODY,
        NUMBER,
    ];
    let canaries = canaries.iter().map(ToString::to_string).chain(digits);
    let mut leaks = Vec::new();
    for canary in canaries {
        for (place, content) in &places {
            if content.windows(canary.len()).any(|window| window == canary.as_bytes()) {
                leaks.push(format!("{canary} is in {place}"));
            }
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
    places
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_nowhere_on_sqlite() {
    let home = tempfile::tempdir().unwrap();
    let places = leaks("sqlite://billing.db", home.path()).await;
    let of = |name: &str| places.iter().find(|(place, _)| place == name).unwrap().1.clone();
    // The search finds what is there: a name that is no secret, and the log in all its detail.
    assert!(
        of("billing.db").windows(13).any(|window| window == b"a@example.com") || of("billing.db-wal").len() > 4_096
    );
    assert!(text(&of("log")).contains("DEBUG"), "the log is at its most talkative");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_nowhere_on_postgres() {
    if !postgres::is_available() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let url = postgres::create_database().await;
    let places = leaks(&url, home.path()).await;
    let (_, rows) = places.iter().find(|(place, _)| place == "the rows").unwrap();
    assert!(text(rows).contains("a@example.com"), "the search finds what is there");
}
