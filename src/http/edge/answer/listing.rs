//! Reads search, sort and cursor of lists, and answers their pages.

use axum::http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::pages::next_link;
use crate::domain::values::listing::{ListCursor, ListPage, ListRequest};
use crate::domain::values::paging::Limit;
use crate::domain::values::text::SearchText;
use crate::http::edge::ask::extract::Json;

/// The part of the query string that all such lists understand. A list's own filters are another
/// [`crate::http::edge::ask::extract::Query`] of the same string.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only rows in which this text stands, in any letter case: at most 100 characters.
    #[param(value_type = Option<String>)]
    search: Option<SearchText>,
    /// What to sort by, with a `-` before it for the other way round.
    sort: Option<String>,
    /// How many rows a page holds.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 50)]
    limit: Option<Limit>,
    /// Where the page begins, taken unchanged from the `Link` header of the page before.
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
    let page = page.map(B::from);
    (next_link(uri, page.next), Json(page.items))
}
