//! Many rows in one statement: what the batches of the committer are written and read with.
//!
//! A statement costs tens of microseconds on its way to the database and back, a row a few. On SQLite the rows travel as
//! VALUES, in chunks whose sizes repeat so that their statements stay prepared; on Postgres as one array per column.

use std::fmt::Write;
use std::sync::{Arc, OnceLock};

use chrono::NaiveDate;
use sqlx::postgres::{PgArguments, PgQueryResult};
use sqlx::sqlite::{SqliteArguments, SqliteQueryResult};
use sqlx::{Arguments, FromRow};
use uuid::Uuid;

use super::db::Conn;
use crate::error::Result;

/// A statement whose rows come along with it.
#[derive(Debug)]
pub struct Bulk {
    columns: &'static [(&'static str, &'static str)],
    action: Action,
    /// Written at their first use: for SQLite one for each length of a chunk, and the last one for Postgres.
    texts: [OnceLock<String>; TEXTS],
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
/// How many texts a statement has.
const TEXTS: usize = EXACT_UP_TO + (CHUNK_MAX / EXACT_UP_TO).ilog2() as usize + 1;

impl Bulk {
    /// `columns`: those of the rows, and their types in Postgres.
    pub const fn new(columns: &'static [(&'static str, &'static str)], action: Action) -> Bulk {
        Bulk { columns, action, texts: [const { OnceLock::new() }; TEXTS] }
    }

    /// The text for SQLite and a chunk of so many rows.
    pub fn on_sqlite(&'static self, rows: usize) -> &'static str {
        let place =
            if rows <= EXACT_UP_TO { rows - 1 } else { EXACT_UP_TO - 1 + (rows / EXACT_UP_TO).ilog2() as usize };
        self.texts[place].get_or_init(|| {
            let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
            let rows = vec![row.as_str(); rows].join(", ");
            match self.action {
                Action::InsertInto(table) => format!("INSERT INTO {table} ({}) VALUES {rows}", self.names()),
                Action::With(statement) => format!("WITH given ({}) AS (VALUES {rows}) {statement}", self.names()),
            }
        })
    }

    /// The text for Postgres and any number of rows.
    pub fn on_postgres(&'static self) -> &'static str {
        self.texts[TEXTS - 1].get_or_init(|| {
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
        })
    }

    fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// Runs the statement over all rows; how many rows it changed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn execute(&'static self, conn: &mut Conn<'_>, columns: Vec<Column>) -> Result<u64> {
        debug_assert_eq!(columns.len(), self.columns.len());
        let rows = columns.first().map_or(0, Column::len);
        if rows == 0 {
            return Ok(0);
        }
        match conn {
            Conn::Sqlite(c) => {
                let mut changed = 0;
                for (start, length) in chunks(rows) {
                    let values = rows_of(&columns, start, length)?;
                    let query = sqlx::query_with(self.on_sqlite(length), values);
                    changed += SqliteQueryResult::rows_affected(&query.execute(&mut **c).await?);
                }
                Ok(changed)
            }
            Conn::Postgres(c) => {
                let query = sqlx::query_with(self.on_postgres(), arrays_of(columns)?);
                Ok(PgQueryResult::rows_affected(&query.execute(&mut **c).await?))
            }
        }
    }

    /// The rows that the statement answers, in any order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fetch<T>(&'static self, conn: &mut Conn<'_>, columns: Vec<Column>) -> Result<Vec<T>>
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
                    let values = rows_of(&columns, start, length)?;
                    let query = sqlx::query_with(self.on_sqlite(length), values);
                    for row in query.fetch_all(&mut **c).await? {
                        found.push(T::from_row(&row)?);
                    }
                }
                Ok(found)
            }
            Conn::Postgres(c) => {
                let query = sqlx::query_with(self.on_postgres(), arrays_of(columns)?);
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

/// The values of so many rows, one row after the other.
fn rows_of(columns: &[Column], start: usize, length: usize) -> Result<SqliteArguments> {
    let mut values = SqliteArguments::default();
    values.reserve(length * columns.len(), 0);
    for row in start..start + length {
        for column in columns {
            match column {
                Column::Integer(of) => values.add(of[row]),
                Column::Text(of) => values.add(of[row].clone()),
                Column::Id(of) => values.add(of[row]),
                Column::Bytes(of) => values.add(of[row].clone()),
                Column::Day(of) => values.add(of[row]),
            }
            .map_err(sqlx::Error::Encode)?;
        }
    }
    Ok(values)
}

/// An array for each column.
fn arrays_of(columns: Vec<Column>) -> Result<PgArguments> {
    let mut values = PgArguments::default();
    for column in columns {
        match column {
            Column::Integer(of) => values.add(of),
            Column::Text(of) => values.add(of.iter().map(Option::as_deref).collect::<Vec<Option<&str>>>()),
            Column::Id(of) => values.add(of),
            Column::Bytes(of) => values.add(of),
            Column::Day(of) => values.add(of),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(values)
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
    fn each_length_has_a_text_of_its_own() {
        static SELECT: Bulk = Bulk::new(&[("id", "BIGINT")], Action::With("SELECT id FROM given"));
        for (_, length) in (1..2_000).flat_map(chunks) {
            assert_eq!(SELECT.on_sqlite(length).matches('?').count(), length);
        }
        assert!(SELECT.on_postgres().contains("UNNEST"));
    }

    #[test]
    fn texts_of_both_dialects() {
        const COLUMNS: &[(&str, &str)] = &[("id", "BIGINT"), ("name", "TEXT")];
        static INSERT: Bulk = Bulk::new(COLUMNS, Action::InsertInto("t"));
        static SELECT: Bulk = Bulk::new(COLUMNS, Action::With("SELECT id FROM given"));
        assert_eq!(INSERT.on_sqlite(2), "INSERT INTO t (id, name) VALUES (?, ?), (?, ?)");
        let unnest = "SELECT * FROM UNNEST($1::BIGINT[], $2::TEXT[])";
        assert_eq!(INSERT.on_postgres(), format!("INSERT INTO t (id, name) {unnest}"));
        assert_eq!(SELECT.on_sqlite(1), "WITH given (id, name) AS (VALUES (?, ?)) SELECT id FROM given");
        assert_eq!(SELECT.on_postgres(), format!("WITH given (id, name) AS ({unnest}) SELECT id FROM given"));
    }
}
