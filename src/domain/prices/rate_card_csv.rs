//! Writes rate cards as CSV, and compares an edited CSV with the stored cards.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;

use super::rate_card_terms::{PriceDays, PricedDestination, RateCardTerms};
use super::rate_cards::{Network, RateCard};
use crate::domain::values::csv::{self, CsvRow, RefusedLine, Rows, WHOLE_LINE};
use crate::domain::values::fields::FieldError;
use crate::domain::values::money::Money;
use crate::domain::values::time::CalendarDay;

pub const COLUMNS: &[&str] =
    &["country_code", "operator", "mcc_mnc", "price_per_sms", "currency", "effective_from", "notes"];

/// The changes that an imported CSV makes to the rate cards. Cards are only ever added.
#[derive(Debug, Default)]
pub struct RateCardImport {
    pub added: Vec<AddedCard>,
    pub unchanged: usize,
    pub refused: Vec<RefusedLine>,
}

/// A new card.
#[derive(Clone, Debug)]
pub struct AddedCard {
    pub line: u64,
    pub terms: RateCardTerms,
    /// The price that the destination's own card would have on the new one's first day, without this import.
    pub price_before: Option<Money>,
}

/// The CSV of these cards.
pub fn write(cards: &[RateCard]) -> String {
    csv::write(COLUMNS, cards.iter().map(cells))
}

fn cells(card: &RateCard) -> Vec<String> {
    let networks = card.networks.iter().map(|Network { mcc, mnc }| format!("{mcc}-{mnc}"));
    vec![
        card.country.to_string(),
        card.operator.clone(),
        networks.collect::<Vec<_>>().join(" "),
        card.price_per_sms.to_string(),
        card.currency.to_string(),
        card.effective_from.to_string(),
        card.notes.clone(),
    ]
}

/// Compares an imported CSV with all stored cards.
pub fn compare(rows: Rows, known: &[RateCard], days: PriceDays) -> RateCardImport {
    let mut prices: HashMap<PricedDestination, BTreeMap<NaiveDate, RateCardTerms>> = HashMap::new();
    for terms in known.iter().map(RateCard::terms) {
        prices.entry(terms.destination()).or_default().insert(terms.effective_from, terms);
    }
    let mut lines = HashMap::new();
    let mut import = RateCardImport::default();
    for row in rows {
        let judged = row.and_then(|row| {
            let refuse = |errors| RefusedLine { line: row.line, errors };
            let terms = read(&row).map_err(refuse)?;
            let key = (terms.destination(), terms.effective_from);
            let earlier = *lines.entry(key).or_insert(row.line);
            if earlier != row.line {
                let problem = format!("is the same destination, currency and day as line {earlier}");
                return Err(refuse(vec![FieldError::new(WHOLE_LINE, problem)]));
            }
            let known = prices.get(&terms.destination());
            judge(row.line, terms, known, days).map_err(|error| refuse(vec![error]))
        });
        match judged {
            Ok(Some(added)) => import.added.push(added),
            Ok(None) => import.unchanged += 1,
            Err(refused) => import.refused.push(refused),
        }
    }
    import
}

/// The row as a new card; `None` where it equals a stored one.
fn judge(
    line: u64,
    terms: RateCardTerms,
    known: Option<&BTreeMap<NaiveDate, RateCardTerms>>,
    days: PriceDays,
) -> Result<Option<AddedCard>, FieldError> {
    let same_day = known.and_then(|rows| rows.get(&terms.effective_from));
    match same_day {
        Some(same) if same.is_same_as(&terms) => return Ok(None),
        Some(same) => {
            let problem = match days.check_untouched(terms.effective_from) {
                Ok(()) => format!(
                    "has a row of that destination and currency already, at {}: change or delete that one",
                    same.price_per_sms
                ),
                Err(_) => format!(
                    "has a row of that destination and currency already, at {}, and a price that is or was in force \
                     stays as it is: give the new one a later day",
                    same.price_per_sms
                ),
            };
            return Err(FieldError::new("effective_from", problem));
        }
        None => {}
    }
    if let Some(error) = days.check_start(terms.effective_from, known.is_some()) {
        return Err(error);
    }
    let before = known.and_then(|rows| rows.range(..terms.effective_from).next_back());
    Ok(Some(AddedCard { line, price_before: before.map(|(_, terms)| terms.price_per_sms), terms }))
}

