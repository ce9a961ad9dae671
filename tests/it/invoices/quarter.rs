//! Tests a quarter of a year day by day, by the clock, on both databases, to the last millionth.
//! It has messages, failures, refunds, recharges that are declined and recover, months that close themselves, and an
//! invoice that is paid late.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use wecall_billing::domain::values::money::Money;
use wecall_billing::worker;

use crate::support::{Database, MPESA, Server, answer, postgres};

const PREPAID: &str = "prepaid";
const POSTPAID: &str = "postpaid";

/// Where messages go, and in how many segments, by turns.
const MESSAGES: [(&str, &str, i64); 4] =
    [("KE", "Safaricom", 1), ("UG", "MTN", 3), ("RW", "Airtel", 2), ("KE", "Nobody", 1)];

struct Quarter<'a> {
    server: &'a Server,
    number: u32,
}

impl Quarter<'_> {
    /// A day: messages at noon and what became of them, what the provider says half an hour later, and what is due in
    /// the evening. Whether the provider declined a recharge.
    async fn day(&mut self, day: &str, messages: u32, declines: bool) -> bool {
        self.server.set_clock(&format!("{day}T12:00:00Z"));
        worker::run_due(&self.server.billing).await.unwrap();
        for _ in 0..messages {
            for business in [PREPAID, POSTPAID] {
                self.message(business).await;
            }
        }
        self.server.set_clock(&format!("{day}T12:30:00Z"));
        let is_declined = self.confirm_recharge(!declines).await && declines;
        self.server.set_clock(&format!("{day}T18:00:00Z"));
        worker::run_due(&self.server.billing).await.unwrap();
        // The one that is asked for when the wait after a declined one is over.
        assert_eq!(self.confirm_recharge(true).await, is_declined);
        is_declined
    }

    /// One in five fails and is given back, one in seven is never heard of again.
    async fn message(&mut self, business: &str) {
        self.number += 1;
        let (country, operator, segments) = MESSAGES[self.number as usize % MESSAGES.len()];
        let message = format!("m{}", self.number);
        let body = json!({"business_sid": business, "message_sid": message, "country_code": country,
                          "operator": operator, "segments": segments});
        let (status, charge) = self.server.post("/api/billing/charges/", &body.to_string()).await;
        if status == StatusCode::PAYMENT_REQUIRED {
            return;
        }
        assert_eq!(status, StatusCode::CREATED, "{charge}");
        let report = match self.number % 35 {
            number if number % 7 == 0 => return,
            number if number % 5 == 0 => "failed",
            _ => "delivered",
        };
        let path = format!("/api/billing/charges/{business}/{message}/delivery/");
        let (status, _) = self.server.post(&path, &json!({"status": report}).to_string()).await;
        assert_eq!(status, StatusCode::OK);
    }

    /// What a provider says of the open recharge, if there is one: whether there was.
    async fn confirm_recharge(&self, is_paid: bool) -> bool {
        let open = self.server.get(&format!("/api/billing/payments/{PREPAID}/")).await;
        let Some(payment) = open.as_array().unwrap().iter().find(|payment| payment["status"] == "PENDING") else {
            return false;
        };
        let body = if is_paid {
            json!({"payment_sid": payment["sid"], "status": "completed", "provider_reference": payment["sid"],
                   "amount": payment["amount"], "currency": "USD"})
        } else {
            json!({"payment_sid": payment["sid"], "status": "failed", "reason": "no funds"})
        };
        let (status, said) = self.server.confirm(&body.to_string()).await;
        assert_eq!(said["result"], if is_paid { "credited" } else { "failed" }, "{status}: {said}");
        true
    }

    async fn invoice(&self, business: &str, month: &str) -> Value {
        let days = month.parse::<wecall_billing::domain::values::time::CalendarMonth>().unwrap().days();
        let path = format!("/api/billing/invoices/{business}/?period_start={}&period_end={}", days.first, days.last);
        self.server.get(&path).await
    }

    async fn alerts(&self, business: &str) -> BTreeMap<String, usize> {
        let alerts = self.server.get(&format!("/api/billing/alerts/{business}/?limit=1000")).await;
        let mut counts = BTreeMap::new();
        for alert in alerts.as_array().unwrap() {
            let name = format!("{} {}", alert["type"].as_str().unwrap(), alert["severity"].as_str().unwrap());
            *counts.entry(name).or_default() += 1;
        }
        counts
    }

    /// What the ledger says a month's messages cost, less what was given back of them in that month, in millionths.
    async fn spent(&self, business: &str, from: &str, until: &str) -> i64 {
        let instant =
            |day: &str| format!("{day}T00:00:00Z").parse::<wecall_billing::domain::values::time::Timestamp>().unwrap();
        let sql = format!(
            "SELECT CAST(-COALESCE(SUM(amount), 0) AS BIGINT) FROM transactions WHERE type IN ('SMS_DEBIT', 'REFUND') \
             AND wallet_id = (SELECT w.id FROM wallets w JOIN businesses b ON b.id = w.business_id WHERE b.sid = '{business}') \
             AND created_at >= {} AND created_at < {}",
            instant(from).micros(),
            instant(until).micros()
        );
        self.server.number(&sql).await
    }

    /// What the lines of an invoice come to before any was rounded, in millionths.
    async fn unrounded(&self, invoice: &Value) -> i64 {
        let number = invoice["invoice_number"].as_str().unwrap();
        let sql = format!(
            "SELECT CAST(SUM(l.cost) AS BIGINT) FROM invoice_line_items l JOIN invoices i ON i.id = l.invoice_id \
             WHERE i.number = '{number}'"
        );
        self.server.number(&sql).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarter_on_sqlite() {
    a_quarter(&Server::start(Database::Sqlite, MPESA).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarter_on_postgres() {
    if postgres::is_available() {
        a_quarter(&Server::start(Database::Postgres, MPESA).await).await;
    }
}

async fn a_quarter(server: &Server) {
    server.set_clock("2026-04-01T08:00:00Z");
    worker::schedule(&server.billing).await.unwrap();
    let mut quarter = Quarter { server, number: 0 };
    server.top_up(PREPAID, "12").await;
    server.get(&format!("/api/billing/wallet/{POSTPAID}/")).await;
    let plan = "UPDATE wallets SET credit_limit = 500000000, \
                pricing_plan_id = (SELECT id FROM pricing_plans WHERE name = 'Enterprise') \
                WHERE business_id = (SELECT id FROM businesses WHERE sid = 'postpaid')";
    server.execute(plan).await.unwrap();
    let settings = json!({"enabled": true, "amount": 10, "threshold": 5, "method": "+254712345678"});
    let path = format!("/api/billing/wallet/{PREPAID}/auto-recharge/");
    let (status, _) = answer(server.as_admin(Method::PUT, &path).await.json(&settings)).await;
    assert_eq!(status, StatusCode::OK);

    // April: recharges go well, a few messages a day.
    for day in 1..=30 {
        quarter.day(&format!("2026-04-{day:02}"), 12, false).await;
    }
    let april = quarter.invoice(PREPAID, "2026-04").await;
    assert_eq!((&april["status"], &april["invoice_number"]), (&json!("DRAFT"), &json!("DRAFT")));
    // May: April closes itself three days in. The provider declines one recharge, and the next, an hour later, comes
    // through.
    let mut is_declined = false;
    for day in 1..=31 {
        is_declined |= quarter.day(&format!("2026-05-{day:02}"), 12, !is_declined).await;
        let april = quarter.invoice(POSTPAID, "2026-04").await;
        let expected = match day {
            ..=3 => "DRAFT",
            4..=18 => "SENT",
            _ => "OVERDUE",
        };
        // The worker looks at noon of the 4th, and 72 hours are over by then.
        assert_eq!(april["status"], expected, "on the {day}th of May: {april}");
    }
    assert!(is_declined, "a recharge was declined");
    // June: what was overdue is paid, and May closes.
    for day in 1..=30 {
        quarter.day(&format!("2026-06-{day:02}"), 8, false).await;
        if day == 10 {
            let april = quarter.invoice(POSTPAID, "2026-04").await;
            assert_eq!(april["status"], "OVERDUE");
            let path = format!("/api/billing/invoices/{POSTPAID}/{}/payments/", april["sid"].as_str().unwrap());
            let (status, paid) = server.post_as_admin(&path, "{}").await;
            assert_eq!((status, &paid["invoice"]["status"]), (StatusCode::OK, &json!("PAID")), "{paid}");
        }
    }
    server.set_clock("2026-07-04T00:00:00Z");
    worker::run_due(&server.billing).await.unwrap();

    let months = [
        ("2026-04", "2026-04-01", "2026-05-01"),
        ("2026-05", "2026-05-01", "2026-06-01"),
        ("2026-06", "2026-06-01", "2026-07-01"),
    ];
    let mut numbers = Vec::new();
    for (month, from, until) in months {
        for business in [PREPAID, POSTPAID] {
            let invoice = quarter.invoice(business, month).await;
            numbers.push(invoice["invoice_number"].as_str().unwrap().to_owned());
            assert_eq!(
                quarter.unrounded(&invoice).await,
                quarter.spent(business, from, until).await,
                "{month} {business}"
            );
            let lines = invoice["line_items"].as_array().unwrap();
            let sum = lines.iter().map(|line| Money::parse(&line["total"].to_string()).unwrap());
            let total = Money::parse(&invoice["total_amount"].to_string()).unwrap();
            assert_eq!(Money::sum(sum).unwrap(), total);
            if business == PREPAID {
                assert_eq!((&invoice["status"], &invoice["amount_due"]), (&json!("PAID"), &json!(0)), "{invoice}");
            }
        }
    }
    numbers.sort();
    let expected: Vec<_> = (1..=6).map(|number| format!("INV-2026-{number:06}")).collect();
    assert_eq!(numbers, expected);
    assert_eq!(quarter.invoice(POSTPAID, "2026-04").await["paid_date"], "2026-06-10");

    let (prepaid, postpaid) = (quarter.alerts(PREPAID).await, quarter.alerts(POSTPAID).await);
    assert_eq!(prepaid.get("BILLING_ALERT WARNING"), Some(&1), "one recharge failed: {prepaid:?}");
    assert!(prepaid.get("LOW_BALANCE WARNING").is_some_and(|count| *count >= 3), "once a month at least: {prepaid:?}");
    // April and May were told of a week before they were due, and once they were overdue; June is not due yet.
    assert_eq!(postpaid.get("PAYMENT_DUE INFO"), Some(&2), "{postpaid:?}");
    assert_eq!(postpaid.get("PAYMENT_DUE CRITICAL"), Some(&2), "{postpaid:?}");

    let report =
        wecall_billing::services::operations::reconcile::reconcile(&server.billing.db, chrono_tz::UTC, &|_| ()).await;
    let told: Vec<String> = report.unwrap().findings().flat_map(|(_, finding)| finding.told).collect();
    assert!(told.is_empty(), "{told:#?}");
}
