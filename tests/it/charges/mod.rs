//! Tests charges, delivery reports, refunds and quotes.

pub mod charging;
pub mod committer;
pub mod delivery_reports;
pub mod quotes;
