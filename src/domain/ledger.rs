//! The ledger: how an entry changes a wallet. Pure, and the only place that computes a balance.

use super::money::Money;
use super::sid::TransactionSid;
use super::text::Reference;
use super::time::Timestamp;
use super::transactions::{JsonObject, Transaction, TransactionStatus, TransactionType};
use super::wallet::Wallet;

/// What somebody wants entered.
#[derive(Clone, Debug)]
pub struct Posting {
    pub transaction_type: TransactionType,
    /// Signed: what the wallet is to gain.
    pub amount: Money,
    pub reference: Reference,
    pub details: JsonObject,
    pub metadata: JsonObject,
}

/// Why a posting was not entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("The balance would leave the range this ledger can hold.")]
    BalanceOutOfRange,
}

/// No balance goes past this many units, either way, so that adding a credit limit to it cannot overflow.
const BALANCE_LIMIT: Money = Money::from_micros(4_000_000_000_000 * 1_000_000);

/// Enters a posting: the entry to append, and the wallet as it stands afterwards.
///
/// The entry takes the wallet's next `seq`; its `created_at` never falls behind the entry before it, even where the
/// clock does, so that along a wallet `seq` and time rise together.
///
/// # Errors
/// A [`Refusal`], and nothing has changed.
pub fn post(
    wallet: &Wallet,
    posting: Posting,
    sid: TransactionSid,
    now: Timestamp,
) -> Result<(Transaction, Wallet), Refusal> {
    let balance_after = wallet
        .balance
        .checked_add(posting.amount)
        .ok()
        .filter(|balance| *balance <= BALANCE_LIMIT && *balance >= Money::from_micros(-BALANCE_LIMIT.micros()))
        .ok_or(Refusal::BalanceOutOfRange)?;
    let created_at = now.max(wallet.updated_at);
    let seq = wallet.last_seq + 1;
    let entry = Transaction {
        sid,
        transaction_type: posting.transaction_type,
        status: TransactionStatus::Completed,
        amount: posting.amount,
        balance_after,
        seq,
        reference: posting.reference,
        details: posting.details,
        metadata: posting.metadata,
        created_at,
    };
    let after = Wallet { balance: balance_after, last_seq: seq, updated_at: created_at, ..wallet.clone() };
    debug_assert_eq!(wallet.balance.checked_add(entry.amount), Ok(after.balance));
    Ok((entry, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::pricing::PlanType;
    use super::super::sid::WalletSid;
    use super::super::wallet::AutoRecharge;
    use super::*;

    fn empty_wallet() -> Wallet {
        Wallet {
            sid: WalletSid::new(Uuid::nil()),
            business_sid: "biz".parse().expect("a SID"),
            plan_type: PlanType::Prepaid,
            pricing_plan: None,
            currency: "USD".parse().expect("a currency"),
            balance: Money::ZERO,
            credit_limit: Money::ZERO,
            auto_recharge: AutoRecharge::default(),
            last_seq: 0,
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        }
    }

    fn topup(micros: i64) -> Posting {
        Posting {
            transaction_type: TransactionType::Topup,
            amount: Money::from_micros(micros),
            reference: Reference::default(),
            details: JsonObject::default(),
            metadata: JsonObject::default(),
        }
    }

    #[test]
    fn a_balance_stays_in_range() {
        let sid = TransactionSid::new(Uuid::nil());
        let full = Wallet { balance: BALANCE_LIMIT, ..empty_wallet() };
        let refused = post(&full, topup(1), sid, Timestamp::from_micros(1));
        assert_eq!(refused.map(|_| ()), Err(Refusal::BalanceOutOfRange));
        let beyond = post(&full, topup(i64::MAX), sid, Timestamp::from_micros(1));
        assert_eq!(beyond.map(|_| ()), Err(Refusal::BalanceOutOfRange));
        let credit_limit_max = Money::from_micros(1_000_000_000_000_000_000); // as the table of wallets has it
        assert!(BALANCE_LIMIT.checked_add(credit_limit_max).is_ok());
    }

    proptest! {
        #[test]
        fn entries_chain(postings in prop::collection::vec((1..1_000_000_i64, -1_000..1_000_000_i64), 1..50)) {
            let mut wallet = empty_wallet();
            let (mut sum, mut last) = (0, wallet.created_at);
            for (position, (amount, at)) in postings.into_iter().enumerate() {
                let now = Timestamp::from_micros(at);
                let (entry, after) = post(&wallet, topup(amount), TransactionSid::new(Uuid::nil()), now)
                    .expect("small amounts fit");
                sum += amount;
                prop_assert_eq!(entry.balance_after.micros(), sum);
                prop_assert_eq!(after.balance, entry.balance_after);
                prop_assert_eq!(entry.seq, position as i64 + 1);
                prop_assert_eq!(after.last_seq, entry.seq);
                prop_assert!(entry.created_at >= last && entry.created_at >= now);
                prop_assert_eq!(after.updated_at, entry.created_at);
                (wallet, last) = (after, entry.created_at);
            }
        }
    }
}
