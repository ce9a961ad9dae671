//! Tests closing months into invoices.

use std::time::Duration;

use serde_json::{Value, json};
use wecall_billing::domain::audit::Actor;
use wecall_billing::services::invoices::month_close::{self, outcome::CloseOutcome};
use wecall_billing::worker;

use crate::support::gateway::{Random, assert_reconciles};
use crate::support::process::{program, run, text};
use crate::support::repetition::{scaled, seed};
use crate::support::{Database, Server, on_each_database, postgres};

/// Closes a month as `close-month --now` does.
pub async fn close(server: &Server, month: &str) -> CloseOutcome {
    let billing = &server.billing;
    let mut closing = month_close::begin(billing, month.parse().unwrap(), Actor::command_line()).await.unwrap();
    while closing.step(billing).await.unwrap() {}
    closing.finish(billing).await.unwrap()
}

async fn charge(server: &Server, business: &str, message: &str, segments: i64) {
    let destination = json!({"country_code": "KE", "operator": "Safaricom"});
    let mut body = json!({"business_sid": business, "message_sid": message, "segments": segments});
    body.as_object_mut().unwrap().extend(destination.as_object().unwrap().clone());
    server.charge(body).await;
}

/// A business that pays afterwards: 0.012 for a message to Kenya, up to 100.
async fn on_credit(server: &Server, business: &str) {
    server.get(&format!("/api/billing/wallet/{business}/")).await;
    let sql = format!(
        "UPDATE wallets SET credit_limit = 100000000, \
         pricing_plan_id = (SELECT id FROM pricing_plans WHERE name = 'Enterprise') \
         WHERE business_id = (SELECT id FROM businesses WHERE sid = '{business}')"
    );
    assert_eq!(server.execute(&sql).await.unwrap(), 1);
}

async fn invoice(server: &Server, business: &str, month: &str) -> Value {
    let last = month.parse::<wecall_billing::domain::values::time::CalendarMonth>().unwrap().days().last;
    server.get(&format!("/api/billing/invoices/{business}/?period_start={month}-01&period_end={last}")).await
}

async fn assert_clean(server: &Server) {
    let report =
        wecall_billing::services::operations::reconcile::reconcile(&server.billing.db, chrono_tz::UTC, &|_| ()).await;
    let told: Vec<String> = report.unwrap().findings().flat_map(|(_, finding)| finding.told).collect();
    assert!(told.is_empty(), "{told:#?}");
}

fn dues(invoice: &Value) -> [&Value; 4] {
    [&invoice["invoice_number"], &invoice["status"], &invoice["total_amount"], &invoice["amount_due"]]
}

