//! Binds values to bulk statements and reads rows from their answers, whichever database is open.

use chrono::NaiveDate;
use rusqlite::types::FromSql;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};
use uuid::Uuid;

use super::sqlite_errors::to_sqlx;
use crate::error::Result;

/// The values of one column of `given`, one per row; NULL where there is none.
#[derive(Clone, Debug, PartialEq)]
pub enum Column<'v> {
    Integer(Vec<Option<i64>>),
    Text(Vec<Option<&'v str>>),
    Id(Vec<Option<Uuid>>),
    Bytes(Vec<Option<&'v [u8]>>),
    Day(Vec<Option<NaiveDate>>),
}

impl<'v> Column<'v> {
    pub fn integers(values: impl Iterator<Item: Into<Option<i64>>>) -> Column<'v> {
        Column::Integer(values.map(Into::into).collect())
    }

    pub fn texts(values: impl Iterator<Item: Into<Option<&'v str>>>) -> Column<'v> {
        Column::Text(values.map(Into::into).collect())
    }

    pub fn ids(values: impl Iterator<Item: Into<Option<Uuid>>>) -> Column<'v> {
        Column::Id(values.map(Into::into).collect())
    }

    pub fn bytes(values: impl Iterator<Item: Into<Option<&'v [u8]>>>) -> Column<'v> {
        Column::Bytes(values.map(Into::into).collect())
    }

    pub fn days(values: impl Iterator<Item: Into<Option<NaiveDate>>>) -> Column<'v> {
        Column::Day(values.map(Into::into).collect())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Column::Integer(values) => values.len(),
            Column::Text(values) => values.len(),
            Column::Id(values) => values.len(),
            Column::Bytes(values) => values.len(),
            Column::Day(values) => values.len(),
        }
    }
}

/// A type that a row of a bulk statement's answer is read into.
pub trait FromRow: Sized {
    /// Reads a row.
    ///
    /// # Errors
    /// Where a value is not of its type.
    fn from_row(row: Row<'_>) -> Result<Self>;
}

/// A row of an answer, read column by column.
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
    pub(super) fn of_sqlite(row: &'r SqliteRow) -> Row<'r> {
        Row { cells: Cells::Sqlite(row), next: 0 }
    }

    pub(super) fn of_postgres(row: &'r PgRow) -> Row<'r> {
        Row { cells: Cells::Postgres(row), next: 0 }
    }

    pub(super) fn of_local(row: &'r rusqlite::Row<'r>) -> Row<'r> {
        Row { cells: Cells::Local(row), next: 0 }
    }

    /// Takes the value of the next column.
    ///
    /// # Errors
    /// Where it is not of this type, or there is none.
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
