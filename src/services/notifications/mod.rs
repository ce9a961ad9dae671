//! Reads alerts, manages webhook endpoints and delivers events to them.

pub mod alerts;
pub mod webhook_attempts;
pub mod webhook_deliveries;
pub mod webhook_log;
pub mod webhooks;
