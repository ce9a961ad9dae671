//! Answers with invoices as HTML and PDF, a few PDFs at a time.

use std::sync::{Arc, LazyLock};

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::error::Problem;
use crate::documents::{InvoiceDocument, Logo, html, pdf};
use crate::services::invoices::OwnInvoice;

/// How many PDFs are drawn at a time: they take a processor, and charges need one too.
const PDFS_AT_ONCE: usize = 2;

/// The logo and the limit that documents are drawn with.
#[derive(Debug)]
pub struct Documents {
    /// The platform's own: clients of a reseller are billed under that reseller's name.
    logo: Option<Logo>,
    pdf_turns: Arc<Semaphore>,
}

impl Documents {
    pub fn new(logo: Option<Logo>) -> Documents {
        Documents { logo, pdf_turns: Arc::new(Semaphore::new(PDFS_AT_ONCE)) }
    }

    /// The document of an invoice.
    fn document(&self, own: OwnInvoice) -> InvoiceDocument {
        let OwnInvoice { invoice, buyer, seller, is_platforms, credited } = own;
        let logo = self.logo.clone().filter(|_| is_platforms);
        InvoiceDocument::of(invoice, (seller, buyer), credited.as_ref(), logo)
    }

    /// The answer with an invoice as a page, with a policy that lets it show its own styles alone.
    pub fn html(&self, own: OwnInvoice) -> Response {
        let document = self.document(own);
        let page = html::html(&document);
        let policy = [(header::CONTENT_SECURITY_POLICY, POLICY.clone())];
        (policy, inline("text/html; charset=utf-8", &document, "html"), page).into_response()
    }

    /// The answer with an invoice as a PDF, drawn when it is its turn.
    ///
    /// # Errors
    /// 500 where it cannot be drawn.
    pub async fn pdf(&self, own: OwnInvoice) -> Result<Response, Problem> {
        let document = self.document(own);
        let headers = inline("application/pdf", &document, "pdf");
        let turn = self.pdf_turns.clone().acquire_owned().await;
        let turn = turn.map_err(|error| Problem::internal(format!("no turn to make a PDF: {error}")))?;
        let made = tokio::task::spawn_blocking(move || {
            let made = pdf::pdf(&document);
            // The work goes on when its caller has gone, and keeps its place until it ends.
            drop(turn);
            made
        });
        let made = made.await.map_err(|error| Problem::internal(format!("a PDF was not made: {error}")))?;
        let bytes = made.map_err(|error| Problem::internal(format!("a PDF was not made: {error}")))?;
        Ok((headers, bytes).into_response())
    }
}

/// Lets a page show its own styles, fonts and logo, and nothing else, whatever it contains.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = |style: &str| format!(" 'sha256-{}'", BASE64.encode(Sha256::digest(style)));
    let styles: String = html::styles().map(hash).concat();
    let policy = format!(
        "default-src 'none'; style-src{styles}; img-src data:; font-src data:; frame-ancestors 'none'; \
         base-uri 'none'; form-action 'none'"
    );
    // Base64 and the words above are always a header's value; without them the page would only look plain.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The headers of a document that browsers show, and save under a telling name.
fn inline(media_type: &'static str, document: &InvoiceDocument, ending: &str) -> [(HeaderName, HeaderValue); 2] {
    let disposition = format!("inline; filename=\"{}.{ending}\"", document.file_name());
    let disposition = HeaderValue::from_str(&disposition).unwrap_or(HeaderValue::from_static("inline"));
    [(header::CONTENT_TYPE, HeaderValue::from_static(media_type)), (header::CONTENT_DISPOSITION, disposition)]
}
