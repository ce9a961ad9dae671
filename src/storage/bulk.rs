//! Statements over many rows: what the batches of the committer are written and read with.
//!
//! A statement costs tens of microseconds on its way to Postgres and back, a row a few, so there all rows go in one: an
//! array per column. On SQLite there is no way to go ([`super::local`]), and each row is a statement of its own, prepared
//! once: the simplest statements it has are the fastest.

use std::fmt::Write;
use std::sync::OnceLock;

use chrono::NaiveDate;
use rusqlite::types::FromSql;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteQueryResult, SqliteRow};
use sqlx::{Arguments, Decode, Postgres, Row as _, Sqlite, Type};
use uuid::Uuid;

use super::db::{BulkConn, Conn};
use super::local::to_sqlx;
use crate::error::Result;

/// A statement whose rows come along with it.
#[derive(Debug)]
pub struct Bulk {
    columns: &'static [(&'static str, &'static str)],
    action: Action,
    /// Its texts, written at their first use.
    of_one: OnceLock<String>,
    of_many: OnceLock<String>,
}

/// What is done with the rows.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// They go into a table's columns of the same names.
    InsertInto(&'static str),
    /// Each becomes a row of a table (`into` names its columns too), unless what follows them stands in the way. `values`
    /// knows them as `given.<column>`.
    Insert { into: &'static str, values: &'static str, unless: &'static str },
    /// They are a table `given`: this is what follows `WITH given (…) AS (…)`.
    With(&'static str),
    /// Each changes one row of a table. `set` and `by` (which row) know them by the same names.
    Update { table: &'static str, set: &'static str, by: &'static str },
}

/// The values of one column of `given`, one per row.
#[derive(Clone, Debug)]
pub enum Column<'v> {
    Integer(Vec<Option<i64>>),
    Text(Vec<Option<&'v str>>),
    Id(Vec<Option<Uuid>>),
    Bytes(Vec<Option<&'v [u8]>>),
    Day(Vec<Option<NaiveDate>>),
}

impl Bulk {
    /// `columns`: those of the rows, and their types in Postgres.
    pub const fn new(columns: &'static [(&'static str, &'static str)], action: Action) -> Bulk {
        Bulk { columns, action, of_one: OnceLock::new(), of_many: OnceLock::new() }
    }

    /// The text for SQLite, and one row.
    pub fn on_sqlite(&'static self) -> &'static str {
        self.of_one.get_or_init(|| {
            let values = (1..=self.columns.len()).map(|number| format!("?{number}")).collect::<Vec<_>>().join(", ");
            match self.action {
                Action::InsertInto(table) => format!("INSERT INTO {table} ({}) VALUES ({values})", self.names()),
                // Of one row, SQLite knows that it cannot break a foreign key to the table.
                Action::Insert { into, values, unless } => {
                    format!("INSERT INTO {into} VALUES ({}) {unless}", self.with_parameters(values))
                }
                Action::With(statement) => format!("WITH given ({}) AS (VALUES ({values})) {statement}", self.names()),
                // `UPDATE … FROM` would put its one row into a table made for it.
                Action::Update { table, set, by } => {
                    format!("UPDATE {table} SET {} WHERE {}", self.with_parameters(set), self.with_parameters(by))
                }
            }
        })
    }

    /// The text for Postgres, and any number of rows.
    pub fn on_postgres(&'static self) -> &'static str {
        self.of_many.get_or_init(|| {
            let mut arrays = String::new();
            for (number, (_, kind)) in (1..).zip(self.columns) {
                let comma = if number == 1 { "" } else { ", " };
                // Writing to a String cannot fail.
                let _ = write!(arrays, "{comma}${number}::{kind}[]");
            }
            let rows = format!("SELECT * FROM UNNEST({arrays})");
            let given = format!("WITH given ({}) AS ({rows})", self.names());
            match self.action {
                Action::InsertInto(table) => format!("INSERT INTO {table} ({}) {rows}", self.names()),
                Action::Insert { into, values, unless } => {
                    format!("{given} INSERT INTO {into} SELECT {values} FROM given {unless}")
                }
                Action::With(statement) => format!("{given} {statement}"),
                Action::Update { table, set, by } => format!("{given} UPDATE {table} SET {set} FROM given WHERE {by}"),
            }
        })
    }

    fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// `given.<column>` as the parameter that it is where there is one row.
    fn with_parameters(&self, text: &str) -> String {
        let mut numbered: Vec<_> = (1..).zip(self.columns).map(|(number, (name, _))| (number, *name)).collect();
        // A name may begin with another one.
        numbered.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
        let replace = |text: String, (number, name)| text.replace(&format!("given.{name}"), &format!("?{number}"));
        numbered.into_iter().fold(text.to_owned(), replace)
    }

    /// Runs the statement over all rows; how many rows it changed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn execute(&'static self, conn: &mut BulkConn<'_>, columns: Vec<Column<'_>>) -> Result<u64> {
        debug_assert_eq!(columns.len(), self.columns.len());
        let rows = columns.first().map_or(0, Column::len);
        if rows == 0 {
            return Ok(0);
        }
        match conn {
            BulkConn::Local(local) => local.execute(self.on_sqlite(), &columns, rows),
            BulkConn::Sqlx(Conn::Sqlite(c)) => {
                let mut changed = 0;
                for row in 0..rows {
                    let query = sqlx::query_with(self.on_sqlite(), row_of(&columns, row)?);
                    changed += SqliteQueryResult::rows_affected(&query.execute(&mut **c).await?);
                }
                Ok(changed)
            }
            BulkConn::Sqlx(Conn::Postgres(c)) => {
                let query = sqlx::query_with(self.on_postgres(), arrays_of(columns)?);
                Ok(PgQueryResult::rows_affected(&query.execute(&mut **c).await?))
            }
        }
    }

    /// The rows that the statement answers, in any order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn fetch<T: FromRow>(&'static self, conn: &mut BulkConn<'_>, columns: Vec<Column<'_>>) -> Result<Vec<T>> {
        debug_assert_eq!(columns.len(), self.columns.len());
        let rows = columns.first().map_or(0, Column::len);
        if rows == 0 {
            return Ok(Vec::new());
        }
        match conn {
            BulkConn::Local(local) => local.fetch(self.on_sqlite(), &columns, rows),
            BulkConn::Sqlx(Conn::Sqlite(c)) => {
                let mut found = Vec::new();
                for row in 0..rows {
                    let query = sqlx::query_with(self.on_sqlite(), row_of(&columns, row)?);
                    for row in query.fetch_all(&mut **c).await? {
                        found.push(T::from_row(Row { cells: Cells::Sqlite(&row), next: 0 })?);
                    }
                }
                Ok(found)
            }
            BulkConn::Sqlx(Conn::Postgres(c)) => {
                let query = sqlx::query_with(self.on_postgres(), arrays_of(columns)?);
                let rows = query.fetch_all(&mut **c).await?;
                rows.iter().map(|row| T::from_row(Row::of_postgres(row))).collect()
            }
        }
    }
}

/// What a bulk statement's answer is read into.
pub trait FromRow: Sized {
    /// # Errors
    /// Where a value is not one of its type.
    fn from_row(row: Row<'_>) -> Result<Self>;
}

/// A row of an answer, read from its first column to its last.
#[derive(Debug)]
pub struct Row<'r> {
    cells: Cells<'r>,
    next: usize,
}

enum Cells<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
    Local(&'r rusqlite::Row<'r>),
}

impl<'r> Row<'r> {
    pub(super) fn of_postgres(row: &'r PgRow) -> Row<'r> {
        Row { cells: Cells::Postgres(row), next: 0 }
    }

    pub(super) fn of_local(row: &'r rusqlite::Row<'r>) -> Row<'r> {
        Row { cells: Cells::Local(row), next: 0 }
    }

    /// The value of the next column.
    ///
    /// # Errors
    /// Where it is not one of this type, or there is none.
    pub fn take<T>(&mut self) -> Result<T>
    where
        T: Type<Sqlite> + for<'d> Decode<'d, Sqlite> + Type<Postgres> + for<'d> Decode<'d, Postgres> + FromSql,
    {
        let place = self.next;
        self.next += 1;
        Ok(match self.cells {
            Cells::Sqlite(row) => row.try_get(place)?,
            Cells::Postgres(row) => row.try_get(place)?,
            Cells::Local(row) => row.get(place).map_err(to_sqlx)?,
        })
    }
}

impl std::fmt::Debug for Cells<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Cells::Sqlite(_) => "a row of SQLite",
            Cells::Postgres(_) => "a row of Postgres",
            Cells::Local(_) => "a row of SQLite, read in place",
        })
    }
}

