//! Tests reconcile: the server's own database passes, and every change made by hand is named.

use std::collections::BTreeSet;

use reqwest::StatusCode;
use serde_json::{Value, json};
use wecall_billing::domain::operations::reconcile::{Check, Report};
use wecall_billing::services;

use crate::support::process::{ServerProcess, run, text};
use crate::support::{Database, Server, on_each_database, postgres};

async fn reconcile(server: &Server) -> Report {
    services::operations::reconcile::reconcile(&server.billing.db, chrono_tz::UTC, &|_| ()).await.unwrap()
}

fn told(report: &Report) -> Vec<String> {
    report.findings().flat_map(|(_, finding)| finding.told).collect()
}

fn checks_with_problems(report: &Report) -> BTreeSet<Check> {
    report.findings().filter(|(_, finding)| finding.problems > 0).map(|(check, _)| check).collect()
}

fn message(business: &str, message: &str, to: &str, segments: u16) -> Value {
    json!({"business_sid": business, "message_sid": message, "to": to, "segments": segments})
}

/// Charges all of these, which must pass.
async fn charge(server: &Server, messages: Vec<Value>) {
    let (status, answer) =
        server.post("/api/billing/charges/batch/", &json!({ "charges": messages }).to_string()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    for result in answer["results"].as_array().unwrap() {
        assert_eq!(result["status"], 201, "{result}");
    }
}

async fn report(server: &Server, messages: impl Iterator<Item = String>, status: &str) {
    let report = |message: String| json!({"business_sid": "acme", "message_sid": message, "status": status});
    let body = json!({ "deliveries": messages.map(report).collect::<Vec<_>>() });
    let (code, answer) = server.post("/api/billing/deliveries/batch/", &body.to_string()).await;
    assert_eq!(code, StatusCode::OK, "{answer}");
    for result in answer["results"].as_array().unwrap() {
        assert_eq!(result["status"], 200, "{result}");
    }
}

async fn refund(server: &Server, message: &str, amount: Value) {
    let path = format!("/api/billing/charges/acme/{message}/refund/");
    let body = match amount {
        Value::Null => json!({"reason": "test"}),
        amount => json!({"reason": "test", "amount": amount}),
    };
    let (status, answer) = server.post_as_admin(&path, &body.to_string()).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
}

/// A bit of everything: two wallets, several destinations, days and tiers, reports of both kinds, refunds of a part and
/// of the whole, messages across the bound of a tier, and a month that is closed before a message of it fails.
async fn mix(server: &Server) {
    server.top_up("acme", "1000").await;
    server.top_up("other", "50.5").await;
    let numbers = ["+254712345678", "+250788123456", "+254733123456"];
    charge(server, (0..150).map(|n| message("acme", &format!("m-{n}"), numbers[n % 3], 1)).collect()).await;
    charge(server, (0..10).map(|n| message("other", &format!("m-{n}"), numbers[n % 2], 2)).collect()).await;
    report(server, (10..20).map(|n| format!("m-{n}")), "delivered").await;
    report(server, (20..30).map(|n| format!("m-{n}")), "failed").await;
    refund(server, "m-31", Value::Null).await;
    server.set_clock("2026-03-19T18:20:00Z");
    charge(server, (0..5).map(|n| message("acme", &format!("b-{n}"), numbers[0], 255)).collect()).await;
    charge(server, (0..4).map(|n| message("other", &format!("b-{n}"), numbers[0], 255)).collect()).await;
    assert!(server.number("SELECT count(*) FROM transactions WHERE more_parts IS NOT NULL").await == 2);
    for amount in [json!(1.5), json!(2)] {
        refund(server, "b-3", amount).await;
    }
    report(server, std::iter::once("b-4".to_owned()), "failed").await;
    report(server, std::iter::once("b-3".to_owned()), "failed").await;
    server.top_up("acme", "7").await;
    let adjustment = json!({"amount": -0.25, "reason": "test"}).to_string();
    let (status, answer) = server.post_as_admin("/api/admin/wallets/acme/adjustments/", &adjustment).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    server.set_clock("2026-04-02T10:00:00Z");
    assert_eq!(crate::invoices::month_close::close(server, "2026-03").await.invoices, 2);
    report(server, (32..35).map(|n| format!("m-{n}")), "failed").await;
    assert_eq!(server.number("SELECT count(*) FROM invoice_items").await, 3);
    charge(server, (0..5).map(|n| message("acme", &format!("n-{n}"), numbers[1], 3)).collect()).await;
    refund(server, "n-4", Value::Null).await;
}

/// Every check looked at something and found nothing.
fn assert_clean(report: &Report) {
    assert!(told(report).is_empty(), "{:#?}", told(report));
    for (check, finding) in report.findings() {
        assert!(finding.rows > 0, "{check:?} looked at nothing");
    }
}

on_each_database! {
    async fn what_the_server_wrote_is_right(server) {
        assert!(told(&reconcile(server).await).is_empty(), "nothing was charged yet");
        mix(server).await;
        let before = server.row_counts().await;
        let report = reconcile(server).await;
        assert_clean(&report);
        let rows = server.number("SELECT count(*) FROM transactions").await;
        assert_eq!(report.findings().next().unwrap().1.rows, rows as u64);
        assert_eq!(server.row_counts().await, before, "nothing is changed");
    }
}

/// Days are those of the database's zone: here one that is three quarters of an hour off, whatever the settings say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_those_of_the_zone() {
    for database in [Database::Sqlite, Database::Postgres] {
        if database == Database::Postgres && !postgres::is_available() {
            continue;
        }
        let server = Server::start(database, &["--billing-timezone", "Asia/Kathmandu"]).await;
        mix(&server).await;
        let day = "SELECT count(*) FROM usage_metrics WHERE day = '2026-03-20'";
        assert!(server.number(day).await > 0, "18:20 in UTC is the next day in Kathmandu");
        assert_clean(&reconcile(&server).await);
    }
}

