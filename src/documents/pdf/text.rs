//! Shapes text: picks fonts and glyphs, measures them and breaks lines.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use krilla::text::{Font, GlyphId, KrillaGlyph};
use rustybuzz::{Direction, Face, Script, ShapePlan, UnicodeBuffer, script};

/// Shown for a letter that no font here has. The text behind it stays as it is, for copying.
const MISSING: char = '\u{fffd}';

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Regular,
    Bold,
}

/// The scripts that the fonts have rules for; any other is shaped like Latin.
const SCRIPTS: [Script; 4] = [script::LATIN, script::GREEK, script::CYRILLIC, script::ETHIOPIC];

/// A font, twice: to shape with and to embed.
struct Typeface {
    face: Face<'static>,
    font: Font,
    /// Shaping plans by script, kept because finding one takes longer than using it.
    plans: [OnceLock<ShapePlan>; SCRIPTS.len()],
}

impl Typeface {
    fn load(bytes: &'static [u8]) -> Option<Typeface> {
        let (face, font) = (Face::from_slice(bytes, 0)?, Font::new(bytes.into(), 0)?);
        Some(Typeface { face, font, plans: Default::default() })
    }

    fn has(&self, letter: char) -> bool {
        self.face.glyph_index(letter).is_some()
    }
}

/// Latin, Greek and Cyrillic first, Ethiopic for what they lack.
type Family = [Typeface; 2];

struct Fonts {
    regular: Family,
    bold: Family,
}

static FONTS: LazyLock<Option<Fonts>> = LazyLock::new(|| {
    let load = Typeface::load;
    Some(Fonts {
        regular: [
            load(include_bytes!("../fonts/NotoSans-Regular.ttf"))?,
            load(include_bytes!("../fonts/NotoSansEthiopic-Regular.ttf"))?,
        ],
        bold: [
            load(include_bytes!("../fonts/NotoSans-Bold.ttf"))?,
            load(include_bytes!("../fonts/NotoSansEthiopic-Bold.ttf"))?,
        ],
    })
});

/// Whether the embedded fonts can be read; without them nothing is drawn.
pub fn has_fonts() -> bool {
    FONTS.is_some()
}

fn family(style: Style) -> &'static [Typeface] {
    match (FONTS.as_ref(), style) {
        (Some(fonts), Style::Regular) => &fonts.regular,
        (Some(fonts), Style::Bold) => &fonts.bold,
        (None, _) => &[],
    }
}

/// A piece of a line in one font. Lengths are in units of the font size.
#[derive(Clone, Debug)]
pub struct Run {
    pub font: Font,
    pub text: String,
    pub glyphs: Vec<KrillaGlyph>,
    pub width: f32,
}

/// A line of text, shaped.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub runs: Vec<Run>,
    /// In units of the font size.
    pub width: f32,
}

impl Line {
    pub fn of(text: &str, style: Style) -> Line {
        let runs: Vec<Run> = runs(text, style).map(|(typeface, part)| shape(typeface, part)).collect();
        let width = runs.iter().map(|run| run.width).sum();
        Line { runs, width }
    }
}

/// Breaks a text into lines no wider than `width` points. It breaks after blanks, hyphens, slashes and Ethiopic word
/// spaces; a word wider than a line is broken within, but never between a letter and its marks.
pub fn wrap(text: &str, style: Style, size: f32, width: f32) -> Vec<Line> {
    let limit = width / size;
    let mut lines = Vec::new();
    let (mut start, mut end, mut used) = (0, 0, 0.0);
    for word in words(text) {
        // A blank at the end of a line takes no room.
        let bare = Line::of(text[word.clone()].trim_end(), style).width;
        if used + bare > limit && start < end {
            lines.push(&text[start..end]);
            (start, used) = (word.start, 0.0);
        }
        if bare > limit {
            let (broken, rest) = break_word(text, word.clone(), style, limit);
            lines.extend(broken.into_iter().map(|part| &text[part]));
            (start, used) = (rest, 0.0);
        }
        used += Line::of(&text[start.max(word.start)..word.end], style).width;
        end = word.end;
    }
    lines.push(&text[start..end]);
    lines.into_iter().map(|line| Line::of(line.trim_end(), style)).collect()
}

/// Words with the blanks behind them.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = 0;
    for (index, letter) in text.char_indices() {
        let next = index + letter.len_utf8();
        let is_break = matches!(letter, ' ' | '-' | '/' | '\u{1361}' | '\u{1362}');
        if is_break && !text[next..].starts_with(' ') {
            words.push(start..next);
            start = next;
        }
    }
    words.push(start..text.len());
    words
}

/// The full lines of a word that is wider than one, and where the rest of it begins.
fn break_word(text: &str, word: Range<usize>, style: Style, limit: f32) -> (Vec<Range<usize>>, usize) {
    let (mut lines, mut start, mut used) = (Vec::new(), word.start, 0.0);
    let mut offset = word.start;
    for run in Line::of(&text[word], style).runs {
        for glyph in &run.glyphs {
            let at = offset + glyph.text_range.start;
            if used + glyph.x_advance > limit && at > start {
                lines.push(start..at);
                (start, used) = (at, 0.0);
            }
            used += glyph.x_advance;
        }
        offset += run.text.len();
    }
    (lines, start)
}

