//! Computes quotes: the price of messages if they were charged now, one after the other. Debits nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::campaigns::Recipient;
use super::charging::Rules;
use crate::domain::prices::destinations::Destination;
use crate::domain::prices::lookup::GivenDestination;
use crate::domain::prices::messages::MessageSize;
use crate::domain::prices::phone_numbers::PhoneNumber;
use crate::domain::prices::prefixes;
use crate::domain::prices::rating::{AppliedRate, PriceBook, RatedPart, Rating, RatingTerms, Unrated};
use crate::domain::prices::segments::{self, Encoding};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::{Money, MoneyError};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::{DayRange, Timestamp};
use crate::domain::wallets::account::Account;

/// How many examples are listed of recipients without a price, for each reason.
const EXAMPLES_MAX: usize = 5;

/// Why a recipient has no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPrice {
    #[error("A recipient must be an international number such as +254712345678.")]
    InvalidNumber,
    #[error("The prefix of the number belongs to no country.")]
    UnknownPrefix,
    #[error("{0}")]
    Unrated(Unrated),
}

/// The recipients without a price, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpriced {
    pub reason: NoPrice,
    pub messages: i64,
    /// The first few of them: the index among the recipients, from 0, and the recipient as it may be shown.
    pub examples: Vec<(usize, String)>,
}

/// Segments at one price.
#[derive(Clone, Debug)]
pub struct QuotedPart {
    pub rate: Arc<AppliedRate>,
    pub segments: i64,
    pub total: Money,
}

/// All messages to one operator of one country.
#[derive(Clone, Debug)]
pub struct QuotedDestination {
    pub country: CountryCode,
    /// Empty where the operator is unknown.
    pub operator: Arc<str>,
    pub messages: i64,
    pub segments: i64,
    pub total: Money,
    /// In the order in which the tiers are reached.
    pub parts: Vec<QuotedPart>,
}

/// The cost of messages, and whether the wallet covers it.
#[derive(Clone, Debug)]
pub struct Quote {
    pub business: BusinessSid,
    /// Whether a charge would be refused, because the business is suspended.
    pub is_suspended: bool,
    pub currency: Currency,
    /// The size of each message.
    pub size: MessageSize,
    /// The characters for which the text needs UCS-2, each once, in order.
    pub ucs2_characters: Vec<char>,
    /// How many messages have a price.
    pub messages: i64,
    pub segments: i64,
    pub total: Money,
    /// The most expensive first.
    pub destinations: Vec<QuotedDestination>,
    /// The rating of a single message; `None` for a campaign.
    pub rating: Option<Rating>,
    pub unpriced: Vec<Unpriced>,
    pub balance: Money,
    pub available: Money,
}

impl Quote {
    /// The amount the wallet lacks; `None` where it covers the cost.
    ///
    /// # Errors
    /// [`MoneyError`], where it leaves the range of [`Money`].
    pub fn shortfall(&self) -> Result<Option<Money>, MoneyError> {
        if self.available >= self.total { Ok(None) } else { self.total.checked_sub(self.available).map(Some) }
    }
}

/// A quote being computed: messages are added one by one, each rated as the next of the wallet's month.
#[derive(Debug)]
pub struct Estimate<'a> {
    book: &'a PriceBook,
    account: &'a Account,
    size: MessageSize,
    /// Includes the segments of the messages added so far.
    terms: RatingTerms<'a>,
    /// How many recipients were added.
    recipients: usize,
    lanes: Vec<Lane>,
    lanes_by_prefix: HashMap<&'static str, usize>,
    groups: Vec<Group>,
    groups_by_name: HashMap<(CountryCode, Arc<str>), usize>,
    unpriced: Vec<Unpriced>,
}

/// A distinct destination. Few differ among many recipients, so what was found for one serves the next.
#[derive(Debug)]
struct Lane {
    destination: Destination,
    known: KnownPrice,
}

