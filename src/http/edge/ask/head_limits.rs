//! Limits the size of a request's head.

use axum::http::{HeaderMap, StatusCode, Uri};

use crate::http::edge::answer::error::Problem;

/// The longest URL. RFC 9110 section 4.1 asks servers to take 8,000 bytes; the longest of ours, a list with all its
/// filters, has a few hundred.
const URL_BYTES_MAX: usize = 8 * 1024;

/// Names and values of all headers. A browser sends one or two thousand bytes, and a cookie has at most 4,096 (RFC
/// 6265).
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The most headers. A browser behind two proxies sends about thirty.
const HEADERS_MAX: usize = 64;

/// How much of a head hyper gathers before it gives up by itself, with a 431 that has no body, and how much of a body
/// it holds at once. It is more than the limits above, so that a head a little too large is still told so in our words,
/// and little enough for thousands of connections. (hyper also gives up by itself at 100 headers. That is left as it
/// is: setting it makes every request allocate.)
pub const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// The bytes of a header beside its name and value: a colon, a blank and the end of its line.
const AROUND_HEADER_BYTES: usize = 4;

/// Refuses a request whose head is too large.
///
/// # Errors
/// 414 `uri_too_long`, 431 `headers_too_large`.
pub fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    if path + authority > URL_BYTES_MAX {
        let detail = format!("The address is longer than the {URL_BYTES_MAX} bytes this server takes.");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail));
    }
    if headers.len() > HEADERS_MAX {
        return Err(too_large(format!("The request has more than the {HEADERS_MAX} headers this server takes.")));
    }
    let bytes = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        name.as_str().len() + value.len() + AROUND_HEADER_BYTES
    };
    if headers.iter().map(bytes).sum::<usize>() > HEADER_BYTES_MAX {
        let detail = format!(
            "The headers are larger than the {HEADER_BYTES_MAX} bytes this server takes; in a browser, clearing the \
             cookies of this site may help."
        );
        return Err(too_large(detail));
    }
    Ok(())
}

fn too_large(detail: String) -> Problem {
    Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use rstest::rstest;

    use super::*;

    fn code(uri: &str, headers: &HeaderMap) -> Option<&'static str> {
        check(&uri.parse().expect("an address"), headers).err().map(|problem| problem.code)
    }

    #[rstest]
    #[case(URL_BYTES_MAX, None)]
    #[case(URL_BYTES_MAX + 1, Some("uri_too_long"))]
    fn addresses(#[case] length: usize, #[case] refused: Option<&str>) {
        let none = HeaderMap::new();
        assert_eq!(code(&format!("/{}", "x".repeat(length - 1)), &none), refused);
        assert_eq!(code(&format!("/?{}", "x".repeat(length - 2)), &none), refused);
        assert_eq!(code(&format!("http://host/{}", "x".repeat(length - 5)), &none), refused);
    }

    #[rstest]
    #[case(HEADERS_MAX, 100, None)]
    #[case(HEADERS_MAX + 1, 1, Some("headers_too_large"))]
    #[case(1, HEADER_BYTES_MAX - 8, None)]
    #[case(1, HEADER_BYTES_MAX - 7, Some("headers_too_large"))]
    #[case(2, HEADER_BYTES_MAX / 2, Some("headers_too_large"))]
    fn headers(#[case] count: usize, #[case] length: usize, #[case] refused: Option<&str>) {
        let (mut different, mut repeated) = (HeaderMap::new(), HeaderMap::new());
        for at in 0..count {
            let value: HeaderValue = "v".repeat(length).parse().expect("a header value");
            different.append(HeaderName::from_bytes(format!("x-{at:02}").as_bytes()).expect("a name"), value.clone());
            repeated.append(HeaderName::from_static("x-me"), value);
        }
        assert_eq!(code("/", &different), refused);
        assert_eq!(code("/", &repeated), refused);
    }
}
