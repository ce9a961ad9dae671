//! Tests wallets, top-ups and adjustments.

pub mod admin;
pub mod reads;
pub mod topup;
