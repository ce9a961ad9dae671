//! Authenticates every request by its API key or session cookie, before any handler runs.

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::auth::Caller;
use super::auth_mode::AuthMode;
use super::client_address::ClientAddress;
use super::failed_credentials::FailedCredentials;
use crate::domain::access::keys::PresentedKey;
use crate::domain::access::sessions::SessionToken;
use crate::domain::audit::Actor;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::request_id::RequestId;
use crate::http::state::AppState;
use crate::services;
use crate::services::access::admission::{NotLetIn, Presented};

/// The cookie of a logged-in browser.
pub const SESSION_COOKIE: &str = "wecall_session";

/// The cookie over TLS, where no other server of the site can set it (RFC 6265bis, section 4.1.3.2).
const SESSION_COOKIE_OVER_TLS: &str = "__Host-wecall_session";

pub fn session_cookie_name(is_tls: bool) -> &'static str {
    if is_tls { SESSION_COOKIE_OVER_TLS } else { SESSION_COOKIE }
}

const NO_CREDENTIALS: &str = "This server asks for credentials: send an API key (Authorization: Bearer sk_live_…), or log \
                              in at /api/auth/login/.";

/// The credentials that a request carries.
#[derive(Debug)]
enum Carried {
    Nothing,
    /// A text that may be another server's token.
    Foreign,
    Key(PresentedKey),
    /// A text that looks like one of our keys, and is malformed.
    BrokenKey,
    Session(SessionToken),
}

/// Authenticates a request. On a public route everybody is anonymous.
///
/// # Errors
/// 401 where the server requires credentials and gets no valid ones, and for an invalid key of ours on any route that
/// is not public; 403 for a write with a cookie and without an origin.
pub async fn caller(state: &AppState, parts: &Parts, is_public: bool) -> Result<Caller, Problem> {
    let request_id = parts.extensions.get::<RequestId>().map(RequestId::shared);
    let ip = parts.extensions.get::<ClientAddress>().map(|client| client.ip);
    let address = ip.map(|ip| ip.to_string());
    let anonymous = Caller { actor: Actor { name: "anonymous".into(), request_id, address }, principal: None };
    if is_public || parts.method == Method::OPTIONS {
        return Ok(anonymous);
    }
    let is_tls = parts.extensions.get::<ClientAddress>().is_some_and(|client| client.is_tls);
    let carried = carried(&parts.headers, is_tls);
    let is_session = matches!(carried, Carried::Session(_));
    let presented = match carried {
        Carried::Key(key) => Presented::Key(key),
        Carried::Session(token) => Presented::Session(token),
        Carried::BrokenKey => return Err(wrong(state, ip, NotLetIn::Unknown)),
        Carried::Nothing | Carried::Foreign if state.auth == AuthMode::Open => return Ok(anonymous),
        Carried::Nothing => return Err(Problem::unauthorized(NO_CREDENTIALS)),
        Carried::Foreign => return Err(wrong(state, ip, NotLetIn::Unknown)),
    };
    // An address that guesses is blocked for a while; known callers, who may share the address, are not.
    if ip.is_some_and(|ip| state.failed_credentials.is_blocked(ip))
        && !services::access::admission::is_known(&state.billing, &presented)
    {
        return Err(FailedCredentials::problem());
    }
    match services::access::admission::authenticate(&state.billing, &presented).await? {
        Ok(principal) => {
            if is_session && !parts.method.is_safe() {
                check_has_origin(&parts.headers)?;
            }
            let actor = Actor { name: principal.name.clone(), ..anonymous.actor };
            Ok(Caller { actor, principal: Some(principal) })
        }
        // In open mode a page whose session has ended goes on as it would without one.
        Err(_) if is_session && state.auth == AuthMode::Open => Ok(anonymous),
        Err(NotLetIn::Unknown) => Err(wrong(state, ip, NotLetIn::Unknown)),
        // A key or session that was valid once is no guess.
        Err(reason) => Err(refusal(reason)),
    }
}

/// The answer to wrong credentials, which count against the client's address.
fn wrong(state: &AppState, ip: Option<IpAddr>, reason: NotLetIn) -> Problem {
    ip.into_iter().for_each(|ip| state.failed_credentials.count(ip));
    refusal(reason)
}

