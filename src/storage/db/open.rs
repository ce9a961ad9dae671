//! Opens a database from its URL: connection pools, pragmas, and the oldest SQLite version accepted.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection, SqlitePool};

use tokio::sync::Mutex;

use super::local::{Local, SQLITE_WRITER};
use super::{Db, Turns};
use crate::error::{Error, Result, is_passing};

/// Older ones can lose committed rows when a write-ahead log is reset (<https://sqlite.org/wal.html>, section 11).
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

/// How long a statement waits for another process that writes to the same SQLite file.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before a new file that is locked is opened again.
const SQLITE_TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// An idle Postgres connection is pinged before it is used again after this long.
const PING_AFTER_IDLE: Duration = Duration::from_secs(10);

/// The settings of every connection to Postgres. Acknowledged commits are on disk, whatever the server's own default.
/// The wait for a locked row is limited, then its request fails alone: else waiting requests would take every
/// connection, and with them requests that have nothing to do with it. Statements are not compiled (`jit`): ours take a
/// few milliseconds, but the planner takes those that follow a wallet's chain for long ones, and compiled for 100 ms
/// each time.
const POSTGRES_SESSION: &str = "SELECT set_config('synchronous_commit', 'on', false) \
     WHERE current_setting('synchronous_commit') = 'off'; \
     SET jit = off; SET lock_timeout = '3s'; SET statement_timeout = '20s'; SET idle_in_transaction_session_timeout = '20s'";

/// The location of the database, from `DATABASE_URL`.
#[derive(Clone)]
pub enum DatabaseUrl {
    Sqlite(PathBuf),
    Postgres { options: Box<PgConnectOptions>, url: url::Url },
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<DatabaseUrl, String> {
        const FORMS: &str =
            "must be sqlite://PATH (such as sqlite://billing.db) or postgres://USER:PASSWORD@HOST/DATABASE";
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.contains([':', '?', '#']) || path.is_empty() {
                return Err(format!("{FORMS}; an in-memory database or parameters after `?` are not supported"));
            }
            return Ok(DatabaseUrl::Sqlite(PathBuf::from(path)));
        }
        // The text may hold a password, so no message repeats it.
        let url = url::Url::parse(text).map_err(|_| FORMS.to_owned())?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(FORMS.to_owned());
        }
        let options =
            PgConnectOptions::from_str(text).map_err(|_| format!("{FORMS}; something after its `?` is not known"))?;
        Ok(DatabaseUrl::Postgres { options: Box::new(options.application_name("wecall-billing")), url })
    }
}

/// Without the password, as everywhere.
impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// Without the password, for people and logs.
impl std::fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "SQLite file {}", path.display()),
            DatabaseUrl::Postgres { options, .. } => {
                let database = options.get_database().unwrap_or("(default)");
                write!(f, "PostgreSQL database {database} at {}:{}", options.get_host(), options.get_port())
            }
        }
    }
}

/// The number of connections, and the longest wait for one.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    pub sqlite_readers: u32,
    pub postgres_connections: u32,
    pub acquire_timeout: Duration,
}

/// Whether opening may create a SQLite file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    Create,
    Fail,
}

/// Opens the connection pools. No table is created or read.
///
/// # Errors
/// [`Error::Setup`] with a sentence where the file, its directory or the server cannot be reached.
pub async fn open(url: &DatabaseUrl, pools: PoolSettings, if_missing: IfMissing) -> Result<Db> {
    match url {
        DatabaseUrl::Sqlite(path) => open_sqlite(path, pools, if_missing).await,
        DatabaseUrl::Postgres { options, .. } => {
            open_postgres(options, pools).await.map_err(|error| Error::Setup(format!("cannot use {url}: {error}")))
        }
    }
}

