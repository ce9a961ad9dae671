//! Measures how much hostile clients slow others down, and the memory they cost the server.
//! They send heads and bodies that never end, bodies that are huge or deep, and open connections without number.
//!
//! The server has default settings but for shorter timeouts, so that what is slow is let go while it is looked at. A
//! reader on its own connection asks all the while, and must be answered each time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::server::Server;
use crate::{Result, database};

/// The behaviour of an attacker on each of its connections, again and again.
#[derive(Clone, Copy, Debug)]
enum Attack {
    /// No attack: the figure to compare with.
    Calm,
    /// A byte of a head each half second.
    SlowHead,
    /// A byte of a body each half second.
    SlowBody,
    /// A body of a gigabyte, announced.
    HugeBody,
    /// A body without an end, in chunks.
    EndlessBody,
    /// A megabyte of brackets that open.
    DeepJson,
    /// Connections that say nothing.
    Silence,
}

/// The attacks, each with its number of connections.
const ATTACKS: &[(&str, Attack, usize)] = &[
    ("calm", Attack::Calm, 0),
    ("slow heads", Attack::SlowHead, 2_000),
    ("slow bodies", Attack::SlowBody, 2_000),
    ("huge bodies", Attack::HugeBody, 64),
    ("endless bodies", Attack::EndlessBody, 64),
    ("deep JSON", Attack::DeepJson, 16),
    ("silent connections", Attack::Silence, 6_000),
];

const SETTINGS: &[&str] = &["--header-timeout-seconds", "5", "--body-timeout-seconds", "5"];

/// Measures each attack; returns the lines of the report.
///
/// # Errors
/// Where a reader gets no answer.
pub(crate) async fn measure(database_url: &str, name: &str, seconds: f64) -> Result<Vec<String>> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let mut lines = Vec::new();
    for (what, attack, connections) in ATTACKS {
        // A server of its own each, so that its most memory is that of this attack.
        let server = Server::start_with(database_url, SETTINGS).await?;
        database::open(database_url).await?.db.close().await;
        // The reader comes first: a server with all its connections taken has none for who comes later.
        let reader = Client::connect(server.address).await?;
        let ends = Instant::now() + Duration::from_secs_f64(seconds);
        let mut attackers = JoinSet::new();
        for _ in 0..*connections {
            attackers.spawn(attack.go_on(server.address, ends));
        }
        let (latencies, longest) = read(reader, ends).await?;
        attackers.abort_all();
        while attackers.join_next().await.is_some() {}
        let peak = server.usage().peak_kib.unwrap_or(0) as f64 / 1_024.0;
        let (count, p99) = (latencies.len(), p99_ms(latencies));
        lines.push(format!(
            "{name}, {what} on {connections} connections: {count} of {count} reads answered, p99 {p99:.2} ms, longest \
             {longest:.1} ms; the server held {peak:.1} MiB at most"
        ));
        server.stop().await?;
    }
    Ok(lines)
}

/// Reads a hundred times a second; returns how long each took, in microseconds, and the longest in milliseconds.
async fn read(mut client: Client, ends: Instant) -> Result<(Vec<u32>, f64)> {
    let mut latencies = Vec::new();
    let mut interval = tokio::time::interval(Duration::from_millis(10));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while Instant::now() < ends {
        interval.tick().await;
        let started = Instant::now();
        client.get("/api/billing/wallet/biz_test_001/").await?;
        latencies.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    let longest = latencies.iter().max().map_or(0.0, |micros| f64::from(*micros) / 1_000.0);
    Ok((latencies, longest))
}

fn p99_ms(mut latencies: Vec<u32>) -> f64 {
    latencies.sort_unstable();
    let index = (latencies.len() * 99 / 100).min(latencies.len().saturating_sub(1));
    latencies.get(index).map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
}

impl Attack {
    /// On a new connection whenever the server has closed the one before.
    async fn go_on(self, address: SocketAddr, ends: Instant) {
        while Instant::now() < ends {
            if self.once(address, ends).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    async fn once(self, address: SocketAddr, ends: Instant) -> Result<()> {
        const POST: &str = "POST /api/billing/topup/ HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
        let mut stream = TcpStream::connect(address).await?;
        match self {
            Attack::Calm => {}
            Attack::SlowHead => {
                stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ").await?;
                trickle(&mut stream, ends).await?;
            }
            Attack::SlowBody => {
                stream
                    .write_all(format!("{POST}content-length: 1000000\r\n\r\n{{\"business_sid\":\"").as_bytes())
                    .await?;
                trickle(&mut stream, ends).await?;
            }
            Attack::HugeBody => {
                stream.write_all(format!("{POST}content-length: 1073741824\r\n\r\n").as_bytes()).await?;
                pour(&mut stream, &[b' '; 65_536], ends).await?;
            }
            Attack::EndlessBody => {
                stream.write_all(format!("{POST}transfer-encoding: chunked\r\n\r\n").as_bytes()).await?;
                let chunk = [b"10000\r\n".as_slice(), &[b' '; 65_536], b"\r\n"].concat();
                pour(&mut stream, &chunk, ends).await?;
            }
            Attack::DeepJson => {
                let body = "[".repeat(1_000_000);
                stream.write_all(format!("{POST}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
                stream.read_u8().await?;
            }
            Attack::Silence => {
                // Ends when the server closes.
                let _ = stream.read_u8().await;
            }
        }
        Ok(())
    }
}

async fn trickle(stream: &mut TcpStream, ends: Instant) -> Result<()> {
    while Instant::now() < ends {
        stream.write_all(b"x").await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

async fn pour(stream: &mut TcpStream, bytes: &[u8], ends: Instant) -> Result<()> {
    while Instant::now() < ends {
        stream.write_all(bytes).await?;
    }
    Ok(())
}
