//! Serves the OpenAPI document, and a page to browse and try the API.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use utoipa_swagger_ui::Config;

use crate::http::edge::answer::error::Problem;
use crate::http::state::AppState;

static PAGE_CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::from("/openapi.json");
    Arc::new(config.display_request_duration(true).try_it_out_enabled(true).validator_url("none").deep_linking(true))
});

/// Get the OpenAPI document
///
/// This document, in OpenAPI 3.1: for Postman and for client generators.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "Operation",
    security(()),
    responses((status = 200, description = "The document", body = Object)),
)]
pub async fn openapi_document(State(state): State<AppState>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], state.openapi.clone()).into_response()
}

/// Leads from the bare address to the documentation.
pub async fn index() -> Redirect {
    Redirect::temporary("/docs/")
}

/// Redirects to the address with a slash: the page names its files relative to it.
pub async fn to_page() -> Redirect {
    Redirect::permanent("/docs/")
}

/// The documentation page.
pub async fn page() -> Response {
    serve("index.html")
}

pub async fn asset(Path(file): Path<String>) -> Response {
    serve(&file)
}

fn serve(file: &str) -> Response {
    match utoipa_swagger_ui::serve(file, PAGE_CONFIG.clone()) {
        Ok(Some(found)) => {
            // The files are part of the program: nothing is copied for those who ask for them.
            let bytes = match found.bytes {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            };
            let mut response = bytes.into_response();
            if let Ok(content_type) = found.content_type.parse() {
                response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            }
            if found.gzpipped {
                response.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
            }
            response
        }
        Ok(None) => Problem::not_found().into_response(),
        Err(error) => Problem::internal(format!("the documentation page: {error}")).into_response(),
    }
}
