//! Group commit: settles the commands of many callers in one transaction, and answers once it is on disk.
//!
//! One task takes whatever waits in line, settles it as one batch and commits it; meanwhile the next batch gathers. So
//! the price of a commit is shared by all who wait for it. A batch that fails for a reason of its own is tried again in
//! halves, until the command that spoils it stands alone; a commit whose outcome is unknown is settled again with every
//! message looked up first, which finds what had happened.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot, watch};

use super::batch::context::BatchContext;
use super::batch::reads::Replays;
use super::batch::writes::RowIds;
use super::batch::{self, CommandResult};
use super::counts::Counts;
use crate::domain::charges::Refusal;
use crate::domain::charges::charging::{Command, CommandOutcome};
use crate::error::{Error, Result};
use crate::storage;

/// The most commands in one transaction.
const BATCH_MAX: usize = 1_000;

/// The waits before each retry of a batch to which the database gave no clear answer.
const RETRIES: [Duration; 4] =
    [Duration::from_millis(10), Duration::from_millis(100), Duration::from_millis(500), Duration::from_millis(1_500)];

/// The entrance to the committer.
#[derive(Clone, Debug)]
pub struct Committer {
    line: mpsc::UnboundedSender<Next>,
    /// Bounds the queue: one permit per waiting command.
    room: Arc<Semaphore>,
    capacity: usize,
    ended: watch::Receiver<bool>,
    counts: Counts,
}

/// The next element of the queue.
#[derive(Debug)]
enum Next {
    Settle(Submission),
    /// Nothing comes after this.
    End,
}

/// Commands that were submitted together, and the caller who waits for them.
#[derive(Debug)]
struct Submission {
    commands: Vec<Command>,
    answers: oneshot::Sender<Vec<Result<CommandResult>>>,
    /// Released once settled.
    room: OwnedSemaphorePermit,
}

impl Committer {
    /// Starts the task, on a thread of its own: on SQLite its statements block. `capacity`: how many commands may wait.
    pub fn start(context: BatchContext, capacity: usize) -> Committer {
        let (line, waiting) = mpsc::unbounded_channel();
        let (end, ended) = watch::channel(false);
        let counts = Counts::default();
        let task = Task { context, row_ids: RowIds::default(), replays: Replays::Unexpected, counts: counts.clone() };
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::Builder::new().name("committer".to_owned());
        // Where there is no thread, the end is dropped along with this, and the process stops as if the task had died.
        let _ = thread.spawn(move || {
            // However the task ends, a panic included, its watchers learn of it.
            let _end = EndOnDrop(end);
            runtime.block_on(task.run(waiting));
        });
        Committer { line, room: Arc::new(Semaphore::new(capacity)), capacity, ended, counts }
    }

    /// Submits commands and waits until their results are on disk. One result per command, in order; a command may fail
    /// by itself. After [`Error::OutcomeUnknown`] it may be submitted again: a message is charged once.
    ///
    /// # Errors
    /// [`Error::Busy`] where too many wait or the server is about to stop.
    pub async fn submit(&self, commands: Vec<Command>) -> Result<Vec<Result<CommandResult>>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let count = u32::try_from(commands.len()).unwrap_or(u32::MAX);
        let room = self.room.clone().try_acquire_many_owned(count).map_err(|error| match error {
            TryAcquireError::NoPermits => busy(),
            TryAcquireError::Closed => stopping(),
        })?;
        let (answers, answered) = oneshot::channel();
        self.line.send(Next::Settle(Submission { commands, answers, room })).map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())
    }

    /// Accepts no more commands, and waits until those in the queue are settled.
    pub async fn drain(&self) {
        self.room.close();
        // An error means that the task has ended already.
        let _ = self.line.send(Next::End);
        self.ended().await;
    }

    /// Waits until the task has ended, by [`Committer::drain`] or by a panic.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // An error means that the sender is gone, and with it the task.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// How many commands are waiting or being settled.
    pub fn waiting(&self) -> usize {
        self.capacity.saturating_sub(self.room.available_permits())
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }
}

fn busy() -> Error {
    Error::Busy("More messages wait to be charged than this server takes; send this again in a moment.")
}

fn stopping() -> Error {
    Error::Busy("The server is about to stop; send this again in a moment.")
}

struct EndOnDrop(watch::Sender<bool>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let _ = self.0.send(true);
    }
}

struct Task {
    context: BatchContext,
    row_ids: RowIds,
    /// Whether the last batches met repeated messages: these come in bursts, as after a restart.
    replays: Replays,
    counts: Counts,
}

