//! Tests rating: which rule sets the price, by destination, day and tier.

use proptest::prelude::*;
use rstest::rstest;

use super::fixtures::*;
use super::*;

const NOW: &str = "2026-03-10T12:00:00Z";
/// The plan with tiers of [`book`].
const TIERED: u128 = 1;
/// Its plan without.
const FLAT: u128 = 2;
const NO_PLAN: u128 = 0;

/// Kenya has a card for the whole country, Uganda none, and one of its two in shillings; so is Tanzania's only one.
/// Rwanda's lies ahead.
fn book() -> PriceBook {
    let in_shillings = |card: RateCard| RateCard { currency: currency("KES"), ..card };
    let tiers = vec![tier(Some(1_000), "0.05", 0), tier(Some(10_000), "0.045", 10), tier(None, "0.04", 20)];
    let cards = vec![
        card(1, "KE", "Safaricom", "0.02"),
        card(2, "KE", "", "0.03"),
        in_shillings(card(3, "KE", "Airtel", "2.5")),
        card(4, "UG", "MTN", "0.018"),
        in_shillings(card(7, "UG", "Lycamobile", "1.5")),
        in_shillings(card(5, "TZ", "Vodacom", "2")),
        RateCard { effective_from: day("2026-03-11"), ..card(6, "RW", "MTN", "0.009") },
    ];
    PriceBook::new(vec![plan(TIERED, "0.055", 10, tiers), plan(FLAT, "0.031", 40, vec![])], cards, UTC)
}

/// Rates for a wallet in US dollars.
fn rate(book: &PriceBook, to: (&str, &str), plan: u128, before: i64, segments: u16) -> Result<Rating, Unrated> {
    let plan = book.plan(plan_sid(plan));
    let terms = RatingTerms { currency: currency("USD"), plan, segments_before: before, submitted_at: at(NOW) };
    book.rate(&destination(to.0, to.1), segments, terms)
}

/// The parts as their segments and what each costs.
fn parts(rating: &Rating) -> Vec<(u16, String)> {
    rating.parts.iter().map(|part| (part.segments, part.rate.unit_price.to_string())).collect()
}

fn part(segments: u16, price: &str) -> (u16, String) {
    (segments, price.to_owned())
}

#[rstest]
#[case::operator_card(("KE", "Safaricom"), TIERED, 0, RatingRule::OperatorCard, "0.018", Some(1))]
#[case::operator_card_in_a_later_tier(("KE", "Safaricom"), TIERED, 1_000, RatingRule::OperatorCard, "0.0162", Some(1))]
#[case::operator_card_without_tiers(("KE", "Safaricom"), FLAT, 5_000, RatingRule::OperatorCard, "0.012", Some(1))]
#[case::operator_card_without_a_plan(("KE", "Safaricom"), NO_PLAN, 5_000, RatingRule::OperatorCard, "0.02", Some(1))]
#[case::operator_in_other_letters(("KE", "SAFARICOM"), NO_PLAN, 0, RatingRule::OperatorCard, "0.02", Some(1))]
#[case::country_card_for_an_operator_without_one(("KE", "Telkom"), TIERED, 0, RatingRule::CountryCard, "0.027", Some(2))]
#[case::country_card_where_nobody_knows_the_operator(("KE", ""), NO_PLAN, 0, RatingRule::CountryCard, "0.03", Some(2))]
#[case::country_card_before_another_currency(("KE", "Airtel"), NO_PLAN, 0, RatingRule::CountryCard, "0.03", Some(2))]
#[case::plan_tier(("UG", "Airtel"), TIERED, 0, RatingRule::PlanTier, "0.05", None)]
#[case::plan_tier_as_it_stands(("UG", ""), TIERED, 1_000, RatingRule::PlanTier, "0.045", None)]
#[case::plan_base_as_it_stands(("UG", "Airtel"), FLAT, 1_000, RatingRule::PlanBase, "0.031", None)]
fn which_row_gives_the_price(
    #[case] to: (&str, &str),
    #[case] plan: u128,
    #[case] before: i64,
    #[case] rule: RatingRule,
    #[case] price: &str,
    #[case] card: Option<u128>,
) {
    let rating = rate(&book(), to, plan, before, 1).expect("a price");
    let applied = &rating.parts[0].rate;
    assert_eq!((applied.rule, applied.unit_price), (rule, money(price)));
    assert_eq!(applied.card.as_ref().map(|card| card.sid.uuid().as_u128()), card);
    assert_eq!(applied.plan.as_ref().map(|plan| plan.sid), (plan != NO_PLAN).then(|| plan_sid(plan)));
    let segment = before + 1;
    let holds_segment = |tier: AppliedTier| tier.first <= segment && tier.up_to.is_none_or(|end| segment <= end);
    assert_eq!(applied.tier.map(holds_segment), (plan == TIERED).then_some(true));
    assert_eq!((rating.parts.len(), rating.total), (1, money(price)));
}

