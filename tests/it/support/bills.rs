//! Inserts finalised invoices by hand.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use wecall_billing::domain::values::money::Money;
use wecall_billing::domain::values::sid::InvoiceSid;

use super::{Database, Server};

/// An invoice of a closed month, with one line.
#[derive(Clone, Copy, Debug)]
pub struct Bill<'a> {
    pub business: &'a str,
    /// Its month and year.
    pub month: (u32, i32),
    pub status: &'a str,
    /// The sum of its lines.
    pub total: &'a str,
    /// What is due on it, tax included.
    pub due: &'a str,
    /// Of that, the tax on top.
    pub tax: &'a str,
    pub due_date: &'a str,
}

impl<'a> Bill<'a> {
    /// 30 to pay for January, and no tax.
    pub fn of(business: &'a str) -> Bill<'a> {
        let due_date = "2026-04-01";
        Bill { business, month: (1, 2026), status: "SENT", total: "30", due: "30", tax: "0", due_date }
    }

    pub fn number(&self) -> String {
        format!("INV-{}-{:06}", self.month.1, self.month.0)
    }

    /// Inserts it; returns its SID.
    pub async fn insert(&self, server: &Server) -> String {
        super::answer(server.as_admin(Method::GET, &format!("/api/billing/wallet/{}/", self.business)).await).await;
        let micros = |text: &str| Money::parse(text).unwrap().micros();
        let id = server.billing.clock.new_id();
        let uid = uuid(server, id);
        let first = format!("{}-{:02}-01", self.month.1, self.month.0);
        let (tax, is_included) = (micros(self.tax), if micros(self.tax) == 0 { "TRUE" } else { "FALSE" });
        let draft = format!(
            "INSERT INTO invoices (uid, wallet_id, kind, status, period_start, period_end, issue_date, due_date, amount_due, \
             tax_rate, tax_amount, tax_included, created_at, updated_at) SELECT {uid}, w.id, 'INVOICE', 'DRAFT', '{first}', \
             '{first}', '{first}', '{}', {}, 0, {tax}, {is_included}, 0, 0 \
             FROM wallets w JOIN businesses b ON b.id = w.business_id WHERE b.sid = '{}'",
            self.due_date,
            micros(self.due),
            self.business
        );
        let total = micros(self.total);
        let line = format!(
            "INSERT INTO invoice_line_items (invoice_id, position, description, quantity, unit_price, total, category, details) \
             SELECT id, 1, 'SMS to Kenya, Safaricom', 1, {total}, {total}, 'SMS', '{{}}' FROM invoices WHERE uid = {uid}"
        );
        let paid = if self.status == "PAID" { "'2026-03-01'" } else { "NULL" };
        let finalise = format!(
            "UPDATE invoices SET status = '{}', number = '{}', total = {total}, paid_date = {paid} WHERE uid = {uid}",
            self.status,
            self.number()
        );
        for sql in [draft, line, finalise] {
            assert_eq!(server.execute(&sql).await.unwrap(), 1, "{sql}");
        }
        InvoiceSid::new(id).to_string()
    }
}

fn uuid(server: &Server, id: Uuid) -> String {
    match server.database {
        Database::Sqlite => format!("X'{}'", id.simple()),
        Database::Postgres => format!("'{id}'::uuid"),
    }
}

impl Server {
    /// Opens a wallet with a balance this far below zero.
    pub async fn owe(&self, business: &str, amount: &str) {
        self.get(&format!("/api/billing/wallet/{business}/")).await;
        let path = format!("/api/admin/wallets/{business}/adjustments/");
        let body = json!({"amount": format!("-{amount}"), "reason": "used"});
        let (status, answer) = self.post_as_admin(&path, &body.to_string()).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// Adds an endpoint that subscribes to all events of a business.
    pub async fn listen(&self, business: &str) {
        self.get(&format!("/api/billing/wallet/{business}/")).await;
        let uid = uuid(self, self.billing.clock.new_id());
        let endpoint = format!(
            "INSERT INTO webhook_endpoints (uid, business_id, url, description, events, status, secret, created_at, updated_at) \
             SELECT {uid}, id, 'http://127.0.0.1:9/', '', 8191, 'ENABLED', 'x', 0, 0 FROM businesses WHERE sid = '{business}'"
        );
        assert_eq!(self.execute(&endpoint).await.unwrap(), 1);
        // Nobody delivers what it is told: the job is somebody else's for ever.
        let job = format!(
            "INSERT INTO jobs (kind, subject, run_at, claimed_until, asked, attempts, created_at) \
             SELECT 'webhooks', CAST(id AS TEXT), 0, 9000000000000000000, 1, 1, 0 FROM webhook_endpoints WHERE uid = {uid}"
        );
        assert_eq!(self.execute(&job).await.unwrap(), 1);
        let wallet = format!(
            "UPDATE wallets SET webhook_events = 8191 \
             WHERE business_id = (SELECT id FROM businesses WHERE sid = '{business}')"
        );
        assert_eq!(self.execute(&wallet).await.unwrap(), 1);
    }

    /// How many events of that type were written.
    pub async fn told(&self, event: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM webhook_messages WHERE event = '{event}'")).await
    }

    /// The balance, and each invoice's month, status and amount still due: `-10 | 1 SENT 10, 2 PAID 0`.
    pub async fn standing(&self, business: &str) -> String {
        let wallet = self.get(&format!("/api/billing/wallet/{business}/")).await;
        let list = self.get(&format!("/api/billing/invoices/{business}/list/?kind=INVOICE")).await;
        let mut bills: Vec<Value> = list.as_array().unwrap().clone();
        bills.reverse();
        let told = |bill: &Value| {
            let month = bill["period_start"].as_str().unwrap()[5..7].trim_start_matches('0').to_owned();
            format!("{month} {} {}", bill["status"].as_str().unwrap(), bill["amount_outstanding"])
        };
        format!("{} | {}", wallet["balance"], bills.iter().map(told).collect::<Vec<_>>().join(", "))
    }
}
