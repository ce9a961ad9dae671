//! Runs the subcommands and prints their results.

mod access;
mod month_close;

use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tracing_subscriber::EnvFilter;

use crate::app::{self, ConnectionLimits};
use crate::clock::Clock;
use crate::config::{Cli, Command, LogFormat, SeedArgs, ServeArgs, Settings};
use crate::connections::{self, ConnectionCaps};
use crate::domain::jobs::JobCounts;
use crate::http::edge::who::auth::AuthMode;
use crate::services::{self, Billing};
use crate::storage::db::open::IfMissing;
use crate::{http, seed, storage, worker};

/// Parses the command line, the environment and `.env` together.
///
/// # Errors
/// A sentence that names the invalid setting.
pub fn parse() -> Result<Cli, String> {
    let file = Path::new(".env");
    if file.is_file() {
        dotenvy::from_path(file).map_err(|error| match error {
            dotenvy::Error::Io(error) => format!("the file .env cannot be read: {error}"),
            // The error would repeat the line, which may hold a password.
            _ => "the file .env cannot be read: each line must be NAME=value, with quotes around blanks".to_owned(),
        })?;
    }
    let matches = without_empty_variables(Cli::command()).try_get_matches();
    matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| match name_setting(&error) {
        Some(sentence) => sentence,
        // Help, version, and errors of the command line itself, which clap explains best.
        None => error.exit(),
    })
}

/// An empty variable counts as not set: `PORT=` leaves the port as it is.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let empty: Vec<clap::Id> =
        command.get_arguments().filter(|arg| is_empty(arg)).map(|arg| arg.get_id().clone()).collect();
    // An argument cannot be parted from its variable, but it can be given one that nobody can set.
    empty.into_iter().fold(command, |command, id| command.mut_arg(id, |arg| arg.env("=").hide_env(true)))
}

/// For an invalid value, wherever it came from: the setting's two names and what it must be. The value itself is not
/// repeated, because it may hold a password.
fn name_setting(error: &clap::Error) -> Option<String> {
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return None;
    }
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return None };
    let flag = arg.split([' ', '=', '[']).next()?;
    let command = Cli::command();
    let known = command.get_arguments().find(|known| known.get_long() == flag.strip_prefix("--"))?;
    let variable = known.get_env()?.to_string_lossy().into_owned();
    let problem = match (std::error::Error::source(error), error.get(ContextKind::ValidValue)) {
        (Some(source), _) => source.to_string(),
        (None, Some(ContextValue::Strings(values))) => format!("must be one of {}", values.join(", ")),
        (None, _) => "is not valid".to_owned(),
    };
    Some(format!("{variable} (or {flag}) {problem}"))
}

/// Runs the subcommand.
///
/// # Errors
/// A sentence for the person who ran it.
pub async fn run(cli: Cli) -> Result<(), String> {
    let settings = cli.settings;
    let outcome = match cli.command.unwrap_or(Command::Serve(ServeArgs::default())) {
        Command::Serve(args) => serve(&settings, args).await,
        Command::Seed(args) => seed(&settings, args).await,
        Command::Migrate => migrate(&settings).await,
        Command::Openapi => openapi(),
        Command::Check => check(&settings).await,
        Command::Reconcile => reconcile(&settings).await,
        Command::CloseMonth(args) => month_close::close_month(&settings, args).await,
        Command::Backup { file } => backup(&settings, &file).await,
        Command::CreateAdmin(args) => access::create_admin(&settings, args).await,
        Command::Keys { command } => access::keys(&settings, command).await,
        Command::Healthcheck => healthcheck(settings.address()).await,
    };
    outcome.map_err(|error| error.to_string())
}

type CliResult = Result<(), Box<dyn std::error::Error>>;

/// The most connections of the metrics listener.
const METRICS_CONNECTIONS_MAX: u32 = 64;

/// The longest wait for an answer of the health check.
const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// Prints a line, and ignores a closed output (`check | head -1`).
macro_rules! say {
    ($($arg:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($arg)*);
    }};
}

