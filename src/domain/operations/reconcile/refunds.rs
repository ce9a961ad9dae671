//! Checks refunds against the debits they reverse.

use super::entries::Debit;
use super::usage::Usage;
use super::{Check, Report};
use crate::domain::values::money::Money;
use crate::domain::values::sid::TransactionSid;

/// A refund, and the entry that it names as its debit.
#[derive(Clone, Debug)]
pub struct Refund {
    pub business: String,
    pub wallet_id: i64,
    pub sid: TransactionSid,
    pub amount: Money,
    /// Whether an invoice lists it: then usage stays as it was invoiced.
    pub is_invoiced: bool,
    pub charge_sid: TransactionSid,
    /// `None` where that entry is no debit of a message.
    pub debit: Option<Debit>,
}

/// Checks refunds, given charge by charge, those of each in the order they were made.
#[derive(Debug, Default)]
pub struct RefundWalk {
    /// The charge of the refunds so far, and the sum of them.
    charge: Option<(TransactionSid, i128)>,
}

impl RefundWalk {
    /// Reports a problem with a refund, if there is one; else subtracts it from the expected usage.
    pub fn check(&mut self, refund: &Refund, usage: &mut Usage, report: &mut Report) {
        let before = match self.charge {
            Some((charge, refunded)) if charge == refund.charge_sid => refunded,
            _ => 0,
        };
        let refunded = before + i128::from(refund.amount.micros());
        self.charge = Some((refund.charge_sid, refunded));
        let problem = match &refund.debit {
            None => "is no debit".to_owned(),
            Some(debit) if debit.wallet_id != refund.wallet_id => "is of another wallet".to_owned(),
            Some(_) if refund.amount <= Money::ZERO => format!("is not reversed by {}", refund.amount),
            Some(debit) if refunded > -i128::from(debit.amount.micros()) => {
                format!("is of {}, less than its refunds with this one", debit.amount)
            }
            Some(debit) => {
                if !refund.is_invoiced {
                    usage.take_back(debit, before, refunded);
                }
                return;
            }
        };
        let Refund { sid, business, charge_sid, .. } = refund;
        report.problem(Check::Refunds, || format!("{sid} of {business} refunds {charge_sid}, which {problem}"));
    }
}

/// An item of an invoice, and the entry that it names as its source.
#[derive(Clone, Debug)]
pub struct Item {
    pub business: String,
    pub sid: TransactionSid,
    /// `None` where that entry is gone.
    pub entry: Option<ItemEntry>,
}

#[derive(Clone, Debug)]
pub struct ItemEntry {
    pub is_of_same_wallet: bool,
    pub kind: String,
    /// Whether the invoice takes off the amount that the wallet got.
    pub is_reversed: bool,
}

/// The types of entries that an invoice may list beside messages.
const LISTED: [&str; 3] = ["REFUND", "FEE", "CREDIT_ADJUSTMENT"];

