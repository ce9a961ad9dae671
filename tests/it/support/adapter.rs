//! An adapter for M-Pesa, as an operator would write one, with a gateway and phones that are made up. What the README tells
//! writers of adapters is what it does: it checks who asks, prompts the phone (an "STK push"), and confirms what comes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use serde_json::{Value, json};
use wecall_billing::clock::Clock;
use wecall_billing::domain::payment_signatures::{SignedMessage, SigningSecret};

use super::{MPESA_SECRET, Server};

/// A payment whose phone was prompted.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub request: Value,
    /// How often it was asked for.
    pub asked: usize,
    /// What the gateway says of it, once it does.
    pub outcome: Option<Value>,
}

#[derive(Debug, Default)]
struct Gateway {
    prompts: BTreeMap<String, Prompt>,
    /// How many requests are still answered 503.
    outages: usize,
    status_queries: usize,
}

#[derive(Clone, Debug)]
pub struct Adapter {
    gateway: Arc<Mutex<Gateway>>,
    clock: Arc<Mutex<Option<Clock>>>,
    port: u16,
}

impl Adapter {
    pub async fn start() -> Adapter {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let adapter = Adapter { gateway: Arc::default(), clock: Arc::default(), port };
        let router = Router::new()
            .route("/pay", post(request))
            .route("/pay/{payment_sid}", get(status))
            .with_state(adapter.clone());
        tokio::spawn(async move { hyper_serve(listener, router).await });
        adapter
    }

    /// Settings of a server that asks this adapter.
    pub fn settings(&self) -> Vec<String> {
        let provider = format!("mpesa=http://127.0.0.1:{}/pay", self.port);
        let secret = format!("mpesa={MPESA_SECRET}");
        ["--payment-providers", &provider, "--payment-secrets", &secret].map(str::to_owned).to_vec()
    }

    /// Whose clock it goes by.
    pub fn follows(&self, server: &Server) {
        *self.clock.lock().unwrap() = Some(server.billing.clock.clone());
    }

    pub fn be_down_for(&self, requests: usize) {
        self.gateway.lock().unwrap().outages = requests;
    }

    pub fn prompts(&self) -> Vec<Prompt> {
        self.gateway.lock().unwrap().prompts.values().cloned().collect()
    }

    pub fn status_queries(&self) -> usize {
        self.gateway.lock().unwrap().status_queries
    }

    /// The phones' owners do what they do: by the last four digits of a number. What the gateway says of it is confirmed to
    /// the server, unless its word is lost on the way. The answers to the confirmations, by payment.
    pub async fn phones_answer(&self, server: &Server) -> Vec<(StatusCode, Value)> {
        let mut answers = Vec::new();
        let open: Vec<(String, Prompt)> = {
            let gateway = self.gateway.lock().unwrap();
            gateway
                .prompts
                .iter()
                .filter(|(_, prompt)| prompt.outcome.is_none())
                .map(|(s, p)| (s.clone(), p.clone()))
                .collect()
        };
        for (sid, prompt) in open {
            let number = prompt.request["method"].as_str().unwrap_or_default();
            let receipt = format!("R{}", &sid[sid.len() - 9..]);
            let completed = |amount: &Value| {
                json!({"payment_sid": sid, "status": "completed", "provider_reference": receipt, "amount": amount,
                       "currency": prompt.request["currency"]})
            };
            let failed = |reason: &str| json!({"payment_sid": sid, "status": "failed", "reason": reason});
            let (outcome, is_lost) = match &number[number.len().saturating_sub(4)..] {
                "1032" => (failed("1032: cancelled by the user"), false),
                "0001" => (failed("1: the balance is insufficient"), false),
                "0099" => (completed(&json!(1)), false),
                "0037" => (completed(&prompt.request["amount"]), true),
                _ => (completed(&prompt.request["amount"]), false),
            };
            if is_lost {
                continue;
            }
            self.gateway.lock().unwrap().prompts.get_mut(&sid).unwrap().outcome = Some(outcome.clone());
            answers.push(server.confirm(&outcome.to_string()).await);
        }
        answers
    }

    /// The lost word of a phone arrives after all.
    pub async fn arrive_late(&self, server: &Server, sid: &str) -> (StatusCode, Value) {
        let request = self.gateway.lock().unwrap().prompts[sid].request.clone();
        let outcome = json!({"payment_sid": sid, "status": "completed", "provider_reference": format!("L{}", &sid[24..]),
                             "amount": request["amount"], "currency": request["currency"]});
        server.confirm(&outcome.to_string()).await
    }

    /// Whether the server signed it.
    fn is_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let message = SignedMessage { id: header("webhook-id"), timestamp: header("webhook-timestamp"), body };
        let clock = self.clock.lock().unwrap().clone().expect("a clock");
        let secret: SigningSecret = MPESA_SECRET.parse().unwrap();
        secret.verify(message, header("webhook-signature"), clock.now()).is_ok()
    }
}

async fn hyper_serve(listener: tokio::net::TcpListener, router: Router) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let io = hyper_util::rt::TokioIo::new(stream);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}

async fn request(State(adapter): State<Adapter>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    if !adapter.is_signed(&headers, &body) {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let request: Value = serde_json::from_slice(&body).unwrap();
    let sid = request["payment_sid"].as_str().unwrap().to_owned();
    assert_eq!(headers["idempotency-key"], sid.as_str());
    assert_eq!(headers["webhook-id"], sid.as_str());
    let mut gateway = adapter.gateway.lock().unwrap();
    if gateway.outages > 0 {
        gateway.outages -= 1;
        return (StatusCode::SERVICE_UNAVAILABLE, "{}".to_owned());
    }
    match request["reference"].as_str().unwrap() {
        "at once" => {
            let answer = json!({"status": "completed", "provider_reference": format!("A{}", &sid[24..]),
                                "amount": request["amount"], "currency": request["currency"]});
            return (StatusCode::OK, answer.to_string());
        }
        "no number" => {
            return (
                StatusCode::UNPROCESSABLE_ENTITY,
                json!({"status": "declined", "reason": "no such number"}).to_string(),
            );
        }
        "nonsense" => return (StatusCode::OK, "<html>".to_owned()),
        _ => {}
    }
    let prompt = gateway.prompts.entry(sid.clone()).or_insert(Prompt { request, asked: 0, outcome: None });
    prompt.asked += 1;
    let answer = json!({"status": "accepted", "provider_reference": format!("ws_CO_{}", &sid[24..])});
    (StatusCode::ACCEPTED, answer.to_string())
}

async fn status(State(adapter): State<Adapter>, Path(sid): Path<String>, headers: HeaderMap) -> (StatusCode, String) {
    if !adapter.is_signed(&headers, b"") {
        return (StatusCode::UNAUTHORIZED, String::new());
    }
    let mut gateway = adapter.gateway.lock().unwrap();
    gateway.status_queries += 1;
    match gateway.prompts.get(&sid) {
        None => (StatusCode::NOT_FOUND, "{}".to_owned()),
        Some(Prompt { outcome: None, .. }) => (StatusCode::OK, json!({"status": "pending"}).to_string()),
        Some(Prompt { outcome: Some(outcome), .. }) => (StatusCode::OK, outcome.to_string()),
    }
}
