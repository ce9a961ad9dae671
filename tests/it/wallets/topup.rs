//! Tests top-ups, entered once.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Server, on_each_database};

const PATH: &str = "/api/billing/topup/";

/// A top-up with a key: the status, whether it was a replay, and the body as text.
async fn keyed(server: &Server, key: &str, body: &str) -> (StatusCode, bool, String) {
    let request = server.request(Method::POST, PATH).header("content-type", "application/json");
    let response = request.header("idempotency-key", key).body(body.to_owned()).send().await.unwrap();
    let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
    (response.status(), replayed, response.text().await.unwrap())
}

on_each_database! {
    async fn credits_at_once(server) {
        let body = r#"{"business_sid":"AC_CLIENT_2001","amount":12.34,"reference":"CLIENT_TOPUP"}"#;
        let (status, wallet) = server.post(PATH, body).await;
        assert_eq!((status, &wallet["balance"]), (StatusCode::OK, &json!(12.34)));
        assert_eq!(server.get("/api/billing/wallet/AC_CLIENT_2001/").await, wallet);
        let entries = server.get("/api/billing/transactions/AC_CLIENT_2001/").await;
        assert_eq!(entries[0]["reference"], "CLIENT_TOPUP");
        assert_eq!(entries[0]["amount"], json!(12.34));
        assert_eq!(entries[0]["balance_after"], json!(12.34));
        assert_eq!(entries[0]["seq"], 1);
    }

    /// Amounts arrive exactly, in every form a caller may write, and leave as they are.
    async fn amounts_are_exact(server) {
        for (amount, balance) in [
            ("0.1", "0.1"),
            ("0.2", "0.3"),
            ("\"0.000001\"", "0.300001"),
            ("1e3", "1000.300001"),
            ("1E-6", "1000.300002"),
            ("999999999.999999", "1000001000.300001"),
            ("1000000000", "2000001000.300001"),
        ] {
            server.top_up("exact", amount).await;
            let text = server.get_text("/api/billing/wallet/exact/").await;
            assert!(text.contains(&format!("\"balance\":{balance},")), "{amount}: {text}");
        }
    }

    async fn a_null_reference_is_none(server) {
        let (status, _) = server.post(PATH, r#"{"business_sid":"b","amount":1,"reference":null,"more":[]}"#).await;
        assert_eq!(status, StatusCode::OK);
    }

    /// 200 identical requests at once: one top-up, one answer.
    async fn a_key_counts_once_however_often(server) {
        let body = r#"{"business_sid":"AC_CLIENT_2001","amount":5,"reference":"once"}"#;
        let answers = futures_util::future::join_all((0..200).map(|_| keyed(server, "key-1", body))).await;
        assert!(answers.iter().all(|(status, _, _)| *status == StatusCode::OK), "{answers:?}");
        assert_eq!(answers.iter().filter(|(_, replayed, _)| !replayed).count(), 1, "one did it, the rest replayed");
        let as_json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let first = as_json(&answers[0].2);
        assert!(answers.iter().all(|(_, _, text)| as_json(text) == first));
        assert_eq!(first["balance"], json!(5));
        assert_eq!(server.get("/api/billing/transactions/AC_CLIENT_2001/").await.as_array().unwrap().len(), 1);
    }

    /// 200 different requests at once: nothing is lost, and the ledger is a chain without a gap.
    async fn different_ones_all_count(server) {
        let topups = (1..=200).map(|cents| async move { server.top_up("busy", &format!("0.{cents:03}")).await });
        futures_util::future::join_all(topups).await;
        let entries = server.get("/api/billing/transactions/busy/?limit=1000").await;
        let entries = entries.as_array().unwrap();
        let micros = |value: &Value| (value.as_f64().unwrap() * 1e6).round() as i64;
        let mut balance = 0;
        for (seq, entry) in (1..).zip(entries.iter().rev()) {
            balance += micros(&entry["amount"]);
            assert_eq!(entry["seq"], json!(seq));
            assert_eq!(micros(&entry["balance_after"]), balance);
        }
        assert_eq!(entries.len(), 200);
        assert_eq!(balance, (1..=200).map(|cents| cents * 1_000).sum::<i64>());
    }

    /// The same input is the same however it is written; the answer is the first one, whatever happened since.
    async fn a_replay_is_the_first_answer(server) {
        let (_, _, first) = keyed(server, "k", r#"{"business_sid":"b","amount":12.5,"reference":"r"}"#).await;
        server.top_up("b", "100").await;
        let (status, replayed, again) = keyed(server, "k", r#"{"reference":"r","amount":"12.50","business_sid":"b"}"#).await;
        assert_eq!((status, replayed, again), (StatusCode::OK, true, first));
        assert_eq!(server.get("/api/billing/wallet/b/").await["balance"], json!(112.5));
    }

    async fn a_key_with_other_input_is_a_conflict(server) {
        keyed(server, "k", r#"{"business_sid":"b","amount":1}"#).await;
        let before = server.row_counts().await;
        for other in [r#"{"business_sid":"b","amount":2}"#, r#"{"business_sid":"b","amount":1,"reference":"x"}"#] {
            let (status, _, text) = keyed(server, "k", other).await;
            assert_eq!(status, StatusCode::CONFLICT);
            assert!(text.contains("idempotency_conflict"), "{text}");
        }
        assert_eq!(server.row_counts().await, before);
        let (status, replayed, _) = keyed(server, "k", r#"{"business_sid":"other","amount":1}"#).await;
        assert_eq!((status, replayed), (StatusCode::OK, false), "a key is unique per business");
    }

    /// Refusals are not remembered: the same key may go with the corrected request.
    async fn a_refusal_leaves_the_key_free(server) {
        let (status, _, _) = keyed(server, "k", r#"{"business_sid":"b","amount":0}"#).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let (status, replayed, _) = keyed(server, "k", r#"{"business_sid":"b","amount":1}"#).await;
        assert_eq!((status, replayed), (StatusCode::OK, false));
    }

    /// After 30 days a key is forgotten, and its row goes with one of the next that come.
    async fn keys_are_forgotten(server) {
        let body = r#"{"business_sid":"b","amount":1}"#;
        keyed(server, "old", body).await;
        keyed(server, "older", body).await;
        server.set_clock("2026-04-17T09:59:59Z");
        assert!(keyed(server, "old", body).await.1, "29 days and a bit");
        server.set_clock("2026-04-17T10:00:01Z");
        assert!(!keyed(server, "old", body).await.1, "30 days and a bit");
        assert_eq!(server.number("SELECT count(*) FROM idempotency_keys").await, 1);
        assert_eq!(server.get("/api/billing/wallet/b/").await["balance"], json!(3));
    }

    /// A clock that falls back does not put an entry before the one it follows.
    async fn time_never_falls_along_a_ledger(server) {
        server.top_up("b", "1").await;
        server.set_clock("2026-03-18T09:00:00Z");
        server.top_up("b", "1").await;
        let entries = server.get("/api/billing/transactions/b/").await;
        assert_eq!(entries[0]["created_at"], "2026-03-18T10:00:00.000000Z");
    }

    async fn a_balance_stays_in_range(server) {
        server.execute("UPDATE wallets SET balance = 4000000000000000000 WHERE id = 1").await.unwrap();
        let before = server.row_counts().await;
        let (status, problem) = server.post(PATH, r#"{"business_sid":"biz_test_001","amount":0.000001}"#).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem["code"], "balance_out_of_range");
        assert_eq!(server.row_counts().await, before);
    }

    /// A caller who hangs up does not undo what was begun, nor leave it half done.
    async fn a_caller_may_hang_up(server) {
        use tokio::io::AsyncWriteExt;
        let body = r#"{"business_sid":"gone","amount":1}"#;
        let address = server.base_url.strip_prefix("http://").unwrap();
        for round in 0..20 {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let head = format!(
                "POST {PATH} HTTP/1.1\r\nhost: x\r\nidempotency-key: hang-up-{round}\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(round)).await;
            drop(stream);
        }
        for round in 0..20 {
            assert_eq!(keyed(server, &format!("hang-up-{round}"), body).await.0, StatusCode::OK);
        }
        assert_eq!(server.get("/api/billing/wallet/gone/").await["balance"], json!(20));
    }
}

/// On Postgres somebody may hold a wallet's row: requests for it fail in a few seconds, and no others wait with them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_that_is_held_stops_no_other() {
    use crate::support::{Database, postgres};
    if !postgres::is_available() {
        return;
    }
    let server = Server::start(Database::Postgres, &["--postgres-connections", "4"]).await;
    let wecall_billing::storage::db::Db::Postgres(pool) = &server.billing.db else { panic!("not Postgres") };
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("SELECT id FROM wallets WHERE id = 1 FOR UPDATE").fetch_one(&mut *holder).await.unwrap();
    let body = r#"{"business_sid":"biz_test_001","amount":1}"#;
    let waiting = futures_util::future::join_all((0..3).map(|_| server.post(PATH, body)));
    let others = async {
        let mut served = 0;
        for _ in 0..40 {
            let response = server.request(Method::GET, "/api/billing/wallet/biz_test_002/").send().await.unwrap();
            served += usize::from(response.status() == StatusCode::OK);
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
        served
    };
    let (refused, served) = futures_util::future::join(waiting, others).await;
    for (status, problem) in refused {
        assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    }
    assert!(served > 0, "others were served while it was held, and after");
    holder.rollback().await.unwrap();
    assert_eq!(server.get("/api/billing/wallet/biz_test_001/").await["balance"], json!(1000), "nothing was credited");
    server.top_up("biz_test_001", "1").await;
}

/// A connection that breaks during COMMIT leaves the outcome unknown: the key is looked up again, the answer does not
/// claim that nothing happened, and the same key settles it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_outcome_is_unknown() {
    use crate::support::{Database, postgres};
    if !postgres::is_available() {
        return;
    }
    let server = Server::start(Database::Postgres, &[]).await;
    for sql in [
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END'",
        "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON transactions DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION dawdle()",
    ] {
        server.execute(sql).await.unwrap();
    }
    let body = r#"{"business_sid":"biz_test_001","amount":1}"#;
    let breaking = async {
        let find = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
                    AND state = 'active' AND query ILIKE 'COMMIT%'";
        while server.number(find).await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let ((status, _, text), ()) = futures_util::future::join(keyed(&server, "k", body), breaking).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
    assert!(text.contains("outcome_unknown") && text.contains("may have happened or not"), "{text}");
    server.execute("DROP TRIGGER dawdle ON transactions").await.unwrap();
    assert_eq!(keyed(&server, "k", body).await.0, StatusCode::OK);
    assert_eq!(server.get("/api/billing/wallet/biz_test_001/").await["balance"], json!(1001));
}
