//! Limits connections, in all and per address, and refuses those beyond.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::http::edge::answer::error::Problem;
use crate::http::edge::who::client_address::{TrustedProxies, counted_as};

/// The most connections that may be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionCaps {
    pub total: u32,
    pub per_address: u32,
}

/// How long a refused connection may take to send its request, and again to close, so that it gets its answer.
const REFUSAL_PATIENCE: Duration = Duration::from_millis(20);

/// How many refused connections are answered at once; more are closed without an answer.
const REFUSALS_MAX: usize = 64;

/// How much of its request is read from a refused connection.
const REFUSED_BYTES_MAX: usize = 64 * 1024;

/// The `Retry-After` of a refused client, in seconds: about as long as connections take to end by themselves.
const RETRY_AFTER_SECONDS: u16 = 5;

/// How often refusals are logged.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Open files that are neither connections nor the database's: the program's own, and refused connections.
const OTHER_FILES: u64 = 64 + REFUSALS_MAX as u64;

/// Raises this process's limit of open files as far as possible, because each connection is one, and lowers the caps to
/// what it allows. `database_files` are those the database may need.
pub fn fit_open_files(caps: ConnectionCaps, database_files: u32) -> ConnectionCaps {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(open_files) => {
            let fitting = caps.within(open_files, database_files);
            if fitting != caps {
                let (wanted, possible) = (caps.total, fitting.total);
                tracing::warn!(
                    open_files,
                    wanted,
                    possible,
                    "the limit of open files leaves fewer connections than MAX_CONNECTIONS: raise it (ulimit -n, \
                     LimitNOFILE) or lower MAX_CONNECTIONS"
                );
            }
            fitting
        }
        Err(error) => {
            tracing::warn!(%error, "the limit of open files cannot be read or raised");
            caps
        }
    }
}

impl ConnectionCaps {
    /// The caps that fit beside the database and the rest; where next to nothing is left, still a quarter of all files.
    fn within(self, open_files: u64, database_files: u32) -> ConnectionCaps {
        let left = open_files.saturating_sub(OTHER_FILES + u64::from(database_files)).max(open_files / 4).max(1);
        ConnectionCaps { total: u32::try_from(left).unwrap_or(u32::MAX).min(self.total), ..self }
    }
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The cap of the server is reached.
    Server,
    /// The cap of the address is reached.
    Address,
}

/// The open connections, counted in all and per address.
#[derive(Debug)]
pub struct Connections {
    caps: ConnectionCaps,
    trusted_proxies: TrustedProxies,
    open: Arc<Mutex<Open>>,
    refusals: Arc<Semaphore>,
    unreported: u64,
    reported: Option<Instant>,
}

#[derive(Debug, Default)]
struct Open {
    total: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// The slot of one open connection, released when it is dropped.
#[derive(Debug)]
pub struct ConnectionSlot {
    open: Arc<Mutex<Open>>,
    address: Option<IpAddr>,
}

impl Connections {
    pub fn new(caps: ConnectionCaps, trusted_proxies: TrustedProxies) -> Connections {
        let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
        Connections { caps, trusted_proxies, open: Arc::default(), refusals, unreported: 0, reported: None }
    }

    /// A slot for a connection from this address, if there is one.
    ///
    /// # Errors
    /// The cap that is reached.
    pub fn admit(&self, peer: IpAddr) -> Result<ConnectionSlot, Full> {
        let address = self.is_counted(peer).then(|| counted_as(peer));
        let mut open = lock(&self.open);
        if open.total >= self.caps.total {
            return Err(Full::Server);
        }
        if let Some(address) = address {
            let count = open.by_address.entry(address).or_default();
            if *count >= self.caps.per_address {
                return Err(Full::Address);
            }
            *count += 1;
        }
        open.total += 1;
        drop(open);
        Ok(ConnectionSlot { open: self.open.clone(), address })
    }

    /// Whether the cap per address applies. Not to a proxy, which brings everybody's connections. Nor to an address of
    /// this machine, which may be an unlisted proxy or a gateway, unless the operator listed the proxies.
    fn is_counted(&self, peer: IpAddr) -> bool {
        if self.trusted_proxies.is_empty() {
            !peer.to_canonical().is_loopback()
        } else {
            !self.trusted_proxies.contains(peer)
        }
    }

    /// Answers a refused connection, as far as that is possible in a moment, and closes it.
    pub fn refuse(&mut self, stream: TcpStream, why: Full) {
        self.report(why);
        if let Ok(permit) = self.refusals.clone().try_acquire_owned() {
            tokio::spawn(async move {
                answer(stream, &refusal(why)).await;
                drop(permit);
            });
        }
    }

