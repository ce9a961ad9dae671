//! Starts the server from its settings, serves, and stops in order at a signal.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use crate::clock::Clock;
use crate::config::Settings;
use crate::config::payment_providers::ProviderSetting;
use crate::connections::{ConnectionCaps, ConnectionSlot, Connections};
use crate::domain::prices::plans::PlanType;
use crate::domain::values::time::BillingCalendar;
use crate::domain::wallets::OpeningTerms;
use crate::domain::wallets::watch::WatchRules;
use crate::error::{Error, Result};
use crate::http;
use crate::http::edge::answer::documents::Documents;
use crate::http::edge::answer::export_slots::ExportSlots;
use crate::http::edge::answer::metrics::Metrics;
use crate::http::edge::ask::body_budget::BodyBudget;
use crate::http::edge::ask::head_limits;
use crate::http::edge::layers::Service;
use crate::http::edge::who::auth::PeerAddress;
use crate::http::edge::who::client_address::TrustedProxies;
use crate::http::edge::who::failed_credentials::FailedCredentials;
use crate::http::edge::who::rate_limits::RateLimits;
use crate::http::openapi;
use crate::http::state::{AppState, HttpState};
use crate::outbound::Outbound;
use crate::services::access::passwords::Passwords;
use crate::services::access::presented::Credentials;
use crate::services::charges::batch::context::BatchContext;
use crate::services::charges::committer::Committer;
use crate::services::payments::providers::{Endpoint, HttpProvider, Provider, Providers};
use crate::services::prices::book::LivePriceBook;
use crate::services::rules::Rules;
use crate::services::wallets::reads::WalletReads;
use crate::services::{Billing, Live};
use crate::storage;
use crate::storage::db::Db;
use crate::storage::db::open::IfMissing;

/// How long a client may leave an answer unread before its connection is closed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause of the accept loop when it cannot accept, as when all file descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The state of the use cases, by the settings.
///
/// # Errors
/// [`Error::Setup`] where the system gives no random bytes.
pub fn billing(settings: &Settings, db: Db, clock: Clock) -> Result<Billing> {
    let rules = Arc::new(Rules {
        calendar: BillingCalendar::new(settings.billing_timezone),
        terms: OpeningTerms { currency: settings.default_currency, plan_name: settings.default_plan.clone() },
        watch: WatchRules { low_balance_threshold: settings.low_balance_threshold },
        platform: settings.platform(),
        tax_rates: settings.tax_rates.clone(),
        session_hours: settings.session_hours,
    });
    let prices = LivePriceBook::start(db.clone(), rules.calendar);
    let context = BatchContext { db: db.clone(), clock: clock.clone(), rules: rules.clone(), prices: prices.clone() };
    let live = Live {
        providers: providers(settings, &clock)?,
        wallet_reads: WalletReads::start(db.clone()),
        credentials: Credentials::start(db.clone()),
        passwords: Passwords::default(),
        sealer: settings.sealer()?,
        outbound: Outbound::new(settings.webhooks_allow_private)?,
        committer: Committer::start(context, settings.charge_queue),
        prices,
    };
    Ok(Billing { db, clock, rules, live: Arc::new(live) })
}

/// The payment providers, by the settings.
///
/// # Errors
/// [`Error::Setup`] where a provider has no secret, or no HTTP client can be made.
pub fn providers(settings: &Settings, clock: &Clock) -> Result<Providers> {
    let mut providers = Vec::new();
    for setting in settings.providers() {
        let name = setting.name().map_err(Error::Setup)?;
        let provider = match setting {
            ProviderSetting::Simulated => Provider::Simulated,
            ProviderSetting::Adapter { name, url } => {
                let secret = settings.payment_secrets.iter().find(|secret| secret.name == name);
                let secret = secret.ok_or_else(|| Error::Setup(format!("PAYMENT_SECRETS has none for {name}")))?;
                let base = settings.payment_confirm_base.as_ref().map(|base| base.as_str().trim_end_matches('/'));
                let confirm_url = base.map(|base| format!("{base}/api/billing/payments/{name}/confirmations/"));
                let endpoint = Endpoint { name, url, secret: secret.secret.clone(), confirm_url };
                Provider::Http(HttpProvider::new(endpoint, clock.clone())?)
            }
        };
        providers.push((name, provider));
    }
    let first = providers.first().map(|(name, _)| name.clone());
    Ok(Providers::new(providers, settings.payment_default_provider.clone().or(first)))
}

/// Opens the database, applies missing migrations and fixes its time zone; returns the migrations' names.
///
/// # Errors
/// [`Error::Setup`] with a sentence on the obstacle.
pub async fn open_and_migrate(settings: &Settings, clock: Clock) -> Result<(Billing, Vec<String>)> {
    let db = storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Create).await?;
    let applied = storage::db::migrations::migrate(&db).await?;
    storage::db::migrations::fix_timezone(&db, settings.billing_timezone.name(), clock.now()).await?;
    let billing = billing(settings, db, clock)?;
    billing.live.prices.refresh().await?;
    Ok((billing, applied))
}