fn refusal(reason: NotLetIn) -> Problem {
    Problem::unauthorized(match reason {
        NotLetIn::Unknown => "The credentials are none that this server knows.",
        NotLetIn::Expired => "These credentials have expired: log in again, or use another key.",
        NotLetIn::Revoked => "This key was revoked; use another one.",
        NotLetIn::Disabled => "This user may no longer log in; ask an admin.",
    })
}

/// The key of an `Authorization` header, else the session of the cookie.
fn carried(headers: &HeaderMap, is_tls: bool) -> Carried {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let from_header = authorization.map_or(Carried::Nothing, from_authorization);
    match from_header {
        Carried::Nothing | Carried::Foreign => session(headers, is_tls).map_or(from_header, Carried::Session),
        key => key,
    }
}

fn from_authorization(value: &str) -> Carried {
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        key(rest.trim())
    } else if scheme.eq_ignore_ascii_case("basic") {
        from_basic(rest.trim())
    } else {
        Carried::Foreign
    }
}

/// Clients that know only Basic send the key as the user name or as the password (RFC 7617).
fn from_basic(encoded: &str) -> Carried {
    let pair = BASE64_STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((name, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) else { return Carried::Foreign };
    match key(password) {
        Carried::Foreign => key(name),
        known => known,
    }
}

fn key(text: &str) -> Carried {
    match text.parse() {
        Ok(key) => Carried::Key(key),
        Err(()) if PresentedKey::is_meant(text) => Carried::BrokenKey,
        Err(()) => Carried::Foreign,
    }
}

fn session(headers: &HeaderMap, is_tls: bool) -> Option<SessionToken> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let own = session_cookie_name(is_tls);
    pairs.filter(|(name, _)| *name == own).find_map(|(_, value)| value.parse().ok())
}

/// A browser sends its cookies whatever page made the request; but it names the page's origin with every write, which
/// was checked before ([`super::origins::check_origin`]). A write without an origin is refused (cross-site request
/// forgery).
fn check_has_origin(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let detail = "A write with a session's cookie has to say which page it comes from (the Origin header); programs use \
                  an API key instead.";
    Err(Problem::new(StatusCode::FORBIDDEN, "origin_missing", detail))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use rstest::rstest;

    use super::*;

    fn key_text() -> String {
        format!("sk_live_{}_{}", "ab".repeat(8), "cd".repeat(32))
    }

    fn basic(pair: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(pair))
    }

    #[rstest]
    #[case(None, "nothing")]
    #[case(Some(format!("Bearer {}", key_text())), "key")]
    #[case(Some(format!("bearer   {}", key_text())), "key")]
    #[case(Some(basic(&format!("{}:", key_text()))), "key")]
    #[case(Some(basic(&format!("AC123:{}", key_text()))), "key")]
    #[case(Some("Bearer sk_live_nonsense".to_owned()), "broken")]
    #[case(Some(basic("sk_test_x:")), "broken")]
    #[case(Some("Bearer eyJhbGciOi.x.y".to_owned()), "foreign")]
    #[case(Some("Basic !!!".to_owned()), "foreign")]
    #[case(Some("Digest x".to_owned()), "foreign")]
    #[case(Some("Bearer".to_owned()), "foreign")]
    fn what_a_header_carries(#[case] value: Option<String>, #[case] expected: &str) {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(header::AUTHORIZATION, value.parse().expect("a header value"));
        }
        let found = match carried(&headers, false) {
            Carried::Nothing => "nothing",
            Carried::Foreign => "foreign",
            Carried::Key(_) => "key",
            Carried::BrokenKey => "broken",
            Carried::Session(_) => "session",
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_cookie_among_others() {
        let token = SessionToken::from_random([7; 32]);
        let cookie = format!("theme=dark; wecall_session={}; other=1", token.reveal());
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("cookie"), cookie.parse().expect("a header value"));
        assert!(matches!(carried(&headers, false), Carried::Session(found) if found == token));
        assert!(matches!(carried(&headers, true), Carried::Nothing), "over TLS only the one that others cannot set");
        headers.insert(header::AUTHORIZATION, format!("Bearer {}", key_text()).parse().expect("a header value"));
        assert!(matches!(carried(&headers, false), Carried::Key(_)), "a key comes before a cookie");
        headers.insert(header::AUTHORIZATION, "Bearer foreign".parse().expect("a header value"));
        assert!(matches!(carried(&headers, false), Carried::Session(_)), "what is not ours is passed over");
    }
}
