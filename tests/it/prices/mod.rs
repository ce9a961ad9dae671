//! Tests plans and rate cards.

pub mod csv;
pub mod lists;
pub mod plans;
pub mod rate_cards;
