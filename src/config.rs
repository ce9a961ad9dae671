//! Reads the settings: flags, environment variables, defaults.
//! `.env` in the working directory is read too; the environment wins over it, and a flag over both.

use std::fmt;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{BoolishValueParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::connections::ConnectionCaps;
use crate::documents::Logo;
use crate::domain::access::rights::Role;
use crate::domain::invoices::parties::Party;
use crate::domain::invoices::tax::TaxRates;
use crate::domain::payments::ProviderName;
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::secrets::Sealer;
use crate::domain::values::sid::{BusinessSid, KeySid};
use crate::domain::values::text::{Address, BusinessName, Email, TaxId, Title};
use crate::domain::values::time::CalendarMonth;
use crate::error::Error;
use crate::http::edge::who::auth::AuthMode;
use crate::http::edge::who::client_address::{TrustedNetwork, TrustedProxies};
use crate::http::edge::who::rate_limits::RateLimitSettings;
use crate::http::state::Limits;
use crate::payment_settings::{ProviderSetting, SecretSetting, SimulatedPayments, parse_url};
use crate::storage::db::open::{DatabaseUrl, PoolSettings};

const DEFAULT_PORT: u16 = 8_000;

/// The billing server of an SMS gateway: wallets, prices, usage and invoices over REST.
#[derive(Debug, Parser)]
#[command(name = "wecall-billing", version, max_term_width = 110)]
#[command(after_help = "Without a command it serves. Every setting is also read from the environment and from a file \
                        .env in the working directory; a flag wins over the environment, the environment over .env.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Migrate the database and serve (the default)
    Serve(ServeArgs),
    /// Load the sample data: 3 plans, 17 rate cards, 2 wallets; again changes nothing
    Seed(SeedArgs),
    /// Bring the database's tables up to this version
    Migrate,
    /// Print the OpenAPI document
    Openapi,
    /// Check the settings and the database, and say what is wrong
    Check,
    /// Check that all the money and all the counts in the database agree, also while the server runs
    Reconcile,
    /// Close a month: give its invoices their numbers, also while the server runs. The server does so by itself 72 hours
    /// after a month's end
    CloseMonth(CloseMonthArgs),
    /// Write a consistent copy of the database, also while the server runs
    Backup {
        /// The file to write; it must not exist yet
        file: PathBuf,
    },
    /// Make a user who may do everything; the password is asked for
    CreateAdmin(CreateAdminArgs),
    /// Make, list, rotate and revoke API keys
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Ask a running server whether it is alive (for a container's health check)
    Healthcheck,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct ServeArgs {
    /// Load the sample data first
    #[arg(long)]
    pub seed: bool,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct CloseMonthArgs {
    /// The month, such as 2026-02 [default: the last one]
    pub month: Option<CalendarMonth>,
    /// Close it even before the 72 hours after its end are over
    #[arg(long)]
    pub now: bool,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct SeedArgs {
    /// Load the two test wallets even with AUTH=required
    #[arg(long)]
    pub test_wallets: bool,
}

#[derive(Clone, Debug, Args)]
pub struct CreateAdminArgs {
    /// The e-mail address to log in with
    #[arg(long)]
    pub email: Email,
    /// What to call them
    #[arg(long, default_value = "Admin")]
    pub name: Title,
    /// Read the password from standard input, a line; else it is taken from ADMIN_PASSWORD, or asked for
    #[arg(long)]
    pub password_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a key; its secret alone is printed to standard output, this once
    Create(CreateKeyArgs),
    /// List keys, newest first
    List {
        /// Only those of this business
        #[arg(long)]
        business: Option<BusinessSid>,
    },
    /// Give a key a new secret
    Rotate {
        /// The key, such as key_019abc34…
        key: KeySid,
        /// For how many seconds the old secret works beside the new one, up to a week
        #[arg(long, default_value_t = 0, value_name = "SECONDS")]
        overlap_seconds: i64,
    },
    /// End a key for good
    Revoke {
        /// The key, such as key_019abc34…
        key: KeySid,
    },
}

#[derive(Clone, Debug, Args)]
pub struct CreateKeyArgs {
    /// What the key is to do: client and reseller act for a business, gateway charges messages, admin does everything
    #[arg(long)]
    pub role: Role,
    /// What to call it
    #[arg(long)]
    pub name: Title,
    /// The business of a client or reseller key
    #[arg(long)]
    pub business: Option<BusinessSid>,
    /// The businesses a gateway key is for, separated by commas [default: all]
    #[arg(long, value_delimiter = ',', value_name = "BUSINESSES")]
    pub only: Vec<BusinessSid>,
    /// End it after so many days
    #[arg(long, value_name = "DAYS", value_parser = |text: &str| parse_between(text, 1_u32..=3_650))]
    pub expires_in_days: Option<u32>,
    /// A key that reads and quotes, and changes nothing (sk_test_…)
    #[arg(long)]
    pub test: bool,
}

#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// Where the data is: sqlite://PATH or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, global = true, default_value = "sqlite://billing.db", hide_env_values = true, value_name = "URL")]
    pub database_url: DatabaseUrl,

    /// The address to listen on, with or without a port [default: 127.0.0.1:8000]
    #[arg(long, env, global = true, value_name = "ADDRESS")]
    pub bind: Option<BindAddress>,

    /// The port to listen on; without BIND it means all addresses (0.0.0.0)
    #[arg(long, env, global = true, value_parser = |text: &str| parse_between(text, 0..=u16::MAX))]
    pub port: Option<u16>,

    /// An address and port of their own for /metrics, such as 127.0.0.1:9100; it asks nobody for credentials there, and is
    /// not served at the other address
    #[arg(long, env, global = true, value_name = "ADDRESS", value_parser = parse_metrics_address)]
    pub metrics_bind: Option<SocketAddr>,

    /// `open` asks nobody for credentials and listens on this machine only; `required` asks everybody
    #[arg(long, env, global = true, value_enum, default_value_t = AuthMode::Open, value_name = "MODE")]
    pub auth: AuthMode,

    /// Let AUTH=open listen on addresses that others can reach: anyone who does may read everything, charge and top up
    #[arg(long, env, global = true, default_value = "false", value_parser = parse_flag,
          action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub auth_open_anywhere: bool,

    /// What secrets are sealed with that must be read back from the database: 32 characters or more, random; needed with
    /// AUTH=required
    #[arg(long, env, global = true, hide_env_values = true, value_name = "SECRET")]
    pub secret_key: Option<SecretKey>,

    /// How many hours a login lasts
    #[arg(long, env, global = true, default_value_t = 12, value_name = "HOURS", value_parser = |text: &str| parse_between(text, 1_u16..=720))]
    pub session_hours: u16,

    /// The origins whose web pages may call this server, separated by commas
    #[arg(
        long,
        env,
        global = true,
        value_delimiter = ',',
        default_value = "http://localhost:3000",
        value_name = "ORIGINS"
    )]
    pub cors_origins: Vec<Origin>,

    /// The host names this server goes by, separated by commas; requests to others are refused [default: any]
    #[arg(long, env, global = true, value_delimiter = ',', value_name = "HOSTS")]
    pub allowed_hosts: Vec<HostName>,

    /// The proxies whose X-Forwarded-For and X-Forwarded-Proto count: addresses or networks (10.0.0.0/8), separated by commas
    #[arg(long, env, global = true, value_delimiter = ',', value_name = "NETWORKS")]
    pub trusted_proxies: Vec<TrustedNetwork>,

    /// The time zone of billing days and months (an IANA name); fixed when a database is first used
    #[arg(long, env, global = true, default_value = "UTC", value_name = "ZONE", value_parser = parse_zone)]
    pub billing_timezone: chrono_tz::Tz,

    /// The currency of new wallets (ISO 4217)
    #[arg(long, env, global = true, default_value = "USD", value_name = "CODE")]
    pub default_currency: Currency,

    /// The name of the plan new wallets get, which must be a prepaid one
    #[arg(long, env, global = true, default_value = "Starter", value_name = "NAME")]
    pub default_plan: String,

    /// Under which balance to warn, of wallets that have no threshold of their own; 0 warns only when all is used up
    #[arg(long, env, global = true, default_value = "10", value_name = "AMOUNT", value_parser = parse_threshold)]
    pub low_balance_threshold: Money,
    /// Who sells, as invoices name them; a client of a reseller's is billed by its reseller
    #[arg(long, env, global = true, value_name = "NAME")]
    pub seller_name: Option<BusinessName>,

    /// The seller's address on invoices, on one line
    #[arg(long, env, global = true, value_name = "ADDRESS")]
    pub seller_address: Option<Address>,

    /// The seller's country (ISO 3166-1 alpha-2)
    #[arg(long, env, global = true, value_name = "CODE")]
    pub seller_country: Option<CountryCode>,

    /// What the tax authority knows the seller by
    #[arg(long, env, global = true, value_name = "ID")]
    pub seller_tax_id: Option<TaxId>,

    /// The seller's e-mail address on invoices
    #[arg(long, env, global = true, value_name = "EMAIL")]
    pub seller_email: Option<Email>,

    /// The seller's logo on invoices: a PNG of at most 1 MB, read at start
    #[arg(long, env, global = true, value_name = "FILE")]
    pub seller_logo: Option<PathBuf>,

    /// The tax on invoices by the country of the business, in percent with at most two decimals, such as KE:16,UG:18
    /// [default: none]
    #[arg(long, env, global = true, default_value = "", hide_default_value = true, value_name = "RATES")]
    pub tax_rates: TaxRates,

    /// Who is asked for top-ups, separated by commas: NAME=URL of an adapter each; `simulated` is the one for development,
    /// whose money is nobody's [default: simulated with AUTH=open, none with AUTH=required]
    #[arg(long, env, global = true, value_delimiter = ',', value_name = "PROVIDERS")]
    pub payment_providers: Vec<ProviderSetting>,

    /// What each of them and this server sign with, separated by commas: NAME=SECRET
    #[arg(long, env, global = true, value_delimiter = ',', hide_env_values = true, value_name = "SECRETS")]
    pub payment_secrets: Vec<SecretSetting>,

    /// Which of them is asked where nobody says [default: the first]
    #[arg(long, env, global = true, value_name = "NAME")]
    pub payment_default_provider: Option<ProviderName>,

    /// The address under which providers reach this server, such as https://billing.example.com: it tells them where to
    /// confirm
    #[arg(long, env, global = true, value_name = "URL", value_parser = parse_url)]
    pub payment_confirm_base: Option<url::Url>,

    /// Whether AUTH=required takes the `simulated` provider: with it whoever may top up makes money
    #[arg(long, env, global = true, value_enum, default_value_t = SimulatedPayments::Refuse, value_name = "WORD")]
    pub payments_simulated: SimulatedPayments,

    /// How to log: `auto` is text in a terminal and JSON elsewhere
    #[arg(long, env, global = true, value_enum, default_value_t = LogFormat::Auto, value_name = "FORMAT")]
    pub log_format: LogFormat,

    /// What to log: error, warn, info, debug or trace, or a filter such as `info,sqlx=debug`
    #[arg(long, env, global = true, default_value = "info", value_name = "FILTER", value_parser = parse_log_filter)]
    pub log_level: String,

    /// How many connections read from a SQLite file at once (one more writes)
    #[arg(long, env, global = true, default_value_t = 4, value_name = "N", value_parser = |text: &str| parse_between(text, 1_u32..=64))]
    pub sqlite_readers: u32,

    /// How many connections to Postgres at most
    #[arg(long, env, global = true, default_value_t = 16, value_name = "N", value_parser = |text: &str| parse_between(text, 1_u32..=1000))]
    pub postgres_connections: u32,

    /// How long a request waits for a database connection
    #[arg(long, env, global = true, default_value_t = Seconds(5), value_name = "SECONDS")]
    pub database_timeout_seconds: Seconds,

    /// How many messages may wait to be charged; more are answered 503
    #[arg(long, env, global = true, default_value_t = 20_000, value_name = "N", value_parser = |text: &str| parse_between(text, 1_000_usize..=1_000_000))]
    pub charge_queue: usize,

    /// The largest request body, in bytes
    #[arg(long, env, global = true, default_value_t = 1_048_576, value_name = "BYTES", value_parser = |text: &str| parse_between(text, 1_024_u32..=67_108_864))]
    pub max_body_bytes: u32,

    /// How long a request's body may take to arrive
    #[arg(long, env, global = true, default_value_t = Seconds(10), value_name = "SECONDS")]
    pub body_timeout_seconds: Seconds,

    /// How long a request may take in all
    #[arg(long, env, global = true, default_value_t = Seconds(30), value_name = "SECONDS")]
    pub request_timeout_seconds: Seconds,

    /// How long a connection may take to send a request's head, idle time before it included
    #[arg(long, env, global = true, default_value_t = Seconds(60), value_name = "SECONDS")]
    pub header_timeout_seconds: Seconds,

    /// How many connections may be open at once; more are answered 503
    #[arg(long, env, global = true, default_value_t = 4_096, value_name = "N", value_parser = |text: &str| parse_between(text, 1_u32..=1_000_000))]
    pub max_connections: u32,

    /// How many of them from one address; more are answered 429
    #[arg(long, env, global = true, default_value_t = 256, value_name = "N", value_parser = |text: &str| parse_between(text, 1_u32..=1_000_000))]
    pub max_connections_per_address: u32,

    /// How many requests a key or user of a client may make in a minute; 0 is no limit
    #[arg(long, env, global = true, default_value_t = 600, value_name = "N", value_parser = parse_rate)]
    pub rate_limit_client: u32,

    /// How many requests a key or user of a reseller may make in a minute; 0 is no limit
    #[arg(long, env, global = true, default_value_t = 1_200, value_name = "N", value_parser = parse_rate)]
    pub rate_limit_reseller: u32,

    /// How many requests a key or user of an admin may make in a minute; 0 is no limit
    #[arg(long, env, global = true, default_value_t = 1_200, value_name = "N", value_parser = parse_rate)]
    pub rate_limit_admin: u32,

    /// How many requests a gateway's key may make in a minute; 0 is no limit
    #[arg(long, env, global = true, default_value_t = 0, value_name = "N", value_parser = parse_rate)]
    pub rate_limit_gateway: u32,

    /// How many requests all callers at one address may make in a minute, gateways apart; 0 is no limit
    #[arg(long, env, global = true, default_value_t = 3_000, value_name = "N", value_parser = parse_rate)]
    pub rate_limit_address: u32,

    /// How many wrong keys and passwords may come from one address in a minute; 0 is no limit
    #[arg(long, env, global = true, default_value_t = 60, value_name = "N", value_parser = parse_rate)]
    pub rate_limit_failures: u32,

    /// Do scheduled work in this server: payments, webhooks, the close of months. Of several servers on one database at
    /// least one has to
    #[arg(long, env, global = true, default_value = "true", value_parser = parse_flag,
          action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub worker: bool,

    /// Let webhooks lead into private networks and to this machine, and begin with http://: for development, and where all
    /// who may make webhooks may reach whatever this server reaches
    #[arg(long, env, global = true, default_value = "false", value_parser = parse_flag,
          action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub webhooks_allow_private: bool,

    /// How long to finish accepted requests for when the server is told to stop
    #[arg(long, env, global = true, default_value_t = Seconds(30), value_name = "SECONDS")]
    pub shutdown_timeout_seconds: Seconds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text in a terminal, JSON elsewhere
    Auto,
    Text,
    Json,
}

/// A duration of 1 second to 1 hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(u32);

impl Seconds {
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seconds, String> {
        parse_between(text, 1..=3_600).map(Seconds)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An IP address with or without a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindAddress {
    ip: IpAddr,
    port: Option<u16>,
}

impl FromStr for BindAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<BindAddress, String> {
        let address = match text.split_once(':') {
            Some(("localhost", port)) => format!("127.0.0.1:{port}"),
            None if text == "localhost" => "127.0.0.1".to_owned(),
            _ => text.to_owned(),
        };
        if let Ok(socket) = address.parse::<SocketAddr>() {
            return Ok(BindAddress { ip: socket.ip(), port: Some(socket.port()) });
        }
        let bracketed = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let ip = bracketed.unwrap_or(&address).parse();
        ip.map(|ip| BindAddress { ip, port: None }).map_err(|_| {
            "must be an IP address, with or without a port, such as 127.0.0.1:8000 or [::]:8000".to_owned()
        })
    }
}

/// The origin of a web page: scheme, host, and a port where it is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Origin, String> {
        let text = text.trim();
        let origin = url::Url::parse(text).ok().map(|url| url.origin()).filter(url::Origin::is_tuple);
        // `*` is no origin on purpose: any page a person visits could then move money.
        match origin.map(|origin| origin.ascii_serialization()) {
            Some(origin) if origin == text.trim_end_matches('/').to_ascii_lowercase() => Ok(Origin(origin)),
            _ => Err("must be a list of origins such as http://localhost:3000,https://app.example.com".to_owned()),
        }
    }
}

