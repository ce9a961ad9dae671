//! Calls Daraja for the adapter: fetches a token, has a phone prompted, and asks for the outcome.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use wecall_billing::domain::values::time::Timestamp;

use super::Time;

/// The time limit of a call: the billing server waits for 20 seconds, and a prompt may need a token first.
const TIMEOUT: Duration = Duration::from_secs(8);

/// How many seconds before its end a token is no longer used: it has to outlive the request it goes with.
const MARGIN_SECONDS: i64 = 60;

/// An operator's account with Safaricom.
#[derive(Clone, Debug)]
pub struct Account {
    /// `https://api.safaricom.co.ke`, or `https://sandbox.safaricom.co.ke` to try it.
    pub base_url: String,
    pub consumer_key: String,
    pub consumer_secret: String,
    /// The number of the pay bill.
    pub short_code: String,
    pub passkey: String,
}

/// A prompt to show on a phone, and the URL of its callback.
#[derive(Clone, Debug)]
pub struct Push {
    /// As Daraja writes it: `254712345678`.
    pub phone: String,
    pub shillings: u64,
    pub callback_url: String,
    /// At most 12 characters.
    pub account_reference: String,
    /// At most 13 characters.
    pub description: String,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It will never succeed: why.
    Refused(String),
    /// Daraja did nothing, and may do it later.
    NotNow { code: String, message: String },
    /// Whether Daraja did it is unknown.
    Unclear,
}

/// The state of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    Processing,
    /// `0` means that the money was moved.
    Ended {
        code: String,
        description: String,
    },
}

#[derive(Clone, Debug)]
struct Token {
    text: String,
    good_until: Timestamp,
}

#[derive(Clone, Debug)]
pub struct Client {
    account: Account,
    http: reqwest::Client,
    time: Time,
    token: Arc<Mutex<Option<Token>>>,
}

impl Client {
    pub fn new(account: Account, time: Time) -> Client {
        let http = wecall_billing::outbound::tls::client().timeout(TIMEOUT).build().unwrap();
        Client { account, http, time, token: Arc::default() }
    }

    /// Has a phone prompted; returns Daraja's id of the prompt.
    pub async fn push(&self, push: &Push) -> Result<String, Failure> {
        let (password, timestamp) = self.password();
        let body = json!({
            "BusinessShortCode": self.account.short_code,
            "Password": password,
            "Timestamp": timestamp,
            "TransactionType": "CustomerPayBillOnline",
            "Amount": push.shillings,
            "PartyA": push.phone,
            "PartyB": self.account.short_code,
            "PhoneNumber": push.phone,
            "CallBackURL": push.callback_url,
            "AccountReference": push.account_reference,
            "TransactionDesc": push.description,
        });
        let answer = self.call("/mpesa/stkpush/v1/processrequest", &body).await?;
        match (answer["ResponseCode"].as_str(), answer["CheckoutRequestID"].as_str()) {
            (Some("0"), Some(checkout)) => Ok(checkout.to_owned()),
            (Some("0") | None, _) => Err(Failure::Unclear),
            (Some(code), _) => Err(Failure::Refused(format!("{code}: {}", text(&answer["ResponseDescription"])))),
        }
    }

    /// Asks for the state of a prompt. The answer has a result, but neither a receipt nor an amount.
    pub async fn query(&self, checkout: &str) -> Result<Stand, Failure> {
        let (password, timestamp) = self.password();
        let body = json!({
            "BusinessShortCode": self.account.short_code,
            "Password": password,
            "Timestamp": timestamp,
            "CheckoutRequestID": checkout,
        });
        match self.call("/mpesa/stkpushquery/v1/query", &body).await {
            Ok(answer) => match text(&answer["ResultCode"]).as_str() {
                "" => Err(Failure::Unclear),
                // Two ways of saying that the PIN is still waited for: this one, and the error below.
                "4999" => Ok(Stand::Processing),
                code => Ok(Stand::Ended { code: code.to_owned(), description: text(&answer["ResultDesc"]) }),
            },
            // This code is given for wrong credentials as well, which say nothing of the payment.
            Err(Failure::NotNow { code, message })
                if code == "500.001.1001" && message.to_lowercase().contains("being processed") =>
            {
                Ok(Stand::Processing)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The password for the present second, and that second as text.
    fn password(&self) -> (String, String) {
        let timestamp = self.time.in_nairobi().format("%Y%m%d%H%M%S").to_string();
        let Account { short_code, passkey, .. } = &self.account;
        (BASE64_STANDARD.encode(format!("{short_code}{passkey}{timestamp}")), timestamp)
    }

    /// Posts with a token. If Daraja no longer accepts it, it is replaced by a new one, once.
    async fn call(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let token = self.token().await?;
        match self.post(path, body, &token).await {
            Err(Failure::NotNow { code, .. }) if code == "404.001.03" => {
                self.forget(&token).await;
                self.post(path, body, &self.token().await?).await
            }
            answered => answered,
        }
    }

    async fn post(&self, path: &str, body: &Value, token: &str) -> Result<Value, Failure> {
        let request = self.http.post(format!("{}{path}", self.account.base_url));
        answer(request.bearer_auth(token).json(body)).await
    }

    /// The present token, or a new one. Callers that need one while it is being fetched wait for the same.
    async fn token(&self) -> Result<String, Failure> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| self.time.now() < token.good_until) {
            return Ok(token.text.clone());
        }
        let url = format!("{}/oauth/v1/generate?grant_type=client_credentials", self.account.base_url);
        let request = self.http.get(url).basic_auth(&self.account.consumer_key, Some(&self.account.consumer_secret));
        // Without a token nothing was asked for, whatever went wrong; and what is wrong with it is no payer's business.
        let not_now = |message: String| Failure::NotNow { code: "no token".to_owned(), message };
        let answer = answer(request).await.map_err(|failure| not_now(format!("{failure:?}")))?;
        // The seconds come as a text.
        let seconds = text(&answer["expires_in"]).parse::<i64>();
        let (Some(token), Ok(seconds)) = (answer["access_token"].as_str(), seconds) else {
            return Err(not_now("an answer without one".to_owned()));
        };
        let good_until = self.time.now().plus_seconds(seconds - MARGIN_SECONDS);
        *kept = Some(Token { text: token.to_owned(), good_until });
        Ok(token.to_owned())
    }

    /// Drops a token, unless another one was fetched meanwhile.
    async fn forget(&self, token: &str) {
        let mut kept = self.token.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.text == token) {
            *kept = None;
        }
    }
}

/// Sends a request; an `errorCode` tells more than the HTTP status.
async fn answer(request: RequestBuilder) -> Result<Value, Failure> {
    let response = request.send().await.map_err(|error| {
        let message = "Daraja cannot be reached".to_owned();
        if error.is_connect() { Failure::NotNow { code: String::new(), message } } else { Failure::Unclear }
    })?;
    let is_success = response.status().is_success();
    // What has no JSON, such as a time-out of something in between, may have been done.
    let answer: Value = response.json().await.map_err(|_| Failure::Unclear)?;
    let message = text(&answer["errorMessage"]);
    match answer["errorCode"].as_str() {
        None if is_success => Ok(answer),
        None => Err(Failure::Unclear),
        Some(code) if code.starts_with("400.") => Err(Failure::Refused(message)),
        Some(code) => Err(Failure::NotNow { code: code.to_owned(), message }),
    }
}

/// A text or a number: Daraja sends the same field as either.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}
