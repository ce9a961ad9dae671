//! Keeps the price book in memory, and replaces it whole when a plan or a rate card changes.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use crate::domain::prices::rating::PriceBook;
use crate::domain::values::sid::PlanSid;
use crate::domain::values::time::BillingCalendar;
use crate::error::{Error, Result};
use crate::storage;
use crate::storage::db::Db;

/// How often to check whether another process changed a price.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct LivePriceBook(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    db: Db,
    calendar: BillingCalendar,
    current: RwLock<Edition>,
}

#[derive(Clone, Debug)]
struct Edition {
    /// The database's version of the prices when the book was read; below zero before.
    version: i64,
    book: Arc<PriceBook>,
}

impl LivePriceBook {
    /// An empty book until the first [`LivePriceBook::refresh`], with a task that keeps it fresh while a clone of this
    /// lives.
    pub fn start(db: Db, calendar: BillingCalendar) -> LivePriceBook {
        let current = RwLock::new(Edition { version: -1, book: Arc::default() });
        let prices = LivePriceBook(Arc::new(Shared { db, calendar, current }));
        tokio::spawn(keep_fresh(Arc::downgrade(&prices.0)));
        prices
    }

    /// The present book. It never changes under the caller; a newer one is another book.
    pub fn book(&self) -> Arc<PriceBook> {
        self.edition().book
    }

    /// The book, with these plans in it: a wallet may have a plan that is younger than the book.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where there is no such plan, and those of the database.
    pub async fn book_with(&self, plans: impl Iterator<Item = PlanSid> + Clone) -> Result<Arc<PriceBook>> {
        let missing = |book: &PriceBook| plans.clone().find(|plan| book.plan(*plan).is_none());
        let book = self.book();
        if missing(&book).is_none() {
            return Ok(book);
        }
        self.refresh().await?;
        let book = self.book();
        match missing(&book) {
            None => Ok(book),
            Some(plan) => Err(Error::Corrupt(format!("the plan {plan} of a wallet is gone"))),
        }
    }

    /// Reads the prices again if they changed.
    ///
    /// # Errors
    /// Those of the database; then the book stays as it was.
    pub async fn refresh(&self) -> Result<()> {
        let Shared { db, calendar, current } = &*self.0;
        let version = storage::db::deployment::prices_version(&mut db.read().await?.conn()).await?;
        if version == self.edition().version {
            return Ok(());
        }
        let mut snapshot = db.snapshot().await?;
        let mut conn = snapshot.conn();
        let version = storage::db::deployment::prices_version(&mut conn).await?;
        let plans = storage::prices::plans::list(&mut conn).await?;
        let cards = storage::prices::rate_cards::list(&mut conn).await?;
        let book = Arc::new(PriceBook::new(plans, cards, *calendar));
        let mut current = current.write().unwrap_or_else(PoisonError::into_inner);
        // Two may read at once, and the older reading may end last.
        if current.version < version {
            *current = Edition { version, book };
        }
        Ok(())
    }

    /// Reads the prices again after a change that is committed. Where that fails the change stands all the same, and
    /// the next check comes within a second.
    pub async fn notice_change(&self) {
        if let Err(error) = self.refresh().await {
            tracing::warn!(%error, "cannot read the prices after a change");
        }
    }

    fn edition(&self) -> Edition {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn keep_fresh(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(shared) = shared.upgrade() else { return };
        if let Err(error) = LivePriceBook(shared).refresh().await {
            tracing::warn!(%error, "cannot look whether prices changed");
        }
    }
}
