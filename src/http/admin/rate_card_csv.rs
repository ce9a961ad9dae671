//! Exports and imports rate cards as CSV.

use axum::extract::State;
use axum::response::Response;
use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;

use super::changes::{ImportQuery, RefusedLineBody};
use super::rate_cards::RateCardListFilter;
use crate::domain::prices::rate_card_csv::{AddedCard, RateCardImport};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::currency::Currency;
use crate::domain::values::money::Money;
use crate::http::edge::answer::csv::{Csv, download};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::ListQuery;
use crate::http::edge::answer::responses::{BodyErrors, CommonErrors, Forbidden, LineErrors};
use crate::http::edge::ask::extract::{Json, Query};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::state::AppState;
use crate::services;

/// The changes that a CSV file makes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RateCardImport)]
pub struct RateCardImportBody {
    /// Whether this is a dry run: nothing was changed.
    dry_run: bool,
    added: Vec<AddedCardBody>,
    /// The number of lines that already exist as rate cards.
    unchanged: usize,
    /// Invalid lines; only a dry run returns any.
    refused: Vec<RefusedLineBody>,
}

/// A rate card that the file adds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AddedRateCard)]
pub struct AddedCardBody {
    #[schema(minimum = 2)]
    line: u64,
    country_code: CountryCode,
    /// Empty on a rate card for the whole country.
    operator: String,
    currency: Currency,
    effective_from: NaiveDate,
    /// The destination's own price on that day without this file; left out if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    price_before: Option<Money>,
    /// The new price from that day on.
    price_after: Money,
}

impl From<AddedCard> for AddedCardBody {
    fn from(AddedCard { line, terms, price_before }: AddedCard) -> AddedCardBody {
        AddedCardBody {
            line,
            country_code: terms.country_code,
            operator: terms.operator,
            currency: terms.currency,
            effective_from: terms.effective_from,
            price_before,
            price_after: terms.price_per_sms,
        }
    }
}

impl RateCardImportBody {
    fn new(dry_run: bool, import: RateCardImport) -> RateCardImportBody {
        RateCardImportBody {
            dry_run,
            added: import.added.into_iter().map(AddedCardBody::from).collect(),
            unchanged: import.unchanged,
            refused: import.refused.into_iter().map(RefusedLineBody::from).collect(),
        }
    }
}

/// Export rate cards
///
/// A CSV file (RFC 4180) of all rate cards that match the same search and filters as in the list, to edit and import
/// again. The columns are `country_code`, `operator`, `mcc_mnc` (networks such as `639-01 639-02`), `price_per_sms`,
/// `currency`, `effective_from` and `notes`. Text that a spreadsheet would run as a formula is prefixed with an
/// apostrophe, which the import removes again.
#[utoipa::path(
    get,
    path = "/api/admin/rate-cards/export/",
    tag = "Admin",
    params(ListQuery, RateCardListFilter),
    responses(
        (status = 200, description = "The CSV file", body = String, content_type = "text/csv"),
        CommonErrors,
        Forbidden,
    ),
)]
pub async fn export_rate_cards(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(list): Query<ListQuery>,
    Query(filter): Query<RateCardListFilter>,
) -> Result<Response, Problem> {
    let file = services::prices::rate_card_csv::export(&state.billing, &filter.of(list)).await?;
    Ok(download("rate-cards.csv", file))
}

/// Import rate cards
///
/// Adds the rate cards in a CSV file that are new. All or nothing: if one line is invalid, nothing is stored. Lines
/// that already exist change nothing, so a file can be sent again. The columns are those of the export, in any order.
/// The file must be UTF-8, separated by commas, or by semicolons if it uses decimal commas, with at most 10,000 rows.
#[utoipa::path(
    post,
    path = "/api/admin/rate-cards/import/",
    tag = "Admin",
    params(ImportQuery),
    request_body(content = String, content_type = "text/csv", description = "The CSV file",
        example = "country_code,operator,mcc_mnc,price_per_sms,currency,effective_from,notes\r\n\
                   KE,Airtel,639-03 639-05,0.019,USD,2199-01-01,\r\nUG,MTN,641-10,0.0185,USD,2199-01-01,Contract of 2198\r\n"),
    responses(
        (status = 200, description = "The changes, made or (with `dry_run`) only planned", body = RateCardImportBody),
        CommonErrors,
        Forbidden,
        BodyErrors,
        LineErrors,
    ),
)]
pub async fn import_rate_cards(
    State(state): State<AppState>,
    may: May<Administer>,
    Query(query): Query<ImportQuery>,
    Csv(file): Csv,
) -> Result<Json<RateCardImportBody>, Problem> {
    if query.is_dry_run() {
        let import = services::prices::rate_card_csv::try_import(&state.billing, &file).await?;
        return Ok(Json(RateCardImportBody::new(true, import)));
    }
    let author = query.author(may);
    let import = async move { services::prices::rate_card_csv::import(&state.billing, &file, &author).await };
    Ok(Json(RateCardImportBody::new(false, to_the_end(import).await?)))
}
