//! Tests what every request passes through, whatever lies behind it.

pub mod bad_inputs;
pub mod browser;
pub mod http;
pub mod limits;
pub mod lists;
