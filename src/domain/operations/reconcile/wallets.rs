//! Checks the balance and counters of wallets against their ledger entries.

use std::collections::HashMap;

use chrono::NaiveDate;

use super::{Check, Report};
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::Timestamp;

/// Sums over some entries of a wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub entries: i64,
    pub last_seq: i64,
    /// The sum of their `seq` numbers: that of 1 to n is known, so a gap or a number used twice shows.
    pub seqs: i128,
    pub amounts: i128,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.entries += other.entries;
        self.last_seq = self.last_seq.max(other.last_seq);
        self.seqs += other.seqs;
        self.amounts += other.amounts;
    }

    fn is_gapless(self) -> bool {
        let last = i128::from(self.last_seq);
        self.entries == self.last_seq && self.seqs == last * (last + 1) / 2
    }
}

/// A stored wallet.
#[derive(Clone, Debug)]
pub struct StoredWallet {
    pub id: i64,
    pub business: String,
    pub balance: Money,
    pub last_seq: i64,
    pub last_sid: Option<TransactionSid>,
    pub updated_at: Timestamp,
    pub tier_month: Option<NaiveDate>,
    pub tier_segments: i64,
    /// The entry that `last_sid` names: its number and when it was made. `None` where this wallet has no such entry.
    pub newest: Option<(i64, Timestamp)>,
    /// The amount that the wallet expects of its open recharge, and the amount of the payment that is open for it.
    pub recharge: (Money, Money),
}

/// The sums over the entries of every wallet.
#[derive(Clone, Debug, Default)]
pub struct Tallies(HashMap<i64, Tally>);

impl Tallies {
    pub fn add(&mut self, wallet_id: i64, tally: Tally) {
        self.0.entry(wallet_id).or_default().add(tally);
    }

    /// Compares a wallet with its entries, and removes their sums.
    pub fn check(&mut self, wallet: &StoredWallet, report: &mut Report) {
        let tally = self.0.remove(&wallet.id).unwrap_or_default();
        for problem in problems(wallet, tally) {
            report.problem(Check::Wallets, || format!("{}: {problem}", wallet.business));
        }
    }

    /// Reports entries that belong to no wallet.
    pub fn check_rest(self, report: &mut Report) {
        for (id, tally) in self.0 {
            report.problem(Check::Wallets, || format!("{} entries are of wallet {id}, which is gone", tally.entries));
        }
    }
}

fn problems(wallet: &StoredWallet, tally: Tally) -> Vec<String> {
    let mut problems = Vec::new();
    if i128::from(wallet.balance.micros()) != tally.amounts {
        let sum = i64::try_from(tally.amounts)
            .map_or_else(|_| "more than money can hold".to_owned(), |micros| Money::from_micros(micros).to_string());
        problems.push(format!("its balance is {}, but its entries add up to {sum}", wallet.balance));
    }
    if !tally.is_gapless() {
        problems.push(format!("its {} entries are not numbered 1 to {}", tally.entries, tally.last_seq));
    }
    if wallet.last_seq != tally.last_seq {
        problems.push(format!("its last_seq is {}, but its newest entry is {}", wallet.last_seq, tally.last_seq));
    }
    let (told, asked) = wallet.recharge;
    if told != asked {
        problems.push(format!("it waits for a recharge of {told}, but its open payments are for {asked}"));
    }
    match (wallet.last_sid, wallet.newest) {
        (None, _) if tally.entries == 0 => {}
        (None, _) => problems.push("it names no newest entry".to_owned()),
        (Some(sid), None) => problems.push(format!("its newest entry should be {sid}, which it does not have")),
        (Some(sid), Some((seq, _))) if seq != tally.last_seq => {
            problems.push(format!("it names {sid} as its newest entry, which is number {seq}"));
        }
        (Some(sid), Some((_, created_at))) if created_at > wallet.updated_at => {
            problems.push(format!("its updated_at lies before {sid}, its newest entry"));
        }
        (Some(_), Some(_)) => {}
    }
    problems
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn wallet() -> StoredWallet {
        StoredWallet {
            id: 1,
            business: "biz".to_owned(),
            balance: Money::from_micros(5),
            last_seq: 2,
            last_sid: Some(TransactionSid::new(Uuid::from_u128(2))),
            updated_at: Timestamp::from_micros(10),
            tier_month: None,
            tier_segments: 0,
            newest: Some((2, Timestamp::from_micros(10))),
            recharge: (Money::ZERO, Money::ZERO),
        }
    }

    const TALLY: Tally = Tally { entries: 2, last_seq: 2, seqs: 3, amounts: 5 };

    #[test]
    fn what_is_wrong_with_a_wallet() {
        assert!(problems(&wallet(), TALLY).is_empty());
        let unused = StoredWallet { balance: Money::ZERO, last_seq: 0, last_sid: None, newest: None, ..wallet() };
        assert!(problems(&unused, Tally::default()).is_empty());
        for (wallet, tally, problem) in [
            (StoredWallet { balance: Money::ZERO, ..wallet() }, TALLY, "its entries add up to"),
            (wallet(), Tally { entries: 1, seqs: 2, ..TALLY }, "are not numbered 1 to 2"),
            (wallet(), Tally { entries: 3, seqs: 5, ..TALLY }, "are not numbered 1 to 2"),
            (StoredWallet { last_seq: 3, ..wallet() }, TALLY, "its last_seq is 3"),
            (StoredWallet { last_sid: None, ..wallet() }, TALLY, "it names no newest entry"),
            (
                StoredWallet { recharge: (Money::from_micros(5), Money::ZERO), ..wallet() },
                TALLY,
                "waits for a recharge",
            ),
            (StoredWallet { newest: None, ..wallet() }, TALLY, "which it does not have"),
            (StoredWallet { newest: Some((1, Timestamp::from_micros(1))), ..wallet() }, TALLY, "which is number 1"),
            (StoredWallet { updated_at: Timestamp::from_micros(9), ..wallet() }, TALLY, "its updated_at lies before"),
        ] {
            let found = problems(&wallet, tally);
            assert!(found.len() == 1 && found[0].contains(problem), "{found:?} is not {problem:?}");
        }
    }
}
