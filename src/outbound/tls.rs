//! Configures TLS for all outbound requests: rustls with ring, and Mozilla's roots compiled in.
//! So it needs no certificates of the system's, and no second library of cryptography.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto};

/// TLS 1.2 and 1.3, with rustls's safe defaults.
///
/// # Errors
/// Those of rustls; with ring there are none.
pub fn config() -> Result<ClientConfig, rustls::Error> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A client builder. It follows no redirect: the address was configured, and only its own answer counts.
pub fn client() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    match config() {
        Ok(config) => builder.tls_backend_preconfigured(config),
        // ring knows the protocols that rustls holds to be safe.
        Err(_) => builder,
    }
}
