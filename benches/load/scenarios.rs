//! Lists the scenarios that are measured, in groups that are compared with each other.

use crate::calls::{Ask, Charges, Ids};

const CALLERS: usize = 32;

/// The number of callers that post batches.
const POSTERS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    Bare,
    Database,
    Server,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) whom: Whom,
    pub(crate) ask: Ask,
    pub(crate) callers: usize,
}

const fn bare(name: &'static str, ask: Ask, callers: usize) -> Scenario {
    Scenario { name, whom: Whom::Bare, ask, callers }
}

const fn database(name: &'static str, ask: Ask, callers: usize) -> Scenario {
    Scenario { name, whom: Whom::Database, ask, callers }
}

const fn server(name: &'static str, ask: Ask, callers: usize) -> Scenario {
    Scenario { name, whom: Whom::Server, ask, callers }
}

const SINGLE: Ask = Ask::Charge(Charges::of(1));
const SINGLE_RANDOM: Ask = Ask::Charge(Charges { ids: Ids::Random, ..Charges::of(1) });
const HUNDRED: Ask = Ask::Charge(Charges::of(100));
const HUNDRED_RANDOM: Ask = Ask::Charge(Charges { ids: Ids::Random, ..Charges::of(100) });
const THOUSAND: Ask = Ask::Charge(Charges::of(1_000));
const THOUSAND_RANDOM: Ask = Ask::Charge(Charges { ids: Ids::Random, ..Charges::of(1_000) });
const HOT: Ask = Ask::Charge(Charges { hot: true, ..Charges::of(1) });
const HOT_HUNDRED: Ask = Ask::Charge(Charges { hot: true, ..Charges::of(100) });
const REPORTED: Ask = Ask::Charge(Charges { reported: true, ..Charges::of(1) });
const REPORTED_HUNDRED: Ask = Ask::Charge(Charges { reported: true, ..Charges::of(100) });
const MIXED: Ask = Ask::Charge(Charges { mixed: true, ..Charges::of(1) });

/// The scenarios in groups, each measured in turns. The first of each group is the bare handler, with the same
/// requests.
pub(crate) const GROUPS: &[&[Scenario]] = &[
    &[
        bare("bare handler, read", Ask::Wallet, CALLERS),
        database("database only, wallet", Ask::Wallet, CALLERS),
        server("wallet read", Ask::Wallet, CALLERS),
    ],
    &[
        bare("bare handler, read", Ask::Wallet, 1),
        database("database only, wallet", Ask::Wallet, 1),
        server("wallet read", Ask::Wallet, 1),
    ],
    &[
        bare("bare handler, read", Ask::Wallet, CALLERS),
        server("50 transactions", Ask::Transactions, CALLERS),
        server("usage of this month", Ask::Usage, CALLERS),
        server("rate cards", Ask::RateCards, CALLERS),
    ],
    &[
        bare("bare handler, top-up", Ask::TopUp, CALLERS),
        database("database only, top-up", Ask::TopUp, CALLERS),
        server("top-up", Ask::TopUp, CALLERS),
        server("top-up with a key", Ask::TopUpWithKey, CALLERS),
    ],
    &[
        bare("bare handler, charge", SINGLE, CALLERS),
        database("rows, 1 a commit", SINGLE, CALLERS),
        server("charge", SINGLE, CALLERS),
        server("charge, random ids", SINGLE_RANDOM, CALLERS),
    ],
    &[
        bare("bare handler, charge", SINGLE, 256),
        database("rows, 1 a commit", SINGLE, CALLERS),
        server("charge", SINGLE, 256),
        server("charge, random ids", SINGLE_RANDOM, 256),
    ],
    &[
        bare("bare handler, batch of 100", HUNDRED, POSTERS),
        database("rows, 100 a commit", HUNDRED, POSTERS),
        server("batch of 100", HUNDRED, POSTERS),
        server("batch of 100, random ids", HUNDRED_RANDOM, POSTERS),
    ],
    &[
        bare("bare handler, batch of 1000", THOUSAND, POSTERS),
        database("rows, 1000 a commit", THOUSAND, POSTERS),
        server("batch of 1000", THOUSAND, POSTERS),
        server("batch of 1000, random ids", THOUSAND_RANDOM, POSTERS),
    ],
    &[bare("bare handler, charge", HOT, CALLERS), server("one wallet, charge", HOT, CALLERS)],
    &[
        bare("bare handler, batch of 100", HOT_HUNDRED, POSTERS),
        server("one wallet, batch of 100", HOT_HUNDRED, POSTERS),
    ],
    &[bare("bare, charge + report", REPORTED, CALLERS), server("charge + report", REPORTED, CALLERS)],
    &[
        bare("bare, 100 + 100 reports", REPORTED_HUNDRED, POSTERS),
        server("batch of 100 + 100 reports", REPORTED_HUNDRED, POSTERS),
    ],
    &[bare("bare, 80 % charges", MIXED, CALLERS), server("80 % charges, 20 % reads", MIXED, CALLERS)],
];
