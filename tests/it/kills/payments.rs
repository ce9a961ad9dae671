//! Kills the real server while payments are under way: each is credited once, to the cent.
//! Money that a gateway has taken is credited once, a payment that it declined is not, and a wallet waits for one
//! recharge at a time.
//!
//! `TEST_SCALE` has it killed so many times as often; `TEST_SEED` repeats what an earlier run did, as far as timing allows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use wecall_billing::clock::Clock;

use crate::support::cashier::{Cashier, Course, PROVIDER, receipt};
use crate::support::gateway::{Random, assert_reconciles, end_leases, ledger, message};
use crate::support::postgres;
use crate::support::process::{ServerProcess, run, text};
use crate::support::repetition::{scaled, seed};

const BUSINESSES: [&str; 5] = ["pay_a", "pay_b", "pay_c", "pay_d", "pay_e"];

/// How many payments a server is asked for before it is killed, and how many recharges it asks for.
const LEAST: (usize, usize) = (6, 2);

/// How long everything may take to come to an end: it is a matter of seconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// Status and JSON of the answer, whenever the server has time for it; nothing where it is gone.
async fn send(request: RequestBuilder) -> Option<(StatusCode, Value)> {
    loop {
        let response = request.try_clone().unwrap().send().await.ok()?;
        let status = response.status();
        let answer = response.text().await.ok()?;
        if !matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            return Some((status, serde_json::from_str(&answer).unwrap()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn get(http: &Client, url: String, key: &str) -> Value {
    let (status, answer) = send(http.get(url).bearer_auth(key)).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

/// The server that is asked, and by whom.
#[derive(Clone)]
struct Asking {
    http: Client,
    base_url: String,
    /// An admin's.
    key: String,
}

/// The people of one business.
struct Customer {
    business: &'static str,
    random: Random,
    made: usize,
    /// What they asked for last, if nobody answered.
    open: Option<String>,
    /// What else they asked for, and the payment that was answered.
    payments: BTreeMap<String, String>,
}

impl Customer {
    /// They send messages, top up, and look after the recharges, until the server is gone.
    async fn live(mut self, asking: Asking, cycle: u32) -> Customer {
        let (business, random) = (self.business, Random(self.random.next()));
        let topping_up = async {
            while self.top_up(&asking).await.is_some() {
                let pause = 50 + self.random.below(250);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        };
        tokio::join!(spend(business, &asking, cycle), renew(business, &asking, random), topping_up);
        self
    }

    /// Tops up, or asks again for the top-up that nobody answered.
    async fn top_up(&mut self, asking: &Asking) -> Option<()> {
        let key = self.open.take().unwrap_or_else(|| {
            self.made += 1;
            format!("{}-{}", self.business, self.made)
        });
        self.open = Some(key.clone());
        // The same key asks for the same amount.
        let cents = key.bytes().fold(7, |sum: u64, byte| (sum * 31 + u64::from(byte)) % 200);
        let body = json!({"business_sid": self.business, "amount": (1 + cents) as f64 / 100.0, "reference": key,
                          "provider": PROVIDER, "method": "+254712345678"});
        let request = asking.http.post(format!("{}/api/billing/topup/", asking.base_url));
        let (status, wallet) = send(request.header("idempotency-key", &key).json(&body)).await?;
        assert_eq!(status, StatusCode::ACCEPTED, "{wallet}");
        let sid = wallet["pending_transaction"]["details"]["payment_sid"].as_str().unwrap().to_owned();
        self.payments.insert(key, sid);
        self.open = None;
        Some(())
    }
}

/// Charges messages until the server is gone: what they cost is more than the wallet has.
async fn spend(business: &str, asking: &Asking, cycle: u32) {
    for batch in 0.. {
        let charge = |number| {
            let mut long = message(business, &format!("{cycle}-{batch}-{number}"));
            long["segments"] = json!(20);
            long
        };
        let charges: Vec<Value> = (0..12).map(charge).collect();
        let request = asking.http.post(format!("{}/api/billing/charges/batch/", asking.base_url));
        let Some((status, answer)) = send(request.json(&json!({ "charges": charges }))).await else { return };
        assert_eq!(status, StatusCode::OK, "{answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Switches the recharges on again and again, by another amount each time: what failed before is forgotten then.
async fn renew(business: &str, asking: &Asking, mut random: Random) {
    loop {
        let pause = 200 + random.below(400);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let Some(()) = recharge(business, asking, 500 + random.below(400)).await else { return };
    }
}

async fn recharge(business: &str, asking: &Asking, cents: u64) -> Option<()> {
    let request = asking.http.put(format!("{}/api/billing/wallet/{business}/auto-recharge/", asking.base_url));
    let body = json!({"enabled": true, "amount": cents as f64 / 100.0, "threshold": 5, "max_per_day": 100,
                      "provider": PROVIDER, "method": "+254712345678"});
    let (status, settings) = send(request.bearer_auth(&asking.key).json(&body)).await?;
    assert_eq!(status, StatusCode::OK, "{settings}");
    Some(())
}

/// Every payment of the businesses, once nothing is left to come.
async fn settled(asking: &Asking, cashier: &Cashier) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let known = cashier.payments().len();
        let mut all = Vec::new();
        if cashier.open() == 0 {
            for business in BUSINESSES {
                let url = format!("{}/api/billing/payments/{business}/?limit=1000", asking.base_url);
                all.extend(get(&asking.http, url, &asking.key).await.as_array().unwrap().clone());
            }
        }
        let is_still = !all.is_empty() && all.iter().all(|payment| payment["status"] != "PENDING");
        // What settles may ask for the next recharge.
        if is_still && cashier.open() == 0 && cashier.payments().len() == known {
            return all;
        }
        assert!(begun.elapsed() < DEADLINE, "something is never settled: {} are open", cashier.open());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn micros(amount: &Value) -> i64 {
    (amount.as_f64().unwrap() * 1e6).round() as i64
}

/// The day of a recharge is counted right too, if it is still the day on which the test began.
async fn assert_counts(asking: &Asking, cashier: &Cashier, today: i64) {
    for business in BUSINESSES {
        let url = format!("{}/api/billing/wallet/{business}/auto-recharge/", asking.base_url);
        let state = get(&asking.http, url, &asking.key).await["state"].clone();
        assert_eq!(state["open_payment_sid"], Value::Null);
        let payments = cashier.payments();
        let paid = payments.values().filter(|payment| payment.is_recharge() && payment.course.is_paid());
        let paid = paid.map(|payment| &payment.request).filter(|request| request["business_sid"] == business);
        let amounts: Vec<i64> = paid.map(|request| micros(&request["amount"])).collect();
        if day() == today {
            let counted = (state["count_today"].as_u64().unwrap() as usize, micros(&state["amount_today"]));
            assert_eq!(counted, (amounts.len(), amounts.iter().sum()), "{business}");
        }
    }
}

fn day() -> i64 {
    Clock::system().now().micros().div_euclid(86_400_000_000)
}

/// What is credited is what the gateway's own book says, and nothing else.
async fn assert_credited(database_url: &str, cashier: &Cashier) -> usize {
    let payments = cashier.payments();
    let mut book = BTreeMap::new();
    for sid in cashier.taken() {
        let payment = &payments[&sid];
        let request = &payment.request;
        let source = if payment.is_recharge() { "auto_recharge" } else { "provider" };
        let money =
            (request["business_sid"].as_str().unwrap().to_owned(), micros(&request["amount"]), source.to_owned());
        assert!(book.insert(receipt(&sid), (sid.clone(), money)).is_none(), "{sid} was taken twice");
    }
    let mut credited = BTreeMap::new();
    let mut messages = 0;
    for entry in ledger(database_url).await {
        if !BUSINESSES.contains(&entry.business.as_str()) {
            assert!(entry.business.starts_with("biz_test"), "{}", entry.business);
            continue;
        }
        if entry.kind == "SMS_DEBIT" {
            messages += 1;
            continue;
        }
        assert_eq!((entry.kind.as_str(), &entry.details["provider"]), ("TOPUP", &json!(PROVIDER)));
        let detail = |name: &str| entry.details[name].as_str().unwrap().to_owned();
        let money = (entry.business, entry.amount, detail("source"));
        let reference = detail("provider_reference");
        assert!(credited.insert(reference, (detail("payment_sid"), money)).is_none(), "credited twice: {}", entry.sid);
    }
    assert_eq!(credited, book);
    messages
}

/// Both sides know the same payments, and of each the same; the customers got what they asked for, once.
fn assert_known(listed: &[Value], cashier: &Cashier, customers: &[Customer]) {
    let payments = cashier.payments();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_server = listed.iter().map(|payment| {
        (text(&payment["sid"]), (text(&payment["purpose"]), micros(&payment["amount"]), text(&payment["status"])))
    });
    let of_gateway = payments.iter().map(|(sid, payment)| {
        let status = if payment.course.is_paid() { "COMPLETED" } else { "FAILED" };
        let request = &payment.request;
        (sid.clone(), (text(&request["purpose"]), micros(&request["amount"]), status.to_owned()))
    });
    assert_eq!(of_server.collect::<BTreeMap<_, _>>(), of_gateway.collect::<BTreeMap<_, _>>());
    let asked = customers.iter().flat_map(|customer| customer.payments.clone());
    let top_ups = payments.iter().filter(|(_, payment)| !payment.is_recharge());
    let top_ups: BTreeSet<_> =
        top_ups.map(|(sid, payment)| (text(&payment.request["reference"]), sid.clone())).collect();
    assert_eq!(top_ups, asked.collect());
    assert!(payments.values().all(|payment| payment.credited <= 1), "{payments:?}");
    assert!(payments.values().all(|payment| payment.request["method"] == "+254712345678"), "{payments:?}");
}

async fn crash_again_and_again(home: &Path, database_url: &str, cycles: u32) {
    let mut random = Random(seed());
    let today = day();
    let cashier = Cashier::start(random.next()).await;
    let provider = cashier.settings();
    let secret_key = "a key for tests: 0123456789abcdef";
    let args = ["--database-url", database_url, "--secret-key", secret_key, "--log-level", "error"];
    let args: Vec<&str> = args.into_iter().chain(provider.iter().map(String::as_str)).collect();
    let start = |is_last| {
        cashier.life_begins(is_last);
        let server = ServerProcess::start(home, &args);
        cashier.server_is_at(&server.base_url);
        server
    };
    let server = start(false);
    let made = run(home, &["keys", "create", "--role", "admin", "--name", "me", "--database-url", database_url]);
    let http = wecall_billing::outbound::tls::client().timeout(Duration::from_secs(30)).build().unwrap();
    let mut asking = Asking { http, base_url: server.base_url.clone(), key: text(&made.stdout).trim().to_owned() };
    for business in BUSINESSES {
        recharge(business, &asking, 600).await.unwrap();
    }
    drop(server);
    cashier.life_is_over();
    let mut customers: Vec<Customer> = BUSINESSES
        .iter()
        .map(|business| {
            let random = Random(random.next());
            Customer { business, random, made: 0, open: None, payments: BTreeMap::new() }
        })
        .collect();
    let mut open = Vec::new();
    for cycle in 0..cycles {
        end_leases(database_url).await;
        let mut server = start(false);
        asking.base_url.clone_from(&server.base_url);
        let living = customers.into_iter().map(|customer| tokio::spawn(customer.live(asking.clone(), cycle)));
        let living: Vec<_> = living.collect();
        tokio::time::sleep(Duration::from_millis(500 + random.below(900))).await;
        let begun = Instant::now();
        while !cashier.has_been_asked(LEAST) {
            assert!(begun.elapsed() < DEADLINE, "nobody asks for payments");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if random.below(3) > 0 {
            // Mostly just as a payment is being confirmed.
            let _ = tokio::time::timeout(Duration::from_secs(2), cashier.sends()).await;
            tokio::time::sleep(Duration::from_micros(random.below(25_000))).await;
        }
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        cashier.life_is_over();
        open.push(cashier.open());
        customers = Vec::new();
        for customer in living {
            customers.push(customer.await.unwrap());
        }
        assert_reconciles(home, database_url);
    }
    end_leases(database_url).await;
    let mut server = start(true);
    asking.base_url.clone_from(&server.base_url);
    for customer in &mut customers {
        while customer.open.is_some() {
            let _ = customer.top_up(&asking).await;
        }
    }
    let listed = settled(&asking, &cashier).await;
    assert_counts(&asking, &cashier, today).await;
    let suspense = get(&asking.http, format!("{}/api/admin/suspense/", asking.base_url), &asking.key).await;
    assert_eq!(suspense, json!([]));
    server.signal("-TERM");
    assert!(server.child.wait().unwrap().success());

    assert_eq!(cashier.wrong(), [""; 0]);
    let messages = assert_credited(database_url, &cashier).await;
    assert_known(&listed, &cashier, &customers);
    assert_reconciles(home, database_url);
    let payments = cashier.payments();
    let recharges = payments.values().filter(|payment| payment.is_recharge()).count();
    let again = payments.values().filter(|payment| payment.asked > 1).count();
    let paid = cashier.taken().len();
    let courses: BTreeSet<Course> = payments.values().map(|payment| payment.course).collect();
    eprintln!(
        "{cycles} crashes, with {open:?} payments open; {} payments, {recharges} of them recharges, {paid} paid, {again} asked \
         for again, {} words unheard, {messages} messages",
        payments.len(),
        cashier.unheard(),
    );
    assert_eq!(courses.len(), 9, "{courses:?}");
    let least = |number: usize| number * cycles as usize;
    assert!(payments.len() >= least(LEAST.0) && recharges >= least(LEAST.1) && messages > 0, "there was load");
    assert!(open.iter().all(|open| *open > 0), "there was an open payment each time it was killed");
    assert!(again > 0 && cashier.unheard() > 0, "requests came again, and confirmations too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_are_credited_once_on_sqlite() {
    let home = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", home.path().join("billing.db").display());
    crash_again_and_again(home.path(), &url, scaled(7)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_are_credited_once_on_postgres() {
    if postgres::is_available() {
        let home = tempfile::tempdir().unwrap();
        crash_again_and_again(home.path(), &postgres::create_database().await, scaled(5)).await;
    }
}
