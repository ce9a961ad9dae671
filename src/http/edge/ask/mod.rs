//! Reads requests: bodies, paths, queries and headers, each within its limits.

pub mod accept;
pub mod batches;
pub mod bodies;
pub mod body_budget;
pub mod etag;
pub mod extract;
pub mod head_limits;
pub mod idempotency;
pub mod json_depth;
