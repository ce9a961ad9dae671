//! Wallets: what a business has to spend.

use serde::{Deserialize, Serialize};

use super::businesses::BusinessSid;
use super::currency::Currency;
use super::ledger::LedgerHead;
use super::money::{Money, MoneyError};
use super::pricing::PlanType;
use super::sid::{PlanSid, WalletSid};
use super::time::Timestamp;

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

impl Wallet {
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
