//! Speaks HTTP/1.1 over a kept connection, as cheaply as possible.
//! It shares the processors with the server, so it does no more than it must: it sends bytes that are ready, and reads
//! of an answer the status and the length. An ordinary client costs its machine several times as much, which
//! `BENCH_CLIENT=reqwest` shows: the rates are lower then, and closer to each other.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;
use crate::calls::AMOUNT;

pub(crate) struct Client {
    wire: Wire,
    host: String,
    /// The `Authorization` header, if there is one.
    authorization: String,
    /// Holds the request, then its answer.
    buffer: Vec<u8>,
}

enum Wire {
    Stream(TcpStream),
    /// An HTTP client as programs have them, and each answer parsed, as they would.
    Ordinary(reqwest::Client),
}

/// The position of the answer's body in the buffer.
#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    body_starts: usize,
    body_ends: usize,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Client> {
        Client::connect_with(address, None).await
    }

    /// With an API key.
    pub(crate) async fn connect_with(address: SocketAddr, key: Option<&str>) -> Result<Client> {
        let wire = match std::env::var("BENCH_CLIENT").as_deref() {
            Err(_) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Wire::Stream(stream)
            }
            Ok("reqwest") => Wire::Ordinary(wecall_billing::outbound::tls::client().no_proxy().build()?),
            Ok(_) => return Err("BENCH_CLIENT can only be reqwest".into()),
        };
        let authorization = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
        Ok(Client { wire, host: address.to_string(), authorization, buffer: Vec::with_capacity(16 * 1_024) })
    }

    /// The status of the answer to a GET.
    pub(crate) async fn status_of(&mut self, path: &str) -> Result<u16> {
        self.begin("GET", path);
        self.buffer.extend_from_slice(b"\r\n");
        Ok(self.send_and_receive("GET", path).await?.status)
    }

    /// The body of the answer to a GET.
    pub(crate) async fn get(&mut self, path: &str) -> Result<&[u8]> {
        if let Wire::Ordinary(client) = &self.wire {
            let request = client.get(format!("http://{}{path}", self.host));
            return self.ask(request, path).await;
        }
        self.begin("GET", path);
        self.buffer.extend_from_slice(b"\r\n");
        self.exchange("GET", path).await
    }

    /// The body of the answer to a POST of JSON.
    pub(crate) async fn post(&mut self, path: &str, body: &[u8]) -> Result<&[u8]> {
        self.post_with_key(path, body, None).await
    }

    /// The body of the answer to a PUT of JSON.
    pub(crate) async fn put(&mut self, path: &str, body: &[u8]) -> Result<&[u8]> {
        if let Wire::Ordinary(client) = &self.wire {
            let request = client.put(format!("http://{}{path}", self.host)).body(body.to_vec());
            return self.ask(request.header("content-type", "application/json"), path).await;
        }
        self.begin("PUT", path);
        let length = body.len().to_string();
        self.extend(&["content-type: application/json\r\ncontent-length: ", &length, "\r\n\r\n"]);
        self.buffer.extend_from_slice(body);
        self.exchange("PUT", path).await
    }

    pub(crate) async fn top_up(&mut self, business: &str, key: Option<&str>) -> Result<()> {
        let body = format!(r#"{{"business_sid":"{business}","amount":{AMOUNT},"reference":"LOAD"}}"#);
        self.post_with_key("/api/billing/topup/", body.as_bytes(), key).await.map(|_| ())
    }

    async fn post_with_key(&mut self, path: &str, body: &[u8], key: Option<&str>) -> Result<&[u8]> {
        if let Wire::Ordinary(client) = &self.wire {
            let request = client.post(format!("http://{}{path}", self.host)).body(body.to_vec());
            let request = request.header("content-type", "application/json");
            let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
            return self.ask(request, path).await;
        }
        self.begin("POST", path);
        if let Some(key) = key {
            self.extend(&["idempotency-key: ", key, "\r\n"]);
        }
        let length = body.len().to_string();
        self.extend(&["content-type: application/json\r\ncontent-length: ", &length, "\r\n\r\n"]);
        self.buffer.extend_from_slice(body);
        self.exchange("POST", path).await
    }

    fn begin(&mut self, method: &str, path: &str) {
        self.buffer.clear();
        for text in [method, " ", path, " HTTP/1.1\r\nhost: ", &self.host, "\r\n", &self.authorization] {
            self.buffer.extend_from_slice(text.as_bytes());
        }
    }

    fn extend(&mut self, texts: &[&str]) {
        for text in texts {
            self.buffer.extend_from_slice(text.as_bytes());
        }
    }

    async fn ask(&mut self, request: reqwest::RequestBuilder, path: &str) -> Result<&[u8]> {
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        if !status.is_success() {
            return Err(format!("{path} was answered {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        if matches!(body.first(), Some(b'{' | b'[')) {
            std::hint::black_box(serde_json::from_slice::<serde_json::Value>(&body)?);
        }
        self.buffer.clear();
        self.buffer.extend_from_slice(&body);
        Ok(&self.buffer)
    }

    async fn exchange(&mut self, method: &str, path: &str) -> Result<&[u8]> {
        let head = self.send_and_receive(method, path).await?;
        let body = &self.buffer[head.body_starts..head.body_ends];
        if (200..300).contains(&head.status) {
            return Ok(body);
        }
        Err(format!("{method} {path} was answered {}: {}", head.status, String::from_utf8_lossy(body)).into())
    }

    async fn send_and_receive(&mut self, method: &str, path: &str) -> Result<Head> {
        let Wire::Stream(stream) = &mut self.wire else { return Err("no stream to exchange bytes on".into()) };
        stream.write_all(&self.buffer).await?;
        self.buffer.clear();
        let head = loop {
            self.read_more(method, path).await?;
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
        };
        self.buffer.reserve(head.body_ends.saturating_sub(self.buffer.len()));
        while self.buffer.len() < head.body_ends {
            self.read_more(method, path).await?;
        }
        Ok(head)
    }

    async fn read_more(&mut self, method: &str, path: &str) -> Result<()> {
        let Wire::Stream(stream) = &mut self.wire else { return Err("no stream to read from".into()) };
        if stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(format!("{method} {path}: the server closed the connection").into());
        }
        Ok(())
    }
}

/// Parses the head of an answer, once it is complete.
///
/// # Errors
/// Where this client cannot read it: every answer of the server has a length.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(length) = bytes.windows(END.len()).position(|window| window == END) else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..length])?;
    let status = head.get(9..12).ok_or("an answer without a status")?.parse()?;
    let is_length = |line: &&str| line.get(..15).is_some_and(|name| name.eq_ignore_ascii_case("content-length:"));
    let line = head.lines().find(is_length).ok_or_else(|| format!("an answer without a length: {head}"))?;
    let body_starts = length + END.len();
    Ok(Some(Head { status, body_starts, body_ends: body_starts + line[15..].trim().parse::<usize>()? }))
}
