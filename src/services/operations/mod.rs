//! Keeps the server running: scheduled jobs, housekeeping, health, reconcile.

pub mod health;
pub mod housekeeping;
pub mod jobs;
pub mod reconcile;
