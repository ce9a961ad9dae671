//! Defines alerts, events, and the webhooks that deliver events to businesses.

pub mod alerts;
pub mod events;
pub mod webhook_messages;
pub mod webhook_secrets;
pub mod webhooks;
