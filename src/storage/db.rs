//! Where it is decided which of the two databases a statement runs on.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::error::{Result, commit_failed};

/// An open database.
#[derive(Clone, Debug)]
pub enum Db {
    /// One connection writes; the others only read, each a snapshot of its own.
    Sqlite {
        readers: SqlitePool,
        writer: SqlitePool,
    },
    Postgres(PgPool),
}

/// A connection to read through, outside any transaction: each statement sees what was committed before it.
#[derive(Debug)]
pub enum Reader {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// An open transaction. Dropped without [`Tx::commit`], it is rolled back.
#[derive(Debug)]
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// What a statement runs on.
#[derive(Debug)]
pub enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// Runs one body on whichever database is open: `on!(conn, c => sqlx::query(SQL).bind(x).execute(c).await)`.
macro_rules! on {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::storage::db::Conn::Sqlite(c) => {
                let $c = &mut **c;
                $body
            }
            $crate::storage::db::Conn::Postgres(c) => {
                let $c = &mut **c;
                $body
            }
        }
    };
}
pub(super) use on;

impl Db {
    /// # Errors
    /// [`crate::error::Error::Unavailable`] where no connection is free in time.
    pub async fn read(&self) -> Result<Reader> {
        Ok(match self {
            Db::Sqlite { readers, .. } => Reader::Sqlite(readers.acquire().await?),
            Db::Postgres(pool) => Reader::Postgres(pool.acquire().await?),
        })
    }

    /// Begins a write transaction. On SQLite it holds the one write lock from here on, so it never fails half-way
    /// because another one wrote in between.
    ///
    /// # Errors
    /// [`crate::error::Error::Unavailable`] where no connection is free in time.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            Db::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Db::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Begins a transaction that only reads: all its statements see the same moment.
    ///
    /// # Errors
    /// [`crate::error::Error::Unavailable`] where no connection is free in time.
    pub async fn snapshot(&self) -> Result<Tx> {
        Ok(match self {
            Db::Sqlite { readers, .. } => Tx::Sqlite(readers.begin().await?),
            Db::Postgres(pool) => {
                Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }

    /// Waits for what is under way and closes every connection.
    pub async fn close(&self) {
        match self {
            Db::Sqlite { readers, writer } => {
                readers.close().await;
                // The last connection to close moves the write-ahead log into the database file.
                writer.close().await;
            }
            Db::Postgres(pool) => pool.close().await,
        }
    }

    /// Each pool's name, its open connections and how many of them are idle.
    pub fn pools(&self) -> Vec<(&'static str, u32, usize)> {
        match self {
            Db::Sqlite { readers, writer } => vec![
                ("sqlite_readers", readers.size(), readers.num_idle()),
                ("sqlite_writer", writer.size(), writer.num_idle()),
            ],
            Db::Postgres(pool) => vec![("postgres", pool.size(), pool.num_idle())],
        }
    }
}

impl Reader {
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Reader::Sqlite(connection) => Conn::Sqlite(connection),
            Reader::Postgres(connection) => Conn::Postgres(connection),
        }
    }
}

impl Tx {
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Tx::Sqlite(transaction) => Conn::Sqlite(transaction),
            Tx::Postgres(transaction) => Conn::Postgres(transaction),
        }
    }

    /// On disk once this returns.
    ///
    /// # Errors
    /// [`crate::error::Error::OutcomeUnknown`] where it may have happened all the same.
    pub async fn commit(self) -> Result<()> {
        let committed = match self {
            Tx::Sqlite(transaction) => transaction.commit().await,
            Tx::Postgres(transaction) => transaction.commit().await,
        };
        committed.map_err(commit_failed)
    }
}
