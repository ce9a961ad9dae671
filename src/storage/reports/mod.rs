//! Reads exports.

pub mod exports;
