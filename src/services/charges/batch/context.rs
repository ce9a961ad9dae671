//! Holds what a batch works with: the database, prices and settings.

use crate::clock::Clock;
use crate::domain::values::time::BillingCalendar;
use crate::domain::wallets::OpeningTerms;
use crate::domain::wallets::watch::WatchRules;
use crate::services::Billing;
use crate::services::prices::book::LivePriceBook;
use crate::storage::db::Db;

/// The database, prices and settings that a batch works with.
#[derive(Clone, Debug)]
pub struct BatchContext {
    pub db: Db,
    pub clock: Clock,
    pub calendar: BillingCalendar,
    pub terms: OpeningTerms,
    pub watch: WatchRules,
    pub prices: LivePriceBook,
}

impl BatchContext {
    pub fn of(billing: &Billing) -> BatchContext {
        BatchContext {
            db: billing.db.clone(),
            clock: billing.clock.clone(),
            calendar: billing.calendar,
            terms: billing.terms.clone(),
            watch: billing.watch,
            prices: billing.prices.clone(),
        }
    }
}
