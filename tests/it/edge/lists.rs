//! Tests admin lists: each search, filter and order, page by page; and alerts that tenants mark.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::Role;
use wecall_billing::domain::values::time::Timestamp;

use super::bad_inputs::check;
use crate::notifications::alerts::warn;
use crate::support::{Database, Server, answer, on_each_database};

async fn get(server: &Server, path: &str) -> Value {
    let (status, list) = answer(server.as_admin(Method::GET, path).await).await;
    assert_eq!(status, StatusCode::OK, "{path}: {list}");
    list
}

/// Every row of a list, by following its pages of two; no page but the last is short.
async fn walk(server: &Server, path: &str) -> Vec<Value> {
    let mut path = format!("{path}{}limit=2", if path.contains('?') { "&" } else { "?" });
    let mut rows = Vec::new();
    loop {
        let response = server.as_admin(Method::GET, &path).await.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let page: Vec<Value> = response.json().await.unwrap();
        assert!(link.is_none() || page.len() == 2, "{path}");
        rows.extend(page);
        let Some(link) = link else { return rows };
        path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
}

fn column(rows: &[Value], name: &str) -> Vec<String> {
    rows.iter().map(|row| row[name].as_str().map_or_else(|| row[name].to_string(), str::to_owned)).collect()
}

async fn assert_refused(server: &Server, cases: &[(&str, &str)]) {
    let before = server.row_counts().await;
    for (path, field) in cases {
        let code = if *field == "business_sid" { "invalid_business_sid" } else { "invalid_request" };
        check(server.as_admin(Method::GET, path).await.send().await.unwrap(), 400, code, field, path).await;
    }
    assert_eq!(server.row_counts().await, before);
}

/// Wallets of ada, ben and cyd, an hour apart, the last first.
async fn three_more(server: &Server) {
    for (hour, business, amount) in [(11, "cyd", "3"), (12, "ben", "2"), (13, "ada", "1")] {
        server.set_clock(&format!("2026-03-18T{hour}:00:00Z"));
        server.top_up(business, amount).await;
    }
    server.execute("UPDATE businesses SET name = 'Ada & Sons' WHERE sid = 'ada'").await.unwrap();
    server.execute("UPDATE wallets SET pricing_plan_id = NULL WHERE balance = 3000000").await.unwrap();
}

on_each_database! {
    async fn wallets(server) {
        three_more(server).await;
        let all = ["ada", "ben", "biz_test_001", "biz_test_002", "cyd"];
        assert_eq!(column(&walk(server, "/api/admin/wallets/").await, "business_sid"), all);
        let mut backwards = all;
        backwards.reverse();
        assert_eq!(column(&walk(server, "/api/admin/wallets/?sort=-business_sid").await, "business_sid"), backwards);
        let youngest = walk(server, "/api/admin/wallets/?sort=-created_at").await;
        assert_eq!(column(&youngest, "business_sid")[..3], ["ada", "ben", "cyd"]);
        assert_eq!(youngest.len(), 5);
        let starter = get(server, "/api/billing/pricing-plans/").await[0]["sid"].as_str().unwrap().to_owned();
        for (query, expected) in [
            ("search=SONS", &["ada"][..]),
            ("search=test_00", &["biz_test_001", "biz_test_002"]),
            ("search=a%25", &[]),
            ("currency=usd", &all),
            ("currency=KES", &[]),
            ("balance_below=2", &["ada"]),
            ("balance_below=2.000001", &["ada", "ben"]),
            ("balance_below=-1", &[]),
            (&format!("plan={starter}"), &["ada", "ben", "biz_test_001"]),
            (&format!("plan={starter}&balance_below=1.5&search=ada"), &["ada"]),
            ("plan=plan_00000000000000000000000000000000", &[]),
        ] {
            let found = walk(server, &format!("/api/admin/wallets/?{query}")).await;
            assert_eq!(column(&found, "business_sid"), expected, "{query}");
        }
        assert_eq!(youngest[0], server.get("/api/billing/wallet/ada/").await);
        assert_refused(server, &[
            ("/api/admin/wallets/?sort=balance", "sort"),
            ("/api/admin/wallets/?currency=XYZ1", "currency"),
            ("/api/admin/wallets/?balance_below=low", "balance_below"),
            ("/api/admin/wallets/?balance_below=0.0000001", "balance_below"),
            ("/api/admin/wallets/?plan=Starter", "plan"),
            ("/api/admin/wallets/?limit=0", "limit"),
            ("/api/admin/wallets/?cursor=c1", "cursor"),
            ("/api/admin/wallets/?search=a%00b", "search"),
        ]).await;
    }

    /// The whole ledger, newest first; between two times; of a business; of a type; of a message.
    async fn transactions(server) {
        for (hour, business) in [(11, "a"), (12, "b"), (13, "a"), (14, "b")] {
            server.set_clock(&format!("2026-03-18T{hour}:00:00Z"));
            server.top_up(business, &hour.to_string()).await;
            let message = format!("m-{}", if hour < 13 { 1 } else { hour });
            server.charge(json!({"business_sid": business, "message_sid": message, "to": "+254712345678", "segments": 1})).await;
        }
        let everything = walk(server, "/api/admin/transactions/").await;
        let sids = column(&everything, "sid");
        assert_eq!(sids.len(), 10);
        assert!(sids.windows(2).all(|pair| pair[0] > pair[1]), "{sids:?}");
        let times = column(&everything, "created_at");
        assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "{times:?}");
        let of_a = walk(server, "/api/admin/transactions/?business_sid=a").await;
        assert_eq!(json!(of_a), server.get("/api/billing/transactions/a/").await, "as the tenant sees it");
        let only_a: Vec<Value> = everything.iter().filter(|row| row["business_sid"] == "a").cloned().collect();
        assert_eq!(only_a, of_a);
        for (query, expected) in [
            ("to=2026-03-17", 0),
            ("business_sid=a&type=TOPUP", 2),
            ("business_sid=a&type=SMS_DEBIT&from=2026-03-18T12:00:00Z", 1),
            ("business_sid=nobody", 0),
            ("message_sid=m-1", 2),
            ("message_sid=m-1&business_sid=b", 1),
            ("message_sid=m-13", 1),
            ("message_sid=m-13&business_sid=b", 0),
            ("message_sid=m-13&business_sid=nobody", 0),
            ("message_sid=gone", 0),
        ] {
            let found = walk(server, &format!("/api/admin/transactions/?{query}")).await;
            assert_eq!(found.len(), expected, "{query}: {found:#?}");
            assert!(found.iter().all(|row| everything.contains(row)), "{query}: {found:#?}");
        }
        let page = server.as_admin(Method::GET, "/api/admin/transactions/?message_sid=m-1&limit=1").await.send().await.unwrap();
        let link = page.headers()["link"].to_str().unwrap().to_owned();
        let cursor = link.split("cursor=").nth(1).unwrap().split('>').next().unwrap();
        let (in_all, in_one) = (
            format!("/api/admin/transactions/?cursor={cursor}"),
            format!("/api/admin/transactions/?business_sid=a&cursor={cursor}"),
        );
        assert_refused(server, &[
            (&in_all, "cursor"),
            (&in_one, "cursor"),
            ("/api/admin/transactions/?type=TOPUP", "type"),
            ("/api/admin/transactions/?type=GIFT&business_sid=a", "type"),
            ("/api/admin/transactions/?message_sid=m-1&from=2026-03-18", "message_sid"),
            ("/api/admin/transactions/?message_sid=m-1&to=2026-03-18", "message_sid"),
            ("/api/admin/transactions/?message_sid=m-1&business_sid=a&type=SMS_DEBIT", "message_sid"),
            ("/api/admin/transactions/?message_sid=a%20b", "message_sid"),
            ("/api/admin/transactions/?business_sid=undefined", "business_sid"),
            ("/api/admin/transactions/?reference=r", "reference"),
            ("/api/admin/transactions/?request_id=r", "request_id"),
            ("/api/admin/transactions/?from=yesterday", "from"),
            ("/api/admin/transactions/?limit=1001", "limit"),
        ]).await;
    }

    /// Between two times by the ids of entries. Made by hand and far ahead, because tests of one process share the
    /// order of their ids, whatever time each has.
    async fn transactions_between_times(server) {
        for (seq, at) in (2..).zip(["10:00:00Z", "11:00:00Z", "12:00:00Z", "13:00:00Z"]) {
            let at: Timestamp = format!("2100-01-01T{at}").parse().unwrap();
            let digits = format!("{:012x}70008000000000000000", at.micros() / 1_000);
            let (uid, before) = match server.database {
                Database::Sqlite => (format!("X'{digits}'"), "zeroblob(16)"),
                Database::Postgres => (format!("'{digits}'::uuid"), "'00000000-0000-0000-0000-000000000000'::uuid"),
            };
            let sql = format!(
                "INSERT INTO transactions (wallet_id, seq, uid, type, amount, balance_after, previous_uid, reference, actor, \
                 created_at) VALUES (1, {seq}, {uid}, 'TOPUP', {seq}000000, 0, {before}, '', 'test', {})",
                at.micros()
            );
            server.execute(&sql).await.unwrap();
        }
        for (query, expected) in [
            ("from=2100-01-01T11:00:00Z", &["5", "4", "3"][..]),
            ("from=2100-01-01T11:00:00.001Z", &["5", "4"]),
            ("from=2100-01-01&to=2100-01-01T12:00:00Z", &["3", "2"]),
            ("from=2100-01-01T11:00:00Z&to=2100-01-01T12:00:00.001Z", &["4", "3"]),
            ("from=2100-01-01&to=2100-01-01", &["5", "4", "3", "2"]),
            ("from=2100-01-02", &[]),
            ("from=2099-12-31&to=2099-12-31", &[]),
            ("from=2100-01-01T13:00:00Z&to=2100-01-01T10:00:00Z", &[]),
        ] {
            let found = walk(server, &format!("/api/admin/transactions/?{query}")).await;
            assert_eq!(column(&found, "amount"), expected, "{query}");
        }
    }

    async fn invoices(server) {
        for (business, month) in [("biz_test_001", "2026-01"), ("biz_test_001", "2026-02"), ("biz_test_002", "2026-02"), ("acme", "2026-03")] {
            let bounds = format!("period_start={month}-01&period_end={month}-{}", if month == "2026-02" { 28 } else { 31 });
            server.get(&format!("/api/billing/invoices/{business}/?{bounds}")).await;
        }
        crate::reports::usage::roll_up(server, "'2026-02-03', 'KE', 'Safaricom', 20000, 10, 8, 1, 12, 240000").await;
        let close = "UPDATE invoices SET status = 'PAID', number = 'INV-2026-000001', total = 0 WHERE period_start = '2026-01-01'";
        assert_eq!(server.execute(close).await.unwrap(), 1);
        let all = walk(server, "/api/admin/invoices/").await;
        assert_eq!(column(&all, "period_start"), ["2026-03-01", "2026-02-01", "2026-02-01", "2026-01-01"]);
        let oldest = walk(server, "/api/admin/invoices/?sort=period_start").await;
        assert_eq!(oldest.iter().rev().collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());
        assert_eq!(walk(server, "/api/admin/invoices/?sort=-created_at").await.len(), 4);
        assert_eq!((&all[3]["total_amount"], all[0].get("total_amount")), (&json!(0), None), "a draft has none yet");
        for (query, expected) in [
            ("business_sid=biz_test_001", 2),
            ("business_sid=nobody", 0),
            ("status=PAID", 1),
            ("status=draft&business_sid=biz_test_001", 1),
            ("kind=CREDIT_NOTE", 0),
            ("kind=INVOICE", 4),
            ("period_start=2026-02-17", 2),
            ("search=inv-2026", 1),
            ("search=acme", 1),
        ] {
            assert_eq!(walk(server, &format!("/api/admin/invoices/?{query}")).await.len(), expected, "{query}");
        }
        let february = &walk(server, "/api/admin/invoices/?business_sid=biz_test_001&period_start=2026-02-01").await[0];
        let shown = get(server, &format!("/api/admin/invoices/{}/", february["sid"].as_str().unwrap())).await;
        assert_eq!((&shown["kind"], &shown["total_amount"]), (&json!("INVOICE"), &json!(0.24)));
        let own = "/api/billing/invoices/biz_test_001/?period_start=2026-02-01&period_end=2026-02-28";
        assert_eq!(server.get(own).await, shown, "as endpoint 7 has it");
        assert_eq!(get(server, &format!("/api/admin/invoices/{}/", all[3]["sid"].as_str().unwrap())).await["status"], "PAID");
        let missing = format!("/api/admin/invoices/inv_{}/", "0".repeat(32));
        check(server.as_admin(Method::GET, &missing).await.send().await.unwrap(), 404, "invoice_not_found", "", &missing).await;
        assert_refused(server, &[
            ("/api/admin/invoices/inv_preview/", "invoice_sid"),
            ("/api/admin/invoices/?status=OPEN", "status"),
            ("/api/admin/invoices/?kind=BILL", "kind"),
            ("/api/admin/invoices/?period_start=2026-02", "period_start"),
            ("/api/admin/invoices/?business_sid=null", "business_sid"),
            ("/api/admin/invoices/?sort=total", "sort"),
        ]).await;
    }

    async fn alerts(server) {
        warn(server, 5).await;
        let critical = "UPDATE alerts SET severity = 'CRITICAL', type = 'PAYMENT_DUE', created_at = created_at + 1, \
                        wallet_id = 2 WHERE message = 'alert 1'";
        assert_eq!(server.execute(critical).await.unwrap(), 1);
        let all = walk(server, "/api/admin/alerts/").await;
        assert_eq!(column(&all, "message"), ["alert 1", "alert 5", "alert 4", "alert 3", "alert 2"]);
        assert_eq!(all[0]["business_sid"], "biz_test_002");
        for (query, expected) in [
            ("business_sid=biz_test_002", 1),
            ("type=PAYMENT_DUE", 1),
            ("severity=warning", 4),
            ("unread=true", 2),
            ("unread=false", 3),
            ("search=ALERT%204", 1),
            ("sort=created_at&business_sid=biz_test_001", 4),
        ] {
            assert_eq!(walk(server, &format!("/api/admin/alerts/?{query}")).await.len(), expected, "{query}");
        }
        assert_refused(server, &[
            ("/api/admin/alerts/?severity=LOUD", "severity"),
            ("/api/admin/alerts/?type=NEWS", "type"),
            ("/api/admin/alerts/?unread=maybe", "unread"),
            ("/api/admin/alerts/?sort=severity", "sort"),
            ("/api/admin/alerts/?business_sid=a%20b", "business_sid"),
        ]).await;
    }

    /// A tenant marks their own alert, once; another's is as if it did not exist.
    async fn alerts_are_marked(server) {
        warn(server, 2).await;
        let alerts = server.get("/api/billing/alerts/biz_test_001/").await;
        let unread = alerts[0].clone();
        let sid = unread["sid"].as_str().unwrap();
        let key = server.key(Role::Client, Some("biz_test_001")).await;
        let path = format!("/api/billing/alerts/biz_test_001/{sid}/");
        let mark = |is_read: bool| server.request(Method::PATCH, &path).bearer_auth(&key).json(&json!({"is_read": is_read}));
        let mut expected = unread.clone();
        expected["is_read"] = json!(true);
        let trail = "SELECT count(*) FROM audit_log WHERE action = 'alert.changed' AND actor LIKE 'key_%' \
                     AND request_id IS NOT NULL";
        for notes in [1, 1] {
            assert_eq!(answer(mark(true)).await, (StatusCode::OK, expected.clone()));
            assert_eq!(server.number(trail).await, notes, "the second time changes nothing");
        }
        assert_eq!(server.get("/api/billing/alerts/biz_test_001/?unread=true").await, json!([]));
        assert_eq!(answer(mark(false)).await, (StatusCode::OK, unread.clone()));
        assert_eq!(server.number(trail).await, 2);

        let before = server.row_counts().await;
        let missing = format!("alert_{}", "0".repeat(32));
        let client = server.key(Role::Client, Some("biz_test_002")).await;
        let before_foreign = server.row_counts().await;
        for (key, business, sid, code) in [
            (&client, "biz_test_002", sid, "alert_not_found"),
            (&client, "biz_test_002", missing.as_str(), "alert_not_found"),
            (&client, "biz_test_001", sid, "business_not_found"),
            (&key, "biz_test_001", missing.as_str(), "alert_not_found"),
        ] {
            let path = format!("/api/billing/alerts/{business}/{sid}/");
            let request = server.request(Method::PATCH, &path).bearer_auth(key).json(&json!({"is_read": true}));
            check(request.send().await.unwrap(), 404, code, "", &path).await;
        }
        assert_eq!(server.row_counts().await, before_foreign);
        assert_ne!(before, before_foreign, "the key alone is new");
        for (body, field) in [("{}", "is_read"), (r#"{"is_read":null}"#, "is_read"), (r#"{"is_read":"yes"}"#, "is_read"), ("[]", "")] {
            let request = server.request(Method::PATCH, &path).bearer_auth(&key).header("content-type", "application/json");
            check(request.body(body).send().await.unwrap(), 400, "invalid_request", field, body).await;
        }
        let request = server.request(Method::PATCH, "/api/billing/alerts/biz_test_001/1/").bearer_auth(&key);
        let request = request.json(&json!({"is_read": true}));
        check(request.send().await.unwrap(), 400, "invalid_request", "alert_sid", "1").await;
        assert_eq!(server.row_counts().await, before_foreign);
    }
}
