//! Shows an invoice by its SID: as JSON, HTML or PDF.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::invoices::InvoiceBody;
use crate::documents::{InvoiceDocument, Logo, html, pdf};
use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::http::edge::answer::error::{Problem, ProblemBody};
use crate::http::edge::ask::accept;
use crate::http::edge::ask::extract::{Json, OwnPath};
use crate::http::edge::who::auth::Read;
use crate::http::openapi::{CommonErrors, Missing, TenantForbidden};
use crate::http::state::AppState;
use crate::services;
use crate::services::invoices::OwnInvoice;

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const PDF: &str = "application/pdf";

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

    fn html(&self, own: OwnInvoice) -> Response {
        let document = self.document(own);
        let page = html::html(&document);
        let policy = [(header::CONTENT_SECURITY_POLICY, POLICY.clone())];
        (policy, inline("text/html; charset=utf-8", &document, "html"), page).into_response()
    }

    async fn pdf(&self, own: OwnInvoice) -> Result<Response, Problem> {
        let document = self.document(own);
        let headers = inline(PDF, &document, "pdf");
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

/// How the form asked for can be none that there is.
#[derive(Debug, utoipa::IntoResponses)]
#[allow(dead_code, reason = "a description, never a value")]
pub enum FormErrors<'a> {
    /// The `Accept` header allows none of the available formats.
    #[response(status = 406, content_type = "application/problem+json")]
    NotAcceptable(ProblemBody<'a>),
}

/// Get an invoice
///
/// Returns JSON, HTML or PDF, depending on the `Accept` header: JSON unless it prefers `text/html` or
/// `application/pdf`. The lines of a draft are computed on each request; those of a closed month are frozen.
#[utoipa::path(
    get,
    path = "/api/billing/invoices/{business_sid}/{invoice_sid}/",
    tag = "Invoices",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("invoice_sid" = InvoiceSid, Path, description = "The invoice"),
    ),
    responses(
        (status = 200, description = "The invoice", content(
            (InvoiceBody = "application/json"),
            (String = "text/html"),
            (Vec<u8> = "application/pdf"),
        )),
        CommonErrors,
        TenantForbidden,
        Missing,
        FormErrors,
    ),
)]
pub async fn show_own_invoice(
    State(state): State<AppState>,
    OwnPath { tenant, sid: invoice, .. }: OwnPath<Read, InvoiceSid>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = accept::best(&headers, &[JSON, HTML, PDF])?;
    let own = services::invoices::find_own(&state.billing, &tenant, invoice).await?;
    let mut response = match form {
        HTML => state.documents.html(own),
        PDF => state.documents.pdf(own).await?,
        _ => Json(InvoiceBody::from(own.invoice)).into_response(),
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Get an invoice as HTML
///
/// A self-contained page to read on any screen and to print.
#[utoipa::path(
    get,
    path = "/api/billing/invoices/{business_sid}/{invoice_sid}/html/",
    tag = "Invoices",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("invoice_sid" = InvoiceSid, Path, description = "The invoice"),
    ),
    responses(
        (status = 200, description = "The HTML page", body = String, content_type = "text/html"),
        CommonErrors,
        TenantForbidden,
        Missing,
    ),
)]
pub async fn show_invoice_as_html(
    State(state): State<AppState>,
    OwnPath { tenant, sid: invoice, .. }: OwnPath<Read, InvoiceSid>,
) -> Result<Response, Problem> {
    let own = services::invoices::find_own(&state.billing, &tenant, invoice).await?;
    Ok(state.documents.html(own))
}

/// Get an invoice as PDF
///
/// A4 with embedded fonts, suitable for archiving (PDF/A-2a) and for screen readers (PDF/UA-1). The same invoice always
/// gives the same bytes.
#[utoipa::path(
    get,
    path = "/api/billing/invoices/{business_sid}/{invoice_sid}/pdf/",
    tag = "Invoices",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        ("invoice_sid" = InvoiceSid, Path, description = "The invoice"),
    ),
    responses(
        (status = 200, description = "The PDF document", body = Vec<u8>, content_type = "application/pdf"),
        CommonErrors,
        TenantForbidden,
        Missing,
    ),
)]
pub async fn show_invoice_as_pdf(
    State(state): State<AppState>,
    OwnPath { tenant, sid: invoice, .. }: OwnPath<Read, InvoiceSid>,
) -> Result<Response, Problem> {
    let own = services::invoices::find_own(&state.billing, &tenant, invoice).await?;
    state.documents.pdf(own).await
}
