//! Models charging a second time, independently, as a reference for the random histories.
//! It uses whole numbers and no running total: it keeps a list of all that happened, and answers every question by
//! going over all of it. It shares no code with what it is compared to.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate};

pub struct PlanTerms {
    pub base: i64,
    pub discount: i64,
    pub failed_refund: i64,
    /// Up to which segment, the price, and the discount on cards.
    pub tiers: &'static [(Option<i64>, i64, i64)],
}

/// Two of the tiers of the first plan have one price.
pub const PLANS: [PlanTerms; 3] = [
    PlanTerms {
        base: 50_000,
        discount: 1_000,
        failed_refund: 10_000,
        tiers: &[(Some(5), 45_001, 0), (Some(8), 45_001, 1_000), (Some(20), 40_003, 1_000), (None, 30_007, 2_500)],
    },
    PlanTerms { base: 30_001, discount: 3_333, failed_refund: 5_000, tiers: &[] },
    PlanTerms { base: 31_000, discount: 0, failed_refund: 0, tiers: &[(Some(7), 31_001, 0), (None, 15_499, 5_000)] },
];

pub struct Card {
    pub place: (&'static str, &'static str),
    pub currency: &'static str,
    pub price: i64,
    pub from: &'static str,
    /// When that day begins, three hours before it does in UTC.
    pub starts: i64,
}

const OLD: (&str, i64) = ("2024-01-01", 1_704_056_400_000_000);
const NEW: (&str, i64) = ("2026-02-01", 1_769_893_200_000_000);

