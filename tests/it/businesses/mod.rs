//! Tests businesses.

pub mod admin;
