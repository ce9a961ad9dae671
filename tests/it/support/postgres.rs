//! Provides a Postgres to test on: the one that `TEST_DATABASE_URL` gives, or a private one.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Contents, fill, in_own_runtime};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::mpsc;

/// A server, and this run of the tests on it.
struct Postgres {
    /// Ends in a slash, where the name of a database goes.
    base_url: String,
    /// In the name of every database that this run makes.
    run: String,
    /// Takes the names of databases that nobody needs any more.
    done_with: mpsc::UnboundedSender<String>,
}

/// A database of a test, reached by its URL, and dropped with this.
pub struct TestDatabase {
    url: String,
    name: String,
}

impl std::ops::Deref for TestDatabase {
    type Target = String;

    fn deref(&self) -> &String {
        &self.url
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Where its receiver is gone the tests are ending, and what is left is dropped then.
        let _ = postgres().expect("asked before").done_with.send(self.name.clone());
    }
}

pub fn is_available() -> bool {
    postgres().is_some()
}

/// A new database with its tables and nothing in them.
pub async fn create_database() -> TestDatabase {
    create_database_with(Contents::Tables).await
}

pub async fn create_database_with(contents: Contents) -> TestDatabase {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Postgres { base_url, run, .. } = postgres().expect("asked before");
    let name = format!("wecall_test_{run}_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    admin(base_url, &format!("CREATE DATABASE {name} TEMPLATE {}", template(contents))).await;
    TestDatabase { url: format!("{base_url}{name}"), name }
}

async fn admin(base_url: &str, sql: &str) {
    let mut connection = PgConnection::connect(&format!("{base_url}postgres")).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}

/// The name of a database to copy, which is made when it is first asked for.
fn template(contents: Contents) -> &'static str {
    static MADE: [OnceLock<String>; 3] = [const { OnceLock::new() }; 3];
    MADE[contents as usize].get_or_init(|| {
        let Postgres { base_url, run, .. } = postgres().expect("asked before");
        let name = format!("wecall_template_{run}_{}", contents as usize);
        in_own_runtime({
            let name = name.clone();
            async move {
                admin(base_url, &format!("CREATE DATABASE {name}")).await;
                fill(format!("{base_url}{name}"), contents).await;
            }
        });
        name
    })
}

fn postgres() -> Option<&'static Postgres> {
    static FOUND: OnceLock<Option<Postgres>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let given = given();
            let is_given = given.is_some();
            let found = given.or_else(start);
            announce(found.as_deref());
            let base_url = found?;
            let run = run_name();
            let done_with = keep_house(&base_url, &run);
            if is_given {
                clean_up_at_the_end(&run);
            }
            Some(Postgres { base_url, run, done_with })
        })
        .as_ref()
}

/// A name that no other run has, on this machine or another.
fn run_name() -> String {
    use std::hash::{BuildHasher, Hasher};
    format!("{:016x}", std::collections::hash_map::RandomState::new().build_hasher().finish())
}

/// Holds a connection by the name of this run as long as it lasts, which tells other runs that its databases are in
/// use; drops what ended runs have left, and then what the tests of this one are done with.
fn keep_house(base_url: &str, run: &str) -> mpsc::UnboundedSender<String> {
    let (done_with, mut names) = mpsc::unbounded_channel::<String>();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (url, run) = (format!("{base_url}postgres"), run.to_owned());
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async move {
            let options: PgConnectOptions = url.parse().unwrap();
            let mut connection = PgConnection::connect_with(&options.application_name(&run)).await.unwrap();
            drop_what_is_left(&mut connection, None).await;
            ready.send(()).unwrap();
            while let Some(name) = names.recv().await {
                drop_database(&mut connection, &name).await;
            }
        });
    });
    is_ready.recv().expect("the databases that earlier runs left can be looked for");
    done_with
}

/// Drops the databases of runs that have no connection any more, and those of one that is known to have ended.
async fn drop_what_is_left(connection: &mut PgConnection, ended: Option<&str>) {
    let left = "WITH ours AS (SELECT datname::TEXT AS name, split_part(datname, '_', 3) AS run FROM pg_database \
                WHERE datname LIKE 'wecall\\_test\\_%' OR datname LIKE 'wecall\\_template\\_%') \
                SELECT name FROM ours WHERE run = $1 \
                OR NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = run)";
    let names: Vec<String> = sqlx::query_scalar(left).bind(ended).fetch_all(&mut *connection).await.unwrap();
    for name in names {
        drop_database(connection, &name).await;
    }
}

/// Another run may drop the same one at the same time, and some may be another role's: those stay.
async fn drop_database(connection: &mut PgConnection, name: &str) {
    let sql = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
    let _ = connection.execute(sqlx::AssertSqlSafe(sql)).await;
}

const ENDED_RUN: &str = "TEST_ENDED_RUN";

