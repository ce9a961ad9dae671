//! Shapes what is read across subjects: history and exports.

pub mod exports;
pub mod history;
