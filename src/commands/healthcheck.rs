//! Runs `healthcheck`: asks a running server whether it is alive.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Empty;
use hyper_util::rt::TokioIo;

use super::output::{CliResult, reachable, say};

/// The longest wait for an answer of the health check.
const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn healthcheck(address: SocketAddr) -> CliResult {
    let address = reachable(address);
    match tokio::time::timeout(HEALTHCHECK_TIMEOUT, ask_health(address)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no healthy server at {address}: it does not answer").into()),
    }
}

async fn ask_health(address: SocketAddr) -> CliResult {
    let explain = |error: &dyn std::fmt::Display| format!("no healthy server at {address}: {error}");
    let stream = tokio::net::TcpStream::connect(address).await.map_err(|error| explain(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request =
        hyper::Request::get("/healthz").header("host", address.to_string()).body(Empty::<bytes::Bytes>::new())?;
    let status = sender.send_request(request).await.map_err(|error| explain(&error))?.status();
    if !status.is_success() {
        return Err(explain(&status).into());
    }
    say!("{address} is healthy.");
    Ok(())
}
