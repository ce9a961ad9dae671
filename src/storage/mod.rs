//! SQL and nothing else: constants that both databases accept, and typed functions around them.

pub mod accounts;
pub mod alerts;
pub mod applied_rates;
pub mod audit;
pub mod backup;
pub mod bulk;
pub mod businesses;
pub mod charges;
pub mod db;
pub mod deployment;
pub mod idempotency;
pub mod invoices;
pub mod local;
pub mod migrations;
pub mod open;
pub mod pricing;
pub mod rate_cards;
pub mod reconcile;
pub mod seeds;
pub mod transactions;
pub mod types;
pub mod usage;
pub mod wallet;
