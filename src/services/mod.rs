//! Runs the use cases, one a function, each with its own transaction: read, decide with the domain, write, commit.
//!
//! No use case calls another; a rule that two share is domain code. These files hold none, but help those that do:
//! `posting` (enters money that is no message's, and what follows from any change of a wallet), `prices/book`,
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
pub mod wallets;

use chrono::NaiveDate;

use crate::clock::Clock;
use crate::domain::invoices::parties::Party;
use crate::domain::invoices::tax::TaxRates;
use crate::domain::values::secrets::Sealer;
use crate::domain::values::time::BillingCalendar;
use crate::domain::wallets::OpeningTerms;
use crate::domain::wallets::watch::WatchRules;
use crate::outbound::Outbound;
use crate::storage::db::Db;
use access::passwords::Passwords;
use access::presented::Credentials;
use charges::committer::Committer;
use payments::providers::Providers;
use prices::book::LivePriceBook;
use wallets::reads::WalletReads;

/// What every use case works with.
#[derive(Clone, Debug)]
pub struct Billing {
    pub db: Db,
    pub clock: Clock,
    pub calendar: BillingCalendar,
    /// What new wallets start with.
    pub terms: OpeningTerms,
    /// What warnings go by where a wallet has no threshold of its own.
    pub watch: WatchRules,
    /// Who sells where no reseller does, as invoices name them; none where nobody said so.
    pub platform: Option<Party>,
    /// What invoices are taxed by.
    pub tax_rates: TaxRates,
    pub wallet_reads: WalletReads,
    pub prices: LivePriceBook,
    /// Where charges and delivery reports are settled.
    pub committer: Committer,
    pub credentials: Credentials,
    pub passwords: Passwords,
    /// How long a login lasts.
    pub session_hours: u16,
    /// For secrets that must be read back.
    pub sealer: Sealer,
    /// For requests to servers that others name.
    pub outbound: Outbound,
    /// Who is asked for money.
    pub providers: Providers,
}

impl Billing {
    /// Today in the billing time zone.
    pub fn today(&self) -> NaiveDate {
        self.calendar.day_of(self.clock.now())
    }
}
