//! Runs statements over many rows: one array per column on Postgres, row by row on SQLite.
//!
//! A statement costs tens of microseconds on its way to Postgres and back, a row a few, so there all rows go in one: an
//! array per column. On SQLite there is no way to go ([`super::local`]), and each row is a statement of its own,
//! prepared once: the simplest statements it has are the fastest.

use std::fmt::Write;
use std::marker::PhantomData;
use std::sync::OnceLock;

use sqlx::Arguments;
use sqlx::postgres::{PgArguments, PgQueryResult};
use sqlx::sqlite::{SqliteArguments, SqliteQueryResult};

use super::given::{Columns, Rows};
use super::rows::{Column, FromRow, Row};
use super::{BulkConn, Conn};
use crate::error::Result;

/// A statement that runs over many rows of the columns `C`.
#[derive(Debug)]
pub struct Bulk<C> {
    statement: Statement,
    declared: PhantomData<fn(C)>,
}

impl<C: Columns> Bulk<C> {
    pub const fn new(action: Action) -> Bulk<C> {
        let statement = Statement { columns: C::COLUMNS, action, of_one: OnceLock::new(), of_many: OnceLock::new() };
        Bulk { statement, declared: PhantomData }
    }

    /// Runs the statement over all rows; returns how many rows it changed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn execute<'a>(
        &'static self,
        conn: &'a mut BulkConn<'_>,
        rows: Rows<'a, C>,
    ) -> impl Future<Output = Result<u64>> {
        self.statement.execute(conn, rows.columns)
    }

    /// Runs the statement over all rows; returns its answer, in any order.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fetch<'a, T: FromRow>(
        &'static self,
        conn: &'a mut BulkConn<'_>,
        rows: Rows<'a, C>,
    ) -> impl Future<Output = Result<Vec<T>>> {
        self.statement.fetch(conn, rows.columns)
    }
}

/// The SQL texts of a statement, whatever its columns.
pub trait SqlTexts: Sync {
    /// The text for SQLite, for one row.
    fn on_sqlite(&'static self) -> &'static str;

    /// The text for Postgres, for any number of rows.
    fn on_postgres(&'static self) -> &'static str;
}

impl<C> SqlTexts for Bulk<C> {
    fn on_sqlite(&'static self) -> &'static str {
        self.statement.on_sqlite()
    }

    fn on_postgres(&'static self) -> &'static str {
        self.statement.on_postgres()
    }
}

/// The part of [`Bulk`] that is the same for all columns, and so is compiled once.
#[derive(Debug)]
struct Statement {
    columns: &'static [(&'static str, &'static str)],
    action: Action,
    /// The SQL texts, built at first use.
    of_one: OnceLock<String>,
    of_many: OnceLock<String>,
}

/// The action on the rows.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Inserts them into a table's columns of the same names.
    InsertInto(&'static str),
    /// Inserts a row for each into a table (`into` names its columns too), followed by `unless`, an ON CONFLICT clause.
    /// `values` refers to them as `given.<column>`.
    Insert { into: &'static str, values: &'static str, unless: &'static str },
    /// Makes them a table `given`: this is the text after `WITH given (…) AS (…)`.
    With(&'static str),
    /// Updates one row of a table for each. `set` and `by` (the row's key) refer to them by the same names.
    Update { table: &'static str, set: &'static str, by: &'static str },
    /// There is one row alone. Each database has a text of its own, whose parameters are the row's values.
    OfOne { on_sqlite: &'static str, on_postgres: &'static str },
}

impl Statement {
    fn on_sqlite(&'static self) -> &'static str {
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
                Action::OfOne { on_sqlite, .. } => on_sqlite.to_owned(),
            }
        })
    }

    fn on_postgres(&'static self) -> &'static str {
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
                Action::OfOne { on_postgres, .. } => on_postgres.to_owned(),
            }
        })
    }

    fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// `given.<column>` replaced by the parameter, for the text of one row.
    fn with_parameters(&self, text: &str) -> String {
        let mut numbered: Vec<_> = (1..).zip(self.columns).map(|(number, (name, _))| (number, *name)).collect();
        // A name may begin with another one.
        numbered.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
        let replace = |text: String, (number, name)| text.replace(&format!("given.{name}"), &format!("?{number}"));
        numbered.into_iter().fold(text.to_owned(), replace)
    }

    async fn execute(&'static self, conn: &mut BulkConn<'_>, columns: Vec<Column<'_>>) -> Result<u64> {
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
                let query = sqlx::query_with(self.on_postgres(), self.for_postgres(columns)?);
                Ok(PgQueryResult::rows_affected(&query.execute(&mut **c).await?))
            }
        }
    }

    async fn fetch<T: FromRow>(&'static self, conn: &mut BulkConn<'_>, columns: Vec<Column<'_>>) -> Result<Vec<T>> {
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
                        found.push(T::from_row(Row::of_sqlite(&row))?);
                    }
                }
                Ok(found)
            }
            BulkConn::Sqlx(Conn::Postgres(c)) => {
                let query = sqlx::query_with(self.on_postgres(), self.for_postgres(columns)?);
                let rows = query.fetch_all(&mut **c).await?;
                rows.iter().map(|row| T::from_row(Row::of_postgres(row))).collect()
            }
        }
    }

    fn for_postgres(&self, columns: Vec<Column<'_>>) -> Result<PgArguments> {
        match self.action {
            Action::OfOne { .. } => values_of(&columns),
            _ => arrays_of(columns),
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

/// A value for each column.
fn values_of(columns: &[Column<'_>]) -> Result<PgArguments> {
    let mut values = PgArguments::default();
    for column in columns {
        debug_assert_eq!(column.len(), 1);
        match column {
            Column::Integer(of) => values.add(of[0]),
            Column::Text(of) => values.add(of[0]),
            Column::Id(of) => values.add(of[0]),
            Column::Bytes(of) => values.add(of[0]),
            Column::Day(of) => values.add(of[0]),
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

    #[derive(Debug)]
    enum GivenNames {}

    impl Columns for GivenNames {
        const COLUMNS: &'static [(&'static str, &'static str)] =
            &[("id", "BIGINT"), ("idle", "BIGINT"), ("name", "TEXT")];
    }

    #[test]
    fn texts_of_both_dialects() {
        static INSERT: Bulk<GivenNames> = Bulk::new(Action::InsertInto("t"));
        static INSERT_ONCE: Bulk<GivenNames> = Bulk::new(Action::Insert {
            into: "t (a, b)",
            values: "given.id, given.idle",
            unless: "ON CONFLICT (a) DO NOTHING",
        });
        static SELECT: Bulk<GivenNames> = Bulk::new(Action::With("SELECT id FROM given"));
        static UPDATE: Bulk<GivenNames> = Bulk::new(Action::Update {
            table: "t",
            set: "name = given.name, idle = t.idle + given.idle",
            by: "t.id = given.id",
        });
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
