//! Gives each request an id: the caller's own where it is fit for a log, otherwise a new one.

use std::sync::Arc;

use axum::http::HeaderMap;

use crate::clock::Clock;

/// The id of a request: the caller's `X-Request-Id` where it is fit for a log, else a new one.
#[derive(Clone, Debug)]
pub struct RequestId(Arc<str>);

impl RequestId {
    pub fn of(headers: &HeaderMap, clock: &Clock) -> RequestId {
        let is_fit = |id: &&str| {
            (1..=128).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        };
        let given = headers.get("x-request-id").and_then(|value| value.to_str().ok()).filter(is_fit);
        RequestId(given.map_or_else(|| clock.new_id().to_string().into(), Arc::from))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn shared(&self) -> Arc<str> {
        self.0.clone()
    }
}