use say;

fn start_logging(settings: &Settings) {
    let filter = EnvFilter::new(&settings.log_level);
    let is_terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let as_text = match settings.log_format {
        LogFormat::Auto => is_terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    if as_text {
        builder.with_ansi(is_terminal).with_target(false).init();
    } else {
        builder.json().flatten_event(true).with_span_list(false).init();
    }
}

async fn serve(settings: &Settings, args: ServeArgs) -> CliResult {
    settings.validate()?;
    start_logging(settings);
    // A panic goes to the log like everything else, and not as lines of its own between lines of JSON.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a panic")));
    let caps = connections::fit_open_files(settings.connection_caps(), settings.database_files());
    let (billing, applied) = app::open_and_migrate(settings, Clock::system()).await?;
    for migration in applied {
        tracing::info!(migration, "the database was migrated");
    }
    if args.seed {
        let loaded = seed::load(&billing, settings.auth == AuthMode::Open).await?;
        let seed::Loaded { plans, rate_cards, wallets } = loaded;
        tracing::info!(plans, rate_cards, wallets, "the sample data is there; these items of it are new");
    }
    if !app::has_default_plan(&billing).await? {
        tracing::warn!("{}", no_default_plan(&billing));
    }
    if settings.auth == AuthMode::Required
        && settings.address().ip().is_loopback()
        && settings.trusted_proxies.is_empty()
    {
        let sentence = "AUTH=required on loopback, and no TRUSTED_PROXIES: behind a proxy all callers seem to share its \
                        address, and with it the limits of one; no login is then marked as encrypted either";
        tracing::warn!("{sentence}");
    }
    let state = app::http_state(settings, billing.clone())?;
    let listener = app::listen(settings.address()).await?;
    let metrics_listener = match settings.metrics_bind {
        Some(address) => Some(app::listen(address).await?),
        None => None,
    };
    let metrics_address = metrics_listener.as_ref().map(tokio::net::TcpListener::local_addr).transpose()?;
    greet(settings, &billing, listener.local_addr()?, metrics_address).await?;
    let limits = ConnectionLimits { caps, ..app::connection_limits(settings) };
    let service = http::routes::service(state.clone());
    if let Some(listener) = metrics_listener {
        let caps = ConnectionCaps { total: METRICS_CONNECTIONS_MAX, per_address: METRICS_CONNECTIONS_MAX };
        let limits = ConnectionLimits { caps, ..app::connection_limits(settings) };
        // It goes on until the process ends: the last minutes are worth watching too.
        tokio::spawn(app::serve(listener, http::routes::metrics_service(state), limits, std::future::pending()));
    }
    let (stop_worker, worker_stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = settings.worker.then(|| {
        // An error means that whoever stops it is gone.
        let stop = async move { drop(worker_stopped.await) };
        tokio::spawn(worker::run(billing.clone(), stop))
    });
    let mut committer_died = false;
    let stop = async {
        tokio::select! {
            () = app::stop_signal() => {}
            () = billing.committer.ended() => committer_died = true,
        }
    };
    let deadline = app::serve(listener, service, limits, stop).await;
    // Writes go on when their callers have gone: charges in line, and others that hold a connection until they end.
    drop(stop_worker);
    let finish = async {
        if let Some(worker) = worker {
            // An error means that it died, and the log says how.
            let _ = worker.await;
        }
        billing.committer.drain().await;
        billing.db.close().await;
    };
    tokio::select! {
        () = finish => tracing::info!("stopped"),
        () = tokio::time::sleep_until(deadline) => tracing::warn!("stopped while the database was busy"),
        () = app::stop_signal() => tracing::warn!("stopped at once"),
    }
    if committer_died {
        return Err("the task that charges messages ended by itself, which it never should; the log says more".into());
    }
    Ok(())
}

/// Prints the addresses a person wants next.
async fn greet(
    settings: &Settings,
    billing: &Billing,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
) -> CliResult {
    let version = storage::db::deployment::version(&mut billing.db.read().await?.conn()).await?;
    let base = format!("http://{}", reachable(address));
    say!("wecall billing {} listens on {base}", env!("CARGO_PKG_VERSION"));
    let first = match settings.auth {
        AuthMode::Open => format!("a wallet   {base}/api/billing/wallet/biz_test_001/"),
        AuthMode::Required => {
            "access     asked for; `create-admin` and `keys create` let people and programs in".to_owned()
        }
    };
    say!("  {first}");
    say!("  the API    {base}/docs/ (OpenAPI: {base}/openapi.json)");
    let metrics = metrics_address.map_or_else(|| base.clone(), |address| format!("http://{}", reachable(address)));
    say!("  health     {base}/healthz, {base}/readyz, {metrics}/metrics");
    say!("  database   {} ({version}), days in {}", settings.database_url, settings.billing_timezone);
    Ok(())
}

/// An address a client on this machine can use.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn seed(settings: &Settings, args: SeedArgs) -> CliResult {
    let (billing, _) = app::open_and_migrate(settings, Clock::system()).await?;
    let with_wallets = settings.auth == AuthMode::Open || args.test_wallets;
    let loaded = seed::load(&billing, with_wallets).await?;
    billing.db.close().await;
    say!(
        "Loaded {} plans, {} rate cards and {} wallets into {}.",
        loaded.plans,
        loaded.rate_cards,
        loaded.wallets,
        settings.database_url
    );
    if loaded == seed::Loaded::default() {
        say!("All of it was there before, or was edited or deleted since, and stays as it is.");
    }
    if !with_wallets {
        say!("The test wallets were left out because of AUTH=required; --test-wallets loads them.");
    }
    Ok(())
}

async fn migrate(settings: &Settings) -> CliResult {
    let (billing, applied) = app::open_and_migrate(settings, Clock::system()).await?;
    billing.db.close().await;
    for migration in &applied {
        say!("applied {migration}");
    }
    say!("{} is up to date.", settings.database_url);
    Ok(())
}

fn openapi() -> CliResult {
    say!("{}", http::openapi::document().to_pretty_json()?);
    Ok(())
}

async fn backup(settings: &Settings, file: &Path) -> CliResult {
    let db = storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Fail).await?;
    storage::db::backup::backup(&db, &settings.database_url, file).await?;
    db.close().await;
    say!("{} was copied to {}.", settings.database_url, file.display());
    Ok(())
}

