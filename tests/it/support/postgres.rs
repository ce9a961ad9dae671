//! Provides a Postgres to test on: the one that `TEST_DATABASE_URL` gives, or a private one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{in_own_runtime, migrate};
use sqlx::{Connection, Executor, PgConnection};

/// A server and an empty, migrated database on it to copy.
struct Postgres {
    /// Ends in a slash, where the name of a database goes.
    base_url: String,
}

const TEMPLATE: &str = "wecall_template";

pub fn is_available() -> bool {
    postgres().is_some()
}

/// A new database; its URL.
pub async fn create_database() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let base_url = &postgres().expect("asked before").base_url;
    let name = format!("wecall_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    admin(base_url, &format!("CREATE DATABASE {name} TEMPLATE {}", template_name())).await;
    format!("{base_url}{name}")
}

async fn admin(base_url: &str, sql: &str) {
    let mut connection = PgConnection::connect(&format!("{base_url}postgres")).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}

fn template_name() -> String {
    format!("{TEMPLATE}_{}", std::process::id())
}

fn postgres() -> Option<&'static Postgres> {
    static FOUND: OnceLock<Option<Postgres>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let found = given().or_else(start);
            announce(found.as_ref());
            if let Some(postgres) = &found {
                make_template(&postgres.base_url);
            }
            found
        })
        .as_ref()
}

fn given() -> Option<Postgres> {
    let url = std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())?;
    let mut url = url::Url::parse(&url).expect("TEST_DATABASE_URL must be postgres://USER:PASSWORD@HOST/");
    url.set_path("/");
    Some(Postgres { base_url: url.into() })
}

/// Says, past the capture of test output, which databases this run tests.
fn announce(found: Option<&Postgres>) {
    let line = match found {
        Some(postgres) => {
            let version = in_own_runtime({
                let url = format!("{}postgres", postgres.base_url);
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

fn make_template(base_url: &str) {
    let base_url = base_url.to_owned();
    in_own_runtime(async move {
        let template = template_name();
        admin(&base_url, &format!("CREATE DATABASE {template}")).await;
        migrate(format!("{base_url}{template}")).await;
    });
}

/// Starts a server of our own from an installed PostgreSQL, on a free port of this machine.
///
/// A shell runs it and waits for its own input to end. The tests hold that input open, so however they end the shell
/// stops the server and removes its files.
fn start() -> Option<Postgres> {
    const SCRIPT: &str = r#"
        set -e
        home=$(mktemp -d); trap 'rm -rf "$home"' EXIT
        init() { "$1/initdb" --pgdata "$home/data" --username postgres --auth trust --encoding UTF8 --no-sync $2 $3 >/dev/null; }
        # A locale that sorts as people do, where it can be had: the order of our lists must not depend on it.
        init "$1" --locale-provider=icu --icu-locale=en-US 2>/dev/null || { rm -rf "$home/data"; init "$1"; }
        "$1/postgres" -D "$home/data" -p "$2" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
            -c fsync=off -c max_connections=400 -c shared_buffers=64MB >"$home/log" 2>&1 &
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
    Some(Postgres { base_url })
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