#[derive(Clone, Copy, Debug)]
enum KnownPrice {
    Nothing,
    /// The index of the price among the group's parts, and the last segment of the month at that price, if there is
    /// one.
    Price {
        group: usize,
        part: usize,
        up_to: Option<i64>,
    },
    /// The index of the reason.
    NoPrice(usize),
}

/// A [`QuotedDestination`] before its sums.
#[derive(Debug)]
struct Group {
    country: CountryCode,
    operator: Arc<str>,
    messages: i64,
    /// The number of segments at each rate.
    parts: Vec<(Arc<AppliedRate>, i64)>,
}

impl<'a> Estimate<'a> {
    /// An empty quote. `submitted_at` selects the price rows, as in a charge; `None` is now.
    pub fn new(
        rules: Rules<'a>,
        account: &'a Account,
        size: MessageSize,
        submitted_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Estimate<'a> {
        let month = DayRange::month_of(rules.calendar.day_of(account.head.date(now))).first;
        Estimate {
            book: rules.book,
            account,
            size,
            terms: account.rating_terms(rules.book, month, submitted_at.unwrap_or(now)),
            recipients: 0,
            lanes: Vec::new(),
            lanes_by_prefix: HashMap::new(),
            groups: Vec::new(),
            groups_by_name: HashMap::new(),
            unpriced: Vec::new(),
        }
    }

    /// Adds a message to a destination.
    ///
    /// # Errors
    /// [`Unrated`] where it has no price.
    pub fn add_message(&mut self, destination: Destination) -> Result<Rating, Unrated> {
        let rating = self.book.rate(&destination, self.size.segments, self.terms)?;
        self.count(&destination, &rating.parts);
        Ok(rating)
    }

    /// Adds the message to the next recipient of a campaign.
    pub fn add_recipient(&mut self, recipient: &Recipient) {
        let place = self.recipients;
        self.recipients += 1;
        let outcome = match recipient {
            Recipient::Number(number) => self.add_number(number),
            Recipient::Unreadable(_) => Err(self.place_of(NoPrice::InvalidNumber)),
        };
        if let Err(reason) = outcome {
            let unpriced = &mut self.unpriced[reason];
            unpriced.messages += 1;
            if unpriced.examples.len() < EXAMPLES_MAX {
                unpriced.examples.push((place, recipient.shown()));
            }
        }
    }

    /// The error is the index of the reason.
    fn add_number(&mut self, number: &PhoneNumber) -> Result<(), usize> {
        let lane = self.lane_of(number)?;
        let segments = i64::from(self.size.segments);
        let after = self.terms.segments_before.saturating_add(segments);
        match self.lanes[lane].known {
            KnownPrice::NoPrice(reason) => Err(reason),
            KnownPrice::Price { group, part, up_to } if up_to.is_none_or(|up_to| after <= up_to) => {
                let group = &mut self.groups[group];
                group.messages += 1;
                group.parts[part].1 += segments;
                self.terms.segments_before = after;
                Ok(())
            }
            KnownPrice::Price { .. } | KnownPrice::Nothing => self.rate_in(lane),
        }
    }

    /// Numbers with the same longest known prefix have the same destination.
    fn lane_of(&mut self, number: &PhoneNumber) -> Result<usize, usize> {
        let found = prefixes::find(number).ok_or(NoPrice::UnknownPrefix).map_err(|reason| self.place_of(reason))?;
        if let Some(lane) = self.lanes_by_prefix.get(found.prefix) {
            return Ok(*lane);
        }
        let given = GivenDestination { to: Some(*number), ..GivenDestination::default() };
        let destination =
            given.resolve(self.book, self.terms.submitted_at).map_err(|_| self.place_of(NoPrice::UnknownPrefix))?;
        let lane = self.lanes.len();
        self.lanes.push(Lane { destination, known: KnownPrice::Nothing });
        self.lanes_by_prefix.insert(found.prefix, lane);
        Ok(lane)
    }