#[rstest]
#[case::country_not_served(("DE", "Telekom"), TIERED, "Germany, Telekom")]
#[case::card_not_yet_in_force(("RW", "MTN"), TIERED, "Rwanda, MTN")]
#[case::without_an_operator(("DE", ""), NO_PLAN, "Germany")]
fn no_price_is_made_up(#[case] to: (&str, &str), #[case] plan: u128, #[case] named: &str) {
    assert_eq!(rate(&book(), to, plan, 0, 1), Err(Unrated::NoRate { destination: named.to_owned() }));
}

#[test]
fn without_a_plan_only_cards_have_prices() {
    for (operator, named) in [("Airtel", "Uganda, Airtel"), ("", "Uganda")] {
        let no_plan = Unrated::NoPlan { destination: named.to_owned() };
        assert_eq!(rate(&book(), ("UG", operator), NO_PLAN, 0, 1), Err(no_plan));
    }
}

#[rstest]
#[case::its_own_card(("TZ", "Vodacom"), "Tanzania, Vodacom")]
#[case::every_card_of_the_country(("TZ", "Airtel"), "Tanzania, Airtel")]
#[case::nobody_knows_the_operator(("TZ", ""), "Tanzania")]
#[case::its_own_card_in_a_country_otherwise_served(("UG", "Lycamobile"), "Uganda, Lycamobile")]
fn no_price_in_another_currency(#[case] to: (&str, &str), #[case] named: &str) {
    let mismatch = Unrated::CurrencyMismatch { destination: named.to_owned(), currency: currency("USD") };
    assert_eq!(rate(&book(), to, TIERED, 0, 1), Err(mismatch));
}

#[test]
fn a_card_in_another_currency_that_lies_ahead_serves_nobody() {
    let ahead =
        RateCard { currency: currency("KES"), effective_from: day("2026-03-11"), ..card(1, "TZ", "Vodacom", "2") };
    let book = PriceBook::new(vec![], vec![ahead], UTC);
    assert!(matches!(rate(&book, ("TZ", "Vodacom"), NO_PLAN, 0, 1), Err(Unrated::NoRate { .. })));
}

#[test]
fn a_price_too_large_is_refused() {
    let book = PriceBook::new(vec![], vec![card(1, "KE", "", "9000000000000")], UTC);
    assert!(rate(&book, ("KE", ""), NO_PLAN, 0, 1).is_ok());
    assert_eq!(rate(&book, ("KE", ""), NO_PLAN, 0, 2), Err(Unrated::Money(MoneyError::Overflow)));
}

/// In Nairobi, where a day begins at 21:00 UTC; whatever the order in which the rows come.
#[rstest]
#[case("2023-12-31T20:59:59.999999Z", None)]
#[case("2023-12-31T21:00:00Z", Some("0.02"))]
#[case("2026-02-28T20:59:59.999999Z", Some("0.02"))]
#[case("2026-02-28T21:00:00Z", Some("0.03"))]
#[case("2026-03-01T20:59:59.999999Z", Some("0.03"))]
#[case("2026-03-01T21:00:00Z", Some("0.01"))]
#[case("2030-01-01T00:00:00Z", Some("0.01"))]
fn the_newest_row_in_force_when_submitted(#[case] submitted_at: &str, #[case] price: Option<&str>) {
    let row = |number, price, from| RateCard { effective_from: day(from), ..card(number, "KE", "Safaricom", price) };
    let rows = [row(1, "0.02", "2024-01-01"), row(2, "0.03", "2026-03-01"), row(3, "0.01", "2026-03-02")];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]] {
        let cards = order.iter().map(|place| rows[*place].clone()).collect();
        let book = PriceBook::new(vec![], cards, NAIROBI);
        let terms =
            RatingTerms { currency: currency("USD"), plan: None, segments_before: 0, submitted_at: at(submitted_at) };
        let rating = book.rate(&destination("KE", "Safaricom"), 1, terms);
        assert_eq!(rating.ok().map(|rating| rating.total), price.map(money), "{order:?}");
    }
}

