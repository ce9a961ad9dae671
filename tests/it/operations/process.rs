//! Tests the real program: its output, its refusals, and how it stops.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::postgres;
use crate::support::process::{ServerProcess, program, run, text};

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

async fn get(url: &str) -> serde_json::Value {
    crate::support::client().get(url).send().await.unwrap().json().await.unwrap()
}

async fn top_up(base_url: &str, business: &str) -> reqwest::Response {
    let body = format!(r#"{{"business_sid":"{business}","amount":1}}"#);
    let request = crate::support::client().post(format!("{base_url}/api/billing/topup/"));
    request.header("content-type", "application/json").body(body).send().await.unwrap()
}

/// One command on an empty folder: tables, sample data, an open port, and the addresses to look at next.
#[tokio::test]
async fn serves_from_an_empty_folder() {
    let home = home();
    let server = ServerProcess::start(home.path(), &[]);
    let greeting = server.greeting.join("\n");
    for part in
        ["wecall billing", "/api/billing/wallet/biz_test_001/", "/docs/", "/openapi.json", "/healthz", "billing.db"]
    {
        assert!(greeting.contains(part), "{part} is not in {greeting}");
    }
    let wallet = get(&format!("{}/api/billing/wallet/biz_test_001/", server.base_url)).await;
    assert_eq!(wallet["balance"], 1000);
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(home.path().join("billing.db")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "other people's money is private");
    let address = server.base_url.strip_prefix("http://").unwrap();
    let healthy = run(home.path(), &["healthcheck", "--bind", address]);
    assert!(healthy.status.success(), "{}", text(&healthy.stderr));
}

/// What stops the start: one line that names what is wrong, exit code 1, nothing on standard output.
#[test]
fn refuses_to_start() {
    let home = home();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_address = taken.local_addr().unwrap().to_string();
    std::fs::write(
        home.path().join("no.db"),
        "this is no database, but a text of more than a hundred bytes, as a file \
        that somebody named by mistake would be",
    )
    .unwrap();
    for (args, parts) in [
        (vec!["--bind", &taken_address], vec!["cannot listen on", "another program listens there"]),
        (vec!["--database-url", "sqlite:///nowhere/billing.db"], vec!["/nowhere does not exist", "DATABASE_URL"]),
        (vec!["--database-url", "sqlite://no.db"], vec!["no.db", "not a database"]),
        (
            vec!["--database-url", "mysql://u:secret@h/d"],
            vec!["DATABASE_URL (or --database-url) must be sqlite://PATH"],
        ),
        (
            vec!["--database-url", "postgres://u:secret@127.0.0.1:1/d"],
            vec!["PostgreSQL database d at 127.0.0.1:1", "refused"],
        ),
        (vec!["--bind", "0.0.0.0"], vec!["AUTH=required", "AUTH_OPEN_ANYWHERE=true"]),
        (vec!["--port", "8000"], vec!["AUTH=required", "AUTH_OPEN_ANYWHERE=true"]),
        (vec!["--bind", "localhost:http"], vec!["BIND (or --bind) must be an IP address"]),
        (vec!["--port", "70000"], vec!["PORT (or --port) must be a whole number from 0 to 65535"]),
        (vec!["--auth", "required"], vec!["AUTH=required needs a SECRET_KEY", "openssl rand -base64 32"]),
        (vec!["--auth", "required", "--secret-key", "short"], vec!["SECRET_KEY (or --secret-key) must be at least 32"]),
        (vec!["--metrics-bind", "9100"], vec!["METRICS_BIND (or --metrics-bind) must be an IP address with a port"]),
        (vec!["--auth", "none"], vec!["AUTH (or --auth) must be one of open, required"]),
        (
            vec!["--billing-timezone", "Nairobi"],
            vec!["BILLING_TIMEZONE (or --billing-timezone) must be an IANA time zone"],
        ),
        (vec!["--default-currency", "XYZ"], vec!["DEFAULT_CURRENCY (or --default-currency) must be an ISO 4217"]),
        (vec!["--default-plan", "Enterprise"], vec!["DEFAULT_PLAN", "POSTPAID"]),
        (vec!["--cors-origins", "*"], vec!["CORS_ORIGINS (or --cors-origins) must be a list of origins"]),
        (
            vec!["--allowed-hosts", "https://billing.example/"],
            vec!["ALLOWED_HOSTS (or --allowed-hosts) must be a list of host names"],
        ),
        (
            vec!["--auth-open-anywhere=perhaps"],
            vec!["AUTH_OPEN_ANYWHERE (or --auth-open-anywhere) must be true or false"],
        ),
        (vec!["--log-level", "verbose"], vec!["LOG_LEVEL (or --log-level) must be off, error, warn"]),
        (
            vec!["--database-url", "postgres://u:secret@h/d?sslmode=secret"],
            vec!["DATABASE_URL (or --database-url)", "after its `?`"],
        ),
        (vec!["--log-level", "loud=maybe"], vec!["LOG_LEVEL (or --log-level) must be off, error, warn"]),
        (vec!["--request-timeout-seconds", "0"], vec!["REQUEST_TIMEOUT_SECONDS", "from 1 to 3600"]),
        (
            vec!["--sqlite-readers", "0"],
            vec!["SQLITE_READERS (or --sqlite-readers) must be a whole number from 1 to 64"],
        ),
        (
            vec!["--trusted-proxies", "10.0.0.1,proxy.local"],
            vec!["TRUSTED_PROXIES (or --trusted-proxies) must be a list of IP addresses or networks"],
        ),
        (vec!["--max-connections", "0"], vec!["MAX_CONNECTIONS (or --max-connections)", "from 1 to 1000000"]),
        (vec!["--rate-limit-client", "many"], vec!["RATE_LIMIT_CLIENT (or --rate-limit-client)", "from 0 to 1000000"]),
    ] {
        let output =
            program(home.path()).env("LOG_LEVEL", "error").args(["serve", "--seed"]).args(&args).output().unwrap();
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {error}");
        assert!(parts.iter().all(|part| error.contains(part)), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{args:?}: {error}");
        assert!(!error.contains(":secret") && !error.contains("secret@"), "{error}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
}

/// A variable works as its flag does; `.env` is read; the environment wins over it, a flag over both; an empty variable
/// is none; a wrong one is named.
#[test]
fn where_settings_come_from() {
    let home = home();
    std::fs::write(home.path().join(".env"), "DATABASE_URL=sqlite://from-file.db\nLOG_LEVEL=error\n").unwrap();
    let migrate = |variables: &[(&str, &str)], args: &[&str]| {
        let output = program(home.path()).envs(variables.iter().copied()).arg("migrate").args(args).output().unwrap();
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    };
    assert!(migrate(&[], &[]).contains("from-file.db"));
    assert!(migrate(&[("DATABASE_URL", "sqlite://from-variable.db")], &[]).contains("from-variable.db"));
    let both = migrate(&[("DATABASE_URL", "sqlite://from-variable.db")], &["--database-url", "sqlite://from-flag.db"]);
    assert!(both.contains("from-flag.db"));
    assert!(migrate(&[("PORT", ""), ("AUTH_OPEN_ANYWHERE", ""), ("CORS_ORIGINS", "")], &[]).contains("up to date"));
    assert!(migrate(&[("PORT", "http")], &[]).starts_with("error: PORT (or --port)"));
    std::fs::write(home.path().join(".env"), "DATABASE_URL=postgres://u:my secret@h/d\n").unwrap();
    let broken = migrate(&[], &[]);
    assert!(broken.contains("the file .env cannot be read") && !broken.contains("secret"), "{broken}");
}

/// The time zone of a database's days is fixed by its first use.
#[test]
fn a_time_zone_is_for_ever() {
    let home = home();
    assert!(run(home.path(), &["migrate", "--billing-timezone", "Africa/Nairobi"]).status.success());
    let output = run(home.path(), &["serve", "--log-level=error"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("set BILLING_TIMEZONE=Africa/Nairobi"), "{}", text(&output.stderr));
}

#[test]
fn subcommands_say_what_they_did() {
    let home = home();
    let out = |args: &[&str]| {
        let output = run(home.path(), args);
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, stdout, _) = out(&["check"]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("problem  there is no SQLite file billing.db"), "{stdout}");
    let (_, stdout, _) = out(&["migrate"]);
    assert!(stdout.contains("applied 0001 businesses and wallets") && stdout.contains("is up to date"), "{stdout}");
    let (code, stdout, _) = out(&["seed"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("Loaded 3 plans, 17 rate cards and 2 wallets"), "{stdout}");
    let (_, stdout, _) = out(&["seed"]);
    assert!(
        stdout.contains("Loaded 0 plans, 0 rate cards and 0 wallets") && stdout.contains("stays as it is"),
        "{stdout}"
    );
    let (code, stdout, _) = out(&["check"]);
    assert_eq!(code, Some(0), "{stdout}");
    assert!(!stdout.contains("problem"), "{stdout}");
    let (code, stdout, stderr) = out(&["check", "--billing-timezone", "Asia/Tokyo", "--bind", "0.0.0.0"]);
    assert_eq!((code, stderr.as_str()), (Some(1), "error: 2 problems were found\n"), "{stdout}");
    let (code, stdout, _) = out(&["check", "--default-plan", "Nope"]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("problem  there is no plan Nope"), "{stdout}");
    let (_, stdout, _) = out(&["openapi"]);
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let (code, _, stderr) = out(&["healthcheck", "--bind", "127.0.0.1:1"]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("error: no healthy server at 127.0.0.1:1"), "{stderr}");
    let (_, stdout, _) = out(&["--help"]);
    for part in
        ["serve", "seed", "migrate", "openapi", "check", "reconcile", "backup", "healthcheck", "[env: DATABASE_URL]"]
    {
        assert!(stdout.contains(part), "{part} is not in {stdout}");
    }
}

/// A database that another version of the program migrated is not touched.
#[tokio::test]
async fn another_versions_database_is_left_alone() {
    for (change, sentence) in [
        ("SET checksum = x'00' WHERE version = 3", "migration 3 of the database is not this program's"),
        ("SET version = 99 WHERE version = 5", "migration 99, which this program does not know"),
    ] {
        let home = home();
        assert!(run(home.path(), &["migrate"]).status.success());
        let url = format!("sqlite://{}", home.path().join("billing.db").display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let sql = sqlx::AssertSqlSafe(format!("UPDATE _sqlx_migrations {change}"));
        sqlx::query(sql).execute(&pool).await.unwrap();
        pool.close().await;
        for command in ["check", "migrate", "serve"] {
            let output = run(home.path(), &[command]);
            let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(1), "{command}: {said}");
            assert!(said.contains(sentence), "{command}: {said}");
        }
    }
}

/// Several processes may meet at one new database: each finds it ready.
#[test]
fn processes_may_migrate_at_once() {
    let home = home();
    let children: Vec<_> = (0..16)
        .map(|_| program(home.path()).arg("migrate").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

/// Metrics at an address of their own ask nobody, and are not at the other any more.
#[tokio::test]
async fn metrics_at_an_address_of_their_own() {
    let home = home();
    let server = ServerProcess::start(home.path(), &["--metrics-bind", "127.0.0.1:0"]);
    let line = server.greeting.iter().find(|line| line.contains("health")).unwrap();
    let metrics = line.split(", ").last().unwrap().trim();
    assert!(!metrics.starts_with(&server.base_url), "{line}");
    let own = crate::support::client().get(metrics).send().await.unwrap();
    assert_eq!(own.status(), 200);
    assert!(own.text().await.unwrap().contains("charge_queue_commands"));
    assert_eq!(
        crate::support::client().get(format!("{}/metrics", server.base_url)).send().await.unwrap().status(),
        404
    );
    let elsewhere = metrics.replace("/metrics", "/api/billing/pricing-plans/");
    assert_eq!(crate::support::client().get(elsewhere).send().await.unwrap().status(), 404, "nothing else is there");
}

/// With credentials required the test wallets are left out unless asked for.
#[test]
fn test_wallets_are_for_open_servers() {
    let home = home();
    let seed = |args: &[&str]| text(&run(home.path(), &[&["seed", "--auth", "required"], args].concat()).stdout);
    assert!(seed(&[]).contains("Loaded 3 plans, 17 rate cards and 0 wallets"));
    assert!(seed(&["--test-wallets"]).contains("Loaded 0 plans, 0 rate cards and 2 wallets"));
}

/// A backup taken under load is a whole database in which the ledger adds up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backs_up_while_serving() {
    let home = home();
    let server = ServerProcess::start(home.path(), &[]);
    let base_url = server.base_url.clone();
    let load = tokio::spawn(async move {
        for _ in 0..300 {
            assert_eq!(top_up(&base_url, "busy").await.status(), 200);
        }
    });
    let mut copies = Vec::new();
    for name in ["one.db", "two.db", "three.db"] {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let output = run(home.path(), &["backup", name]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        copies.push(home.path().join(name));
    }
    load.await.unwrap();
    for copy in copies {
        let url = format!("sqlite://{}", copy.display());
        let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
        let sum = "SELECT (SELECT sum(amount) FROM transactions) = (SELECT sum(balance) FROM wallets)";
        assert!(sqlx::query_scalar::<_, bool>(sum).fetch_one(&pool).await.unwrap());
        assert!(sqlx::query_scalar::<_, i64>("SELECT count(*) FROM wallets").fetch_one(&pool).await.unwrap() >= 2);
        pool.close().await;
    }
    let again = run(home.path(), &["backup", "one.db"]);
    assert!(text(&again.stderr).contains("a backup overwrites nothing"), "{}", text(&again.stderr));
    let elsewhere = run(home.path(), &["backup", "nowhere/one.db"]);
    assert!(
        text(&elsewhere.stderr).starts_with("error: no backup was made to nowhere/one.db"),
        "{}",
        text(&elsewhere.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn works_on_postgres() {
    if !postgres::is_available() {
        return;
    }
    let home = home();
    let url = postgres::create_database().await;
    let server = ServerProcess::start(home.path(), &["--database-url", &url]);
    assert!(server.greeting.join("\n").contains("PostgreSQL database wecall_test"), "{:?}", server.greeting);
    assert_eq!(get(&format!("{}/api/billing/wallet/biz_test_002/", server.base_url)).await["balance"], 500);
    let check = run(home.path(), &["check", "--database-url", &url]);
    assert!(check.status.success(), "{}", text(&check.stdout));
    let backup = run(home.path(), &["backup", "copy.dump", "--database-url", &url]);
    if Command::new("pg_dump").arg("--version").output().is_ok() {
        assert!(backup.status.success(), "{}", text(&backup.stderr));
        let copy = std::fs::read(home.path().join("copy.dump")).unwrap();
        assert!(copy.starts_with(b"PGDMP"));
    } else {
        assert!(text(&backup.stderr).contains("pg_dump"), "{}", text(&backup.stderr));
    }
}

fn connect(server: &ServerProcess) -> TcpStream {
    let stream = TcpStream::connect(server.base_url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Told to stop, it takes no new connection, finishes what it accepted, and ends with 0.
#[test]
fn stops_when_it_has_finished() {
    let home = home();
    let mut server = ServerProcess::start(home.path(), &[]);
    let body = r#"{"business_sid":"late","amount":7}"#;
    let mut stream = connect(&server);
    let head = format!(
        "POST /api/billing/topup/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body.as_bytes()[..10]).unwrap();
    let idle = connect(&server);
    std::thread::sleep(Duration::from_millis(300));
    server.signal("-TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.child.try_wait().unwrap().is_none(), "it waits for the request under way");
    assert!(
        TcpStream::connect(server.base_url.strip_prefix("http://").unwrap()).is_err(),
        "it takes no new connection"
    );
    stream.write_all(&body.as_bytes()[10..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"balance\":7"), "{answer}");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    drop(idle);
    assert!(!home.path().join("billing.db-wal").exists(), "the write-ahead log was moved into the file");
}

/// Told to stop twice, it does not wait for anybody.
#[test]
fn stops_at_once_when_told_twice() {
    let home = home();
    let mut server = ServerProcess::start(home.path(), &[]);
    let mut stream = connect(&server);
    stream.write_all(b"POST /api/billing/topup/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    server.signal("-TERM");
    std::thread::sleep(Duration::from_millis(300));
    assert!(server.child.try_wait().unwrap().is_none(), "it waits for the request under way");
    server.signal("-INT");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

/// Killed at any moment, it comes back with every acknowledged top-up and none doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_being_killed() {
    let home = home();
    let (mut acknowledged, mut sent) = (0, 0);
    for round in 0..5_u64 {
        let mut server = ServerProcess::start(home.path(), &[]);
        let client = crate::support::client();
        let deadline = Instant::now() + Duration::from_millis(100 + 37 * round);
        let killer = std::thread::spawn({
            let id = server.child.id().to_string();
            move || {
                std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
                Command::new("kill").args(["-KILL", &id]).status().unwrap();
            }
        });
        loop {
            let request = client.post(format!("{}/api/billing/topup/", server.base_url));
            let request =
                request.header("idempotency-key", format!("key-{sent}")).header("content-type", "application/json");
            let outcome = request.body(r#"{"business_sid":"k","amount":1}"#).send().await;
            match outcome {
                Ok(answer) if answer.status() == 200 => {
                    acknowledged += 1;
                    sent += 1;
                }
                // Unknown outcome: the next round sends the same key again.
                _ => break,
            }
        }
        killer.join().unwrap();
        server.child.wait().unwrap();
    }
    let server = ServerProcess::start(home.path(), &[]);
    let last = crate::support::client()
        .post(format!("{}/api/billing/topup/", server.base_url))
        .header("idempotency-key", format!("key-{sent}"))
        .header("content-type", "application/json")
        .body(r#"{"business_sid":"k","amount":1}"#);
    assert_eq!(last.send().await.unwrap().status(), 200);
    assert!(acknowledged > 0);
    let wallet = get(&format!("{}/api/billing/wallet/k/", server.base_url)).await;
    assert_eq!(wallet["balance"], acknowledged + 1);
}

/// A connection that never ends its head, or its body, is let go; others are served meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_let_go() {
    let home = home();
    let server = ServerProcess::start(home.path(), &["--header-timeout-seconds", "1", "--body-timeout-seconds", "1"]);
    let mut slow_head = connect(&server);
    slow_head.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ").unwrap();
    let mut slow_body = connect(&server);
    let head = b"POST /api/billing/topup/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
    slow_body.write_all(head).unwrap();
    assert_eq!(get(&format!("{}/healthz", server.base_url)).await["status"], "ok");
    let mut answer = Vec::new();
    slow_head.read_to_end(&mut answer).unwrap();
    assert!(!text(&answer).contains("200 OK"), "{}", text(&answer));
    answer.clear();
    slow_body.read_to_end(&mut answer).unwrap();
    assert!(
        text(&answer).starts_with("HTTP/1.1 408") && text(&answer).contains("request_timeout"),
        "{}",
        text(&answer)
    );
}

/// Logs are for machines outside a terminal: one JSON object a line, with route, status, latency and the request's id;
/// never a body or a query.
#[tokio::test]
async fn logs_are_structured() {
    let home = home();
    let mut server = ServerProcess::start(home.path(), &["--log-level", "trace"]);
    let body = r#"{"business_sid":"log","amount":4.5,"reference":"canary-in-a-body"}"#;
    let request = crate::support::client().post(format!("{}/api/billing/topup/?q=canary-in-a-query", server.base_url));
    let request = request.header("x-request-id", "find-me").header("content-type", "application/json");
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    server.signal("-TERM");
    server.child.wait().unwrap();
    let log = std::fs::read_to_string(home.path().join("log")).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = lines.iter().find(|line| line["message"] == "answered").unwrap();
    assert_eq!((&answered["status"], &answered["route"]), (&200.into(), &"/api/billing/topup/".into()));
    assert_eq!(answered["request_id"], "find-me");
    assert!(answered["latency_ms"].as_f64().unwrap() > 0.0);
    let own = |line: &&serde_json::Value| line["target"].as_str().is_some_and(|target| target.starts_with("wecall"));
    assert!(!lines.iter().filter(own).any(|line| line.to_string().contains("canary")));
    assert!(!log.contains("canary-in-a-body"), "not even at trace");
}

/// Whoever reads only the first line of what a command says does no harm.
#[test]
fn a_reader_may_leave() {
    let home = home();
    assert!(run(home.path(), &["migrate"]).status.success());
    let mut child =
        program(Path::new(home.path())).arg("openapi").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
}
