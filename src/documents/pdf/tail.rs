//! Draws totals and notes below the table, kept together.

use krilla::tagging::{ArtifactType, TableHeaderScope, Tag, TagGroup};

use super::canvas::{BLACK, Canvas, GREY, LINE};
use super::text::Style;
use super::words::{Look, Words};
use super::{LEFT, RIGHT, WIDTH};
use crate::documents::wording::{TotalLine, Weight, Wording};

const NOTE: Look = Look { style: Style::Regular, size: 8.0, ink: GREY };

/// The totals take the right half.
const TOTALS_WIDTH: f32 = WIDTH / 2.0;
const PADDING: f32 = 5.0;
const HAIRLINE: f32 = 0.6;
const ABOVE: f32 = 10.0;
const ABOVE_NOTES: f32 = 22.0;

pub struct Tail {
    totals: Vec<(Words, Words)>,
    notes: Vec<Words>,
}

fn look(weight: Weight) -> Look {
    match weight {
        Weight::Light => Look { style: Style::Regular, size: 9.0, ink: GREY },
        Weight::Plain => Look { style: Style::Regular, size: 9.0, ink: BLACK },
        Weight::Strong => Look { style: Style::Bold, size: 9.5, ink: BLACK },
    }
}

impl Tail {
    pub fn of(wording: &Wording) -> Tail {
        let total = |line: &TotalLine| {
            let look = look(line.weight);
            (Words::on_a_line(&line.label, look), Words::on_a_line(&line.value, look))
        };
        Tail {
            totals: wording.totals.iter().map(total).collect(),
            notes: wording.notes.iter().map(|note| Words::wrapped(note, NOTE, WIDTH)).collect(),
        }
    }

    pub fn height(&self) -> f32 {
        let totals: f32 = self.totals.iter().map(|(label, _)| label.height() + 2.0 * PADDING).sum();
        let notes: f32 = self.notes.iter().map(Words::height).sum();
        ABOVE + totals + if self.notes.is_empty() { 0.0 } else { ABOVE_NOTES + notes }
    }

    pub fn draw(&self, canvas: &mut Canvas<'_>, top: f32) -> Vec<TagGroup> {
        let mut top = top + ABOVE;
        let left = RIGHT - TOTALS_WIDTH;
        let mut table = TagGroup::new(Tag::Table.with_summary(Some("Totals".to_owned())));
        for (index, (label, value)) in self.totals.iter().enumerate() {
            if index > 0 {
                canvas.decoration(ArtifactType::Layout, |canvas| {
                    canvas.rectangle(left, top, TOTALS_WIDTH, HAIRLINE, LINE);
                });
            }
            let mut row = TagGroup::new(Tag::TR);
            let mut cell = TagGroup::new(Tag::TH(TableHeaderScope::Row));
            label.draw(canvas, left, top + PADDING, &mut cell);
            row.push(cell);
            let mut cell = TagGroup::new(Tag::TD);
            value.draw_to(canvas, RIGHT, top + PADDING, &mut cell);
            row.push(cell);
            table.push(row);
            top += label.height() + 2.0 * PADDING;
        }
        let mut tags = vec![table];
        top += ABOVE_NOTES;
        for note in &self.notes {
            let mut tag = TagGroup::new(Tag::P);
            note.draw(canvas, LEFT, top, &mut tag);
            tags.push(tag);
            top += note.height();
        }
        tags
    }
}
