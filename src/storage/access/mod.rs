//! Stores users, sessions, API keys and failed logins.

pub mod keys;
pub mod login_failures;
pub mod sessions;
pub mod users;