/// What somebody does to a database by hand, the checks that must notice, and how it is told.
const CORRUPTIONS: &[(&str, &[Check], &str)] = &[
    (
        "UPDATE transactions SET amount = amount - 1 WHERE message_sid = 'm-5' AND wallet_id = $acme",
        &[Check::Chain, Check::Debits, Check::Wallets],
        "but its rates make",
    ),
    (
        "DELETE FROM transactions WHERE message_sid = 'm-5' AND wallet_id = $acme",
        &[Check::Chain, Check::Usage, Check::Wallets],
        "which is gone",
    ),
    (
        "DELETE FROM transactions WHERE message_sid = 'n-1' AND wallet_id = $acme",
        &[Check::Chain, Check::Usage, Check::Wallets, Check::Tiers],
        "entries are not numbered 1 to",
    ),
    (
        "UPDATE transactions SET balance_after = balance_after + 1 WHERE message_sid = 'm-5' AND wallet_id = $acme",
        &[Check::Chain],
        "says the balance went from",
    ),
    (
        "UPDATE transactions SET previous_uid = uid WHERE message_sid = 'm-5' AND wallet_id = $acme",
        &[Check::Chain],
        "(entry 7 of acme) follows",
    ),
    (
        "UPDATE transactions SET created_at = created_at + 1 WHERE message_sid = 'm-5' AND wallet_id = $acme",
        &[Check::Chain],
        "was made before",
    ),
    ("UPDATE wallets SET balance = balance + 1 WHERE id = $acme", &[Check::Wallets], "acme: its balance is"),
    ("UPDATE wallets SET last_seq = last_seq + 1 WHERE id = $acme", &[Check::Wallets], "acme: its last_seq is"),
    (
        "UPDATE wallets SET last_uid = (SELECT previous_uid FROM transactions t WHERE t.uid = last_uid) WHERE id = $acme",
        &[Check::Wallets],
        "as its newest entry, which is number",
    ),
    (
        "UPDATE wallets SET updated_at = updated_at - 1 WHERE id = $acme",
        &[Check::Wallets],
        "its updated_at lies before",
    ),
    (
        "UPDATE wallets SET tier_segments = tier_segments + 1 WHERE id = $acme",
        &[Check::Tiers],
        "acme: 13 segments in 2026-04-01, should be 12 in 2026-04-01",
    ),
    (
        "UPDATE usage_metrics SET cost = cost + 1 WHERE id = (SELECT MIN(id) FROM usage_metrics)",
        &[Check::Usage, Check::Invoices],
        "millionths of cost, should be",
    ),
    ("DELETE FROM usage_metrics WHERE day = '2026-04-02'", &[Check::Usage], "no row; 0 sent, should be 4"),
    ("UPDATE usage_metrics SET messages_delivered = 0", &[Check::Usage], "0 delivered, should be"),
    (
        "UPDATE transactions SET amount = amount + 1 WHERE type = 'REFUND' AND reference = 'm-31'",
        &[Check::Chain, Check::Refunds, Check::Usage, Check::Wallets],
        "less than its refunds with this one",
    ),
    (
        "UPDATE transactions SET charge_uid = (SELECT uid FROM transactions WHERE message_sid = 'm-5' \
         AND wallet_id <> $acme) WHERE type = 'REFUND' AND reference = 'm-31'",
        &[Check::Refunds, Check::Usage],
        "which is of another wallet",
    ),
    ("DELETE FROM transaction_marks WHERE seq = 64", &[Check::Marks], "entry 64 of acme has no mark"),
    (
        "UPDATE transaction_marks SET created_at = created_at - 1 WHERE seq = 128",
        &[Check::Marks],
        "entry 128 of acme has a mark that is not of it",
    ),
    (
        "UPDATE transactions SET message_sid = 'm-6' WHERE message_sid = 'm-5' AND wallet_id = $acme",
        &[Check::Messages],
        "acme was charged 2 times for m-6",
    ),
    (
        "UPDATE transactions SET rate_id = 999999 WHERE message_sid = 'n-1' AND wallet_id = $acme",
        &[Check::Debits, Check::Usage, Check::Tiers],
        "is at rate 999999, which is gone",
    ),
    (
        "UPDATE transactions SET more_parts = '[[999999, 1]]' WHERE more_parts IS NOT NULL",
        &[Check::Debits, Check::Usage, Check::Tiers],
        "is at rate 999999, which is gone",
    ),
    (
        "UPDATE applied_rates SET operator = 'Nobody' WHERE id = (SELECT MIN(id) FROM applied_rates)",
        &[Check::Rates, Check::Usage],
        "is not what its explanation says",
    ),
    (
        "UPDATE deliveries SET charge_uid = (SELECT uid FROM transactions WHERE type = 'TOPUP' AND wallet_id = $acme \
         AND seq = 1) WHERE charge_uid = (SELECT uid FROM transactions WHERE message_sid = 'm-10')",
        &[Check::Deliveries, Check::Usage],
        "which is no debit",
    ),
    (
        "UPDATE invoice_items SET wallet_id = (SELECT MAX(id) FROM wallets)",
        &[Check::InvoiceItems],
        "other is invoiced for",
    ),
    ("UPDATE invoice_items SET amount = 1", &[Check::InvoiceItems], "but with another amount"),
    ("DELETE FROM invoice_items", &[Check::Usage], "should be"),
    (
        "UPDATE invoices SET total = total + 10000 WHERE number = 'INV-2026-000001'",
        &[Check::Invoices],
        "INV-2026-000001 of acme says",
    ),
    (
        "UPDATE invoices SET wallet_id = $acme WHERE number = 'INV-2026-000002'",
        &[Check::Invoices],
        "acme is invoiced again for 2026-03-01 by INV-2026-000002",
    ),
    (
        "UPDATE invoices SET number = 'INV-2026-000009' WHERE number = 'INV-2026-000001'",
        &[Check::Numbers],
        "INV-2026 has none of 000001",
    ),
    (
        "UPDATE invoices SET amount_due = amount_due + 1 WHERE number = 'INV-2026-000001'",
        &[Check::Payments],
        "INV-2026-000001 of acme is PAID, and 0 of",
    ),
    (
        "UPDATE invoices SET status = 'SENT' WHERE number = 'INV-2026-000001'",
        &[Check::Payments],
        "INV-2026-000001 of acme is SENT, and 0 of 0 is paid",
    ),
    ("UPDATE invoice_line_items SET cost = cost + 1", &[Check::Invoices], "INV-2026-000001 of acme"),
    (
        "UPDATE invoice_line_items SET quantity = quantity + 1",
        &[Check::Invoices],
        "lists other messages than its month",
    ),
    ("UPDATE invoice_line_items SET total = total + 10000", &[Check::Invoices], "but its lines add up to"),
    ("DELETE FROM invoice_line_items WHERE position = 1", &[Check::Invoices], "INV-2026-000002 of other"),
    ("UPDATE invoice_series SET last_number = last_number + 1", &[Check::Numbers], "INV-2026 counts to 3, but has 2"),
];

