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
use crate::http::edge::ask::extract::{Json, Query};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::openapi::{BodyErrors, CommonErrors, Forbidden, LineErrors};
use crate::http::state::AppState;
use crate::services;

/// What a sheet changes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RateCardImport)]
pub struct RateCardImportBody {
    /// Whether this only says what would change.
    dry_run: bool,
    added: Vec<AddedCardBody>,
    /// How many lines are there already as they stand.
    unchanged: usize,
    /// Lines that cannot be taken; only a dry run answers with any.
    refused: Vec<RefusedLineBody>,
}

/// A row that is new.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AddedRateCard)]
pub struct AddedCardBody {
    #[schema(minimum = 2)]
    line: u64,
    country_code: CountryCode,
    /// Empty on a card for the whole country.
    operator: String,
    currency: Currency,
    effective_from: NaiveDate,
    /// The destination's own price on that day without this sheet; left out where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    price_before: Option<Money>,
    /// The price from that day on.
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

/// Export price rows
///
/// A CSV sheet (RFC 4180) of all rows that the same search and filters list, to be edited and imported again. The columns
/// are `country_code`, `operator`, `mcc_mnc` (networks such as `639-01 639-02`), `price_per_sms`, `currency`,
/// `effective_from` and `notes`. A text that a spreadsheet would run as a formula has an apostrophe before it, which the
/// import takes off again.
#[utoipa::path(
    get,
    path = "/api/admin/rate-cards/export/",
    tag = "Admin",
    params(ListQuery, RateCardListFilter),
    responses((status = 200, description = "The sheet", body = String, content_type = "text/csv"), CommonErrors, Forbidden),
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

/// Import price rows
///
/// Adds the rows of a CSV sheet that are new, all or none: one line that cannot be taken, and nothing is stored. Lines that
/// are there already change nothing, so a sheet may be sent again. The columns are those of the export, in any order;
/// UTF-8; commas, or semicolons with decimal commas; at most 10,000 rows.
#[utoipa::path(
    post,
    path = "/api/admin/rate-cards/import/",
    tag = "Admin",
    params(ImportQuery),
    request_body(content = String, content_type = "text/csv", description = "The sheet",
        example = "country_code,operator,mcc_mnc,price_per_sms,currency,effective_from,notes\r\n\
                   KE,Airtel,639-03 639-05,0.019,USD,2199-01-01,\r\nUG,MTN,641-10,0.0185,USD,2199-01-01,Contract of 2198\r\n"),
    responses(
        (status = 200, description = "What is changed, or would be", body = RateCardImportBody),
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
