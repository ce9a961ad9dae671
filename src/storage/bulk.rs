//! Many rows in one statement: what the batches of the committer are written and read with.
//!
//! A statement costs tens of microseconds on its way to the database and back, a row a few. On SQLite the rows travel as
//! VALUES, in chunks whose sizes repeat so that their statements stay prepared; on Postgres as one array per column.

use std::fmt::Write;
use std::sync::Arc;

use chrono::NaiveDate;
use sqlx::postgres::{PgArguments, PgQueryResult};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteQueryResult};
use sqlx::{FromRow, Postgres, Sqlite};
use uuid::Uuid;

use super::db::Conn;
use crate::error::Result;

/// A statement whose rows come along with it.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// The columns of the rows, and their types in Postgres.
    pub columns: &'static [(&'static str, &'static str)],
    pub action: Action,
}

/// What is done with the rows.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// They go into a table's columns of the same names.
    InsertInto(&'static str),
    /// They are a table `given`: this is what follows `WITH given (…) AS (…)`.
    With(&'static str),
}

/// The values of one column of `given`, one per row.
#[derive(Clone, Debug)]
pub enum Column {
    Integer(Vec<Option<i64>>),
    Text(Vec<Option<Arc<str>>>),
    Id(Vec<Option<Uuid>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Day(Vec<Option<NaiveDate>>),
}

/// Up to this many rows go in a statement of just their number.
const EXACT_UP_TO: usize = 32;
/// More rows go in chunks of a power of two, no larger than this.
const CHUNK_MAX: usize = 512;

impl Bulk {
    /// The text for SQLite and so many rows.
    pub fn on_sqlite(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        let rows = vec![row.as_str(); rows].join(", ");
        match self.action {
            Action::InsertInto(table) => format!("INSERT INTO {table} ({}) VALUES {rows}", self.names()),
            Action::With(statement) => format!("WITH given ({}) AS (VALUES {rows}) {statement}", self.names()),
        }
    }

    /// The text for Postgres and any number of rows.
    pub fn on_postgres(&self) -> String {
        let mut arrays = String::new();
        for (number, (_, kind)) in (1..).zip(self.columns) {
            let comma = if number == 1 { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(arrays, "{comma}${number}::{kind}[]");
        }
        let rows = format!("SELECT * FROM UNNEST({arrays})");
        match self.action {
            Action::InsertInto(table) => format!("INSERT INTO {table} ({}) {rows}", self.names()),
            Action::With(statement) => format!("WITH given ({}) AS ({rows}) {statement}", self.names()),
        }
    }

    fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// Runs the statement over all rows; how many rows it changed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn execute(&self, conn: &mut Conn<'_>, columns: Vec<Column>) -> Result<u64> {
        debug_assert_eq!(columns.len(), self.columns.len());
        let rows = columns.first().map_or(0, Column::len);
        if rows == 0 {
            return Ok(0);
        }
        match conn {
            Conn::Sqlite(c) => {
                let mut changed = 0;
                for (start, length) in chunks(rows) {
                    let sql = sqlx::AssertSqlSafe(self.on_sqlite(length));
                    let query = bind_rows(sqlx::query(sql), &columns, start, length);
                    changed += SqliteQueryResult::rows_affected(&query.execute(&mut **c).await?);
                }
                Ok(changed)
            }
            Conn::Postgres(c) => {
                let query = bind_arrays(sqlx::query(sqlx::AssertSqlSafe(self.on_postgres())), columns);
                Ok(PgQueryResult::rows_affected(&query.execute(&mut **c).await?))
            }
        }
    }

    /// The rows that the statement answers, in any order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fetch<T>(&self, conn: &mut Conn<'_>, columns: Vec<Column>) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
    {
        debug_assert_eq!(columns.len(), self.columns.len());
        let rows = columns.first().map_or(0, Column::len);
        if rows == 0 {
            return Ok(Vec::new());
        }
        match conn {
            Conn::Sqlite(c) => {
                let mut found = Vec::new();
                for (start, length) in chunks(rows) {
                    let sql = sqlx::AssertSqlSafe(self.on_sqlite(length));
                    let query = bind_rows(sqlx::query(sql), &columns, start, length);
                    for row in query.fetch_all(&mut **c).await? {
                        found.push(T::from_row(&row)?);
                    }
                }
                Ok(found)
            }
            Conn::Postgres(c) => {
                let query = bind_arrays(sqlx::query(sqlx::AssertSqlSafe(self.on_postgres())), columns);
                let rows = query.fetch_all(&mut **c).await?;
                Ok(rows.iter().map(T::from_row).collect::<std::result::Result<_, _>>()?)
            }
        }
    }
}

impl Column {
    pub fn integers(values: impl IntoIterator<Item = i64>) -> Column {
        Column::Integer(values.into_iter().map(Some).collect())
    }

    pub fn texts<T: Into<Arc<str>>>(values: impl IntoIterator<Item = T>) -> Column {
        Column::Text(values.into_iter().map(|value| Some(value.into())).collect())
    }

    pub fn ids(values: impl IntoIterator<Item = Uuid>) -> Column {
        Column::Id(values.into_iter().map(Some).collect())
    }

    pub fn days(values: impl IntoIterator<Item = NaiveDate>) -> Column {
        Column::Day(values.into_iter().map(Some).collect())
    }

    fn len(&self) -> usize {
        match self {
            Column::Integer(values) => values.len(),
            Column::Text(values) => values.len(),
            Column::Id(values) => values.len(),
            Column::Bytes(values) => values.len(),
            Column::Day(values) => values.len(),
        }
    }
}

/// Where each chunk starts and how long it is: few different lengths, so that few statements are prepared.
fn chunks(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let left = rows - start;
        let length = match left {
            0 => return None,
            1..=EXACT_UP_TO => left,
            _ => (1 << left.ilog2()).min(CHUNK_MAX),
        };
        start += length;
        Some((start - length, length))
    })
}

