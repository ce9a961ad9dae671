//! Tests the program itself, its sample data and reconcile.

pub mod process;
pub mod reconcile;
pub mod seed;
