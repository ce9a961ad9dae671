//! The requests this server makes of others: over TLS by rustls with ring, trusting the roots of Mozilla's list that are
//! compiled in. So it needs no certificates of the system's, and no second library of cryptography.

use std::sync::Arc;

/// A client to build: it follows no redirect, for who is asked was configured, and who answers must be them.
pub fn client() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    match rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions() {
        Ok(config) => builder.tls_backend_preconfigured(config.with_root_certificates(roots).with_no_client_auth()),
        // ring knows the protocols that rustls holds to be safe.
        Err(_) => builder,
    }
}
