//! Kills the real server under load, and lets several servers share one database.

pub mod charges;
pub mod many_servers;
pub mod payments;
pub mod webhooks;
