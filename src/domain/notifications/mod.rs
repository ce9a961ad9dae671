//! Defines alerts, events and the webhooks that carry them.

pub mod alerts;
pub mod events;
pub mod webhook_messages;
pub mod webhook_secrets;
pub mod webhooks;
