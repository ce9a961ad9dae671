//! Draws text, rules and pictures on a page, tagged as content for screen readers or as decoration.

use krilla::Data;
use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::num::NormalizedF32;
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Identifier, SpanTag};

use super::text::Line;
use crate::documents::Logo;

/// A colour: a shade of grey with a touch of blue.
#[derive(Clone, Copy, Debug)]
pub struct Ink(u8, u8, u8);

pub const BLACK: Ink = Ink(0x1a, 0x1f, 0x2e);
pub const GREY: Ink = Ink(0x62, 0x6b, 0x7c);
pub const LINE: Ink = Ink(0xe1, 0xe5, 0xeb);
pub const WASH: Ink = Ink(0xf5, 0xf6, 0xf9);
pub const STAMP: Ink = Ink(0xee, 0xf0, 0xf4);

/// The size and colour to draw a text in.
#[derive(Clone, Copy, Debug)]
pub struct Pen {
    pub size: f32,
    pub ink: Ink,
}

pub struct Canvas<'a> {
    surface: Surface<'a>,
}

impl<'a> Canvas<'a> {
    pub fn new(surface: Surface<'a>) -> Canvas<'a> {
        Canvas { surface }
    }

    pub fn finish(self) {
        self.surface.finish();
    }

    /// Draws content that screen readers read; the identifier places it in the reading order.
    pub fn content(&mut self, draw: impl FnOnce(&mut Canvas<'a>)) -> Identifier {
        let identifier = self.surface.start_tagged(ContentTag::Span(SpanTag::empty()));
        draw(self);
        self.surface.end_tagged();
        identifier
    }

    /// Draws decoration that screen readers skip: rules, page numbers, repetitions.
    pub fn decoration(&mut self, kind: ArtifactType, draw: impl FnOnce(&mut Canvas<'a>)) {
        self.surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(kind)));
        draw(self);
        self.surface.end_tagged();
    }

    /// Draws a line of text that begins at `x`, on the baseline `y`.
    pub fn text(&mut self, line: &Line, mut x: f32, y: f32, Pen { size, ink }: Pen) {
        self.fill(ink);
        for run in &line.runs {
            self.surface.draw_glyphs(Point::from_xy(x, y), &run.glyphs, run.font.clone(), &run.text, size, false);
            x += run.width * size;
        }
    }

    /// Draws a line of text across a middle point, rising to the right.
    pub fn text_across(&mut self, line: &Line, x: f32, y: f32, degrees: f32, pen: Pen) {
        self.surface.push_transform(&Transform::from_rotate_at(-degrees, x, y));
        // Capitals are about 0.7 of the size high.
        self.text(line, x - line.width * pen.size / 2.0, y + pen.size * 0.35, pen);
        self.surface.pop();
    }

    pub fn rectangle(&mut self, x: f32, y: f32, width: f32, height: f32, ink: Ink) {
        let mut path = PathBuilder::new();
        if let Some(rectangle) = Rect::from_xywh(x, y, width, height) {
            path.push_rect(rectangle);
        }
        if let Some(path) = path.finish() {
            self.fill(ink);
            self.surface.draw_path(&path);
        }
    }

    pub fn picture(&mut self, logo: &Logo, x: f32, y: f32, (width, height): (f32, f32)) {
        if let (Ok(image), Some(size)) = (image(logo), Size::from_wh(width, height)) {
            self.surface.push_transform(&Transform::from_translate(x, y));
            self.surface.draw_image(image, size);
            self.surface.pop();
        }
    }

    fn fill(&mut self, Ink(red, green, blue): Ink) {
        let paint = rgb::Color::new(red, green, blue).into();
        self.surface.set_fill(Some(Fill { paint, opacity: NormalizedF32::ONE, rule: FillRule::NonZero }));
    }
}

/// Decodes the logo for a PDF.
///
/// # Errors
/// A sentence of the decoder's.
pub fn image(logo: &Logo) -> Result<Image, String> {
    // PDF/A forbids that a viewer smooths it.
    Image::from_png(Data::from(logo.png().to_vec()), false)
}
