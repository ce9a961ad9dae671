//! Defines the checks that operators run on a whole database.

pub mod reconcile;
