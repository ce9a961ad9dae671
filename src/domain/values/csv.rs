//! Reads and writes CSV (RFC 4180) that people edit in a spreadsheet and bring back.
//!
//! It writes commas, CRLF, and dots before decimals. It reads commas or semicolons (a spreadsheet writes semicolons
//! where the comma stands before decimals, so there `0,02` is a number too), with or without a byte order mark, the
//! columns in any order.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` (some: the same signs in full width) for a formula,
//! and runs it; one that begins with a tab or a line break may lose that and then be one. Such a text is written with
//! an apostrophe before it, and so is one that begins with an apostrophe itself; reading takes the apostrophe off
//! again, so that every text comes back as it was. This file alone knows that rule.

use std::borrow::Cow;
use std::fmt::{Display, Write};

use csv::{ReaderBuilder, StringRecord, Terminator, Writer, WriterBuilder};

use super::fields::FieldError;

/// The most rows of an import: they are stored in one transaction, and everybody else waits for it.
const ROWS_MAX: usize = 10_000;

/// First characters of texts that get an apostrophe.
const GUARDED: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '\''];

/// The rows of a CSV, each with its cells or its errors.
pub type Rows = Vec<Result<CsvRow, RefusedLine>>;

/// A line that is refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLine {
    /// Counted from 1, the header included, as a text editor shows it.
    pub line: u64,
    pub errors: Vec<FieldError>,
}

/// The column named in errors of a line as a whole.
pub const WHOLE_LINE: &str = "line";

impl RefusedLine {
    /// The errors, a sentence each.
    pub fn sentences(&self) -> impl Iterator<Item = String> {
        self.errors.iter().map(|FieldError { field, problem }| match field.as_str() {
            WHOLE_LINE => problem.clone(),
            column => format!("{column} {problem}"),
        })
    }
}

/// A row of a CSV that was read. It has every required column.
#[derive(Clone, Debug)]
pub struct CsvRow {
    pub line: u64,
    /// In the order of the columns asked for.
    cells: Vec<String>,
    columns: &'static [&'static str],
    has_decimal_commas: bool,
}

impl CsvRow {
    /// The text in a column, as it was before it was written.
    pub fn text(&self, column: &str) -> &str {
        let cell = self.cell(column);
        match cell.strip_prefix('\'') {
            Some(rest) if rest.starts_with(GUARDED) => rest,
            _ => cell,
        }
    }

    /// The word in a column, without blanks around it.
    pub fn word(&self, column: &str) -> &str {
        self.cell(column).trim()
    }

    /// The number in a column, with a dot before its decimals.
    pub fn number(&self, column: &str) -> Cow<'_, str> {
        let word = self.word(column);
        let is_local = self.has_decimal_commas && !word.contains('.') && word.matches(',').count() == 1;
        if is_local { word.replace(',', ".").into() } else { word.into() }
    }

    pub fn is_blank(&self, column: &str) -> bool {
        self.word(column).is_empty()
    }

    fn cell(&self, column: &str) -> &str {
        let place = self.columns.iter().position(|known| *known == column);
        place.and_then(|place| self.cells.get(place)).map_or("", String::as_str)
    }
}

/// Reads a CSV that has exactly these columns. Rows without any text are left out.
///
/// # Errors
/// A sentence, where the text is no CSV with these columns at all.
pub fn read(bytes: &[u8], columns: &'static [&'static str]) -> Result<Rows, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        format!("Line {line} is not UTF-8: save the sheet as CSV in UTF-8.")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let header = text.lines().next().unwrap_or_default();
    let has_decimal_commas = header.contains(';');
    let delimiter = if has_decimal_commas { b';' } else { b',' };
    let mut reader =
        ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(text.as_bytes());
    let mut records = reader.records();
    let broken = |error: csv::Error| format!("This is no CSV: {error}.");
    let header = records.next().transpose().map_err(broken)?.unwrap_or_default();
    let places = places(&header, columns)?;
    let mut rows = Rows::new();
    let mut lines = Lines { text: text.as_bytes(), counted: 0, line: 1 };
    for record in records {
        let record = record.map_err(broken)?;
        let line = lines.of(&record);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if rows.len() == ROWS_MAX {
            return Err(format!("The sheet has more than {ROWS_MAX} rows: bring them in several sheets."));
        }
        if record.len() != header.len() {
            let problem = format!("has {} cells, but the header names {} columns", record.len(), header.len());
            rows.push(Err(RefusedLine { line, errors: vec![FieldError::new(WHOLE_LINE, problem)] }));
            continue;
        }
        let cells = places.iter().map(|place| record.get(*place).unwrap_or_default().to_owned()).collect();
        rows.push(Ok(CsvRow { line, cells, columns, has_decimal_commas }));
    }
    Ok(rows)
}

