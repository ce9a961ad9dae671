//! Searches, filters, sorts and pages lists, each declared once as a static [`Listing`].
//!
//! To add one: declare what is read, from where, and what may be asked of it; derive `FromRow` for what is read; call
//! [`Listing::page`] with the caller's [`ListRequest`] (and with filters of your own, such as whose rows they may see);
//! list the static in `tests/it/house/query_plans.rs`, which has both databases plan every order of it.
//!
//! The SQL is made of the declaration's own texts alone; whatever callers give is bound. A page begins after a row, by
//! its sort key and its id, so that pages do not shift when rows are added. A list that grows with time needs an index
//! for each of its sorts: on the sort's column, then the id.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow, Row as _};

use super::{Conn, on};
use crate::domain::values::listing::{ListCursor, ListPage, ListRequest, ListValue, ValueKind};
use crate::error::{Error, Result};

/// A list: the columns to read, and the search, filters and sorts it allows.
#[derive(Debug)]
pub struct Listing {
    /// The columns read, as after SELECT.
    pub select: &'static str,
    /// Tables and joins, as after FROM.
    pub from: &'static str,
    /// The row's id: a unique integer, never NULL.
    pub id: &'static str,
    /// The text columns that a search looks into.
    pub search: &'static [&'static str],
    pub filters: &'static [Filter],
    pub sorts: &'static [Sort],
    /// The default order, as a caller would write it: `name`, or `-name` for descending.
    pub default_sort: &'static str,
}

/// A filter: a condition that rows must meet if its value is given.
#[derive(Debug)]
pub struct Filter {
    pub name: &'static str,
    pub kind: ValueKind,
    /// The condition, with `{}` for the value, once or more often.
    pub condition: &'static str,
}

/// A column that rows can be sorted by.
#[derive(Debug)]
pub struct Sort {
    pub name: &'static str,
    /// Never NULL: wrap one that may be in COALESCE. Texts sort by bytes (`COLLATE "C"` in Postgres).
    pub column: &'static str,
    pub kind: ValueKind,
    /// Whether the column is unique; otherwise the id decides between equal rows.
    pub is_unique: bool,
}

/// The database a text is written for: the two differ in how they ignore letter case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// A declared sort and its direction.
#[derive(Clone, Copy, Debug)]
struct Order {
    sort: &'static Sort,
    is_descending: bool,
}

impl Order {
    /// As a caller would write it.
    fn name(self) -> String {
        format!("{}{}", if self.is_descending { "-" } else { "" }, self.sort.name)
    }
}

/// The parts of a statement.
#[derive(Debug)]
struct Parts {
    order: Order,
    has_search: bool,
    filters: Vec<&'static Filter>,
    has_cursor: bool,
    has_limit: bool,
}

/// A text, and the values to bind, in order.
#[derive(Debug)]
struct Statement {
    order: Order,
    sql: String,
    values: Vec<ListValue>,
}

impl Listing {
    /// The requested page.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the list has no such sort or the cursor is not valid for it, and those of the database.
    pub async fn page<T>(&'static self, conn: &mut Conn<'_>, request: &ListRequest) -> Result<ListPage<T>>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>,
    {
        self.fetch(conn, request, Some(request.limit.get())).await
    }

    /// Every row that matches the request, whatever its cursor and limit: for small lists.
    ///
    /// # Errors
    /// As [`Listing::page`].
    pub async fn all<T>(&'static self, conn: &mut Conn<'_>, request: &ListRequest) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>,
    {
        let request = ListRequest { cursor: None, ..request.clone() };
        Ok(self.fetch(conn, &request, None).await?.items)
    }

    async fn fetch<T>(
        &'static self,
        conn: &mut Conn<'_>,
        request: &ListRequest,
        limit: Option<usize>,
    ) -> Result<ListPage<T>>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow>,
    {
        let Statement { order, sql, values } = self.statement(conn, request, limit.is_some())?;
        on!(conn, c => {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for value in values {
                query = match value {
                    ListValue::Text(text) => query.bind(text),
                    ListValue::Integer(number) => query.bind(number),
                    ListValue::Day(day) => query.bind(day),
                    ListValue::Id(id) => query.bind(id),
                    ListValue::Flag(flag) => query.bind(flag),
                };
            }
            let rows = query.fetch_all(c).await?;
            let shown = limit.unwrap_or(rows.len()).min(rows.len());
            let next = match rows.get(shown.saturating_sub(1)).filter(|_| shown < rows.len()) {
                None => None,
                Some(last) => {
                    let key = match order.sort.kind {
                        ValueKind::Text => ListValue::Text(last.try_get("sort_key")?),
                        ValueKind::Integer => ListValue::Integer(last.try_get("sort_key")?),
                        ValueKind::Day => ListValue::Day(last.try_get("sort_key")?),
                        ValueKind::Id => ListValue::Id(last.try_get("sort_key")?),
                        ValueKind::Flag => ListValue::Flag(last.try_get("sort_key")?),
                    };
                    Some(ListCursor { order: order.name(), key, id: last.try_get("sort_id")? })
                }
            };
            let items = rows.iter().take(shown).map(T::from_row).collect::<std::result::Result<Vec<T>, _>>()?;
            Ok(ListPage { items, next })
        })
    }