/// Takes away what the database itself would refuse such changes with.
async fn disarm(server: &Server) {
    for (table, changes) in [
        ("transactions", &["update", "delete"][..]),
        ("deliveries", &["update", "delete"]),
        ("invoices", &["update", "reopening"]),
        ("invoice_line_items", &["insert", "update", "delete"]),
    ] {
        for change in changes {
            let on = if server.database == Database::Postgres { format!(" ON {table}") } else { String::new() };
            server.execute(&format!("DROP TRIGGER {table}_refuse_{change}{on}")).await.unwrap();
        }
    }
    for index in ["transactions_by_message", "invoices_by_period"] {
        server.execute(&format!("DROP INDEX {index}")).await.unwrap();
    }
}

/// The tables that are changed by hand below.
const CHANGED: [&str; 10] = [
    "transactions",
    "transaction_marks",
    "wallets",
    "usage_metrics",
    "deliveries",
    "invoice_items",
    "applied_rates",
    "invoices",
    "invoice_line_items",
    "invoice_series",
];

/// Puts a table back as it was saved.
async fn restore(server: &Server, table: &str) {
    let columns: &[&str] = match table {
        "wallets" => &["balance", "last_seq", "last_uid", "updated_at", "tier_segments"],
        "invoices" => &["wallet_id", "number", "status", "total", "amount_due"],
        _ => &[],
    };
    if !columns.is_empty() {
        // Others refer to its rows, so they stay.
        let set = columns.iter().map(|column| format!("{column} = s.{column}")).collect::<Vec<_>>().join(", ");
        let update = format!("UPDATE {table} SET {set} FROM saved_{table} s WHERE s.id = {table}.id");
        server.execute(&update).await.unwrap();
    } else {
        server.execute(&format!("DELETE FROM {table}")).await.unwrap();
        server.execute(&format!("INSERT INTO {table} SELECT * FROM saved_{table}")).await.unwrap();
    }
}

