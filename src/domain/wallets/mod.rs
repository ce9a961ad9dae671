//! Wallets: what a business has to spend.

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
/// Serialised, it is what an idempotent answer keeps of it for 30 days: a field added later needs a default for the
/// answers stored before it. The wire has a shape of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    pub sid: WalletSid,
    pub business_sid: BusinessSid,
    /// How the wallet's plan is paid; a wallet without a plan is prepaid.
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

/// When to ask for a top-up by itself, and for how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoRecharge {
    pub enabled: bool,
    pub amount: Money,
    pub threshold: Money,
}

/// The most that a wallet's credit limit can be, as the table of wallets has it: a balance at its own limit can still
/// have it added.
pub const CREDIT_LIMIT_MAX: Money = Money::from_micros(1_000_000_000_000 * 1_000_000);

/// What admins decide about a wallet. Serialised, it is what the audit log keeps of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WalletSettings {
    /// Zero or above. A limit that is lowered may leave the wallet below it: then no debit passes until it is topped up.
    pub credit_limit: Money,
    /// None: rate cards alone give the price.
    pub pricing_plan_sid: Option<PlanSid>,
}

/// What is to become of a wallet's settings; what is left out stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalletChanges {
    pub credit_limit: Option<Money>,
    /// `Some(None)` takes the plan away.
    pub pricing_plan_sid: Option<Option<PlanSid>>,
}

impl WalletChanges {
    /// The settings with these changes.
    ///
    /// # Errors
    /// What a credit limit must be, where it is none.
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

    /// Which state of its settings this is, whatever its balance: that changes with every message, and nobody who has to
    /// send the version they read would ever be in time.
    pub fn settings_version(&self) -> Version {
        Version::of(&(self.sid, self.settings()))
    }

    /// What a debit may take: the balance and the credit limit.
    ///
    /// # Errors
    /// Where the sum leaves the range of [`Money`].
    pub fn available(&self) -> Result<Money, MoneyError> {
        self.balance.checked_add(self.credit_limit)
    }

    /// The wallet as its ledger left it.
    pub fn at(&self, head: LedgerHead) -> Wallet {
        Wallet { balance: head.balance, last_seq: head.last_seq, updated_at: head.updated_at, ..self.clone() }
    }
}

/// What a wallet starts with when a business is first seen.
#[derive(Clone, Debug)]
pub struct OpeningTerms {
    pub currency: Currency,
    /// The name of the plan a new wallet gets, if a plan of that name exists.
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
