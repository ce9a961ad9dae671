//! Shapes what more than one face answers, a file per noun: bodies of answers, and nothing that takes a request.

pub mod alerts;
pub mod invoices;
pub mod plans;
pub mod rate_cards;
pub mod transactions;
pub mod wallets;
