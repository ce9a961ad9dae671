//! Runs `backup`: copies the database to a file.

use std::io::Write;
use std::path::Path;

use super::output::{CliResult, say};
use crate::config::Settings;
use crate::storage;
use crate::storage::db::open::IfMissing;

pub(super) async fn backup(settings: &Settings, file: &Path) -> CliResult {
    let db = storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Fail).await?;
    storage::db::backup::backup(&db, &settings.database_url, file).await?;
    db.close().await;
    say!("{} was copied to {}.", settings.database_url, file.display());
    Ok(())
}
