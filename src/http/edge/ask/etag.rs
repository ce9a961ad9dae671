//! Writes `ETag` and checks `If-Match` (RFC 9110, 8.8.3 and 13.1.1), so that nobody overwrites unread changes.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::extract::Json;
use crate::domain::values::versions::{Seen, Version};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::who::access::Asks;
use crate::http::state::AppState;

const NAME: &str = "If-Match";

/// The `ETag` header of a version.
pub fn etag(version: Version) -> [(HeaderName, HeaderValue); 1] {
    // Hexadecimal digits in quotes are always a header's value.
    let value = HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
    [(header::ETAG, value)]
}

/// The answer with one thing, and its `ETag`.
pub type Versioned<T> = ([(HeaderName, HeaderValue); 1], Json<T>);

/// The `If-Match` of a change: the version that the caller expects. Without the header the change is refused.
#[derive(Debug)]
pub struct IfMatch(pub Seen);

impl Asks for IfMatch {}

impl FromRequestParts<AppState> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<IfMatch, Problem> {
        seen(&parts.headers).map(IfMatch)
    }
}

/// The same where the header is optional: without it any version is overwritten.
#[derive(Debug)]
pub struct IfMatchOrAnything(pub Seen);

impl Asks for IfMatchOrAnything {}

impl FromRequestParts<AppState> for IfMatchOrAnything {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<IfMatchOrAnything, Problem> {
        if parts.headers.contains_key(header::IF_MATCH) {
            return seen(&parts.headers).map(IfMatchOrAnything);
        }
        Ok(IfMatchOrAnything(Seen::Anything))
    }
}

fn seen(headers: &HeaderMap) -> Result<Seen, Problem> {
    let lines: Vec<&str> =
        headers.get_all(header::IF_MATCH).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    if lines.is_empty() {
        let detail = "Read it first, and send the ETag you read in the header If-Match, so that you overwrite nothing you \
                      have not seen.";
        let problem = Problem::new(StatusCode::PRECONDITION_REQUIRED, "precondition_required", detail);
        return Err(problem.with_error(NAME, "is missing: send the ETag you read"));
    }
    let list = lines.join(",");
    if list.trim() == "*" {
        return Ok(Seen::Anything);
    }
    let mut versions = Vec::new();
    for tag in list.split(',').map(str::trim) {
        let (is_weak, quoted) = tag.strip_prefix("W/").map_or((false, tag), |rest| (true, rest));
        let text = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let text = text.ok_or_else(|| Problem::invalid(NAME, "must be an ETag as it was read, in its quotes, or *"))?;
        // A weak tag never matches here, and neither does one that is none of ours.
        versions.extend(text.parse().ok().filter(|_: &Version| !is_weak));
    }
    Ok(Seen::Versions(versions))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn told(lines: &[&str]) -> Result<Seen, &'static str> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, line.parse().expect("a header value"));
        }
        seen(&headers).map_err(|problem| problem.code)
    }

    fn versions(of: &[u8]) -> Result<Seen, &'static str> {
        Ok(Seen::Versions(of.iter().map(Version::of).collect()))
    }

    fn tag(of: u8) -> String {
        format!("\"{}\"", Version::of(&of))
    }

    #[test]
    fn what_was_seen() {
        let (one, two) = (tag(1), tag(2));
        assert_eq!(etag(Version::of(&1_u8))[0].1, one.as_str());
        assert_eq!(told(&["*"]), Ok(Seen::Anything));
        assert_eq!(told(&[&one]), versions(&[1]));
        assert_eq!(told(&[&format!("{one} , {two}")]), versions(&[1, 2]));
        assert_eq!(told(&[&one, &two]), versions(&[1, 2]));
        assert_eq!(told(&[&format!("W/{one}")]), versions(&[]));
        assert_eq!(told(&["\"another server's\""]), versions(&[]));
    }

    #[rstest]
    #[case(&[], "precondition_required")]
    #[case(&[""], "invalid_request")]
    #[case(&["abc"], "invalid_request")]
    #[case(&["\"abc"], "invalid_request")]
    #[case(&["*", "*"], "invalid_request")]
    fn what_says_nothing(#[case] lines: &[&str], #[case] code: &str) {
        assert_eq!(told(lines), Err(code));
    }
}
