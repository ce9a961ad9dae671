//! Serves as the M-Pesa adapter that the README describes.
//! It checks signatures, has the phone prompted once, and confirms the outcome once Daraja has borne it out.
//!
//! An operator's adapter keeps its book in a database, and writes a payment there before it asks Daraja: the book keeps
//! a phone from being prompted twice, and keeps the billing server's answers the same each time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::{Number, Value, json};
use sha2::Sha256;
use standardwebhooks::Webhook;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::super::MPESA_SECRET;
use super::Time;
use super::client::{Account, Client, Failure, Push, Stand, text};

/// How far the timestamp of a message may differ from our clock, in seconds.
const TOLERANCE_SECONDS: i64 = 300;

/// The key that signs the addresses of callbacks.
const CALLBACK_KEY: &[u8] = b"a key that neither Safaricom nor a payer knows";

/// How often Daraja is asked to confirm a callback. What it has not confirmed by then is asked about by the billing
/// server, an hour after its request.
const TRIES: usize = 5;

/// The pause before a message or a question is repeated. An operator's adapter begins with seconds, and lets the pauses
/// grow.
const PAUSE: Duration = Duration::from_millis(20);

type AdapterAnswer = (StatusCode, String);

/// A payment request of the billing server.
#[derive(Clone, Debug, Deserialize)]
struct Request {
    payment_sid: String,
    purpose: String,
    amount: Number,
    currency: String,
    method: Option<String>,
}

/// A request that M-Pesa can fulfil.
#[derive(Clone, Debug)]
struct Order {
    phone: String,
    shillings: u64,
}

/// The state of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Prompt {
    /// Daraja is being asked for it.
    Asking,
    /// Daraja's answer was lost, so the phone may have been prompted; a callback would tell.
    Unclear,
    /// Daraja's id of the prompt, the `CheckoutRequestID`.
    Known(String),
}

#[derive(Clone, Debug)]
enum StkOutcome {
    Paid { reference: String, amount: Value },
    Failed { reason: String },
}

impl StkOutcome {
    /// The confirmation of a payment's outcome, for the billing server.
    fn confirmation(&self, sid: &str) -> Value {
        match self {
            StkOutcome::Paid { reference, amount } => json!({
                "payment_sid": sid, "status": "completed", "provider_reference": reference, "amount": amount,
                "currency": "KES",
            }),
            StkOutcome::Failed { reason } => json!({"payment_sid": sid, "status": "failed", "reason": reason}),
        }
    }

    /// The status of a payment, in answer to the billing server.
    fn answer(&self) -> Value {
        match self {
            StkOutcome::Paid { reference, amount } => {
                json!({"status": "completed", "provider_reference": reference, "amount": amount, "currency": "KES"})
            }
            StkOutcome::Failed { reason } => json!({"status": "declined", "reason": reason}),
        }
    }
}

#[derive(Clone, Debug)]
struct Payment {
    order: Order,
    prompt: Prompt,
    outcome: Option<StkOutcome>,
}

/// The adapter's book, and a record of its traffic for the tests.
#[derive(Debug, Default)]
struct Book {
    payments: BTreeMap<String, Payment>,
    requests: Vec<Value>,
    questions: usize,
    /// The billing server's answers to confirmations, by payment.
    acknowledged: Vec<(String, Value)>,
    unacknowledged: usize,
    /// Callbacks that were rejected: an operator's adapter logs them.
    disbelieved: usize,
}

#[derive(Clone, Debug)]
pub struct Adapter {
    daraja: Client,
    http: reqwest::Client,
    time: Time,
    book: Arc<Mutex<Book>>,
    billing: Arc<Mutex<String>>,
    under_way: watch::Sender<usize>,
    port: u16,
}

