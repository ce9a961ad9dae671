//! Simulates Daraja with phones: accepts and refuses what Safaricom's does.
//! The phones' owners act as the last four digits of their numbers say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::NaiveDateTime;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wecall_billing::domain::values::time::Timestamp;

use super::Time;
use super::client::Account;

const CONSUMER_KEY: &str = "consumer-key-of-the-tests";
const CONSUMER_SECRET: &str = "consumer-secret-of-the-tests";
const SHORT_CODE: &str = "600111";
const PASSKEY: &str = "passkey-of-the-tests";

/// How many seconds a token is valid.
const TOKEN_SECONDS: i64 = 3_599;

/// The most that M-Pesa moves at once, in shillings.
const MOST: u64 = 250_000;

/// The behaviour of a phone's owner, and of the callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Pays,
    PaysAndIsToldTwice,
    /// The callback names another amount, which no Daraja should.
    PaysAndIsToldWrongly,
    /// The callback is lost.
    PaysUnheard,
    /// Nothing happens, for hours.
    Waits,
    Fails(u32, &'static str),
}

impl Manner {
    fn of(phone: &str) -> Manner {
        match &phone[phone.len() - 4..] {
            "0001" => Manner::Fails(1, "The balance is insufficient for the transaction."),
            "1032" => Manner::Fails(1032, "Request cancelled by user"),
            "1037" => Manner::Fails(1037, "DS timeout user cannot be reached"),
            "0022" => Manner::PaysAndIsToldTwice,
            "0036" => Manner::Waits,
            "0037" => Manner::PaysUnheard,
            "0099" => Manner::PaysAndIsToldWrongly,
            _ => Manner::Pays,
        }
    }
}

/// A phone that was prompted.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The request to Daraja.
    pub push: Value,
    pub id: String,
    merchant_request: String,
    /// The outcome, once the phone's owner has acted.
    result: Option<(u32, &'static str)>,
}

impl Checkout {
    fn manner(&self) -> Manner {
        Manner::of(self.push["PhoneNumber"].as_str().unwrap())
    }

    pub fn callback_url(&self) -> &str {
        self.push["CallBackURL"].as_str().unwrap()
    }

    /// What Daraja tells of it when it has come to that.
    pub fn callback(&self, code: u32, description: &str, amount: &Value) -> Value {
        let mut callback = json!({
            "MerchantRequestID": self.merchant_request,
            "CheckoutRequestID": self.id,
            "ResultCode": code,
            "ResultDesc": description,
        });
        if code == 0 {
            callback["CallbackMetadata"] = json!({"Item": [
                {"Name": "Amount", "Value": amount},
                {"Name": "MpesaReceiptNumber", "Value": self.receipt()},
                {"Name": "Balance"},
                {"Name": "TransactionDate", "Value": 20_260_318_130_500_u64},
                {"Name": "PhoneNumber", "Value": self.push["PhoneNumber"].as_str().unwrap().parse::<u64>().unwrap()},
            ]});
        }
        json!({"Body": {"stkCallback": callback}})
    }

    pub fn receipt(&self) -> String {
        format!("SCI{}", &self.merchant_request[self.merchant_request.len() - 7..])
    }
}

#[derive(Debug, Default)]
struct Gateway {
    /// Until when each token is good.
    tokens: BTreeMap<String, Timestamp>,
    tokens_given: usize,
    checkouts: Vec<Checkout>,
    /// How many requests are still answered that it is down.
    outages: usize,
    /// The answers of how many prompts still get lost.
    losses: usize,
    /// The codes it has refused requests with.
    refusals: BTreeSet<&'static str>,
}

#[derive(Clone, Debug)]
pub struct Daraja {
    gateway: Arc<Mutex<Gateway>>,
    time: Time,
    http: reqwest::Client,
    port: u16,
}

