//! Answers with CSV, to show or to download (`text/csv`, RFC 4180 and RFC 7111).

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;

use super::error::Problem;
use crate::http::edge::ask::bodies;
use crate::http::edge::ask::extract::media_type;
use crate::http::edge::who::access::Asks;
use crate::http::state::AppState;

/// A CSV body, within the size limit and in time. Its contents are not checked yet.
#[derive(Debug)]
pub struct Csv(pub Bytes);

impl Asks for Csv {}

impl FromRequest<AppState> for Csv {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Csv, Problem> {
        if media_type(request.headers()) != "text/csv" {
            let detail = "Send the sheet as CSV, with the header Content-Type: text/csv.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        bodies::read(request, state).await.map(Csv)
    }
}

/// An answer with CSV, to save as a file; the name has only letters, digits and `_.-`.
pub fn download(file: &str, content: impl Into<Body>) -> Response {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{file}\""));
    let mut response = Response::new(content.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
    if let Ok(disposition) = disposition {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}
