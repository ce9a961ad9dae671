//! Answers the API of operators: /api/admin.

pub mod adjustments;
pub mod alerts;
pub mod businesses;
pub mod changes;
pub mod fees;
pub mod invoices;
pub mod plan_csv;
pub mod plans;
pub mod rate_card_csv;
pub mod rate_cards;
pub mod suspense;
pub mod transactions;
pub mod users;
pub mod wallets;
