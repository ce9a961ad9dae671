//! Tests limits: connections, heads, bodies, requests per minute, and trusted proxies.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::Role;

use crate::access::rights::business;
use crate::support::process::{ServerProcess, text};
use crate::support::{Database, REQUIRED, Server};

async fn sqlite(args: &[&str]) -> Server {
    Server::start(Database::Sqlite, args).await
}

/// A connection that speaks HTTP by hand.
struct Connection(TcpStream);

impl Connection {
    fn open(base_url: &str) -> Connection {
        let stream = TcpStream::connect(base_url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Connection(stream)
    }

    /// Where the server has closed by now, its answer says why.
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.0.write_all(bytes.as_ref());
    }

    /// What arrives until the server closes.
    fn rest(mut self) -> String {
        let mut answer = Vec::new();
        let _ = self.0.read_to_end(&mut answer);
        text(&answer)
    }

    /// One answer with an object as its body, the connection left open.
    fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        let mut buffer = [0; 1_024];
        while !text(&answer).ends_with('}') {
            match self.0.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend_from_slice(&buffer[..read]),
            }
        }
        text(&answer)
    }

    /// Asks whether the server is alive, and leaves the connection open: the status of the answer.
    fn ask(&mut self) -> String {
        self.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        self.answer().split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

/// What a refused connection is told: status line, headers, and the problem.
fn check_refusal(answer: &str, status: u16) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    for header in ["content-type: application/problem+json", "connection: close", "retry-after: 5"] {
        assert!(head.lines().any(|line| line == header), "{header}: {head}");
    }
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &"too_many_connections".into()));
    assert!(problem["detail"].as_str().unwrap().len() > 10 && problem["request_id"].is_string(), "{problem}");
}

/// Connections above the cap are told so; those that are open are served on; a place comes back when one closes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_capped() {
    let server = sqlite(&["--max-connections", "3"]).await;
    let mut open: Vec<Connection> = (0..3).map(|_| Connection::open(&server.base_url)).collect();
    for connection in &mut open {
        assert_eq!(connection.ask(), "200");
    }
    // Whether the client speaks first or waits, it is answered.
    check_refusal(&Connection::open(&server.base_url).rest(), 503);
    let mut refused = Connection::open(&server.base_url);
    refused.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    check_refusal(&refused.rest(), 503);
    for connection in &mut open {
        assert_eq!(connection.ask(), "200", "who was there first is served");
    }
    open.pop();
    // The server notices a little later that it was closed.
    let served = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        Connection::open(&server.base_url).ask() == "200"
    });
    assert!(served, "the place came back");
}

/// Many that are refused at once do not keep the server from serving those it took.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_refused() {
    let server = sqlite(&["--max-connections", "1"]).await;
    let mut first = Connection::open(&server.base_url);
    assert_eq!(first.ask(), "200");
    let flood: Vec<Connection> = (0..300).map(|_| Connection::open(&server.base_url)).collect();
    assert_eq!(first.ask(), "200");
    // Where too many are refused at once, the rest is closed without a word.
    let answers: Vec<String> = flood.into_iter().map(Connection::rest).collect();
    assert!(answers.iter().all(|answer| answer.is_empty() || answer.starts_with("HTTP/1.1 503 ")), "{answers:?}");
    assert!(answers.iter().any(|answer| !answer.is_empty()));
    assert_eq!(first.ask(), "200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_one_address_are_capped() {
    let server = sqlite(&["--max-connections-per-address", "2", "--trusted-proxies", "10.0.0.1"]).await;
    let mut open: Vec<Connection> = (0..2).map(|_| Connection::open(&server.base_url)).collect();
    for connection in &mut open {
        assert_eq!(connection.ask(), "200");
    }
    check_refusal(&Connection::open(&server.base_url).rest(), 429);
}

