//! Runs `serve`: opens the database, starts worker and listeners, stops at a signal.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;

use tracing_subscriber::EnvFilter;

use super::output::{CliResult, no_default_plan, reachable, say};
use crate::app::{self, ConnectionLimits};
use crate::clock::Clock;
use crate::config::Settings;
use crate::config::command_line::ServeArgs;
use crate::config::settings::LogFormat;
use crate::connections::{self, ConnectionCaps};
use crate::http::edge::who::auth_mode::AuthMode;
use crate::services::Billing;
use crate::{http, seed, storage, worker};

/// The most connections of the metrics listener.
const METRICS_CONNECTIONS_MAX: u32 = 64;

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

pub(super) async fn serve(settings: &Settings, args: ServeArgs) -> CliResult {
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
        // An error means that the sender is gone.
        let stop = async move { drop(worker_stopped.await) };
        tokio::spawn(worker::run(billing.clone(), stop))
    });
    let mut committer_died = false;
    let stop = async {
        tokio::select! {
            () = app::stop_signal() => {}
            () = billing.live.committer.ended() => committer_died = true,
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
        billing.live.committer.drain().await;
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
