//! Draws the head of the first page: logo, title, parties, facts and amount.

use std::num::NonZeroU16;

use krilla::tagging::{ArtifactType, BBox, Tag, TagGroup};

use super::canvas::{BLACK, Canvas, GREY, WASH};
use super::text::Style;
use super::words::{Look, Words};
use super::{LEFT, RIGHT, TOP, WIDTH};
use crate::documents::Logo;
use crate::documents::wording::{PartyWords, Wording};

const TITLE: Look = Look { style: Style::Bold, size: 22.0, ink: BLACK };
const HEADLINE: Look = Look { style: Style::Bold, size: 16.0, ink: BLACK };
const LABEL: Look = Look { style: Style::Regular, size: 9.0, ink: GREY };
const VALUE: Look = Look { style: Style::Regular, size: 9.0, ink: BLACK };
const STRONG: Look = Look { style: Style::Bold, size: 9.0, ink: BLACK };
const BRAND: Look = Look { style: Style::Bold, size: 11.0, ink: GREY };

const LOGO_WIDTH: f32 = 150.0;
const LOGO_HEIGHT: f32 = 46.0;
/// Where the values of the facts begin, in points from the left margin.
const FACTS_INDENT: f32 = 104.0;
const GUTTER: f32 = 24.0;
const PARTY_WIDTH: f32 = (WIDTH - GUTTER) / 2.0;
const NOTICE_PADDING: f32 = 10.0;

pub struct Head<'a> {
    title: Words,
    title_text: &'static str,
    logo: Option<(&'a Logo, String)>,
    /// The seller's name in place of a logo, if it is short.
    brand: Option<Words>,
    notice: Option<Words>,
    facts: Vec<(Words, Words)>,
    parties: Vec<PartyBlock>,
    headline: Words,
    headline_text: String,
}

struct PartyBlock {
    label: Words,
    name: Words,
    lines: Vec<Words>,
}

impl PartyBlock {
    fn of(party: &PartyWords) -> PartyBlock {
        PartyBlock {
            label: Words::on_a_line(party.label, LABEL),
            name: Words::wrapped(&party.name, STRONG, PARTY_WIDTH),
            lines: party.lines.iter().map(|line| Words::wrapped(line, VALUE, PARTY_WIDTH)).collect(),
        }
    }

    fn height(&self) -> f32 {
        self.label.height() + 3.0 + self.name.height() + self.lines.iter().map(Words::height).sum::<f32>()
    }

    fn draw(&self, canvas: &mut Canvas<'_>, x: f32, mut top: f32) -> TagGroup {
        let mut section = TagGroup::new(Tag::Section);
        let mut paragraph = |words: &Words, top: f32| {
            let mut tag = TagGroup::new(Tag::P);
            words.draw(canvas, x, top, &mut tag);
            section.push(tag);
        };
        paragraph(&self.label, top);
        top += self.label.height() + 3.0;
        for words in std::iter::once(&self.name).chain(&self.lines) {
            paragraph(words, top);
            top += words.height();
        }
        section
    }
}

