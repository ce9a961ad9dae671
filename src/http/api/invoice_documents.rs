//! Shows an invoice by its SID: as JSON, HTML or PDF.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::domain::values::sid::{BusinessSid, InvoiceSid};
use crate::http::bodies::invoices::InvoiceBody;
use crate::http::edge::answer::error::{Problem, ProblemBody};
use crate::http::edge::answer::responses::{CommonErrors, Missing, TenantForbidden};
use crate::http::edge::ask::accept;
use crate::http::edge::ask::extract::{Json, OwnPath};
use crate::http::edge::who::auth::Read;
use crate::http::state::AppState;
use crate::services;

const JSON: &str = "application/json";
const HTML: &str = "text/html";
const PDF: &str = "application/pdf";

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
