//! Calls servers that callers name (webhook endpoints), and only at public addresses.
//! No other code makes such requests. Addresses other than public ones ([`crate::domain::values::addresses`]) are
//! called only where a setting allows it. The address of a name is checked where the connection is made, so that a name
//! cannot be good first and bad afterwards; no redirect is followed, and no proxy of the environment used.

pub mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Position, Url};

use crate::domain::notifications::webhook_messages::DeliveryError;
use crate::domain::notifications::webhooks::WebhookUrl;
use crate::domain::values::addresses::is_public;
use crate::error::{Error, Result};

/// The time limit of a whole request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The time limit of connecting to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How much of an answer's body is read: a receiver can end a short answer in peace.
const ANSWER_BYTES_MAX: usize = 1_024;

/// The time limit of reading that much.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

const PRODUCT: HeaderValue = HeaderValue::from_static(concat!("wecall-billing/", env!("CARGO_PKG_VERSION")));

/// Sends outbound requests.
#[derive(Clone)]
pub struct Outbound {
    tls: TlsConnector,
    allow_private: bool,
}

/// The result of a request: the answer, or why there was none, and its duration.
#[derive(Clone, Debug)]
pub struct Called {
    pub answer: std::result::Result<OutboundAnswer, DeliveryError>,
    pub duration: Duration,
}

/// The answer of a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundAnswer {
    pub status: u16,
    /// The `Retry-After` header, as written.
    pub retry_after: Option<String>,
}

type Attempted<T> = std::result::Result<T, DeliveryError>;

impl Outbound {
    /// `allow_private`: whether it may call private addresses.
    ///
    /// # Errors
    /// [`Error::Setup`] where TLS cannot be set up.
    pub fn new(allow_private: bool) -> Result<Outbound> {
        let config = tls::config().map_err(|error| Error::Setup(format!("cannot set up TLS: {error}")))?;
        Ok(Outbound { tls: Arc::new(config).into(), allow_private })
    }

    /// Whether private addresses may be called, and without encryption.
    pub fn allows_private(&self) -> bool {
        self.allow_private
    }

    /// Posts a body. `headers` are the caller's, the content type among them.
    pub async fn post(&self, url: &WebhookUrl, headers: HeaderMap, body: String) -> Called {
        let begun = Instant::now();
        let answer = timeout(TIMEOUT, self.exchange(url.url(), headers, body)).await;
        Called { answer: answer.unwrap_or(Err(DeliveryError::TimedOut)), duration: begun.elapsed() }
    }

    async fn exchange(&self, url: &Url, headers: HeaderMap, body: String) -> Attempted<OutboundAnswer> {
        let stream = self.connect(url).await?;
        let request = request(url, headers, body).ok_or(DeliveryError::NotConnected)?;
        if url.scheme() == "http" {
            return send(stream, request).await;
        }
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name).map_err(|_| DeliveryError::NotConnected)?;
        let stream = self.tls.connect(name, stream).await.map_err(|_| DeliveryError::NotConnected)?;
        send(stream, request).await
    }

    /// Connects to the first of the allowed addresses that answers.
    async fn connect(&self, url: &Url) -> Attempted<TcpStream> {
        let port = url.port_or_known_default().ok_or(DeliveryError::NotConnected)?;
        let found: Vec<SocketAddr> = match url.host() {
            Some(url::Host::Ipv4(address)) => vec![(address, port).into()],
            Some(url::Host::Ipv6(address)) => vec![(address, port).into()],
            Some(url::Host::Domain(name)) => {
                let found = tokio::net::lookup_host((name, port)).await;
                found.map_err(|_| DeliveryError::NameNotFound)?.collect()
            }
            None => Vec::new(),
        };
        if found.is_empty() {
            return Err(DeliveryError::NameNotFound);
        }
        let permitted = permitted(found, self.allow_private);
        // What was made while the setting was another one is still there.
        let is_plain = url.scheme() == "http" && !self.allow_private;
        if permitted.is_empty() || is_plain {
            return Err(DeliveryError::AddressNotAllowed);
        }
        for address in permitted {
            if let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
        }
        Err(DeliveryError::NotConnected)
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("allow_private", &self.allow_private).finish_non_exhaustive()
    }
}

fn permitted(found: Vec<SocketAddr>, allow_private: bool) -> Vec<SocketAddr> {
    found.into_iter().filter(|address| allow_private || is_public(address.ip())).collect()
}

fn request(url: &Url, mut headers: HeaderMap, body: String) -> Option<Request<Full<Bytes>>> {
    headers.insert(HOST, HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).ok()?);
    headers.insert(USER_AGENT, PRODUCT);
    let mut request = Request::post(&url[Position::BeforePath..Position::AfterQuery]).body(Full::from(body)).ok()?;
    request.headers_mut().extend(headers);
    Some(request)
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Attempted<OutboundAnswer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |_| DeliveryError::BrokenAnswer;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with this set, however this ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(broken)?;
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let answer = OutboundAnswer { status: response.status().as_u16(), retry_after };
    // Whatever its body says does not matter.
    let _ = timeout(ANSWER_TIMEOUT, read_some(response.into_body())).await;
    Ok(answer)
}

async fn read_some(mut body: Incoming) {
    let mut read = 0;
    while read < ANSWER_BYTES_MAX {
        match body.frame().await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    async fn call(url: &str, allow_private: bool) -> std::result::Result<u16, DeliveryError> {
        let outbound = Outbound::new(allow_private).expect("a client");
        let url = WebhookUrl::parse(url, true).expect("a URL");
        outbound.post(&url, HeaderMap::new(), String::new()).await.answer.map(|answer| answer.status)
    }

    /// Somebody listens there, and is never asked.
    #[rstest]
    #[case("https://127.0.0.1:{port}/")]
    #[case("https://localhost:{port}/")]
    #[case("https://2130706433:{port}/")]
    #[case("https://0x7f.1:{port}/")]
    #[case("https://[::ffff:127.0.0.1]:{port}/")]
    #[tokio::test]
    async fn private_addresses_are_not_called(#[case] url: &str) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let url = url.replace("{port}", &port.to_string());
        assert_eq!(call(&url, false).await, Err(DeliveryError::AddressNotAllowed));
        let nobody = tokio::time::timeout(Duration::from_millis(20), listener.accept()).await;
        assert!(nobody.is_err(), "{url} was called");
    }

    #[tokio::test]
    async fn nothing_goes_unencrypted() {
        assert_eq!(call("http://8.8.8.8/", false).await, Err(DeliveryError::AddressNotAllowed));
    }

    #[tokio::test]
    async fn what_leads_nowhere() {
        assert_eq!(call("https://nobody.invalid/", false).await, Err(DeliveryError::NameNotFound));
        let free = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("an address")
        };
        assert_eq!(call(&format!("http://{free}/"), true).await, Err(DeliveryError::NotConnected));
        assert_eq!(call(&format!("https://{free}/"), true).await, Err(DeliveryError::NotConnected));
    }

    /// A name may lead to several addresses: the private ones among them are passed over.
    #[test]
    fn names_are_judged_address_by_address() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an address")).collect::<Vec<_>>();
        let found = addresses(&["10.0.0.1:0", "8.8.8.8:0", "[::1]:0", "[2606:4700:4700::1111]:0"]);
        assert_eq!(permitted(found.clone(), false), addresses(&["8.8.8.8:0", "[2606:4700:4700::1111]:0"]));
        assert_eq!(permitted(found.clone(), true), found);
    }
}
