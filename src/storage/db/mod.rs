//! Runs each statement on the database that is open, SQLite or Postgres: connections, transactions, dialects.

pub mod backup;
pub mod bulk;
pub mod deployment;
pub mod dialects;
pub mod given;
pub mod idempotency;
pub mod listing;
pub mod local;
pub mod migrations;
pub mod open;
pub mod rows;
pub mod seeds;
pub mod sqlite_errors;
pub mod turns;

use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::error::{Error, Result, commit_failed};
use local::Local;

/// An open database.
#[derive(Clone, Debug)]
pub enum Db {
    /// One connection writes; the others only read, each in a snapshot of its own.
    Sqlite {
        readers: SqlitePool,
        writer: SqlitePool,
        turns: Turns,
    },
    Postgres(PgPool),
}

/// A connection for reads outside any transaction: each statement sees what was committed before it.
#[derive(Debug)]
pub enum Reader {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// Writers to SQLite queue here, first come, first served: SQLite itself would let them poll. The holder of the turn
/// has the local connection too, should it need that.
#[derive(Clone, Debug)]
pub struct Turns {
    pub(super) local: Arc<Mutex<Local>>,
    /// The longest wait for a turn.
    pub(super) timeout: Duration,
}

impl Turns {
    async fn next(&self) -> Result<OwnedMutexGuard<Local>> {
        let turn = tokio::time::timeout(self.timeout, self.local.clone().lock_owned()).await;
        turn.map_err(|_| Error::no_connection())
    }
}

/// An open transaction. Dropped without [`Tx::commit`], it is rolled back.
#[derive(Debug)]
pub enum Tx {
    /// With the turn to write, unless it only reads.
    Sqlite(Transaction<'static, Sqlite>, Option<OwnedMutexGuard<Local>>),
    Postgres(Transaction<'static, Postgres>),
}

/// The connection that a statement runs on.
#[derive(Debug)]
pub enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// An open transaction of bulk statements. Dropped without [`BulkTx::commit`], it is rolled back.
#[derive(Debug)]
pub enum BulkTx {
    Local(LocalTx),
    Postgres(Transaction<'static, Postgres>),
}

/// A transaction on the local connection.
#[derive(Debug)]
pub struct LocalTx(OwnedMutexGuard<Local>);

impl Drop for LocalTx {
    fn drop(&mut self) {
        self.0.roll_back();
    }
}

/// The connection that a bulk statement runs on.
#[derive(Debug)]
pub enum BulkConn<'c> {
    Sqlx(Conn<'c>),
    /// Blocks the thread.
    Local(&'c mut Local),
}

impl Conn<'_> {
    /// The same connection for bulk statements. On SQLite they then go through sqlx, like all others of this
    /// transaction.
    pub fn bulk(&mut self) -> BulkConn<'_> {
        BulkConn::Sqlx(match self {
            Conn::Sqlite(connection) => Conn::Sqlite(connection),
            Conn::Postgres(connection) => Conn::Postgres(connection),
        })
    }
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
    /// A connection for reads.
    ///
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
            Db::Sqlite { writer, turns, .. } => {
                let turn = turns.next().await?;
                Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?, Some(turn))
            }
            Db::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Begins a write transaction of bulk statements only. On SQLite each of them blocks the thread it runs on, so this
    /// is for a thread that does nothing else.
    ///
    /// # Errors
    /// [`crate::error::Error::Unavailable`] where no connection is free in time.
    pub async fn begin_bulk(&self) -> Result<BulkTx> {
        Ok(match self {
            Db::Sqlite { turns, .. } => {
                let mut turn = turns.next().await?;
                turn.begin()?;
                BulkTx::Local(LocalTx(turn))
            }
            Db::Postgres(pool) => BulkTx::Postgres(pool.begin().await?),
        })
    }

    /// Pauses between many write transactions, so that other processes have their turn. On SQLite they poll, at most 25
    /// milliseconds apart in the first eighth of a second, so for that long nobody holds the lock. Postgres needs no
    /// pause.
    pub async fn let_others_write(&self) {
        if let Db::Sqlite { .. } = self {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Begins a read-only transaction: all its statements see the same snapshot.
    ///
    /// # Errors
    /// [`crate::error::Error::Unavailable`] where no connection is free in time.
    pub async fn snapshot(&self) -> Result<Tx> {
        Ok(match self {
            Db::Sqlite { readers, .. } => Tx::Sqlite(readers.begin().await?, None),
            Db::Postgres(pool) => {
                Tx::Postgres(pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }

    /// Waits for running statements and closes every connection.
    pub async fn close(&self) {
        match self {
            Db::Sqlite { readers, writer, turns } => {
                readers.close().await;
                writer.close().await;
                // The last connection to close moves the write-ahead log into the database file. That may take a while,
                // and whoever waits for it has a deadline.
                let mut local = turns.local.clone().lock_owned().await;
                let (closed, done) = oneshot::channel();
                std::thread::spawn(move || {
                    local.close();
                    let _ = closed.send(());
                });
                // An error means that the thread is gone, and it has nothing left to do.
                let _ = done.await;
            }
            Db::Postgres(pool) => pool.close().await,
        }
    }

    /// Each pool's name, its open connections and how many of them are idle.
    pub fn pools(&self) -> Vec<(&'static str, u32, usize)> {
        match self {
            Db::Sqlite { readers, writer, .. } => vec![
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
            Tx::Sqlite(transaction, _) => Conn::Sqlite(transaction),
            Tx::Postgres(transaction) => Conn::Postgres(transaction),
        }
    }

    /// Rolls back before the next writer has its turn. A transaction that is dropped is rolled back a moment later, and
    /// meanwhile SQLite lets the next writer poll.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn roll_back(self) -> Result<()> {
        match self {
            Tx::Sqlite(transaction, _turn) => transaction.rollback().await?,
            Tx::Postgres(transaction) => transaction.rollback().await?,
        }
        Ok(())
    }

    /// Commits. The transaction is on disk once this returns.
    ///
    /// # Errors
    /// [`crate::error::Error::OutcomeUnknown`] where it may have been committed all the same.
    pub async fn commit(self) -> Result<()> {
        let committed = match self {
            Tx::Sqlite(transaction, _turn) => transaction.commit().await,
            Tx::Postgres(transaction) => transaction.commit().await,
        };
        committed.map_err(commit_failed)
    }
}

impl BulkTx {
    pub fn conn(&mut self) -> BulkConn<'_> {
        match self {
            BulkTx::Local(LocalTx(local)) => BulkConn::Local(local),
            BulkTx::Postgres(transaction) => BulkConn::Sqlx(Conn::Postgres(transaction)),
        }
    }

    /// Commits. The transaction is on disk once this returns.
    ///
    /// # Errors
    /// [`crate::error::Error::OutcomeUnknown`] where it may have been committed all the same.
    pub async fn commit(self) -> Result<()> {
        match self {
            BulkTx::Local(mut transaction) => transaction.0.commit(),
            BulkTx::Postgres(transaction) => transaction.commit().await.map_err(commit_failed),
        }
    }
}