    fn statement(&'static self, conn: &Conn<'_>, request: &ListRequest, has_limit: bool) -> Result<Statement> {
        let dialect = match conn {
            Conn::Sqlite(_) => Dialect::Sqlite,
            Conn::Postgres(_) => Dialect::Postgres,
        };
        let order = self.order(request.sort.as_deref().unwrap_or(self.default_sort))?;
        let mut parts = Parts {
            order,
            has_search: request.search.is_some(),
            filters: Vec::new(),
            has_cursor: request.cursor.is_some(),
            has_limit,
        };
        let mut values: Vec<ListValue> = request.search.iter().map(|text| contains(text.as_str())).collect();
        for (name, value) in &request.filters {
            let declared = self.filters.iter().find(|filter| filter.name == *name && filter.kind == value.kind());
            // Filters are named by our own code. One left out may have been what hides other people's rows.
            parts.filters.push(declared.ok_or_else(|| Error::Corrupt(format!("a list has no filter {name}")))?);
            values.push(value.clone());
        }
        if let Some(cursor) = &request.cursor {
            if cursor.order != order.name() || cursor.key.kind() != order.sort.kind {
                return Err(Error::invalid("cursor", "is of a list in another order; begin again without it"));
            }
            values.push(cursor.key.clone());
            if !order.sort.is_unique {
                values.push(ListValue::Integer(cursor.id));
            }
        }
        if has_limit {
            values.push(ListValue::Integer(request.limit.with_lookahead()));
        }
        Ok(Statement { order, sql: self.text(dialect, &parts), values })
    }

    fn order(&'static self, name: &str) -> Result<Order> {
        let (is_descending, bare) = name.strip_prefix('-').map_or((false, name), |rest| (true, rest));
        let declared = self.sorts.iter().find(|sort| sort.name == bare);
        declared.map(|sort| Order { sort, is_descending }).ok_or_else(|| {
            let names = self.sorts.iter().map(|sort| sort.name).collect::<Vec<_>>().join(", ");
            Error::invalid("sort", format!("must be one of {names}, with a - before it for the other way round"))
        })
    }

    fn text(&self, dialect: Dialect, parts: &Parts) -> String {
        let mut number = 0;
        let mut parameter = || {
            number += 1;
            format!("${number}")
        };
        let mut conditions = Vec::new();
        if parts.has_search {
            let (like, pattern) = (if dialect == Dialect::Sqlite { "LIKE" } else { "ILIKE" }, parameter());
            let in_column = |column: &&str| format!("{column} {like} {pattern} ESCAPE '\\'");
            conditions.push(format!("({})", self.search.iter().map(in_column).collect::<Vec<_>>().join(" OR ")));
        }
        for filter in &parts.filters {
            conditions.push(format!("({})", filter.condition.replace("{}", &parameter())));
        }
        let Order { sort: Sort { column, is_unique, .. }, is_descending } = parts.order;
        let (after, direction) = if is_descending { ("<", " DESC") } else { (">", "") };
        if parts.has_cursor {
            conditions.push(match is_unique {
                true => format!("{column} {after} {}", parameter()),
                false => format!("({column}, {}) {after} ({}, {})", self.id, parameter(), parameter()),
            });
        }
        let order = match is_unique {
            true => format!("{column}{direction}"),
            false => format!("{column}{direction}, {}{direction}", self.id),
        };
        let only = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        let limit = if parts.has_limit { format!(" LIMIT {}", parameter()) } else { String::new() };
        let (select, from, id) = (self.select, self.from, self.id);
        format!("SELECT {select}, {column} AS sort_key, {id} AS sort_id FROM {from}{only} ORDER BY {order}{limit}")
    }

