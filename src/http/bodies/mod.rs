//! Shapes what more than one face answers, a file per noun: no handler, and nothing that only one of them uses.

pub mod alerts;
pub mod invoices;
pub mod plans;
pub mod rate_cards;
pub mod transactions;
pub mod wallets;
