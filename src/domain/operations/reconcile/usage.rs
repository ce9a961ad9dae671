//! Checks usage rollups and tier counters by recomputing them from debits, delivery reports and refunds.
//!
//! It holds one count in memory for each row that the rollups ought to have, however many messages they count.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::NaiveDate;

use super::entries::Debit;
use super::wallets::StoredWallet;
use super::{Check, Report};
use crate::domain::charges::usage::UsageCounts;
use crate::domain::prices::rating::AppliedRate;
use crate::domain::values::money::Money;
use crate::domain::values::time::{BillingCalendar, DayRange, Timestamp};

/// A stored rate that messages were charged at.
#[derive(Clone, Debug)]
pub struct StoredRate {
    pub id: i64,
    pub price: PriceKey,
    /// `None` where it cannot be read.
    pub explanation: Option<AppliedRate>,
}

/// The part of a rollup's key that is not wallet or day.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PriceKey {
    pub country: String,
    pub operator: String,
    pub unit_price: Money,
}

/// Every rate by its number. Few differ, however many messages there are.
#[derive(Debug, Default)]
pub struct RateBook {
    /// Rates of one price share a number of their own, to save memory.
    rates: HashMap<i64, (u32, Money)>,
    numbers: HashMap<Arc<PriceKey>, u32>,
    prices: Vec<Arc<PriceKey>>,
}

impl RateBook {
    pub fn add(&mut self, rate: StoredRate, report: &mut Report) {
        let StoredRate { id, price, explanation } = rate;
        let agrees = explanation.is_some_and(|rate| {
            rate.destination.country.as_str() == price.country
                && *rate.destination.operator == *price.operator
                && rate.unit_price == price.unit_price
        });
        if !agrees {
            report.problem(Check::Rates, || format!("rate {id} is not what its explanation says"));
        }
        let unit_price = price.unit_price;
        let number = self.number_of(price);
        self.rates.insert(id, (number, unit_price));
    }

    fn number_of(&mut self, price: PriceKey) -> u32 {
        if let Some(number) = self.numbers.get(&price) {
            return *number;
        }
        let (number, price) = (self.prices.len() as u32, Arc::new(price));
        self.prices.push(price.clone());
        self.numbers.insert(price, number);
        number
    }
}

/// The part of a debit that counts in one rollup row: its key, the segments and their cost.
type Share = (Key, i64, i128);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    wallet_id: i64,
    day: NaiveDate,
    price: u32,
}

/// Debits of one wallet at one rate, made within one quarter of an hour.
#[derive(Clone, Copy, Debug)]
pub struct DebitGroup {
    pub wallet_id: i64,
    pub rate_id: i64,
    /// Any instant within that quarter: in every time zone days begin and end between two quarters of an hour, so that
    /// all of it lies in one day.
    pub at: Timestamp,
    pub messages: i64,
    pub segments: i64,
}

/// A stored rollup row.
#[derive(Clone, Debug)]
pub struct StoredUsage {
    pub business: String,
    pub wallet_id: i64,
    pub day: NaiveDate,
    pub price: PriceKey,
    pub counts: UsageCounts,
}

/// Sums of counts, wider than the stored ones, so that none overflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    sent: i64,
    delivered: i64,
    failed: i64,
    segments: i64,
    cost: i128,
}

impl From<UsageCounts> for Counts {
    fn from(counts: UsageCounts) -> Counts {
        Counts {
            sent: counts.messages_sent,
            delivered: counts.messages_delivered,
            failed: counts.messages_failed,
            segments: counts.segments,
            cost: counts.cost.micros().into(),
        }
    }
}

/// The expected usage rollups.
#[derive(Debug)]
pub struct Usage {
    calendar: BillingCalendar,
    rates: RateBook,
    rows: HashMap<Key, Counts>,
}

impl Usage {
    pub fn new(calendar: BillingCalendar, rates: RateBook) -> Usage {
        Usage { calendar, rates, rows: HashMap::new() }
    }

    /// Counts debits of one part. Those whose rate is gone are left out: each is reported by itself.
    pub fn add_group(&mut self, group: DebitGroup) {
        let Some((price, unit_price)) = self.rates.rates.get(&group.rate_id) else { return };
        let key = Key { wallet_id: group.wallet_id, day: self.calendar.day_of(group.at), price: *price };
        let row = self.rows.entry(key).or_default();
        row.sent += group.messages;
        row.segments += group.segments;
        row.cost += i128::from(unit_price.micros()) * i128::from(group.segments);
    }

    /// Reports a problem with a debit, if there is one.
    pub fn check_debit(&self, debit: &Debit, report: &mut Report) {
        let problem = match self.shares(debit) {
            Err(problem) => problem,
            Ok(shares) => {
                let cost: i128 = shares.iter().map(|(_, _, cost)| cost).sum();
                if cost == -i128::from(debit.amount.micros()) {
                    return;
                }
                format!("is of {}, but its rates make {} millionths", debit.amount, -cost)
            }
        };
        report.problem(Check::Debits, || format!("{} of {} {problem}", debit.sid, debit.business));
    }

    /// Counts one debit, of several parts.
    pub fn add_debit(&mut self, debit: &Debit) {
        for (position, (key, segments, cost)) in self.shares(debit).unwrap_or_default().into_iter().enumerate() {
            let row = self.rows.entry(key).or_default();
            // A message of several parts counts once, in its first part's row.
            row.sent += i64::from(position == 0);
            row.segments += segments;
            row.cost += cost;
        }
    }

