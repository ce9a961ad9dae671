//! Runs the scheduled jobs.
//! Jobs lie in the database and are claimed there, so any number of servers share them; each can run twice without
//! harm, because the server that claimed it may die half-way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;

use crate::domain::audit::Actor;
use crate::domain::jobs::{Job, JobKind, Next};
use crate::domain::values::time::{CalendarDay, CalendarMonth};
use crate::error::{Error, Result};
use crate::services::operations::jobs::{Ended, JobOutcome, Room};
use crate::services::{self, Billing};

/// How often outcomes are recorded and due jobs claimed. Both happen in one transaction, so a busy worker delays
/// charges a few times a second, however much it does.
const BEAT: Duration = Duration::from_millis(200);

/// The pause after a failure of the database.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// How many jobs of a kind this server runs at once. Jobs that wait for other servers may wait side by side.
const fn side_by_side(kind: JobKind) -> usize {
    match kind {
        JobKind::Payment => 32,
        JobKind::Webhooks => 256,
        JobKind::Recharge | JobKind::Housekeeping | JobKind::MonthClose | JobKind::InvoiceReminders => 1,
    }
}

/// Runs due jobs, again and again, until `stop` ends; then finishes those that are running.
pub async fn run(billing: Billing, stop: impl Future<Output = ()>) {
    let mut worker = Worker::new(billing);
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = worker.some_end() => {}
            _ = beat.tick() => if !worker.turn().await {
                beat.reset_after(AFTER_FAILURE);
            },
        }
    }
    worker.finish().await;
}

/// Schedules the jobs that always exist, once however many servers start: daily housekeeping and reminders, and the
/// close of the next month.
///
/// # Errors
/// Those of the database.
pub async fn schedule(billing: &Billing) -> Result<()> {
    let month = services::invoices::month_close::next_month(billing).await?;
    let jobs = [
        services::operations::housekeeping::job(billing),
        services::invoices::reminders::job(billing),
        services::invoices::month_close::job(billing, month),
    ];
    services::operations::jobs::schedule(billing, &jobs).await
}

/// The jobs that this server runs, and the outcomes still to be recorded.
struct Worker {
    billing: Billing,
    is_scheduled: bool,
    tasks: JoinSet<Ended>,
    running: HashMap<tokio::task::Id, Job>,
    ended: Vec<Ended>,
}

impl Worker {
    fn new(billing: Billing) -> Worker {
        let (tasks, running) = (JoinSet::new(), HashMap::new());
        Worker { billing, is_scheduled: false, tasks, running, ended: Vec::new() }
    }

    /// Records outcomes, and starts due jobs as far as there is room. Returns whether the database allowed it.
    async fn turn(&mut self) -> bool {
        if !self.is_scheduled {
            match schedule(&self.billing).await {
                Ok(()) => self.is_scheduled = true,
                Err(error) => tracing::warn!(%error, "cannot schedule the work of every day"),
            }
        }
        let room = JobKind::ALL.iter().map(|kind| (*kind, self.room(*kind))).collect();
        let claimed = note_and_claim(&self.billing, std::mem::take(&mut self.ended), room).await;
        let is_well = claimed.is_some();
        for job in claimed.unwrap_or_default() {
            let billing = self.billing.clone();
            let begun = self.tasks.spawn(do_it(billing, job.clone()));
            self.running.insert(begun.id(), job);
        }
        is_well
    }

    fn room(&self, kind: JobKind) -> i64 {
        let running = self.running.values().filter(|job| job.kind == kind).count();
        i64::try_from(side_by_side(kind).saturating_sub(running)).unwrap_or(0)
    }

    /// Waits until a job ends; for ever where none is running.
    async fn some_end(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.end(ended),
            None => std::future::pending().await,
        }
    }

    fn end(&mut self, ended: std::result::Result<(tokio::task::Id, Ended), JoinError>) {
        match ended {
            Ok((id, ended)) => {
                self.running.remove(&id);
                self.ended.push(ended);
            }
            Err(error) => {
                let job = self.running.remove(&error.id());
                self.ended.extend(job.map(|job| Ended { job, outcome: Err(format!("it panicked: {error}")) }));
            }
        }
    }

    /// Waits for the running jobs, and starts no more.
    async fn finish(mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.end(ended);
        }
        note_and_claim(&self.billing, self.ended, Room::new()).await;
    }
}