impl Adapter {
    pub async fn start(account: Account, time: Time) -> Adapter {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let adapter = Adapter {
            daraja: Client::new(account, time.clone()),
            http: super::super::client(),
            time,
            book: Arc::default(),
            billing: Arc::default(),
            under_way: watch::Sender::default(),
            port: listener.local_addr().unwrap().port(),
        };
        let router = Router::new()
            .route("/pay", post(pay))
            .route("/pay/{payment_sid}", get(status))
            .route("/callbacks/{payment_sid}/{seal}", post(callback))
            .with_state(adapter.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        adapter
    }

    /// The adapter as `PAYMENT_PROVIDERS` names it.
    pub fn provider(&self) -> String {
        format!("mpesa={}", self.url())
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/pay", self.port)
    }

    /// Sets the billing server's address. With `PAYMENT_CONFIRM_BASE` set there, each request has it.
    pub fn confirms_to(&self, base_url: &str) {
        base_url.clone_into(&mut self.billing.lock().unwrap());
    }

    /// The requests with a valid signature, as they came.
    pub fn requests(&self) -> Vec<Value> {
        self.book().requests.clone()
    }

    /// How often the billing server has asked for the status of a payment.
    pub fn questions(&self) -> usize {
        self.book().questions
    }

    pub fn acknowledged(&self, sid: &str) -> Vec<Value> {
        let book = self.book();
        book.acknowledged.iter().filter(|(of, _)| of == sid).map(|(_, result)| result.clone()).collect()
    }

    pub fn unacknowledged(&self) -> usize {
        self.book().unacknowledged
    }

    pub fn disbelieved(&self) -> usize {
        self.book().disbelieved
    }

    /// Waits until all callbacks that came have been handled.
    pub async fn is_done(&self) {
        let mut under_way = self.under_way.subscribe();
        let done = under_way.wait_for(|count| *count == 0);
        drop(tokio::time::timeout(Duration::from_secs(30), done).await.expect("done in time").unwrap());
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    fn signer(&self) -> Webhook {
        Webhook::new(MPESA_SECRET).unwrap()
    }

    /// Whether a message has a recent and valid signature of the billing server.
    fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Ok(sent) = header("webhook-timestamp").parse::<i64>() else { return false };
        let is_fresh = self.time.now().unix_seconds().abs_diff(sent) <= TOLERANCE_SECONDS.unsigned_abs();
        let Ok(expected) = self.signer().sign(header("webhook-id"), sent, body) else { return false };
        let is_it = |one: &str| bool::from(one.as_bytes().ct_eq(expected.as_bytes()));
        is_fresh && header("webhook-signature").split(' ').any(is_it)
    }

    /// Asks Daraja for a prompt, and records the result.
    async fn prompt(self, request: Request, order: Order) -> AdapterAnswer {
        let sid = request.payment_sid.as_str();
        let push = Push {
            phone: order.phone,
            shillings: order.shillings,
            callback_url: format!("http://127.0.0.1:{}/callbacks/{sid}/{}", self.port, seal(sid)),
            // What stands on the operator's statement: of a payment's name the end tells it from others.
            account_reference: sid[sid.len().saturating_sub(12)..].to_owned(),
            description: description(&request.purpose).to_owned(),
        };
        let pushed = self.daraja.push(&push).await;
        let mut book = self.book();
        let payment = book.payments.get_mut(sid).expect("noted before");
        // Its callback may have been faster.
        if payment.prompt == Prompt::Asking {
            match pushed {
                Ok(checkout) => payment.prompt = Prompt::Known(checkout),
                // Asked again, Daraja would prompt the phone again: it knows no keys of idempotency.
                Err(Failure::Unclear) => payment.prompt = Prompt::Unclear,
                Err(Failure::Refused(reason)) => {
                    book.payments.remove(sid);
                    return declined(&format!("M-Pesa refuses: {reason}"));
                }
                Err(Failure::NotNow { .. }) => {
                    book.payments.remove(sid);
                    return later();
                }
            }
        }
        book.payments[sid].answer()
    }

    /// Confirms what a callback reports, once Daraja confirms it when asked: it does not sign callbacks.
    async fn hear(self, sid: String, told: CallbackBody) {
        for _ in 0..TRIES {
            match self.daraja.query(&told.checkout).await {
                Ok(Stand::Ended { code, .. }) if code == told.code => {
                    if let Some(outcome) = told.outcome() {
                        return self.settle(&sid, outcome).await;
                    }
                    break;
                }
                Ok(Stand::Ended { .. }) | Err(Failure::Refused(_)) => break,
                Ok(Stand::Processing) | Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        self.book().disbelieved += 1;
    }

    async fn settle(&self, sid: &str, outcome: StkOutcome) {
        let outcome = self.note(sid, outcome);
        let body = outcome.confirmation(sid).to_string();
        loop {
            if let Some(result) = self.confirm(sid, &body).await {
                self.book().acknowledged.push((sid.to_owned(), result));
                return;
            }
            self.book().unacknowledged += 1;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Records how a payment ended; returns the outcome to confirm. A success keeps its first reference, because
    /// another one would be other money; a failure is replaced by a success.
    fn note(&self, sid: &str, outcome: StkOutcome) -> StkOutcome {
        let mut book = self.book();
        let payment = book.payments.get_mut(sid).expect("noted before");
        match &payment.outcome {
            Some(paid @ StkOutcome::Paid { .. }) => paid.clone(),
            _ => payment.outcome.insert(outcome).clone(),
        }
    }

    /// Confirms to the billing server, with a fresh signature; returns its answer, if it acknowledges.
    async fn confirm(&self, sid: &str, body: &str) -> Option<Value> {
        let timestamp = self.time.now().unix_seconds();
        let signature = self.signer().sign(sid, timestamp, body.as_bytes()).unwrap();
        let url = format!("{}/api/billing/payments/mpesa/confirmations/", self.billing.lock().unwrap());
        let request = self.http.post(url).header("webhook-id", sid).header("webhook-timestamp", timestamp);
        let request = request.header("webhook-signature", signature).header("content-type", "application/json");
        let response = request.body(body.to_owned()).send().await.ok()?.error_for_status().ok()?;
        response.json::<Value>().await.ok().map(|answer| answer["result"].clone())
    }
}

impl Payment {
    /// The answer to a request, the first or a repetition.
    fn answer(&self) -> AdapterAnswer {
        match (&self.outcome, &self.prompt) {
            (Some(outcome), _) => (StatusCode::OK, outcome.answer().to_string()),
            (None, Prompt::Asking) => later(),
            (None, Prompt::Unclear) => (StatusCode::ACCEPTED, json!({"status": "accepted"}).to_string()),
            (None, Prompt::Known(checkout)) => {
                let answer = json!({"status": "accepted", "provider_reference": checkout});
                (StatusCode::ACCEPTED, answer.to_string())
            }
        }
    }
}

fn declined(reason: &str) -> AdapterAnswer {
    (StatusCode::UNPROCESSABLE_ENTITY, json!({"status": "declined", "reason": reason}).to_string())
}

/// The answer that makes the billing server ask again.
fn later() -> AdapterAnswer {
    (StatusCode::SERVICE_UNAVAILABLE, "{}".to_owned())
}

/// At most 13 characters.
fn description(purpose: &str) -> &'static str {
    match purpose {
        "INVOICE_PAYMENT" => "Invoice",
        "AUTO_RECHARGE" => "Auto recharge",
        _ => "Wallet top-up",
    }
}

impl Request {
    /// # Errors
    /// Why M-Pesa cannot do it, in a sentence for the payer.
    fn order(&self) -> Result<Order, &'static str> {
        if self.currency != "KES" {
            return Err("M-Pesa moves Kenyan shillings (KES) only");
        }
        let shillings =
            self.amount.as_u64().ok_or("M-Pesa moves whole shillings only: choose an amount without cents")?;
        let method = self.method.as_deref().ok_or("M-Pesa needs the phone number to ask")?;
        let phone = phone(method).ok_or("this is no Kenyan mobile number such as +254712345678")?;
        Ok(Order { phone, shillings })
    }
}

/// Reads a Kenyan mobile number as people write it (`+254712345678`, `0712 345678`, `0110 345678`), and writes it as
/// Daraja does.
fn phone(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|letter| !" -".contains(*letter)).collect();
    let digits = digits.strip_prefix('+').unwrap_or(&digits);
    let national = digits.strip_prefix("254").or_else(|| digits.strip_prefix('0'))?;
    let is_mobile =
        national.len() == 9 && national.starts_with(['7', '1']) && national.bytes().all(|digit| digit.is_ascii_digit());
    is_mobile.then(|| format!("254{national}"))
}

/// The part of a callback's address that nobody else can make up, and that fits one payment only. Safaricom knows it,
/// and so do the logs of proxies in between; hence the other checks. An operator also accepts callbacks only from the
/// addresses that Safaricom names for them.
fn seal(sid: &str) -> String {
    let mut code = Hmac::<Sha256>::new_from_slice(CALLBACK_KEY).unwrap();
    code.update(sid.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(code.finalize().into_bytes())
}

async fn pay(State(adapter): State<Adapter>, headers: HeaderMap, body: Bytes) -> AdapterAnswer {
    if !adapter.is_signed(&headers, &body) {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let Ok(request) = serde_json::from_slice::<Request>(&body) else {
        return declined("the adapter does not understand the request");
    };
    if ["idempotency-key", "webhook-id"]
        .iter()
        .any(|name| headers.get(*name).is_none_or(|id| *id != *request.payment_sid))
    {
        return declined("the names of the payment differ");
    }
    adapter.book().requests.push(serde_json::from_slice(&body).unwrap());
    let order = match request.order() {
        Ok(order) => order,
        Err(reason) => return declined(reason),
    };
    {
        let mut book = adapter.book();
        if let Some(payment) = book.payments.get(&request.payment_sid) {
            return payment.answer();
        }
        let payment = Payment { order: order.clone(), prompt: Prompt::Asking, outcome: None };
        book.payments.insert(request.payment_sid.clone(), payment);
    }
    // A task of its own: it ends well also where nobody waits for the answer any more.
    tokio::spawn(adapter.prompt(request, order)).await.unwrap_or_else(|_| later())
}

/// Answers the status of a payment. Where the callback was lost Daraja is asked; its answer has no receipt, so the
/// payment is confirmed under the prompt's id, and under the same if the callback comes after all. To answer `pending`
/// until then would fail a payment whose money is there. The amount is the requested one: a payer cannot change it.
async fn status(State(adapter): State<Adapter>, Path(sid): Path<String>, headers: HeaderMap) -> AdapterAnswer {
    if !adapter.is_signed(&headers, b"") {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let known = {
        let mut book = adapter.book();
        book.questions += 1;
        book.payments.get(&sid).cloned()
    };
    let Some(Payment { order, prompt, outcome }) = known else { return (StatusCode::NOT_FOUND, "{}".to_owned()) };
    if let Some(outcome) = outcome {
        return (StatusCode::OK, outcome.answer().to_string());
    }
    let pending = (StatusCode::OK, json!({"status": "pending"}).to_string());
    let Prompt::Known(checkout) = prompt else { return pending };
    let outcome = match adapter.daraja.query(&checkout).await {
        Ok(Stand::Processing) => return pending,
        Ok(Stand::Ended { code, .. }) if code == "0" => {
            StkOutcome::Paid { reference: checkout, amount: json!(order.shillings) }
        }
        Ok(Stand::Ended { code, description }) => StkOutcome::Failed { reason: format!("{code}: {description}") },
        Err(_) => return later(),
    };
    (StatusCode::OK, adapter.note(&sid, outcome).answer().to_string())
}

/// The relevant part of a callback.
#[derive(Clone, Debug)]
struct CallbackBody {
    checkout: String,
    code: String,
    description: String,
    receipt: Option<String>,
    amount: Option<Value>,
}

impl CallbackBody {
    fn read(body: &[u8]) -> Option<CallbackBody> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let callback = &body["Body"]["stkCallback"];
        let item = |name: &str| {
            let items = callback["CallbackMetadata"]["Item"].as_array()?;
            items.iter().find(|item| item["Name"] == name).map(|item| item["Value"].clone())
        };
        Some(CallbackBody {
            checkout: callback["CheckoutRequestID"].as_str()?.to_owned(),
            code: Some(text(&callback["ResultCode"])).filter(|code| !code.is_empty())?,
            description: text(&callback["ResultDesc"]),
            receipt: item("MpesaReceiptNumber").and_then(|receipt| receipt.as_str().map(str::to_owned)),
            amount: item("Amount"),
        })
    }

    /// `None` where a success has no receipt.
    fn outcome(self) -> Option<StkOutcome> {
        if self.code != "0" {
            return Some(StkOutcome::Failed { reason: format!("{}: {}", self.code, self.description) });
        }
        Some(StkOutcome::Paid { reference: self.receipt?, amount: self.amount? })
    }
}

/// Receives Daraja's callbacks. They are acknowledged before they are handled: after a loss the billing server asks.
async fn callback(
    State(adapter): State<Adapter>,
    Path((sid, sealed)): Path<(String, String)>,
    body: Bytes,
) -> AdapterAnswer {
    let is_sealed = bool::from(sealed.as_bytes().ct_eq(seal(&sid).as_bytes()));
    let told = CallbackBody::read(&body).filter(|told| is_sealed && adapter.book().is_of(&sid, &told.checkout));
    let Some(told) = told else {
        adapter.book().disbelieved += 1;
        return (StatusCode::NOT_FOUND, String::new());
    };
    adapter.under_way.send_modify(|count| *count += 1);
    tokio::spawn(async move {
        let under_way = adapter.under_way.clone();
        adapter.hear(sid, told).await;
        under_way.send_modify(|count| *count -= 1);
    });
    (StatusCode::OK, json!({"ResultCode": 0, "ResultDesc": "Accepted"}).to_string())
}

impl Book {
    /// Whether a prompt belongs to a payment. Where Daraja's answer has not come, its callback names the prompt, unless
    /// that belongs to another payment.
    fn is_of(&mut self, sid: &str, checkout: &str) -> bool {
        let known = Prompt::Known(checkout.to_owned());
        let is_taken = self.payments.values().any(|payment| payment.prompt == known);
        match self.payments.get_mut(sid) {
            None => false,
            Some(Payment { prompt: Prompt::Known(own), .. }) => own == checkout,
            Some(_) if is_taken => false,
            Some(payment) => {
                payment.prompt = known;
                true
            }
        }
    }
}