/// Counts lines. (The reader's own count stands before the second sign of a CRLF.)
struct Lines<'t> {
    text: &'t [u8],
    /// How much of the text is counted.
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line a record begins in; records are asked for in their order.
    fn of(&mut self, record: &StringRecord) -> u64 {
        let place = record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or_default());
        let rest = self.text.get(place..).unwrap_or_default();
        let start = place + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = self.text.get(self.counted..start).unwrap_or_default();
        let is_end = |place: usize| match passed[place] {
            b'\n' => true,
            b'\r' => passed.get(place + 1) != Some(&b'\n'),
            _ => false,
        };
        self.line += (0..passed.len()).map(|place| u64::from(is_end(place))).sum::<u64>();
        self.counted = start.max(self.counted);
        self.line
    }
}

/// The index of each column. An unknown column may be a known one misspelt, so it is refused, not passed over.
fn places(header: &StringRecord, columns: &[&str]) -> Result<Vec<usize>, String> {
    let names: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
    let expected = || columns.join(",");
    if let Some(unknown) = names.iter().find(|name| !columns.contains(&name.as_str())) {
        return Err(format!("The header names a column «{unknown}», but the columns are {}.", expected()));
    }
    let place = |column: &&str| {
        let mut found = names.iter().enumerate().filter(|(_, name)| name == column).map(|(place, _)| place);
        match (found.next(), found.next()) {
            (Some(place), None) => Ok(place),
            (None, _) => Err(format!("The header lacks the column {column}; the columns are {}.", expected())),
            (Some(_), Some(_)) => Err(format!("The header names the column {column} twice.")),
        }
    };
    columns.iter().map(place).collect()
}

/// Writes a whole CSV. Every row has a cell for every column.
pub fn write(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut writer = CsvWriter::new();
    writer.header(columns);
    for row in rows {
        row.iter().for_each(|cell| writer.text(cell));
        writer.end_line();
    }
    String::from_utf8(writer.into_bytes()).unwrap_or_default()
}

/// Writes a CSV, or a piece of one, cell by cell. Every line has a cell for every column.
#[derive(Debug)]
pub struct CsvWriter {
    writer: Writer<Vec<u8>>,
    /// What the last plain value looked like: one allocation for all.
    scratch: String,
}

impl Default for CsvWriter {
    fn default() -> CsvWriter {
        CsvWriter::new()
    }
}

// A buffer in memory takes all it is given, and pieces of UTF-8 go in: nothing here can fail.
impl CsvWriter {
    pub fn new() -> CsvWriter {
        let writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
        CsvWriter { writer, scratch: String::new() }
    }

    /// Writes the line of column names.
    pub fn header(&mut self, columns: &[&str]) {
        let _ = self.writer.write_record(columns);
    }

    /// Writes a text, guarded so that a spreadsheet never runs it as a formula.
    pub fn text(&mut self, cell: &str) {
        let _ = self.writer.write_field(guarded(cell).as_bytes());
    }

    /// Writes a number, a time, an id or a name of a fixed set, unguarded: none can be a formula. So a spreadsheet
    /// reads a number below zero as a number.
    pub fn plain(&mut self, value: impl Display) {
        self.scratch.clear();
        let _ = write!(self.scratch, "{value}");
        let _ = self.writer.write_field(&self.scratch);
    }

    /// Writes the same, or an empty cell.
    pub fn plain_or_blank(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => self.plain(value),
            None => self.blank(1),
        }
    }

    /// Writes empty cells.
    pub fn blank(&mut self, cells: usize) {
        for _ in 0..cells {
            let _ = self.writer.write_field("");
        }
    }

    pub fn end_line(&mut self) {
        let _ = self.writer.write_record(None::<&[u8]>);
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.writer.into_inner().unwrap_or_default()
    }
}

fn guarded(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(GUARDED) { format!("'{cell}").into() } else { cell.into() }
}

