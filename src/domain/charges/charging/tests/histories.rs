//! Runs random histories through charging and the independent model, and compares the two.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::RngAlgorithm;

use super::database::Database;
use super::model::{self, Key, Message, Model, Terms, Usage, Verdict};
use super::*;
use crate::domain::prices::plans::{PricingPlan, VolumeTier, VolumeTiers};
use crate::domain::prices::rate_cards::RateCard;
use crate::domain::prices::rating::Unrated;
use crate::domain::prices::rating::fixtures::{NAIROBI, card, currency, day, destination, plan, plan_sid};
use crate::domain::values::money::BasisPoints;
use crate::domain::values::sid::PlanSid;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// Noon of 2026-01-30 in Nairobi: the month ends soon, and half a day leads to midnight.
const START: i64 = 1_769_763_600_000_000;
const BUSINESSES: [&str; 3] = ["one", "two", "three"];

/// What happens next. Whatever is not a command ends the batch of the commands before it.
#[derive(Clone, Debug)]
enum Step {
    /// How many days ago the message was submitted, where that is said; and how many millionths more than its price the
    /// wallet is made to have, where that is.
    Charge {
        key: Key,
        place: usize,
        segments: u16,
        days_ago: Option<i64>,
        spare: Option<i64>,
    },
    /// A charge so many commands ago once more, even with the same sid.
    Again {
        back: usize,
        same_sid: bool,
    },
    Report {
        key: Key,
        failed: bool,
    },
    /// So many thousandths of what is left of the charge.
    Refund {
        key: Key,
        thousandths: Option<i64>,
    },
    Later {
        micros: i64,
    },
    Move {
        wallet: usize,
        micros: i64,
    },
    Suspend {
        wallet: usize,
    },
    Plan {
        wallet: usize,
        plan: Option<usize>,
    },
    Limit {
        wallet: usize,
        micros: i64,
    },
    /// Every month that ended 72 hours ago is closed.
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    let wallet = || 0..BUSINESSES.len();
    let key = || (wallet(), 0..5_u8);
    let days_ago = prop::option::weighted(0.2, 0..=4_i64);
    let plan = || prop::option::weighted(0.8, 0..model::PLANS.len());
    let later =
        prop_oneof![Just(0), Just(5 * MINUTE), Just(-60 * MINUTE), Just(12 * 60 * MINUTE), Just(DAY), Just(20 * DAY)];
    prop_oneof![
        12 => (key(), 0..model::PLACES.len(), 1..=9_u16, days_ago, prop::option::weighted(0.1, -1..=0_i64))
            .prop_map(|(key, place, segments, days_ago, spare)| Step::Charge { key, place, segments, days_ago, spare }),
        2 => (1..6_usize, any::<bool>()).prop_map(|(back, same_sid)| Step::Again { back, same_sid }),
        6 => (key(), prop::bool::weighted(0.7)).prop_map(|(key, failed)| Step::Report { key, failed }),
        6 => (key(), prop::option::of(prop_oneof![0..=1_001_i64, Just(1_000)]))
            .prop_map(|(key, thousandths)| Step::Refund { key, thousandths }),
        5 => later.prop_map(|micros| Step::Later { micros }),
        2 => (wallet(), -200_000..800_000_i64).prop_map(|(wallet, micros)| Step::Move { wallet, micros }),
        1 => wallet().prop_map(|wallet| Step::Suspend { wallet }),
        1 => (wallet(), plan()).prop_map(|(wallet, plan)| Step::Plan { wallet, plan }),
        1 => (wallet(), 0..300_000_i64).prop_map(|(wallet, micros)| Step::Limit { wallet, micros }),
        2 => Just(Step::Close),
    ]
}

/// Built once for all histories.
static BOOK: LazyLock<Arc<PriceBook>> = LazyLock::new(|| Arc::new(book()));

fn book() -> PriceBook {
    let plans = (1..).zip(&model::PLANS).map(|(number, terms)| {
        let tier = |(up_to, price, discount): &(Option<i64>, i64, i64)| VolumeTier {
            up_to: *up_to,
            price_per_sms: Money::from_micros(*price),
            discount: BasisPoints::new(*discount),
        };
        PricingPlan {
            base_price_per_sms: Money::from_micros(terms.base),
            card_discount: BasisPoints::new(terms.discount),
            failed_refund: BasisPoints::new(terms.failed_refund),
            tiers: VolumeTiers::new(terms.tiers.iter().map(tier).collect()).expect("valid tiers"),
            ..plan(number, "0", 0, vec![])
        }
    });
    let cards = (1..).zip(&model::CARDS).map(|(number, terms)| RateCard {
        price_per_sms: Money::from_micros(terms.price),
        currency: currency(terms.currency),
        effective_from: day(terms.from),
        ..card(number, terms.place.0, terms.place.1, "0")
    });
    PriceBook::new(plans.collect(), cards.collect(), NAIROBI)
}

