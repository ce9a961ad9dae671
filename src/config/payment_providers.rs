//! Reads the settings of payment providers: names, URLs and signing secrets.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

use crate::domain::payments::providers::{ProviderName, SIMULATED};
use crate::domain::payments::signatures::SigningSecret;

/// A provider in the settings: `simulated`, or `name=https://…` for one behind an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderSetting {
    Simulated,
    Adapter { name: ProviderName, url: Url },
}

impl ProviderSetting {
    pub fn name(&self) -> Result<ProviderName, String> {
        match self {
            ProviderSetting::Simulated => SIMULATED.parse(),
            ProviderSetting::Adapter { name, .. } => Ok(name.clone()),
        }
    }
}

impl FromStr for ProviderSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<ProviderSetting, String> {
        let text = text.trim();
        if text == SIMULATED {
            return Ok(ProviderSetting::Simulated);
        }
        let wrong = || {
            "must be a list of providers such as mpesa=https://adapter.example/pay,card=https://…; `simulated` alone is the \
             one for development"
                .to_owned()
        };
        let (name, url) = text.split_once('=').ok_or_else(wrong)?;
        let name: ProviderName = name.trim().parse().map_err(|_| wrong())?;
        if name.is_simulated() {
            return Err("must not give `simulated` an address: it is the one that settles by itself".to_owned());
        }
        let url = parse_url(url.trim())?;
        Ok(ProviderSetting::Adapter { name, url })
    }
}

/// Parses an adapter's URL, which gets people's payment methods: it must use TLS, or lead to a machine of the
/// operator's own network.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).ok().filter(Url::has_host).ok_or_else(|| "must have addresses that are URLs".to_owned())?;
    let is_near = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || !name.contains('.'),
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback() || (ip.segments()[0] & 0xfe00) == 0xfc00,
        None => false,
    };
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    match url.scheme() {
        "https" if is_plain => Ok(url),
        "http" if is_plain && is_near => Ok(url),
        _ => Err("must have https:// addresses without a query or a user (http:// only to this machine, a private \
                  network or a name without dots)"
            .to_owned()),
    }
}

/// The secret shared with a provider: `name=secret`. `Debug` does not show it.
#[derive(Clone)]
pub struct SecretSetting {
    pub name: ProviderName,
    pub secret: SigningSecret,
}

impl FromStr for SecretSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<SecretSetting, String> {
        // The text itself is repeated nowhere.
        let wrong = || "must be a list such as mpesa=whsec_…, with a name and a secret each".to_owned();
        let (name, secret) = text.trim().split_once('=').ok_or_else(wrong)?;
        let name = name.trim().parse().map_err(|_| wrong())?;
        let secret = secret.parse().map_err(|problem: String| format!("(the secret of {name}) {problem}"))?;
        Ok(SecretSetting { name, secret })
    }
}

impl fmt::Debug for SecretSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretSetting({}=…)", self.name)
    }
}

/// Whether the provider that settles by itself may be one of a server that asks for credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum SimulatedPayments {
    /// Only with AUTH=open
    Refuse,
    /// Also with AUTH=required: whoever may top up then makes money
    Allow,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("simulated", true)]
    #[case("mpesa=https://adapter.example/pay", true)]
    #[case(" mpesa = https://adapter.example/pay ", true)]
    #[case("mpesa=http://127.0.0.1:9000/pay", true)]
    #[case("mpesa=http://mpesa-adapter:9000/pay", true)]
    #[case("mpesa=http://10.0.0.7/pay", true)]
    #[case("mpesa=http://[::1]:9000/pay", true)]
    #[case("mpesa=http://adapter.example/pay", false)]
    #[case("mpesa=http://8.8.8.8/pay", false)]
    #[case("mpesa=https://user:password@adapter.example/pay", false)]
    #[case("mpesa=https://adapter.example/pay?key=1", false)]
    #[case("mpesa=ftp://adapter.example/pay", false)]
    #[case("mpesa", false)]
    #[case("M-Pesa=https://adapter.example/pay", false)]
    #[case("simulated=https://adapter.example/pay", false)]
    fn providers(#[case] text: &str, #[case] valid: bool) {
        assert_eq!(text.parse::<ProviderSetting>().is_ok(), valid);
    }

    #[test]
    fn secrets_are_told_to_nobody() {
        let setting: SecretSetting = "mpesa=a secret of the tests, long enough".parse().expect("a secret");
        assert_eq!(format!("{setting:?}"), "SecretSetting(mpesa=…)");
        for bad in ["mpesa", "mpesa=canary", "M=a secret of the tests, long enough"] {
            let problem = bad.parse::<SecretSetting>().expect_err("no secret");
            assert!(!problem.contains("canary"), "{problem}");
        }
    }
}