impl Item {
    pub fn check(&self, report: &mut Report) {
        let problem = match &self.entry {
            None => "which is gone".to_owned(),
            Some(entry) if !entry.is_of_same_wallet => "which is of another wallet".to_owned(),
            Some(entry) if !LISTED.contains(&entry.kind.as_str()) => format!("which is a {}", entry.kind),
            Some(entry) if entry.kind == "REFUND" && !entry.is_reversed => "but with another amount".to_owned(),
            Some(_) => return,
        };
        report.problem(Check::InvoiceItems, || format!("{} is invoiced for {}, {problem}", self.business, self.sid));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::charges::usage::UsageCounts;
    use crate::domain::operations::reconcile::usage::{PriceKey, RateBook, StoredRate, StoredUsage};
    use crate::domain::values::time::{BillingCalendar, Timestamp};

    fn sid(number: u128) -> TransactionSid {
        TransactionSid::new(Uuid::from_u128(number))
    }

    fn price(unit_price: i64) -> PriceKey {
        PriceKey { country: "KE".to_owned(), operator: "".to_owned(), unit_price: Money::from_micros(unit_price) }
    }

    /// Two segments at 20 and three at 10, of wallet 1, made at the very end of 1 January 2026 in Nairobi.
    fn debit() -> Debit {
        Debit {
            business: "biz".to_owned(),
            wallet_id: 1,
            sid: sid(1),
            amount: Money::from_micros(-70),
            created_at: "2026-01-01T20:59:59Z".parse::<Timestamp>().expect("an instant"),
            rate_id: 7,
            segments: 5,
            more_parts: Some("[[8, 3]]".to_owned()),
        }
    }

    fn usage() -> Usage {
        let mut rates = RateBook::default();
        let mut ignored = Report::default();
        for (id, unit_price) in [(7, 20), (8, 10)] {
            rates.add(StoredRate { id, price: price(unit_price), explanation: None }, &mut ignored);
        }
        let mut usage = Usage::new(BillingCalendar::new(chrono_tz::Africa::Nairobi), rates);
        usage.add_debit(&debit());
        usage
    }

    fn refund(amount: i64) -> Refund {
        Refund {
            business: "biz".to_owned(),
            wallet_id: 1,
            sid: sid(2),
            amount: Money::from_micros(amount),
            is_invoiced: false,
            charge_sid: sid(1),
            debit: Some(debit()),
        }
    }

    fn row(unit_price: i64, sent: i64, segments: i64, cost: i64) -> StoredUsage {
        let cost = Money::from_micros(cost);
        StoredUsage {
            business: "biz".to_owned(),
            wallet_id: 1,
            day: "2026-01-01".parse().expect("a day"),
            price: price(unit_price),
            counts: UsageCounts { messages_sent: sent, segments, cost, ..UsageCounts::default() },
        }
    }

    /// What the two rows come to after some refunds.
    fn after(refunds: &[Refund], first: StoredUsage, second: StoredUsage) -> Vec<String> {
        let (mut usage, mut report, mut walk) = (usage(), Report::default(), RefundWalk::default());
        usage.check_debit(&debit(), &mut report);
        for refund in refunds {
            walk.check(refund, &mut usage, &mut report);
        }
        usage.check(&first, &mut report);
        usage.check(&second, &mut report);
        usage.check_rest(&mut report);
        report.findings().flat_map(|(_, finding)| finding.told).collect()
    }

    #[test]
    fn refunds_are_taken_from_the_first_part_on() {
        let none: Vec<String> = Vec::new();
        assert_eq!(after(&[], row(20, 1, 2, 40), row(10, 0, 3, 30)), none);
        assert_eq!(after(&[refund(50)], row(20, 1, 2, 0), row(10, 0, 3, 20)), none);
        assert_eq!(after(&[refund(30), refund(30)], row(20, 1, 2, 0), row(10, 0, 3, 10)), none);
        assert_eq!(after(&[refund(30), refund(40)], row(20, 0, 0, 0), row(10, 0, 0, 0)), none);
        let invoiced = Refund { is_invoiced: true, ..refund(40) };
        assert_eq!(after(&[refund(30), invoiced], row(20, 1, 2, 10), row(10, 0, 3, 30)), none);
    }

    #[test]
    fn what_is_wrong_with_a_refund() {
        let of_another = Refund { wallet_id: 2, ..refund(70) };
        let of_nothing = Refund { debit: None, ..refund(70) };
        for (refunds, problem) in [
            (vec![refund(71)], "less than its refunds"),
            (vec![of_another], "is of another wallet"),
            (vec![of_nothing], "is no debit"),
            (vec![refund(-1)], "is not reversed by"),
        ] {
            let found = after(&refunds, row(20, 1, 2, 40), row(10, 0, 3, 30));
            assert!(found.len() == 1 && found[0].contains(problem), "{found:?} is not {problem:?}");
        }
    }

    #[test]
    fn usage_that_differs_is_named() {
        let found = after(&[], row(20, 1, 3, 40), row(30, 1, 1, 30));
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "biz on 2026-01-01, KE  at 0.00002: 3 segments, should be 2");
        assert!(found[2].contains("at 0.00001: no row; 0 segments, should be 3"), "{found:?}");
    }
}