async fn corruptions_are_named(database: Database) {
    let server = Server::start(database, &[]).await;
    mix(&server).await;
    disarm(&server).await;
    for table in CHANGED {
        server.execute(&format!("CREATE TABLE saved_{table} AS SELECT * FROM {table}")).await.unwrap();
    }
    for (sql, checks, sentence) in CORRUPTIONS {
        let acme = "(SELECT w.id FROM wallets w JOIN businesses b ON b.id = w.business_id WHERE b.sid = 'acme')";
        let changed = server.execute(&sql.replace("$acme", acme)).await.unwrap();
        assert!(changed > 0, "{sql}");
        let report = reconcile(&server).await;
        assert_eq!(checks_with_problems(&report), checks.iter().copied().collect(), "{sql}: {:#?}", told(&report));
        assert!(told(&report).iter().any(|told| told.contains(sentence)), "{sql}: {:#?}", told(&report));
        let changed = sql.trim_start_matches("UPDATE ").trim_start_matches("DELETE FROM ").split(' ').next();
        restore(&server, changed.unwrap()).await;
        assert_clean(&reconcile(&server).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corruptions_are_named_on_sqlite() {
    corruptions_are_named(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corruptions_are_named_on_postgres() {
    if postgres::is_available() {
        corruptions_are_named(Database::Postgres).await;
    }
}

/// As a person runs it, also while the server does: what it says, and its exit code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_says_what_it_found() {
    let home = tempfile::tempdir().unwrap();
    let out = || {
        let output = run(home.path(), &["reconcile"]);
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, stdout, stderr) = out();
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.starts_with("error: there is no SQLite file billing.db"), "{stderr}");
    std::fs::write(home.path().join("billing.db"), "").unwrap();
    let (code, stdout, stderr) = out();
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("migrations not applied yet: 0001") && stderr.contains("run `migrate`"), "{stderr}");
    let _server = ServerProcess::start(home.path(), &[]);
    let (code, stdout, stderr) = out();
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert_eq!(stdout.lines().filter(|line| line.starts_with("ok ")).count(), Check::ALL.len(), "{stdout}");
    let url = format!("sqlite://{}", home.path().join("billing.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("UPDATE wallets SET balance = balance + 1").execute(&pool).await.unwrap();
    pool.close().await;
    let (code, stdout, stderr) = out();
    assert_eq!(code, Some(1));
    let problem = "problem  wallets: biz_test_001: its balance is 1000.000001, but its entries add up to 1000";
    assert!(stdout.contains(problem), "{stdout}");
    assert!(stderr.ends_with("error: 2 problems were found\n"), "{stderr}");
}
