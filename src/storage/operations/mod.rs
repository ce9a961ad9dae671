//! Reads the whole database for reconcile.

pub mod reconcile;
