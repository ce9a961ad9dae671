//! Runs the use cases, one a function, each with its own transaction: read, decide with the domain, write, commit.
//!
//! No use case calls another; a rule that two share is domain code. These files hold none, but help those that do:
//! `posting` (enters money that is no message's, and what follows from any change of a wallet), `rules`, `prices/book`,
//! `wallets/reads` and `access/presented` (prices, wallets and credentials, read fast), `access/passwords`,
//! `payments/methods`, `payments/providers` and `notifications/webhook_attempts`.

pub mod access;
pub mod audit;
pub mod businesses;
pub mod charges;
pub mod invoices;
pub mod notifications;
pub mod operations;
pub mod payments;
pub mod posting;
pub mod prices;
pub mod reports;
pub mod rules;
pub mod wallets;

use std::sync::Arc;

use chrono::NaiveDate;

use crate::clock::Clock;
use crate::domain::values::secrets::Sealer;
use crate::outbound::Outbound;
use crate::storage::db::Db;
use access::passwords::Passwords;
use access::presented::Credentials;
use charges::committer::Committer;
use payments::providers::Providers;
use prices::book::LivePriceBook;
use rules::Rules;
use wallets::reads::WalletReads;

/// The state that every use case works with. A clone shares all of it.
#[derive(Clone, Debug)]
pub struct Billing {
    pub db: Db,
    pub clock: Clock,
    pub rules: Arc<Rules>,
    pub live: Arc<Live>,
}

/// What lives in memory while the server runs: caches, queues with a task behind them, keys and connections to others.
#[derive(Clone, Debug)]
pub struct Live {
    pub wallet_reads: WalletReads,
    pub prices: LivePriceBook,
    /// Settles charges and delivery reports.
    pub committer: Committer,
    pub credentials: Credentials,
    pub passwords: Passwords,
    /// Encrypts secrets that must be read back.
    pub sealer: Sealer,
    /// Sends requests to servers that others name.
    pub outbound: Outbound,
    /// The payment providers.
    pub providers: Providers,
}

impl Billing {
    /// Today in the billing time zone.
    pub fn today(&self) -> NaiveDate {
        self.rules.calendar.day_of(self.clock.now())
    }
}
