//! Defines roles, rights, API keys, sessions and users: who may do what.

pub mod key_rules;
pub mod keys;
pub mod rights;
pub mod sessions;
pub mod user_rules;
pub mod users;
