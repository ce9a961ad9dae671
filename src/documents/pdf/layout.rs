//! Lays a document out on pages: measures first, so that the page count is known, then draws.

use std::ops::Range;

use krilla::tagging::{ArtifactType, Tag, TagGroup, TagTree};

use super::canvas::{Canvas, GREY, LINE, Pen, STAMP};
use super::head::Head;
use super::pages::{Room, paginate};
use super::table::Table;
use super::tail::Tail;
use super::text::{Line, Style};
use super::words::{Look, Words};
use super::{BOTTOM, LEFT, PAGE_HEIGHT, PAGE_WIDTH, RIGHT, TOP, WIDTH};
use crate::documents::Logo;
use crate::documents::wording::Wording;

const FOOT: Look = Look { style: Style::Regular, size: 8.0, ink: GREY };
const FOOT_TOP: f32 = PAGE_HEIGHT - 44.0;
/// The stamp's font size at most, and its length across the page at most.
const STAMP_SIZE_MAX: f32 = 150.0;
const STAMP_LENGTH_MAX: f32 = 600.0;

pub struct Layout<'a> {
    head: Head<'a>,
    table: Table,
    tail: Tail,
    /// The rows of each page.
    pages: Vec<Range<usize>>,
    foot: Words,
    stamp: Option<Line>,
}

/// The tags for screen readers, collected while the pages are drawn.
#[derive(Default)]
pub struct Tags {
    head: Vec<TagGroup>,
    headings: Option<TagGroup>,
    rows: Vec<TagGroup>,
    tail: Vec<TagGroup>,
}

impl Tags {
    pub fn into_tree(self, language: &str) -> TagTree {
        let mut tree = TagTree::new().with_lang(Some(language.to_owned()));
        self.head.into_iter().for_each(|tag| tree.push(tag));
        let mut table = TagGroup::new(Tag::Table.with_summary(Some("What was charged".to_owned())));
        if let Some(row) = self.headings {
            table.push(TagGroup::with_children(Tag::THead, vec![row.into()]));
        }
        if !self.rows.is_empty() {
            table.push(TagGroup::with_children(Tag::TBody, self.rows.into_iter().map(Into::into).collect()));
        }
        tree.push(table);
        self.tail.into_iter().for_each(|tag| tree.push(tag));
        tree
    }
}

impl<'a> Layout<'a> {
    pub fn of(wording: &Wording, logo: Option<&'a Logo>) -> Layout<'a> {
        let (head, table, tail) = (Head::of(wording, logo), Table::of(wording), Tail::of(wording));
        let next = BOTTOM - TOP - table.heading_height();
        let room = Room { first: next - head.height(), next, tail: tail.height() };
        let pages = paginate(&table.heights(), room);
        let foot = Words::on_a_line(&format!("{} · {}", wording.name, wording.headline), FOOT);
        let stamp = wording.stamp.map(|stamp| Line::of(stamp, Style::Bold));
        Layout { head, table, tail, pages, foot, stamp }
    }

    pub fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// Draws one page, and collects its tags.
    pub fn draw(&self, number: usize, canvas: &mut Canvas<'_>, tags: &mut Tags) {
        let Some(rows) = self.pages.get(number) else { return };
        let is_last = number + 1 == self.pages.len();
        self.draw_stamp(canvas);
        let mut top = TOP;
        if number == 0 {
            tags.head = self.head.draw(canvas);
            top += self.head.height();
        }
        // A first page that is full before the table begins has none of it.
        if !rows.is_empty() || is_last {
            if tags.headings.is_none() {
                tags.headings = Some(self.table.draw_headings(canvas, top));
            } else {
                self.table.repeat_headings(canvas, top);
            }
            top += self.table.heading_height();
        }
        let (end, drawn) = self.table.draw_rows(canvas, rows.clone(), top);
        tags.rows.extend(drawn);
        if is_last {
            tags.tail = self.tail.draw(canvas, end);
        }
        self.draw_foot(number, canvas);
    }

    fn draw_stamp(&self, canvas: &mut Canvas<'_>) {
        let Some(stamp) = &self.stamp else { return };
        let size = STAMP_SIZE_MAX.min(STAMP_LENGTH_MAX / stamp.width);
        let pen = Pen { size, ink: STAMP };
        canvas.decoration(ArtifactType::Watermark, |canvas| {
            canvas.text_across(stamp, PAGE_WIDTH / 2.0, PAGE_HEIGHT / 2.0, 50.0, pen);
        });
    }

    fn draw_foot(&self, number: usize, canvas: &mut Canvas<'_>) {
        let page = format!("Page {} of {}", number + 1, self.pages.len());
        canvas.decoration(ArtifactType::Footer, |canvas| {
            canvas.rectangle(LEFT, FOOT_TOP - 10.0, WIDTH, 0.6, LINE);
            self.foot.decorate(canvas, LEFT, FOOT_TOP);
            Words::on_a_line(&page, FOOT).decorate_to(canvas, RIGHT, FOOT_TOP);
        });
    }
}
