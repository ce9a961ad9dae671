//! Reads search, sort and cursor of lists, and answers their pages.

use axum::http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::pages;
use crate::domain::values::listing::{ListCursor, ListPage, ListRequest};
use crate::domain::values::paging::Limit;
use crate::domain::values::text::SearchText;
use crate::http::edge::ask::extract::Json;

/// The part of the query string that all such lists understand. A list's own filters are another
/// [`crate::http::edge::ask::extract::Query`] of the same string.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only rows that contain this text, ignoring case: at most 100 characters.
    #[param(value_type = Option<String>)]
    search: Option<SearchText>,
    /// The field to sort by; put `-` before it for descending order.
    sort: Option<String>,
    /// The number of rows per page.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 50)]
    limit: Option<Limit>,
    /// Pagination cursor: take it unchanged from the `Link` header of the previous page.
    #[param(value_type = Option<String>)]
    cursor: Option<ListCursor>,
}

impl From<ListQuery> for ListRequest {
    fn from(query: ListQuery) -> ListRequest {
        ListRequest {
            search: query.search,
            filters: Vec::new(),
            sort: query.sort,
            cursor: query.cursor,
            limit: query.limit.unwrap_or_default(),
        }
    }
}

/// The answer with a page: its rows, and the link to the next one.
pub fn answer<T, B: From<T> + Serialize>(uri: &Uri, page: ListPage<T>) -> (HeaderMap, Json<Vec<B>>) {
    pages::answer(uri, page.map(B::from))
}
