//! Defines the values that every subject uses: money, time, ids, texts, CSV, paging.

pub mod addresses;
pub mod countries;
pub mod csv;
pub mod currency;
pub mod fields;
pub mod idempotency;
pub mod json;
pub mod listing;
pub mod money;
pub mod named_enum;
pub mod paging;
pub mod secrets;
pub mod sid;
pub mod text;
pub mod time;
pub mod versions;
