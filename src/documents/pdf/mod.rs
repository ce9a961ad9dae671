//! Renders a document as PDF: A4, PDF/A-2a for archives, PDF/UA-1 for screen readers.

mod canvas;
mod head;
mod layout;
mod pages;
mod table;
mod tail;
mod text;
mod words;

use krilla::configure::{Accessibility, Archival, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::Point;
use krilla::metadata::{DateTime, Metadata};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::{Document, SerializeSettings};

use super::wording::Wording;
use super::{InvoiceDocument, Logo};
use crate::domain::values::time::Timestamp;
use canvas::Canvas;
use layout::{Layout, Tags};

/// Why there is no PDF. The invoice is never the cause.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    #[error("the fonts in this program cannot be read")]
    Fonts,
    #[error("the PDF could not be made: {0}")]
    Writing(String),
}

/// The document's language: its own words are English, whatever the names are.
const LANGUAGE: &str = "en";

/// A4 in points; everything below is in points too.
const PAGE_WIDTH: f32 = 595.28;
const PAGE_HEIGHT: f32 = 841.89;
const LEFT: f32 = 54.0;
const RIGHT: f32 = PAGE_WIDTH - LEFT;
const WIDTH: f32 = RIGHT - LEFT;
const TOP: f32 = 52.0;
/// The foot of the page stands below it.
const BOTTOM: f32 = PAGE_HEIGHT - 66.0;

/// The document as PDF; the same bytes for equal documents.
///
/// # Errors
/// [`PdfError`], which the user cannot mend: it is for the log.
pub fn pdf(document: &InvoiceDocument) -> Result<Vec<u8>, PdfError> {
    write(&Wording::of(document), document.logo.as_ref(), document.updated_at)
}

/// Checks that a logo can be put into a PDF.
///
/// # Errors
/// A sentence on what is wrong with it.
pub fn check_logo(logo: &Logo) -> Result<(), String> {
    canvas::image(logo)?;
    // The pixels are read, and the profile of their colours is judged, when a PDF is written.
    write(&Wording::blank(), Some(logo), Timestamp::from_micros(0)).map(|_| ()).map_err(|error| error.to_string())
}

fn write(wording: &Wording, logo: Option<&Logo>, updated_at: Timestamp) -> Result<Vec<u8>, PdfError> {
    if !text::has_fonts() {
        return Err(PdfError::Fonts);
    }
    let layout = Layout::of(wording, logo);
    let mut pdf = Document::new_with(settings()?);
    pdf.set_metadata(metadata(wording, updated_at));
    let mut tags = Tags::default();
    for number in 0..layout.page_count() {
        let mut page = pdf.start_page_with(page_settings()?);
        let mut canvas = Canvas::new(page.surface());
        layout.draw(number, &mut canvas, &mut tags);
        canvas.finish();
        page.finish();
    }
    let mut outline = Outline::new();
    outline.push_child(OutlineNode::new(wording.full_title(), XyzDestination::new(0, Point::from_xy(0.0, 0.0))));
    pdf.set_outline(outline);
    pdf.set_tag_tree(tags.into_tree(LANGUAGE));
    pdf.finish().map_err(|error| PdfError::Writing(format!("{error:?}")))
}

fn settings() -> Result<SerializeSettings, PdfError> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_A)
        .with_accessibility_validator(Accessibility::UA1)
        .finish();
    let configuration = configuration.map_err(|error| PdfError::Writing(format!("{error:?}")))?;
    Ok(SerializeSettings { configuration, ..SerializeSettings::default() })
}

fn page_settings() -> Result<PageSettings, PdfError> {
    PageSettings::from_wh(PAGE_WIDTH, PAGE_HEIGHT).ok_or_else(|| PdfError::Writing("no page".to_owned()))
}

fn metadata(wording: &Wording, updated_at: Timestamp) -> Metadata {
    let metadata = Metadata::new()
        .title(wording.full_title())
        .description(format!("{} for {}", wording.full_title(), wording.buyer.name))
        .creator("wecall-billing".to_owned())
        .language(LANGUAGE.to_owned())
        .creation_date(date_time(updated_at));
    match &wording.seller {
        Some(seller) => metadata.authors(vec![seller.name.clone()]),
        None => metadata,
    }
}

fn date_time(at: Timestamp) -> DateTime {
    use chrono::{DateTime as ChronoTime, Datelike, Timelike, Utc};
    let at = ChronoTime::<Utc>::from_timestamp_micros(at.micros()).unwrap_or_default();
    let small = |number: u32| u8::try_from(number).unwrap_or(0);
    DateTime::new(u16::try_from(at.year()).unwrap_or(0))
        .month(small(at.month()))
        .day(small(at.day()))
        .hour(small(at.hour()))
        .minute(small(at.minute()))
        .second(small(at.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

#[cfg(test)]
mod tests;
