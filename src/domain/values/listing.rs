//! Defines requests for lists that are searched, filtered, sorted and paged.
//! Which filters and sorts a list has is declared with its SQL.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::named_enum::deserialize_from_str;
use super::paging::{Limit, Page};
use super::text::SearchText;

/// A value that rows are compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListValue {
    #[serde(rename = "t")]
    Text(String),
    #[serde(rename = "n")]
    Integer(i64),
    #[serde(rename = "d")]
    Day(NaiveDate),
    #[serde(rename = "u")]
    Id(Uuid),
    #[serde(rename = "b")]
    Flag(bool),
}

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    Text,
    Integer,
    Day,
    Id,
    Flag,
}

impl ListValue {
    pub fn text(text: &str) -> ListValue {
        ListValue::Text(text.to_owned())
    }

    pub fn kind(&self) -> ValueKind {
        match self {
            ListValue::Text(_) => ValueKind::Text,
            ListValue::Integer(_) => ValueKind::Integer,
            ListValue::Day(_) => ValueKind::Day,
            ListValue::Id(_) => ValueKind::Id,
            ListValue::Flag(_) => ValueKind::Flag,
        }
    }

    /// Whether both databases can compare with it: Postgres allows no NUL in a text, and fewer days than we do.
    fn is_storable(&self) -> bool {
        match self {
            ListValue::Text(text) => !text.contains('\0'),
            ListValue::Day(day) => (1..=9_999).contains(&day.year()),
            ListValue::Integer(_) | ListValue::Id(_) | ListValue::Flag(_) => true,
        }
    }
}

/// A request for a page of a list.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// Only rows that contain this text in a searchable column.
    pub search: Option<SearchText>,
    /// Only rows that match all of these, by the names the list declares.
    pub filters: Vec<(&'static str, ListValue)>,
    /// As the caller wrote it: a name the list declares, after a `-` for descending order.
    pub sort: Option<String>,
    pub cursor: Option<ListCursor>,
    pub limit: Limit,
}

impl ListRequest {
    /// The request with one more filter, if there is a value to filter by.
    #[must_use]
    pub fn filtered(mut self, name: &'static str, value: Option<ListValue>) -> ListRequest {
        self.filters.extend(value.map(|value| (name, value)));
        self
    }
}

/// The position of the next page: after a row with this key. It names a place in the order, not a count of rows, so
/// rows that come or go meanwhile shift nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListCursor {
    /// The sort order it belongs to, as a request names it.
    pub order: String,
    /// The row's sort key.
    pub key: ListValue,
    /// The row's id, which tells it from others with the same key.
    pub id: i64,
}

/// A page of a list.
pub type ListPage<T> = Page<T, ListCursor>;

/// An opaque text, so that callers do not write it by hand.
impl fmt::Display for ListCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Texts and numbers always serialise.
        let json = serde_json::to_vec(&(&self.order, &self.key, self.id)).unwrap_or_default();
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(json))
    }
}

impl FromStr for ListCursor {
    type Err = String;

    fn from_str(text: &str) -> Result<ListCursor, String> {
        let json = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        json.and_then(|json| serde_json::from_slice::<(String, ListValue, i64)>(&json).ok())
            .filter(|(_, key, _)| key.is_storable())
            .map(|(order, key, id)| ListCursor { order, key, id })
            .ok_or_else(|| "must be taken unchanged from the Link header of the page before".to_owned())
    }
}

deserialize_from_str!(ListCursor);

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(key: ListValue) -> ListCursor {
        ListCursor { order: "-name".to_owned(), key, id: 7 }
    }

    #[test]
    fn cursors_survive_text() {
        for key in [
            ListValue::Text("Ünïcode, \"quoted\"".to_owned()),
            ListValue::Integer(i64::MIN),
            ListValue::Day(NaiveDate::from_ymd_opt(2026, 3, 18).expect("a day")),
            ListValue::Id(Uuid::from_u128(7)),
            ListValue::Flag(true),
        ] {
            let cursor = cursor(key);
            let text = cursor.to_string();
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
            assert_eq!(text.parse(), Ok(cursor));
        }
    }

    #[test]
    fn what_is_no_cursor() {
        let nul = cursor(ListValue::Text("a\0b".to_owned())).to_string();
        let far = cursor(ListValue::Day(NaiveDate::MAX)).to_string();
        let other = BASE64_URL_SAFE_NO_PAD.encode(r#"["name",{"t":5},1]"#);
        for bad in ["", "c1", "====", "bmFtZQ", &nul, &far, &other] {
            assert!(bad.parse::<ListCursor>().is_err(), "{bad}");
        }
    }
}
