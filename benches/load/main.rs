//! Measures how fast the server is: `cargo bench --bench load`.
//! It takes about four minutes for each database and size of ledger, and less than two more to load five million
//! transactions.
//!
//! It starts the real program on an empty database and asks it over loopback, then does so again with a long past in
//! the ledger. Machines differ, and so does one machine from minute to minute, so what counts are ratios to rows
//! measured in turns with it: a bare axum handler in a process of its own, which parses the same JSON into the same
//! types (what HTTP alone costs), and the database without HTTP: the same reads and top-ups, and the same rows inserted
//! straight into it in batches of 1, 100 and 1,000, each durable.
//!
//! Nothing here fails for being slow. What must hold is that no money is lost or made: any answer that is no success
//! ends the run, and in the end every charge and top-up that was answered is in the ledger, the balances add up, and
//! `wecall-billing reconcile` finds nothing; else the exit status is 1.
//!
//! The columns of the table:
//!
//! - `per sec`: messages charged (a charge with its report counts once), or requests where nothing is charged; with
//!   80 % charges, both. `p50 ms` and `p99 ms` are of whole requests, batches too.
//! - `x bare`, `x db`: the rate over that of the first row of its group that is the bare handler, or the database alone.
//! - `CPU us`: processor time of the answering process for each of `per sec`; of Postgres's own processes it knows nothing.
//! - `RSS MiB`, `peak MiB`: of the answering process after the row, and its most until then.
//! - `B/charge`: what the database grew by for each charge, its indexes and reports included, its write-ahead log emptied
//!   (on SQLite) or left out (on Postgres). Pages are added many at a time, so short rows tell little.
//!
//! Variables:
//!
//! - `BENCH_SECONDS`: measured seconds for each row (4).
//! - `BENCH_LEDGER`: how many transactions to load before; each of several in a run of its own (`0,5000000`).
//! - `BENCH_LEDGER_IDS`: `random` to load messages with ids from all over the index, as if no gateway had ever used UUIDs
//!   version 7 (`rising`); loading then takes several times as long.
//! - `BENCH_DATABASE_URL`: a Postgres to measure too. Without it a private one is started where Postgres is installed.
//! - `BENCH_CLIENT`: `reqwest` to ask through an ordinary HTTP client that parses each answer, and not by bytes made
//!   beforehand. The processors that a client leaves to the server decide the ratios to the bare handler.
//! - `BENCH_ONLY`: `sqlite` or `postgres`.
//! - `BENCH_SCENARIO`: part of a row's name, such as `wallet`: only the groups that have such a row are measured. `flood`:
//!   only what the others notice of a tenant who asks for ten times what it may (`flood.rs`); `attacks`: only what they
//!   notice of clients that mean harm, and the memory that takes (`attacks.rs`). `followed`: only what charging loses to
//!   alerts, recharges, refunds and webhooks (`followed.rs`).
//! - `BENCH_SERVER_ARGS`: more arguments for the server, such as `--sqlite-readers 8`, to try settings.

mod attacks;
mod caller;
mod calls;
mod client;
mod database;
mod direct;
mod flood;
mod followed;
mod ledger;
mod messages;
mod postgres;
mod pressure;
mod reconcile;
mod reference;
mod report;
mod run;
mod scenarios;
mod server;

use std::process::ExitCode;

use run::Run;

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
    let ledgers = std::env::var("BENCH_LEDGER").unwrap_or_else(|_| "0,5000000".to_owned());
    let ledgers: std::result::Result<Vec<u64>, _> = ledgers.split(',').map(|text| text.trim().parse()).collect();
    let ledgers = ledgers.map_err(|_| "BENCH_LEDGER must be numbers of transactions, such as 0,5000000")?;
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    println!("{}", report::machine());
    let wanted = std::env::var("BENCH_SCENARIO").unwrap_or_default();
    let floods = wanted.is_empty() || wanted == "flood";
    let follows = wanted.is_empty() || wanted == "followed";
    let groups = !["flood", "attacks", "followed"].contains(&wanted.as_str());
    let mut summary = Vec::new();
    if only != "postgres" {
        let ledgers = ledgers.iter().filter(|_| groups);
        for transactions in ledgers {
            let directory = tempfile::tempdir()?;
            summary.extend(Run::start(&sqlite(&directory), seconds).await?.run("SQLite", *transactions).await?);
        }
        if floods {
            let directory = tempfile::tempdir()?;
            summary.extend(flood::measure(&sqlite(&directory), "SQLite", seconds).await?);
        }
        if follows {
            let directory = tempfile::tempdir()?;
            summary.extend(followed::measure(&sqlite(&directory), "SQLite", seconds).await?);
        }
        if wanted.is_empty() || wanted == "attacks" {
            // What is attacked lies before the database.
            let directory = tempfile::tempdir()?;
            summary.extend(attacks::measure(&sqlite(&directory), "SQLite", seconds).await?);
        }
    }
    if only != "sqlite" {
        summary.extend(measure_postgres(&ledgers, seconds, (floods, follows), groups).await?);
    }
    println!();
    for line in summary {
        println!("{line}");
    }
    Ok(())
}

fn sqlite(directory: &tempfile::TempDir) -> String {
    format!("sqlite://{}", directory.path().join("billing.db").display())
}

/// The kind of a measurement, each on a database of its own.
enum What {
    Groups(u64),
    Flood,
    Followed,
}

/// Each time on a database of its own.
async fn measure_postgres(
    ledgers: &[u64],
    seconds: f64,
    (floods, follows): (bool, bool),
    groups: bool,
) -> Result<Vec<String>> {
    let mut summary = Vec::new();
    let runs = ledgers.iter().filter(|_| groups).map(|transactions| What::Groups(*transactions));
    for run in runs.chain(floods.then_some(What::Flood)).chain(follows.then_some(What::Followed)) {
        let Some(cluster) = postgres::find().await? else {
            println!("\nPostgres was not found, so it was not measured (see BENCH_DATABASE_URL).");
            break;
        };
        summary.extend(match run {
            What::Groups(transactions) => {
                Run::start(cluster.url(), seconds).await?.run("Postgres", transactions).await?
            }
            What::Flood => flood::measure(cluster.url(), "Postgres", seconds).await?,
            What::Followed => followed::measure(cluster.url(), "Postgres", seconds).await?,
        });
        cluster.stop().await?;
    }
    Ok(summary)
}