/// The operator's own card holds, however much newer that of the country is.
#[test]
fn an_old_operator_card_beats_a_new_country_card() {
    let new = RateCard { effective_from: day("2026-03-01"), ..card(2, "KE", "", "0.01") };
    let book = PriceBook::new(vec![], vec![card(1, "KE", "Safaricom", "0.02"), new], UTC);
    let rating = rate(&book, ("KE", "Safaricom"), NO_PLAN, 0, 1).expect("a price");
    assert_eq!(rating.total, money("0.02"));
}

#[rstest]
#[case("0.02", 10, 10, "0.0162")]
#[case("0.000015", 10, 0, "0.000014")] // 13.5 millionths: half up
#[case("0.000005", 10, 10, "0.000004")] // 4.05: rounded twice it would be 5
#[case("0.0075", 33, 33, "0.003367")] // 3366.75
#[case("0.02", 100, 0, "0")]
#[case("0.02", 0, 100, "0")]
fn plan_and_tier_take_their_share_of_a_card(
    #[case] price: &str,
    #[case] plan_percent: i64,
    #[case] tier_percent: i64,
    #[case] left: &str,
) {
    let plan = plan(TIERED, "9", plan_percent, vec![tier(None, "8", tier_percent)]);
    let book = PriceBook::new(vec![plan], vec![card(1, "KE", "Safaricom", price)], UTC);
    let rating = rate(&book, ("KE", "Safaricom"), TIERED, 0, 3).expect("a price");
    assert_eq!(parts(&rating), [part(3, left)]);
    assert_eq!(Ok(rating.total), money(left).checked_mul(3), "what follows the rounding is exact");
}

/// Bounds are inclusive: segment 1,000 pays the first tier's price.
#[rstest]
#[case::up_to_the_bound(998, 2, &[(2, "0.05")])]
#[case::from_the_bound_on(1_000, 2, &[(2, "0.045")])]
#[case::over_one_bound(998, 5, &[(2, "0.05"), (3, "0.045")])]
#[case::the_last_of_one_and_the_first_of_the_next(999, 2, &[(1, "0.05"), (1, "0.045")])]
#[case::far_past_the_last_bound(9_999_999, 255, &[(255, "0.04")])]
fn tiers_are_graduated(#[case] before: i64, #[case] segments: u16, #[case] expected: &[(u16, &str)]) {
    let rating = rate(&book(), ("UG", "Airtel"), TIERED, before, segments).expect("a price");
    let expected: Vec<_> = expected.iter().map(|(segments, price)| part(*segments, price)).collect();
    assert_eq!(parts(&rating), expected);
}

#[test]
fn a_message_may_cross_two_bounds() {
    let tiers = vec![tier(Some(2), "0.05", 0), tier(Some(4), "0.04", 0), tier(None, "0.03", 0)];
    let book = PriceBook::new(vec![plan(TIERED, "9", 0, tiers)], vec![card(1, "UG", "MTN", "0.018")], UTC);
    let rating = rate(&book, ("UG", "Airtel"), TIERED, 1, 6).expect("a price");
    assert_eq!(parts(&rating), [part(1, "0.05"), part(2, "0.04"), part(3, "0.03")]);
    let tiers: Vec<_> = rating.parts.iter().map(|part| part.rate.tier.map(|tier| (tier.first, tier.up_to))).collect();
    assert_eq!(tiers, [Some((1, Some(2))), Some((3, Some(4))), Some((5, None))]);
    assert_eq!(rating.total, money("0.22"));
}