/// A proxy brings everybody's connections, and one on this machine may have gone unlisted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_may_have_many_connections() {
    for proxies in [&[][..], &["--trusted-proxies", "127.0.0.0/8"]] {
        let server = sqlite(&[&["--max-connections-per-address", "2"], proxies].concat()).await;
        let mut open: Vec<Connection> = (0..5).map(|_| Connection::open(&server.base_url)).collect();
        for connection in &mut open {
            assert_eq!(connection.ask(), "200", "{proxies:?}");
        }
    }
}

/// Connections that never end their head, or their body, hold their places no longer than the timeouts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_connections_give_their_places_back() {
    let home = tempfile::tempdir().unwrap();
    let args = ["--max-connections", "3", "--header-timeout-seconds", "1", "--body-timeout-seconds", "1"];
    let server = ServerProcess::start(home.path(), &args);
    let mut slow_head = Connection::open(&server.base_url);
    slow_head.send("GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ");
    let mut slow_body = Connection::open(&server.base_url);
    slow_body.send(
        "POST /api/billing/topup/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{",
    );
    assert_eq!(Connection::open(&server.base_url).ask(), "200", "others are served meanwhile");
    assert!(!slow_head.rest().contains("200 OK"));
    let answer = slow_body.rest();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
    let served = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        let mut open: Vec<Connection> = (0..3).map(|_| Connection::open(&server.base_url)).collect();
        open.iter_mut().all(|connection| connection.ask() == "200")
    });
    assert!(served, "all three places came back");
}

/// What the limit of open files leaves is what there is, and the log says so.
#[test]
fn few_open_files_mean_few_connections() {
    let home = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_wecall-billing");
    let (soft, hard) = ("ulimit -Sn 180", "ulimit -Hn 200");
    let start = |args: &str| {
        let command = format!("{soft}; {hard}; exec {program} {args} serve --bind 127.0.0.1:0 --log-format json");
        let mut child = std::process::Command::new("sh")
            .args(["-c", &command])
            .env_clear()
            .current_dir(home.path())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut greeting = [0; 1];
        child.stdout.as_mut().unwrap().read_exact(&mut greeting).unwrap();
        child.kill().unwrap();
        text(&child.wait_with_output().unwrap().stderr)
    };
    let log = start("");
    assert!(log.contains(r#""open_files":200,"wanted":4096,"possible":50"#), "{log}");
    assert!(!start("--max-connections 40").contains("limit of open files"));
}

async fn problem(response: reqwest::Response, status: u16, code: &str) -> Value {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(response.status(), status);
    let problem: Value = response.json().await.unwrap();
    assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()), "{problem}");
    assert_eq!(problem["request_id"], id.as_str());
    problem
}

