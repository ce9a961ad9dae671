//! Draws the table of lines.

use std::ops::Range;

use krilla::tagging::{ArtifactType, TableHeaderScope, Tag, TagGroup};

use super::canvas::{BLACK, Canvas, GREY, LINE};
use super::text::Style;
use super::words::{Look, Words};
use super::{LEFT, RIGHT, WIDTH};
use crate::documents::wording::Wording;

const HEADING: Look = Look { style: Style::Regular, size: 8.0, ink: GREY };
const CELL: Look = Look { style: Style::Regular, size: 9.0, ink: BLACK };

const PADDING: f32 = 5.0;
const GAP: f32 = 18.0;
const HAIRLINE: f32 = 0.6;
/// The least width of a description, however long the figures are.
const DESCRIPTION_MIN: f32 = 90.0;

pub struct Table {
    headings: [Words; 4],
    rows: Vec<TableRow>,
    /// The right edges of the three columns of figures.
    ends: [f32; 3],
}

struct TableRow {
    description: Words,
    figures: [Words; 3],
}

impl TableRow {
    fn height(&self) -> f32 {
        self.description.height() + 2.0 * PADDING
    }
}

impl Table {
    pub fn of(wording: &Wording) -> Table {
        let headings = [0, 1, 2, 3].map(|index| Words::on_a_line(&wording.columns[index], HEADING));
        let figures: Vec<[Words; 3]> =
            wording.rows.iter().map(|row| [0, 1, 2].map(|index| Words::on_a_line(&row.figures[index], CELL))).collect();
        let widths = [0, 1, 2].map(|index| {
            let cells = figures.iter().map(|row| row[index].width());
            cells.fold(headings[index + 1].width(), f32::max)
        });
        let ends = [RIGHT - widths[2] - GAP - widths[1] - GAP, RIGHT - widths[2] - GAP, RIGHT];
        let description_width = (ends[0] - widths[0] - GAP - LEFT).max(DESCRIPTION_MIN);
        let to_row = |(row, figures): (&crate::documents::wording::Row, [Words; 3])| TableRow {
            description: Words::wrapped(&row.description, CELL, description_width),
            figures,
        };
        Table { rows: wording.rows.iter().zip(figures).map(to_row).collect(), headings, ends }
    }

    pub fn heights(&self) -> Vec<f32> {
        self.rows.iter().map(TableRow::height).collect()
    }

    pub fn heading_height(&self) -> f32 {
        self.headings[0].height() + 2.0 * PADDING
    }

    /// Draws the headings, tagged as such.
    pub fn draw_headings(&self, canvas: &mut Canvas<'_>, top: f32) -> TagGroup {
        let mut row = TagGroup::new(Tag::TR);
        let [first, rest @ ..] = &self.headings;
        let mut cell = TagGroup::new(Tag::TH(TableHeaderScope::Column));
        first.draw(canvas, LEFT, top + PADDING, &mut cell);
        row.push(cell);
        for (words, end) in rest.iter().zip(self.ends) {
            let mut cell = TagGroup::new(Tag::TH(TableHeaderScope::Column));
            words.draw_to(canvas, end, top + PADDING, &mut cell);
            row.push(cell);
        }
        self.rule(canvas, top + self.heading_height());
        row
    }

    /// Draws the headings again on a later page, as decoration: screen readers have read them.
    pub fn repeat_headings(&self, canvas: &mut Canvas<'_>, top: f32) {
        canvas.decoration(ArtifactType::PaginationOther, |canvas| {
            let [first, rest @ ..] = &self.headings;
            first.decorate(canvas, LEFT, top + PADDING);
            for (words, end) in rest.iter().zip(self.ends) {
                words.decorate_to(canvas, end, top + PADDING);
            }
        });
        self.rule(canvas, top + self.heading_height());
    }

    /// Draws some rows; returns where they end, and their tags.
    pub fn draw_rows(&self, canvas: &mut Canvas<'_>, rows: Range<usize>, mut top: f32) -> (f32, Vec<TagGroup>) {
        let mut tags = Vec::new();
        for row in self.rows.get(rows).unwrap_or_default() {
            let mut tag = TagGroup::new(Tag::TR);
            let mut cell = TagGroup::new(Tag::TD);
            row.description.draw(canvas, LEFT, top + PADDING, &mut cell);
            tag.push(cell);
            for (words, end) in row.figures.iter().zip(self.ends) {
                let mut cell = TagGroup::new(Tag::TD);
                words.draw_to(canvas, end, top + PADDING, &mut cell);
                tag.push(cell);
            }
            tags.push(tag);
            top += row.height();
            self.rule(canvas, top);
        }
        (top, tags)
    }

    fn rule(&self, canvas: &mut Canvas<'_>, y: f32) {
        canvas.decoration(ArtifactType::Layout, |canvas| canvas.rectangle(LEFT, y, WIDTH, HAIRLINE, LINE));
    }
}
