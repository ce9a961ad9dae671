//! Runs `reconcile`: prints the result of each check of the books.

use std::io::Write;

use super::output::{CliResult, not_migrated, problems_found, say};
use crate::config::Settings;
use crate::services;
use crate::storage;
use crate::storage::db::open::IfMissing;

/// Runs all checks on the data and prints each result; fails if one fails.
pub(super) async fn reconcile(settings: &Settings) -> CliResult {
    let db = storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Fail).await?;
    let pending = storage::db::migrations::pending(&db).await?;
    if !pending.is_empty() {
        return Err(not_migrated(&pending).into());
    }
    let progress = |what: &str| {
        let _ = writeln!(std::io::stderr(), "checking {what}");
    };
    let report = services::operations::reconcile::reconcile(&db, settings.billing_timezone, &progress).await?;
    db.close().await;
    for (check, finding) in report.findings() {
        let name = check.name();
        match finding.problems {
            0 => say!("ok       {name}: {} ({} rows)", check.promise(), finding.rows),
            problems => {
                for problem in &finding.told {
                    say!("problem  {name}: {problem}");
                }
                let more = problems - finding.told.len() as u64;
                if more > 0 {
                    say!("problem  {name}: and {more} more");
                }
            }
        }
    }
    problems_found(report.problems())
}