fn sid_of(plan: Option<usize>) -> Option<PlanSid> {
    plan.map(|plan| plan_sid(plan as u128 + 1))
}

/// The two sides, the time, and the batch that is being gathered with what the model makes of it.
struct History {
    database: Database,
    model: Model,
    now: i64,
    batch: Vec<Command>,
    expected: Vec<Verdict>,
    charges: Vec<(Key, Message, NewCharge)>,
}

impl History {
    fn new(wallets: &[(Option<usize>, i64)]) -> History {
        let mut database = Database::new(BOOK.clone(), NAIROBI);
        let mut terms = Vec::new();
        for (business, (plan, credit_limit)) in BUSINESSES.iter().zip(wallets) {
            let limit = Money::from_micros(*credit_limit);
            database.open(business, sid_of(*plan), limit, Timestamp::from_micros(START));
            terms.push(Terms { plan: *plan, credit_limit: *credit_limit, is_suspended: false });
        }
        let model = Model::new(START, terms);
        History { database, model, now: START, batch: vec![], expected: vec![], charges: vec![] }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Charge { key, place, segments, days_ago, spare } => {
                let submitted_at = days_ago.map(|days| self.now - days * DAY);
                let message = Message { place, segments, submitted_at };
                if let Some(spare) = spare {
                    self.settle();
                    let micros = self.model.lacks(key.0, message, self.now) + spare;
                    self.change(&Step::Move { wallet: key.0, micros });
                }
                let (country, operator) = model::PLACES[place];
                let to = destination(country, operator);
                let charge = new_charge(name(key), to, segments, submitted_at.map(Timestamp::from_micros));
                self.charge(key, message, charge);
            }
            Step::Again { back, same_sid } => {
                let place = self.charges.len().checked_sub(back);
                if let Some((key, message, mut charge)) = place.map(|place| self.charges[place].clone()) {
                    // A sid is used again only for a charge that is known by it.
                    let is_known = self.database.entries.iter().any(|row| row.entry.sid == charge.sid);
                    if !(same_sid && is_known) {
                        charge.sid = next_sid();
                    }
                    self.charge(key, message, charge);
                }
            }
            Step::Report { key, failed } => {
                let (status, code) =
                    if failed { (DeliveryStatus::Failed, Some("27")) } else { (DeliveryStatus::Delivered, None) };
                self.batch.push(new_report(name(key), status, code));
                self.expected.push(self.model.report(key, failed, self.now));
            }
            Step::Refund { key, thousandths } => {
                let left = self.model.left(key);
                let amount = thousandths.map(|thousandths| match thousandths {
                    1_001 => left + 1,
                    thousandths => left * thousandths / 1_000,
                });
                self.batch.push(new_refund(name(key), amount.map(Money::from_micros)));
                self.expected.push(self.model.refund(key, amount, self.now));
            }
            _ => {
                self.settle();
                self.change(step);
            }
        }
    }

    fn charge(&mut self, key: Key, message: Message, charge: NewCharge) {
        self.expected.push(self.model.charge(key, charge.sid.uuid().as_u128(), message, self.now));
        self.charges.push((key, message, charge.clone()));
        self.batch.push(Command::Charge(charge));
    }

    /// What others do to wallets between batches.
    fn change(&mut self, step: &Step) {
        match *step {
            Step::Later { micros } => self.now += micros,
            Step::Move { wallet, micros } => {
                self.database.move_money(wallet, Money::from_micros(micros), self.now());
                self.model.move_money(wallet, micros, self.now);
            }
            Step::Suspend { wallet } => {
                let is_suspended = &mut self.model.wallets[wallet].is_suspended;
                *is_suspended = !*is_suspended;
                self.database.accounts[wallet].is_suspended = *is_suspended;
            }
            Step::Plan { wallet, plan } => {
                self.model.wallets[wallet].plan = plan;
                self.database.accounts[wallet].plan = sid_of(plan);
            }
            Step::Limit { wallet, micros } => {
                self.model.wallets[wallet].credit_limit = micros;
                self.database.accounts[wallet].credit_limit = Money::from_micros(micros);
            }
            Step::Close => {
                let open = model::month_of(self.now - 3 * DAY);
                let mut month = model::month_of(START);
                while month < open {
                    self.model.closed.push(month);
                    let of_all = BUSINESSES.iter().map(|business| (business.parse().expect("a business"), month));
                    self.database.closed.extend(of_all);
                    month = month + chrono::Months::new(1);
                }
            }
            Step::Charge { .. } | Step::Again { .. } | Step::Report { .. } | Step::Refund { .. } => {}
        }
    }

    /// Applies the batch, and holds what came of it against the model.
    fn settle(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let outcomes = self.database.apply(&batch, self.now());
        let verdicts: Vec<Verdict> = outcomes.iter().map(verdict).collect();
        assert_eq!(verdicts, std::mem::take(&mut self.expected), "{batch:?}");
        self.database.assert_chains();
        for (wallet, account) in self.database.accounts.iter().enumerate() {
            assert_eq!(account.head.balance.micros(), self.model.balance(wallet));
            let month = self.model.month_of_last_charge(wallet);
            let segments = month.map_or(0, |month| self.model.segments_in(wallet, month));
            assert_eq!(account.tiers, TierCounter { month, segments });
        }
        assert_eq!(self.usage(), self.model.usage());
        let items: Vec<_> =
            self.database.items.iter().map(|new| (new.account, new.item.day, new.item.amount.micros())).collect();
        assert_eq!(items, self.model.invoice_items());
    }

    fn usage(&self) -> Usage {
        let rows = self.database.usage.iter().map(|(key, counts)| {
            let is_there = |place: &&(&'static str, &'static str)| *place == &(key.country.as_str(), &*key.operator);
            let (country, operator) = *model::PLACES.iter().find(is_there).expect("a known place");
            let price = key.unit_price.micros();
            let UsageCounts { messages_sent, messages_delivered, messages_failed, segments, cost } = *counts;
            let counts = [messages_sent, messages_delivered, messages_failed, segments, cost.micros()];
            ((key.account, key.day, country, operator, price), counts)
        });
        rows.filter(|(_, counts)| *counts != [0; 5]).collect()
    }
}