    fn report(&mut self, why: Full) {
        self.unreported += 1;
        if self.reported.is_none_or(|reported| reported.elapsed() >= REPORT_EVERY) {
            let setting = match why {
                Full::Server => "MAX_CONNECTIONS",
                Full::Address => "MAX_CONNECTIONS_PER_ADDRESS",
            };
            tracing::warn!(refused = self.unreported, setting, "connections are refused: there are too many");
            self.reported = Some(Instant::now());
            self.unreported = 0;
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.total = open.total.saturating_sub(1);
        if let Some(address) = self.address
            && let Some(count) = open.by_address.get_mut(&address)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A whole answer. No request was read, so it names none.
fn refusal(why: Full) -> Bytes {
    let problem = match why {
        Full::Server => {
            let detail = "The server has as many connections as it takes; try again in a moment.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", detail)
        }
        Full::Address => {
            let detail = "Your address has as many connections to this server as one may have; close some, or use \
                          them for more than one request.";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", detail)
        }
    };
    // A struct of texts and numbers always serialises.
    let body = serde_json::to_string(&problem.body("none")).unwrap_or_default();
    let (status, length) = (problem.status, body.len());
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n\
         cache-control: no-store\r\nretry-after: {RETRY_AFTER_SECONDS}\r\nconnection: close\r\n\r\n"
    );
    Bytes::from(head + &body)
}

/// An answer that comes before the request confuses some clients, and closing while something is unread would take the
/// answer away from them: so the request is waited for and read, but only for a moment.
async fn answer(mut stream: TcpStream, answer: &[u8]) {
    let mut left = REFUSED_BYTES_MAX;
    let _ = timeout(REFUSAL_PATIENCE, throw_away(&stream, &mut left)).await;
    let _ = timeout(REFUSAL_PATIENCE, async {
        stream.writable().await?;
        stream.try_write(answer)?;
        std::future::poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context)).await?;
        while throw_away(&stream, &mut left).await {}
        Ok::<(), std::io::Error>(())
    })
    .await;
}

/// Waits for data, reads and drops it; returns whether to go on.
async fn throw_away(stream: &TcpStream, left: &mut usize) -> bool {
    let mut buffer = [0; 4_096];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut buffer) {
            // A new stream says that it is readable before anything has arrived.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return false,
            Ok(read) => {
                *left = left.saturating_sub(read);
                return *left > 0;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn connections(total: u32, per_address: u32, proxies: &[&str]) -> Connections {
        let proxies = proxies.iter().map(|text| text.parse().expect("a network")).collect();
        Connections::new(ConnectionCaps { total, per_address }, TrustedProxies::new(proxies))
    }

    fn admit(connections: &Connections, peer: &str) -> Result<ConnectionSlot, Full> {
        connections.admit(peer.parse().expect("an address"))
    }

    #[test]
    fn places_come_back() {
        let connections = connections(3, 2, &[]);
        let (a1, a2) = (admit(&connections, "203.0.113.1"), admit(&connections, "::ffff:203.0.113.1"));
        assert!(a1.is_ok() && a2.is_ok());
        assert_eq!(admit(&connections, "203.0.113.1").err(), Some(Full::Address));
        let b = admit(&connections, "203.0.113.2");
        assert!(b.is_ok());
        assert_eq!(admit(&connections, "203.0.113.3").err(), Some(Full::Server));
        drop(a2);
        assert!(admit(&connections, "203.0.113.1").is_ok());
        drop((a1, b));
        let open = lock(&connections.open);
        assert_eq!((open.total, open.by_address.len()), (0, 0), "nothing is kept of those that have gone");
    }

    #[rstest]
    #[case(&[], "203.0.113.1", true)]
    #[case(&[], "127.0.0.1", false)]
    #[case(&[], "127.9.9.9", false)]
    #[case(&[], "::1", false)]
    #[case(&[], "::ffff:127.0.0.1", false)]
    #[case(&["10.0.0.0/8"], "10.1.2.3", false)]
    #[case(&["10.0.0.0/8"], "::ffff:10.1.2.3", false)]
    #[case(&["10.0.0.0/8"], "203.0.113.1", true)]
    #[case(&["10.0.0.0/8"], "127.0.0.1", true)]
    #[case(&["127.0.0.1"], "127.0.0.1", false)]
    fn who_is_counted(#[case] proxies: &[&str], #[case] peer: &str, #[case] counted: bool) {
        let connections = connections(10, 1, proxies);
        let first = admit(&connections, peer);
        assert_eq!((first.is_ok(), admit(&connections, peer).is_err()), (true, counted));
    }

    #[test]
    fn a_network_is_one_address() {
        let connections = connections(10, 1, &[]);
        let first = admit(&connections, "2001:db8::1");
        assert!(first.is_ok() && admit(&connections, "2001:db8::2").is_err());
        assert!(admit(&connections, "2001:db8:0:1::1").is_ok());
    }

    #[rstest]
    #[case(1_048_576, 4_096)]
    #[case(4_096 + 128 + 20, 4_096)]
    #[case(4_096 + 128 + 19, 4_095)]
    #[case(1_024, 876)]
    #[case(256, 108)]
    #[case(128, 32)]
    #[case(1, 1)]
    #[case(u64::MAX, 4_096)]
    fn what_open_files_leave(#[case] open_files: u64, #[case] total: u32) {
        let caps = ConnectionCaps { total: 4_096, per_address: 256 };
        assert_eq!(caps.within(open_files, 20), ConnectionCaps { total, ..caps });
    }

    #[rstest]
    #[case(Full::Server, "HTTP/1.1 503 Service Unavailable\r\n")]
    #[case(Full::Address, "HTTP/1.1 429 Too Many Requests\r\n")]
    fn what_they_are_told(#[case] why: Full, #[case] status: &str) {
        let answer = String::from_utf8(refusal(why).to_vec()).expect("a text");
        assert!(answer.starts_with(status), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let length = format!("\r\ncontent-length: {}\r\n", body.len());
        assert!(head.contains(&length) && head.ends_with("connection: close"), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!((&body["code"], &body["request_id"]), (&"too_many_connections".into(), &"none".into()));
    }
}
