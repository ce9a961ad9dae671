//! Reads bodies within the size limit, in time, and in bounded memory however many arrive at once.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;

use super::body_budget::{ALWAYS_HELD_BYTES, BodyBudget};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::who::auth::Caller;
use crate::http::edge::who::auth_mode::AuthMode;
use crate::http::state::AppState;

/// How many times over the limit a body may be for the server to receive and drop it.
const PATIENCE_FACTOR: u64 = 16;

/// Reads the body of a request.
///
/// # Errors
/// 400 `incomplete_body`, 408 `request_timeout`, 413 `payload_too_large`, 503 `busy`.
pub async fn read(mut request: Request, state: &AppState) -> Result<Bytes, Problem> {
    let limit = limit_of(state, &request);
    refuse_too_large(&mut request, limit, state.limits.body_timeout)?;
    let reading = gather(request.into_body(), limit, &state.body_budget);
    tokio::time::timeout(state.limits.body_timeout, reading).await.map_err(|_| {
        let detail = "The body did not arrive in time; send it again, at once.";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
    })?
}

/// The size limit. A caller without credentials, where they are required, can only be logging in: that takes little
/// memory, and none from the others.
fn limit_of(state: &AppState, request: &Request) -> usize {
    let is_known = request.extensions().get::<Caller>().is_some_and(|caller| caller.principal.is_some());
    let limit = state.limits.body_bytes;
    if is_known || state.auth == AuthMode::Open { limit } else { limit.min(ALWAYS_HELD_BYTES) }
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("The body is larger than the {limit} bytes this server takes.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
}

/// Refuses by its `Content-Length` a body that is too large, without waiting for it.
///
/// A client that is sending it may not look for an answer before it has finished, and would lose the answer if the
/// connection was closed meanwhile. So its body is received, within reason, and dropped. A client that waits for
/// permission to send (`Expect`) gets none.
fn refuse_too_large(request: &mut Request, limit: usize, patience: Duration) -> Result<(), Problem> {
    let length = request.body().size_hint().lower();
    if length <= limit as u64 {
        return Ok(());
    }
    if length <= (limit as u64).saturating_mul(PATIENCE_FACTOR) && !request.headers().contains_key(header::EXPECT) {
        let mut body = std::mem::take(request.body_mut());
        let arriving = async move { while let Some(Ok(_)) = body.frame().await {} };
        tokio::spawn(tokio::time::timeout(patience, arriving));
    }
    Err(too_large(limit))
}

async fn gather(mut body: Body, limit: usize, budget: &BodyBudget) -> Result<Bytes, Problem> {
    let mut held = budget.open();
    // Nearly every body comes in one piece, which is then taken as it is. Of several the bytes are copied: a piece
    // holds on to all of the buffer that it was read into.
    let (mut first, mut gathered) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let broken = |_| Problem::new(StatusCode::BAD_REQUEST, "incomplete_body", "The body broke off before its end.");
        let Ok(piece) = frame.map_err(broken)?.into_data() else { continue };
        let length = first.len() + gathered.len() + piece.len();
        if length > limit {
            return Err(too_large(limit));
        }
        held.grow_to(length)?;
        if first.is_empty() && gathered.is_empty() {
            first = piece;
        } else {
            gathered.extend_from_slice(&std::mem::take(&mut first));
            gathered.extend_from_slice(&piece);
        }
    }
    Ok(if gathered.is_empty() { first } else { gathered.into() })
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use rstest::rstest;

    use super::*;

    fn body(pieces: &[&'static str]) -> Body {
        Body::from_stream(stream::iter(pieces.iter().map(|piece| Ok::<_, std::io::Error>(*piece)).collect::<Vec<_>>()))
    }

    #[rstest]
    #[case(&[], Ok(""))]
    #[case(&["abc"], Ok("abc"))]
    #[case(&["", "abc"], Ok("abc"))]
    #[case(&["a", "b", "c", "d", "e"], Ok("abcde"))]
    #[case(&["abc", "def"], Err("payload_too_large"))]
    #[tokio::test]
    async fn in_pieces(#[case] pieces: &[&'static str], #[case] expected: Result<&str, &str>) {
        let read = gather(body(pieces), 5, &BodyBudget::default()).await.map_err(|problem| problem.code);
        assert_eq!(read, expected.map(|text| Bytes::copy_from_slice(text.as_bytes())));
    }
}
