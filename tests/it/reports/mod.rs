//! Tests history, usage and exports.

pub mod exports;
pub mod history;
pub mod usage;