    fn rate_in(&mut self, lane: usize) -> Result<(), usize> {
        let destination = self.lanes[lane].destination.clone();
        match self.book.rate(&destination, self.size.segments, self.terms) {
            Ok(rating) => {
                let (group, part) = self.count(&destination, &rating.parts);
                self.lanes[lane].known = match rating.parts.as_slice() {
                    [only] => KnownPrice::Price { group, part, up_to: only.rate.tier.and_then(|tier| tier.up_to) },
                    // This message crossed the bound of a tier; the next pays the price beyond it.
                    _ => KnownPrice::Nothing,
                };
                Ok(())
            }
            Err(unrated) => {
                // A tier's price may be too much for a message of many segments; the next tier's need not be.
                let holds = !matches!(unrated, Unrated::Money(_));
                let reason = self.place_of(NoPrice::Unrated(unrated));
                if holds {
                    self.lanes[lane].known = KnownPrice::NoPrice(reason);
                }
                Err(reason)
            }
        }
    }

    /// Counts a rated message; returns the indexes of its group and of its last part.
    fn count(&mut self, destination: &Destination, parts: &[RatedPart]) -> (usize, usize) {
        let name = (destination.country, destination.operator.clone());
        let group = *self.groups_by_name.entry(name).or_insert_with(|| {
            let (country, operator) = (destination.country, destination.operator.clone());
            self.groups.push(Group { country, operator, messages: 0, parts: Vec::new() });
            self.groups.len() - 1
        });
        let counted = &mut self.groups[group];
        counted.messages += 1;
        let mut place = 0;
        for part in parts {
            let known = counted.parts.iter().position(|(rate, _)| has_same_price(rate, &part.rate));
            place = known.unwrap_or_else(|| {
                counted.parts.push((part.rate.clone(), 0));
                counted.parts.len() - 1
            });
            counted.parts[place].1 += i64::from(part.segments);
        }
        let segments = i64::from(self.size.segments);
        self.terms.segments_before = self.terms.segments_before.saturating_add(segments);
        (group, place)
    }

    fn place_of(&mut self, reason: NoPrice) -> usize {
        let known = self.unpriced.iter().position(|unpriced| unpriced.reason == reason);
        known.unwrap_or_else(|| {
            self.unpriced.push(Unpriced { reason, messages: 0, examples: Vec::new() });
            self.unpriced.len() - 1
        })
    }

    /// The finished quote: the sums, and the wallet's funds. `text` is that of the messages, where it is known.
    ///
    /// # Errors
    /// [`MoneyError`], where a sum leaves the range of [`Money`], which only absurd prices can cause.
    pub fn finish(self, text: Option<&str>) -> Result<Quote, MoneyError> {
        let segments_each = i64::from(self.size.segments);
        let mut destinations = Vec::with_capacity(self.groups.len());
        for Group { country, operator, messages, parts } in self.groups {
            let part = |(rate, segments): (Arc<AppliedRate>, i64)| {
                let total = rate.unit_price.checked_mul(segments)?;
                Ok(QuotedPart { rate, segments, total })
            };
            let parts = parts.into_iter().map(part).collect::<Result<Vec<_>, MoneyError>>()?;
            let total = Money::sum(parts.iter().map(|part| part.total))?;
            let segments = messages * segments_each;
            destinations.push(QuotedDestination { country, operator, messages, segments, total, parts });
        }
        destinations.sort_by(|a, b| {
            b.total.cmp(&a.total).then_with(|| (a.country, &a.operator).cmp(&(b.country, &b.operator)))
        });
        let messages = destinations.iter().map(|destination| destination.messages).sum();
        let ucs2_characters = match (self.size.encoding, text) {
            (Some(Encoding::Ucs2), Some(text)) => segments::forcing_ucs2(text),
            _ => Vec::new(),
        };
        let (balance, available) = self.account.funds()?;
        Ok(Quote {
            business: self.account.business.clone(),
            is_suspended: self.account.is_suspended,
            currency: self.account.currency,
            size: self.size,
            ucs2_characters,
            messages,
            segments: messages * segments_each,
            total: Money::sum(destinations.iter().map(|destination| destination.total))?,
            destinations,
            rating: None,
            unpriced: self.unpriced,
            balance,
            available,
        })
    }
}

