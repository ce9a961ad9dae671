//! Reads wallets for many callers with one statement.
//!
//! A statement costs several times what finding the row does: sqlx hands it to the connection's own thread and waits
//! for that thread's answer. So a read that finds another one under way waits in line, and one statement then answers
//! everybody in line. A batch is read after its reads were asked for, so everyone sees what was committed before they
//! asked, and no balance is kept in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::domain::values::sid::BusinessSid;
use crate::domain::wallets::Wallet;
use crate::error::{Error, Result};
use crate::storage;
use crate::storage::db::Db;

/// The most reads that one statement answers.
const BATCH_MAX: usize = 128;

/// How many reads may wait in the queue before further ones wait to enter it.
const QUEUE_LENGTH: usize = 1_024;

#[derive(Clone, Debug)]
pub struct WalletReads {
    db: Db,
    queue: mpsc::Sender<Read>,
    /// How many reads are under way, queued or not.
    under_way: Arc<AtomicUsize>,
}

/// A wallet, or the error that no connection was available.
type WalletRead = std::result::Result<Option<Wallet>, Unavailable>;

#[derive(Clone, Copy, Debug)]
struct Unavailable;

#[derive(Debug)]
struct Read {
    business: BusinessSid,
    /// Dropped without an answer where the batch failed for a reason of its own.
    answer: oneshot::Sender<WalletRead>,
}

impl WalletReads {
    /// Starts the task that answers queued reads; it ends with the last clone.
    pub fn start(db: Db) -> WalletReads {
        let (queue, line) = mpsc::channel(QUEUE_LENGTH);
        tokio::spawn(answer_in_batches(db.clone(), line));
        WalletReads { db, queue, under_way: Arc::default() }
    }

    /// The wallet of a business, if it has one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find(&self, business: &BusinessSid) -> Result<Option<Wallet>> {
        let counted = Counted::new(&self.under_way);
        if counted.is_alone {
            return self.find_alone(business).await;
        }
        let (answer, answered) = oneshot::channel();
        // This fails only where the task has ended; then nobody answers either.
        let _ = self.queue.send(Read { business: business.clone(), answer }).await;
        match answered.await {
            Ok(Ok(wallet)) => Ok(wallet),
            Ok(Err(Unavailable)) => Err(Error::no_connection()),
            // One row that cannot be read spoils a batch: each then reads for itself, and learns its own error.
            Err(_) => self.find_alone(business).await,
        }
    }

    async fn find_alone(&self, business: &BusinessSid) -> Result<Option<Wallet>> {
        let stored = storage::wallets::find(&mut self.db.read().await?.conn(), business).await?;
        Ok(stored.map(|stored| stored.wallet))
    }
}

/// A read under way, counted as long as this lives.
struct Counted<'a> {
    under_way: &'a AtomicUsize,
    /// Whether no other read was under way to share a statement with.
    is_alone: bool,
}

impl Counted<'_> {
    fn new(under_way: &AtomicUsize) -> Counted<'_> {
        Counted { under_way, is_alone: under_way.fetch_add(1, Ordering::Relaxed) == 0 }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn answer_in_batches(db: Db, mut line: mpsc::Receiver<Read>) {
    let mut reads = Vec::with_capacity(BATCH_MAX);
    while line.recv_many(&mut reads, BATCH_MAX).await > 0 {
        // Lets those who are about to ask get in line: twice the batch for the price of a moment.
        tokio::task::yield_now().await;
        while reads.len() < BATCH_MAX
            && let Ok(read) = line.try_recv()
        {
            reads.push(read);
        }
        match find_many(&db, &reads).await {
            Ok(wallets) => {
                for read in reads.drain(..) {
                    // Who asked may have gone.
                    let _ = read.answer.send(Ok(wallets.get(&read.business).cloned()));
                }
            }
            Err(Error::Unavailable(_)) => {
                // Those behind them have waited as long: nobody waits twice for a database that does not answer.
                let in_line = std::iter::from_fn(|| line.try_recv().ok());
                for read in reads.drain(..).chain(in_line) {
                    let _ = read.answer.send(Err(Unavailable));
                }
            }
            Err(_) => reads.clear(),
        }
    }
}

async fn find_many(db: &Db, reads: &[Read]) -> Result<HashMap<BusinessSid, Wallet>> {
    let businesses: Vec<&str> = reads.iter().map(|read| read.business.as_str()).collect();
    let found = storage::wallets::find_many(&mut db.read().await?.conn(), &businesses).await?;
    Ok(found.into_iter().map(|stored| (stored.wallet.business_sid.clone(), stored.wallet)).collect())
}
