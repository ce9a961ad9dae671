//! Backs up the database: writes a consistent copy while it is in use.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tokio::process::Command;

use super::Db;
use super::open::DatabaseUrl;
use crate::error::{Error, Result};

/// Writes a backup to `file`, which must not exist yet: a SQLite database for SQLite, `pg_dump`'s custom format for
/// Postgres. The file appears under its name only when it is complete and on disk.
///
/// # Errors
/// [`Error::Setup`] with a sentence on the obstacle.
pub async fn backup(db: &Db, url: &DatabaseUrl, file: &Path) -> Result<()> {
    if file.exists() {
        return Err(Error::Setup(format!("{} exists already; a backup overwrites nothing", file.display())));
    }
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = file.with_file_name(name);
    // What a backup that was broken off has left.
    let _ = tokio::fs::remove_file(&partial).await;
    // The copy is as private as the database itself, from its first byte.
    let created = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
    created.map_err(|error| Error::Setup(format!("no backup was made to {}: {error}", file.display())))?;
    let copied = match (db, url) {
        (Db::Sqlite { writer, .. }, _) => copy_sqlite(writer, &partial).await,
        (Db::Postgres(_), DatabaseUrl::Postgres { url, .. }) => dump_postgres(url, &partial).await,
        (Db::Postgres(_), DatabaseUrl::Sqlite(_)) => Err("the database is not the one the URL names".to_owned()),
    };
    let finished = match copied {
        Ok(()) => finish(&partial, file).await.map_err(|error| error.to_string()),
        Err(problem) => Err(problem),
    };
    if let Err(problem) = finished {
        let _ = tokio::fs::remove_file(&partial).await;
        return Err(Error::Setup(format!("no backup was made to {}: {problem}", file.display())));
    }
    Ok(())
}

async fn copy_sqlite(pool: &sqlx::SqlitePool, partial: &Path) -> std::result::Result<(), String> {
    let target = partial.to_str().ok_or("the file's name is not UTF-8")?;
    let copied = sqlx::query("VACUUM INTO $1").bind(target).execute(pool).await;
    copied.map(|_| ()).map_err(|error| error.to_string())
}

async fn dump_postgres(url: &url::Url, partial: &Path) -> std::result::Result<(), String> {
    // A password on the command line could be read by every user of the machine; in the environment it cannot.
    let (bare_url, password) = without_password(url);
    let mut command = Command::new("pg_dump");
    command.arg("--format=custom").arg("--file").arg(partial).arg("--dbname").arg(bare_url.as_str());
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    match command.output().await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("pg_dump says: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("pg_dump, which comes with PostgreSQL's client programs, cannot be run: {error}")),
    }
}

/// The URL without its password, wherever it stands in it, and the password.
fn without_password(url: &url::Url) -> (url::Url, Option<String>) {
    let mut bare = url.clone();
    let _ = bare.set_password(None);
    let mut password = url.password().map(percent_decoded);
    if url.query().is_some() {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in url.query_pairs() {
            if name == "password" {
                password = Some(value.into_owned());
            } else {
                query.append_pair(&name, &value);
            }
        }
        let query = query.finish();
        bare.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    }
    (bare, password)
}

fn percent_decoded(text: &str) -> String {
    // A query string decodes the same escapes, and a `+` in a password stands for itself only if escaped first.
    let query = format!("p={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(query.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

async fn finish(partial: &Path, file: &Path) -> std::io::Result<()> {
    tokio::fs::File::open(partial).await?.sync_all().await?;
    tokio::fs::rename(partial, file).await?;
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tokio::fs::File::open(directory).await?.sync_all().await
}

#[cfg(test)]
mod tests {
    use super::{percent_decoded, without_password};

    #[test]
    fn passwords_leave_the_url() {
        for (url, bare, password) in [
            ("postgres://me:s%40fe@h/d", "postgres://me@h/d", Some("s@fe")),
            ("postgres://me@h/d?sslmode=require&password=s%40fe", "postgres://me@h/d?sslmode=require", Some("s@fe")),
            ("postgres://me@h/d?password=safe", "postgres://me@h/d", Some("safe")),
            ("postgres://me@h/d", "postgres://me@h/d", None),
        ] {
            let (found, secret) = without_password(&url.parse().expect("a URL"));
            assert_eq!((found.as_str(), secret.as_deref()), (bare, password));
        }
    }

    #[test]
    fn passwords_are_decoded() {
        assert_eq!(percent_decoded("p%40ss+w%2Brd%26x"), "p@ss+w+rd&x");
    }
}
