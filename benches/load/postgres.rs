//! Provides a Postgres to measure: the one given, or a private one that lives as long as the run.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use sqlx::Connection;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use wecall_billing::clock::Clock;

use crate::Result;
use crate::server;

const START_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Cluster {
    url: String,
    /// Nothing where the Postgres was there before.
    process: Option<(Child, TempDir)>,
}

impl Cluster {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) async fn stop(self) -> Result<()> {
        if let Some((child, _directory)) = self.process {
            // Postgres takes SIGINT for: end the sessions, then yourself.
            server::end(child, "INT").await?;
        }
        Ok(())
    }
}

/// The Postgres of `BENCH_DATABASE_URL`, else a new one, else none.
///
/// # Errors
/// Where Postgres is installed and does not start.
pub(crate) async fn find() -> Result<Option<Cluster>> {
    if let Ok(url) = std::env::var("BENCH_DATABASE_URL") {
        return Ok(Some(Cluster { url, process: None }));
    }
    match programs() {
        Some(directory) => Ok(Some(start(&directory).await?)),
        None => Ok(None),
    }
}

/// The directory that holds `initdb` and `postgres`: on the path, or where Debian keeps them; the newest of several.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut packaged: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    packaged.sort_unstable_by_key(|directory| {
        let version = directory.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        std::cmp::Reverse(version.and_then(|version| version.parse::<u32>().ok()))
    });
    packaged
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|directory| directory.join("initdb").is_file() && directory.join("postgres").is_file())
}

async fn start(programs: &Path) -> Result<Cluster> {
    let directory = tempfile::tempdir()?;
    let owner = owner(directory.path())?;
    let run = |program: &str| {
        let mut command = Command::new(programs.join(program));
        if let Some((user, group)) = owner {
            command.uid(user).gid(group);
        }
        command.current_dir(directory.path()).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command
    };
    let password = Clock::system().new_id().simple().to_string();
    let password_file = directory.path().join("password");
    std::fs::write(&password_file, &password)?;
    if let Some((user, group)) = owner {
        std::os::unix::fs::chown(directory.path(), Some(user), Some(group))?;
        std::os::unix::fs::chown(&password_file, Some(user), Some(group))?;
    }
    let data = directory.path().join("data");
    let made = run("initdb")
        .args(["--username=bench", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
        .arg(format!("--pwfile={}", password_file.display()))
        .arg(&data)
        .status()
        .await?;
    if !made.success() {
        return Err(format!("initdb ended with {made}").into());
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let log = std::fs::File::create(directory.path().join("log"))?;
    // What is acknowledged is on disk: without fsync the figures of writes would be of something else.
    let mut child = run("postgres")
        .args(["-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "listen_addresses=127.0.0.1"])
        .args(["-c", "unix_socket_directories=", "-p", &port.to_string(), "-D"])
        .arg(&data)
        .stderr(log)
        .spawn()?;
    let url = format!("postgres://bench:{password}@127.0.0.1:{port}/postgres");
    let deadline = Instant::now() + START_WITHIN;
    while let Err(error) = answers(&url).await {
        if child.try_wait()?.is_some() || Instant::now() > deadline {
            let log = std::fs::read_to_string(directory.path().join("log")).unwrap_or_default();
            return Err(format!("Postgres did not start: {error}\n{log}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(Cluster { url, process: Some((child, directory)) })
}

async fn answers(url: &str) -> Result<()> {
    Ok(sqlx::PgConnection::connect(url).await?.close().await?)
}

/// Postgres refuses to run as root: then the user and group it runs as instead.
fn owner(directory: &Path) -> Result<Option<(u32, u32)>> {
    if std::fs::metadata(directory)?.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let mut fields = users.lines().map(|line| line.split(':')).find_map(|mut fields| {
            (fields.next() == Some(name)).then(|| fields.skip(1).filter_map(|field| field.parse().ok()))
        })?;
        Some((fields.next()?, fields.next()?))
    };
    let found = ids("postgres").or_else(|| ids("nobody"));
    found.map(Some).ok_or_else(|| "Postgres does not run as root, and there is no user postgres or nobody".into())
}
