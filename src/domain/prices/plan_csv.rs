//! Writes plans as CSV, and compares an edited CSV with the stored plans.
//! A plan has a row per tier, or a single row without tiers. Each row repeats the plan's own terms, so that rows may be
//! sorted in any way; plans are told apart by their names.

use std::collections::{BTreeMap, HashMap};

use super::plan_terms::{PlanTerms, TierTerms, check_default};
use super::plans::PricingPlan;
use super::rate_card_csv::noted;
use crate::domain::values::csv::{self, CsvRow, RefusedLine, Rows};
use crate::domain::values::fields::FieldError;
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::PlanSid;
use crate::domain::values::time::Timestamp;

pub const COLUMNS: &[&str] = &[
    "name",
    "description",
    "type",
    "base_price_per_sms",
    "card_discount_percent",
    "failed_refund_percent",
    "features",
    "min_messages",
    "max_messages",
    "tier_price_per_sms",
    "tier_discount_percent",
];

/// The columns that repeat the plan's own terms on each row.
const PLAN_COLUMNS: &[&str] =
    &["description", "type", "base_price_per_sms", "card_discount_percent", "failed_refund_percent", "features"];

const TIER_COLUMNS: &[&str] = &["min_messages", "max_messages", "tier_price_per_sms", "tier_discount_percent"];

/// The changes that an imported CSV makes to the plans. Plans that it does not name stay as they are.
#[derive(Debug, Default)]
pub struct PlanImport {
    pub added: Vec<AddedPlan>,
    pub changed: Vec<ChangedPlan>,
    pub unchanged: usize,
    pub refused: Vec<RefusedLine>,
}

#[derive(Clone, Debug)]
pub struct AddedPlan {
    /// The first of the plan's rows.
    pub line: u64,
    pub terms: PlanTerms,
}

#[derive(Clone, Debug)]
pub struct ChangedPlan {
    /// The first of the plan's rows.
    pub line: u64,
    pub before: PricingPlan,
    pub after: PlanTerms,
}

/// The CSV of these plans.
pub fn write(plans: &[PricingPlan]) -> String {
    csv::write(COLUMNS, plans.iter().flat_map(|plan| lines(&plan.terms())))
}

fn lines(terms: &PlanTerms) -> Vec<Vec<String>> {
    let of_plan = [
        terms.name.clone(),
        terms.description.clone(),
        terms.plan_type.to_string(),
        terms.base_price_per_sms.to_string(),
        terms.card_discount_percent.to_string(),
        terms.failed_refund_percent.to_string(),
        join_features(&terms.features),
    ];
    let of_tier = |tier: &TierTerms| {
        let cells = [
            tier.min_messages.to_string(),
            tier.max_messages.map(|end| end.to_string()).unwrap_or_default(),
            tier.price_per_sms.to_string(),
            tier.discount_percent.to_string(),
        ];
        of_plan.iter().cloned().chain(cells).collect()
    };
    if terms.volume_tiers.is_empty() {
        return vec![of_plan.iter().cloned().chain(std::iter::repeat_n(String::new(), TIER_COLUMNS.len())).collect()];
    }
    terms.volume_tiers.iter().map(of_tier).collect()
}

/// Features stand in one cell, separated by a bar; a bar or a backslash of their own is escaped by a backslash.
fn join_features(features: &[String]) -> String {
    let escaped = features.iter().map(|feature| feature.replace('\\', "\\\\").replace('|', "\\|"));
    escaped.collect::<Vec<_>>().join("|")
}

fn split_features(cell: &str) -> Vec<String> {
    if cell.is_empty() {
        return Vec::new();
    }
    let mut features = vec![String::new()];
    let mut letters = cell.chars();
    while let Some(letter) = letters.next() {
        match (letter, features.last_mut()) {
            ('|', _) => features.push(String::new()),
            (letter, Some(feature)) => feature.extend(if letter == '\\' { letters.next() } else { Some(letter) }),
            (_, None) => {}
        }
    }
    features
}

