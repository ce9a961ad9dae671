//! Runs `check`: checks the settings, the database and the scheduled jobs.

use std::io::Write;

use super::output::{CliResult, no_default_plan, not_migrated, problems_found, say};
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::jobs::JobCounts;
use crate::services::{self, Billing};
use crate::storage::db::open::IfMissing;
use crate::{app, storage};

/// Checks the settings, the database and the jobs, and prints each result; fails if one is wrong.
pub(super) async fn check(settings: &Settings) -> CliResult {
    let mut problems = Vec::new();
    match settings.validate() {
        Ok(()) => say!("ok       settings: listens on {}, AUTH={}", settings.address(), settings.auth),
        Err(problem) => problems.push(problem),
    }
    match settings.seller_logo() {
        Ok(_) if settings.platform().is_none() => {
            say!("ok       seller: no details, so invoices name none (SELLER_NAME)");
        }
        Ok(_) => say!("ok       seller: details and logo can be shown"),
        Err(error) => problems.push(error.to_string()),
    }
    match app::providers(settings, &Clock::system()) {
        Ok(providers) => {
            let names: Vec<_> = providers.names().map(ToString::to_string).collect();
            let names = if names.is_empty() { "none; only admins top up".to_owned() } else { names.join(", ") };
            say!("ok       payment providers: {names}");
        }
        // Problems of the settings have been reported already.
        Err(error) if problems.is_empty() => problems.push(error.to_string()),
        Err(_) => {}
    }
    match storage::db::open::open(&settings.database_url, settings.pools(), IfMissing::Fail).await {
        Ok(db) => {
            if let Ok(billing) = app::billing(settings, db.clone(), Clock::system()) {
                check_database(settings, billing, &mut problems).await?;
            }
            db.close().await;
        }
        Err(error) => problems.push(error.to_string()),
    }
    for problem in &problems {
        say!("problem  {problem}");
    }
    problems_found(problems.len() as u64)
}

async fn check_database(settings: &Settings, billing: Billing, problems: &mut Vec<String>) -> CliResult {
    let pending = match storage::db::migrations::pending(&billing.db).await {
        Ok(pending) => pending,
        Err(error) => {
            problems.push(error.to_string());
            return Ok(());
        }
    };
    let mut reader = billing.db.read().await?;
    let version = storage::db::deployment::version(&mut reader.conn()).await?;
    say!("ok       database: {} ({version})", settings.database_url);
    if !pending.is_empty() {
        problems.push(not_migrated(&pending));
        return Ok(());
    }
    say!("ok       tables: up to date");
    let zone = settings.billing_timezone.name();
    match storage::db::deployment::timezone(&mut reader.conn()).await? {
        Some(fixed) if fixed != zone => problems.push(storage::db::migrations::other_timezone(&fixed, zone)),
        _ => say!("ok       billing time zone: {zone}"),
    }
    drop(reader);
    match app::has_default_plan(&billing).await {
        Ok(false) => problems.push(no_default_plan(&billing)),
        Ok(true) => say!("ok       default plan: {}", billing.rules.terms.plan_name),
        Err(error) => problems.push(error.to_string()),
    }
    check_jobs(&billing, problems).await
}

/// How late a job may start before something is wrong with the workers.
const JOB_DELAY_MAX_SECONDS: i64 = 15 * 60;

/// Checks that scheduled jobs run, and succeed.
async fn check_jobs(billing: &Billing, problems: &mut Vec<String>) -> CliResult {
    let counts = services::operations::jobs::counts(billing).await?;
    let now = billing.clock.now();
    let sound = problems.len();
    for JobCounts { kind, waiting, due, failing, oldest_due, last_error } in &counts {
        if let Some(oldest) = oldest_due.filter(|oldest| oldest.plus_seconds(JOB_DELAY_MAX_SECONDS) < now) {
            problems.push(format!(
                "scheduled work: {due} of {waiting} of kind {kind} are due, the oldest since {oldest}; is a server with \
                 WORKER=true running?"
            ));
        }
        if let Some(error) = last_error {
            problems.push(format!("scheduled work: {failing} of kind {kind} failed and are tried again: {error}"));
        }
    }
    if problems.len() == sound {
        let waiting: i64 = counts.iter().map(|counts| counts.waiting).sum();
        say!("ok       scheduled work: {waiting} waiting, none late or failing");
    }
    Ok(())
}