/// A secret that is hard to guess. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl FromStr for SecretKey {
    type Err = String;

    fn from_str(text: &str) -> Result<SecretKey, String> {
        let is_one_sign = text.bytes().all(|byte| Some(&byte) == text.as_bytes().first());
        if text.len() >= 32 && !is_one_sign {
            Ok(SecretKey(text.to_owned()))
        } else {
            Err("must be at least 32 random characters, such as `openssl rand -base64 32` prints".to_owned())
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

fn parse_metrics_address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || "must be an IP address with a port, such as 127.0.0.1:9100".to_owned();
    let address: BindAddress = text.parse().map_err(|_| wrong())?;
    Ok(SocketAddr::new(address.ip, address.port.ok_or_else(wrong)?))
}

fn parse_threshold(text: &str) -> Result<Money, String> {
    let amount = Money::parse(text).map_err(|problem| problem.to_string())?;
    if amount.is_negative() { Err("must be 0 or more".to_owned()) } else { Ok(amount) }
}

fn parse_zone(text: &str) -> Result<chrono_tz::Tz, String> {
    text.parse().map_err(|_| "must be an IANA time zone such as UTC or Africa/Nairobi".to_owned())
}

fn parse_log_filter(text: &str) -> Result<String, String> {
    let is_level = |word: &str| word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    // A bare word that is no level would be taken for the name of a module, and everything else would fall silent.
    let is_known = text.split(',').all(|part| part.contains('=') || is_level(part.trim()));
    match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) if is_known => Ok(text.to_owned()),
        _ => Err("must be off, error, warn, info, debug or trace, or a filter such as info,sqlx=debug".to_owned()),
    }
}

