//! Runs the server as an operator does: a process with default settings, ended by a signal.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::Result;
use crate::client::Client;

const START_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(40);

#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

/// The arguments of the server, and of the benchmark where it opens the database beside it.
pub(crate) fn arguments(database_url: &str) -> Vec<String> {
    let more = std::env::var("BENCH_SERVER_ARGS").unwrap_or_default();
    let given = ["--database-url", database_url].into_iter().chain(more.split_whitespace());
    given.map(str::to_owned).collect()
}

impl Server {
    pub(crate) async fn start(database_url: &str) -> Result<Server> {
        Server::start_with(database_url, &[]).await
    }

    /// With settings other than the defaults.
    pub(crate) async fn start_with(database_url: &str, settings: &[&str]) -> Result<Server> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_wecall-billing"))
            .args(["serve", "--seed", "--bind", &address.to_string()])
            .args(arguments(database_url))
            .args(settings)
            // Neither the environment's settings nor those of a file .env: the figures are of the defaults.
            .env_clear()
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Every request's line of log is made and written, only not kept: a run would leave half a gigabyte.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let deadline = Instant::now() + START_WITHIN;
        while let Err(error) = Server::is_ready(address).await {
            if let Some(status) = child.try_wait()? {
                return Err(format!("the server ended at once ({status}); `serve` on {database_url} says why").into());
            }
            if Instant::now() > deadline {
                return Err(format!("the server was not ready in time: {error}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Server { child, address })
    }

    async fn is_ready(address: SocketAddr) -> Result<()> {
        Client::connect(address).await?.get("/readyz").await.map(|_| ())
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage::of(&self.child)
    }

    /// Stops it as an operator does.
    ///
    /// # Errors
    /// Where it does not stop, or not cleanly.
    pub(crate) async fn stop(self) -> Result<()> {
        let status = end(self.child, "TERM").await?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }
}

/// Sends a signal and waits for the end of the process.
pub(crate) async fn end(mut child: Child, signal: &str) -> Result<std::process::ExitStatus> {
    let id = child.id().ok_or("a process ended before its time")?;
    Command::new("kill").args([&format!("-{signal}"), &id.to_string()]).status().await?;
    let ended = tokio::time::timeout(STOP_WITHIN, child.wait()).await;
    Ok(ended.map_err(|_| format!("process {id} did not end"))??)
}

/// The resources of a process, as Linux reports them; elsewhere unknown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) resident_kib: Option<u64>,
    pub(crate) peak_kib: Option<u64>,
    /// Processor time since the start, in hundredths of a second.
    pub(crate) cpu_ticks: Option<u64>,
}

impl Usage {
    pub(crate) fn of(child: &Child) -> Usage {
        let Some(id) = child.id() else { return Usage::default() };
        let directory = Path::new("/proc").join(id.to_string());
        let status = std::fs::read_to_string(directory.join("status")).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
        };
        let stat = std::fs::read_to_string(directory.join("stat")).unwrap_or_default();
        // The fields after the name in parentheses, which may hold anything: the 12th is user time, the 13th system's.
        let ticks = stat.rsplit_once(") ").and_then(|(_, fields)| {
            let mut times = fields.split(' ').skip(11).map(str::parse::<u64>);
            Some(times.next()?.ok()? + times.next()?.ok()?)
        });
        Usage { resident_kib: kib("VmRSS"), peak_kib: kib("VmHWM"), cpu_ticks: ticks }
    }
}