fn name((wallet, message): Key) -> ChargeKey {
    key(BUSINESSES[wallet], &format!("m{message}"))
}

fn verdict(outcome: &Result<CommandOutcome, Refusal>) -> Verdict {
    match outcome {
        Ok(CommandOutcome::Charged(done)) => Verdict::Charged {
            cost: done.charge.total().expect("a small cost").micros(),
            balance: done.balance.micros(),
            available: done.available.micros(),
            replayed: done.replayed,
        },
        Ok(CommandOutcome::Reported(done)) => Verdict::Reported {
            failed: done.delivery.status == DeliveryStatus::Failed,
            refunded: done.refunded.micros(),
            recorded: done.recorded,
        },
        Ok(CommandOutcome::Refunded(done)) => Verdict::Refunded {
            amount: done.entry.amount.micros(),
            refunded: done.refunded.micros(),
            balance: done.balance.micros(),
            available: done.available.micros(),
        },
        Err(Refusal::MessageConflict) => Verdict::Conflict,
        Err(Refusal::BusinessSuspended) => Verdict::Suspended,
        Err(Refusal::Invalid(invalid)) if invalid.field == "submitted_at" => Verdict::WrongTime,
        Err(Refusal::Unrated(Unrated::NoRate { .. } | Unrated::NoPlan { .. })) => Verdict::NoRate,
        Err(Refusal::Unrated(Unrated::CurrencyMismatch { .. })) => Verdict::OtherCurrency,
        Err(Refusal::InsufficientFunds { available, required, .. }) => {
            Verdict::NoFunds { available: available.micros(), required: required.micros() }
        }
        Err(Refusal::ChargeNotFound) => Verdict::NoCharge,
        Err(Refusal::RefundExceedsCharge { left, .. }) => Verdict::TooMuch { left: left.micros() },
        Err(other) => panic!("{other}"),
    }
}

proptest! {
    // Without optimisation, the usual generator of random numbers takes longer than all the rest.
    #![proptest_config(ProptestConfig { rng_algorithm: RngAlgorithm::XorShift, ..crate::repetition::cases(1_000) })]

    #[test]
    fn agree_with_the_model(
        wallets in prop::collection::vec((prop::option::of(0..model::PLANS.len()), 0..200_000_i64), BUSINESSES.len()),
        money in prop::collection::vec(0..1_500_000_i64, BUSINESSES.len()),
        steps in prop::collection::vec(step(), 1..=36),
    ) {
        let mut history = History::new(&wallets);
        for (wallet, micros) in money.into_iter().enumerate() {
            history.change(&Step::Move { wallet, micros });
        }
        for step in &steps {
            history.take(step);
        }
        history.settle();
    }
}
