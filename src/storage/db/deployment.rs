//! Stores facts about the deployment: the billing time zone and the version of the prices.

use super::{Conn, on};
use crate::domain::values::time::Timestamp;
use crate::error::Result;

pub const FIX_TIMEZONE: &str = "INSERT INTO deployment (id, billing_timezone, created_at) VALUES (1, $1, $2) \
     ON CONFLICT (id) DO NOTHING";

pub const TIMEZONE: &str = "SELECT billing_timezone FROM deployment WHERE id = 1";

pub const PRICES_VERSION: &str = "SELECT prices_version FROM deployment WHERE id = 1";

/// Locks the row until the transaction ends. SQLite needs no lock: its one writer is alone already.
pub const PRICES_VERSION_AND_LOCK_ON_POSTGRES: &str = "SELECT prices_version FROM deployment WHERE id = 1 FOR UPDATE";

/// Locks plans and rate cards against other writers until this transaction ends. (Every change of a price waits for the
/// version's row anyway, once it is made; with this lock it is also decided on the state that the change before left.)
pub async fn lock_prices(conn: &mut Conn<'_>) -> Result<()> {
    match conn {
        Conn::Sqlite(_) => {}
        Conn::Postgres(c) => {
            sqlx::query(PRICES_VERSION_AND_LOCK_ON_POSTGRES).fetch_optional(&mut **c).await?;
        }
    }
    Ok(())
}

/// The version of the prices, which rises with every change of a plan or a rate card.
pub async fn prices_version(conn: &mut Conn<'_>) -> Result<i64> {
    let version = on!(conn, c => sqlx::query_scalar::<_, i64>(PRICES_VERSION).fetch_optional(c).await)?;
    Ok(version.unwrap_or_default())
}

/// Fixes the billing time zone, if none was fixed before, and returns the one in force.
pub async fn fix_timezone(conn: &mut Conn<'_>, zone: &str, now: Timestamp) -> Result<String> {
    on!(conn, c => sqlx::query(FIX_TIMEZONE).bind(zone).bind(now).execute(c).await.map(|_| ()))?;
    Ok(on!(conn, c => sqlx::query_scalar::<_, String>(TIMEZONE).fetch_one(c).await)?)
}

/// The billing time zone; `None` before the database's first use.
pub async fn timezone(conn: &mut Conn<'_>) -> Result<Option<String>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, String>(TIMEZONE).fetch_optional(c).await)?)
}

/// The database's own name and version, for people.
pub async fn version(conn: &mut Conn<'_>) -> Result<String> {
    Ok(match conn {
        Conn::Sqlite(c) => {
            let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut **c).await?;
            format!("SQLite {version}")
        }
        Conn::Postgres(c) => {
            let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut **c).await?;
            format!("PostgreSQL {}", version.split(' ').next().unwrap_or(&version))
        }
    })
}

/// The cheapest question that only a working database answers.
pub async fn ping(conn: &mut Conn<'_>) -> Result<()> {
    on!(conn, c => sqlx::query(TIMEZONE).fetch_optional(c).await.map(|_| ()))?;
    Ok(())
}
