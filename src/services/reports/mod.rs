//! Reads reports across subjects: history, usage and exports.

pub mod exports;
pub mod history;
pub mod usage;
