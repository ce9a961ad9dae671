//! Reads the `Idempotency-Key` header, and marks answers that were given before.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};

use crate::domain::audit::Actor;
use crate::domain::values::idempotency::{IdempotencyKey, KeyScope};
use crate::domain::values::sid::BusinessSid;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::who::access::Asks;
use crate::http::state::AppState;

/// The `Idempotency-Key` header, if there is one.
#[derive(Debug)]
pub struct IdempotencyHeader(Option<IdempotencyKey>);

impl Asks for IdempotencyHeader {}

impl FromRequestParts<AppState> for IdempotencyHeader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<IdempotencyHeader, Problem> {
        const NAME: &str = "Idempotency-Key";
        let mut values = parts.headers.get_all(NAME).iter();
        let Some(value) = values.next() else { return Ok(IdempotencyHeader(None)) };
        if values.next().is_some() {
            return Err(Problem::invalid(NAME, "is given twice"));
        }
        let text = value.to_str().unwrap_or_default();
        let key = text.parse().map_err(|problem: String| Problem::invalid(NAME, problem))?;
        Ok(IdempotencyHeader(Some(key)))
    }
}

impl IdempotencyHeader {
    /// The key, if there is one, in its scope: unique per caller, route (method and path template) and business.
    pub fn scope(self, actor: &Actor, route: &'static str, business_sid: Option<BusinessSid>) -> Option<KeyScope> {
        self.0.map(|key| KeyScope { caller: actor.name.to_string(), route, business_sid, key })
    }
}

pub fn replayed(is_replayed: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if is_replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    headers
}
