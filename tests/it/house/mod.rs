//! Checks the house itself: its structure, its tables, its queries and its documentation.

pub mod architecture;
pub mod imports;
pub mod openapi;
pub mod query_plans;
pub mod readme;
pub mod schema;
pub mod settings;
