//! Streams CSV exports of transactions, charges and usage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Version};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use utoipa::IntoParams;

use super::usage::UsageQuery;
use crate::domain::access::rights::{Right, Tenant};
use crate::domain::reports::exports::file_name;
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::time::Moment;
use crate::domain::wallets::transactions::{TransactionFilter, TransactionType};
use crate::error::{self, Error};
use crate::http::edge::answer::csv::download;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::export_slots::ExportSlot;
use crate::http::edge::answer::responses::{CommonErrors, ExportErrors};
use crate::http::edge::ask::extract::{BusinessPath, Query};
use crate::http::edge::request_id::RequestId;
use crate::http::edge::who::access::Asks;
use crate::http::edge::who::auth::Read;
use crate::http::state::AppState;
use crate::services;
use crate::services::reports::exports::Export;

/// How long a client may take over a piece, some 200 kB. One that does not read at all is cut off sooner.
const PIECE_PATIENCE: Duration = Duration::from_secs(120);

/// An export that is being sent to a client.
struct Sending {
    export: Export,
    /// Read before anything was answered, so that an early error gets a problem answer as usual.
    first: Option<Vec<u8>>,
    /// When the client took the last piece.
    taken: Instant,
    request_id: Arc<str>,
    _slot: ExportSlot,
}

impl Sending {
    async fn next(&mut self) -> error::Result<Option<Vec<u8>>> {
        if self.taken.elapsed() > PIECE_PATIENCE {
            return Err(Error::Busy("the client reads too slowly"));
        }
        let piece = match self.first.take() {
            Some(first) => Some(first),
            None => self.export.next().await?,
        };
        self.taken = Instant::now();
        Ok(piece)
    }

    /// The body of the answer. Where the export fails, the connection breaks off: an incomplete file never looks
    /// complete.
    fn into_body(self) -> Body {
        Body::from_stream(stream::try_unfold(self, |mut sending| async move {
            match sending.next().await {
                Ok(piece) => Ok(piece.map(|piece| (Bytes::from(piece), sending))),
                Err(error) => {
                    let request_id = &*sending.request_id;
                    tracing::error!(request_id, cause = %error, "an export broke off");
                    Err(error)
                }
            }
        }))
    }
}

/// An export request that was authorised, with its slot.
#[derive(Debug)]
pub struct Admitted {
    tenant: Tenant,
    request_id: Arc<str>,
    slot: ExportSlot,
}

impl Asks for Admitted {
    const RIGHT: Option<Right> = BusinessPath::<Read>::RIGHT;
}

impl FromRequestParts<AppState> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Admitted, Problem> {
        let BusinessPath { tenant, .. } = BusinessPath::<Read>::from_request_parts(parts, state).await?;
        if parts.version < Version::HTTP_11 {
            // Its answers end where the connection does, so that half an export would look like a whole one.
            let detail =
                "Exports are sent by HTTP/1.1 alone; a proxy may have to be told so (nginx: proxy_http_version 1.1).";
            return Err(Problem::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "http_version_not_supported", detail));
        }
        let request_id = parts.extensions.get().map_or_else(|| "none".into(), RequestId::shared);
        let slot = state.exports.admit(tenant.sid())?;
        Ok(Admitted { tenant, request_id, slot })
    }
}

impl Admitted {
    async fn send(self, state: &AppState, what: &str, mut export: Export) -> Result<Response, Problem> {
        let Admitted { tenant, request_id, slot } = self;
        let first = export.next().await?;
        let file = file_name(what, tenant.sid(), state.billing.today());
        let sending = Sending { export, first, taken: Instant::now(), request_id, _slot: slot };
        Ok(download(&file, sending.into_body()))
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TypeQuery {
    /// Only transactions of this type.
    #[serde(rename = "type")]
    transaction_type: Option<TransactionType>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WithinQuery {
    /// Only from this day (in the billing time zone) or this instant on.
    #[param(value_type = Option<String>, example = "2026-01-01")]
    from: Option<Moment>,
    /// Only up to the end of this day, or before this instant.
    #[param(value_type = Option<String>, example = "2199-12-31")]
    to: Option<Moment>,
}

/// Export transactions
///
/// The ledger entries of a wallet as a CSV file (RFC 4180), newest first and without a limit, as of the start of the
/// export. The last seven columns are filled only for the debit of a message. If the export fails midway, the
/// connection is aborted.
#[utoipa::path(
    get,
    path = "/api/billing/transactions/{business_sid}/export.csv/",
    tag = "Transactions",
    params(
        ("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"),
        TypeQuery,
        WithinQuery,
    ),
    responses(
        (status = 200, description = "The CSV file", body = String, content_type = "text/csv"),
        CommonErrors,
        ExportErrors,
    ),
)]
pub async fn export_transactions(
    State(state): State<AppState>,
    admitted: Admitted,
    Query(TypeQuery { transaction_type }): Query<TypeQuery>,
    Query(within): Query<WithinQuery>,
) -> Result<Response, Problem> {
    let (from, until) = state.billing.rules.calendar.bounds(within.from, within.to);
    let filter = TransactionFilter { transaction_type, status: None, from, until };
    let export = services::reports::exports::transactions(&state.billing, &admitted.tenant, filter).await?;
    admitted.send(&state, "transactions", export).await
}

/// Export charges
///
/// The charged messages as a CSV file (RFC 4180), newest first and without a limit: the cost, the delivery report and
/// the refunds of each, as of the start of the export. If the export fails midway, the connection is aborted.
#[utoipa::path(
    get,
    path = "/api/billing/charges/{business_sid}/export.csv/",
    tag = "Charges",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"), WithinQuery),
    responses(
        (status = 200, description = "The CSV file", body = String, content_type = "text/csv"),
        CommonErrors,
        ExportErrors,
    ),
)]
pub async fn export_charges(
    State(state): State<AppState>,
    admitted: Admitted,
    Query(within): Query<WithinQuery>,
) -> Result<Response, Problem> {
    let (from, until) = state.billing.rules.calendar.bounds(within.from, within.to);
    let export = services::reports::exports::charges(&state.billing, &admitted.tenant, from, until).await?;
    admitted.send(&state, "charges", export).await
}

/// Export usage
///
/// The usage of a business in a period (by default this month) as a CSV file (RFC 4180): one line per day, country,
/// operator and unit price, sorted by day. If the export fails midway, the connection is aborted.
#[utoipa::path(
    get,
    path = "/api/billing/usage/{business_sid}/export.csv/",
    tag = "Usage",
    params(("business_sid" = BusinessSid, Path, description = "The business", example = "biz_test_001"), UsageQuery),
    responses(
        (status = 200, description = "The CSV file", body = String, content_type = "text/csv"),
        CommonErrors,
        ExportErrors,
    ),
)]
pub async fn export_usage(
    State(state): State<AppState>,
    admitted: Admitted,
    Query(query): Query<UsageQuery>,
) -> Result<Response, Problem> {
    let export = services::reports::exports::usage(&state.billing, &admitted.tenant, query.request()?).await?;
    admitted.send(&state, "usage", export).await
}
