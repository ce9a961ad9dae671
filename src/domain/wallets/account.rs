//! Describes a wallet to charging: its balance, its plan, and the segments counted for the plan's tiers.

use chrono::NaiveDate;

use super::OpeningTerms;
use super::ledger::LedgerHead;
use super::watch::Watch;
use crate::domain::prices::rating::{PriceBook, RatingTerms};
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::values::sid::{BusinessSid, PlanSid};
use crate::domain::values::time::Timestamp;

/// A wallet as charging sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub business: BusinessSid,
    pub is_suspended: bool,
    pub currency: Currency,
    pub plan: Option<PlanSid>,
    pub credit_limit: Money,
    pub head: LedgerHead,
    pub tiers: TierCounter,
    pub watch: Watch,
}

impl Account {
    /// The wallet that a business would get at its first use. `known`: whether the business is suspended, and the
    /// currency of the wallet of the reseller above it; `None` where the business does not exist.
    pub fn unopened(
        business: &BusinessSid,
        known: Option<(bool, Option<Currency>)>,
        terms: &OpeningTerms,
        book: &PriceBook,
        now: Timestamp,
    ) -> Account {
        let (is_suspended, currency) = known.unwrap_or_default();
        Account {
            business: business.clone(),
            is_suspended,
            currency: currency.unwrap_or(terms.currency),
            plan: book.plan_named(&terms.plan_name),
            credit_limit: Money::ZERO,
            head: LedgerHead { balance: Money::ZERO, last_seq: 0, last_sid: None, updated_at: now },
            tiers: TierCounter::default(),
            watch: Watch::default(),
        }
    }

    /// The terms that rate the wallet's next message, if it is charged in the month that begins on `month`.
    pub fn rating_terms<'a>(&self, book: &'a PriceBook, month: NaiveDate, submitted_at: Timestamp) -> RatingTerms<'a> {
        RatingTerms {
            currency: self.currency,
            plan: self.plan.and_then(|plan| book.plan(plan)),
            segments_before: self.tiers.segments_in(month),
            submitted_at,
        }
    }

    /// The balance, and the amount available to a debit.
    ///
    /// # Errors
    /// [`MoneyError`], where balance and credit limit together leave the range of [`Money`].
    pub fn funds(&self) -> Result<(Money, Money), MoneyError> {
        Ok((self.head.balance, self.head.balance.checked_add(self.credit_limit)?))
    }
}

/// The position of a wallet in its plan's tiers: the segments charged in one calendar month, less those of messages
/// refunded in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierCounter {
    /// The first day of the month of the last charge.
    pub month: Option<NaiveDate>,
    pub segments: i64,
}

impl TierCounter {
    fn segments_in(self, month: NaiveDate) -> i64 {
        if self.month == Some(month) { self.segments } else { 0 }
    }
}
