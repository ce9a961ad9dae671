//! How fast the server is: `cargo bench --bench load`, about two minutes for each database.
//!
//! It starts the real program on an empty database and asks it over loopback. Machines differ, and so does one machine
//! from minute to minute, so what counts are ratios to rows measured in turns with it: a bare axum handler in a process
//! of its own (what HTTP alone costs) and the same work done on the database without HTTP.
//!
//! Nothing here fails for being slow. What must hold is that no money is lost or made: at the end the balances and the
//! ledger add up to what was topped up, or the exit status is 1.
//!
//! - `BENCH_SECONDS`: measured seconds for each row (4).
//! - `BENCH_DATABASE_URL`: a Postgres to measure too. Without it a private one is started where Postgres is installed.
//! - `BENCH_ONLY`: `sqlite` or `postgres`.
//! - `BENCH_SCENARIO`: part of a row's name, such as `wallet`: only the groups that have such a row are measured.
//! - `BENCH_SERVER_ARGS`: more arguments for the server, such as `--sqlite-readers 8`, to try settings.

mod calls;
mod client;
mod database;
mod postgres;
mod pressure;
mod reference;
mod report;
mod scenarios;
mod server;

use std::process::ExitCode;

use scenarios::Bench;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The server's own allocator, so that the bare handler has no worse one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = if reference::is_asked_for() { reference::serve().await } else { measure().await };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<()> {
    let seconds = match std::env::var("BENCH_SECONDS") {
        Ok(text) => text.parse().ok().filter(|seconds| (0.1..=600.0).contains(seconds)),
        Err(_) => Some(4.0),
    };
    let seconds = seconds.ok_or("BENCH_SECONDS must be a number of seconds from 0.1 to 600")?;
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    println!("{}", report::machine());
    let mut summary = Vec::new();
    if only != "postgres" {
        let directory = tempfile::tempdir()?;
        let url = format!("sqlite://{}", directory.path().join("billing.db").display());
        summary.extend(Bench::start(&url, seconds).await?.run("SQLite").await?);
    }
    if only != "sqlite" {
        match postgres::find().await? {
            Some(cluster) => {
                summary.extend(Bench::start(cluster.url(), seconds).await?.run("Postgres").await?);
                cluster.stop().await?;
            }
            None => println!("\nPostgres was not found, so it was not measured (see BENCH_DATABASE_URL)."),
        }
    }
    println!();
    for line in summary {
        println!("{line}");
    }
    Ok(())
}