on_each_database! {
    async fn a_month_becomes_invoices(server) {
        charge(server, "biz_test_001", "m-1", 3).await;
        on_credit(server, "later").await;
        charge(server, "later", "m-1", 100).await;
        server.top_up("idle", "5").await;
        server.get("/api/billing/wallet/nobody/").await;
        let draft = invoice(server, "later", "2026-03").await;
        invoice(server, "idle", "2026-03").await;
        server.set_clock("2026-04-02T10:00:00Z");
        // After the end of the month: it changes nothing of what the month comes to.
        charge(server, "later", "m-2", 5).await;
        let outcome = close(server, "2026-03").await;
        assert_eq!((outcome.invoices, outcome.others), (2, 0));
        let numbers = outcome.numbers.values().next().unwrap();
        assert_eq!(numbers.ends(), ("INV-2026-000001".to_owned(), "INV-2026-000002".to_owned()));
        assert_eq!(outcome.totals["USD"].to_string(), "1.26");

        let paid = invoice(server, "biz_test_001", "2026-03").await;
        assert_eq!(dues(&paid), [&json!("INV-2026-000001"), &json!("PAID"), &json!(0.06), &json!(0)]);
        assert_eq!((&paid["paid_date"], &paid["due_date"]), (&json!("2026-04-02"), &json!(null)));
        assert_eq!((&paid["issue_date"], &paid["kind"], paid.get("tax")), (&json!("2026-04-02"), &json!("INVOICE"), None));
        let sent = invoice(server, "later", "2026-03").await;
        assert_eq!(dues(&sent), [&json!("INV-2026-000002"), &json!("SENT"), &json!(1.2), &json!(1.2)]);
        assert_eq!((&sent["paid_date"], &sent["due_date"]), (&json!(null), &json!("2026-04-16")));
        assert_eq!((&sent["sid"], &sent["line_items"]), (&draft["sid"], &draft["line_items"]), "the draft became it");
        assert_eq!(invoice(server, "idle", "2026-03").await["status"], "DRAFT", "a month without lines gets none");
        assert_eq!(server.number("SELECT count(*) FROM invoices WHERE number IS NOT NULL").await, 2);
        assert_eq!(server.number("SELECT invoices FROM closed_months WHERE period_start = '2026-03-01'").await, 2);
        assert_eq!(server.number("SELECT count(*) FROM audit_log WHERE action = 'month.closed' AND subject = '2026-03'").await, 1);

        let again = close(server, "2026-03").await;
        assert_eq!((again.invoices, again.others), (0, 2));
        assert_eq!(invoice(server, "later", "2026-03").await, sent);
        assert_clean(server).await;

        // What was refunded since is a line of the month it is refunded in.
        let refund = "/api/billing/charges/later/m-1/refund/";
        let (status, _) = server.post_as_admin(refund, r#"{"reason": "test"}"#).await;
        assert_eq!(status, 201);
        assert_eq!(invoice(server, "later", "2026-03").await["line_items"], sent["line_items"]);
        assert_eq!(invoice(server, "later", "2026-04").await["total_amount"], json!(-1.14));
    }

    /// Neither database lets anybody change what is frozen.
    async fn finalised_invoices_are_frozen(server) {
        charge(server, "biz_test_001", "m-1", 3).await;
        server.set_clock("2026-04-02T10:00:00Z");
        close(server, "2026-03").await;
        for sql in [
            "UPDATE invoices SET total = 1",
            "UPDATE invoices SET amount_due = 1",
            "UPDATE invoices SET tax_amount = 1",
            "UPDATE invoices SET number = 'INV-2026-000009'",
            "UPDATE invoices SET issue_date = '2026-04-01'",
            "UPDATE invoices SET seller_id = 1",
            "UPDATE invoices SET status = 'DRAFT', number = NULL, total = NULL",
            "DELETE FROM invoices",
            "UPDATE invoice_line_items SET total = 1",
            "UPDATE invoice_line_items SET cost = 1",
            "DELETE FROM invoice_line_items",
            "INSERT INTO invoice_line_items (invoice_id, position, description, quantity, unit_price, total, category, details) \
             SELECT id, 9, 'x', 1, 1, 1, 'OTHER', '{}' FROM invoices",
        ] {
            assert!(server.execute(sql).await.is_err(), "{sql}");
        }
        server.execute("UPDATE invoices SET status = 'CANCELLED', updated_at = 1").await.unwrap();
        assert!(server.execute("UPDATE invoices SET status = 'SENT'").await.is_err());
        // Its number stays, and the month can be closed again.
        close(server, "2026-03").await;
        assert_eq!(invoice(server, "biz_test_001", "2026-03").await["invoice_number"], "INV-2026-000002");
        assert_clean(server).await;
    }

    /// What older invoices ask for is not asked for again; what was paid of them is not owed any more.
    async fn older_invoices_count(server) {
        on_credit(server, "later").await;
        charge(server, "later", "m-1", 100).await;
        server.set_clock("2026-04-02T10:00:00Z");
        charge(server, "later", "m-2", 50).await;
        assert_eq!(close(server, "2026-03").await.invoices, 1);
        server.set_clock("2026-05-02T10:00:00Z");
        close(server, "2026-04").await;
        let april = invoice(server, "later", "2026-04").await;
        assert_eq!(dues(&april), [&json!("INV-2026-000002"), &json!("SENT"), &json!(0.6), &json!(0.6)]);
        // Of March 0.3 is still due then, and of April 0.6: what May is about comes on top.
        server.top_up("later", "0.9").await;
        let march = invoice(server, "later", "2026-03").await;
        assert_eq!((&march["status"], &march["amount_due"], &march["amount_paid"]), (&json!("SENT"), &json!(1.2), &json!(0.9)));
        charge(server, "later", "m-3", 200).await;
        server.set_clock("2026-06-02T10:00:00Z");
        // It came after the end of May: it pays March and April at once, and May as soon as that is closed.
        server.top_up("later", "2").await;
        close(server, "2026-05").await;
        let may = invoice(server, "later", "2026-05").await;
        assert_eq!((&may["total_amount"], &may["amount_due"]), (&json!(2.4), &json!(2.4)), "what came in June came later");
        assert_eq!((&may["status"], &may["amount_paid"]), (&json!("SENT"), &json!(1.1)));
        for month in ["2026-03", "2026-04"] {
            assert_eq!(invoice(server, "later", month).await["status"], "PAID");
        }
        assert_clean(server).await;
    }

    /// A reseller issues the invoices of its clients, in a series of its own.
    async fn resellers_have_their_own_numbers(server) {
        for sid in ["shop", "shop_client"] {
            server.top_up(sid, "5").await;
            charge(server, sid, "m-1", 1).await;
        }
        charge(server, "biz_test_001", "m-1", 1).await;
        server.execute("UPDATE businesses SET kind = 'RESELLER' WHERE sid = 'shop'").await.unwrap();
        let parent = "UPDATE businesses SET parent_id = (SELECT id FROM businesses WHERE sid = 'shop') WHERE sid = 'shop_client'";
        server.execute(parent).await.unwrap();
        server.set_clock("2026-04-02T10:00:00Z");
        let outcome = close(server, "2026-03").await;
        assert_eq!(outcome.numbers.values().map(|numbers| numbers.count).collect::<Vec<_>>(), [2, 1]);
        let client = invoice(server, "shop_client", "2026-03").await;
        assert_eq!((&client["invoice_number"], &client["seller"]), (&json!("INV-2026-000001"), &json!("shop")));
        assert_eq!(invoice(server, "shop", "2026-03").await.get("seller"), None);
        assert_clean(server).await;
    }

    /// The worker closes each month 72 hours after its end, oldest first, and gives numbers of the year of issue.
    async fn the_worker_closes_months(server) {
        server.set_clock("2027-11-30T23:59:59Z");
        charge(server, "biz_test_001", "november", 1).await;
        worker::schedule(&server.billing).await.unwrap();
        server.set_clock("2027-12-03T23:59:59Z");
        worker::run_due(&server.billing).await.unwrap();
        assert_eq!(invoice(server, "biz_test_001", "2027-11").await["status"], "DRAFT");
        server.set_clock("2027-12-04T00:00:00Z");
        worker::run_due(&server.billing).await.unwrap();
        assert_eq!(invoice(server, "biz_test_001", "2027-11").await["invoice_number"], "INV-2027-000001");
        assert_eq!(server.number("SELECT count(*) FROM closed_months").await, 21, "all months since the first entry");
        charge(server, "biz_test_001", "december", 1).await;
        for instant in ["2028-01-20T10:00:00Z", "2028-02-29T23:59:59Z", "2028-03-01T00:00:00Z"] {
            server.set_clock(instant);
            charge(server, "biz_test_001", instant, 1).await;
        }
        // No server ran for months: they are caught up with.
        server.set_clock("2028-03-04T00:00:00Z");
        worker::run_due(&server.billing).await.unwrap();
        for (month, number, total) in [("2027-12", 1, 0.02), ("2028-01", 2, 0.02), ("2028-02", 3, 0.02)] {
            let invoice = invoice(server, "biz_test_001", month).await;
            assert_eq!(invoice["invoice_number"], format!("INV-2028-00000{number}"), "{invoice}");
            assert_eq!(invoice["total_amount"], json!(total));
        }
        assert_eq!(invoice(server, "biz_test_001", "2028-02").await["period_end"], "2028-02-29");
        assert_eq!(server.number("SELECT count(*) FROM jobs WHERE kind = 'month_close' AND subject = '2028-03-01'").await, 1);
        assert_eq!(server.number("SELECT count(*) FROM audit_log WHERE action = 'month.closed' AND actor = 'scheduled'").await, 24);
        assert_clean(server).await;
    }

    /// A wallet with many entries after the month's end: the balance is found deep in its history.
    async fn the_balance_is_that_of_the_months_end(server) {
        for business in ["few", "many", "new"] {
            on_credit(server, business).await;
        }
        let charges = |business: &str, name: &str, count: usize| {
            let one = |n| json!({"business_sid": business, "message_sid": format!("{name}-{n}"), "to": "+254712345678", "segments": 1});
            json!({"charges": (0..count).map(one).collect::<Vec<_>>()}).to_string()
        };
        for (business, name, count) in [("few", "a", 3), ("many", "a", 200)] {
            server.post("/api/billing/charges/batch/", &charges(business, name, count)).await;
        }
        server.set_clock("2026-04-01T00:00:00Z");
        for (business, count) in [("few", 1), ("many", 300), ("new", 100)] {
            server.post("/api/billing/charges/batch/", &charges(business, "b", count)).await;
            server.top_up(business, "90").await;
        }
        server.set_clock("2026-04-01T00:01:00Z");
        assert_eq!(close(server, "2026-03").await.invoices, 2);
        assert_eq!(invoice(server, "few", "2026-03").await["amount_due"], json!(0.036));
        assert_eq!(invoice(server, "many", "2026-03").await["amount_due"], json!(2.4));
        assert_clean(server).await;
    }

    /// Whoever asks for it hears of each invoice.
    async fn webhooks_hear_of_it(server) {
        charge(server, "biz_test_001", "m-1", 3).await;
        let of_business = "(SELECT id FROM businesses WHERE sid = 'biz_test_001')";
        let uid = if server.database == Database::Sqlite { "randomblob(16)" } else { "gen_random_uuid()" };
        let endpoint = format!(
            "INSERT INTO webhook_endpoints (uid, business_id, url, description, events, status, secret, created_at, updated_at) \
             SELECT {uid}, {of_business}, 'https://example.com', '', 128, 'ENABLED', 'x', 0, 0"
        );
        server.execute(&endpoint).await.unwrap();
        server.execute(&format!("UPDATE wallets SET webhook_events = 128 WHERE business_id = {of_business}")).await.unwrap();
        server.set_clock("2026-04-02T10:00:00Z");
        close(server, "2026-03").await;
        let told = "SELECT count(*) FROM webhook_messages WHERE event = 'invoice.finalised' \
                    AND CAST(payload AS TEXT) LIKE '%INV-2026-000001%' AND CAST(payload AS TEXT) LIKE '%0.06%'";
        assert_eq!(server.number(told).await, 1);
    }
}

/// Tax is contained in what was paid before, and comes on top of what is paid afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn taxes() {
    for database in [Database::Sqlite, Database::Postgres] {
        if database == Database::Postgres && !postgres::is_available() {
            continue;
        }
        let server = &Server::start(database, &["--tax-rates", "KE:16,UG:18.5"]).await;
        for business in ["later", "nowhere"] {
            on_credit(server, business).await;
            charge(server, business, "m-1", 100).await;
        }
        charge(server, "biz_test_001", "m-1", 58).await;
        let live = "UPDATE businesses SET country_code = 'KE' WHERE sid IN ('later', 'biz_test_001')";
        assert_eq!(server.execute(live).await.unwrap(), 2);
        server.set_clock("2026-04-02T10:00:00Z");
        close(server, "2026-03").await;
        let prepaid = invoice(server, "biz_test_001", "2026-03").await;
        assert_eq!((&prepaid["total_amount"], &prepaid["amount_due"]), (&json!(1.16), &json!(0)));
        assert_eq!(prepaid["tax"], json!({"rate_percent": 16, "amount": 0.16, "included": true}));
        let later = invoice(server, "later", "2026-03").await;
        assert_eq!((&later["total_amount"], &later["amount_due"]), (&json!(1.2), &json!(1.39)));
        assert_eq!(later["tax"], json!({"rate_percent": 16, "amount": 0.19, "included": false}));
        let nowhere = invoice(server, "nowhere", "2026-03").await;
        assert_eq!((&nowhere["amount_due"], nowhere.get("tax")), (&json!(1.2), None));
        assert_clean(server).await;
    }
}

