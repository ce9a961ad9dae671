//! Wraps the routes in their outer layers: deadlines, panics, CORS, compression, logs, metrics, security headers.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::cors::CorsLayer;
use tracing::Instrument;

use super::answer::error::Problem;
use super::ask::head_limits;
use super::request_id::RequestId;
use super::who::auth::{Caller, PeerAddress};
use super::who::auth_mode::AuthMode;
use super::who::client_address::ClientAddress;
use super::who::rate_limits::Verdict;
use super::who::{credentials, origins};
use crate::http::state::{AppState, HttpState};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The whole HTTP service.
pub type Service = tower::util::BoxCloneSyncService<Request, Response, std::convert::Infallible>;

/// The path templates of the public routes.
pub type PublicPaths = &'static [&'static str];

/// Wraps the routes in layers, the outermost last: routes → compression → guard (limits, authentication, deadline,
/// panics) → CORS → edge (ids, addresses, bodies of problems, log, headers) → slash.
pub fn around(router: Router<AppState>, public: PublicPaths, state: AppState) -> Service {
    let router = router
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(other_method)
        .with_state(state.clone());
    // A PDF is compressed inside.
    let is_compressible = SizeAbove::new(1_024).and(NotForContentType::const_new("application/pdf"));
    let guard = middleware::from_fn_with_state((state.clone(), public), guard);
    let edge = middleware::from_fn_with_state(state.clone(), wrap);
    let for_pages = router
        .clone()
        .layer(CompressionLayer::new().compress_when(is_compressible))
        .layer(guard.clone())
        .layer(cors(&state))
        .layer(edge.clone());
    let for_programs = router.layer(guard).layer(edge);
    let choose = tower::service_fn(move |request: Request| {
        let router = if needs_page_layers(&request) { for_pages.clone() } else { for_programs.clone() };
        router.oneshot(with_slash(request))
    });
    tower::util::BoxCloneSyncService::new(choose)
}

/// Wraps the metrics in the outermost layer, without the guard.
pub fn around_metrics(router: Router<AppState>, state: AppState) -> Service {
    let edge = middleware::from_fn_with_state(state.clone(), wrap);
    let router = router.fallback(async || Problem::not_found()).with_state(state).layer(edge);
    tower::util::BoxCloneSyncService::new(tower::service_fn(move |request: Request| router.clone().oneshot(request)))
}

/// Whether a request needs what browsers do: CORS where it names its page's origin, compression where it offers to take
/// it. A gateway sends neither header, and does not pay for them. The CORS layer takes every OPTIONS for a preflight;
/// one that is none asks which methods there are, and goes past it.
fn needs_page_layers(request: &Request) -> bool {
    let has = |name: HeaderName| request.headers().contains_key(name);
    let is_plain_options = request.method() == Method::OPTIONS && !has(header::ACCESS_CONTROL_REQUEST_METHOD);
    !is_plain_options && (has(header::ORIGIN) || has(header::ACCEPT_ENCODING))
}

/// Answers a method that an address has no handler for. axum adds the `Allow` header.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        Problem::method_not_allowed().into_response()
    }
}

fn cors(state: &HttpState) -> CorsLayer {
    let names = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect::<Vec<_>>();
    CorsLayer::new()
        .allow_origin(state.cors_origins.clone())
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS])
        .allow_headers(names(&["content-type", "authorization", "idempotency-key", "if-match"]))
        .expose_headers(names(&[
            "link",
            "etag",
            "x-request-id",
            "content-disposition",
            "idempotent-replayed",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
        ]))
        .max_age(Duration::from_secs(3_600))
}

/// The outermost layer: gives the request its id and its client's address; logs and counts the answer, writes the
/// bodies of problems and adds the security headers.
pub async fn wrap(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = RequestId::of(request.headers(), &state.billing.clock);
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route_label = route.as_ref().map_or("(none)", MatchedPath::as_str);
    request.extensions_mut().insert(id.clone());
    if let Some(PeerAddress(peer)) = request.extensions().get().copied() {
        let client = ClientAddress::of(peer.ip(), request.headers(), &state.trusted_proxies);
        request.extensions_mut().insert(client);
    }

    // Disabled unless asked for: the one line of a request says all of it, and what goes wrong inside reaches that
    // line.
    let span = tracing::debug_span!("request", request_id = id.as_str(), method, route = route_label);
    let mut response = next.run(request).instrument(span).await;

    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        problem.render(&mut response, id.as_str());
    }
    let latency = started.elapsed();
    let status = response.status().as_u16();
    state.metrics.count(method, route_label, status, latency);
    let (request_id, latency_ms) = (id.as_str(), latency.as_micros() as f64 / 1_000.0);
    let code = problem.as_ref().map(|problem| problem.code);
    match problem.as_ref().and_then(|problem| problem.cause.as_deref()) {
        Some(cause) => {
            tracing::error!(request_id, method, route = route_label, status, code, latency_ms, cause, "answered");
        }
        None => tracing::info!(request_id, method, route = route_label, status, code, latency_ms, "answered"),
    }
    add_headers(response.headers_mut(), route_label, &id);
    response
}