impl Task {
    async fn run(mut self, mut waiting: mpsc::UnboundedReceiver<Next>) {
        while let Some(Next::Settle(first)) = waiting.recv().await {
            let mut commands = first.commands.len();
            let mut batch = vec![first];
            let mut is_last = false;
            while commands < BATCH_MAX
                && !is_last
                && let Ok(next) = waiting.try_recv()
            {
                match next {
                    Next::Settle(submission) => {
                        commands += submission.commands.len();
                        batch.push(submission);
                    }
                    Next::End => is_last = true,
                }
            }
            self.answer(batch).await;
            if is_last {
                return;
            }
        }
    }

    async fn answer(&mut self, batch: Vec<Submission>) {
        let mut commands = Vec::with_capacity(batch.iter().map(|submission| submission.commands.len()).sum());
        let mut callers = Vec::with_capacity(batch.len());
        for submission in batch {
            callers.push((submission.commands.len(), submission.answers, submission.room));
            commands.extend(submission.commands);
        }
        let answers = self.settle(&commands).await;
        self.counts.batch(answers.iter().map(|answer| answer.as_ref().ok()));
        let mut answers = answers.into_iter();
        for (count, caller, room) in callers {
            let answer = answers.by_ref().take(count).collect();
            // Released before the answer: a caller with an answer finds its place in the queue free.
            drop(room);
            // The caller may have gone; its results stand.
            let _ = caller.send(answer);
        }
    }

    /// Settles commands; those that fail together for a reason that may lie in one of them are tried again in halves.
    async fn settle(&mut self, commands: &[Command]) -> Vec<Result<CommandResult>> {
        let mut answers = Vec::with_capacity(commands.len());
        let mut parts = vec![commands];
        while let Some(part) = parts.pop() {
            match self.commit(part).await {
                Ok(settled) => answers.extend(settled.into_iter().map(Ok)),
                Err(error) if part.len() > 1 && may_lie_in_one(&error) => {
                    tracing::error!(%error, commands = part.len(), "a batch failed and is tried in halves");
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) => {
                    answers.extend(part.iter().map(|_| Err(error.again())));
                }
            }
        }
        answers
    }

    /// Settles and commits commands together, and tries again where the outcome of a commit is unknown.
    async fn commit(&mut self, commands: &[Command]) -> Result<Vec<CommandResult>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut waits = RETRIES.into_iter();
        // Once an outcome was unknown it stays so until the messages were looked up.
        let mut unknown = None;
        loop {
            let error = match self.try_commit(commands).await {
                Ok(answers) => {
                    if self.replays == Replays::LookUp && !answers.iter().any(is_replay) {
                        self.replays = Replays::Unexpected;
                    }
                    return Ok(answers);
                }
                Err(error) => error,
            };
            let is_replay = storage::charges::is_charged_twice(&error);
            let must_look_up = is_replay || matches!(error, Error::OutcomeUnknown(_));
            let knows_more_now = must_look_up && self.replays == Replays::Unexpected;
            if must_look_up {
                self.replays = Replays::LookUp;
            }
            if !knows_more_now {
                let may_pass = matches!(error, Error::OutcomeUnknown(_) | Error::Stale) || unknown.is_some();
                let wait = waits.next().filter(|_| may_pass);
                let Some(wait) = wait else { return Err(unknown.unwrap_or(error)) };
                tokio::time::sleep(wait).await;
            }
            if !is_replay {
                tracing::warn!(%error, "a batch is settled again");
            }
            if matches!(error, Error::OutcomeUnknown(_)) {
                unknown = Some(error);
            }
        }
    }

    async fn try_commit(&mut self, commands: &[Command]) -> Result<Vec<CommandResult>> {
        let mut tx = self.context.db.begin_bulk().await?;
        let settled = batch::settle(&self.context, &mut tx.conn(), commands, self.replays, &self.row_ids).await?;
        tx.commit().await?;
        self.row_ids.learn(settled.learnt);
        Ok(settled.outcomes)
    }
}

fn is_replay(answer: &CommandResult) -> bool {
    matches!(answer, Ok(CommandOutcome::Charged(charged)) if charged.replayed)
        || matches!(answer, Err(Refusal::MessageConflict))
}

/// Whether the failure of a batch may be the fault of one command. A failure of the database as a whole is not.
fn may_lie_in_one(error: &Error) -> bool {
    matches!(error, Error::Database(_) | Error::Corrupt(_) | Error::Money(_))
}