/// Checks the settings, the database and the jobs, and prints each result; fails if one is wrong.
async fn check(settings: &Settings) -> CliResult {
    let mut problems = Vec::new();
    match settings.validate() {
        Ok(()) => say!("ok       settings: listens on {}, AUTH={}", settings.address(), settings.auth),
        Err(problem) => problems.push(problem),
    }
    match settings.seller_logo() {
        Ok(_) if settings.platform().is_none() => {
            say!("ok       seller: no details, so invoices name none (SELLER_NAME)");
        }
        Ok(_) => say!("ok       seller: details and logo can be shown"),
        Err(error) => problems.push(error.to_string()),
    }
    match app::providers(settings, &Clock::system()) {
        Ok(providers) => {
            let names: Vec<_> = providers.names().map(ToString::to_string).collect();
            let names = if names.is_empty() { "none; only admins top up".to_owned() } else { names.join(", ") };
            say!("ok       payment providers: {names}");
        }
        // What is wrong with them the settings have told already.
        Err(error) if problems.is_empty() => problems.push(error.to_string()),
        Err(_) => {}
    }
    match storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Fail).await {
        Ok(db) => {
            if let Ok(billing) = app::billing(settings, db.clone(), Clock::system()) {
                check_database(settings, billing, &mut problems).await?;
            }
            db.close().await;
        }
        Err(error) => problems.push(error.to_string()),
    }
    for problem in &problems {
        say!("problem  {problem}");
    }
    problems_found(problems.len() as u64)
}