/// The checks before a handler runs. It lies inside CORS, so that a page can read why its request was refused.
pub async fn guard(State((state, public)): State<(AppState, PublicPaths)>, request: Request, next: Next) -> Response {
    if let Err(problem) = head_limits::check(request.uri(), request.headers()) {
        return problem.into_response();
    }
    let path = request.uri().path();
    let is_probe = matches!(path, "/healthz" | "/readyz" | "/metrics");
    if !is_probe && let Err(problem) = origins::check_host(request.headers(), &state.allowed_hosts) {
        return problem.into_response();
    }
    if let Err(problem) =
        origins::check_origin(request.method(), request.headers(), &state.cors_origins, &state.allowed_hosts)
    {
        return problem.into_response();
    }
    let (mut parts, body) = request.into_parts();
    let route = parts.extensions.get::<MatchedPath>();
    let is_public = route.is_some_and(|route| public.contains(&route.as_str()));
    let caller = match credentials::caller(&state, &parts, is_public).await {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let verdict = limit(&state, &caller, parts.extensions.get());
    parts.extensions.insert(caller);
    let request = Request::from_parts(parts, body);
    let mut response = match verdict.refusal() {
        Some(problem) => problem.into_response(),
        None => answer_in_time(&state, request, next).await,
    };
    verdict.add_headers(response.headers_mut());
    response
}

/// The verdict of the rate limit. In open mode callers are not known, and not limited.
fn limit(state: &AppState, caller: &Caller, client: Option<&ClientAddress>) -> Verdict {
    let known = caller.principal.as_ref().filter(|_| state.auth == AuthMode::Required).zip(client);
    known.map_or_else(Verdict::default, |(principal, client)| {
        state.rate_limits.check(principal.role, &principal.name, client.ip)
    })
}

async fn answer_in_time(state: &AppState, request: Request, next: Next) -> Response {
    let is_read = request.method().is_safe();
    let answer = catch_panics(next.run(request));
    tokio::time::timeout(state.limits.request_timeout, answer).await.unwrap_or_else(|_| {
        let detail = if is_read {
            "The server could not answer in time; try again in a moment."
        } else {
            "The server could not answer in time. It may still do what was asked: repeat it with the same \
             Idempotency-Key or message_sid; without one, look whether it happened first."
        };
        let cause = Some("the request met its deadline".to_owned());
        Problem::unavailable("deadline_exceeded", detail, cause).into_response()
    })
}

/// A panic ends its request, not the connection: the caller gets a 500.
async fn catch_panics(answer: impl Future<Output = Response>) -> Response {
    let caught = futures_util::FutureExt::catch_unwind(AssertUnwindSafe(answer)).await;
    caught.unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("(no message)");
        Problem::internal(format!("panic: {message}")).into_response()
    })
}

pub fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

/// The method for logs and metrics; one that a client made up is not repeated.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

fn add_headers(headers: &mut HeaderMap, route: &str, id: &RequestId) {
    let is_page = route.starts_with("/docs");
    // The page of the API's documentation runs its own scripts and styles; nothing else here is a page.
    let policy = if is_page {
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    } else {
        "default-src 'none'; frame-ancestors 'none'"
    };
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // An invoice to look at brings a policy of its own, as strict, that lets its styles show.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    // Balances and their like are never to be kept by a browser or a proxy.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(X_REQUEST_ID, value);
    }
}

/// Adds the missing slash at the end of an address of the API, so that `/x` and `/x/` are one address, without a
/// redirect (the front end's proxy strips the slash, and would be redirected for ever).
pub fn with_slash(mut request: Request) -> Request {
    let uri = request.uri();
    if is_api(uri.path()) && !uri.path().ends_with('/') {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(slashed) = format!("{}/{query}", uri.path()).parse::<Uri>() {
            *request.uri_mut() = slashed;
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use rstest::rstest;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        async fn fail(reason: &str) -> Response {
            match reason {
                "" => panic!("a plain text"),
                reason => panic!("a text with {reason}"),
            }
        }
        for (reason, cause) in [("", "panic: a plain text"), ("numbers", "panic: a text with numbers")] {
            let response = catch_panics(fail(reason)).await;
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let problem = response.extensions().get::<Problem>().expect("a problem");
            assert_eq!((problem.code, problem.cause.as_deref()), ("internal_error", Some(cause)));
        }
    }

    #[rstest]
    #[case("/api/x", "/api/x/")]
    #[case("/api/x/", "/api/x/")]
    #[case("/api/x?a=b", "/api/x/?a=b")]
    #[case("/api", "/api/")]
    #[case("/docs", "/docs")]
    #[case("/apix", "/apix")]
    #[case("http://host/api/x?a", "/api/x/?a")]
    fn slashes(#[case] given: &str, #[case] routed: &str) {
        let request = Request::builder().uri(given).body(Body::empty()).expect("a request");
        assert_eq!(with_slash(request).uri().to_string(), routed);
    }
}