/// Compares an imported CSV with all stored plans. `default_plan` is the name of the plan that new wallets get.
pub fn compare(rows: Rows, known: &[PricingPlan], default_plan: &str) -> PlanImport {
    let by_name: HashMap<&str, &PricingPlan> = known.iter().map(|plan| (plan.name.as_str(), plan)).collect();
    let mut import = PlanImport::default();
    let mut order = Vec::new();
    let mut of_plan: HashMap<String, Vec<CsvRow>> = HashMap::new();
    for row in rows {
        match row {
            Ok(row) => {
                let rows = of_plan.entry(row.text("name").to_owned()).or_insert_with(|| {
                    order.push(row.text("name").to_owned());
                    Vec::new()
                });
                rows.push(row);
            }
            Err(refused) => import.refused.push(refused),
        }
    }
    // A plan of which a line cannot be read lacks a tier or more.
    for name in order {
        let rows = of_plan.remove(&name).unwrap_or_default();
        let line = rows.first().map_or(0, |row| row.line);
        let before = by_name.get(name.as_str()).copied();
        match judge(rows, before, default_plan) {
            Ok(after) => match before {
                None => import.added.push(AddedPlan { line, terms: after }),
                Some(before) if before.terms() == after => import.unchanged += 1,
                Some(before) => import.changed.push(ChangedPlan { line, before: before.clone(), after }),
            },
            Err(refused) => import.refused.extend(refused),
        }
    }
    import.refused.sort_by_key(|refused| refused.line);
    import
}

/// The terms on the rows of one plan, if they keep every rule.
fn judge(rows: Vec<CsvRow>, before: Option<&PricingPlan>, default_plan: &str) -> Result<PlanTerms, Vec<RefusedLine>> {
    let mut wrong = Wrong::default();
    let first_line = rows.first().map_or(0, |row| row.line);
    for row in rows.iter().skip(1) {
        wrong.note(row.line, differences(&rows[0], row));
    }
    let mut tiers: Vec<(u64, TierTerms)> = Vec::new();
    for row in rows.iter().filter(|row| TIER_COLUMNS.iter().any(|column| !row.is_blank(column))) {
        match tier(row) {
            Ok(tier) => tiers.push((row.line, tier)),
            Err(errors) => wrong.note(row.line, errors),
        }
    }
    let has_all_tiers = wrong.is_empty();
    tiers.sort_by_key(|(_, tier)| tier.min_messages);
    let terms = rows.first().map(|row| plan(row, tiers.iter().map(|(_, tier)| *tier).collect()));
    match terms {
        Some(Ok(terms)) if has_all_tiers => {
            let unmade = (PlanSid::new(uuid::Uuid::nil()), Timestamp::from_micros(0));
            for error in terms.clone().into_plan(unmade.0, unmade.1, unmade.1).err().unwrap_or_default() {
                let (line, error) = as_column(error, first_line, &tiers);
                wrong.note(line, vec![error]);
            }
            let before = before.map(PricingPlan::terms);
            if let Err(refusal) = check_default(default_plan, before.as_ref(), Some(&terms)) {
                wrong.note(first_line, vec![FieldError::new(refusal.field(), format!("stays: {refusal}"))]);
            }
            if wrong.is_empty() { Ok(terms) } else { Err(wrong.lines()) }
        }
        Some(Ok(_)) | None => Err(wrong.lines()),
        Some(Err(errors)) => {
            wrong.note(first_line, errors);
            Err(wrong.lines())
        }
    }
}

/// Errors by line.
#[derive(Default)]
struct Wrong(BTreeMap<u64, Vec<FieldError>>);

