//! Deletes expired rows in small portions.

use crate::domain::jobs::{JobKind, NewJob, Next};
use crate::domain::notifications::webhook_messages::KEPT_DAYS;
use crate::error::Result;
use crate::services::Billing;
use crate::storage;

/// How many batches one run deletes: more would take longer than the job's lease.
const BATCHES: usize = 100;

const A_DAY_SECONDS: i64 = 24 * 3_600;

/// The pause before the next run where more is left.
const PAUSE_SECONDS: i64 = 30;

/// The housekeeping job, scheduled when a server starts; there is one in a deployment.
pub fn job(billing: &Billing) -> NewJob {
    NewJob { kind: JobKind::Housekeeping, subject: "daily".to_owned(), run_at: billing.clock.now() }
}

/// Deletes old webhook deliveries, and expired sessions, login failures and idempotent answers. (Most of the answers go
/// as new ones come; the rest goes here.) Each batch is a transaction of its own, so that nobody waits for a long
/// deletion.
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
