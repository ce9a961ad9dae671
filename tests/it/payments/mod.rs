//! Tests payments through providers, and wallets that recharge themselves.

pub mod auto_recharge;
pub mod mpesa;
pub mod providers;
