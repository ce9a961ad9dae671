//! Tests invoices after their close: paid by credits, cancelled, corrected by credit notes.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::access::rights::Role;
use wecall_billing::domain::operations::reconcile::{Check, Report};
use wecall_billing::services;

use crate::support::bills::Bill;
use crate::support::{Database, REQUIRED, Server, answer, on_each_database, postgres};

/// What is done, as `verb month amount`: `pay 1 20`, `pay 1` (all that is due), `note 2 10`, `note 2`, `cancel 1`, and
/// without a month `topup 25`, `adjust 5`, `fee 3`. Afterwards: the standing, or `!` and the code of a refusal.
type Steps<'a> = &'a [(&'a str, &'a str)];

/// What is owed, the invoices (month, due, tax on top), and what is done.
type Case<'a> = (&'a str, &'a [(u32, &'a str, &'a str)], Steps<'a>);

const CASES: &[Case<'_>] = &[
    // The month of a postpaid customer.
    (
        "30",
        &[(1, "30", "0")],
        &[
            ("pay 1 20", "-10 | 1 SENT 10"),
            ("pay 1 15", "5 | 1 PAID 0"),
            ("pay 1 15", "! invoice_paid"),
            ("cancel 1", "! invoice_in_use"),
        ],
    ),
    // The oldest first, whichever is named.
    (
        "50",
        &[(2, "30", "0"), (1, "20", "0")],
        &[
            ("topup 5", "-45 | 1 SENT 15, 2 SENT 30"),
            ("pay 2 20", "-25 | 1 PAID 0, 2 SENT 25"),
            ("pay 2", "0 | 1 PAID 0, 2 PAID 0"),
            ("topup 7.5", "7.5 | 1 PAID 0, 2 PAID 0"),
        ],
    ),
    ("50", &[(1, "20", "0"), (2, "30", "0")], &[("topup 60", "10 | 1 PAID 0, 2 PAID 0")]),
    // Adjustments pay; fees and credits of the month stand on its own invoice.
    (
        "30",
        &[(1, "30", "0")],
        &[
            ("adjust -5", "-35 | 1 SENT 30"),
            ("fee 5", "-40 | 1 SENT 30"),
            ("fee -10", "-30 | 1 SENT 30"),
            ("adjust 30", "0 | 1 PAID 0"),
        ],
    ),
    // Tax on top, 16 %: of a payment only the net comes to the wallet.
    ("30", &[(1, "34.8", "4.8")], &[("pay 1 20", "-12.76 | 1 SENT 14.8"), ("pay 1 20", "5.2 | 1 PAID 0")]),
    // Of any other credit the tax is taken back.
    ("30", &[(1, "34.8", "4.8")], &[("topup 40", "5.2 | 1 PAID 0")]),
    ("30", &[(1, "34.8", "4.8")], &[("adjust 20", "-12.76 | 1 SENT 14.8"), ("pay 1", "0 | 1 PAID 0")]),
    // Cancelled, and then paid.
    (
        "30",
        &[(1, "30", "0")],
        &[
            ("cancel 1", "-30 | 1 CANCELLED 0"),
            ("cancel 1", "-30 | 1 CANCELLED 0"),
            ("pay 1", "! invoice_cancelled"),
            ("note 1", "! invoice_cancelled"),
            ("topup 30", "0 | 1 CANCELLED 0"),
        ],
    ),
    ("30", &[(1, "30", "0")], &[("pay 1 0.01", "-29.99 | 1 SENT 29.99"), ("cancel 1", "! invoice_in_use")]),
    // Paid in advance: nothing is due, and it can be cancelled.
    ("0.01", &[(1, "0", "0")], &[("pay 1", "! invoice_paid"), ("cancel 1", "-0.01 | 1 CANCELLED 0")]),
    // A credit note before the payment, and after it.
    (
        "30",
        &[(1, "30", "0")],
        &[
            ("note 1 10", "-20 | 1 SENT 20"),
            ("cancel 1", "! invoice_in_use"),
            ("note 1 20.01", "! credit_exceeds_invoice"),
            ("topup 20", "0 | 1 PAID 0"),
            ("note 1", "20 | 1 PAID 0"),
            ("note 1", "! invoice_credited"),
        ],
    ),
    ("30", &[(1, "30", "0")], &[("pay 1", "0 | 1 PAID 0"), ("note 1", "30 | 1 PAID 0")]),
    // It pays the invoice it credits before older ones, then those.
    (
        "60",
        &[(1, "30", "0"), (2, "30", "0")],
        &[
            ("note 2 10", "-50 | 1 SENT 30, 2 SENT 20"),
            ("pay 2 40", "-10 | 1 PAID 0, 2 SENT 10"),
            ("note 2", "10 | 1 PAID 0, 2 PAID 0"),
        ],
    ),
    // With tax on top the wallet gets the tax too, and pays it with that.
    (
        "30",
        &[(1, "34.8", "4.8")],
        &[("note 1 10", "-20 | 1 SENT 23.2"), ("pay 1", "0 | 1 PAID 0"), ("note 1", "23.2 | 1 PAID 0")],
    ),
];

