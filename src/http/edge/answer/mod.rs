//! Shapes answers: errors, pages of lists, CSV, metrics.

pub mod csv;
pub mod error;
pub mod listing;
pub mod metrics;
pub mod pages;
