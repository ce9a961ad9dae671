//! The rules of billing, pure: no I/O, no async, no clock. Time and ids are arguments.

pub mod alerts;
pub mod audit;
pub mod businesses;
pub mod countries;
pub mod currency;
pub mod idempotency;
pub mod invoices;
pub mod ledger;
pub mod money;
pub mod names;
pub mod paging;
pub mod pricing;
pub mod rate_cards;
pub mod sid;
pub mod text;
pub mod time;
pub mod transactions;
pub mod usage;
pub mod wallet;
