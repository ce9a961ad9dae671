//! Tests group commit under faults: full queues, poisoned batches, lost connections, callers that hang up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wecall_billing::storage::db::Db;

use crate::support::{Database, Server, on_each_database, postgres};

const CHARGES: &str = "/api/billing/charges/";

fn message(message: &str) -> Value {
    json!({"business_sid": "biz_test_001", "message_sid": message, "to": "+254712345678", "segments": 1})
}

async fn debits(server: &Server) -> i64 {
    server.number("SELECT count(*) FROM transactions WHERE type = 'SMS_DEBIT'").await
}

on_each_database! {
    /// One command that the database will not take fails alone; those that shared its batch pass.
    async fn poison_is_isolated(server) {
        let trigger = match server.database {
            Database::Sqlite => vec!["CREATE TRIGGER poison BEFORE INSERT ON transactions WHEN NEW.message_sid = 'poison' \
                                 BEGIN SELECT RAISE(ABORT, 'poison'); END"],
            Database::Postgres => vec![
                "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN IF NEW.message_sid = ''poison'' THEN RAISE EXCEPTION ''poison''; END IF; RETURN NEW; END'",
                "CREATE TRIGGER poison BEFORE INSERT ON transactions FOR EACH ROW EXECUTE FUNCTION poison()"],
        };
        for sql in trigger {
            server.execute(sql).await.unwrap();
        }
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..60 {
            let name = if number == 30 { "poison".to_owned() } else { format!("m{number}") };
            let request = server.request(Method::POST, CHARGES).json(&message(&name));
            tasks.spawn(async move { (name, request.send().await.unwrap().status()) });
        }
        while let Some(answered) = tasks.join_next().await {
            let (name, status) = answered.unwrap();
            let expected = if name == "poison" { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::CREATED };
            assert_eq!(status, expected, "{name}");
        }
        assert_eq!(debits(server).await, 59);
        assert_eq!(server.get("/api/billing/wallet/biz_test_001/").await["balance"], json!(998.82));
        let batch = json!({"charges": [message("a"), message("poison"), message("b")]});
        let (status, answer) = server.post("/api/billing/charges/batch/", &batch.to_string()).await;
        let results = answer["results"].as_array().unwrap();
        let statuses: Vec<_> = results.iter().map(|result| result["status"].as_u64().unwrap()).collect();
        assert_eq!((status, statuses), (StatusCode::OK, vec![201, 500, 201]), "{answer}");
    }

    /// A caller that hangs up is charged all the same, once, and finds its charge when it asks again.
    async fn a_caller_that_leaves(server) {
        for number in 0..20 {
            let body = message(&format!("m{number}")).to_string();
            let mut stream = TcpStream::connect(server.base_url.trim_start_matches("http://")).await.unwrap();
            let head = format!("POST {CHARGES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                                Content-Length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            drop(stream);
        }
        let charged = debits(server).await;
        for number in 0..20 {
            server.charge(message(&format!("m{number}"))).await;
        }
        assert!(charged <= 20 && debits(server).await == 20);
        assert_eq!(server.get("/api/billing/wallet/biz_test_001/").await["balance"], json!(999.6));
    }

    /// Once it drains, what was handed in is settled and nothing more is taken.
    async fn it_drains(server) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..50 {
            let request = server.request(Method::POST, CHARGES).json(&message(&format!("m{number}")));
            tasks.spawn(async move { request.send().await.unwrap().status() });
        }
        while debits(server).await == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.billing.live.committer.drain().await;
        let mut charged = 0;
        while let Some(status) = tasks.join_next().await {
            match status.unwrap() {
                StatusCode::CREATED => charged += 1,
                status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
            }
        }
        assert_eq!(debits(server).await, charged, "who heard yes is charged, and nobody else");
        let (status, problem) = server.post(CHARGES, &message("late").to_string()).await;
        assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("busy")));
    }
}

