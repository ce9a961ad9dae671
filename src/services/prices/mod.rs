//! Manages plans and rate cards, and keeps the book of prices in memory.

pub mod book;
pub mod plan_csv;
pub mod plans;
pub mod rate_card_csv;
pub mod rate_cards;