/// Runs all checks on the data and prints each result; fails if one fails.
async fn reconcile(settings: &Settings) -> CliResult {
    let db = storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Fail).await?;
    let pending = storage::db::migrations::pending(&db).await?;
    if !pending.is_empty() {
        return Err(not_migrated(&pending).into());
    }
    let progress = |what: &str| {
        let _ = writeln!(std::io::stderr(), "checking {what}");
    };
    let report = services::operations::reconcile::reconcile(&db, settings.billing_timezone, &progress).await?;
    db.close().await;
    for (check, finding) in report.findings() {
        let name = check.name();
        match finding.problems {
            0 => say!("ok       {name}: {} ({} rows)", check.promise(), finding.rows),
            problems => {
                for problem in &finding.told {
                    say!("problem  {name}: {problem}");
                }
                let more = problems - finding.told.len() as u64;
                if more > 0 {
                    say!("problem  {name}: and {more} more");
                }
            }
        }
    }
    problems_found(report.problems())
}

fn problems_found(count: u64) -> CliResult {
    match count {
        0 => Ok(()),
        1 => Err("1 problem was found".into()),
        count => Err(format!("{count} problems were found").into()),
    }
}

fn not_migrated(pending: &[String]) -> String {
    format!("migrations not applied yet: {}; run `migrate` or `serve`", pending.join(", "))
}

async fn check_database(settings: &Settings, billing: Billing, problems: &mut Vec<String>) -> CliResult {
    let pending = match storage::db::migrations::pending(&billing.db).await {
        Ok(pending) => pending,
        Err(error) => {
            problems.push(error.to_string());
            return Ok(());
        }
    };
    let mut reader = billing.db.read().await?;
    let version = storage::db::deployment::version(&mut reader.conn()).await?;
    say!("ok       database: {} ({version})", settings.database_url);
    if !pending.is_empty() {
        problems.push(not_migrated(&pending));
        return Ok(());
    }
    say!("ok       tables: up to date");
    let zone = settings.billing_timezone.name();
    match storage::db::deployment::timezone(&mut reader.conn()).await? {
        Some(fixed) if fixed != zone => problems.push(storage::db::migrations::other_timezone(&fixed, zone)),
        _ => say!("ok       billing time zone: {zone}"),
    }
    drop(reader);
    match app::has_default_plan(&billing).await {
        Ok(false) => problems.push(no_default_plan(&billing)),
        Ok(true) => say!("ok       default plan: {}", billing.terms.plan_name),
        Err(error) => problems.push(error.to_string()),
    }
    check_jobs(&billing, problems).await
}

/// How late a job may start before something is wrong with the workers.
const JOB_DELAY_MAX_SECONDS: i64 = 15 * 60;

/// Checks that scheduled jobs run, and succeed.
async fn check_jobs(billing: &Billing, problems: &mut Vec<String>) -> CliResult {
    let counts = services::operations::jobs::counts(billing).await?;
    let now = billing.clock.now();
    let sound = problems.len();
    for JobCounts { kind, waiting, due, failing, oldest_due, last_error } in &counts {
        if let Some(oldest) = oldest_due.filter(|oldest| oldest.plus_seconds(JOB_DELAY_MAX_SECONDS) < now) {
            problems.push(format!(
                "scheduled work: {due} of {waiting} of kind {kind} are due, the oldest since {oldest}; is a server with \
                 WORKER=true running?"
            ));
        }
        if let Some(error) = last_error {
            problems.push(format!("scheduled work: {failing} of kind {kind} failed and are tried again: {error}"));
        }
    }
    if problems.len() == sound {
        let waiting: i64 = counts.iter().map(|counts| counts.waiting).sum();
        say!("ok       scheduled work: {waiting} waiting, none late or failing");
    }
    Ok(())
}

fn no_default_plan(billing: &Billing) -> String {
    let name = &billing.terms.plan_name;
    format!("there is no plan {name}, which DEFAULT_PLAN names: new wallets get none; `seed` loads the sample plans")
}

async fn healthcheck(address: SocketAddr) -> CliResult {
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
