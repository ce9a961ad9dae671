//! Tests reminders of invoices due soon or overdue: each once, however the clock steps and many workers run.

use serde_json::{Value, json};
use wecall_billing::worker;

use crate::support::bills::Bill;
use crate::support::{Server, on_each_database};

async fn alerts(server: &Server, business: &str) -> Vec<(String, String)> {
    let list = server.get(&format!("/api/billing/alerts/{business}/")).await;
    let due = |alert: &&Value| alert["type"] == "PAYMENT_DUE";
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = list.as_array().unwrap().iter().filter(due);
    rows.map(|alert| (text(&alert["severity"]), text(&alert["message"]))).collect()
}

async fn at(server: &Server, time: &str) {
    server.set_clock(time);
    // What was told is counted, and not tidied away.
    server.execute("DELETE FROM jobs WHERE kind = 'housekeeping'").await.unwrap();
    worker::run_due(&server.billing).await.unwrap();
}

on_each_database! {
    async fn each_is_told_once(server) {
        server.listen("acme").await;
        server.owe("acme", "60").await;
        let sid = Bill { due_date: "2026-04-01", ..Bill::of("acme") }.insert(server).await;
        // Two servers start.
        worker::schedule(&server.billing).await.unwrap();
        worker::schedule(&server.billing).await.unwrap();
        assert_eq!(server.number("SELECT count(*) FROM jobs WHERE kind = 'invoice_reminders'").await, 1);
        at(server, "2026-03-18T10:00:00Z").await;
        at(server, "2026-03-24T23:59:59Z").await;
        assert!(alerts(server, "acme").await.is_empty());
        for time in ["2026-03-25T00:00:00Z", "2026-03-25T18:00:00Z", "2026-03-30T00:00:01Z", "2026-04-01T23:59:00Z"] {
            at(server, time).await;
            let told = alerts(server, "acme").await;
            assert_eq!(told.len(), 1, "{time}");
            assert_eq!(told[0].0, "INFO");
            assert!(told[0].1.contains("INV-2026-000001 is due on 2026-04-01: 30 USD"), "{told:?}");
        }
        server.post(&format!("/api/billing/invoices/acme/{sid}/payments/"), r#"{"amount": 12}"#).await;
        for time in ["2026-04-02T00:00:00Z", "2026-04-02T12:00:00Z", "2026-04-16T00:00:00Z"] {
            at(server, time).await;
            let told = alerts(server, "acme").await;
            assert_eq!(told.len(), 2, "{time}");
            assert_eq!(told[0].0, "CRITICAL");
            assert!(told[0].1.contains("18 USD"), "{told:?}");
            assert_eq!(server.get("/api/billing/invoices/acme/list/").await[0]["status"], "OVERDUE");
            assert_eq!(server.told("invoice.overdue").await, 1, "{time}");
        }
        let all = server.get("/api/billing/alerts/acme/").await;
        assert_eq!(server.told("alert.created").await, all.as_array().unwrap().len() as i64, "{all}");
        // An overdue invoice is paid like any other.
        let path = format!("/api/billing/invoices/acme/{sid}/payments/");
        let (_, paid) = server.post(&path, "{}").await;
        assert_eq!((&paid["invoice"]["status"], &paid["invoice"]["paid_date"]), (&json!("PAID"), &json!("2026-04-16")));
        at(server, "2026-05-20T00:00:00Z").await;
        assert_eq!(alerts(server, "acme").await.len(), 2);
    }

    /// After a pause of weeks an invoice is overdue, and not due soon; what is paid, cancelled or a draft is not told
    /// of.
    async fn after_a_pause(server) {
        server.owe("acme", "30").await;
        for (month, status) in [(1, "SENT"), (2, "PAID"), (3, "CANCELLED")] {
            Bill { month: (month, 2025), status, due_date: "2026-02-01", ..Bill::of("acme") }.insert(server).await;
        }
        worker::schedule(&server.billing).await.unwrap();
        at(server, "2026-03-18T10:00:00Z").await;
        let told = alerts(server, "acme").await;
        assert_eq!((told.len(), told[0].0.as_str()), (1, "CRITICAL"), "{told:?}");
    }
}
