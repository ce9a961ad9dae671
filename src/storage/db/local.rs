//! Opens a SQLite connection that runs statements on the calling thread, for the committer's batches.
//!
//! sqlx hands each statement to a thread of its own and waits for that; under load each such hop costs more than what
//! the statement does. The committer's batches are all statements and no waiting, so theirs run here, on the thread
//! that decides them: row by row, with one prepared statement each. It blocks, so nothing else may use it.

use std::path::Path;
use std::time::Duration;

use super::rows::{Column, FromRow, Row};
use super::sqlite_errors::to_sqlx;
use crate::error::{Error, Result, commit_failed};

/// The pragmas of a connection that writes to SQLite: each commit is on disk, and the write-ahead log is moved into the
/// file whenever it has grown to 16 MiB. Pages that many charges change are then moved once for all of them.
pub(super) const SQLITE_WRITER: [(&str, &str); 6] = [
    ("journal_mode", "WAL"),
    ("synchronous", "FULL"),
    ("wal_autocheckpoint", "4000"),
    ("foreign_keys", "ON"),
    ("journal_size_limit", "67108864"),
    ("temp_store", "MEMORY"),
];

/// Every statement of a batch stays prepared.
const STATEMENTS: usize = 64;

/// The local connection; `None` once closed.
#[derive(Debug)]
pub struct Local(Option<rusqlite::Connection>);

impl Local {
    /// Opens the connection.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn open(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Local> {
        let connection = rusqlite::Connection::open_with_flags(
            path,
            rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(busy_timeout)?;
        for (name, value) in SQLITE_WRITER {
            connection.pragma_update(None, name, value)?;
        }
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Local(Some(connection)))
    }

    /// Begins a transaction, after rolling back one that was left open.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.roll_back();
        self.run("BEGIN IMMEDIATE")?.map_err(to_error)
    }

    /// Commits. The transaction is on disk once this returns.
    pub(super) fn commit(&mut self) -> Result<()> {
        self.run("COMMIT")?.map_err(|error| commit_failed(to_sqlx(error)))
    }

    /// Rolls back. Where that fails, the next transaction tries again.
    pub(super) fn roll_back(&mut self) {
        let is_open = self.0.as_ref().is_some_and(|connection| !connection.is_autocommit());
        if is_open && let Ok(Err(error)) = self.run("ROLLBACK") {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }

    /// Closes the connection.
    pub(super) fn close(&mut self) {
        self.roll_back();
        if let Some(Err((_, error))) = self.0.take().map(rusqlite::Connection::close) {
            tracing::warn!(%error, "the connection of the committer was not closed well");
        }
    }

    fn connection(&mut self) -> Result<&mut rusqlite::Connection> {
        self.0.as_mut().ok_or(Error::Unavailable(sqlx::Error::PoolClosed))
    }

    fn run(&mut self, statement: &str) -> Result<rusqlite::Result<()>> {
        let connection = self.connection()?;
        Ok(connection.prepare_cached(statement).and_then(|mut statement| statement.raw_execute()).map(|_| ()))
    }

    /// Runs a one-row statement for each row; returns how many rows it changed.
    pub(super) fn execute(&mut self, sql: &str, columns: &[Column<'_>], rows: usize) -> Result<u64> {
        let mut statement = self.connection()?.prepare_cached(sql).map_err(to_error)?;
        let mut changed = 0;
        for row in 0..rows {
            bind(&mut statement, columns, row).map_err(to_error)?;
            changed += statement.raw_execute().map_err(to_error)?;
        }
        Ok(changed as u64)
    }

    /// Runs a one-row statement for each row; returns all answers.
    pub(super) fn fetch<T: FromRow>(&mut self, sql: &str, columns: &[Column<'_>], rows: usize) -> Result<Vec<T>> {
        let mut statement = self.connection()?.prepare_cached(sql).map_err(to_error)?;
        let mut found = Vec::with_capacity(rows);
        for row in 0..rows {
            bind(&mut statement, columns, row).map_err(to_error)?;
            let mut answer = statement.raw_query();
            while let Some(row) = answer.next().map_err(to_error)? {
                found.push(T::from_row(Row::of_local(row))?);
            }
        }
        Ok(found)
    }
}

fn bind(statement: &mut rusqlite::Statement<'_>, columns: &[Column<'_>], row: usize) -> rusqlite::Result<()> {
    for (place, column) in (1..).zip(columns) {
        match column {
            Column::Integer(of) => statement.raw_bind_parameter(place, of[row]),
            Column::Text(of) => statement.raw_bind_parameter(place, of[row]),
            Column::Id(of) => statement.raw_bind_parameter(place, of[row]),
            Column::Bytes(of) => statement.raw_bind_parameter(place, of[row]),
            // Its own conversion goes the long way, through a format.
            Column::Day(of) => statement.raw_bind_parameter(place, of[row].map(|day| day.to_string())),
        }?;
    }
    Ok(())
}

fn to_error(error: rusqlite::Error) -> Error {
    to_sqlx(error).into()
}