/// Whom an invoice names stays as it was called at the close, on its credit notes too. What has no invoice yet shows
/// everybody as they are called now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_stay() {
    for database in [Database::Sqlite, Database::Postgres] {
        if database == Database::Postgres && !postgres::is_available() {
            continue;
        }
        let server = &Server::start(database, &["--seller-name", "The platform", "--seller-country", "KE"]).await;
        for business in ["biz_test_001", "shop_client"] {
            server.top_up(business, "5").await;
            charge(server, business, "m-1", 50).await;
        }
        server.get("/api/billing/wallet/shop/").await;
        for sql in [
            "UPDATE businesses SET kind = 'RESELLER', name = 'Old Shop' WHERE sid = 'shop'",
            "UPDATE businesses SET parent_id = (SELECT id FROM businesses WHERE sid = 'shop'), name = 'Old Client', \
             address = 'Old Street', tax_id = 'P000' WHERE sid = 'shop_client'",
            "UPDATE businesses SET name = 'Old Direct' WHERE sid = 'biz_test_001'",
        ] {
            assert_eq!(server.execute(sql).await.unwrap(), 1, "{sql}");
        }
        server.set_clock("2026-04-02T10:00:00Z");
        close(server, "2026-03").await;
        for business in ["biz_test_001", "shop_client"] {
            charge(server, business, "m-2", 50).await;
        }
        let renamed = "UPDATE businesses SET name = REPLACE(name, 'Old', 'New'), address = '', tax_id = 'P111'";
        server.execute(renamed).await.unwrap();
        let page = async |business: &str, sid: &Value| {
            let path = format!("/api/billing/invoices/{business}/{}/html/", sid.as_str().unwrap());
            server.request(reqwest::Method::GET, &path).send().await.unwrap().text().await.unwrap()
        };
        for (business, named) in
            [("biz_test_001", ["The platform", "Old Direct"]), ("shop_client", ["Old Shop", "Old Client"])]
        {
            let sid = &invoice(server, business, "2026-03").await["sid"];
            let path = format!("/api/billing/invoices/{business}/{}/credit-notes/", sid.as_str().unwrap());
            let (status, note) = server.post_as_admin(&path, r#"{"amount": 0.1, "reason": "too much"}"#).await;
            assert_eq!(status, 201, "{note}");
            for sid in [sid, &note["credit_note"]["sid"]] {
                let page = page(business, sid).await;
                assert!(named.iter().all(|name| page.contains(name)) && !page.contains("New "), "{page}");
                assert_eq!(page.contains("Old Street") && page.contains("P000"), business == "shop_client");
            }
            let draft = page(business, &invoice(server, business, "2026-04").await["sid"]).await;
            assert!(named.iter().all(|name| draft.contains(&name.replace("Old", "New"))), "{draft}");
        }
        for sql in ["UPDATE invoice_parties SET name = ''", "DELETE FROM invoice_parties"] {
            let refused = server.execute(sql).await.unwrap_err().to_string();
            assert!(refused.contains("frozen"), "{refused}");
        }
        assert_clean(server).await;
    }
}

