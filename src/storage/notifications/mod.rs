//! Stores alerts, events, webhooks and their messages.

pub mod alerts;
pub mod events;
pub mod webhook_messages;
pub mod webhooks;
