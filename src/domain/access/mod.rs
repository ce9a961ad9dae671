//! Decides who may do what: rights, API keys, sessions, users.

pub mod key_rules;
pub mod keys;
pub mod rights;
pub mod sessions;
pub mod user_rules;
pub mod users;
