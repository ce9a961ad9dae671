//! Pages lists that run from the newest down: limit, cursor, and the `Link` header (RFC 8288).
//! Lists that are searched and sorted are in [`super::listing`].

use std::fmt::Display;

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::domain::values::paging::{Cursor, Limit, Page};
use crate::http::edge::ask::extract::Json;

/// The part of the query string that all such lists understand. A list's own filters are another
/// [`crate::http::edge::ask::extract::Query`] of the same string.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The number of rows per page.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 50)]
    limit: Option<Limit>,
    /// Pagination cursor: take it unchanged from the `Link` header of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
}

impl PageQuery {
    /// The position of the page, and its number of rows.
    pub fn bounds(self) -> (Cursor, Limit) {
        (self.cursor.unwrap_or(Cursor::START), self.limit.unwrap_or_default())
    }
}

/// The answer with a page: its rows, and the link to the next one.
pub fn answer<B: Serialize, C: Display>(uri: &Uri, page: Page<B, C>) -> (HeaderMap, Json<Vec<B>>) {
    (next_link(uri, page.next), Json(page.items))
}

/// The `Link` header to the next page, if there is one: the same address with the next cursor. It is relative, so that
/// it holds behind a proxy with another name.
pub fn next_link(uri: &Uri, next: Option<impl Display>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(cursor) = next {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let given = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        query.extend_pairs(given.filter(|(name, _)| name != "cursor"));
        query.append_pair("cursor", &cursor.to_string());
        let link = format!("<{}?{}>; rel=\"next\"", uri.path(), query.finish());
        if let Ok(value) = HeaderValue::from_str(&link) {
            headers.insert(header::LINK, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_asked_and_replaces_the_cursor() {
        let uri = Uri::from_static("/api/x/?type=TOPUP&cursor=c1&from=2026-03-01T00%3A00%3A00%2B03%3A00");
        let headers = next_link(&uri, Some(Cursor::below(31)));
        let link = headers.get(header::LINK).and_then(|value| value.to_str().ok());
        let expected = "</api/x/?type=TOPUP&from=2026-03-01T00%3A00%3A00%2B03%3A00&cursor=c1f>; rel=\"next\"";
        assert_eq!(link, Some(expected));
        assert!(next_link(&uri, None::<Cursor>).is_empty());
    }
}
