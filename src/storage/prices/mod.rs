//! Stores plans, rate cards and the rates that messages were charged at.

pub mod applied_rates;
pub mod plans;
pub mod rate_cards;
