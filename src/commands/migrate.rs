//! Runs `migrate`: brings the database's tables up to this version.

use std::io::Write;

use super::output::{CliResult, say};
use crate::app;
use crate::clock::Clock;
use crate::config::Settings;

pub(super) async fn migrate(settings: &Settings) -> CliResult {
    let (billing, applied) = app::open_and_migrate(settings, Clock::system()).await?;
    billing.db.close().await;
    for migration in &applied {
        say!("applied {migration}");
    }
    say!("{} is up to date.", settings.database_url);
    Ok(())
}
