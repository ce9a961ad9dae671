//! Holds the rules that settings decide and that stay the same while the server runs.

use crate::domain::invoices::parties::Party;
use crate::domain::invoices::tax::TaxRates;
use crate::domain::values::time::BillingCalendar;
use crate::domain::wallets::OpeningTerms;
use crate::domain::wallets::watch::WatchRules;

/// The rules of this deployment.
#[derive(Debug)]
pub struct Rules {
    pub calendar: BillingCalendar,
    /// The terms of new wallets.
    pub terms: OpeningTerms,
    /// The rules for warnings, with defaults for wallets without a threshold of their own.
    pub watch: WatchRules,
    /// The seller on invoices that no reseller issues; `None` where it is not configured.
    pub platform: Option<Party>,
    /// The tax rates for invoices.
    pub tax_rates: TaxRates,
    /// How many hours a session lasts.
    pub session_hours: u16,
}
