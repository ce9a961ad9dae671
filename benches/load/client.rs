//! A caller over HTTP/1.1 with one connection that it keeps.

use std::net::SocketAddr;
use std::pin::Pin;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Result;
use crate::calls::{AMOUNT, Ask, Businesses, Random};
use crate::pressure::Worker;

pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    /// Polled by whoever asks, not by a task of its own: a hop between tasks would cost the server its share of the
    /// processor, which they divide.
    connection: Pin<Box<Connection<TokioIo<TcpStream>, Full<Bytes>>>>,
    host: String,
    businesses: Businesses,
    ask: Ask,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, businesses: &Businesses, ask: Ask) -> Result<Client> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = Box::pin(connection);
        Ok(Client { sender, connection, host: address.to_string(), businesses: businesses.clone(), ask })
    }

    pub(crate) async fn connect_many(
        address: SocketAddr,
        businesses: &Businesses,
        ask: Ask,
        count: usize,
    ) -> Result<Vec<Client>> {
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            clients.push(Client::connect(address, businesses, ask).await?);
        }
        Ok(clients)
    }

    /// The body of the answer to a GET.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Bytes> {
        self.send("GET", path, None, None).await
    }

    pub(crate) async fn top_up(&mut self, business: &str, key: Option<String>) -> Result<Bytes> {
        let body = format!(r#"{{"business_sid":"{business}","amount":{AMOUNT},"reference":"LOAD"}}"#);
        self.send("POST", "/api/billing/topup/", Some(body), key).await
    }

    async fn send(&mut self, method: &str, path: &str, body: Option<String>, key: Option<String>) -> Result<Bytes> {
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.host);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::from(body.unwrap_or_default()))?;
        let sender = &mut self.sender;
        let exchange = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            if status.is_success() {
                return Ok(body);
            }
            Err(format!("{method} {path} was answered {status}: {}", String::from_utf8_lossy(&body)).into())
        };
        tokio::select! {
            answer = exchange => answer,
            ended = self.connection.as_mut() => {
                ended?;
                Err(format!("{method} {path}: the server closed the connection").into())
            }
        }
    }
}

impl Worker for Client {
    async fn work(&mut self, random: &mut Random) -> Result<bool> {
        let ask = self.ask.pick(random);
        match ask {
            Ask::Transactions => {
                let business = self.businesses.any_busy(random);
                self.get(&format!("/api/billing/transactions/{business}/?limit=50")).await?
            }
            Ask::Usage => {
                let business = self.businesses.any_busy(random);
                self.get(&format!("/api/billing/usage/{business}/?period=THIS_MONTH")).await?
            }
            Ask::RateCards => self.get("/api/billing/rate-cards/").await?,
            Ask::TopUp => self.top_up(&self.businesses.any(random), None).await?,
            Ask::TopUpWithKey => {
                let key = format!("{:016x}{:016x}", random.next(), random.next());
                self.top_up(&self.businesses.any(random), Some(key)).await?
            }
            Ask::Wallet | Ask::Mixed => {
                let business = self.businesses.any(random);
                self.get(&format!("/api/billing/wallet/{business}/")).await?
            }
        };
        Ok(ask.credits())
    }
}
