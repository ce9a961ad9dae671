//! Decides by the rules of billing: pure, without I/O, async or a clock. Time and ids are arguments.

pub mod access;
pub mod audit;
pub mod businesses;
pub mod charges;
pub mod invoices;
pub mod jobs;
pub mod notifications;
pub mod operations;
pub mod payments;
pub mod prices;
pub mod reports;
pub mod values;
pub mod wallets;