/// Starts this program once more, to drop what this run leaves on a server that is not ours, however it ends.
fn clean_up_at_the_end(run: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "support::postgres::cleans_up", "--ignored"]).env(ENDED_RUN, run);
    // In a group of its own: what interrupts the tests at a keyboard does not interrupt it.
    let child = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    // Its input closes when this process ends.
    std::mem::forget(child);
}

#[tokio::test]
#[ignore = "the tests run it themselves"]
async fn cleans_up() {
    let (Ok(run), Some(base_url)) = (std::env::var(ENDED_RUN), given()) else { return };
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let mut connection = PgConnection::connect(&format!("{base_url}postgres")).await.unwrap();
    drop_what_is_left(&mut connection, Some(&run)).await;
}

/// The URL up to the name of a database.
fn given() -> Option<String> {
    let url = std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())?;
    let mut url = url::Url::parse(&url).expect("TEST_DATABASE_URL must be postgres://USER:PASSWORD@HOST/");
    url.set_path("/");
    Some(url.into())
}

/// Says, past the capture of test output, which databases this run tests.
fn announce(found: Option<&str>) {
    let line = match found {
        Some(base_url) => {
            let version = in_own_runtime({
                let url = format!("{base_url}postgres");
                async move {
                    let mut connection = PgConnection::connect(&url).await.expect("the Postgres to test on answers");
                    sqlx::query_scalar::<_, String>("SHOW server_version").fetch_one(&mut connection).await.unwrap()
                }
            });
            format!("testing on SQLite and on PostgreSQL {version}")
        }
        None => {
            assert!(
                std::env::var("TEST_REQUIRE_POSTGRES").is_err(),
                "TEST_REQUIRE_POSTGRES is set, but there is neither a TEST_DATABASE_URL nor a PostgreSQL installed"
            );
            "testing on SQLite ONLY: no PostgreSQL is installed here, and TEST_DATABASE_URL gives none".to_owned()
        }
    };
    let _ = writeln!(std::io::stderr(), "\n=== {line} ===");
}

/// Starts a server of our own from an installed PostgreSQL, on a free port of this machine.
///
/// A shell runs it and waits for its own input to end. The tests hold that input open, so however they end the shell
/// stops the server and removes its files.
fn start() -> Option<String> {
    const SCRIPT: &str = r#"
        set -e
        # In memory, where that is roomy: each database is some hundred small files, which cost a disk much.
        roomy=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $4 > 4000000 { print "/dev/shm" }')
        home=$(mktemp -d ${roomy:+-p "$roomy"}); trap 'rm -rf "$home"' EXIT
        init() { "$1/initdb" --pgdata "$home/data" --username postgres --auth trust --encoding UTF8 --no-sync $2 $3 >/dev/null; }
        # A locale that sorts as people do, where it can be had: the order of our lists must not depend on it.
        init "$1" --locale-provider=icu --icu-locale=en-US 2>/dev/null || { rm -rf "$home/data"; init "$1"; }
        "$1/postgres" -D "$home/data" -p "$2" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
            -c fsync=off -c full_page_writes=off -c max_wal_size=512MB -c max_connections=400 -c shared_buffers=64MB >"$home/log" 2>&1 &
        server=$!
        echo "$home/log"
        read -r _ || true
        kill -INT $server; wait $server || true
    "#;
    let programs = installed_programs()?;
    let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    let mut command = unprivileged("sh");
    command.current_dir("/").args(["-c", SCRIPT, "sh"]).arg(&programs).arg(port.to_string());
    let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut log_file = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(shell.stdout.take()?), &mut log_file).ok()?;
    // Its input closes when this process ends.
    std::mem::forget(shell.stdin.take());
    let base_url = format!("postgres://postgres@127.0.0.1:{port}/");
    wait_until_it_answers(&base_url, log_file.trim());
    Some(base_url)
}

fn wait_until_it_answers(base_url: &str, log_file: &str) {
    let url = format!("{base_url}postgres");
    let answered = in_own_runtime(async move {
        for _ in 0..300 {
            if PgConnection::connect(&url).await.is_ok() {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        false
    });
    let log = || std::fs::read_to_string(log_file).unwrap_or_default();
    assert!(answered, "the PostgreSQL installed here did not start: {}", log());
}

/// PostgreSQL refuses to run as root, so root starts it as somebody else.
fn unprivileged(program: &str) -> Command {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", "HOME=/tmp", program]);
    command
}

fn installed_programs() -> Option<PathBuf> {
    let has_programs = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps each version in a folder of its own; the highest comes first.
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort_by_key(|bin| {
        let version = bin.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().parse::<u32>());
        std::cmp::Reverse(version.and_then(Result::ok))
    });
    let found = std::env::split_paths(&path).chain(versions).find(has_programs)?;
    // A link on the PATH leads to the folder where the program's companions are.
    Some(found.join("initdb").canonicalize().ok()?.parent()?.to_path_buf())
}
