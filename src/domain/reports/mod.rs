//! Shapes reports that read several subjects: wallet history and CSV exports.

pub mod exports;
pub mod history;