/// An `errorCode` and its message.
type Refusal = (&'static str, String);

impl Daraja {
    pub async fn start(time: Time) -> Daraja {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let daraja = Daraja { gateway: Arc::default(), time, http: super::super::client(), port };
        let router = Router::new()
            .route("/oauth/v1/generate", get(token))
            .route("/mpesa/stkpush/v1/processrequest", post(push))
            .route("/mpesa/stkpushquery/v1/query", post(query))
            .with_state(daraja.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        daraja
    }

    /// What it knows its customer by.
    pub fn account(&self) -> Account {
        Account {
            base_url: format!("http://127.0.0.1:{}", self.port),
            consumer_key: CONSUMER_KEY.to_owned(),
            consumer_secret: CONSUMER_SECRET.to_owned(),
            short_code: SHORT_CODE.to_owned(),
            passkey: PASSKEY.to_owned(),
        }
    }

    pub fn be_down_for(&self, requests: usize) {
        self.gateway().outages = requests;
    }

    /// The next prompts are made, and nobody hears so.
    pub fn lose_answers(&self, prompts: usize) {
        self.gateway().losses = prompts;
    }

    /// All tokens end before their time.
    pub fn end_tokens(&self) {
        self.gateway().tokens.clear();
    }

    pub fn tokens_given(&self) -> usize {
        self.gateway().tokens_given
    }

    pub fn refusals(&self) -> Vec<&'static str> {
        self.gateway().refusals.iter().copied().collect()
    }

    pub fn checkouts(&self) -> Vec<Checkout> {
        self.gateway().checkouts.clone()
    }

    /// The prompt for so many shillings.
    pub fn checkout_of(&self, shillings: u64) -> Checkout {
        let mut found = self.checkouts().into_iter().filter(|checkout| checkout.push["Amount"] == shillings);
        let checkout = found.next().expect("a prompt");
        assert!(found.next().is_none(), "one prompt");
        checkout
    }

    /// The phones' owners do what they do, and Daraja calls back.
    pub async fn phones_answer(&self) {
        for checkout in self.checkouts().into_iter().filter(|checkout| checkout.result.is_none()) {
            let (amount, manner) = (&checkout.push["Amount"], checkout.manner());
            let result = match manner {
                Manner::Waits => continue,
                Manner::Fails(code, description) => (code, description),
                _ => PAID,
            };
            self.set_result(&checkout.id, result);
            let callback = |amount: &Value| checkout.callback(result.0, result.1, amount);
            match manner {
                Manner::PaysUnheard => {}
                Manner::PaysAndIsToldTwice => {
                    let (url, said) = (checkout.callback_url(), callback(amount));
                    let both = tokio::join!(self.call_back(url, &said), self.call_back(url, &said));
                    assert_eq!(both, (StatusCode::OK, StatusCode::OK));
                }
                Manner::PaysAndIsToldWrongly => {
                    self.call_back(checkout.callback_url(), &callback(&json!(1))).await;
                }
                _ => {
                    let status = self.call_back(checkout.callback_url(), &callback(amount)).await;
                    assert_eq!(status, StatusCode::OK);
                }
            }
        }
    }

    /// A phone is paid with after all, or Daraja tells once more that it was.
    pub async fn tells_that_it_is_paid(&self, checkout: &Checkout) {
        self.set_result(&checkout.id, PAID);
        let callback = checkout.callback(PAID.0, PAID.1, &checkout.push["Amount"]);
        assert_eq!(self.call_back(checkout.callback_url(), &callback).await, StatusCode::OK);
    }

    /// Posts what may be a callback; anybody can.
    pub async fn call_back(&self, url: &str, callback: &Value) -> StatusCode {
        self.http.post(url).json(callback).send().await.unwrap().status()
    }

    pub fn set_result(&self, checkout: &str, result: (u32, &'static str)) {
        let mut gateway = self.gateway();
        gateway.checkouts.iter_mut().find(|known| known.id == checkout).unwrap().result = Some(result);
    }

    fn gateway(&self) -> MutexGuard<'_, Gateway> {
        self.gateway.lock().unwrap()
    }

    /// Whether it is down for a request: if so, for one fewer from now on.
    fn is_down(&self) -> bool {
        let mut gateway = self.gateway();
        let is_down = gateway.outages > 0;
        gateway.outages = gateway.outages.saturating_sub(1);
        is_down
    }

    /// The body of a request of its customer's.
    fn admit(&self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
        if self.is_down() {
            return Err(("500.003.02", "System is busy. Please try again in few minutes.".to_owned()));
        }
        let bearer = authorization(headers, "Bearer ");
        let is_good = bearer.and_then(|token| self.gateway().tokens.get(token).copied());
        if is_good.is_none_or(|until| self.time.now() >= until) {
            return Err(("404.001.03", "Invalid Access Token".to_owned()));
        }
        let request: Value = serde_json::from_slice(body).map_err(|_| bad("Request"))?;
        check_password(&request, self.time.in_nairobi().naive_local())?;
        Ok(request)
    }

    fn refuse(&self, (code, message): Refusal) -> (StatusCode, String) {
        self.gateway().refusals.insert(code);
        let status = match code.split('.').next() {
            Some("400") => StatusCode::BAD_REQUEST,
            Some("404") => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let body = json!({"requestId": "4788-81090592-4", "errorCode": code, "errorMessage": message});
        (status, body.to_string())
    }
}

/// What a prompt comes to that is paid.
pub const PAID: (u32, &str) = (0, "The service request is processed successfully.");

fn bad(field: &str) -> Refusal {
    ("400.002.02", format!("Bad Request - Invalid {field}"))
}

fn authorization<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    headers.get("authorization")?.to_str().ok()?.strip_prefix(scheme)
}

/// The password fits the time beside it, which is that of Kenya, and of now.
fn check_password(request: &Value, now: NaiveDateTime) -> Result<(), Refusal> {
    if request["BusinessShortCode"] != SHORT_CODE {
        return Err(bad("BusinessShortCode"));
    }
    let timestamp = request["Timestamp"].as_str().ok_or_else(|| bad("Timestamp"))?;
    let time = NaiveDateTime::parse_from_str(timestamp, "%Y%m%d%H%M%S").map_err(|_| bad("Timestamp"))?;
    if timestamp.len() != 14 || (now - time).num_seconds().abs() > 60 {
        return Err(bad("Timestamp"));
    }
    let password = BASE64_STANDARD.encode(format!("{SHORT_CODE}{PASSKEY}{timestamp}"));
    if request["Password"] == password.as_str() {
        Ok(())
    } else {
        Err(("500.001.1001", "Wrong credentials".to_owned()))
    }
}

/// What a prompt has to say.
fn check_push(push: &Value) -> Result<(), Refusal> {
    let text = |field: &str| push[field].as_str().unwrap_or_default();
    let is_phone = |phone: &str| {
        phone.len() == 12
            && (phone.starts_with("2547") || phone.starts_with("2541"))
            && phone.bytes().all(|digit| digit.is_ascii_digit())
    };
    let checks: [(&str, bool); 8] = [
        ("TransactionType", text("TransactionType") == "CustomerPayBillOnline"),
        ("Amount", push["Amount"].as_u64().is_some_and(|amount| (1..=MOST).contains(&amount))),
        ("PartyA", text("PartyA") == text("PhoneNumber")),
        ("PartyB", text("PartyB") == SHORT_CODE),
        ("PhoneNumber", is_phone(text("PhoneNumber"))),
        // Safaricom's insists on HTTPS.
        ("CallBackURL", url::Url::parse(text("CallBackURL")).is_ok()),
        ("AccountReference", (1..=12).contains(&text("AccountReference").len())),
        ("TransactionDesc", (1..=13).contains(&text("TransactionDesc").len())),
    ];
    checks.into_iter().find(|(_, is_good)| !is_good).map_or(Ok(()), |(field, _)| Err(bad(field)))
}

async fn token(State(daraja): State<Daraja>, uri: Uri, headers: HeaderMap) -> (StatusCode, String) {
    if daraja.is_down() {
        return daraja.refuse(("500.003.02", "System is busy. Please try again in few minutes.".to_owned()));
    }
    let credentials = BASE64_STANDARD.encode(format!("{CONSUMER_KEY}:{CONSUMER_SECRET}"));
    if authorization(&headers, "Basic ") != Some(credentials.as_str()) {
        return daraja.refuse(("400.008.01", "Invalid Authentication passed".to_owned()));
    }
    if uri.query() != Some("grant_type=client_credentials") {
        return daraja.refuse(("400.008.02", "Invalid grant type passed".to_owned()));
    }
    let good_until = daraja.time.now().plus_seconds(TOKEN_SECONDS);
    let mut gateway = daraja.gateway();
    gateway.tokens_given += 1;
    let token = format!("token-{}", gateway.tokens_given);
    gateway.tokens.insert(token.clone(), good_until);
    let answer = json!({"access_token": token, "expires_in": TOKEN_SECONDS.to_string()});
    (StatusCode::OK, answer.to_string())
}

async fn push(State(daraja): State<Daraja>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let push = match daraja.admit(&headers, &body).and_then(|push| check_push(&push).map(|()| push)) {
        Ok(push) => push,
        Err(refusal) => return daraja.refuse(refusal),
    };
    let time = daraja.time.in_nairobi().format("%d%m%Y%H%M%S").to_string();
    let mut gateway = daraja.gateway();
    let number = gateway.checkouts.len() + 1;
    let phone = push["PhoneNumber"].as_str().unwrap();
    let checkout = Checkout {
        id: format!("ws_CO_{time}{number:03}{}", &phone[3..]),
        merchant_request: format!("29115-{number:07}"),
        push,
        result: None,
    };
    gateway.checkouts.push(checkout.clone());
    if gateway.losses > 0 {
        gateway.losses -= 1;
        return (StatusCode::GATEWAY_TIMEOUT, "<html>upstream request timeout</html>".to_owned());
    }
    let answer = json!({
        "MerchantRequestID": checkout.merchant_request,
        "CheckoutRequestID": checkout.id,
        "ResponseCode": "0",
        "ResponseDescription": "Success. Request accepted for processing",
        "CustomerMessage": "Success. Request accepted for processing",
    });
    (StatusCode::OK, answer.to_string())
}

async fn query(State(daraja): State<Daraja>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let request = match daraja.admit(&headers, &body) {
        Ok(request) => request,
        Err(refusal) => return daraja.refuse(refusal),
    };
    let found = daraja.checkouts().into_iter().find(|checkout| request["CheckoutRequestID"] == checkout.id.as_str());
    let Some(checkout) = found else { return daraja.refuse(bad("CheckoutRequestID")) };
    let Some((code, description)) = checkout.result else {
        return daraja.refuse(("500.001.1001", "The transaction is being processed".to_owned()));
    };
    let answer = json!({
        "ResponseCode": "0",
        "ResponseDescription": "The service request has been accepted successfully",
        "MerchantRequestID": checkout.merchant_request,
        "CheckoutRequestID": checkout.id,
        "ResultCode": code.to_string(),
        "ResultDesc": description,
    });
    (StatusCode::OK, answer.to_string())
}