/// The sample data, as people read it.
#[rstest]
#[case::starter("Starter", ("KE", "Safaricom"), 0, &[(2, "0.02")])]
#[case::starter_over_a_bound("Starter", ("KE", "Safaricom"), 999, &[(1, "0.02"), (1, "0.018")])]
#[case::starter_without_a_card("Starter", ("KE", "Telkom"), 10_000, &[(2, "0.04")])]
#[case::professional("Professional", ("KE", "Safaricom"), 0, &[(2, "0.018")])]
#[case::professional_and_its_last_tier("Professional", ("US", "AT&T"), 50_000, &[(2, "0.0054")])]
#[case::professional_rounds_once("Professional", ("US", "AT&T"), 5_000, &[(2, "0.006075")])]
#[case::enterprise("Enterprise", ("GB", "O2"), 1_000_000, &[(2, "0.0204")])]
#[case::enterprise_without_a_card("Enterprise", ("GB", "EE"), 1_000_000, &[(2, "0.03")])]
fn the_sample_data(
    #[case] plan: &str,
    #[case] to: (&str, &str),
    #[case] before: i64,
    #[case] expected: &[(u16, &str)],
) {
    let book = sample_book();
    let plan = book.plan_named(plan).expect("a sample plan").uuid().as_u128();
    let rating = rate(&book, to, plan, before, 2).expect("a price");
    let expected: Vec<_> = expected.iter().map(|(segments, price)| part(*segments, price)).collect();
    assert_eq!(parts(&rating), expected);
}

#[test]
fn operators_are_spelled_as_on_their_newest_card() {
    let newer = RateCard { effective_from: day("2025-01-01"), ..card(2, "UG", "MTN", "0.017") };
    let book = PriceBook::new(vec![], vec![card(1, "UG", "Mtn", "0.018"), newer, card(3, "UG", "", "0.02")], UTC);
    let today = at("2026-03-10T12:00:00Z");
    assert_eq!(&*book.spelling(country("UG"), "mtn", today), "MTN");
    assert_eq!(&*book.spelling(country("UG"), " mtn ", today), "MTN");
    assert_eq!(&*book.spelling(country("UG"), "mtn", at("2024-12-31T23:59:59Z")), "Mtn", "the newer one lies ahead");
    assert_eq!(&*book.spelling(country("UG"), "aIRTEL", today), "aIRTEL", "without a card it stays as it came");
    assert_eq!(&*book.spelling(country("KE"), "mtn", today), "mtn", "an operator is one of a country");
    assert_eq!(&*book.spelling(country("UG"), "", today), "");
    let terms = RatingTerms {
        currency: currency("USD"),
        plan: None,
        segments_before: 0,
        submitted_at: at("2024-06-01T00:00:00Z"),
    };
    let old = book.rate(&destination("UG", "mTN"), 1, terms).expect("a price");
    assert_eq!(old.total, money("0.018"), "both spellings are one operator's rows");
}

#[test]
fn plans_and_networks_are_found() {
    let with_network = |card: RateCard, from: &str| RateCard {
        networks: vec![network("639", "02")],
        effective_from: day(from),
        ..card
    };
    let cards = vec![
        with_network(card(1, "KE", "Safaricom", "0.02"), "2024-01-01"),
        with_network(card(2, "KE", "Airtel", "0.02"), "2025-01-01"),
    ];
    let book = PriceBook::new(vec![plan(TIERED, "0.05", 0, vec![])], cards, UTC);
    for (time, owner) in [
        ("2023-12-31T23:59:59Z", None),
        ("2024-01-01T00:00:00Z", Some("Safaricom")),
        ("2024-12-31T23:59:59Z", Some("Safaricom")),
        ("2025-01-01T00:00:00Z", Some("Airtel")),
    ] {
        let expected = owner.map(|owner| (country("KE"), owner.into()));
        assert_eq!(book.network(&network("639", "02"), at(time)), expected, "{time}");
    }
    assert_eq!(book.network(&network("639", "002"), at("2026-01-01T00:00:00Z")), None);
    assert_eq!(book.plan_named("plan 1"), Some(plan_sid(TIERED)));
    assert_eq!(book.plan_named("Plan 1"), None);
}

