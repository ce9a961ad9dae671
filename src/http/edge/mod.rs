//! Does what every request passes through: ids, limits, credentials, parsing, errors, paging.

pub mod answer;
pub mod ask;
pub mod layers;
pub mod request_id;
pub mod who;
pub mod writes;