    /// Counts delivery reports of debits that share their first part.
    pub fn add_reports(&mut self, debits: DebitGroup, has_failed: bool) {
        let Some((price, _)) = self.rates.rates.get(&debits.rate_id) else { return };
        let key = Key { wallet_id: debits.wallet_id, day: self.calendar.day_of(debits.at), price: *price };
        let row = self.rows.entry(key).or_default();
        if has_failed {
            row.failed += debits.messages;
        } else {
            row.delivered += debits.messages;
        }
    }

    /// Subtracts a refund from the rows of its debit: the millionths of the price from `from` until `until`, counted
    /// from the first part on; and, where that is the last of them, the message and its segments.
    pub fn take_back(&mut self, debit: &Debit, from: i128, until: i128) {
        let is_whole = until == -i128::from(debit.amount.micros());
        let mut start = 0;
        for (position, (key, segments, cost)) in self.shares(debit).unwrap_or_default().into_iter().enumerate() {
            let end = start + cost;
            let row = self.rows.entry(key).or_default();
            row.cost -= (end.min(until) - start.max(from)).max(0);
            if is_whole {
                row.sent -= i64::from(position == 0);
                row.segments -= segments;
            }
            start = end;
        }
    }

    fn shares(&self, debit: &Debit) -> Result<Vec<Share>, String> {
        let day = self.calendar.day_of(debit.created_at);
        let share = |(rate_id, segments): (i64, i64)| {
            let (price, unit_price) =
                self.rates.rates.get(&rate_id).ok_or_else(|| format!("is at rate {rate_id}, which is gone"))?;
            let key = Key { wallet_id: debit.wallet_id, day, price: *price };
            Ok((key, segments, i128::from(unit_price.micros()) * i128::from(segments)))
        };
        debit.parts()?.into_iter().map(share).collect()
    }

    /// The expected tier counters, by wallet: the month of its last debit and the segments used in it.
    pub fn tiers(&self) -> Tiers {
        let mut tiers: HashMap<i64, (NaiveDate, i64)> = HashMap::new();
        for (key, counts) in &self.rows {
            let month = DayRange::month_of(key.day).first;
            let tier = tiers.entry(key.wallet_id).or_insert((month, 0));
            if month > tier.0 {
                *tier = (month, 0);
            }
            if month == tier.0 {
                tier.1 += counts.segments;
            }
        }
        Tiers(tiers)
    }

    /// Compares a stored row with the expected one, and removes the latter.
    pub fn check(&mut self, stored: &StoredUsage, report: &mut Report) {
        let price = self.rates.number_of(stored.price.clone());
        let key = Key { wallet_id: stored.wallet_id, day: stored.day, price };
        let expected = self.rows.remove(&key).unwrap_or_default();
        let found = Counts::from(stored.counts);
        if found != expected {
            let PriceKey { country, operator, unit_price } = &stored.price;
            let row = format!("{} on {}, {country} {operator} at {unit_price}", stored.business, stored.day);
            report.problem(Check::Usage, || format!("{row}: {}", differences(found, expected)));
        }
    }

    /// Reports expected rows that are not stored. Rows of nothing but zeros need none.
    pub fn check_rest(self, report: &mut Report) {
        let Usage { rates, rows, .. } = self;
        for (key, expected) in rows.into_iter().filter(|(_, counts)| *counts != Counts::default()) {
            report.problem(Check::Usage, || {
                let PriceKey { country, operator, unit_price } = &*rates.prices[key.price as usize];
                let Key { wallet_id, day, .. } = key;
                let counts = differences(Counts::default(), expected);
                format!("wallet {wallet_id} on {day}, {country} {operator} at {unit_price}: no row; {counts}")
            });
        }
    }
}

fn differences(found: Counts, expected: Counts) -> String {
    let counts = [
        ("sent", i128::from(found.sent), i128::from(expected.sent)),
        ("delivered", found.delivered.into(), expected.delivered.into()),
        ("failed", found.failed.into(), expected.failed.into()),
        ("segments", found.segments.into(), expected.segments.into()),
        ("millionths of cost", found.cost, expected.cost),
    ];
    let differing = counts.into_iter().filter(|(_, found, expected)| found != expected);
    let said = differing.map(|(name, found, expected)| format!("{found} {name}, should be {expected}"));
    said.collect::<Vec<_>>().join("; ")
}

/// The expected tier counters.
#[derive(Debug)]
pub struct Tiers(HashMap<i64, (NaiveDate, i64)>);

impl Tiers {
    pub fn check(&self, wallet: &StoredWallet, report: &mut Report) {
        let expected = self.0.get(&wallet.id);
        let (month, segments) = expected.map_or((None, 0), |(month, segments)| (Some(*month), *segments));
        if (wallet.tier_month, wallet.tier_segments) != (month, segments) {
            let of = |month: Option<NaiveDate>| month.map_or("no month".to_owned(), |month| month.to_string());
            report.problem(Check::Tiers, || {
                let found = format!("{} segments in {}", wallet.tier_segments, of(wallet.tier_month));
                format!("{}: {found}, should be {segments} in {}", wallet.business, of(month))
            });
        }
    }
}
