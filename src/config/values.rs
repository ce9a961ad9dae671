//! Parses the values of settings, with errors that say what a value must be.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{BoolishValueParser, TypedValueParser};

use crate::domain::values::money::Money;

/// A duration of 1 second to 1 hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub(super) u32);

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
    pub(super) ip: IpAddr,
    pub(super) port: Option<u16>,
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
pub struct SecretKey(pub(super) String);

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

pub(super) fn parse_metrics_address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || "must be an IP address with a port, such as 127.0.0.1:9100".to_owned();
    let address: BindAddress = text.parse().map_err(|_| wrong())?;
    Ok(SocketAddr::new(address.ip, address.port.ok_or_else(wrong)?))
}

pub(super) fn parse_threshold(text: &str) -> Result<Money, String> {
    let amount = Money::parse(text).map_err(|problem| problem.to_string())?;
    if amount.is_negative() { Err("must be 0 or more".to_owned()) } else { Ok(amount) }
}

pub(super) fn parse_zone(text: &str) -> Result<chrono_tz::Tz, String> {
    text.parse().map_err(|_| "must be an IANA time zone such as UTC or Africa/Nairobi".to_owned())
}

pub(super) fn parse_log_filter(text: &str) -> Result<String, String> {
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
pub(super) fn parse_between<T>(text: &str, bounds: std::ops::RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + fmt::Display,
{
    let number = text.parse().ok().filter(|number| bounds.contains(number));
    number.ok_or_else(|| format!("must be a whole number from {} to {}", bounds.start(), bounds.end()))
}

pub(super) fn parse_rate(text: &str) -> Result<u32, String> {
    parse_between(text, 0..=1_000_000)
}

pub(super) fn parse_flag(text: &str) -> Result<bool, String> {
    BoolishValueParser::new()
        .parse_ref(&clap::Command::new(""), None, text.as_ref())
        .map_err(|_| "must be true or false".to_owned())
}
