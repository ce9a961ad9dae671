//! Picks what is meant for the open database, where the two need different texts, parameters or settings.
//!
//! Other files of storage hand over both texts, `…_ON_SQLITE` and `…_ON_POSTGRES`, and never ask which one is open. A
//! lock is a text of its own on Postgres; SQLite needs no such word, for its one writer is alone already.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgTypeInfo};
use sqlx::sqlite::{SqliteRow, SqliteTypeInfo};
use sqlx::types::Json;
use sqlx::{Database, Encode, FromRow, Postgres, Sqlite, Type};

use super::{BulkConn, Conn};
use crate::error::Result;

impl Conn<'_> {
    /// Returns the one for the open database.
    pub fn choose<T>(&self, on_sqlite: T, on_postgres: T) -> T {
        match self {
            Conn::Sqlite(_) => on_sqlite,
            Conn::Postgres(_) => on_postgres,
        }
    }

    /// Runs statements that only Postgres needs, such as settings of a transaction.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn run_on_postgres(&mut self, statements: &[&'static str]) -> Result<()> {
        if let Conn::Postgres(c) = self {
            for statement in statements {
                sqlx::query(*statement).execute(&mut **c).await?;
            }
        }
        Ok(())
    }
}

impl BulkConn<'_> {
    /// Returns the one for the open database.
    pub fn choose<T>(&self, on_sqlite: T, on_postgres: T) -> T {
        match self {
            BulkConn::Sqlx(conn) => conn.choose(on_sqlite, on_postgres),
            BulkConn::Local(_) => on_sqlite,
        }
    }
}

/// What a row of either database can be read into.
pub trait FromEitherRow: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T> FromEitherRow for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// Several texts as one parameter: JSON on SQLite, an array on Postgres.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'t>(pub &'t [&'t str]);

impl Type<Sqlite> for Texts<'_> {
    fn type_info() -> SqliteTypeInfo {
        <Json<&[&str]> as Type<Sqlite>>::type_info()
    }
}

impl<'q> Encode<'q, Sqlite> for Texts<'_> {
    fn encode_by_ref(
        &self,
        buffer: &mut <Sqlite as Database>::ArgumentBuffer,
    ) -> std::result::Result<IsNull, BoxDynError> {
        <Json<&[&str]> as Encode<'q, Sqlite>>::encode(Json(self.0), buffer)
    }
}

impl Type<Postgres> for Texts<'_> {
    fn type_info() -> PgTypeInfo {
        <&[&str] as Type<Postgres>>::type_info()
    }
}

impl<'q> Encode<'q, Postgres> for Texts<'_> {
    fn encode_by_ref(
        &self,
        buffer: &mut <Postgres as Database>::ArgumentBuffer,
    ) -> std::result::Result<IsNull, BoxDynError> {
        <&[&str] as Encode<'q, Postgres>>::encode(self.0, buffer)
    }
}