    /// Every text of the list, with its name, for tests of query plans: each order on the first page and on a later
    /// one, and each filter and the search in the default order.
    pub fn texts(&'static self, dialect: Dialect) -> Vec<(String, String)> {
        let plain =
            |order, has_cursor| Parts { order, has_search: false, filters: vec![], has_cursor, has_limit: true };
        let mut texts = Vec::new();
        for (sort, is_descending) in self.sorts.iter().flat_map(|sort| [(sort, false), (sort, true)]) {
            let order = Order { sort, is_descending };
            texts.push((order.name(), self.text(dialect, &plain(order, false))));
            texts.push((format!("{} after a row", order.name()), self.text(dialect, &plain(order, true))));
        }
        if let Ok(order) = self.order(self.default_sort) {
            for filter in self.filters {
                let parts = Parts { filters: vec![filter], ..plain(order, true) };
                texts.push((format!("only {}", filter.name), self.text(dialect, &parts)));
            }
            if !self.search.is_empty() {
                let parts = Parts { has_search: true, ..plain(order, true) };
                texts.push(("search".to_owned(), self.text(dialect, &parts)));
            }
        }
        texts
    }
}

/// A LIKE pattern for texts that contain this one; `%` and `_` stand for themselves.
fn contains(text: &str) -> ListValue {
    let literal = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    ListValue::Text(format!("%{literal}%"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    static LISTING: Listing = Listing {
        select: "t.id, t.name",
        from: "things t",
        id: "t.id",
        search: &["t.name", "t.notes"],
        filters: &[
            Filter { name: "kind", kind: ValueKind::Text, condition: "t.kind = {}" },
            Filter { name: "on_day", kind: ValueKind::Day, condition: "t.first <= {} AND t.last >= {}" },
        ],
        sorts: &[
            Sort { name: "name", column: "t.name", kind: ValueKind::Text, is_unique: true },
            Sort { name: "price", column: "t.price", kind: ValueKind::Integer, is_unique: false },
        ],
        default_sort: "-price",
    };

    fn parts(order: &str, has_cursor: bool) -> Parts {
        let order = LISTING.order(order).expect("a declared order");
        Parts { order, has_search: false, filters: Vec::new(), has_cursor, has_limit: true }
    }

    #[rstest]
    #[case("name", false, "t.name AS sort_key, t.id AS sort_id FROM things t ORDER BY t.name LIMIT $1")]
    #[case(
        "-name",
        true,
        "t.name AS sort_key, t.id AS sort_id FROM things t WHERE t.name < $1 ORDER BY t.name DESC LIMIT $2"
    )]
    #[case(
        "price",
        true,
        "t.price AS sort_key, t.id AS sort_id FROM things t WHERE (t.price, t.id) > ($1, $2) \
         ORDER BY t.price, t.id LIMIT $3"
    )]
    #[case(
        "-price",
        true,
        "t.price AS sort_key, t.id AS sort_id FROM things t WHERE (t.price, t.id) < ($1, $2) \
         ORDER BY t.price DESC, t.id DESC LIMIT $3"
    )]
    fn orders(#[case] order: &str, #[case] has_cursor: bool, #[case] text: &str) {
        let composed = LISTING.text(Dialect::Sqlite, &parts(order, has_cursor));
        assert_eq!(composed, format!("SELECT t.id, t.name, {text}"));
    }

    #[test]
    fn everything_at_once() {
        let all = Parts { has_search: true, filters: LISTING.filters.iter().collect(), ..parts("price", true) };
        let expected = |like: &str| {
            format!(
                "SELECT t.id, t.name, t.price AS sort_key, t.id AS sort_id FROM things t \
                 WHERE (t.name {like} $1 ESCAPE '\\' OR t.notes {like} $1 ESCAPE '\\') AND (t.kind = $2) \
                 AND (t.first <= $3 AND t.last >= $3) AND (t.price, t.id) > ($4, $5) ORDER BY t.price, t.id LIMIT $6"
            )
        };
        assert_eq!(LISTING.text(Dialect::Sqlite, &all), expected("LIKE"));
        assert_eq!(LISTING.text(Dialect::Postgres, &all), expected("ILIKE"));
    }

    #[rstest]
    #[case("")]
    #[case("id")]
    #[case("--name")]
    #[case("name; DROP TABLE things")]
    fn an_order_that_nobody_declared(#[case] name: &str) {
        let told = LISTING.order(name).expect_err("no order").to_string();
        assert_eq!(told, "sort must be one of name, price, with a - before it for the other way round");
    }

    #[test]
    fn patterns_mean_what_they_say() {
        assert_eq!(contains(r"100 %_\"), ListValue::Text(r"%100 \%\_\\%".to_owned()));
    }

    #[test]
    fn all_there_is_to_plan() {
        let names: Vec<String> = LISTING.texts(Dialect::Postgres).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 2 * 2 * 2 + 2 + 1);
        assert!(names.contains(&"-price after a row".to_owned()) && names.contains(&"only on_day".to_owned()));
    }
}
