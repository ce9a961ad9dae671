//! Checks single ledger entries against the entry before them and against their marks and debits.

use super::{Check, Report};
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;
use crate::domain::values::time::Timestamp;

/// An entry, and the one that it names as its predecessor.
#[derive(Clone, Debug)]
pub struct Link {
    pub business: String,
    pub sid: TransactionSid,
    pub seq: i64,
    pub amount: Money,
    pub balance_after: Money,
    pub created_at: Timestamp,
    pub previous_sid: Option<TransactionSid>,
    /// `None` where there is no such entry.
    pub previous: Option<Previous>,
}

#[derive(Clone, Copy, Debug)]
pub struct Previous {
    pub is_of_same_wallet: bool,
    pub seq: i64,
    pub balance_after: Money,
    pub created_at: Timestamp,
}

impl Link {
    /// Reports a problem with the entry, if there is one.
    pub fn check(&self, report: &mut Report) {
        if let Some(problem) = self.problem() {
            let Link { business, sid, seq, .. } = self;
            report.problem(Check::Chain, || format!("{sid} (entry {seq} of {business}) {problem}"));
        }
    }

    fn problem(&self) -> Option<String> {
        let before = match (self.seq, self.previous_sid, self.previous) {
            (1, None, _) => Money::ZERO,
            (1, Some(sid), _) => return Some(format!("is the first, but names {sid} as the one before it")),
            (_, None, _) => return Some("names no entry before it".to_owned()),
            (_, Some(sid), None) => return Some(format!("follows {sid}, which is gone")),
            (_, Some(sid), Some(previous)) if !previous.is_of_same_wallet => {
                return Some(format!("follows {sid}, which is of another wallet"));
            }
            (seq, Some(sid), Some(previous)) if previous.seq != seq - 1 => {
                return Some(format!("follows {sid}, which is entry {}", previous.seq));
            }
            (_, Some(sid), Some(previous)) if previous.created_at > self.created_at => {
                return Some(format!("was made before {sid}, which it follows"));
            }
            (_, Some(_), Some(previous)) => previous.balance_after,
        };
        let after = before.checked_add(self.amount);
        (after != Ok(self.balance_after))
            .then(|| format!("says the balance went from {before} by {} to {}", self.amount, self.balance_after))
    }
}

/// An entry whose mark does not match its number, or a mark without its entry.
#[derive(Clone, Debug)]
pub struct BadMark {
    pub business: String,
    pub seq: i64,
    /// Whether there is a mark.
    pub is_marked: bool,
}

impl BadMark {
    pub fn check(&self, report: &mut Report) {
        let BadMark { business, seq, is_marked } = self;
        report.problem(Check::Marks, || {
            let problem = if *is_marked { "has a mark that is not of it" } else { "has no mark" };
            format!("entry {seq} of {business} {problem}")
        });
    }
}

/// A part of a debit's price: the number of a rate, and the segments at that rate.
pub type Part = (i64, i64);

/// The debit of a message.
#[derive(Clone, Debug)]
pub struct Debit {
    pub business: String,
    pub wallet_id: i64,
    pub sid: TransactionSid,
    pub amount: Money,
    pub created_at: Timestamp,
    pub rate_id: i64,
    pub segments: i64,
    /// `[[rate, segments], …]`, the parts after the first.
    pub more_parts: Option<String>,
}

impl Debit {
    /// The parts in order, the first being the segments that the others leave.
    ///
    /// # Errors
    /// What is wrong with the parts.
    pub fn parts(&self) -> Result<Vec<Part>, String> {
        let mut parts = vec![(self.rate_id, self.segments)];
        if let Some(text) = &self.more_parts {
            let more = serde_json::from_str::<Vec<(i64, u16)>>(text).map_err(|_| "has parts that are no parts")?;
            parts.extend(more.into_iter().map(|(rate, segments)| (rate, i64::from(segments))));
        }
        let others: i64 = parts.iter().skip(1).map(|(_, segments)| segments).sum();
        if let Some(first) = parts.first_mut() {
            first.1 -= others;
        }
        if parts.iter().all(|(_, segments)| *segments > 0) {
            Ok(parts)
        } else {
            Err(format!("has {} segments, but {others} of them in further parts", self.segments))
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn link(seq: i64, amount: i64, balance_after: i64, previous: Option<Previous>) -> Link {
        Link {
            business: "biz".to_owned(),
            sid: TransactionSid::new(Uuid::from_u128(2)),
            seq,
            amount: Money::from_micros(amount),
            balance_after: Money::from_micros(balance_after),
            created_at: Timestamp::from_micros(10),
            previous_sid: (seq > 1).then(|| TransactionSid::new(Uuid::from_u128(1))),
            previous,
        }
    }

    fn previous(seq: i64, balance_after: i64, created_at: i64) -> Previous {
        Previous {
            is_of_same_wallet: true,
            seq,
            balance_after: Money::from_micros(balance_after),
            created_at: Timestamp::from_micros(created_at),
        }
    }

    #[test]
    fn what_is_wrong_with_an_entry() {
        let other = Previous { is_of_same_wallet: false, ..previous(1, 5, 10) };
        for (link, problem) in [
            (link(1, 5, 5, None), ""),
            (link(2, -2, 3, Some(previous(1, 5, 10))), ""),
            (link(1, 5, 6, None), "says the balance went from"),
            (link(2, -2, 4, Some(previous(1, 5, 10))), "says the balance went from"),
            (link(2, -2, 3, None), "which is gone"),
            (link(2, -2, 3, Some(other)), "of another wallet"),
            (link(3, -2, 3, Some(previous(1, 5, 10))), "which is entry 1"),
            (link(2, -2, 3, Some(previous(1, 5, 11))), "was made before"),
        ] {
            let found = link.problem().unwrap_or_default();
            assert!(found.contains(problem) && found.is_empty() == problem.is_empty(), "{found:?} is not {problem:?}");
        }
    }

    #[test]
    fn parts_of_a_debit() {
        let debit = |segments, more: Option<&str>| Debit {
            business: "biz".to_owned(),
            wallet_id: 1,
            sid: TransactionSid::new(Uuid::nil()),
            amount: Money::ZERO,
            created_at: Timestamp::from_micros(0),
            rate_id: 7,
            segments,
            more_parts: more.map(str::to_owned),
        };
        assert_eq!(debit(2, None).parts(), Ok(vec![(7, 2)]));
        assert_eq!(debit(5, Some("[[8,1],[9,2]]")).parts(), Ok(vec![(7, 2), (8, 1), (9, 2)]));
        assert!(debit(2, Some("[[8,2]]")).parts().is_err());
        assert!(debit(2, Some("{}")).parts().is_err());
    }
}
