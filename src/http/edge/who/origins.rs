//! Checks `Origin` and `Host`: which web pages may write here, and under which names the server answers.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::http::edge::answer::error::Problem;

/// Refuses a write by a page of a foreign origin: its `Origin` is present and neither allowed nor our own. Reads that
/// such a page embeds are refused too, for some reads write (a wallet is opened at its first use).
///
/// # Errors
/// 403 `origin_not_allowed`.
pub fn check_origin(
    method: &Method,
    headers: &HeaderMap,
    allowed_origins: &[HeaderValue],
    allowed_hosts: &[String],
) -> Result<(), Problem> {
    let is_write = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    let Some(origin) = headers.get(header::ORIGIN) else {
        // A picture or a script on somebody's page: it names no origin, but browsers say that it is another site's.
        let says = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
        if says("sec-fetch-site", "cross-site") && !says("sec-fetch-mode", "navigate") {
            let detail = "Pages of other sites may not use this as a part of theirs.";
            return Err(Problem::new(StatusCode::FORBIDDEN, "origin_not_allowed", detail));
        }
        return Ok(());
    };
    if !is_write || allowed_origins.contains(origin) || is_own_origin(origin, headers, allowed_hosts) {
        return Ok(());
    }
    let origin = origin.to_str().unwrap_or("(unreadable)");
    let detail = format!("Pages of {origin} may not write here; add it to CORS_ORIGINS if they should.");
    Err(Problem::new(StatusCode::FORBIDDEN, "origin_not_allowed", detail))
}

/// Whether the page came from this server itself, as `/docs` does. Only a host that cannot be somebody's own domain
/// pointed at our address (DNS rebinding) proves it: an IP address, `localhost`, or one the operator allowed.
fn is_own_origin(origin: &HeaderValue, headers: &HeaderMap, allowed_hosts: &[String]) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let (Some(authority), Some(host)) = (authority, host) else { return false };
    authority == host && is_certain_host(host, allowed_hosts)
}

fn is_certain_host(host: &str, allowed_hosts: &[String]) -> bool {
    let name = host_name(host);
    let is_address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    is_address || name == "localhost" || allowed_hosts.contains(&name)
}

/// The name in a `Host` header, in lower case and without the port.
fn host_name(host: &str) -> String {
    host.parse::<Authority>().map_or_else(|_| host.to_owned(), |authority| authority.host().to_owned()).to_lowercase()
}

/// Refuses a request to a host name that is not allowed, where the operator listed those that are.
///
/// # Errors
/// 400 `host_not_allowed`.
pub fn check_host(headers: &HeaderMap, allowed_hosts: &[String]) -> Result<(), Problem> {
    if allowed_hosts.is_empty() {
        return Ok(());
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(host_name).unwrap_or_default();
    if allowed_hosts.contains(&host) {
        return Ok(());
    }
    let detail = format!("This server does not go by the name {host:?}; ALLOWED_HOSTS lists those it does.");
    Err(Problem::new(StatusCode::BAD_REQUEST, "host_not_allowed", detail))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://localhost:3000", "api.internal:8000", true)] // allowed, whatever the host
    #[case("http://127.0.0.1:8000", "127.0.0.1:8000", true)] // our own page
    #[case("http://[::1]:8000", "[::1]:8000", true)]
    #[case("http://localhost:8000", "localhost:8000", true)]
    #[case("https://billing.example", "billing.example", true)] // a host the operator listed
    #[case("http://evil.example:8000", "evil.example:8000", false)] // DNS rebinding
    #[case("http://evil.example", "localhost:8000", false)]
    #[case("null", "localhost:8000", false)]
    #[case("http://localhost:3001", "localhost:8000", false)]
    #[case("", "localhost:8000", false)]
    fn writes_from_pages(#[case] origin: &str, #[case] host: &str, #[case] allowed: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().expect("a header value"));
        headers.insert(header::HOST, host.parse().expect("a header value"));
        let origins = [HeaderValue::from_static("http://localhost:3000")];
        let hosts = ["billing.example".to_owned()];
        assert_eq!(check_origin(&Method::POST, &headers, &origins, &hosts).is_ok(), allowed);
        assert!(check_origin(&Method::GET, &headers, &origins, &hosts).is_ok(), "reads are for CORS to judge");
    }

    #[rstest]
    #[case("cross-site", "no-cors", false)] // a picture on somebody's page
    #[case("cross-site", "navigate", true)] // a link that a person follows
    #[case("same-site", "no-cors", true)]
    #[case("same-origin", "cors", true)]
    #[case("none", "navigate", true)]
    fn parts_of_pages(#[case] site: &str, #[case] mode: &str, #[case] allowed: bool) {
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", site.parse().expect("a header value"));
        headers.insert("sec-fetch-mode", mode.parse().expect("a header value"));
        assert_eq!(check_origin(&Method::GET, &headers, &[], &[]).is_ok(), allowed);
    }

    #[rstest]
    #[case("billing.example", true)]
    #[case("Billing.Example:8443", true)]
    #[case("other.example", false)]
    #[case("", false)]
    fn hosts(#[case] host: &str, #[case] allowed: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().expect("a header value"));
        assert_eq!(check_host(&headers, &["billing.example".to_owned()]).is_ok(), allowed);
        assert!(check_host(&headers, &[]).is_ok());
    }
}
