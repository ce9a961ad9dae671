//! Tests access: rights, API keys, logins, users, secrets.

pub mod keys;
pub mod logins;
pub mod rights;
pub mod secrets;
pub mod users;
