//! Holds the SQL: constants that both databases accept, and typed functions around them. No rules of billing.

pub mod access;
pub mod audit;
pub mod businesses;
pub mod charges;
pub mod columns;
pub mod db;
pub mod invoices;
pub mod jobs;
pub mod notifications;
pub mod operations;
pub mod payments;
pub mod prices;
pub mod reports;
pub mod wallets;
