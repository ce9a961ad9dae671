//! The worker: does what is scheduled. Work lies in the database and is claimed there, so any number of servers share it;
//! each piece can be done twice without harm, because whoever claimed it may die half-way.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::domain::audit::Actor;
use crate::domain::jobs::{Job, JobKind, Next};
use crate::domain::time::{CalendarDay, CalendarMonth};
use crate::error::{Error, Result};
use crate::services::{self, Billing};

/// How often to look for work that is due.
const PAUSE: Duration = Duration::from_millis(500);

/// How many pieces of a kind are done at once by this server. What waits for others' servers may wait side by side.
const fn side_by_side(kind: JobKind) -> usize {
    match kind {
        JobKind::Payment => 16,
        JobKind::Webhooks => 32,
        JobKind::Recharge | JobKind::Housekeeping | JobKind::MonthClose | JobKind::InvoiceReminders => 1,
    }
}

/// Does what is due, again and again, until `stop` ends; then finishes what it has begun.
pub async fn run(billing: Billing, stop: impl Future<Output = ()>) {
    let mut running = Running::default();
    let mut is_scheduled = false;
    let mut stop = std::pin::pin!(stop);
    loop {
        if !is_scheduled {
            match schedule(&billing).await {
                Ok(()) => is_scheduled = true,
                Err(error) => tracing::warn!(%error, "cannot schedule the work of every day"),
            }
        }
        if let Err(error) = running.begin(&billing).await {
            tracing::warn!(%error, "cannot look for scheduled work");
        }
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep(PAUSE) => {}
            () = running.some_end() => {}
        }
    }
    while running.tasks.join_next().await.is_some() {}
}

/// Schedules what is to be done without anybody's asking, once however many servers start: the daily tidying and
/// reminders, and the close of the next month.
///
/// # Errors
/// Those of the database.
pub async fn schedule(billing: &Billing) -> Result<()> {
    let month = services::month_close::next_month(billing).await?;
    let jobs = [
        services::housekeeping::job(billing),
        services::reminders::job(billing),
        services::month_close::job(billing, month),
    ];
    services::jobs::schedule(billing, &jobs).await
}

/// What this server is at.
#[derive(Debug, Default)]
struct Running {
    tasks: JoinSet<JobKind>,
    counts: BTreeMap<&'static str, usize>,
}

impl Running {
    /// Claims as much as there is room for, and begins it.
    async fn begin(&mut self, billing: &Billing) -> Result<()> {
        for kind in services::jobs::due_kinds(billing).await? {
            let count = self.counts.entry(kind.as_str()).or_default();
            let room = side_by_side(kind).saturating_sub(*count);
            if room == 0 {
                continue;
            }
            for job in services::jobs::claim(billing, kind, i64::try_from(room).unwrap_or(1)).await? {
                *count += 1;
                let billing = billing.clone();
                self.tasks.spawn(async move {
                    do_it(&billing, job).await;
                    kind
                });
            }
        }
        Ok(())
    }

    /// Waits until a piece of work ends; for ever where none is under way.
    async fn some_end(&mut self) {
        let kind = match self.tasks.join_next().await {
            Some(Ok(kind)) => kind,
            // It panicked, and the log says so: its place is free again once the lease has ended.
            Some(Err(_)) => return self.counts.clear(),
            None => return std::future::pending().await,
        };
        if let Some(count) = self.counts.get_mut(kind.as_str()) {
            *count = count.saturating_sub(1);
        }
    }
}

/// Does all that is due now, one piece after the other; how many there were. What is due later stays.
///
/// # Errors
/// Those of the database. Work that fails is no error here: it is tried again in its time.
pub async fn run_due(billing: &Billing) -> Result<usize> {
    let mut done = 0;
    loop {
        let kinds = services::jobs::due_kinds(billing).await?;
        if kinds.is_empty() {
            return Ok(done);
        }
        for kind in kinds {
            for job in services::jobs::claim(billing, kind, 100).await? {
                do_it(billing, job).await;
                done += 1;
            }
        }
    }
}

/// Does one piece of work and notes what came of it.
async fn do_it(billing: &Billing, mut job: Job) {
    let outcome = perform(billing, &mut job).await;
    if let Err(error) = &outcome {
        tracing::warn!(%error, kind = %job.kind, subject = job.subject, attempts = job.attempts, "scheduled work failed");
    }
    if let Err(error) = services::jobs::settle(billing, &job, outcome).await {
        // Nothing is lost: the lease ends, and somebody does it again.
        tracing::warn!(%error, kind = %job.kind, subject = job.subject, "what came of scheduled work was not noted");
    }
}

/// What each kind of work is.
async fn perform(billing: &Billing, job: &mut Job) -> Result<Next> {
    match job.kind {
        JobKind::Recharge => services::recharges::judge(billing, &job.subject).await,
        JobKind::InvoiceReminders => services::reminders::remind(billing).await,
        JobKind::Webhooks => services::webhook_deliveries::deliver(billing, job).await,
        JobKind::Housekeeping => services::housekeeping::tidy(billing).await,
        JobKind::Payment => services::payments::perform(billing, &job.subject).await,
        JobKind::MonthClose => close_month(billing, job).await,
    }
}

/// Closes a month, and schedules the next one: after a time without a server there may be several to catch up with.
async fn close_month(billing: &Billing, job: &mut Job) -> Result<Next> {
    let Ok(day) = job.subject.parse::<CalendarDay>() else {
        return Err(Error::Corrupt(format!("the month {} of scheduled work", job.subject)));
    };
    let month = CalendarMonth::of(day.date());
    // Somebody may have closed it before, and what became of its invoices since is theirs to say.
    if !services::month_close::is_closed(billing, month).await? {
        let mut closing = services::month_close::begin(billing, month, Actor::scheduled()).await?;
        while closing.step(billing).await? {
            services::jobs::extend(billing, job).await?;
        }
        let outcome = closing.finish(billing).await?;
        tracing::info!(%month, invoices = outcome.invoices, "a month was closed");
    }
    schedule(billing).await?;
    Ok(Next::Done)
}
