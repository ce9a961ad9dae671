//! Reading wallets many at a time.
//!
//! A statement costs several times what finding the row does: sqlx hands it to the connection's own thread and waits for
//! that thread's answer. So a read that finds another one under way waits in line, and one statement then answers
//! everybody in line. A batch is read after its reads were asked for, so everyone sees what was committed before they
//! asked, and no balance is kept in memory.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::domain::businesses::BusinessSid;
use crate::domain::wallet::Wallet;
use crate::error::Result;
use crate::storage;
use crate::storage::db::Db;

/// How many reads one statement answers at most.
const BATCH_MAX: usize = 128;

/// How many reads may wait in line before more of them wait to get in line.
const QUEUE_LENGTH: usize = 1_024;

#[derive(Clone, Debug)]
pub struct WalletReads {
    db: Db,
    queue: mpsc::Sender<Read>,
    /// Whoever holds it reads at once, as there is nobody to share a statement with.
    alone: Arc<Semaphore>,
}

#[derive(Debug)]
struct Read {
    business: BusinessSid,
    /// Dropped without an answer where the batch failed.
    answer: oneshot::Sender<Option<Wallet>>,
}

impl WalletReads {
    /// Starts the task that answers those in line; it ends with the last clone of this.
    pub fn start(db: Db) -> WalletReads {
        let (queue, line) = mpsc::channel(QUEUE_LENGTH);
        tokio::spawn(answer_in_batches(db.clone(), line));
        WalletReads { db, queue, alone: Arc::new(Semaphore::new(1)) }
    }

    /// The wallet of a business, if it has one.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn find(&self, business: &BusinessSid) -> Result<Option<Wallet>> {
        if let Ok(_alone) = self.alone.try_acquire() {
            return self.find_alone(business).await;
        }
        let (answer, answered) = oneshot::channel();
        // Neither of these fails but where the batch did: then each reads for itself, and learns its own error.
        if self.queue.send(Read { business: business.clone(), answer }).await.is_ok()
            && let Ok(wallet) = answered.await
        {
            return Ok(wallet);
        }
        self.find_alone(business).await
    }

    async fn find_alone(&self, business: &BusinessSid) -> Result<Option<Wallet>> {
        let stored = storage::wallet::find(&mut self.db.read().await?.conn(), business).await?;
        Ok(stored.map(|stored| stored.wallet))
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
                    let _ = read.answer.send(wallets.get(&read.business).cloned());
                }
            }
            Err(_) => reads.clear(),
        }
    }
}

async fn find_many(db: &Db, reads: &[Read]) -> Result<HashMap<BusinessSid, Wallet>> {
    let businesses: Vec<&str> = reads.iter().map(|read| read.business.as_str()).collect();
    let found = storage::wallet::find_many(&mut db.read().await?.conn(), &businesses).await?;
    Ok(found.into_iter().map(|stored| (stored.wallet.business_sid.clone(), stored.wallet)).collect())
}