impl Wrong {
    fn note(&mut self, line: u64, errors: Vec<FieldError>) {
        if !errors.is_empty() {
            self.0.entry(line).or_default().extend(errors);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn lines(self) -> Vec<RefusedLine> {
        self.0.into_iter().map(|(line, errors)| RefusedLine { line, errors }).collect()
    }
}

/// The columns where a later row of a plan differs from its first one; a blank cell counts as equal.
fn differences(first: &CsvRow, row: &CsvRow) -> Vec<FieldError> {
    let differs = |column: &&&str| !row.is_blank(column) && row.word(column) != first.word(column);
    let told = |column: &&str| {
        let (there, line) = (first.word(column), first.line);
        FieldError::new(*column, format!("differs from «{there}» in line {line}: all lines of a plan say the same"))
    };
    let mut errors: Vec<FieldError> = PLAN_COLUMNS.iter().filter(differs).map(told).collect();
    if TIER_COLUMNS.iter().all(|column| row.is_blank(column)) {
        errors.push(FieldError::new("min_messages", format!("is missing: line {} has this plan already", first.line)));
    }
    errors
}

fn plan(row: &CsvRow, volume_tiers: Vec<TierTerms>) -> Result<PlanTerms, Vec<FieldError>> {
    let mut errors = Vec::new();
    let plan_type = noted("type", row.word("type").parse(), &mut errors);
    let base_price = noted("base_price_per_sms", Money::parse(&row.number("base_price_per_sms")), &mut errors);
    let card_discount = percent(row, "card_discount_percent", &mut errors);
    let failed_refund = percent(row, "failed_refund_percent", &mut errors);
    match (plan_type, base_price, card_discount, failed_refund) {
        (Some(plan_type), Some(base_price_per_sms), Some(card_discount_percent), Some(failed_refund_percent)) => {
            Ok(PlanTerms {
                name: row.text("name").to_owned(),
                description: row.text("description").to_owned(),
                plan_type,
                base_price_per_sms,
                volume_tiers,
                features: split_features(row.text("features")),
                card_discount_percent,
                failed_refund_percent,
            })
        }
        _ => Err(errors),
    }
}

fn tier(row: &CsvRow) -> Result<TierTerms, Vec<FieldError>> {
    let mut errors = Vec::new();
    let first = noted("min_messages", whole(row.word("min_messages")), &mut errors);
    let end = row.word("max_messages");
    let end = if end.is_empty() { Some(None) } else { noted("max_messages", whole(end).map(Some), &mut errors) };
    let price = noted("tier_price_per_sms", Money::parse(&row.number("tier_price_per_sms")), &mut errors);
    let discount = if row.is_blank("tier_discount_percent") {
        Some(BasisPoints::ZERO)
    } else {
        percent(row, "tier_discount_percent", &mut errors)
    };
    match (first, end, price, discount) {
        (Some(min_messages), Some(max_messages), Some(price_per_sms), Some(discount_percent)) => {
            Ok(TierTerms { min_messages, max_messages, price_per_sms, discount_percent })
        }
        _ => Err(errors),
    }
}

fn whole(text: &str) -> Result<i64, &'static str> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or("must be a whole number, without separators")
}

/// Percent as spreadsheets write it, with or without its sign.
fn percent(row: &CsvRow, column: &str, errors: &mut Vec<FieldError>) -> Option<BasisPoints> {
    let number = row.number(column);
    noted(column, BasisPoints::parse_percent(number.trim_end_matches('%').trim_end()), errors)
}

/// An error of a field, as one of its line and column.
fn as_column(error: FieldError, first_line: u64, tiers: &[(u64, TierTerms)]) -> (u64, FieldError) {
    let in_tier = error.field.strip_prefix("volume_tiers[").and_then(|rest| rest.split_once("]."));
    if let Some((place, field)) = in_tier {
        let line = place.parse::<usize>().ok().and_then(|place| tiers.get(place)).map_or(first_line, |(line, _)| *line);
        let column = if field.ends_with("_messages") { field.to_owned() } else { format!("tier_{field}") };
        return (line, FieldError::new(column, error.problem));
    }
    let column = error.field.split('[').next().unwrap_or_default();
    let column = if column == "volume_tiers" { "min_messages" } else { column };
    (first_line, FieldError::new(column, error.problem))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::prices::rating::fixtures::{plan as fixture, tier as step};

    const HEADER: &str = "name,description,type,base_price_per_sms,card_discount_percent,failed_refund_percent,features,\
                          min_messages,max_messages,tier_price_per_sms,tier_discount_percent\n";

    fn known() -> Vec<PricingPlan> {
        let tiers = vec![step(Some(1_000), "0.05", 0), step(None, "0.045", 10)];
        let starter = PricingPlan {
            name: "Starter".to_owned(),
            features: vec!["a|b".to_owned(), "c\\".to_owned()],
            ..fixture(1, "0.05", 0, tiers)
        };
        vec![starter, PricingPlan { name: "Flat".to_owned(), ..fixture(2, "0.03", 40, Vec::new()) }]
    }

    fn import(lines: &str) -> PlanImport {
        let rows = csv::read(format!("{HEADER}{lines}").as_bytes(), COLUMNS).expect("a sheet");
        compare(rows, &known(), "Starter")
    }

    fn refused(import: &PlanImport) -> Vec<(u64, &str)> {
        csv::places_refused(&import.refused)
    }

    #[test]
    fn what_was_written_changes_nothing() {
        let written = write(&known());
        assert_eq!(written.lines().count(), 4, "a line a tier, and one for the plan without: {written}");
        assert!(written.contains("Flat,,PREPAID,0.03,40,100,,,,,\r\n"), "{written}");
        let mut lines: Vec<&str> = written.lines().collect();
        lines[1..].reverse();
        for text in [written.clone(), lines.join("\n")] {
            let rows = csv::read(text.as_bytes(), COLUMNS).expect("a sheet");
            let import = compare(rows, &known(), "Starter");
            let counts = (import.unchanged, import.added.len(), import.changed.len(), refused(&import));
            assert_eq!(counts, (2, 0, 0, vec![]));
        }
    }

    #[test]
    fn what_is_added_and_changed() {
        let import = import(
            "New,Some text,prepaid,0.1,5%,12.25,x|y,11,,0.09,\nNew,,,,,,,1,10,0.1,0\nFlat,,POSTPAID,0.02,40,100,,,,,\n",
        );
        assert_eq!(refused(&import), []);
        let [AddedPlan { line: 2, terms }] = &import.added[..] else { panic!("{import:?}") };
        assert_eq!((terms.features.len(), terms.card_discount_percent), (2, BasisPoints::from_percent(5)));
        assert_eq!(terms.volume_tiers.iter().map(|tier| tier.min_messages).collect::<Vec<_>>(), [1, 11]);
        let [changed] = &import.changed[..] else { panic!("{import:?}") };
        assert_eq!((changed.line, changed.before.sid, changed.after.name.as_str()), (4, known()[1].sid, "Flat"));
        assert_eq!(import.unchanged, 0);
    }

    #[rstest]
    #[case("Flat,,WEEKLY,x,101,100,,,,,", &[(2, "type"), (2, "base_price_per_sms")])]
    #[case("Flat,,PREPAID,0.03,101,100,,,,,", &[(2, "card_discount_percent")])]
    #[case("Flat,,PREPAID,0.03,1.234,,,,,,", &[(2, "card_discount_percent"), (2, "failed_refund_percent")])]
    #[case(",,PREPAID,0.03,0,100,,,,,", &[(2, "name")])]
    #[case("Flat,,PREPAID,0.03,0,100,a||b,,,,", &[(2, "features")])]
    #[case("Flat,,PREPAID,0.03,0,100,,1,9,0.1,0\nFlat,,PREPAID,0.03,0,100,,11,,0.1,0", &[(3, "min_messages")])]
    #[case("Flat,,PREPAID,0.03,0,100,,1,9,0.1,0", &[(2, "max_messages")])]
    #[case("Flat,,PREPAID,0.03,0,100,,1,,-1,101", &[(2, "tier_price_per_sms"), (2, "tier_discount_percent")])]
    #[case("Flat,,PREPAID,0.03,0,100,,1.0,,0.1,0", &[(2, "min_messages")])]
    #[case("Flat,,PREPAID,0.03,0,100,,\"1,000\",,,0", &[(2, "min_messages"), (2, "tier_price_per_sms")])]
    #[case("Flat,,PREPAID,0.03,0,100,,1,9,0.1,0\nFlat,,PREPAID,0.04,0,100,,10,,0.1,0", &[(3, "base_price_per_sms")])]
    #[case("Flat,,PREPAID,0.03,0,100,,,,,\nFlat,,PREPAID,0.03,0,100,,,,,", &[(3, "min_messages")])]
    #[case("Starter,,POSTPAID,0.05,0,100,,,,,", &[(2, "type")])]
    #[case("Flat,PREPAID", &[(2, "line")])]
    fn lines_that_are_refused(#[case] lines: &str, #[case] expected: &[(u64, &str)]) {
        let import = import(&format!("{lines}\n"));
        assert_eq!((refused(&import), import.added.len(), import.changed.len()), (expected.to_vec(), 0, 0));
    }

    #[rstest]
    #[case(&[])]
    #[case(&["one"])]
    #[case(&["a|b", "c\\", "\\|", "d"])]
    fn features_survive_their_cell(#[case] features: &[&str]) {
        let features: Vec<String> = features.iter().map(|feature| (*feature).to_owned()).collect();
        assert_eq!(split_features(&join_features(&features)), features);
    }
}
