//! Stores alerts, events, webhook endpoints and their deliveries.

pub mod alerts;
pub mod events;
pub mod webhook_messages;
pub mod webhooks;
