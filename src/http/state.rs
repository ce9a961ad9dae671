//! Holds what every handler works with: the use cases, limits and settings, and shared counters.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::http::HeaderValue;
use bytes::Bytes;

use crate::http::edge::answer::documents::Documents;
use crate::http::edge::answer::export_slots::ExportSlots;
use crate::http::edge::answer::metrics::Metrics;
use crate::http::edge::ask::body_budget::BodyBudget;
use crate::http::edge::who::auth_mode::AuthMode;
use crate::http::edge::who::client_address::TrustedProxies;
use crate::http::edge::who::failed_credentials::FailedCredentials;
use crate::http::edge::who::rate_limits::RateLimits;
use crate::services::Billing;

/// The state that handlers share.
pub type AppState = Arc<HttpState>;

#[derive(Debug)]
pub struct HttpState {
    pub billing: Billing,
    pub auth: AuthMode,
    /// The origins whose pages may call the API.
    pub cors_origins: Vec<HeaderValue>,
    /// The host names of this server, in lower case; empty: any.
    pub allowed_hosts: Vec<String>,
    pub limits: Limits,
    pub metrics: Metrics,
    /// The proxies that are trusted to name the client's address.
    pub trusted_proxies: TrustedProxies,
    pub rate_limits: RateLimits,
    pub failed_credentials: FailedCredentials,
    /// Counts logins by client address, successful ones too.
    pub logins: FailedCredentials,
    pub body_budget: BodyBudget,
    pub exports: ExportSlots,
    pub documents: Documents,
    /// The OpenAPI document as JSON, generated when it is first asked for.
    pub openapi: LazyLock<Bytes>,
    /// Whether /metrics is served here, and not at an address of its own.
    pub serves_metrics: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub body_bytes: usize,
    /// The time for a request's body to arrive.
    pub body_timeout: Duration,
    /// The time for a request to be answered.
    pub request_timeout: Duration,
}