#[tokio::test]
async fn long_addresses_are_refused() {
    let server = sqlite(&[]).await;
    let before = server.row_counts().await;
    let long = "x".repeat(8 * 1024);
    for path in [format!("/api/billing/wallet/{long}/"), format!("/healthz?{long}"), format!("/{long}")] {
        let response = server.request(Method::GET, &path).send().await.unwrap();
        problem(response, 414, "uri_too_long").await;
    }
    let path = format!("/api/billing/alerts/biz_test_001/?x={}", "x".repeat(7_000));
    assert_eq!(server.request(Method::GET, &path).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(server.row_counts().await, before);
}

#[tokio::test]
async fn large_heads_are_refused() {
    let server = sqlite(&[]).await;
    let ask = || server.request(Method::GET, "/healthz");
    let response = ask().header("cookie", "c".repeat(16 * 1024)).send().await.unwrap();
    problem(response, 431, "headers_too_large").await;
    let many = |count| (0..count).fold(ask(), |request, at| request.header(format!("x-{at}"), "v")).send();
    problem(many(70).await.unwrap(), 431, "headers_too_large").await;
    assert_eq!(many(50).await.unwrap().status(), StatusCode::OK);
    let response = ask().header("cookie", "c".repeat(15 * 1024)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    // Larger ones are not even gathered.
    for count in [90, 200] {
        assert_eq!(many(count).await.unwrap().status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
}

/// A head without an end is given up before it is large.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_without_an_end_is_given_up() {
    let server = sqlite(&[]).await;
    let mut endless = Connection::open(&server.base_url);
    endless.send("GET /healthz HTTP/1.1\r\nhost: x\r\nx-endless: ");
    let chunk = [b'x'; 8 * 1024];
    // It is cut off while it writes, or after it did.
    let sent = (0..1_000).take_while(|_| endless.0.write_all(&chunk).is_ok()).count();
    assert!(sent < 1_000, "8 MB went in");
    assert_eq!(Connection::open(&server.base_url).ask(), "200");
}

const TOPUP: &str = "/api/billing/topup/";

#[tokio::test]
async fn deep_bodies_are_refused() {
    let server = sqlite(&[]).await;
    let before = server.row_counts().await;
    let post = |path: &'static str, body: String| {
        server.request(Method::POST, path).header("content-type", "application/json").body(body).send()
    };
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for levels in [32, 200, 200_000] {
        for body in [
            format!(r#"{{"business_sid":"b","amount":1,"x":{}}}"#, nested(levels)),
            nested(levels + 1),
            "{\"a\":".repeat(levels + 1),
        ] {
            let problem = problem(post(TOPUP, body).await.unwrap(), 400, "invalid_request").await;
            assert!(problem["detail"].as_str().unwrap().contains("deeper than the 32 levels"), "{problem}");
        }
    }
    let batch = format!(r#"{{"charges":[{{"metadata":{}}}]}}"#, nested(40));
    problem(post("/api/billing/charges/batch/", batch).await.unwrap(), 400, "invalid_request").await;
    assert_eq!(server.row_counts().await, before);
    let shallow = format!(r#"{{"business_sid":"b","amount":1,"x":[{}],"y":"{}"}}"#, nested(30), "[".repeat(100));
    assert_eq!(post(TOPUP, shallow).await.unwrap().status(), StatusCode::OK);
}

/// A body whose length says that it is too large is not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_are_refused_by_their_length() {
    let server = sqlite(&["--max-body-bytes", "2048"]).await;
    let before = server.row_counts().await;
    for (length, expect) in [("2049", ""), ("2049", "expect: 100-continue\r\n"), ("99999999999", "")] {
        let mut connection = Connection::open(&server.base_url);
        connection.send(format!(
            "POST {TOPUP} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n{expect}\
             content-length: {length}\r\n\r\n"
        ));
        let answer = connection.answer();
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("payload_too_large"), "{length}: {answer}");
    }
    // A client that sends it all before it looks still sees the answer, and may go on with the connection.
    let mut connection = Connection::open(&server.base_url);
    for _ in 0..3 {
        let head = format!(
            "POST {TOPUP} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            8 * 2_048
        );
        connection.send(head);
        for _ in 0..8 {
            connection.send([b' '; 2_048]);
        }
        let answer = connection.answer();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
    assert_eq!(connection.ask(), "200");
    // One of unknown length is refused when it has become too long.
    let chunked = format!("800\r\n{}\r\n", " ".repeat(2_048));
    let mut connection = Connection::open(&server.base_url);
    connection.send(format!(
        "POST {TOPUP} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{chunked}{chunked}0\r\n\r\n"
    ));
    assert!(connection.answer().starts_with("HTTP/1.1 413 "));
    assert_eq!(server.row_counts().await, before);
}

/// The address in the audit log is the client's own where a trusted proxy says it, and nobody else may.
#[tokio::test]
async fn addresses_are_believed_from_trusted_proxies() {
    for (proxies, forwarded, address) in [
        ("", "203.0.113.7", "127.0.0.1"),
        ("10.0.0.0/8", "203.0.113.7", "127.0.0.1"),
        ("127.0.0.1,10.0.0.0/8", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1,10.0.0.0/8", "198.51.100.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("127.0.0.0/8", "[2001:db8::7]:4711", "2001:db8::7"),
        ("127.0.0.0/8", "nobody", "127.0.0.1"),
    ] {
        let args: &[&str] = if proxies.is_empty() { &[] } else { &["--trusted-proxies", proxies] };
        let server = sqlite(args).await;
        let request = server.request(Method::GET, "/api/billing/wallet/new/").header("x-forwarded-for", forwarded);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
        let count = format!("SELECT count(*) FROM audit_log WHERE action = 'wallet.created' AND address = '{address}'");
        assert_eq!(server.number(&count).await, 1, "{proxies:?} and {forwarded:?}");
    }
}

/// Requests a minute: told on each answer, refused when they are used up, and counted for each caller by itself.
#[tokio::test]
async fn requests_a_minute() {
    let server = Server::start(Database::Sqlite, &[REQUIRED, &["--rate-limit-client", "5"]].concat()).await;
    business(&server, "c", "CLIENT", "ACTIVE", None).await;
    let (busy, other) = (server.key(Role::Client, Some("c")).await, server.key(Role::Client, Some("c")).await);
    let ask = |key: &str| server.request(Method::GET, "/api/billing/wallet/c/").bearer_auth(key).send();
    for left in (0..5).rev() {
        let response = ask(&busy).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers()["ratelimit-policy"].to_str().unwrap().contains("\"client\";q=5;w=60"));
        let told = response.headers()["ratelimit"].to_str().unwrap().to_owned();
        assert!(told.starts_with(&format!("\"client\";r={left}")), "{told}");
    }
    let response = ask(&busy).await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u16 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "rate_limited");
    assert_eq!(ask(&other).await.unwrap().status(), StatusCode::OK, "nobody else is kept waiting");
    let gateway = server.key(Role::Gateway, None).await;
    for number in 0..30 {
        let path = "/api/billing/pricing-plans/";
        let response = server.request(Method::GET, path).bearer_auth(&gateway).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{number}");
        assert!(!response.headers().contains_key("ratelimit"), "a gateway has no limit");
    }
    let nobody = server.request(Method::GET, "/api/billing/wallet/c/").send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED, "without credentials always 401");
}

/// Who guesses keys is not listened to; who was known before, at the same address, is.
#[tokio::test]
async fn guessing_keys() {
    let server = Server::start(Database::Sqlite, &[REQUIRED, &["--rate-limit-failures", "3"]].concat()).await;
    let (known, unknown) = (server.key(Role::Gateway, None).await, server.key(Role::Gateway, None).await);
    let ask = |key: String| async {
        let request = server.request(Method::GET, "/api/auth/me/");
        let request = if key.is_empty() { request } else { request.bearer_auth(key) };
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(known.clone()).await, 200);
    let guess = |number: u64| format!("sk_live_{number:016x}_{}", "0".repeat(64));
    for (number, status) in [(0, 401), (1, 401), (2, 401), (3, 429)] {
        assert_eq!(ask(guess(number)).await, status, "{number}");
    }
    assert_eq!(ask(known).await, 200);
    assert_eq!(ask(unknown).await, 429, "it cannot be told from a guess without looking");
    assert_eq!(ask(String::new()).await, 401);
    // Logins have a count of their own, those that work included: each takes much of a processor.
    for status in [401, 401, 401, 429] {
        let login =
            server.request(Method::POST, "/api/auth/login/").json(&json!({"email": "a@b.c", "password": "guess"}));
        assert_eq!(login.send().await.unwrap().status(), status);
    }
}

/// Who has not said who they are sends a login, and nothing larger.
#[tokio::test]
async fn what_nobody_in_particular_may_send() {
    let server = Server::start(Database::Sqlite, REQUIRED).await;
    let body = format!(r#"{{"email": "a@b.c", "password": "x", "more": "{}"}}"#, "x".repeat(65_536));
    let login = server.request(Method::POST, "/api/auth/login/").header("content-type", "application/json");
    assert_eq!(login.body(body.clone()).send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let known = server.request(Method::POST, "/api/auth/login/").header("content-type", "application/json");
    let known = known.bearer_auth(server.admin_key().await).body(body).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::PAYLOAD_TOO_LARGE, "a login is for nobody in particular");
}