/// Records outcomes, and claims due jobs. Where that fails, each outcome is recorded by itself, so that one bad outcome
/// spoils no other, and nothing is claimed. A job whose outcome is not recorded is not lost: its lease ends, and a
/// server runs it again.
async fn note_and_claim(billing: &Billing, ended: Vec<Ended>, room: Room) -> Option<Vec<Job>> {
    let ended: Arc<[Ended]> = ended.into();
    let error = match services::operations::jobs::turn(billing, ended.clone(), room).await {
        Ok(claimed) => return Some(claimed),
        Err(error) => error,
    };
    tracing::warn!(%error, pieces = ended.len(), "scheduled work was not noted, and none claimed");
    for one in ended.iter() {
        let alone = Arc::from([one.clone()]);
        if let Err(error) = services::operations::jobs::turn(billing, alone, Room::new()).await {
            let Job { kind, subject, .. } = &one.job;
            tracing::warn!(%error, %kind, subject, "what came of scheduled work was not noted");
        }
    }
    None
}

/// Runs all jobs that are due now, one after the other; returns how many. Jobs that become due later are not run.
///
/// # Errors
/// Those of the database. A job that fails is no error here: it is retried in its time.
pub async fn run_due(billing: &Billing) -> Result<usize> {
    let mut done = 0;
    let mut ended = Vec::new();
    loop {
        let room = JobKind::ALL.iter().map(|kind| (*kind, 100)).collect();
        let claimed = services::operations::jobs::turn(billing, std::mem::take(&mut ended).into(), room).await?;
        if claimed.is_empty() {
            return Ok(done);
        }
        for job in claimed {
            ended.push(do_it(billing.clone(), job).await);
            done += 1;
        }
    }
}

/// Runs one job.
async fn do_it(billing: Billing, mut job: Job) -> Ended {
    let outcome = perform(&billing, &mut job).await.map_err(|error| {
        tracing::warn!(%error, kind = %job.kind, subject = job.subject, attempts = job.attempts, "scheduled work failed");
        error.to_string()
    });
    Ended { job, outcome }
}

/// Runs the use case of a job's kind.
async fn perform(billing: &Billing, job: &mut Job) -> Result<JobOutcome> {
    let next = match job.kind {
        JobKind::Webhooks => {
            return Ok(JobOutcome::Sent(services::notifications::webhook_deliveries::deliver(billing, job).await?));
        }
        JobKind::Recharge => services::payments::recharges::judge(billing, &job.subject).await?,
        JobKind::InvoiceReminders => services::invoices::reminders::remind(billing).await?,
        JobKind::Housekeeping => services::operations::housekeeping::tidy(billing).await?,
        JobKind::Payment => services::payments::perform(billing, &job.subject).await?,
        JobKind::MonthClose => close_month(billing, job).await?,
    };
    Ok(JobOutcome::Next(next))
}

/// Closes a month, and schedules the next one: after a time without a server there may be several to catch up with.
async fn close_month(billing: &Billing, job: &mut Job) -> Result<Next> {
    let Ok(day) = job.subject.parse::<CalendarDay>() else {
        return Err(Error::Corrupt(format!("the month {} of scheduled work", job.subject)));
    };
    let month = CalendarMonth::of(day.date());
    // An operator may have closed it before, and may have changed its invoices since.
    if !services::invoices::month_close::is_closed(billing, month).await? {
        let mut closing = services::invoices::month_close::begin(billing, month, Actor::scheduled()).await?;
        while closing.step(billing).await? {
            services::operations::jobs::extend(billing, job).await?;
        }
        let outcome = closing.finish(billing).await?;
        tracing::info!(%month, invoices = outcome.invoices, "a month was closed");
    }
    schedule(billing).await?;
    Ok(Next::Done)
}
