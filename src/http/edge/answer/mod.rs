//! Shapes answers: errors, pages of lists, CSV, metrics.

pub mod csv;
pub mod documents;
pub mod error;
pub mod export_slots;
pub mod listing;
pub mod metrics;
pub mod pages;
pub mod responses;