async fn do_it(server: &Server, sids: &BTreeMap<u32, String>, step: &str) -> (StatusCode, Value) {
    let words: Vec<&str> = step.split(' ').collect();
    let bill =
        |action: &str| format!("/api/billing/invoices/acme/{}/{action}/", sids[&words[1].parse::<u32>().unwrap()]);
    let with_amount = |mut body: Value| {
        if let Some(amount) = words.get(2) {
            body["amount"] = json!(amount);
        }
        body.to_string()
    };
    match words[0] {
        "pay" => server.post(&bill("payments"), &with_amount(json!({"reference": "bank"}))).await,
        "note" => server.post_as_admin(&bill("credit-notes"), &with_amount(json!({"reason": "test"}))).await,
        "cancel" => server.post_as_admin(&bill("cancel"), r#"{"reason": "test"}"#).await,
        "topup" => {
            let body = json!({"business_sid": "acme", "amount": words[1]});
            server.post("/api/billing/topup/", &body.to_string()).await
        }
        "adjust" => {
            let body = json!({"amount": words[1], "reason": "test"});
            server.post_as_admin("/api/admin/wallets/acme/adjustments/", &body.to_string()).await
        }
        _ => {
            let body = json!({"amount": words[1], "category": "OTHER", "description": "Setup", "reason": "test"});
            server.post_as_admin("/api/admin/wallets/acme/fees/", &body.to_string()).await
        }
    }
}

async fn run_case(database: Database, (owed, bills, steps): &Case<'_>) {
    let server = Server::start(database, &[]).await;
    server.owe("acme", owed).await;
    let mut sids = BTreeMap::new();
    for (month, due, tax) in *bills {
        let status = if *due == "0" { "PAID" } else { "SENT" };
        let total = if *due == "20" { "20" } else { "30" };
        let bill = Bill { month: (*month, 2026), status, total, due, tax, ..Bill::of("acme") };
        sids.insert(*month, bill.insert(&server).await);
    }
    for (step, expected) in *steps {
        let before = server.row_counts().await;
        let (status, told) = do_it(&server, &sids, step).await;
        match expected.strip_prefix("! ") {
            Some(code) => {
                assert_eq!((status.as_u16(), &told["code"]), (422, &json!(code)), "{step} of {steps:?}: {told}");
                let detail = told["detail"].as_str().unwrap();
                assert!(detail.ends_with('.') && detail.len() > 40, "{detail}");
                assert_eq!(server.row_counts().await, before, "{step} changed something");
            }
            None => {
                assert!(status.is_success(), "{step} of {steps:?}: {status} {told}");
                assert_eq!(server.standing("acme").await, *expected, "{step} of {steps:?}: {told}");
            }
        }
    }
    let report = services::operations::reconcile::reconcile(&server.billing.db, chrono_tz::UTC, &|_| ()).await.unwrap();
    let told = told(&report);
    assert!(told.is_empty(), "{steps:?}: {told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_and_outcomes_on_sqlite() {
    for case in CASES {
        run_case(Database::Sqlite, case).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_and_outcomes_on_postgres() {
    if postgres::is_available() {
        for case in CASES {
            run_case(Database::Postgres, case).await;
        }
    }
}

/// A payment as its answer tells it.
fn without_times(mut body: Value) -> Value {
    for part in ["invoice", "transaction"] {
        for field in ["created_at", "updated_at", "sid"] {
            body[part].as_object_mut().unwrap().remove(field);
        }
    }
    body
}

on_each_database! {
    async fn a_payment_tells_what_it_did(server) {
        server.listen("acme").await;
        server.owe("acme", "30").await;
        let bill = Bill { due: "34.8", tax: "4.8", ..Bill::of("acme") };
        let sid = bill.insert(server).await;
        let path = format!("/api/billing/invoices/acme/{sid}/payments/");
        let (status, paid) = server.post(&path, r#"{"amount": 20, "reference": "BANK-1"}"#).await;
        assert_eq!(status, StatusCode::OK, "{paid}");
        assert_eq!(paid["allocations"], json!([{
            "invoice_sid": sid, "invoice_number": "INV-2026-000001", "amount": 20, "net": 17.24, "tax": 2.76, "status": "SENT",
        }]));
        let told = without_times(paid.clone());
        assert_eq!(told["transaction"], json!({
            "business_sid": "acme", "type": "INVOICE_PAYMENT", "amount": 17.24, "currency": "USD", "reference": "BANK-1",
            "status": "COMPLETED", "details": {"gross": 20, "invoice": "INV-2026-000001", "tax": 2.76}, "metadata": {},
            "balance_after": -12.76, "seq": 2,
        }));
        assert_eq!(told["invoice"], json!({
            "business_sid": "acme", "kind": "INVOICE", "invoice_number": "INV-2026-000001", "issue_date": "2026-01-01",
            "period_start": "2026-01-01",
            "period_end": "2026-01-01", "total_amount": 30, "amount_due": 34.8, "amount_paid": 20, "amount_outstanding": 14.8,
            "currency": "USD", "status": "SENT", "due_date": "2026-04-01", "paid_date": null,
        }));
        let newest = server.get("/api/billing/transactions/acme/?limit=1").await;
        assert_eq!(newest[0], paid["transaction"], "as the history has it");
        assert_eq!(server.told("invoice.paid").await, 0);

        server.top_up("acme", "50").await;
        let rows = server.get("/api/billing/transactions/acme/?limit=2").await;
        assert_eq!((&rows[0]["type"], &rows[0]["amount"]), (&json!("FEE"), &json!(-2.04)));
        let details = json!({"tax_of_invoices": ["INV-2026-000001"], "transaction": rows[1]["sid"]});
        assert_eq!(rows[0]["details"], details);
        assert_eq!(server.standing("acme").await, "35.2 | 1 PAID 0");
        assert_eq!(server.told("invoice.paid").await, 1);
        let list = server.get("/api/billing/invoices/acme/list/").await;
        assert_eq!((&list[0]["paid_date"], &list[0]["amount_paid"]), (&json!("2026-03-18"), &json!(34.8)));
        let admin = answer(server.as_admin(Method::GET, "/api/admin/invoices/?business_sid=acme").await).await.1;
        assert_eq!(admin, list);
    }

    async fn refunds_pay_nothing(server) {
        server.top_up("acme", "1").await;
        let message = json!({"business_sid": "acme", "message_sid": "m", "country_code": "KE", "operator": "Safaricom", "segments": 1});
        server.charge(message).await;
        server.owe("acme", "30").await;
        Bill::of("acme").insert(server).await;
        let (status, _) = server.post_as_admin("/api/billing/charges/acme/m/refund/", r#"{"reason": "test"}"#).await;
        assert_eq!(status, StatusCode::CREATED);
        assert!(server.standing("acme").await.ends_with("| 1 SENT 30"));
    }

    /// Fifty at once with one key pay once; without a key the invoice is paid once all the same.
    async fn paid_once(server) {
        server.listen("acme").await;
        server.owe("acme", "30").await;
        let sid = Bill::of("acme").insert(server).await;
        let path = format!("/api/billing/invoices/acme/{sid}/payments/");
        let pay = || {
            let request = server.request(Method::POST, &path).header("idempotency-key", "one").json(&json!({}));
            tokio::spawn(async move {
                let response = request.send().await.unwrap();
                let replayed = response.headers().contains_key("idempotent-replayed");
                (response.status(), replayed, response.text().await.unwrap())
            })
        };
        let mut answers = Vec::new();
        for paying in (0..50).map(|_| pay()).collect::<Vec<_>>() {
            answers.push(paying.await.unwrap());
        }
        for (status, _, body) in &answers {
            assert_eq!((*status, body), (StatusCode::OK, &answers[0].2));
        }
        assert_eq!(answers.iter().filter(|(_, replayed, _)| !replayed).count(), 1);
        assert_eq!(server.standing("acme").await, "0 | 1 PAID 0");
        assert_eq!(server.number("SELECT count(*) FROM invoice_payments").await, 1);
        assert_eq!(server.told("invoice.paid").await, 1);
        let other = server.request(Method::POST, &path).header("idempotency-key", "one").json(&json!({"amount": 1}));
        assert_eq!(answer(other).await.1["code"], "idempotency_conflict");

        server.owe("acme", "30").await;
        let second = Bill { month: (2, 2026), ..Bill::of("acme") }.insert(server).await;
        let path = format!("/api/billing/invoices/acme/{second}/payments/");
        let paying: Vec<_> = (0..8).map(|_| tokio::spawn(answer(server.request(Method::POST, &path).json(&json!({}))))).collect();
        let mut paid = 0;
        for one in paying {
            let (status, body) = one.await.unwrap();
            paid += usize::from(status == StatusCode::OK);
            assert!(status == StatusCode::OK || body["code"] == "invoice_paid", "{status} {body}");
        }
        assert_eq!((paid, server.standing("acme").await), (1, "0 | 1 PAID 0, 2 PAID 0".to_owned()));
    }

    /// Top-ups at once while payments come: nothing is paid twice, and nobody waits for ever.
    async fn credits_at_once(server) {
        server.owe("acme", "100").await;
        let mut sids = Vec::new();
        for month in 1..=5 {
            let bill = Bill { month: (month, 2025), due: "20", total: "20", ..Bill::of("acme") };
            sids.push(bill.insert(server).await);
        }
        let mut paying = Vec::new();
        for number in 0..30 {
            let request = match number % 3 {
                0 => server.request(Method::POST, "/api/billing/topup/").json(&json!({"business_sid": "acme", "amount": 3.5})),
                1 => server.request(Method::POST, &format!("/api/billing/invoices/acme/{}/payments/", sids[4])).json(&json!({"amount": 3})),
                _ => server.as_admin(Method::POST, "/api/admin/wallets/acme/adjustments/").await.json(&json!({"amount": 4, "reason": "x"})),
            };
            paying.push(tokio::spawn(answer(request)));
        }
        for one in paying {
            let (status, body) = one.await.unwrap();
            assert!(status.is_success() || body["code"] == "invoice_paid", "{status} {body}");
        }
        let paid = "SELECT CAST(COALESCE(SUM(net + tax), 0) AS BIGINT) FROM invoice_payments";
        assert_eq!(server.number(paid).await, 100_000_000);
        let report = services::operations::reconcile::reconcile(&server.billing.db, chrono_tz::UTC, &|_| ()).await.unwrap();
        let told = told(&report);
        assert!(told.is_empty(), "{told:?}");
    }

    async fn credit_notes_have_numbers_of_their_own(server) {
        server.listen("acme").await;
        server.owe("acme", "60").await;
        let sid = Bill::of("acme").insert(server).await;
        let path = format!("/api/billing/invoices/acme/{sid}/credit-notes/");
        let body = json!({"reason": "Route down", "lines": [
            {"position": 1, "amount": 2.5}, {"description": "Goodwill", "amount": "1", "category": "SUPPORT"},
        ]});
        let write = |key: &'static str, body: Value| async move {
            let request = server.as_admin(Method::POST, &path.clone()).await.header("idempotency-key", key);
            answer(request.json(&body)).await
        };
        let write = &write;
        let (status, first) = write.clone()("a", body.clone()).await;
        assert_eq!(status, StatusCode::CREATED, "{first}");
        let note = &first["credit_note"];
        assert_eq!((&note["invoice_number"], &note["kind"]), (&json!("CN-2026-000001"), &json!("CREDIT_NOTE")));
        assert_eq!((&note["total_amount"], &note["status"]), (&json!(-3.5), &json!("PAID")));
        assert_eq!((&note["credited_invoice_sid"], &note["reason"]), (&json!(sid), &json!("Route down")));
        assert_eq!(first["line_items"], json!([
            {"description": "SMS to Kenya, Safaricom", "quantity": 1, "unit_price": -2.5, "total": -2.5, "category": "SMS",
             "details": {"position": 1}},
            {"description": "Goodwill", "quantity": 1, "unit_price": -1, "total": -1, "category": "SUPPORT", "details": {}},
        ]));
        assert_eq!(first["transaction"]["details"], json!({
            "credit_note": "CN-2026-000001", "invoice": "INV-2026-000001", "reason": "Route down",
        }));
        assert_eq!((&first["transaction"]["type"], &first["transaction"]["amount"]), (&json!("CREDIT_ADJUSTMENT"), &json!(3.5)));
        assert_eq!(first["invoice"]["amount_outstanding"], 26.5);
        assert_eq!(server.get("/api/billing/transactions/acme/?limit=1").await[0], first["transaction"]);

        let shown = answer(server.as_admin(Method::GET, &format!("/api/admin/invoices/{}/", note["sid"].as_str().unwrap())).await).await.1;
        assert_eq!((&shown["kind"], &shown["line_items"]), (&json!("CREDIT_NOTE"), &first["line_items"]));
        assert_eq!(server.told("invoice.finalised").await, 1);
        let audit = "SELECT count(*) FROM audit_log WHERE action = 'credit_note.written' AND reason = 'Route down'";
        assert_eq!(server.number(audit).await, 1);
        let list = server.get("/api/billing/invoices/acme/list/?kind=CREDIT_NOTE").await;
        assert_eq!((list.as_array().unwrap().len(), &list[0]), (1, note));
    }

    /// A refused credit note takes no number, so the series has no gap; many at once have one each.
    async fn the_series_has_no_gap(server) {
        server.owe("acme", "30").await;
        let sid = Bill::of("acme").insert(server).await;
        let path = format!("/api/billing/invoices/acme/{sid}/credit-notes/");
        let mut writing = Vec::new();
        for number in 0..12 {
            let body = json!({"reason": "x", "amount": if number % 2 == 0 { 1 } else { 31 }});
            writing.push(tokio::spawn(answer(server.as_admin(Method::POST, &path).await.json(&body))));
        }
        let mut numbers = Vec::new();
        for one in writing {
            let (status, body) = one.await.unwrap();
            match status {
                StatusCode::CREATED => numbers.push(body["credit_note"]["invoice_number"].as_str().unwrap().to_owned()),
                _ => assert_eq!(body["code"], "credit_exceeds_invoice"),
            }
        }
        numbers.sort();
        assert_eq!(numbers, (1..=6).map(|number| format!("CN-2026-{number:06}")).collect::<Vec<_>>());
        let cn = server.request(Method::POST, &format!("/api/billing/invoices/acme/{}/payments/",
            server.get("/api/billing/invoices/acme/list/?kind=CREDIT_NOTE").await[0]["sid"].as_str().unwrap()));
        assert_eq!(answer(cn.json(&json!({}))).await.1["code"], "invoice_is_credit_note");
    }

    async fn cancelling_is_noted_once(server) {
        server.listen("acme").await;
        server.owe("acme", "30").await;
        let sid = Bill::of("acme").insert(server).await;
        let path = format!("/api/billing/invoices/acme/{sid}/cancel/");
        let (_, first) = server.post_as_admin(&path, r#"{"reason": "Wrong business"}"#).await;
        assert_eq!((&first["status"], &first["invoice_number"]), (&json!("CANCELLED"), &json!("INV-2026-000001")));
        let counts = server.row_counts().await;
        assert_eq!(server.post_as_admin(&path, r#"{"reason": "Again"}"#).await, (StatusCode::OK, first));
        assert_eq!(server.row_counts().await, counts);
        assert_eq!(server.told("invoice.cancelled").await, 1);
        let audit = "SELECT count(*) FROM audit_log WHERE action = 'invoice.cancelled' AND reason = 'Wrong business'";
        assert_eq!(server.number(audit).await, 1);
    }

    /// A fee is an entry of the ledger and a line of the month's draft; a credit is one with its sign turned.
    async fn fees(server) {
        let path = "/api/admin/wallets/biz_test_001/fees/";
        let body = json!({"amount": 25, "category": "SUPPORT", "description": "Sender ID", "reason": "Order 1", "reference": "O-1"});
        let charge = || async {
            let request = server.as_admin(Method::POST, path).await.header("idempotency-key", "k").json(&body);
            answer(request).await
        };
        let first = charge().await;
        assert_eq!(first.0, StatusCode::CREATED, "{}", first.1);
        assert_eq!(charge().await, first);
        assert_eq!((&first.1["balance"], &first.1["available"]), (&json!(975), &json!(975)));
        let newest = server.get("/api/billing/transactions/biz_test_001/?limit=1").await;
        assert_eq!(newest[0], first.1["transaction"]);
        assert_eq!((&newest[0]["type"], &newest[0]["amount"]), (&json!("FEE"), &json!(-25)));
        let credit = json!({"amount": -0.005, "category": "API", "description": "Outage", "reason": "x"});
        let (status, _) = server.post_as_admin(path, &credit.to_string()).await;
        assert_eq!(status, StatusCode::CREATED);
        let draft = server.get("/api/billing/invoices/biz_test_001/").await;
        let lines: Vec<_> = draft["line_items"].as_array().unwrap().iter()
            .map(|line| format!("{} {} {}", line["category"], line["description"], line["total"])).collect();
        assert_eq!(lines, ["\"SUPPORT\" \"Sender ID\" 25", "\"API\" \"Outage\" -0.01"]);
        let list = server.get("/api/billing/invoices/biz_test_001/list/").await;
        assert_eq!((&list[0]["total_amount"], &list[0]["status"]), (&json!(24.99), &json!("DRAFT")));
        let below = json!({"amount": 5000, "category": "OTHER", "description": "x", "reason": "x"});
        assert_eq!(server.post_as_admin(path, &below.to_string()).await.1["balance"], json!(-4024.995));
        let (status, body) = server.post_as_admin("/api/admin/wallets/nobody/fees/", &below.to_string()).await;
        assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("business_not_found")));
    }

    /// What came between the end of a month and its close pays the invoice that the close makes.
    async fn credits_that_came_before_the_invoice(server) {
        server.listen("acme").await;
        server.owe("acme", "50").await;
        server.top_up("acme", "20").await;
        let first = Bill { due: "5", total: "5", ..Bill::of("acme") }.insert(server).await;
        let pay = server.post(&format!("/api/billing/invoices/acme/{first}/payments/"), r#"{"amount": 9}"#).await;
        assert_eq!(pay.0, StatusCode::OK, "{}", pay.1);
        server.top_up("acme", "7").await;
        // Entry 2 is the top-up of 20; of the payment 4 are left over, and the top-up of 7 after it.
        Bill { month: (2, 2026), due: "34.8", tax: "4.8", ..Bill::of("acme") }.insert(server).await;
        let acme = "acme".parse().unwrap();
        for (since, standing) in [
            (2, "-15.52 | 1 PAID 0, 2 SENT 23.8"),
            (2, "-15.52 | 1 PAID 0, 2 SENT 23.8"),
            (1, "-18.28 | 1 PAID 0, 2 SENT 3.8"),
        ] {
            let now = server.billing.clock.now();
            let mut tx = server.billing.db.begin().await.unwrap();
            services::invoices::month_close::credits::pay_with_earlier_credits(&server.billing, &mut tx.conn(), &acme, since, now)
                .await
                .unwrap();
            tx.commit().await.unwrap();
            assert_eq!(server.standing("acme").await, standing, "since {since}");
        }
        server.top_up("acme", "3.8").await;
        assert!(server.standing("acme").await.ends_with("2 PAID 0"));
        assert_eq!(server.told("invoice.paid").await, 2);
        let taxes = "SELECT CAST(SUM(tax) AS BIGINT) FROM invoice_payments";
        assert_eq!(server.number(taxes).await, 4_800_000);
        let fees = "SELECT CAST(SUM(amount) AS BIGINT) FROM transactions WHERE type = 'FEE'";
        assert_eq!(server.number(fees).await, -4_800_000);
    }

    async fn the_list_is_paged_and_filtered(server) {
        for month in 1..=3 {
            let status = if month == 1 { "PAID" } else { "SENT" };
            Bill { month: (month, 2025), status, ..Bill::of("acme") }.insert(server).await;
        }
        Bill { month: (5, 2024), ..Bill::of("other") }.insert(server).await;
        let mut months = Vec::new();
        let mut next = Some("/api/billing/invoices/acme/list/?limit=2".to_owned());
        while let Some(path) = next {
            let page = server.admin().await.get(&path).await;
            months.extend(page.body.as_array().unwrap().iter().map(|row| row["period_start"].clone()));
            next = page.next;
        }
        assert_eq!(months, ["2025-03-01", "2025-02-01", "2025-01-01"]);
        for (query, count) in [("status=SENT", 2), ("status=paid", 1), ("kind=credit_note", 0), ("period_start=2025-02-17", 1)] {
            let list = server.get(&format!("/api/billing/invoices/acme/list/?{query}")).await;
            assert_eq!(list.as_array().unwrap().len(), count, "{query}");
        }
        assert_eq!(server.get("/api/billing/invoices/nobody_yet/list/").await, json!([]));
    }

    async fn bad_inputs(server) {
        server.owe("acme", "30").await;
        let sid = Bill::of("acme").insert(server).await;
        let other = Bill { month: (2, 2026), ..Bill::of("other") }.insert(server).await;
        let draft = server.get("/api/billing/invoices/acme/").await["sid"].as_str().unwrap().to_owned();
        let before = server.row_counts().await;
        let (pay, note, cancel) = ("payments", "credit-notes", "cancel");
        for (invoice, action, body, status, code, field) in [
            (&sid, pay, json!({"amount": 0}), 400, "invalid_request", "amount"),
            (&sid, pay, json!({"amount": -1}), 400, "invalid_request", "amount"),
            (&sid, pay, json!({"amount": null}), 400, "invalid_request", "amount"),
            (&sid, pay, json!({"amount": "1e10"}), 400, "invalid_request", "amount"),
            (&sid, pay, json!({"amount": 0.000_000_1}), 400, "invalid_request", "amount"),
            (&sid, pay, json!({"reference": 7}), 400, "invalid_request", "reference"),
            (&draft, pay, json!({}), 422, "invoice_draft", ""),
            (&draft, cancel, json!({"reason": "x"}), 422, "invoice_draft", ""),
            (&draft, note, json!({"reason": "x"}), 422, "invoice_draft", ""),
            (&other, pay, json!({}), 404, "invoice_not_found", ""),
            (&other, cancel, json!({"reason": "x"}), 404, "invoice_not_found", ""),
            (&other, note, json!({"reason": "x"}), 404, "invoice_not_found", ""),
            (&"inv_preview".to_owned(), pay, json!({}), 400, "invalid_request", "invoice_sid"),
            (&sid, cancel, json!({}), 400, "invalid_request", "reason"),
            (&sid, cancel, json!({"reason": ""}), 400, "invalid_request", "reason"),
            (&sid, note, json!({}), 400, "invalid_request", "reason"),
            (&sid, note, json!({"reason": "x", "amount": 0}), 400, "invalid_request", "amount"),
            (&sid, note, json!({"reason": "x", "amount": 0.001}), 400, "invalid_request", "amount"),
            (&sid, note, json!({"reason": "x", "lines": []}), 400, "invalid_request", "lines"),
            (&sid, note, json!({"reason": "x", "lines": [{"amount": 1}]}), 400, "invalid_request", "lines.description"),
            (&sid, note, json!({"reason": "x", "lines": [{"amount": 1, "position": 2}]}), 400, "invalid_request", "lines.position"),
            (&sid, note, json!({"reason": "x", "amount": 1, "lines": [{"amount": 1, "position": 1}]}), 400, "invalid_request", "amount"),
            (&sid, note, json!({"reason": "x", "amount": 30.01}), 422, "credit_exceeds_invoice", ""),
        ] {
            let path = format!("/api/billing/invoices/acme/{invoice}/{action}/");
            let (found, problem) = server.post_as_admin(&path, &body.to_string()).await;
            assert_eq!((found.as_u16(), &problem["code"]), (status, &json!(code)), "{action} {body}: {problem}");
            assert!(field.is_empty() || !problem["errors"][field].is_null(), "{action} {body}: {problem}");
        }
        let fee = |amount: Value, category: &str, description: &str| {
            json!({"amount": amount, "category": category, "description": description, "reason": "x"})
        };
        for (body, field) in [
            (fee(json!(0), "API", "x"), "amount"),
            (fee(json!(1_000_000_001), "API", "x"), "amount"),
            (fee(json!(1), "SMS", "x"), "category"),
            (fee(json!(1), "GIFT", "x"), "category"),
            (fee(json!(1), "API", " "), "description"),
            (json!({"amount": 1, "category": "API", "description": "x"}), "reason"),
        ] {
            let (status, problem) = server.post_as_admin("/api/admin/wallets/acme/fees/", &body.to_string()).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {problem}");
            assert!(!problem["errors"][field].is_null(), "{body}: {problem}");
        }
        assert_eq!(server.row_counts().await, before);
    }
}

/// Without a provider only an admin enters payments, where credentials are asked for.
#[tokio::test]
async fn who_may_pay_at_once() {
    let server = Server::start(Database::Sqlite, REQUIRED).await;
    let body = json!({"sid": "acme", "kind": "CLIENT", "name": "Acme"});
    server.post_as_admin("/api/admin/businesses/", &body.to_string()).await;
    let sid = Bill::of("acme").insert(&server).await;
    let path = format!("/api/billing/invoices/acme/{sid}/payments/");
    let key = server.key(Role::Client, Some("acme")).await;
    let (status, problem) = answer(server.request(Method::POST, &path).bearer_auth(key).json(&json!({}))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("no_payment_provider")));
    assert_eq!(server.post_as_admin(&path, "{}").await.0, StatusCode::OK);
}

/// What reconciling found, apart from what it says of the invoices themselves: here they are made by hand, of no
/// messages.
fn told(report: &Report) -> Vec<String> {
    let is_of_others = |check: Check| !matches!(check, Check::Invoices | Check::Numbers);
    report.findings().filter(|(check, _)| is_of_others(*check)).flat_map(|(_, finding)| finding.told).collect()
}

on_each_database! {
    /// Reconciling names payments that cannot be.
    async fn payments_that_cannot_be(server) {
        server.owe("acme", "30").await;
        Bill::of("acme").insert(server).await;
        server.top_up("acme", "10").await;
        server.top_up("other", "10").await;
        let status = server.get("/api/billing/invoices/other/").await["status"].clone();
        assert_eq!(status, "DRAFT");
        let pay = |invoice: &str, micros: i64| {
            format!(
                "INSERT INTO invoice_payments (invoice_id, transaction_uid, net, tax, paid_on, created_at) \
                 SELECT i.id, t.uid, {micros}, 0, '2026-03-18', 0 FROM invoices i, transactions t \
                 WHERE i.status {invoice} 'DRAFT' AND t.type = 'TOPUP' AND t.wallet_id = \
                 (SELECT w.id FROM wallets w JOIN businesses b ON b.id = w.business_id WHERE b.sid = 'other')"
            )
        };
        for insert in [pay("<>", 21_000_000), pay("=", 1)] {
            assert_eq!(server.execute(&insert).await.unwrap(), 1);
        }
        let report = services::operations::reconcile::reconcile(&server.billing.db, chrono_tz::UTC, &|_| ()).await.unwrap();
        let [is_too_much, by_another, of_draft] = &told(&report)[..] else { panic!("{:?}", told(&report)) };
        assert_eq!(is_too_much, "INV-2026-000001 of acme is SENT, and 31 of 30 is paid");
        assert!(by_another.starts_with("INV-2026-000001 of acme was paid by txn_"), "{by_another}");
        assert!(by_another.ends_with(", which is no credit of its wallet"), "{by_another}");
        assert!(of_draft.starts_with("a draft of other was paid by txn_"), "{of_draft}");
    }
}
