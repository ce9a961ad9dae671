//! Simulates a payment gateway with its adapter, which outlives the servers it works for.
//! It keeps a book of its own of the money it takes, and repeats each confirmation until it is acknowledged, as the
//! README asks of writers of adapters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::sync::{Notify, watch};
use wecall_billing::clock::Clock;

use super::gateway::Random;

/// Its name among the providers of a server.
pub const PROVIDER: &str = "cashier";

/// The course of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Course {
    /// The request is answered as paid, and no confirmation follows.
    PaidAtOnce,
    /// It is paid and confirmed soon, before or after the request is answered.
    Paid,
    /// The same, confirmed by two messages at the same time.
    PaidAndToldTwice,
    /// It is paid and confirmed, the acknowledgement is lost, and the next server is told again.
    PaidAndToldAgain,
    /// It is paid, and only the next server is told.
    ToldLater,
    /// It is paid, and the server is told while it is down, and again until there is one.
    ToldWhenDown,
    /// The request is refused.
    Refused,
    /// The request is accepted, and soon declined.
    Declined,
    /// The same, and once that was acknowledged it is paid after all.
    PaidAfterAll,
}

/// Each course is taken as often as it stands here, in any order.
const COURSES: [Course; 13] = [
    Course::PaidAtOnce,
    Course::PaidAtOnce,
    Course::Paid,
    Course::Paid,
    Course::Paid,
    Course::PaidAndToldTwice,
    Course::PaidAndToldTwice,
    Course::PaidAndToldAgain,
    Course::ToldLater,
    Course::ToldWhenDown,
    Course::Refused,
    Course::Declined,
    Course::PaidAfterAll,
];

impl Course {
    pub fn is_paid(self) -> bool {
        !matches!(self, Course::Refused | Course::Declined)
    }

    fn is_answered_at_once(self) -> bool {
        matches!(self, Course::PaidAtOnce | Course::Refused)
    }
}

/// A payment that a server has requested.
#[derive(Clone, Debug)]
pub struct Payment {
    pub request: Value,
    pub course: Course,
    /// How often it was requested.
    pub asked: usize,
    /// How often a server said that it credits it.
    pub credited: usize,
    /// The life of the server that requested it.
    life: usize,
    is_being_told: bool,
    /// Whether a server may know its outcome.
    is_told: bool,
    /// Whether nothing is left to tell.
    is_over: bool,
}

impl Payment {
    pub fn is_recharge(&self) -> bool {
        self.request["purpose"] == "AUTO_RECHARGE"
    }

    fn business(&self) -> &Value {
        &self.request["business_sid"]
    }
}

/// The present server, or the last one.
#[derive(Clone, Debug, Default)]
struct Life {
    number: usize,
    base_url: String,
    /// Whether `base_url` is its own, and not that of the server before it.
    is_reached: bool,
    is_over: bool,
    is_last: bool,
}

#[derive(Debug)]
struct Book {
    random: Random,
    courses: Vec<Course>,
    payments: BTreeMap<String, Payment>,
    /// The payments whose money was taken, each as often as it was.
    taken: Vec<String>,
    /// Errors of a server.
    wrong: Vec<String>,
    /// Lives with a request that was not answered before they ended.
    withheld: BTreeSet<usize>,
    /// How many messages were not acknowledged.
    unheard: usize,
}

#[derive(Clone, Debug)]
pub struct Cashier {
    book: Arc<Mutex<Book>>,
    life: watch::Sender<Life>,
    sending: Arc<Notify>,
    http: reqwest::Client,
    port: u16,
    /// No other test has it: a server of theirs that is given the port of one that was killed understands nothing.
    secret: String,
}