impl<'a> Head<'a> {
    pub fn of(wording: &Wording, logo: Option<&'a Logo>) -> Head<'a> {
        let seller = wording.seller.as_ref();
        let brand = seller.filter(|_| logo.is_none()).map(|seller| Words::on_a_line(&seller.name, BRAND));
        let fact_width = WIDTH - FACTS_INDENT;
        let alternative = seller.map_or_else(|| "Logo".to_owned(), |seller| format!("Logo of {}", seller.name));
        Head {
            title: Words::on_a_line(wording.title, TITLE),
            title_text: wording.title,
            logo: logo.map(|logo| (logo, alternative)),
            brand: brand.filter(|brand| brand.width() < WIDTH - 200.0),
            notice: wording.notice.map(|notice| Words::wrapped(notice, VALUE, WIDTH - 2.0 * NOTICE_PADDING)),
            facts: wording
                .facts
                .iter()
                .map(|fact| (Words::on_a_line(fact.label, LABEL), Words::wrapped(&fact.value, VALUE, fact_width)))
                .collect(),
            parties: wording.seller.iter().chain([&wording.buyer]).map(PartyBlock::of).collect(),
            headline: Words::wrapped(&wording.headline, HEADLINE, WIDTH),
            headline_text: wording.headline.clone(),
        }
    }

    pub fn height(&self) -> f32 {
        let notice = self.notice.as_ref().map_or(0.0, |notice| notice.height() + 2.0 * NOTICE_PADDING + 16.0);
        let facts: f32 = self.facts.iter().map(|(_, value)| value.height() + 3.0).sum();
        let parties = self.parties.iter().map(PartyBlock::height).fold(0.0, f32::max);
        LOGO_HEIGHT + 18.0 + notice + facts + 24.0 + parties + 28.0 + self.headline.height() + 14.0
    }

    /// Draws the head at the top of a page; returns the tags in reading order.
    pub fn draw(&self, canvas: &mut Canvas<'_>) -> Vec<TagGroup> {
        let mut tags = vec![self.draw_title(canvas)];
        tags.extend(self.draw_logo(canvas));
        let mut top = TOP + LOGO_HEIGHT + 18.0;
        if let Some(notice) = &self.notice {
            let height = notice.height() + 2.0 * NOTICE_PADDING;
            canvas.decoration(ArtifactType::Layout, |canvas| canvas.rectangle(LEFT, top, WIDTH, height, WASH));
            let mut tag = TagGroup::new(Tag::P);
            notice.draw(canvas, LEFT + NOTICE_PADDING, top + NOTICE_PADDING, &mut tag);
            tags.push(tag);
            top += height + 16.0;
        }
        for (label, value) in &self.facts {
            let mut tag = TagGroup::new(Tag::P);
            label.draw(canvas, LEFT, top, &mut tag);
            value.draw(canvas, LEFT + FACTS_INDENT, top, &mut tag);
            tags.push(tag);
            top += value.height() + 3.0;
        }
        top += 24.0;
        for (index, party) in self.parties.iter().enumerate() {
            tags.push(party.draw(canvas, LEFT + index as f32 * (PARTY_WIDTH + GUTTER), top));
        }
        top += self.parties.iter().map(PartyBlock::height).fold(0.0, f32::max) + 28.0;
        let mut tag = heading(2, &self.headline_text);
        self.headline.draw(canvas, LEFT, top, &mut tag);
        tags.push(tag);
        tags
    }

    fn draw_title(&self, canvas: &mut Canvas<'_>) -> TagGroup {
        let mut tag = heading(1, self.title_text);
        self.title.draw(canvas, LEFT, TOP, &mut tag);
        tag
    }

    fn draw_logo(&self, canvas: &mut Canvas<'_>) -> Option<TagGroup> {
        if let Some(brand) = &self.brand {
            // It is said again below, with the address.
            let top = TOP + (self.title.height() - brand.height()) / 2.0;
            canvas.decoration(ArtifactType::Layout, |canvas| brand.decorate_to(canvas, RIGHT, top));
        }
        let (logo, alternative) = self.logo.as_ref()?;
        let size = logo.size_within(LOGO_WIDTH, LOGO_HEIGHT);
        let left = RIGHT - size.0;
        let identifier = canvas.content(|canvas| canvas.picture(logo, left, TOP, size));
        let bounds = krilla::geom::Rect::from_xywh(left, TOP, size.0, size.1).map(|rectangle| BBox::new(0, rectangle));
        let mut figure = TagGroup::new(Tag::Figure(Some(alternative.clone())).with_bbox(bounds));
        figure.push(identifier);
        Some(figure)
    }
}

fn heading(level: u16, text: &str) -> TagGroup {
    TagGroup::new(Tag::Hn(NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN), Some(text.to_owned())))
}
