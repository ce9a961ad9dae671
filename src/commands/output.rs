//! Prints lines of subcommands, and the reports that several of them share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::services::Billing;

pub(super) type CliResult = Result<(), Box<dyn std::error::Error>>;

/// Prints a line, and ignores a closed output (`check | head -1`).
macro_rules! say {
    ($($arg:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($arg)*);
    }};
}

pub(super) use say;

/// An address a client on this machine can use.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

pub(super) fn problems_found(count: u64) -> CliResult {
    match count {
        0 => Ok(()),
        1 => Err("1 problem was found".into()),
        count => Err(format!("{count} problems were found").into()),
    }
}

pub(super) fn not_migrated(pending: &[String]) -> String {
    format!("migrations not applied yet: {}; run `migrate` or `serve`", pending.join(", "))
}

pub(super) fn no_default_plan(billing: &Billing) -> String {
    let name = &billing.rules.terms.plan_name;
    format!("there is no plan {name}, which DEFAULT_PLAN names: new wallets get none; `seed` loads the sample plans")
}
