//! Reconciles the books: names the checks that hold in every sound database, and collects findings.
//!
//! The rules are stated here a second time, apart from [`crate::domain::charges::charging`] and
//! [`crate::domain::wallets::ledger`], on purpose: the code that wrote the rows must not be the code that finds them
//! right.

pub mod entries;
pub mod invoices;
pub mod refunds;
pub mod usage;
pub mod wallets;

use std::collections::BTreeMap;

/// How many problems of a check are listed; the others are counted.
const TOLD_MAX: usize = 20;

/// A check: a rule that must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    Chain,
    Marks,
    Rates,
    Debits,
    Messages,
    Refunds,
    Deliveries,
    InvoiceItems,
    Usage,
    Wallets,
    Tiers,
    Invoices,
    Numbers,
    Payments,
}

impl Check {
    pub const ALL: [Check; 14] = [
        Check::Chain,
        Check::Marks,
        Check::Rates,
        Check::Debits,
        Check::Messages,
        Check::Refunds,
        Check::Deliveries,
        Check::InvoiceItems,
        Check::Usage,
        Check::Wallets,
        Check::Tiers,
        Check::Invoices,
        Check::Numbers,
        Check::Payments,
    ];

    /// The name that starts the check's lines.
    pub const fn name(self) -> &'static str {
        match self {
            Check::Chain => "chain",
            Check::Marks => "marks",
            Check::Rates => "rates",
            Check::Debits => "debits",
            Check::Messages => "messages",
            Check::Refunds => "refunds",
            Check::Deliveries => "deliveries",
            Check::InvoiceItems => "invoice items",
            Check::Usage => "usage",
            Check::Wallets => "wallets",
            Check::Tiers => "tiers",
            Check::Invoices => "invoices",
            Check::Numbers => "numbers",
            Check::Payments => "payments",
        }
    }

    /// The rule that holds where no problem is found.
    pub const fn promise(self) -> &'static str {
        match self {
            Check::Chain => "each entry follows the one before it, in balance and in time",
            Check::Marks => "every 64th entry of a wallet is marked, and nothing else is",
            Check::Rates => "each rate is what its explanation says",
            Check::Debits => "each debit is its segments at its rates",
            Check::Messages => "no message was charged twice",
            Check::Refunds => "each refund reverses a debit of its wallet, and none exceeds it",
            Check::Deliveries => "each report is of a debit",
            Check::InvoiceItems => "each item of an invoice is of an entry of its wallet",
            Check::Usage => "usage is what debits, refunds and reports come to",
            Check::Wallets => "each balance is the sum of its entries, numbered without a gap",
            Check::Tiers => "each tier counter is what its month comes to",
            Check::Invoices => {
                "each invoice lists what its month came to, to the millionth, and no month is invoiced twice"
            }
            Check::Numbers => "the numbers of each series have no gap",
            Check::Payments => "of each invoice as much is paid as its status says, by credits of its wallet",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// How many rows were checked.
    pub rows: u64,
    pub problems: u64,
    /// The first problems, a sentence each.
    pub told: Vec<String>,
}

/// The results of all checks.
#[derive(Clone, Debug, Default)]
pub struct Report(BTreeMap<Check, Finding>);

impl Report {
    pub fn checked(&mut self, check: Check, rows: u64) {
        self.0.entry(check).or_default().rows += rows;
    }

    /// Adds a problem. Many problems take no more memory than few.
    pub fn problem(&mut self, check: Check, sentence: impl FnOnce() -> String) {
        let finding = self.0.entry(check).or_default();
        finding.problems += 1;
        if finding.told.len() < TOLD_MAX {
            finding.told.push(sentence());
        }
    }

    /// All checks with their results, in order.
    pub fn findings(&self) -> impl Iterator<Item = (Check, Finding)> {
        Check::ALL.into_iter().map(|check| (check, self.0.get(&check).cloned().unwrap_or_default()))
    }

    pub fn problems(&self) -> u64 {
        self.0.values().map(|finding| finding.problems).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_problems_are_counted_and_few_told() {
        let mut report = Report::default();
        report.checked(Check::Marks, 3);
        for number in 0..30 {
            report.problem(Check::Chain, || format!("entry {number}"));
        }
        let findings: Vec<(Check, Finding)> = report.findings().collect();
        assert_eq!(findings.len(), Check::ALL.len());
        assert_eq!((findings[0].1.problems, findings[0].1.told.len()), (30, TOLD_MAX));
        assert_eq!((findings[1].1.rows, findings[1].1.problems, report.problems()), (3, 0, 30));
    }
}
