//! Manages plans and rate cards, and keeps the price book in memory.

pub mod book;
pub mod plan_csv;
pub mod plans;
pub mod rate_card_csv;
pub mod rate_cards;