/// While the database does not move, the line fills up; who finds it full is told when to come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_line() {
    let server = Server::start(Database::Sqlite, &["--charge-queue", "1000"]).await;
    let Db::Sqlite { writer, .. } = &server.billing.db else { panic!("not SQLite") };
    let held = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let batch: Vec<_> = (0..1_000).map(|number| message(&format!("m{number}"))).collect();
    let batch = server.request(Method::POST, "/api/billing/charges/batch/").json(&json!({"charges": batch}));
    let waiting = tokio::spawn(async move { batch.send().await.unwrap().json::<Value>().await.unwrap() });
    while server.billing.live.committer.waiting() < 1_000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let response = server.request(Method::POST, CHARGES).json(&message("one-too-many")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.json::<Value>().await.unwrap()["code"], "busy");
    held.rollback().await.unwrap();
    let answer = waiting.await.unwrap();
    assert!(answer["results"].as_array().unwrap().iter().all(|result| result["status"] == 201));
    server.charge(message("one-too-many")).await;
}

/// A connection that breaks during COMMIT, before anything is on disk: the batch is settled again, and each caller
/// hears of one charge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_was_lost() {
    if !postgres::is_available() {
        return;
    }
    let server = Server::start(Database::Postgres, &[]).await;
    for sql in [
        "CREATE TABLE dawdled (once BOOLEAN)",
        // The first commit waits to be killed; those after it do not.
        "CREATE SEQUENCE commits",
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN IF nextval(''commits'') = 1 THEN PERFORM pg_sleep(30); END IF; RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON transactions DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION dawdle()",
    ] {
        server.execute(sql).await.unwrap();
    }
    let breaking = async {
        let find = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
                    AND state = 'active' AND query ILIKE 'COMMIT%'";
        // Until the charge is through: what is killed first might be somebody else's commit.
        loop {
            let pause = if server.number(find).await == 0 { 20 } else { 500 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    };
    let charge = tokio::select! {
        charge = server.charge(message("m1")) => charge,
        () = breaking => unreachable!(),
    };
    assert_eq!(charge["balance"], json!(999.98));
    assert_eq!(debits(&server).await, 1);
}

/// A connection that breaks after the database committed, before it could say so: the charge is found by its message,
/// and no second one is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_happened_unheard() {
    if !postgres::is_available() {
        return;
    }
    let proxy = Proxy::start().await;
    let server = Server::start_on_postgres(&proxy.url).await;
    server.charge(message("m0")).await;
    proxy.break_next_commit.store(true, Ordering::SeqCst);
    let charge = server.charge(message("m1")).await;
    assert!(!proxy.break_next_commit.load(Ordering::SeqCst), "a commit was broken off");
    assert_eq!(charge["balance"], json!(999.96));
    assert_eq!(debits(&server).await, 2);
    let batch = json!({"charges": [message("m2"), message("m3"), message("m1")]});
    proxy.break_next_commit.store(true, Ordering::SeqCst);
    let (_, answer) = server.post("/api/billing/charges/batch/", &batch.to_string()).await;
    let results = answer["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["status"] == 201), "{answer}");
    assert_eq!(results[0]["idempotent_replayed"], Value::Null, "its own work is no replay: {answer}");
    assert_eq!(results[2]["idempotent_replayed"], true);
    assert_eq!(debits(&server).await, 4);
}

/// Stands between the server and Postgres, and can swallow the answer to a COMMIT.
struct Proxy {
    url: String,
    break_next_commit: Arc<AtomicBool>,
    _database: postgres::TestDatabase,
}

impl Proxy {
    async fn start() -> Proxy {
        let database = postgres::create_database().await;
        let target = url::Url::parse(&database).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url = target.clone();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let address = format!("{}:{}", target.host_str().unwrap(), target.port().unwrap_or(5432));
        let break_next_commit = Arc::new(AtomicBool::new(false));
        let armed = break_next_commit.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let database = TcpStream::connect(&address).await.unwrap();
                tokio::spawn(relay(client, database, armed.clone()));
            }
        });
        Proxy { url: url.to_string(), break_next_commit, _database: database }
    }
}

async fn relay(client: TcpStream, database: TcpStream, armed: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_database, mut to_database) = database.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_database, &mut to_client).await });
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
        let is_commit = buffer[..length].windows(7).any(|bytes| bytes == b"COMMIT\0");
        let is_broken = is_commit && armed.swap(false, Ordering::SeqCst);
        if is_broken {
            // Nothing goes back to the client any more.
            back.abort();
        }
        if to_database.write_all(&buffer[..length]).await.is_err() {
            break;
        }
        if is_broken {
            // Long enough for the database to commit.
            tokio::time::sleep(Duration::from_millis(300)).await;
            return;
        }
    }
    back.abort();
}
