//! Use cases, one a function. Each owns its transaction: read, decide with the domain, write, commit.
//! None calls another; a rule that two share is domain code. `wallet_reads` and `prices` are none: they are how wallets and
//! prices are read fast.

pub mod alerts;
pub mod charges;
pub mod health;
pub mod invoices;
pub mod prices;
pub mod pricing;
pub mod quotes;
pub mod rate_cards;
pub mod reconcile;
pub mod transactions;
pub mod usage;
pub mod wallet;
pub mod wallet_reads;

use chrono::NaiveDate;

use crate::clock::Clock;
use crate::domain::time::BillingCalendar;
use crate::domain::wallet::OpeningTerms;
use crate::storage::db::Db;
use charges::committer::Committer;
use prices::Prices;
use wallet_reads::WalletReads;

/// What every use case works with.
#[derive(Clone, Debug)]
pub struct Billing {
    pub db: Db,
    pub clock: Clock,
    pub calendar: BillingCalendar,
    /// What new wallets start with.
    pub terms: OpeningTerms,
    pub wallet_reads: WalletReads,
    pub prices: Prices,
    /// Where charges and delivery reports are settled.
    pub committer: Committer,
}

impl Billing {
    /// Today in the billing time zone.
    pub fn today(&self) -> NaiveDate {
        self.calendar.day_of(self.clock.now())
    }
}
