//! Checks the books: the rules of reconcile.

pub mod reconcile;