const fn card(
    place: (&'static str, &'static str),
    currency: &'static str,
    price: i64,
    (from, starts): (&'static str, i64),
) -> Card {
    Card { place, currency, price, from, starts }
}

pub const CARDS: [Card; 8] = [
    card(("KE", "Safaricom"), "USD", 20_003, OLD),
    card(("KE", "Safaricom"), "USD", 25_001, NEW),
    card(("KE", ""), "USD", 33_335, OLD),
    card(("UG", "MTN"), "USD", 18_000, OLD),
    card(("TZ", "Vodacom"), "USD", 0, OLD),
    card(("RW", "MTN"), "KES", 9_000, OLD),
    card(("NG", "MTN"), "USD", 12_000, NEW),
    card(("UG", "Lycamobile"), "KES", 1_500, NEW),
];

pub const PLACES: [(&str, &str); 9] = [
    ("KE", "Safaricom"),
    ("KE", "Telkom"),
    ("UG", "MTN"),
    ("UG", "Airtel"),
    ("TZ", "Vodacom"),
    ("RW", "MTN"),
    ("NG", "MTN"),
    ("DE", ""),
    ("UG", "Lycamobile"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Charged {
        cost: i64,
        balance: i64,
        available: i64,
        replayed: bool,
    },
    Reported {
        failed: bool,
        refunded: i64,
        recorded: bool,
    },
    Refunded {
        amount: i64,
        refunded: i64,
        balance: i64,
        available: i64,
    },
    Conflict,
    Suspended,
    /// Submitted too long ago, or too far ahead.
    WrongTime,
    NoRate,
    OtherCurrency,
    NoFunds {
        available: i64,
        required: i64,
    },
    NoCharge,
    TooMuch {
        left: i64,
    },
}

/// A message to charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub place: usize,
    pub segments: u16,
    pub submitted_at: Option<i64>,
}

/// A wallet and a message's name.
pub type Key = (usize, u8);

enum Fact {
    Moved { wallet: usize, micros: i64, at: i64 },
    Charged(Charged),
    GivenBack { key: Key, micros: i64, at: i64, month_is_closed: bool },
    Reported { key: Key, failed: bool },
}

struct Charged {
    key: Key,
    sid: u128,
    message: Message,
    at: i64,
    /// Segments and the price of each, in runs of one tier.
    runs: Vec<(i64, i64)>,
    failed_refund: i64,
}

impl Charged {
    fn cost(&self) -> i64 {
        self.runs.iter().map(|(segments, price)| segments * price).sum()
    }
}

pub struct Terms {
    pub plan: Option<usize>,
    pub credit_limit: i64,
    pub is_suspended: bool,
}

/// Wallet, day, country, operator and price, to messages sent, delivered and failed, segments and cost.
pub type Usage = BTreeMap<(usize, NaiveDate, &'static str, &'static str, i64), [i64; 5]>;

pub struct Model {
    opened_at: i64,
    pub wallets: Vec<Terms>,
    facts: Vec<Fact>,
    pub closed: Vec<NaiveDate>,
}

fn day_of(at: i64) -> NaiveDate {
    DateTime::from_timestamp_micros(at + 3 * 3_600_000_000).expect("an instant").date_naive()
}

pub fn month_of(at: i64) -> NaiveDate {
    day_of(at).with_day(1).expect("a first day")
}

impl Model {
    pub fn new(opened_at: i64, wallets: Vec<Terms>) -> Model {
        Model { opened_at, wallets, facts: Vec::new(), closed: Vec::new() }
    }

    fn charges(&self) -> impl Iterator<Item = &Charged> {
        self.facts.iter().filter_map(|fact| if let Fact::Charged(charged) = fact { Some(charged) } else { None })
    }

    fn charged(&self, key: Key) -> Option<&Charged> {
        self.charges().find(|charged| charged.key == key)
    }

    pub fn balance(&self, wallet: usize) -> i64 {
        let micros = |fact: &Fact| match fact {
            Fact::Moved { wallet: of, micros, .. } if *of == wallet => *micros,
            Fact::Charged(charged) if charged.key.0 == wallet => -charged.cost(),
            Fact::GivenBack { key, micros, .. } if key.0 == wallet => *micros,
            _ => 0,
        };
        self.facts.iter().map(micros).sum()
    }

    fn available(&self, wallet: usize) -> i64 {
        self.balance(wallet) + self.wallets[wallet].credit_limit
    }

    /// No row of a wallet is dated before the one above it.
    fn date(&self, wallet: usize, now: i64) -> i64 {
        let at = |fact: &Fact| match fact {
            Fact::Moved { wallet: of, at, .. } if *of == wallet => Some(*at),
            Fact::Charged(charged) if charged.key.0 == wallet => Some(charged.at),
            Fact::GivenBack { key, at, .. } if key.0 == wallet => Some(*at),
            _ => None,
        };
        self.facts.iter().filter_map(at).fold(now.max(self.opened_at), i64::max)
    }

    /// All that was given back, and what of it while the month of the charge was open.
    fn given_back(&self, key: Key) -> (i64, i64) {
        self.facts.iter().fold((0, 0), |(all, open), fact| match fact {
            Fact::GivenBack { key: of, micros, month_is_closed, .. } if *of == key => {
                (all + micros, if *month_is_closed { open } else { open + micros })
            }
            _ => (all, open),
        })
    }

    pub fn left(&self, key: Key) -> i64 {
        self.charged(key).map_or(0, |charged| charged.cost() - self.given_back(key).0)
    }

    /// Whether a charge counts in its month no more: it was given back whole before the month was closed.
    fn is_undone(&self, charged: &Charged) -> bool {
        charged.cost() > 0 && self.given_back(charged.key).1 == charged.cost()
    }

    /// How far a wallet has come through its tiers in a month.
    pub fn segments_in(&self, wallet: usize, month: NaiveDate) -> i64 {
        let counts =
            |charged: &&Charged| charged.key.0 == wallet && month_of(charged.at) == month && !self.is_undone(charged);
        self.charges().filter(counts).map(|charged| i64::from(charged.message.segments)).sum()
    }

    pub fn month_of_last_charge(&self, wallet: usize) -> Option<NaiveDate> {
        self.charges().filter(|charged| charged.key.0 == wallet).last().map(|charged| month_of(charged.at))
    }

    /// The tier of the n-th segment of a month, and its price.
    fn price(&self, wallet: usize, message: Message, n: i64, now: i64) -> Result<(usize, i64), Verdict> {
        let plan = self.wallets[wallet].plan.map(|plan| &PLANS[plan]);
        let tier = plan.and_then(|plan| {
            let holds_n = |end: Option<i64>| end.is_none() || end >= Some(n);
            plan.tiers.iter().enumerate().find(|(_, (end, ..))| holds_n(*end))
        });
        let place = tier.map_or(0, |(place, _)| place);
        let (country, operator) = PLACES[message.place];
        let submitted_at = message.submitted_at.unwrap_or(now);
        let in_force: Vec<&Card> =
            CARDS.iter().filter(|card| card.place.0 == country && card.starts <= submitted_at).collect();
        let of = |operator: &str| {
            let fits = in_force.iter().filter(|card| card.currency == "USD" && card.place.1 == operator);
            fits.max_by_key(|card| card.starts).map(|card| card.price)
        };
        if let Some(card) = of(operator).or_else(|| of("")) {
            let plan_discount = plan.map_or(0, |plan| plan.discount);
            let tier_discount = tier.map_or(0, |(_, (.., discount))| *discount);
            let hundred_millionths = card * (10_000 - plan_discount) * (10_000 - tier_discount);
            return Ok((place, (hundred_millionths + 50_000_000) / 100_000_000));
        }
        let has_own_card = in_force.iter().any(|card| card.place.1 == operator || card.place.1.is_empty());
        if !in_force.is_empty() && (has_own_card || in_force.iter().all(|card| card.currency != "USD")) {
            return Err(Verdict::OtherCurrency);
        }
        match (in_force.is_empty(), plan, tier) {
            (false, _, Some((place, (_, price, _)))) => Ok((place, *price)),
            (false, Some(plan), None) => Ok((0, plan.base)),
            _ => Err(Verdict::NoRate),
        }
    }

    fn runs(&self, wallet: usize, message: Message, now: i64) -> Result<Vec<(i64, i64)>, Verdict> {
        let before = self.segments_in(wallet, month_of(self.date(wallet, now)));
        let mut runs: Vec<(i64, i64)> = Vec::new();
        let mut last_tier = None;
        for n in before + 1..=before + i64::from(message.segments) {
            let (tier, price) = self.price(wallet, message, n, now)?;
            if last_tier != Some(tier) {
                runs.push((0, price));
            }
            last_tier = Some(tier);
            runs.last_mut().expect("a run").0 += 1;
        }
        Ok(runs)
    }

    /// What the wallet lacks, or has too much, for exactly this message.
    pub fn lacks(&self, wallet: usize, message: Message, now: i64) -> i64 {
        let runs = self.runs(wallet, message, now).unwrap_or_default();
        runs.iter().map(|(segments, price)| segments * price).sum::<i64>() - self.available(wallet)
    }

    pub fn move_money(&mut self, wallet: usize, micros: i64, now: i64) {
        let at = self.date(wallet, now);
        self.facts.push(Fact::Moved { wallet, micros, at });
    }

    pub fn charge(&mut self, key: Key, sid: u128, message: Message, now: i64) -> Verdict {
        match self.try_charge(key, sid, message, now) {
            Ok(verdict) | Err(verdict) => verdict,
        }
    }

    fn try_charge(&mut self, key: Key, sid: u128, message: Message, now: i64) -> Result<Verdict, Verdict> {
        let wallet = key.0;
        let (balance, available) = (self.balance(wallet), self.available(wallet));
        if let Some(known) = self.charged(key) {
            let replayed = known.sid != sid;
            let same = known.message == message;
            let replay = Verdict::Charged { cost: known.cost(), balance, available, replayed };
            return if same { Ok(replay) } else { Err(Verdict::Conflict) };
        }
        if self.wallets[wallet].is_suspended {
            return Err(Verdict::Suspended);
        }
        let minutes_ago = (now - message.submitted_at.unwrap_or(now)) / 60_000_000;
        if !(-5..=72 * 60).contains(&minutes_ago) {
            return Err(Verdict::WrongTime);
        }
        let runs = self.runs(wallet, message, now)?;
        let at = self.date(wallet, now);
        let failed_refund = self.wallets[wallet].plan.map_or(10_000, |plan| PLANS[plan].failed_refund);
        let charged = Charged { key, sid, message, at, runs, failed_refund };
        let cost = charged.cost();
        if available < cost {
            return Err(Verdict::NoFunds { available, required: cost });
        }
        self.facts.push(Fact::Charged(charged));
        Ok(Verdict::Charged { cost, balance: balance - cost, available: available - cost, replayed: false })
    }

    pub fn report(&mut self, key: Key, failed: bool, now: i64) -> Verdict {
        let Some(charged) = self.charged(key) else { return Verdict::NoCharge };
        let first = self.facts.iter().find_map(|fact| match fact {
            Fact::Reported { key: of, failed } if *of == key => Some(*failed),
            _ => None,
        });
        let (refunded, _) = self.given_back(key);
        if let Some(failed) = first {
            return Verdict::Reported { failed, refunded, recorded: false };
        }
        let promised = (charged.cost() * charged.failed_refund + 5_000) / 10_000;
        let amount = if failed { promised.min(charged.cost() - refunded) } else { 0 };
        self.facts.push(Fact::Reported { key, failed });
        self.give_back(key, amount, now);
        Verdict::Reported { failed, refunded: refunded + amount, recorded: true }
    }

    pub fn refund(&mut self, key: Key, amount: Option<i64>, now: i64) -> Verdict {
        if self.charged(key).is_none() {
            return Verdict::NoCharge;
        }
        let left = self.left(key);
        let amount = amount.unwrap_or(left);
        if amount <= 0 || amount > left {
            return Verdict::TooMuch { left };
        }
        self.give_back(key, amount, now);
        let (refunded, _) = self.given_back(key);
        Verdict::Refunded { amount, refunded, balance: self.balance(key.0), available: self.available(key.0) }
    }

    fn give_back(&mut self, key: Key, micros: i64, now: i64) {
        let at = self.date(key.0, now);
        let month = self.charged(key).map(|charged| month_of(charged.at));
        let month_is_closed = month.is_some_and(|month| self.closed.contains(&month));
        if micros > 0 {
            self.facts.push(Fact::GivenBack { key, micros, at, month_is_closed });
        }
    }

    /// The rollups: what was charged, less what was given back, taken from the first run on.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::new();
        for charged in self.charges() {
            let ((wallet, _), is_undone) = (charged.key, self.is_undone(charged));
            let (_, mut given_back) = self.given_back(charged.key);
            let (country, operator) = PLACES[charged.message.place];
            let report = self.facts.iter().find_map(|fact| match fact {
                Fact::Reported { key, failed } if *key == charged.key => Some(*failed),
                _ => None,
            });
            for (position, (segments, price)) in charged.runs.iter().enumerate() {
                let row = usage.entry((wallet, day_of(charged.at), country, operator, *price)).or_default();
                let taken = given_back.min(segments * price);
                given_back -= taken;
                row[4] += segments * price - taken;
                row[3] += if is_undone { 0 } else { *segments };
                if position == 0 {
                    row[0] += i64::from(!is_undone);
                    row[1] += i64::from(report == Some(false));
                    row[2] += i64::from(report == Some(true));
                }
            }
        }
        usage.retain(|_, counts| *counts != [0; 5]);
        usage
    }

    /// What invoices list of refunds because the month of the charge was closed: wallet, day and amount.
    pub fn invoice_items(&self) -> Vec<(usize, NaiveDate, i64)> {
        let item = |fact: &Fact| match fact {
            Fact::GivenBack { key, micros, at, month_is_closed: true } => Some((key.0, day_of(*at), -micros)),
            _ => None,
        };
        self.facts.iter().filter_map(item).collect()
    }
}
