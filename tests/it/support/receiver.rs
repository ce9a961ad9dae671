//! Receives webhooks: stores what arrives, and answers as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// A message as it arrived.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Arrived {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn event(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// Whether it is signed with a secret, by the reference implementation of the standard.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let oracle = standardwebhooks::Webhook::new(secret).unwrap();
        let timestamp = self.header("webhook-timestamp").parse().unwrap();
        let signature = oracle.sign(self.id(), timestamp, self.body.as_bytes()).unwrap();
        self.header("webhook-signature").split(' ').any(|one| one == signature)
    }
}

/// How it answers.
#[derive(Debug)]
struct Manner {
    status: u16,
    header: Option<(&'static str, String)>,
    body: String,
    delay: Duration,
}

#[derive(Clone, Debug)]
pub struct Receiver {
    pub url: String,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    manner: Arc<Mutex<Manner>>,
    notify: Arc<Notify>,
}

impl Receiver {
    pub async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Receiver {
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
            arrived: Arc::default(),
            manner: Arc::new(Mutex::new(Manner {
                status: 200,
                header: None,
                body: "said".to_owned(),
                delay: Duration::ZERO,
            })),
            notify: Arc::default(),
        };
        let router = Router::new().fallback(receive).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    pub fn answer(&self, status: u16) {
        self.manner.lock().unwrap().status = status;
    }

    pub fn redirect_to(&self, location: &str) {
        self.answer_with(302, ("location", location));
    }

    pub fn answer_with(&self, status: u16, (name, value): (&'static str, &str)) {
        let mut manner = self.manner.lock().unwrap();
        (manner.status, manner.header) = (status, Some((name, value.to_owned())));
    }

    pub fn say(&self, body: &str) {
        body.clone_into(&mut self.manner.lock().unwrap().body);
    }

    pub fn delay(&self, delay: Duration) {
        self.manner.lock().unwrap().delay = delay;
    }

    /// What has arrived so far.
    pub fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// What has arrived since the last time, the events that come along in whatever order sorted.
    pub fn take(&self) -> Vec<Arrived> {
        let mut arrived = std::mem::take(&mut *self.arrived.lock().unwrap());
        arrived.sort_by_key(Arrived::event);
        arrived
    }

    /// Waits until something arrives.
    pub async fn something(&self) {
        self.notify.notified().await;
    }
}

async fn receive(State(receiver): State<Receiver>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    receiver.arrived.lock().unwrap().push(Arrived { path: uri.to_string(), headers, body });
    receiver.notify.notify_one();
    let (status, header, body, delay) = {
        let manner = receiver.manner.lock().unwrap();
        (StatusCode::from_u16(manner.status).unwrap(), manner.header.clone(), manner.body.clone(), manner.delay)
    };
    tokio::time::sleep(delay).await;
    match header {
        Some(header) => (status, [header]).into_response(),
        None => (status, body).into_response(),
    }
}