fn read(row: &CsvRow) -> Result<RateCardTerms, Vec<FieldError>> {
    let mut errors = Vec::new();
    let country = parsed(row, "country_code", &mut errors);
    let currency = parsed(row, "currency", &mut errors);
    let day = parsed::<CalendarDay>(row, "effective_from", &mut errors);
    let price = noted("price_per_sms", Money::parse(&row.number("price_per_sms")), &mut errors);
    let networks = row.word("mcc_mnc").split_whitespace().map(network).collect::<Result<Vec<_>, _>>();
    let networks = noted("mcc_mnc", networks, &mut errors);
    match (country, currency, day, price, networks) {
        (Some(country_code), Some(currency), Some(day), Some(price_per_sms), Some(networks)) => {
            let terms = RateCardTerms {
                country_code,
                operator: row.text("operator").to_owned(),
                networks,
                price_per_sms,
                currency,
                effective_from: day.date(),
                notes: row.text("notes").to_owned(),
            };
            let wrong = terms.check().into_iter().map(as_column).collect::<Vec<_>>();
            if wrong.is_empty() { Ok(terms) } else { Err(wrong) }
        }
        _ => Err(errors),
    }
}

fn network(text: &str) -> Result<Network, String> {
    let (mcc, mnc) = text.split_once('-').unwrap_or((text, ""));
    match Network::from_codes(Some(mcc.to_owned()), Some(mnc.to_owned())) {
        Ok(Some(network)) => Ok(network),
        _ => Err("must be networks such as 639-01 639-02: country code, hyphen, network code".to_owned()),
    }
}

/// An error of a field, as one of its column.
fn as_column(error: FieldError) -> FieldError {
    let field = if error.field.starts_with("networks") { "mcc_mnc".to_owned() } else { error.field };
    FieldError { field, ..error }
}

fn parsed<T: std::str::FromStr>(row: &CsvRow, column: &str, errors: &mut Vec<FieldError>) -> Option<T>
where
    T::Err: std::fmt::Display,
{
    noted(column, row.word(column).parse(), errors)
}

