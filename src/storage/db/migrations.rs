//! Migrates the database to this program's schema, and fixes the time zone at its first use.

use std::time::Duration;

use sqlx::Executor;
use sqlx::migrate::{MigrateError, Migration, Migrator};

use super::{Db, deployment};
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result, is_passing};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Applies the missing migrations; returns their names.
///
/// # Errors
/// Those of [`pending`], and [`Error::Setup`] where a migration fails (a failed one changes nothing).
pub async fn migrate(db: &Db) -> Result<Vec<String>> {
    let missing = pending(db).await?;
    let (mut left, mut tries_left) = (missing.len(), TRIES);
    loop {
        let Err(failure) = run(db).await else { return Ok(missing) };
        // On SQLite nothing keeps two processes from running the same migration at once. The later one finds fewer
        // migrations left than before, and goes on from there; or the other one is still running.
        let still_left = pending(db).await?.len();
        if still_left >= left {
            if tries_left == 0 || !is_locked(&failure) {
                return Err(Error::Setup(format!("migration failed: {failure}")));
            }
            tries_left -= 1;
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
        left = still_left;
    }
}

/// How often to retry a migration that another process is running, and after which wait: ten seconds in all.
const TRIES: u32 = 100;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);

fn is_locked(failure: &MigrateError) -> bool {
    match failure {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => is_passing(error),
        _ => false,
    }
}

async fn run(db: &Db) -> std::result::Result<(), MigrateError> {
    match db {
        Db::Sqlite { writer, .. } => SQLITE.run(writer).await,
        Db::Postgres(pool) => {
            // A step may take longer than any request, so this connection is not like the others, and not kept.
            let mut connection = pool.acquire().await?.detach();
            connection.execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
            POSTGRES.run_direct(None, &mut connection, false).await
        }
    }
}

/// The names of the migrations that were not applied yet.
///
/// # Errors
/// [`Error::Setup`] where migrations were applied that this program does not know, or with other contents.
pub async fn pending(db: &Db) -> Result<Vec<String>> {
    const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
    type Applied = (i64, Vec<u8>);
    let (known, applied) = match db {
        Db::Sqlite { writer, .. } => (&SQLITE, sqlx::query_as::<_, Applied>(APPLIED).fetch_all(writer).await),
        Db::Postgres(pool) => (&POSTGRES, sqlx::query_as::<_, Applied>(APPLIED).fetch_all(pool).await),
    };
    let applied = match applied {
        Ok(applied) => applied,
        // Nobody has migrated this database yet, so it has no such table.
        Err(sqlx::Error::Database(error)) if is_missing_table(error.as_ref()) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    for (version, checksum) in &applied {
        let Some(step) = known.iter().find(|step| step.version == *version) else {
            let sentence = "which this program does not know: it is older than the database";
            return Err(Error::Setup(format!("the database has migration {version}, {sentence}")));
        };
        if *step.checksum != **checksum {
            let sentence = "is not this program's: the two do not belong together";
            return Err(Error::Setup(format!("migration {version} of the database {sentence}")));
        }
    }
    let is_pending = |step: &&Migration| !applied.iter().any(|(version, _)| step.version == *version);
    Ok(known.iter().filter(is_pending).map(|step| format!("{:04} {}", step.version, step.description)).collect())
}

fn is_missing_table(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table")
}

/// Fixes the billing time zone at the database's first use.
///
/// # Errors
/// [`Error::Setup`] where another one was fixed before: the days and months of the past would change.
pub async fn fix_timezone(db: &Db, zone: &str, now: Timestamp) -> Result<()> {
    let mut tx = db.begin().await?;
    let fixed = deployment::fix_timezone(&mut tx.conn(), zone, now).await?;
    tx.commit().await?;
    if fixed == zone { Ok(()) } else { Err(Error::Setup(other_timezone(&fixed, zone))) }
}

pub fn other_timezone(fixed: &str, wanted: &str) -> String {
    format!(
        "BILLING_TIMEZONE is {wanted}, but this database was first used with {fixed}, by which its days and months are \
         counted; set BILLING_TIMEZONE={fixed}"
    )
}