/// A plan, and what a segment of its messages is priced by.
#[derive(Clone, Debug)]
struct Prices {
    /// The price of the operator's card; none has a card for another operator in its stead.
    card: Option<i64>,
    base: i64,
    plan_discount: i64,
    /// The bounds with the price and the discount below each; what is past them pays `rest`.
    tiers: Vec<(i64, i64, i64)>,
    rest: (i64, i64),
    has_tiers: bool,
}

impl Prices {
    fn book(&self) -> PriceBook {
        let tier = |up_to, price, discount| VolumeTier {
            up_to,
            price_per_sms: Money::from_micros(price),
            discount: BasisPoints::new(discount),
        };
        let bounded = self.tiers.iter().map(|(end, price, discount)| tier(Some(*end), *price, *discount));
        let tiers = bounded.chain([tier(None, self.rest.0, self.rest.1)]).filter(|_| self.has_tiers).collect();
        let plan = PricingPlan {
            base_price_per_sms: Money::from_micros(self.base),
            card_discount: BasisPoints::new(self.plan_discount),
            ..plan(TIERED, "0", 0, tiers)
        };
        let operator = if self.card.is_some() { "Safaricom" } else { "Airtel" };
        let price_per_sms = Money::from_micros(self.card.unwrap_or(7));
        PriceBook::new(vec![plan], vec![RateCard { price_per_sms, ..card(1, "KE", operator, "0") }], UTC)
    }

    /// What segment n of the month costs, and in which tier it lies.
    fn of_segment(&self, n: i64) -> (usize, i64) {
        let place = self.tiers.iter().position(|(end, ..)| n <= *end).unwrap_or(self.tiers.len());
        let (own_price, discount) = match self.tiers.get(place) {
            _ if !self.has_tiers => return (0, self.card.map_or(self.base, |card| self.discounted(card, 0))),
            Some((_, price, discount)) => (*price, *discount),
            None => self.rest,
        };
        (place, self.card.map_or(own_price, |card| self.discounted(card, discount)))
    }

    fn discounted(&self, price: i64, tier_discount: i64) -> i64 {
        let left = i128::from(price) * i128::from(10_000 - self.plan_discount) * i128::from(10_000 - tier_discount);
        i64::try_from((left + 50_000_000) / 100_000_000).expect("no more than the price")
    }
}

fn prices() -> impl Strategy<Value = Prices> {
    let price = || 0..200_000_i64;
    let discount = || prop_oneof![Just(0), 0..=10_000_i64];
    let tiers = (prop::collection::btree_set(1..600_i64, 0..5), prop::collection::vec((price(), discount()), 4))
        .prop_map(|(ends, prices)| ends.into_iter().zip(prices).map(|(end, (price, off))| (end, price, off)).collect());
    (prop::option::of(price()), price(), discount(), tiers, (price(), discount()), prop::bool::weighted(0.8)).prop_map(
        |(card, base, plan_discount, tiers, rest, has_tiers)| Prices {
            card,
            base,
            plan_discount,
            tiers,
            rest,
            has_tiers,
        },
    )
}

proptest! {
    #![proptest_config(crate::repetition::cases(2_000))]

    /// Segment n of the month pays the price of the tier that holds n, and a part is a run of segments in one tier.
    #[test]
    fn parts_are_what_each_segment_pays(prices in prices(), before in 0..700_i64, segments in 1..=255_u16) {
        let rating = rate(&prices.book(), ("KE", "Safaricom"), TIERED, before, segments).expect("a price");
        let mut expected: Vec<(usize, i64, u16)> = Vec::new();
        let mut total = 0;
        for n in before + 1..=before + i64::from(segments) {
            let (place, price) = prices.of_segment(n);
            total += price;
            match expected.last_mut() {
                Some(run) if run.0 == place => run.2 += 1,
                _ => expected.push((place, price, 1)),
            }
        }
        let found: Vec<_> = rating.parts.iter().map(|part| (part.rate.unit_price.micros(), part.segments)).collect();
        let expected: Vec<_> = expected.into_iter().map(|(_, price, segments)| (price, segments)).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(rating.total.micros(), total);
    }
}
