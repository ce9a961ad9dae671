//! Defines wallets, the prepaid balances of businesses, with their settings and opening terms.

pub mod account;
pub mod adjustments;
pub mod ledger;
pub mod topups;
pub mod transactions;
pub mod watch;

use serde::{Deserialize, Serialize};

use crate::domain::prices::plans::PlanType;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::values::sid::{BusinessSid, PlanSid, WalletSid};
use crate::domain::values::time::Timestamp;
use crate::domain::values::versions::Version;
use ledger::LedgerHead;

/// The wallet of a business as it stood at one moment.
///
/// Serialised, it is part of idempotent answers that are kept for 30 days: a field added later needs a default for
/// those stored before it. The API has a shape of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    pub sid: WalletSid,
    pub business_sid: BusinessSid,
    /// Prepaid or postpaid, by the wallet's plan; a wallet without a plan is prepaid.
    pub plan_type: PlanType,
    pub pricing_plan: Option<PlanSid>,
    /// Never changes.
    pub currency: Currency,
    pub balance: Money,
    /// How far below zero a debit may take the balance.
    pub credit_limit: Money,
    pub auto_recharge: AutoRecharge,
    /// The `seq` of the newest ledger entry, 0 where there is none.
    pub last_seq: i64,
    pub created_at: Timestamp,
    /// Never earlier than the newest ledger entry.
    pub updated_at: Timestamp,
}

/// The auto-recharge settings: below which balance to top up, and by how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoRecharge {
    pub enabled: bool,
    pub amount: Money,
    pub threshold: Money,
}

/// The highest credit limit, as the table of wallets has it: a balance at its own limit can still have it added.
pub const CREDIT_LIMIT_MAX: Money = Money::from_micros(1_000_000_000_000 * 1_000_000);

/// The settings of a wallet that admins change. Serialised, they are what the audit log stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WalletSettings {
    /// Zero or above. A lowered limit may leave the balance below it: then every debit is refused until a top-up.
    pub credit_limit: Money,
    /// `None`: only rate cards give prices.
    pub pricing_plan_sid: Option<PlanSid>,
}

/// Changes to a wallet's settings. Fields left out stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalletChanges {
    pub credit_limit: Option<Money>,
    /// `Some(None)` removes the plan.
    pub pricing_plan_sid: Option<Option<PlanSid>>,
}

impl WalletChanges {
    /// The settings with these changes.
    ///
    /// # Errors
    /// What a credit limit must be, where it is out of range.
    pub fn apply_to(self, before: WalletSettings) -> Result<WalletSettings, String> {
        let after = WalletSettings {
            credit_limit: self.credit_limit.unwrap_or(before.credit_limit),
            pricing_plan_sid: self.pricing_plan_sid.unwrap_or(before.pricing_plan_sid),
        };
        if after.credit_limit.is_negative() || after.credit_limit > CREDIT_LIMIT_MAX {
            return Err(format!("must be 0 to {CREDIT_LIMIT_MAX}"));
        }
        Ok(after)
    }
}

impl Wallet {
    pub fn settings(&self) -> WalletSettings {
        WalletSettings { credit_limit: self.credit_limit, pricing_plan_sid: self.pricing_plan }
    }

    /// The version of the settings, for `If-Match`. The balance is not part of it: it changes with every message, so
    /// nobody could send the present version in time.
    pub fn settings_version(&self) -> Version {
        Version::of(&(self.sid, self.settings()))
    }

    /// The amount available to a debit: balance and credit limit.
    ///
    /// # Errors
    /// [`MoneyError`], where the sum leaves the range of [`Money`].
    pub fn available(&self) -> Result<Money, MoneyError> {
        self.balance.checked_add(self.credit_limit)
    }

    /// The wallet with its ledger at this head.
    pub fn at(&self, head: LedgerHead) -> Wallet {
        Wallet { balance: head.balance, last_seq: head.last_seq, updated_at: head.updated_at, ..self.clone() }
    }
}

/// The terms of a new wallet, when a business is first used.
#[derive(Clone, Debug)]
pub struct OpeningTerms {
    pub currency: Currency,
    /// The name of the plan that a new wallet gets, if a plan of that name exists.
    pub plan_name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_bounds() {
        let before = WalletSettings { credit_limit: Money::ZERO, pricing_plan_sid: None };
        let limit =
            |micros| WalletChanges { credit_limit: Some(Money::from_micros(micros)), ..WalletChanges::default() };
        for (micros, fits) in
            [(0, true), (CREDIT_LIMIT_MAX.micros(), true), (-1, false), (CREDIT_LIMIT_MAX.micros() + 1, false)]
        {
            assert_eq!(limit(micros).apply_to(before).is_ok(), fits, "{micros}");
        }
        assert_eq!(limit(-1).apply_to(before), Err("must be 0 to 1000000000000".to_owned()));
        assert_eq!(WalletChanges::default().apply_to(before), Ok(before));
    }

    /// An answer stored by the first version, which later ones must go on reading.
    #[test]
    fn stored_answers_stay_readable() {
        let stored = r#"{"sid":"wallet_0195a1b2c3d47e5f8091a2b3c4d5e6f7","business_sid":"biz_test_001",
            "plan_type":"PREPAID","pricing_plan":null,"currency":"USD","balance":12.345678,"credit_limit":0,
            "auto_recharge":{"enabled":false,"amount":0,"threshold":0},"last_seq":7,
            "created_at":"2026-03-18T10:00:00.000000Z","updated_at":"2026-03-18T10:00:00.000001Z"}"#;
        let wallet: Wallet = serde_json::from_str(stored).expect("an answer of the first version");
        assert_eq!(wallet.balance, Money::from_micros(12_345_678));
        let again: Wallet = serde_json::from_str(&serde_json::to_string(&wallet).expect("JSON")).expect("and back");
        assert_eq!(again, wallet);
    }
}
