//! Tests payments through providers, and auto-recharge.

pub mod auto_recharge;
pub mod mpesa;
pub mod providers;
