//! Runs access: authentication, logins, API keys, passwords, users.

pub mod admission;
pub mod keys;
pub mod logins;
pub mod passwords;
pub mod presented;
pub mod users;