/// Whether the plan of new wallets exists. It must be prepaid; where it does not exist, new wallets have no plan until
/// it is created.
///
/// # Errors
/// [`Error::Setup`] where the plan is postpaid.
pub async fn has_default_plan(billing: &Billing) -> Result<bool> {
    let name = &billing.rules.terms.plan_name;
    match storage::prices::plans::find_type_by_name(&mut billing.db.read().await?.conn(), name).await? {
        Some(PlanType::Prepaid) => Ok(true),
        Some(PlanType::Postpaid) => {
            Err(Error::Setup(format!("DEFAULT_PLAN is {name}, which is POSTPAID; new wallets need a PREPAID plan")))
        }
        None => Ok(false),
    }
}

/// The HTTP service over an open database.
///
/// # Errors
/// Those of [`http_state`].
pub fn http_service(settings: &Settings, billing: Billing) -> Result<Service> {
    Ok(http::routes::service(http_state(settings, billing)?))
}

/// The state that the HTTP services of a server share.
///
/// # Errors
/// Those of [`Settings::seller_logo`].
pub fn http_state(settings: &Settings, billing: Billing) -> Result<AppState> {
    let header = |origin: &str| HeaderValue::from_str(origin).ok();
    Ok(Arc::new(HttpState {
        metrics: Metrics::new(billing.live.committer.counts()),
        billing,
        auth: settings.auth,
        cors_origins: settings.cors_origins.iter().filter_map(|origin| header(origin.as_str())).collect(),
        allowed_hosts: settings.allowed_hosts.iter().map(|host| host.as_str().to_owned()).collect(),
        limits: settings.limits(),
        trusted_proxies: settings.trusted_proxies(),
        rate_limits: RateLimits::new(settings.rate_limits()),
        failed_credentials: FailedCredentials::new(settings.rate_limit_failures),
        logins: FailedCredentials::new(settings.rate_limit_failures),
        body_budget: BodyBudget::default(),
        exports: ExportSlots::default(),
        documents: Documents::new(settings.seller_logo()?),
        openapi: LazyLock::new(openapi::json),
        serves_metrics: settings.metrics_bind.is_none(),
    }))
}

/// Binds the listener.
///
/// # Errors
/// [`Error::Setup`] with a sentence, as where the port is in use.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; another program listens there: stop it or choose another PORT",
            std::io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege: choose a higher PORT",
            std::io::ErrorKind::AddrNotAvailable => "; this machine has no such address: check BIND",
            _ => "",
        };
        Error::Setup(format!("cannot listen on {address}: {error}{hint}"))
    })
}

/// The limits of the accept loop.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    pub caps: ConnectionCaps,
    /// Proxies, whose connections carry everybody's requests.
    pub trusted_proxies: TrustedProxies,
    /// The time for a connection to send a request's head, idle time included.
    pub header_timeout: Duration,
    /// The time for accepted requests to end after the stop signal.
    pub shutdown_timeout: Duration,
}

/// The limits of the accept loop, by the settings.
pub fn connection_limits(settings: &Settings) -> ConnectionLimits {
    ConnectionLimits {
        caps: settings.connection_caps(),
        trusted_proxies: settings.trusted_proxies(),
        header_timeout: settings.header_timeout_seconds.duration(),
        shutdown_timeout: settings.shutdown_timeout_seconds.duration(),
    }
}

/// Serves until `stop` ends; then finishes accepted requests, for at most the shutdown timeout. Returns when that time
/// is up, for anything else that must finish within it.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    limits: ConnectionLimits,
    stop: impl Future<Output = ()>,
) -> Instant {
    let graceful = GracefulShutdown::new();
    let mut server = hyper::server::conn::http1::Builder::new();
    // axum's own loop sets no timer, so a connection that never ends its head would stay for ever.
    server.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    server.max_buf_size(head_limits::BUFFER_BYTES_MAX);
    let mut connections = Connections::new(limits.caps, limits.trusted_proxies);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => match connections.admit(peer.ip()) {
                Ok(place) => accept(stream, peer, place, &server, &service, &graceful),
                Err(full) => connections.refuse(stream, full),
            },
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let deadline = Instant::now() + limits.shutdown_timeout;
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep_until(deadline) => tracing::warn!("some requests did not end in time"),
        () = stop_signal() => {
            tracing::warn!("told to stop again: breaking off what is under way");
            return Instant::now();
        }
    }
    deadline
}

fn accept(
    stream: TcpStream,
    peer: SocketAddr,
    place: ConnectionSlot,
    server: &hyper::server::conn::http1::Builder,
    service: &Service,
    graceful: &GracefulShutdown,
) {
    // Answers are written whole, so waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    // A client that does not read its answer keeps it in memory, and its place.
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let service = service.clone();
    let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(PeerAddress(peer));
        service.clone().oneshot(request)
    });
    let connection = graceful.watch(server.serve_connection(TokioIo::new(Box::pin(stream)), answer));
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        // Its socket is closed by now: there are never more of them than places.
        drop(place);
    });
}

/// Ends at SIGTERM or SIGINT (Ctrl-C).
pub async fn stop_signal() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(error) => {
            tracing::error!(%error, "cannot listen for SIGTERM");
            return std::future::pending().await;
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("told to stop");
}
