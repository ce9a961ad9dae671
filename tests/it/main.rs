//! Runs the integration tests: one binary, a module per subject, through HTTP on SQLite and on Postgres.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should panic")]

mod businesses;
mod edge;
mod house;
mod kills;
mod notifications;
mod operations;
mod prices;
mod reports;
mod support;
mod wallets;

mod access;
mod audit;
mod charges;
mod contract;
mod invoices;
mod payments;
