//! Draws a wrapped text in a column.

use krilla::tagging::TagGroup;

use super::canvas::{Canvas, Ink, Pen};
use super::text::{Line, Style, wrap};

/// The line height, in units of the font size.
const LEADING: f32 = 1.45;

/// The style, size and colour of a text.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub style: Style,
    pub size: f32,
    pub ink: Ink,
}

#[derive(Clone, Debug)]
pub struct Words {
    lines: Vec<Line>,
    look: Look,
}

impl Words {
    /// A text wrapped to lines no wider than `width` points.
    pub fn wrapped(text: &str, look: Look, width: f32) -> Words {
        Words { lines: wrap(text, look.style, look.size, width), look }
    }

    /// A text on one line, however wide.
    pub fn on_a_line(text: &str, look: Look) -> Words {
        Words { lines: vec![Line::of(text, look.style)], look }
    }

    pub fn height(&self) -> f32 {
        self.lines.len() as f32 * self.leading()
    }

    /// The width of its widest line.
    pub fn width(&self) -> f32 {
        self.lines.iter().map(|line| line.width * self.look.size).fold(0.0, f32::max)
    }

    fn leading(&self) -> f32 {
        self.look.size * LEADING
    }

    /// Draws it from a top left corner, as content of a tag.
    pub fn draw(&self, canvas: &mut Canvas<'_>, x: f32, top: f32, tag: &mut TagGroup) {
        for index in 0..self.lines.len() {
            let identifier = canvas.content(|canvas| self.draw_line(canvas, index, x, top));
            tag.push(identifier);
        }
    }

    /// Draws it up to a top right corner, as content of a tag.
    pub fn draw_to(&self, canvas: &mut Canvas<'_>, right: f32, top: f32, tag: &mut TagGroup) {
        for (index, line) in self.lines.iter().enumerate() {
            let x = right - line.width * self.look.size;
            let identifier = canvas.content(|canvas| self.draw_line(canvas, index, x, top));
            tag.push(identifier);
        }
    }

    /// Draws it from a top left corner, as part of a decoration.
    pub fn decorate(&self, canvas: &mut Canvas<'_>, x: f32, top: f32) {
        (0..self.lines.len()).for_each(|index| self.draw_line(canvas, index, x, top));
    }

    /// Draws it up to a top right corner, as part of a decoration.
    pub fn decorate_to(&self, canvas: &mut Canvas<'_>, right: f32, top: f32) {
        for (index, line) in self.lines.iter().enumerate() {
            self.draw_line(canvas, index, right - line.width * self.look.size, top);
        }
    }

    fn draw_line(&self, canvas: &mut Canvas<'_>, index: usize, x: f32, top: f32) {
        let Some(line) = self.lines.get(index) else { return };
        // Capitals, about 0.7 of the size high, stand in the middle between two lines.
        let baseline = top + self.leading() * (index as f32 + 0.5) + self.look.size * 0.36;
        canvas.text(line, x, baseline, Pen { size: self.look.size, ink: self.look.ink });
    }
}
