//! Reads the whole database for reconcile.

pub mod reconcile;
pub mod reconcile_invoices;