/// Whether two rates to one operator differ in nothing but the prefix that matched.
fn has_same_price(a: &AppliedRate, b: &AppliedRate) -> bool {
    (a.rule, a.unit_price, a.tier, &a.card, &a.plan) == (b.rule, b.unit_price, b.tier, &b.card, &b.plan)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::audit::Actor;
    use crate::domain::charges::charging::{self, Command, CommandOutcome, State};
    use crate::domain::charges::{NewCharge, Refusal};
    use crate::domain::prices::messages::ChargeKey;
    use crate::domain::prices::plans::{PlanType, PricingPlan, VolumeTier, VolumeTiers};
    use crate::domain::prices::rate_cards::RateCard;
    use crate::domain::values::json::JsonObject;
    use crate::domain::values::money::BasisPoints;
    use crate::domain::values::sid::{PlanSid, RateCardSid, TransactionSid};
    use crate::domain::values::time::BillingCalendar;
    use crate::domain::wallets::OpeningTerms;
    use crate::domain::wallets::account::TierCounter;
    use crate::domain::wallets::watch::WatchRules;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
    /// Safaricom, Airtel and another network of Kenya, MTN of Uganda; France has no card, Rwanda one in its own money.
    const NUMBERS: [&str; 8] = [
        "+254712345678",
        "+254722345678",
        "+254733345678",
        "+254778345678",
        "+256772345678",
        "+33612345678",
        "+250788345678",
        "0712345678",
    ];

    fn currency(code: &str) -> Currency {
        code.parse().expect("a currency")
    }

    fn calendar() -> BillingCalendar {
        BillingCalendar::new(chrono_tz::UTC)
    }

    fn card(number: u128, country: &str, operator: &str, micros: i64, money: &str) -> RateCard {
        RateCard {
            sid: RateCardSid::new(Uuid::from_u128(number)),
            country: country.parse().expect("a country"),
            operator: operator.to_owned(),
            networks: Vec::new(),
            price_per_sms: Money::from_micros(micros),
            currency: currency(money),
            effective_from: chrono::NaiveDate::from_ymd_opt(2024, 1, 1).expect("a day"),
            notes: String::new(),
        }
    }

    /// A plan whose tiers end at these segments, each a tenth cheaper than the one before.
    fn book(ends: &[i64]) -> PriceBook {
        let discounts = (0..).map(BasisPoints::from_percent);
        let ends = ends.iter().copied().map(Some).chain([None]);
        let tiers = ends.zip(discounts.step_by(10)).map(|(up_to, discount)| VolumeTier {
            up_to,
            price_per_sms: Money::from_micros(50_000).discounted(&[discount]),
            discount,
        });
        let plan = PricingPlan {
            sid: PlanSid::new(Uuid::from_u128(1)),
            name: "Starter".to_owned(),
            description: String::new(),
            plan_type: PlanType::Prepaid,
            base_price_per_sms: Money::from_micros(50_000),
            card_discount: BasisPoints::from_percent(3),
            failed_refund: BasisPoints::WHOLE,
            features: Vec::new(),
            tiers: VolumeTiers::new(tiers.collect()).expect("rising tiers"),
            created_at: NOW,
            updated_at: NOW,
        };
        let cards = vec![
            card(1, "KE", "Safaricom", 20_001, "USD"),
            card(2, "KE", "Airtel", 18_000, "USD"),
            card(3, "UG", "", 17_003, "USD"),
            card(4, "RW", "MTN", 12_000_000, "RWF"),
        ];
        PriceBook::new(vec![plan], cards, calendar())
    }

    const WATCH_RULES: WatchRules = WatchRules { low_balance_threshold: Money::ZERO };

    fn account(book: &PriceBook, balance: Money, segments_before: i64) -> Account {
        let terms = OpeningTerms { currency: currency("USD"), plan_name: "Starter".to_owned() };
        let mut account = Account::unopened(&"b".parse().expect("a business"), None, &terms, book, NOW);
        account.head.balance = balance;
        let month = DayRange::month_of(calendar().day_of(NOW)).first;
        account.tiers = TierCounter { month: Some(month), segments: segments_before };
        account
    }

    fn recipients(numbers: &[&str]) -> Vec<Recipient> {
        numbers.iter().map(|number| Recipient::from((*number).to_owned())).collect()
    }

    fn size(segments: u16) -> MessageSize {
        MessageSize { segments, encoding: None }
    }

    fn quote(book: &PriceBook, account: &Account, numbers: &[&str], segments: u16) -> Quote {
        let rules = Rules { book, calendar: calendar(), watch: WATCH_RULES };
        let mut estimate = Estimate::new(rules, account, size(segments), None, NOW);
        recipients(numbers).iter().for_each(|recipient| estimate.add_recipient(recipient));
        estimate.finish(None).expect("sums of modest prices")
    }

    /// Charges the numbers one after the other: what each took, or why it was refused.
    fn charge(book: &PriceBook, account: &Account, numbers: &[&str], segments: u16) -> Vec<Result<Money, NoPrice>> {
        let mut state = State::new(vec![account.clone()]);
        let rules = Rules { book, calendar: calendar(), watch: WATCH_RULES };
        let actor = Arc::new(Actor { name: "test".into(), request_id: None, address: None });
        let mut charge = |(number, text): (u128, &&str)| {
            let to = text.parse::<PhoneNumber>().map_err(|_| NoPrice::InvalidNumber)?;
            let given = GivenDestination { to: Some(to), ..GivenDestination::default() };
            let message = format!("m{number}").parse().expect("a name");
            let new = NewCharge {
                sid: TransactionSid::new(Uuid::from_u128(number + 1)),
                key: ChargeKey { business: account.business.clone(), message },
                destination: Ok(given.resolve(book, NOW).map_err(|_| NoPrice::UnknownPrefix)?),
                sent_to: None,
                size: size(segments),
                submitted_at: None,
                metadata: JsonObject::default(),
                input: [0; 16],
                actor: actor.clone(),
            };
            let (mut outcomes, _) = charging::apply(&mut state, rules, &[Command::Charge(new)], NOW);
            match outcomes.remove(0) {
                Ok(CommandOutcome::Charged(charged)) => Ok(charged.charge.total().expect("a charge that was entered")),
                Err(Refusal::Unrated(unrated)) => Err(NoPrice::Unrated(unrated)),
                other => panic!("{other:?}"),
            }
        };
        (0..).zip(numbers).map(&mut charge).collect()
    }

    proptest! {
        /// A quote is the sum of the charges made right afterwards, whatever tiers they cross.
        #[test]
        fn equals_charging_one_by_one(
            picks in prop::collection::vec(0..NUMBERS.len(), 1..60),
            segments in 1_u16..9,
            before in 0_i64..40,
            ends in prop::collection::btree_set(1_i64..200, 0..5),
        ) {
            let book = book(&ends.into_iter().collect::<Vec<_>>());
            let account = account(&book, Money::from_units(1_000), before);
            let numbers: Vec<&str> = picks.iter().map(|pick| NUMBERS[*pick]).collect();
            let quote = quote(&book, &account, &numbers, segments);
            let charges = charge(&book, &account, &numbers, segments);
            let passed = charges.iter().filter_map(|charge| charge.as_ref().ok().copied());
            prop_assert_eq!(Money::sum(passed.clone()), Ok(quote.total));
            prop_assert_eq!(passed.count() as i64, quote.messages);
            for unpriced in &quote.unpriced {
                let same = charges.iter().filter(|charge| charge.as_ref().err() == Some(&unpriced.reason)).count();
                prop_assert_eq!(same as i64, unpriced.messages);
            }
            let refused: i64 = quote.unpriced.iter().map(|unpriced| unpriced.messages).sum();
            prop_assert_eq!(quote.messages + refused, numbers.len() as i64);
            // The parts add up, and none is listed twice.
            for destination in &quote.destinations {
                let segments: i64 = destination.parts.iter().map(|part| part.segments).sum();
                prop_assert_eq!(segments, destination.segments);
                let mut tiers: Vec<_> = destination.parts.iter().map(|part| part.rate.tier.map(|tier| tier.first)).collect();
                tiers.dedup();
                prop_assert_eq!(tiers.len(), destination.parts.len());
            }
        }
    }

    #[test]
    fn a_tier_is_crossed_in_the_middle_of_a_message() {
        let book = book(&[10]);
        let account = account(&book, Money::from_units(1), 6);
        let quote = quote(&book, &account, &["+254712345678"; 3], 3);
        let [only] = quote.destinations.as_slice() else { panic!("{quote:?}") };
        let parts: Vec<_> = only.parts.iter().map(|part| (part.segments, part.rate.unit_price.micros())).collect();
        // 0.020001 less 3 %, and less 10 % of that, each rounded half up.
        assert_eq!(parts, [(4, 19_401), (5, 17_461)]);
        assert_eq!((only.messages, only.segments, only.total), (3, 9, Money::from_micros(164_909)));
    }

    #[test]
    fn what_has_no_price_is_grouped_and_hides_numbers() {
        let book = book(&[]);
        let account = account(&book, Money::ZERO, 0);
        let mut numbers = vec!["+33612345678"; 7];
        numbers.extend(["0712345678", "+250788345678", "+99912345678", "none"]);
        let quote = quote(&book, &account, &numbers, 1);
        let shown: Vec<_> = quote.unpriced.iter().map(|group| (group.messages, group.examples.clone())).collect();
        let france = (0..5).map(|index| (index, "+3361****678".to_owned())).collect();
        let invalid = vec![(7, "0712345678".to_owned()), (10, "none".to_owned())];
        let rwanda = vec![(8, "+25078****678".to_owned())];
        let unknown = vec![(9, "+9991****678".to_owned())];
        assert_eq!(shown, [(7, france), (2, invalid), (1, rwanda), (1, unknown)]);
        assert_eq!((quote.messages, quote.total, quote.destinations.len()), (0, Money::ZERO, 0));
    }

    #[test]
    fn equal_is_enough() {
        let book = book(&[]);
        let price = quote(&book, &account(&book, Money::ZERO, 0), &["+254712345678"], 1).total;
        let short_of = |micros| {
            let balance = Money::from_micros(price.micros() - micros);
            quote(&book, &account(&book, balance, 0), &["+254712345678"], 1).shortfall()
        };
        assert_eq!(short_of(0), Ok(None));
        assert_eq!(short_of(1), Ok(Some(Money::from_micros(1))));
    }

    #[test]
    fn the_characters_that_force_ucs2_are_those_of_a_text_that_was_counted() {
        let book = book(&[]);
        let account = account(&book, Money::ZERO, 0);
        let characters = |encoding| {
            let rules = Rules { book: &book, calendar: calendar(), watch: WATCH_RULES };
            let estimate = Estimate::new(rules, &account, MessageSize { segments: 1, encoding }, None, NOW);
            estimate.finish(Some("“çç” é")).expect("nothing to add up").ucs2_characters
        };
        assert_eq!(characters(Some(Encoding::Ucs2)), ['“', 'ç', '”']);
        assert!(characters(None).is_empty());
    }
}