/// The value, or `None` and an error of its column added to `errors`.
pub(super) fn noted<T, E: std::fmt::Display>(
    column: &str,
    value: Result<T, E>,
    errors: &mut Vec<FieldError>,
) -> Option<T> {
    value.map_err(|problem| errors.push(FieldError::new(column, problem.to_string()))).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::prices::rating::fixtures::{UTC, at, card, day, money, network};

    const HEADER: &str = "country_code,operator,mcc_mnc,price_per_sms,currency,effective_from,notes\n";

    fn known() -> Vec<RateCard> {
        vec![
            RateCard {
                networks: vec![network("639", "01"), network("639", "02")],
                notes: "=cheap, \"really\"".to_owned(),
                ..card(1, "KE", "Safaricom", "0.02")
            },
            RateCard { effective_from: day("2026-05-01"), ..card(2, "KE", "Safaricom", "0.021") },
            card(3, "UG", "", "0.03"),
        ]
    }

    fn import(lines: &str) -> RateCardImport {
        let rows = csv::read(format!("{HEADER}{lines}").as_bytes(), COLUMNS).expect("a sheet");
        compare(rows, &known(), PriceDays::at(at("2026-03-18T10:00:00Z"), UTC))
    }

    /// What is refused: line, column, and how the sentence begins.
    fn refused(import: &RateCardImport) -> Vec<(u64, &str)> {
        csv::places_refused(&import.refused)
    }

    #[test]
    fn what_was_written_changes_nothing() {
        let written = write(&known());
        let expected = "KE,Safaricom,639-01 639-02,0.02,USD,2024-01-01,\"'=cheap, \"\"really\"\"\"\r\n";
        assert!(written.contains(expected), "{written}");
        let rows = csv::read(written.as_bytes(), COLUMNS).expect("a sheet");
        let import = compare(rows, &known(), PriceDays::at(at("2026-03-18T10:00:00Z"), UTC));
        assert_eq!((import.unchanged, import.added.len(), import.refused), (3, 0, Vec::new()));
    }

    #[test]
    fn what_is_added_stands_beside_what_holds_without_it() {
        let import = import(
            "KE,safaricom,,0.025,usd,2026-04-01,\nke,Safaricom,,0.03,USD,2026-06-01,\nKE,Safaricom,,2.5,KES,2020-01-01,\n",
        );
        assert_eq!(refused(&import), []);
        let told: Vec<(u64, Money, Option<Money>)> =
            import.added.iter().map(|added| (added.line, added.terms.price_per_sms, added.price_before)).collect();
        let expected = [
            (2, money("0.025"), Some(money("0.02"))),
            (3, money("0.03"), Some(money("0.021"))),
            (4, money("2.5"), None),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_first_rows_of_a_destination_may_all_lie_in_the_past() {
        let import = import("RW,MTN,,0.01,USD,2020-01-01,\nRW,MTN,,0.02,USD,2021-01-01,\n");
        assert_eq!((import.added.len(), refused(&import)), (2, vec![]));
    }

    #[rstest]
    #[case("KE,Safaricom,639-01 639-02,0.03,USD,2024-01-01,x", "effective_from")] // in force
    #[case("KE,Safaricom,,0.03,USD,2026-05-01,", "effective_from")] // there is one of that day
    #[case("KE,Safaricom,,0.03,USD,2026-03-17,", "effective_from")] // of the past
    #[case("XX,Safaricom,,0.03,USD,2026-04-01,", "country_code")]
    #[case("KE,Safaricom,,0.03,DOLLAR,2026-04-01,", "currency")]
    #[case("KE,Safaricom,,0.0000001,USD,2026-04-01,", "price_per_sms")]
    #[case("KE,Safaricom,,-1,USD,2026-04-01,", "price_per_sms")]
    #[case("KE,Safaricom,,,USD,2026-04-01,", "price_per_sms")]
    #[case("KE,Safaricom,,\"0,03\",USD,2026-04-01,", "price_per_sms")]
    #[case("KE,Safaricom,,$0.03,USD,2026-04-01,", "price_per_sms")]
    #[case("KE,Safaricom,,0.03,USD,01/04/2026,", "effective_from")]
    #[case("KE,Safaricom,,0.03,USD,,", "effective_from")]
    #[case("KE,Safaricom,63901,0.03,USD,2026-04-01,", "mcc_mnc")]
    #[case("KE,Safaricom,639-01 639-01,0.03,USD,2026-04-01,", "mcc_mnc")]
    #[case("KE,,639-01,0.03,USD,2026-04-01,", "mcc_mnc")]
    #[case("KE,Safaricom ,,0.03,USD,2026-04-01,", "operator")]
    #[case("KE,Safaricom,,0.03,USD,2026-04-01", "line")]
    fn lines_that_are_refused(#[case] line: &str, #[case] column: &str) {
        let import = import(&format!("{line}\n"));
        assert_eq!((refused(&import), import.added.len()), (vec![(2, column)], 0));
    }

    #[test]
    fn a_line_tells_all_that_is_wrong_with_it() {
        assert_eq!(
            refused(&import("XX,,x,x,x,x,\n")).iter().map(|(_, column)| *column).collect::<Vec<_>>(),
            ["country_code", "currency", "effective_from", "price_per_sms", "mcc_mnc"]
        );
    }

    #[test]
    fn no_destination_has_two_prices_on_one_day() {
        let import =
            import("RW,MTN,,0.01,USD,2026-04-01,\nRW,Airtel,,0.01,USD,2026-04-01,\nrw,mtn,,0.01,USD,2026-04-01,\n");
        assert_eq!((import.added.len(), refused(&import)), (2, vec![(4, "line")]));
    }
}