/// A text cut where the font changes.
fn runs(text: &str, style: Style) -> impl Iterator<Item = (&'static Typeface, &str)> {
    let fonts = family(style);
    let font_of = move |letter: char| fonts.iter().position(|typeface| typeface.has(letter)).unwrap_or(0);
    let mut rest = text;
    std::iter::from_fn(move || {
        let font = font_of(rest.chars().next()?);
        let end = rest.char_indices().find(|(_, letter)| font_of(*letter) != font).map_or(rest.len(), |(at, _)| at);
        let (part, after) = rest.split_at(end);
        rest = after;
        Some((fonts.get(font)?, part))
    })
}

fn shape(typeface: &Typeface, text: &str) -> Run {
    let mut buffer = UnicodeBuffer::new();
    for (index, letter) in text.char_indices() {
        let shown = if typeface.has(letter) { letter } else { MISSING };
        buffer.add(shown, u32::try_from(index).unwrap_or(u32::MAX));
    }
    buffer.guess_segment_properties();
    // The fonts here have no script that runs the other way.
    buffer.set_direction(Direction::LeftToRight);
    let index = SCRIPTS.iter().position(|script| *script == buffer.script()).unwrap_or(0);
    buffer.set_script(SCRIPTS[index]);
    let plan = typeface.plans[index]
        .get_or_init(|| ShapePlan::new(&typeface.face, Direction::LeftToRight, Some(SCRIPTS[index]), None, &[]));
    let shaped = rustybuzz::shape_with_plan(&typeface.face, plan, buffer);
    let em = typeface.font.units_per_em();
    let infos = shaped.glyph_infos();
    let mut glyphs = Vec::with_capacity(infos.len());
    for (index, (info, position)) in infos.iter().zip(shaped.glyph_positions()).enumerate() {
        let next = infos[index..].iter().map(|later| later.cluster).find(|cluster| *cluster != info.cluster);
        let range = info.cluster as usize..next.map_or(text.len(), |cluster| cluster as usize);
        let length = |units: i32| units as f32 / em;
        glyphs.push(KrillaGlyph::new(
            GlyphId::new(info.glyph_id),
            length(position.x_advance),
            length(position.x_offset),
            length(position.y_offset),
            length(position.y_advance),
            range,
            None,
        ));
    }
    let width = glyphs.iter().map(|glyph| glyph.x_advance).sum();
    Run { font: typeface.font.clone(), text: text.to_owned(), glyphs, width }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn wrapped(text: &str, width: f32) -> Vec<String> {
        let text_of = |line: &Line| line.runs.iter().map(|run| run.text.as_str()).collect();
        wrap(text, Style::Regular, 10.0, width).iter().map(text_of).collect()
    }

    #[rstest]
    #[case("", &[""])]
    #[case("one two three four", &["one two", "three four"])]
    #[case("half-way and-so-on", &["half-way", "and-so-on"])]
    #[case("incomprehensibilities", &["incompreh", "ensibilities"])]
    #[case("an incomprehensibilities", &["an", "incompreh", "ensibilities"])]
    #[case("ሰላም፡ለዓለም፡ሁሉ", &["ሰላም፡", "ለዓለም፡ሁሉ"])]
    fn lines_end_where_they_may(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(wrapped(text, 52.0), expected);
    }

    #[test]
    fn no_line_is_wider_than_it_may_be() {
        let text =
            "Ελληνικά αβγδεζηθικλμνξοπρστυφχψω, Русский текст ЁЖЩ, አማርኛ ጽሑፍ፡ይህ, mixed-Text/1234567890 e\u{301}e\u{301}";
        for width in 12_u16..200 {
            let width = f32::from(width);
            let lines = wrap(text, Style::Bold, 10.0, width);
            assert!(lines.iter().all(|line| line.width * 10.0 <= width + 0.5), "{width}");
            let joined: String = wrapped(text, width).concat();
            assert_eq!(joined.replace(' ', ""), text.replace(' ', ""), "nothing is lost at {width}");
        }
    }

    /// Each letter comes from a font that has it.
    #[rstest]
    #[case("Ärzte Łódź Ngũgĩ Ɛsɔ", 1)]
    #[case("Ελλάδα", 1)]
    #[case("Україна", 1)]
    #[case("ኢትዮ ቴሌኮም", 3)] // the blank is Latin's
    #[case("Ethio ቴሌኮም Ltd", 3)]
    fn scripts(#[case] text: &str, #[case] runs: usize) {
        for style in [Style::Regular, Style::Bold] {
            let line = Line::of(text, style);
            assert_eq!(line.runs.len(), runs, "{text}");
            for run in &line.runs {
                assert!(run.glyphs.iter().all(|glyph| glyph.glyph_id.to_u32() != 0), "{text}");
            }
        }
    }

    /// What no font has is shown as missing, and its text is kept.
    #[test]
    fn unknown_scripts() {
        let line = Line::of("東京", Style::Regular);
        assert_eq!(line.runs[0].text, "東京");
        assert!(line.runs[0].glyphs.iter().all(|glyph| glyph.glyph_id.to_u32() != 0));
    }

    #[test]
    fn digits_are_equally_wide() {
        let width = |text: &str| Line::of(text, Style::Regular).width;
        assert!("0123456789".chars().all(|digit| width(&digit.to_string()) == width("0")));
        assert!((width("1,111.10") - width("9,876.54")).abs() < 0.001, "no kerning between them");
    }
}