/// Lines and columns that are refused, for tests.
#[cfg(test)]
pub(in crate::domain) fn places_refused(refused: &[RefusedLine]) -> Vec<(u64, &str)> {
    let of_each = refused.iter().flat_map(|refused| refused.errors.iter().map(|error| (refused.line, error)));
    of_each.map(|(line, error)| (line, error.field.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const COLUMNS: &[&str] = &["name", "price"];

    fn rows(text: &str) -> Rows {
        read(text.as_bytes(), COLUMNS).expect("a sheet")
    }

    fn cells(rows: &Rows) -> Vec<(u64, &str, String)> {
        let good = rows.iter().map(|row| row.as_ref().expect("a good row"));
        good.map(|row| (row.line, row.text("name"), row.number("price").into_owned())).collect()
    }

    #[rstest]
    #[case("name,price\r\nAirtel,0.02\r\n")]
    #[case("\u{feff}name,price\nAirtel,0.02")]
    #[case("name;price\nAirtel;0,02\n")]
    #[case("name;price\nAirtel;0.02\n")]
    #[case("Price, NAME\n\" 0.02 \",Airtel\n")]
    #[case("name,price\rAirtel,0.02\r")]
    fn as_spreadsheets_write_it(#[case] text: &str) {
        assert_eq!(cells(&rows(text)), [(2, "Airtel", "0.02".to_owned())]);
    }

    #[test]
    fn a_comma_is_no_dot_where_it_separates() {
        assert_eq!(cells(&rows("name,price\nx,\"0,02\"\n"))[0].2, "0,02");
        assert_eq!(cells(&rows("name;price\nx;1,234,5\n"))[0].2, "1,234,5");
        assert_eq!(cells(&rows("name;price\nx;1.234,5\n"))[0].2, "1.234,5");
    }

    #[test]
    fn lines_are_those_of_an_editor() {
        let rows = rows("name,price\n\"two\nlines\",1\n\n,\nx\nlast,2\n");
        let told: Vec<(u64, bool)> = rows
            .iter()
            .map(|row| row.as_ref().map_or_else(|refused| (refused.line, false), |row| (row.line, true)))
            .collect();
        assert_eq!(told, [(2, true), (6, false), (7, true)]);
        let refused = rows[1].as_ref().expect_err("a short row");
        assert_eq!(refused.errors, [FieldError::new(WHOLE_LINE, "has 1 cells, but the header names 2 columns")]);
    }

    #[rstest]
    #[case(b"", "The header lacks the column name")]
    #[case(b"name\nx\n", "The header lacks the column price")]
    #[case(b"name,price,price\n", "The header names the column price twice")]
    #[case(b"name,price,cost\n", "The header names a column «cost»")]
    #[case(b"name,price\nx,1\ncaf\xe9,2\n", "Line 3 is not UTF-8")]
    #[case(b"PK\x03\x04\xff", "Line 1 is not UTF-8")]
    fn what_is_no_sheet(#[case] bytes: &[u8], #[case] told: &str) {
        let sentence = read(bytes, COLUMNS).expect_err("no sheet");
        assert!(sentence.starts_with(told), "{sentence}");
    }

    #[test]
    fn there_is_an_end_to_it() {
        let text = format!("name,price\n{}", "x,1\n".repeat(ROWS_MAX));
        assert_eq!(rows(&text).len(), ROWS_MAX);
        assert!(read(format!("{text}x,1\n").as_bytes(), COLUMNS).is_err());
    }

    #[rstest]
    #[case("=1+1", "'=1+1")]
    #[case("+1", "'+1")]
    #[case("-1", "'-1")]
    #[case("@SUM(A1)", "'@SUM(A1)")]
    #[case("\t=1", "'\t=1")]
    #[case("\r=1", "\"'\r=1\"")]
    #[case("\n=1", "\"'\n=1\"")]
    #[case("＝1", "'＝1")]
    #[case("'=1", "''=1")]
    #[case("a=1", "a=1")]
    #[case("=\"a\",1", "\"'=\"\"a\"\",1\"")]
    fn texts_and_numbers(#[case] text: &str, #[case] cell: &str) {
        let mut writer = CsvWriter::new();
        writer.text(text);
        writer.plain(-1);
        writer.plain_or_blank(None::<i64>);
        writer.end_line();
        assert_eq!(String::from_utf8(writer.into_bytes()), Ok(format!("{cell},-1,\r\n")));
    }

    #[test]
    fn no_cell_is_a_formula() {
        let texts = ["=1+1", "+1", "-1", "@x", "'x", "''", "plain", "a=b", "\"quoted\", and; so"];
        let written = write(COLUMNS, texts.iter().map(|text| vec![(*text).to_owned(), "1".to_owned()]));
        assert!(written.starts_with("name,price\r\n'=1+1,1\r\n'+1,1\r\n'-1,1\r\n'@x,1\r\n''x,1\r\n'''"), "{written}");
        let rows = rows(&written);
        let names: Vec<&str> = cells(&rows).into_iter().map(|(_, name, _)| name).collect();
        assert_eq!(names, texts);
        assert_eq!(cells(&self::rows("name,price\n'tis,1\n"))[0].1, "'tis", "an apostrophe of a person's own");
    }

    proptest! {
        #![proptest_config(crate::repetition::cases(256))]

        #[test]
        fn texts_come_back_as_they_were(name in "[^\0\r\n]{0,12}", price in "[ -~]{1,8}") {
            prop_assume!(!name.trim().is_empty() || !price.trim().is_empty());
            let written = write(COLUMNS, std::iter::once(vec![name.clone(), price.clone()]));
            let rows = rows(&written);
            let row = rows[0].as_ref().expect("a good row");
            prop_assert_eq!(row.text("name"), name);
            prop_assert_eq!(row.text("price"), price);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, COLUMNS);
        }
    }
}
