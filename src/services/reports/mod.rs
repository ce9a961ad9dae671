//! Reads across subjects: history, usage and exports.

pub mod exports;
pub mod history;
pub mod usage;