/// Months end where the billing time zone says, and whole units stay whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn months_of_another_zone() {
    for database in [Database::Sqlite, Database::Postgres] {
        if database == Database::Postgres && !postgres::is_available() {
            continue;
        }
        let server =
            &Server::start(database, &["--billing-timezone", "Africa/Nairobi", "--default-currency", "UGX"]).await;
        let card = "INSERT INTO rate_cards (uid, country_code, operator, operator_key, networks, price_per_sms, currency, \
                    effective_from, notes, created_at) SELECT uid, country_code, operator, operator_key, networks, 35500000, \
                    'UGX', effective_from, notes, created_at FROM rate_cards WHERE operator = 'Safaricom'";
        let uid = if database == Database::Sqlite { "randomblob(16)" } else { "gen_random_uuid()" };
        server.execute(&card.replacen("SELECT uid", &format!("SELECT {uid}"), 1)).await.unwrap();
        server.billing.live.prices.refresh().await.unwrap();
        on_credit(server, "ug").await;
        let limit = "UPDATE wallets SET credit_limit = 1000000000000 WHERE currency = 'UGX'";
        server.execute(limit).await.unwrap();
        server.set_clock("2026-03-31T20:59:59Z");
        charge(server, "ug", "march", 5).await;
        server.set_clock("2026-03-31T21:00:00Z");
        charge(server, "ug", "april", 7).await;
        assert!(month_close::check(&server.billing, "2026-03".parse().unwrap(), true).is_err());
        server.set_clock("2026-03-31T21:01:00Z");
        close(server, "2026-03").await;
        let march = invoice(server, "ug", "2026-03").await;
        // 5 × 21.3 = 106.5: the line is rounded, and no more is due than is owed.
        assert_eq!((&march["currency"], &march["total_amount"]), (&json!("UGX"), &json!(107)));
        assert_eq!((&march["amount_due"], &march["issue_date"]), (&json!(106.5), &json!("2026-04-01")));
        assert_clean(server).await;
    }
}

