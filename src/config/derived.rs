//! Derives what the program needs from the settings: addresses, limits, pools, encryption, the seller on invoices.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::payment_providers::ProviderSetting;
use super::settings::Settings;
use super::values::SecretKey;
use crate::connections::ConnectionCaps;
use crate::documents::Logo;
use crate::domain::invoices::parties::Party;
use crate::domain::values::secrets::Sealer;
use crate::domain::values::text::{Address, BusinessName, Email, TaxId};
use crate::error::Error;
use crate::http::edge::who::auth_mode::AuthMode;
use crate::http::edge::who::client_address::TrustedProxies;
use crate::http::edge::who::rate_limits::RateLimitSettings;
use crate::http::state::Limits;
use crate::storage::db::open::PoolSettings;

const DEFAULT_PORT: u16 = 8_000;

impl Settings {
    /// The address to listen on: `BIND`, whose own port wins over `PORT`; `PORT` alone means every address.
    pub fn address(&self) -> SocketAddr {
        match (self.bind, self.port) {
            (Some(bind), port) => SocketAddr::new(bind.ip, bind.port.or(port).unwrap_or(DEFAULT_PORT)),
            (None, Some(port)) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
            (None, None) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DEFAULT_PORT),
        }
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

    /// The number of files that the database's connections may have open.
    pub fn database_files(&self) -> u32 {
        self.database_url.open_files(self.pools())
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