async fn open_sqlite(path: &Path, pools: PoolSettings, if_missing: IfMissing) -> Result<Db> {
    let setup = |sentence: String| Err(Error::Setup(sentence));
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        return setup(format!(
            "the directory {} does not exist; create it or change DATABASE_URL",
            directory.display()
        ));
    }
    if if_missing == IfMissing::Fail && !path.is_file() {
        return setup(format!("there is no SQLite file {}; `migrate` or `serve` creates it", path.display()));
    }
    let explain = |error: &dyn std::fmt::Display| {
        Error::Setup(format!("cannot open the SQLite file {}: {error}", path.display()))
    };
    create_private(path).map_err(|error| explain(&error))?;
    let file = SqliteConnectOptions::new().filename(path).busy_timeout(SQLITE_BUSY_TIMEOUT).foreign_keys(true);
    let keep_open = SqlitePoolOptions::new()
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(pools.acquire_timeout);
    let writer_options = SQLITE_WRITER.into_iter().fold(file.clone(), |file, (name, value)| file.pragma(name, value));
    let writer = keep_open.clone().max_connections(1);
    let writer = connect_to_sqlite(writer, writer_options).await.map_err(|error| explain(&error))?;
    refuse_old_sqlite(&mut *writer.acquire().await?).await?;
    let readers = keep_open.max_connections(pools.sqlite_readers).connect_lazy_with(file.read_only(true));
    let local = Local::open(path, SQLITE_BUSY_TIMEOUT).map_err(|error| explain(&error))?;
    let turns = Turns { local: Arc::new(Mutex::new(local)), timeout: pools.acquire_timeout };
    Ok(Db::Sqlite { readers, writer, turns })
}

/// Opens the connection that turns a new file to WAL. Where two processes do that at the same moment, SQLite tells one
/// of them at once that the file is locked, whatever its busy timeout: then it is tried again for as long.
async fn connect_to_sqlite(pool: SqlitePoolOptions, options: SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    let deadline = Instant::now() + SQLITE_BUSY_TIMEOUT;
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Err(error @ sqlx::Error::Database(_)) if is_passing(&error) && Instant::now() < deadline => {
                tokio::time::sleep(SQLITE_TRY_AGAIN_AFTER).await;
            }
            outcome => return outcome,
        }
    }
}

/// Creates the file where there is none: an empty file is an empty database. It holds other people's money, so only its
/// owner may read it; SQLite gives the files beside it the same permissions.
fn create_private(path: &Path) -> std::io::Result<()> {
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        // Another process may make it at the same moment.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(|_| ()),
    }
}

async fn refuse_old_sqlite(connection: &mut SqliteConnection) -> Result<()> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await?;
    let parts: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
    if parts.as_slice() < OLDEST_SQLITE.as_slice() {
        return Err(Error::Setup(format!("SQLite {version} can lose committed rows; 3.51.3 or newer is needed")));
    }
    Ok(())
}

async fn open_postgres(options: &PgConnectOptions, pools: PoolSettings) -> Result<Db> {
    // A pool would try again until its time is up and then report only that; a single connection reports the cause.
    let probe = tokio::time::timeout(pools.acquire_timeout, PgConnection::connect_with(options)).await;
    probe.map_err(|_| sqlx::Error::PoolTimedOut)??.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(pools.postgres_connections)
        .acquire_timeout(pools.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > PING_AFTER_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(POSTGRES_SESSION).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options.clone());
    Ok(Db::Postgres(pool))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("sqlite://billing.db", "SQLite file billing.db")]
    #[case("sqlite:billing.db", "SQLite file billing.db")]
    #[case("sqlite:///var/lib/billing.db", "SQLite file /var/lib/billing.db")]
    #[case("postgres://me:secret@db.example:6543/billing", "PostgreSQL database billing at db.example:6543")]
    fn says_where_without_the_password(#[case] url: &str, #[case] shown: &str) {
        assert_eq!(url.parse::<DatabaseUrl>().expect("a database URL").to_string(), shown);
    }

    #[rstest]
    #[case("sqlite::memory:")]
    #[case("sqlite://")]
    #[case("sqlite://a.db?mode=ro")]
    #[case("mysql://u:secret@h/db")]
    #[case("billing.db")]
    #[case("")]
    fn refuses(#[case] url: &str) {
        let error = url.parse::<DatabaseUrl>().expect_err("no database URL");
        assert!(!error.contains("secret"), "{error}");
    }
}
