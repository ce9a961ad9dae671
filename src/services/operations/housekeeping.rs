//! Deletes expired rows in small portions.

use crate::domain::jobs::{JobKind, NewJob, Next};
use crate::domain::notifications::webhook_messages::KEPT_DAYS;
use crate::error::Result;
use crate::services::Billing;
use crate::storage;

/// How many batches are taken in a turn: a long one would keep the job's lease too long.
const BATCHES: usize = 100;

const A_DAY_SECONDS: i64 = 24 * 3_600;

/// When to go on where more is left than a turn takes.
const PAUSE_SECONDS: i64 = 30;

/// The work as it is scheduled when a server starts: however many servers there are, it is one.
pub fn job(billing: &Billing) -> NewJob {
    NewJob { kind: JobKind::Housekeeping, subject: "daily".to_owned(), run_at: billing.clock.now() }
}

/// Deletes messages to webhooks after their time, and logins, failed logins and idempotent answers that have ended: most
/// of the latter go as new ones come, and what is left where none come goes here. Each batch is a transaction of its own,
/// so that nobody waits for a long deletion.
///
/// # Errors
/// Those of the database.
pub async fn tidy(billing: &Billing) -> Result<Next> {
    let now = billing.clock.now();
    for _ in 0..BATCHES {
        let mut tx = billing.db.begin().await?;
        let mut conn = tx.conn();
        let messages =
            storage::notifications::webhook_messages::delete_some(&mut conn, now.minus_days(KEPT_DAYS)).await?;
        let sessions = storage::access::sessions::forget_some(&mut conn, now).await?;
        let failures = storage::access::login_failures::forget_some(&mut conn, now).await?;
        let answers = storage::db::idempotency::forget_some(&mut conn, now).await?;
        tx.commit().await?;
        if messages + sessions + failures + answers == 0 {
            return Ok(Next::At(now.plus_seconds(A_DAY_SECONDS)));
        }
    }
    Ok(Next::At(now.plus_seconds(PAUSE_SECONDS)))
}
