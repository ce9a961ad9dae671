//! Defines plans, rate cards, networks and numbers, and rates messages by them.

pub mod destinations;
pub mod lookup;
pub mod messages;
pub mod networks;
pub mod phone_numbers;
pub mod plan_csv;
pub mod plan_terms;
pub mod plans;
pub mod prefixes;
pub mod rate_card_csv;
pub mod rate_card_terms;
pub mod rate_cards;
pub mod rating;
pub mod segments;
