//! Lists every setting with its default, in the order of `--help`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::payment_providers::{ProviderSetting, SecretSetting, SimulatedPayments, parse_url};
use super::values::{
    BindAddress, HostName, Origin, Seconds, SecretKey, parse_between, parse_flag, parse_log_filter,
    parse_metrics_address, parse_rate, parse_threshold, parse_zone,
};
use crate::domain::invoices::tax::TaxRates;
use crate::domain::payments::providers::ProviderName;
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::domain::values::text::{Address, BusinessName, Email, TaxId};
use crate::http::edge::who::auth_mode::AuthMode;
use crate::http::edge::who::client_address::TrustedNetwork;
use crate::storage::db::open::DatabaseUrl;

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

    /// An address and port of their own for /metrics, such as 127.0.0.1:9100; it asks nobody for credentials there, and
    /// is not served at the other address
    #[arg(long, env, global = true, value_name = "ADDRESS", value_parser = parse_metrics_address)]
    pub metrics_bind: Option<SocketAddr>,

    /// `open` asks nobody for credentials and listens on this machine only; `required` asks everybody
    #[arg(long, env, global = true, value_enum, default_value_t = AuthMode::Open, value_name = "MODE")]
    pub auth: AuthMode,

    /// Let AUTH=open listen on addresses that others can reach: anyone who does may read everything, charge and top up
    #[arg(long, env, global = true, default_value = "false", value_parser = parse_flag,
          action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub auth_open_anywhere: bool,

    /// What secrets are sealed with that must be read back from the database: 32 characters or more, random; needed
    /// with AUTH=required
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

    /// The proxies whose X-Forwarded-For and X-Forwarded-Proto count: addresses or networks (10.0.0.0/8), separated by
    /// commas
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

    /// Who is asked for top-ups, separated by commas: NAME=URL of an adapter each; `simulated` is the one for
    /// development, whose money is nobody's [default: simulated with AUTH=open, none with AUTH=required]
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

    /// Let webhooks lead into private networks and to this machine, and begin with http://: for development, and where
    /// all who may make webhooks may reach whatever this server reaches
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
