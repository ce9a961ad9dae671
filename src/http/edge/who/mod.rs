//! Finds out who sends a request, whether they may, and how often.

pub mod access;
pub mod auth;
pub mod auth_mode;
pub mod buckets;
pub mod client_address;
pub mod credentials;
pub mod failed_credentials;
pub mod origins;
pub mod rate_limits;
