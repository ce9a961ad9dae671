//! Enters amounts into the ledger, and alone computes the balance after each entry.

use serde::{Deserialize, Serialize};

use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::Timestamp;

/// The head of a wallet's ledger, which the next entry builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerHead {
    pub balance: Money,
    /// The `seq` of the newest entry, 0 where there is none.
    pub last_seq: i64,
    /// The newest entry.
    pub last_sid: Option<TransactionSid>,
    /// Never earlier than the newest entry.
    pub updated_at: Timestamp,
}

/// An entry of the ledger: its position, its amount and the balance after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub sid: TransactionSid,
    /// The wallet's entry before this one; `None` before the first.
    pub previous: Option<TransactionSid>,
    /// 1, 2, 3 … within the wallet, without a gap.
    pub seq: i64,
    /// Signed: above zero the wallet gains.
    pub amount: Money,
    pub balance_after: Money,
    /// Never earlier than the entry before.
    pub created_at: Timestamp,
}

/// The balance would leave the range that the ledger can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The balance would leave the range this ledger can hold.")]
pub struct BalanceOutOfRange;

/// The limit of balances, either way, such that adding a credit limit cannot overflow.
const BALANCE_LIMIT: Money = Money::from_micros(4_000_000_000_000 * 1_000_000);

impl LedgerHead {
    /// The time of an entry made now: the clock may fall back, but a wallet's entries never do, so that along a wallet
    /// `seq` and time rise together.
    pub fn date(&self, now: Timestamp) -> Timestamp {
        now.max(self.updated_at)
    }

    /// Enters an amount: returns the entry to append, and moves the head on to it.
    ///
    /// # Errors
    /// [`BalanceOutOfRange`]; then nothing has changed.
    pub fn enter(&mut self, amount: Money, sid: TransactionSid, now: Timestamp) -> Result<Entry, BalanceOutOfRange> {
        let balance_after = self
            .balance
            .checked_add(amount)
            .ok()
            .filter(|balance| *balance <= BALANCE_LIMIT && *balance >= Money::from_micros(-BALANCE_LIMIT.micros()))
            .ok_or(BalanceOutOfRange)?;
        let entry = Entry {
            sid,
            previous: self.last_sid,
            seq: self.last_seq + 1,
            amount,
            balance_after,
            created_at: self.date(now),
        };
        debug_assert_eq!(self.balance.checked_add(entry.amount), Ok(entry.balance_after));
        debug_assert_eq!(self.last_sid.is_none(), entry.seq == 1);
        *self = LedgerHead {
            balance: balance_after,
            last_seq: entry.seq,
            last_sid: Some(sid),
            updated_at: entry.created_at,
        };
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const EMPTY: LedgerHead =
        LedgerHead { balance: Money::ZERO, last_seq: 0, last_sid: None, updated_at: Timestamp::from_micros(0) };

    fn sid(number: u128) -> TransactionSid {
        TransactionSid::new(Uuid::from_u128(number))
    }

    #[test]
    fn a_balance_stays_in_range() {
        let full = LedgerHead { balance: BALANCE_LIMIT, ..EMPTY };
        for amount in [1, i64::MAX] {
            let mut head = full;
            let refused = head.enter(Money::from_micros(amount), sid(1), Timestamp::from_micros(1));
            assert_eq!((refused, head), (Err(BalanceOutOfRange), full));
        }
        let credit_limit_max = Money::from_micros(1_000_000_000_000_000_000); // as the table of wallets has it
        assert!(BALANCE_LIMIT.checked_add(credit_limit_max).is_ok());
    }

    proptest! {
        #![proptest_config(crate::repetition::cases(256))]

        #[test]
        fn entries_chain(amounts in prop::collection::vec((-1_000_000..1_000_000_i64, -1_000..1_000_000_i64), 1..50)) {
            let mut head = EMPTY;
            let (mut sum, mut last) = (0, head.updated_at);
            for (position, (amount, at)) in (1_u128..).zip(amounts) {
                let (now, before) = (Timestamp::from_micros(at), head.last_sid);
                let entry = head.enter(Money::from_micros(amount), sid(position), now).expect("small amounts fit");
                sum += amount;
                prop_assert_eq!(entry.balance_after.micros(), sum);
                prop_assert_eq!(head.balance, entry.balance_after);
                prop_assert_eq!(i128::from(entry.seq), position as i128);
                prop_assert_eq!((entry.previous, head.last_sid), (before, Some(entry.sid)));
                prop_assert!(entry.created_at >= last && entry.created_at >= now);
                last = entry.created_at;
            }
        }
    }
}