impl Cashier {
    pub async fn start(seed: u64) -> Cashier {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let book = Book {
            random: Random(seed),
            courses: Vec::new(),
            payments: BTreeMap::new(),
            taken: Vec::new(),
            wrong: Vec::new(),
            withheld: BTreeSet::new(),
            unheard: 0,
        };
        let cashier = Cashier {
            book: Arc::new(Mutex::new(book)),
            life: watch::Sender::default(),
            sending: Arc::default(),
            http: wecall_billing::outbound::tls::client().timeout(Duration::from_secs(30)).build().unwrap(),
            port,
            secret: format!("the secret of the cashier at {port}"),
        };
        let router = Router::new().route("/pay", post(request)).with_state(cashier.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        cashier
    }

    /// The settings of a server that uses this gateway.
    pub fn settings(&self) -> Vec<String> {
        let provider = format!("{PROVIDER}=http://127.0.0.1:{}/pay", self.port);
        let secret = format!("{PROVIDER}={}", self.secret);
        ["--payment-providers", &provider, "--payment-secrets", &secret].map(str::to_owned).into()
    }

    /// Announces that a server is about to start; `is_last`: it will not be killed.
    pub fn life_begins(&self, is_last: bool) {
        self.life.send_modify(|life| {
            life.number += 1;
            (life.is_reached, life.is_over, life.is_last) = (false, false, is_last);
        });
    }

    /// Sets the address of the present server.
    pub fn server_is_at(&self, base_url: &str) {
        self.life.send_modify(|life| (life.base_url, life.is_reached) = (base_url.to_owned(), true));
    }

    /// Announces that the server was killed.
    pub fn life_is_over(&self) {
        self.life.send_modify(|life| life.is_over = true);
    }

    /// Waits until a message is being sent to a server.
    pub async fn sends(&self) {
        self.sending.notified().await;
    }

    /// How many payments have something left to tell or to acknowledge.
    pub fn open(&self) -> usize {
        self.book().payments.values().filter(|payment| !payment.is_over).count()
    }

    /// Whether the present server has made this many new payment requests, and this many of them recharges.
    pub fn has_been_asked(&self, (payments, recharges): (usize, usize)) -> bool {
        let life = self.life.borrow().number;
        let book = self.book();
        let new = || book.payments.values().filter(|payment| payment.life == life);
        new().count() >= payments && new().filter(|payment| payment.is_recharge()).count() >= recharges
    }

    pub fn payments(&self) -> BTreeMap<String, Payment> {
        self.book().payments.clone()
    }

    pub fn taken(&self) -> Vec<String> {
        self.book().taken.clone()
    }

    pub fn wrong(&self) -> Vec<String> {
        self.book().wrong.clone()
    }

    pub fn unheard(&self) -> usize {
        self.book().unheard
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// A time that passes before something happens.
    async fn pause(&self, milliseconds: u64) {
        let pause = self.book().random.below(milliseconds);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    /// Confirms a payment as its course has it.
    async fn follow(self, sid: String, course: Course, life: usize) {
        let mut lives = self.life.subscribe();
        let paid = self.paid(&sid);
        let failed = json!({"payment_sid": sid, "status": "failed", "reason": "no funds"});
        match course {
            Course::ToldLater => drop(lives.wait_for(|now| now.number > life || now.is_last).await.unwrap()),
            Course::ToldWhenDown => {
                drop(lives.wait_for(|now| now.number > life || now.is_over || now.is_last).await.unwrap());
            }
            _ => self.pause(250).await,
        }
        match course {
            Course::PaidAndToldTwice => {
                tokio::join!(self.tell(&sid, &paid), self.tell(&sid, &paid));
            }
            Course::PaidAndToldAgain => {
                self.tell(&sid, &paid).await;
                let life = self.life.borrow().number;
                drop(lives.wait_for(|now| now.number > life || now.is_last).await.unwrap());
                self.tell(&sid, &paid).await;
            }
            Course::Declined => self.tell(&sid, &failed).await,
            Course::PaidAfterAll => {
                self.tell(&sid, &failed).await;
                self.book().taken.push(sid.clone());
                self.pause(250).await;
                self.tell(&sid, &paid).await;
            }
            _ => self.tell(&sid, &paid).await,
        }
        self.book().payment(&sid).is_over = true;
    }

    fn paid(&self, sid: &str) -> Value {
        let request = self.book().payment(sid).request.clone();
        json!({"payment_sid": sid, "status": "completed", "provider_reference": receipt(sid),
               "amount": request["amount"], "currency": request["currency"]})
    }

    /// Sends a message until it is acknowledged.
    async fn tell(&self, sid: &str, word: &Value) {
        let body = word.to_string();
        loop {
            let life = self.life.borrow().clone();
            if life.is_reached && !life.is_over {
                self.book().payment(sid).is_told = true;
                self.sending.notify_waiters();
            }
            let answer = self.send(&life.base_url, &body).await;
            match answer {
                Some((StatusCode::OK, result)) => {
                    let mut book = self.book();
                    book.payment(sid).credited += usize::from(result == "credited");
                    let is_fit = if word["status"] == "failed" { "failed" } else { "credited" };
                    if result != is_fit && result != "known" {
                        book.wrong.push(format!("{word} was answered {result}"));
                    }
                    return;
                }
                Some((status @ (StatusCode::ACCEPTED | StatusCode::BAD_REQUEST), result)) => {
                    self.book().wrong.push(format!("{word} was answered {status} {result}"));
                }
                _ => {}
            }
            self.book().unheard += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.pause(40).await;
        }
    }

    /// The reference implementation of how both sides sign.
    fn signer(&self) -> Webhook {
        Webhook::from_bytes(self.secret.clone().into_bytes()).unwrap()
    }

    /// Sends a message once; returns the status and the body of the answer.
    async fn send(&self, base_url: &str, body: &str) -> Option<(StatusCode, Value)> {
        let timestamp = Clock::system().now().micros() / 1_000_000;
        let signature = self.signer().sign("msg_1", timestamp, body.as_bytes()).unwrap();
        let request = self.http.post(format!("{base_url}/api/billing/payments/{PROVIDER}/confirmations/"));
        let request = request.header("webhook-id", "msg_1").header("webhook-timestamp", timestamp);
        let response = request.header("webhook-signature", signature).body(body.to_owned()).send().await.ok()?;
        let status = response.status();
        let answer: Value = serde_json::from_str(&response.text().await.ok()?).unwrap_or_default();
        Some((status, answer["result"].clone()))
    }
}

/// The gateway's reference of a payment.
pub fn receipt(sid: &str) -> String {
    format!("R-{}", sid.trim_start_matches("pay_"))
}

impl Book {
    fn payment(&mut self, sid: &str) -> &mut Payment {
        self.payments.get_mut(sid).unwrap()
    }

    fn draw(&mut self) -> Course {
        if self.courses.is_empty() {
            self.courses = COURSES.to_vec();
            self.random.shuffle(&mut self.courses);
        }
        self.courses.pop().unwrap()
    }

    /// Records a request, the first of its payment or a repetition.
    fn enter(&mut self, sid: &str, request: &Value, life: usize) {
        if let Some(payment) = self.payments.get_mut(sid) {
            payment.asked += 1;
            if payment.request != *request {
                self.wrong.push(format!("{} became {request}", payment.request));
            }
            return;
        }
        let course = self.draw();
        let payment = Payment {
            request: request.clone(),
            course,
            asked: 1,
            credited: 0,
            life,
            is_being_told: false,
            is_told: false,
            is_over: false,
        };
        let is_open = |other: &&Payment| {
            payment.is_recharge() && other.is_recharge() && !other.is_told && other.business() == payment.business()
        };
        if let Some(open) = self.payments.values().find(is_open) {
            self.wrong.push(format!("{request} while {} was open", open.request));
        }
        if course.is_paid() && course != Course::PaidAfterAll {
            self.taken.push(sid.to_owned());
        }
        self.payments.insert(sid.to_owned(), payment);
    }
}

async fn request(State(cashier): State<Cashier>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let mut lives = cashier.life.subscribe();
    let life = lives.borrow_and_update().clone();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let sid = request["payment_sid"].as_str().unwrap_or_default().to_owned();
    let is_signed = cashier.signer().verify(&body, &headers).is_ok();
    if !is_signed
        || ["idempotency-key", "webhook-id"].iter().any(|name| headers.get(*name).is_none_or(|id| *id != *sid))
    {
        cashier.book().wrong.push(format!("{request} under {headers:?}"));
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let (course, is_withheld, begins) = {
        let mut book = cashier.book();
        book.enter(&sid, &request, life.number);
        let is_new = book.payment(&sid).asked == 1;
        // The first new request of each server's life ends with it, and nobody says what became of it before it comes
        // again.
        let is_withheld = is_new && !life.is_last && book.withheld.insert(life.number);
        let payment = book.payment(&sid);
        let begins = !is_withheld && !payment.course.is_answered_at_once() && !payment.is_being_told;
        payment.is_being_told |= begins;
        (payment.course, is_withheld, begins.then_some(payment.life))
    };
    if is_withheld {
        drop(lives.wait_for(|now| now.is_over || now.number > life.number).await.unwrap());
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    if let Some(life) = begins {
        tokio::spawn(cashier.clone().follow(sid.clone(), course, life));
    }
    cashier.pause(150).await;
    if course.is_answered_at_once() {
        let mut book = cashier.book();
        let payment = book.payment(&sid);
        (payment.is_told, payment.is_over) = (true, true);
    }
    match course {
        Course::PaidAtOnce => (StatusCode::OK, cashier.paid(&sid).to_string()),
        Course::Refused => (StatusCode::UNPROCESSABLE_ENTITY, json!({"status": "declined"}).to_string()),
        _ => {
            (StatusCode::ACCEPTED, json!({"status": "accepted", "provider_reference": format!("ws_{sid}")}).to_string())
        }
    }
}