/// A host name or address as in a `Host` header, without the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<HostName, String> {
        let name = text.trim().to_lowercase();
        let authority = name.parse::<axum::http::uri::Authority>().ok();
        let is_bare = authority.is_some_and(|authority| authority.host() == name && authority.port().is_none());
        let names = "must be a list of host names without scheme and port, such as billing.example.com,10.0.0.7";
        is_bare.then_some(HostName(name)).ok_or_else(|| names.to_owned())
    }
}

/// Parses a whole number between two bounds, with a sentence on the bounds where it is none.
fn parse_between<T>(text: &str, bounds: std::ops::RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + fmt::Display,
{
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.ok_or_else(|| format!("must be a whole number from {} to {}", bounds.start(), bounds.end()))
}

fn parse_rate(text: &str) -> Result<u32, String> {
    parse_between(text, 0..=1_000_000)
}

fn parse_flag(text: &str) -> Result<bool, String> {
    BoolishValueParser::new()
        .parse_ref(&clap::Command::new(""), None, text.as_ref())
        .map_err(|_| "must be true or false".to_owned())
}

/// Reads at most one byte more than a logo may have, whatever the file is.
fn read_logo(path: &Path) -> crate::error::Result<Logo> {
    let setup = |problem: String| {
        Error::Setup(format!("SELLER_LOGO: {} {problem}; give the path of a PNG of at most 1 MB", path.display()))
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| setup(format!("cannot be opened ({error})")))?;
    let read = file.take(Logo::BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| setup(format!("cannot be read ({error})")))?;
    Logo::new(bytes).map_err(setup)
}

impl Settings {
    /// The address to listen on: `BIND`, whose own port wins over `PORT`; `PORT` alone means every address.
    pub fn address(&self) -> SocketAddr {
        match (self.bind, self.port) {
            (Some(bind), port) => SocketAddr::new(bind.ip, bind.port.or(port).unwrap_or(DEFAULT_PORT)),
            (None, Some(port)) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
            (None, None) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DEFAULT_PORT),
        }
    }

    /// Checks the rules that concern more than one setting.
    ///
    /// # Errors
    /// A sentence that names the settings and the ways out.
    pub fn validate(&self) -> Result<(), String> {
        let address = self.address();
        if self.auth == AuthMode::Required && self.secret_key.is_none() {
            let hint = "such as `openssl rand -base64 32` prints; keep it, but not beside the database";
            return Err(format!("AUTH=required needs a SECRET_KEY of at least 32 random characters, {hint}"));
        }
        if self.auth == AuthMode::Open && !self.auth_open_anywhere && !address.ip().is_loopback() {
            return Err(format!(
                "AUTH=open asks nobody for credentials, so it does not listen on {address}, which others may reach: set \
                 AUTH=required, or AUTH_OPEN_ANYWHERE=true if everybody who reaches it may read everything, charge and top up"
            ));
        }
        self.validate_payments()
    }

    fn validate_payments(&self) -> Result<(), String> {
        let mut names = Vec::new();
        for provider in self.providers() {
            let name = provider.name()?;
            if names.contains(&name) {
                return Err(format!("PAYMENT_PROVIDERS names {name} twice"));
            }
            let has_secret = self.payment_secrets.iter().filter(|secret| secret.name == name).count();
            match provider {
                ProviderSetting::Simulated if self.simulates_too_much() => {
                    return Err(
                        "PAYMENT_PROVIDERS has `simulated`, whose money is nobody's, and AUTH=required asks for \
                                credentials: name your providers, or set PAYMENTS_SIMULATED=allow if this is no server \
                                for real money"
                            .to_owned(),
                    );
                }
                ProviderSetting::Adapter { .. } if has_secret == 0 => {
                    return Err(format!(
                        "PAYMENT_SECRETS has none for {name}, which PAYMENT_PROVIDERS names: add {name}=…"
                    ));
                }
                _ if has_secret > 1 => return Err(format!("PAYMENT_SECRETS names {name} twice")),
                _ => {}
            }
            names.push(name);
        }
        if let Some(stray) = self.payment_secrets.iter().find(|secret| !names.contains(&secret.name)) {
            return Err(format!("PAYMENT_SECRETS has one for {}, which PAYMENT_PROVIDERS does not name", stray.name));
        }
        match &self.payment_default_provider {
            Some(name) if !names.contains(name) => {
                Err(format!("PAYMENT_DEFAULT_PROVIDER is {name}, which PAYMENT_PROVIDERS does not name"))
            }
            _ => Ok(()),
        }
    }

    fn simulates_too_much(&self) -> bool {
        self.auth == AuthMode::Required && self.payments_simulated == SimulatedPayments::Refuse
    }

    /// The payment providers.
    pub fn providers(&self) -> Vec<ProviderSetting> {
        match (self.payment_providers.is_empty(), self.auth) {
            (true, AuthMode::Open) => vec![ProviderSetting::Simulated],
            _ => self.payment_providers.clone(),
        }
    }

    /// The encryption of secrets. Without a `SECRET_KEY` (in open mode) its key lasts for the life of this process
    /// only.
    ///
    /// # Errors
    /// [`crate::error::Error::Setup`] where the system gives no random bytes.
    pub fn sealer(&self) -> crate::error::Result<Sealer> {
        Ok(match &self.secret_key {
            Some(SecretKey(secret)) => Sealer::new(secret.as_bytes()),
            None => Sealer::new(&crate::random::bytes::<32>()?),
        })
    }

    /// The seller on invoices that no reseller issues; `None` where it is not configured.
    pub fn platform(&self) -> Option<Party> {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let party = Party {
            name: text(self.seller_name.as_ref().map(BusinessName::as_str)),
            address: text(self.seller_address.as_ref().map(Address::as_str)),
            country: self.seller_country,
            tax_id: text(self.seller_tax_id.as_ref().map(TaxId::as_str)),
            email: text(self.seller_email.as_ref().map(Email::as_str)),
        };
        Some(party).filter(|party| *party != Party::default())
    }

    /// The platform's logo on its invoices.
    ///
    /// # Errors
    /// [`Error::Setup`] where the file cannot be read, or is no logo that documents can show.
    pub fn seller_logo(&self) -> crate::error::Result<Option<Logo>> {
        self.seller_logo.as_deref().map(read_logo).transpose()
    }

    pub fn pools(&self) -> PoolSettings {
        PoolSettings {
            sqlite_readers: self.sqlite_readers,
            postgres_connections: self.postgres_connections,
            acquire_timeout: self.database_timeout_seconds.duration(),
        }
    }

    /// The number of files that the database's connections may have open: three per SQLite connection, and a few for
    /// writing.
    pub fn database_files(&self) -> u32 {
        match self.database_url {
            DatabaseUrl::Sqlite(_) => 3 * (self.sqlite_readers + 4),
            DatabaseUrl::Postgres { .. } => self.postgres_connections + 4,
        }
    }

    pub fn connection_caps(&self) -> ConnectionCaps {
        ConnectionCaps { total: self.max_connections, per_address: self.max_connections_per_address }
    }

    pub fn trusted_proxies(&self) -> TrustedProxies {
        TrustedProxies::new(self.trusted_proxies.clone())
    }

    pub fn rate_limits(&self) -> RateLimitSettings {
        RateLimitSettings {
            client: self.rate_limit_client,
            reseller: self.rate_limit_reseller,
            admin: self.rate_limit_admin,
            gateway: self.rate_limit_gateway,
            address: self.rate_limit_address,
        }
    }

    pub fn limits(&self) -> Limits {
        Limits {
            body_bytes: self.max_body_bytes as usize,
            body_timeout: self.body_timeout_seconds.duration(),
            request_timeout: self.request_timeout_seconds.duration(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn settings(args: &[&str]) -> Settings {
        let args = std::iter::once("wecall-billing").chain(args.iter().copied());
        Cli::try_parse_from(args).expect("valid settings").settings
    }

    #[rstest]
    #[case(&["--bind", "127.0.0.1:9000"], "127.0.0.1:9000")]
    #[case(&["--bind", "127.0.0.1"], "127.0.0.1:8000")]
    #[case(&["--bind", "127.0.0.1", "--port", "9000"], "127.0.0.1:9000")]
    #[case(&["--bind", "127.0.0.1:9000", "--port", "9001"], "127.0.0.1:9000")]
    #[case(&["--port", "9000"], "0.0.0.0:9000")]
    #[case(&["--bind", "localhost:9000"], "127.0.0.1:9000")]
    #[case(&["--bind", "[::1]:9000"], "[::1]:9000")]
    #[case(&["--bind", "::1"], "[::1]:8000")]
    fn addresses(#[case] args: &[&str], #[case] address: &str) {
        assert_eq!(settings(args).address().to_string(), address);
    }

    #[rstest]
    #[case(&["--bind", "127.0.0.1"], true)]
    #[case(&["--bind", "[::1]:8000"], true)]
    #[case(&["--bind", "0.0.0.0"], false)]
    #[case(&["--port", "8000"], false)]
    #[case(&["--port", "8000", "--auth", "required", "--secret-key", "0123456789abcdef0123456789abcdef"], true)]
    #[case(&["--port", "8000", "--auth-open-anywhere"], true)]
    #[case(&["--port", "8000", "--auth-open-anywhere=true"], true)]
    #[case(&["--port", "8000", "--auth-open-anywhere=no"], false)]
    fn open_mode_is_for_this_machine(#[case] args: &[&str], #[case] valid: bool) {
        let verdict = settings(args).validate();
        assert_eq!(verdict.is_ok(), valid);
        if let Err(sentence) = verdict {
            assert!(sentence.contains("AUTH=required") && sentence.contains("AUTH_OPEN_ANYWHERE=true"));
        }
    }

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[rstest]
    #[case(&[], None)]
    #[case(&["--auth", "required", "--secret-key", KEY], None)]
    #[case(&["--payment-providers", "simulated"], None)]
    #[case(&["--payment-providers", "simulated", "--auth", "required", "--secret-key", KEY], Some("PAYMENTS_SIMULATED=allow"))]
    #[case(
        &["--payment-providers", "simulated", "--auth", "required", "--secret-key", KEY, "--payments-simulated", "allow"],
        None
    )]
    #[case(&["--payment-providers", "a=https://a.example"], Some("PAYMENT_SECRETS has none for a"))]
    #[case(&["--payment-providers", "a=https://a.example", "--payment-secrets", "a=0123456789abcdef01234567"], None)]
    #[case(&["--payment-secrets", "a=0123456789abcdef01234567"], Some("PAYMENT_PROVIDERS does not name"))]
    #[case(&["--payment-providers", "simulated,simulated"], Some("twice"))]
    #[case(&["--payment-default-provider", "a"], Some("PAYMENT_DEFAULT_PROVIDER is a"))]
    #[case(&["--payment-default-provider", "simulated"], None)]
    fn payment_providers(#[case] args: &[&str], #[case] problem: Option<&str>) {
        let verdict = settings(args).validate();
        match problem {
            None => assert_eq!(verdict, Ok(())),
            Some(part) => assert!(verdict.as_ref().is_err_and(|sentence| sentence.contains(part)), "{verdict:?}"),
        }
    }

    #[rstest]
    #[case("http://localhost:3000", true)]
    #[case("https://app.example.com", true)]
    #[case("https://app.example.com/", true)]
    #[case("https://app.example.com/path", false)]
    #[case("app.example.com", false)]
    #[case("*", false)]
    #[case("null", false)]
    fn origins(#[case] text: &str, #[case] valid: bool) {
        assert_eq!(text.parse::<Origin>().is_ok(), valid);
    }
}