const BUSINESSES: i64 = 300;

/// Businesses that were charged in November 2025: over, whenever this runs.
async fn november(database: Database) -> Server {
    let server = Server::start(database, &[]).await;
    server.set_clock("2025-11-10T10:00:00Z");
    let businesses: Vec<String> = (0..BUSINESSES).map(|number| format!("many_{number:03}")).collect();
    for some in businesses.chunks(50) {
        for few in some.chunks(10) {
            futures_util::future::join_all(few.iter().map(|business| server.top_up(business, "1"))).await;
        }
        let one = |business: &String| json!({"business_sid": business, "message_sid": "m-1", "to": "+254712345678", "segments": 2});
        let body = json!({"charges": some.iter().map(one).collect::<Vec<_>>()}).to_string();
        let (status, answer) = server.post("/api/billing/charges/batch/", &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    server
}

/// One invoice each, numbered without a gap.
async fn verify(server: &Server, home: &std::path::Path) {
    let finalised = "FROM invoices WHERE period_start = '2025-11-01' AND status = 'PAID'";
    assert_eq!(server.number(&format!("SELECT count(*) {finalised}")).await, BUSINESSES);
    assert_eq!(server.number(&format!("SELECT count(DISTINCT wallet_id) {finalised}")).await, BUSINESSES);
    assert_eq!(server.number("SELECT last_number FROM invoice_series").await, BUSINESSES);
    assert_eq!(server.number("SELECT invoices FROM closed_months").await, BUSINESSES);
    assert_reconciles(home, &server.database_url);
}

/// Two processes close the same month at once.
async fn closed_by_two_at_once(database: Database) {
    let server = november(database).await;
    let home = tempfile::tempdir().unwrap();
    let args = ["close-month", "2025-11", "--now", "--database-url", &server.database_url];
    let children: Vec<_> = (0..2)
        .map(|_| {
            let mut command = program(home.path());
            command.args(args).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        assert!(text(&output.stdout).starts_with("2025-11 is closed: "), "{}", text(&output.stdout));
    }
    verify(&server, home.path()).await;
    let again = text(&run(home.path(), &args).stdout);
    assert!(again.starts_with("2025-11 is closed: 0 invoices made now, 300 before."), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_by_two_at_once_on_sqlite() {
    closed_by_two_at_once(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_by_two_at_once_on_postgres() {
    if postgres::is_available() {
        closed_by_two_at_once(Database::Postgres).await;
    }
}

/// Killed at random moments, and begun again.
async fn killed_in_the_middle(database: Database) {
    let mut random = Random(seed());
    for _ in 0..scaled(1) {
        kill_in_the_middle(database, random.next()).await;
    }
}

async fn kill_in_the_middle(database: Database, seed: u64) {
    let server = november(database).await;
    let home = tempfile::tempdir().unwrap();
    let args = ["close-month", "2025-11", "--now", "--database-url", &server.database_url];
    let mut random = Random(seed);
    let (mut killed, mut middle) = (0, 0);
    for _ in 0..12 {
        let mut child = program(home.path()).args(args).stderr(std::process::Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_micros(20_000 + random.below(400_000))).await;
        let is_running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        killed += i64::from(is_running);
        let made = server.number("SELECT count(*) FROM invoices WHERE number IS NOT NULL").await;
        middle += i64::from((1..BUSINESSES).contains(&made));
        let counted = server.number("SELECT COALESCE(MAX(last_number), 0) FROM invoice_series").await;
        assert_eq!(made, counted, "numbers and invoices come together");
    }
    eprintln!("killed {killed} times, {middle} of them in the middle");
    let output = run(home.path(), &args);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    verify(&server, home.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_on_sqlite() {
    killed_in_the_middle(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_on_postgres() {
    if postgres::is_available() {
        killed_in_the_middle(Database::Postgres).await;
    }
}

/// What the command says to a person.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_explains_itself() {
    let home = tempfile::tempdir().unwrap();
    let stderr = |args: &[&str]| text(&run(home.path(), args).stderr);
    assert!(stderr(&["close-month"]).contains("there is no SQLite file billing.db"));
    assert!(run(home.path(), &["migrate"]).status.success());
    let early = stderr(&["close-month", "2199-01"]);
    assert!(early.contains("2199-01 is not over: it ends on 2199-01-31"), "{early}");
    assert!(stderr(&["close-month", "2026-13"]).contains("must be a month such as 2026-02"));
    let output = run(home.path(), &["close-month", "2025-11"]);
    assert_eq!(text(&output.stdout), "2025-11 is closed: 0 invoices made now, 0 before.\n");
    assert!(stderr(&["check", "--tax-rates", "KE"]).contains("TAX_RATES (or --tax-rates) must be a list of countries"));
}