type SqliteQuery<'q> = Query<'q, Sqlite, SqliteArguments>;

fn bind_rows<'q>(mut query: SqliteQuery<'q>, columns: &[Column], start: usize, length: usize) -> SqliteQuery<'q> {
    for row in start..start + length {
        for column in columns {
            query = match column {
                Column::Integer(values) => query.bind(values[row]),
                Column::Text(values) => query.bind(values[row].clone()),
                Column::Id(values) => query.bind(values[row]),
                Column::Bytes(values) => query.bind(values[row].clone()),
                Column::Day(values) => query.bind(values[row]),
            };
        }
    }
    query
}

type PostgresQuery<'q> = Query<'q, Postgres, PgArguments>;

fn bind_arrays(mut query: PostgresQuery<'_>, columns: Vec<Column>) -> PostgresQuery<'_> {
    for column in columns {
        query = match column {
            Column::Integer(values) => query.bind(values),
            Column::Text(values) => {
                query.bind(values.iter().map(|text| text.as_deref().map(str::to_owned)).collect::<Vec<_>>())
            }
            Column::Id(values) => query.bind(values),
            Column::Bytes(values) => query.bind(values),
            Column::Day(values) => query.bind(values),
        };
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_row_in_few_sizes() {
        let mut sizes = std::collections::BTreeSet::new();
        for rows in 0..3_000 {
            let mut next = 0;
            for (start, length) in chunks(rows) {
                assert_eq!(start, next);
                next += length;
                sizes.insert(length);
            }
            assert_eq!(next, rows);
        }
        assert_eq!(sizes.len(), EXACT_UP_TO + 4, "{sizes:?}");
    }

    #[test]
    fn texts_of_both_dialects() {
        const COLUMNS: &[(&str, &str)] = &[("id", "BIGINT"), ("name", "TEXT")];
        let insert = Bulk { columns: COLUMNS, action: Action::InsertInto("t") };
        assert_eq!(insert.on_sqlite(2), "INSERT INTO t (id, name) VALUES (?, ?), (?, ?)");
        let unnest = "SELECT * FROM UNNEST($1::BIGINT[], $2::TEXT[])";
        assert_eq!(insert.on_postgres(), format!("INSERT INTO t (id, name) {unnest}"));
        let select = Bulk { columns: COLUMNS, action: Action::With("SELECT id FROM given") };
        assert_eq!(select.on_sqlite(1), "WITH given (id, name) AS (VALUES (?, ?)) SELECT id FROM given");
        assert_eq!(select.on_postgres(), format!("WITH given (id, name) AS ({unnest}) SELECT id FROM given"));
    }
}
