//! Tests alerts and webhooks.

pub mod alerts;
pub mod webhooks;