impl<'v> Column<'v> {
    pub fn integers(values: impl IntoIterator<Item = i64>) -> Column<'v> {
        Column::Integer(values.into_iter().map(Some).collect())
    }

    pub fn texts(values: impl IntoIterator<Item = &'v str>) -> Column<'v> {
        Column::Text(values.into_iter().map(Some).collect())
    }

    pub fn ids(values: impl IntoIterator<Item = Uuid>) -> Column<'v> {
        Column::Id(values.into_iter().map(Some).collect())
    }

    pub fn days(values: impl IntoIterator<Item = NaiveDate>) -> Column<'v> {
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

/// The values of one row.
fn row_of(columns: &[Column<'_>], row: usize) -> Result<SqliteArguments> {
    let mut values = SqliteArguments::default();
    for column in columns {
        match column {
            Column::Integer(of) => values.add(of[row]),
            Column::Text(of) => values.add(of[row].map(str::to_owned)),
            Column::Id(of) => values.add(of[row]),
            Column::Bytes(of) => values.add(of[row].map(<[u8]>::to_vec)),
            Column::Day(of) => values.add(of[row]),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(values)
}

/// An array for each column.
fn arrays_of(columns: Vec<Column<'_>>) -> Result<PgArguments> {
    let mut values = PgArguments::default();
    for column in columns {
        match column {
            Column::Integer(of) => values.add(of),
            Column::Text(of) => values.add(of),
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
    fn texts_of_both_dialects() {
        const COLUMNS: &[(&str, &str)] = &[("id", "BIGINT"), ("idle", "BIGINT"), ("name", "TEXT")];
        static INSERT: Bulk = Bulk::new(COLUMNS, Action::InsertInto("t"));
        static INSERT_ONCE: Bulk = Bulk::new(
            COLUMNS,
            Action::Insert { into: "t (a, b)", values: "given.id, given.idle", unless: "ON CONFLICT (a) DO NOTHING" },
        );
        static SELECT: Bulk = Bulk::new(COLUMNS, Action::With("SELECT id FROM given"));
        static UPDATE: Bulk = Bulk::new(
            COLUMNS,
            Action::Update { table: "t", set: "name = given.name, idle = t.idle + given.idle", by: "t.id = given.id" },
        );
        let unnest = "SELECT * FROM UNNEST($1::BIGINT[], $2::BIGINT[], $3::TEXT[])";
        assert_eq!(INSERT.on_sqlite(), "INSERT INTO t (id, idle, name) VALUES (?1, ?2, ?3)");
        assert_eq!(INSERT.on_postgres(), format!("INSERT INTO t (id, idle, name) {unnest}"));
        assert_eq!(INSERT_ONCE.on_sqlite(), "INSERT INTO t (a, b) VALUES (?1, ?2) ON CONFLICT (a) DO NOTHING");
        assert_eq!(
            INSERT_ONCE.on_postgres(),
            format!(
                "WITH given (id, idle, name) AS ({unnest}) INSERT INTO t (a, b) SELECT given.id, given.idle FROM given \
                 ON CONFLICT (a) DO NOTHING"
            )
        );
        assert_eq!(SELECT.on_sqlite(), "WITH given (id, idle, name) AS (VALUES (?1, ?2, ?3)) SELECT id FROM given");
        assert_eq!(SELECT.on_postgres(), format!("WITH given (id, idle, name) AS ({unnest}) SELECT id FROM given"));
        assert_eq!(UPDATE.on_sqlite(), "UPDATE t SET name = ?3, idle = t.idle + ?2 WHERE t.id = ?1");
        assert_eq!(
            UPDATE.on_postgres(),
            format!(
                "WITH given (id, idle, name) AS ({unnest}) UPDATE t SET name = given.name, idle = t.idle + given.idle \
                 FROM given WHERE t.id = given.id"
            )
        );
    }
}
