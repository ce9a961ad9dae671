//! Exports and imports plans as CSV.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::changes::{ImportQuery, RefusedLineBody};
use super::plans::{PlanFilter, PlanTermsBody};
use crate::domain::prices::plan_csv::{AddedPlan, ChangedPlan, PlanImport};
use crate::domain::values::sid::PlanSid;
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
#[schema(as = PlanImport)]
pub struct PlanImportBody {
    /// Whether this is a dry run: nothing was changed.
    dry_run: bool,
    added: Vec<AddedPlanBody>,
    changed: Vec<ChangedPlanBody>,
    /// The number of plans that already exist with the same terms.
    unchanged: usize,
    /// Invalid lines; only a dry run returns any.
    refused: Vec<RefusedLineBody>,
}

/// A plan that the file adds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AddedPlan)]
pub struct AddedPlanBody {
    /// The first line of the plan in the file.
    #[schema(minimum = 2)]
    line: u64,
    after: PlanTermsBody,
}

/// A plan that the file changes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChangedPlan)]
pub struct ChangedPlanBody {
    /// The first line of the plan in the file.
    #[schema(minimum = 2)]
    line: u64,
    plan_sid: PlanSid,
    before: PlanTermsBody,
    after: PlanTermsBody,
}

impl PlanImportBody {
    fn new(dry_run: bool, import: PlanImport) -> PlanImportBody {
        let added = |AddedPlan { line, terms }: AddedPlan| AddedPlanBody { line, after: terms.into() };
        let changed = |ChangedPlan { line, before, after }: ChangedPlan| ChangedPlanBody {
            line,
            plan_sid: before.sid,
            before: before.terms().into(),
            after: after.into(),
        };
        PlanImportBody {
            dry_run,
            added: import.added.into_iter().map(added).collect(),
            changed: import.changed.into_iter().map(changed).collect(),
            unchanged: import.unchanged,
            refused: import.refused.into_iter().map(RefusedLineBody::from).collect(),
        }
    }
}

/// Export plans
///
/// A CSV file (RFC 4180) of all plans that match the same search and filters as in the list, to edit and import again.
/// It has one line per tier, and one line for a plan without tiers; each line repeats the plan's own fields. Several
/// `features` share one cell, separated by `|`. The last tier of a plan has an empty `max_messages`.
#[utoipa::path(
    get,
    path = "/api/admin/plans/export/",
    tag = "Admin",
    params(ListQuery, PlanFilter),
    responses(
        (status = 200, description = "The CSV file", body = String, content_type = "text/csv"),
        CommonErrors,
        Forbidden,
    ),
)]
pub async fn export_plans(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(list): Query<ListQuery>,
    Query(filter): Query<PlanFilter>,
) -> Result<Response, Problem> {
    let file = services::prices::plan_csv::export(&state.billing, &filter.of(list)).await?;
    Ok(download("plans.csv", file))
}

/// Import plans
///
/// Creates the plans in a CSV file that are new and updates those that differ. All or nothing: if one line is invalid,
/// nothing is stored. Plans are identified by name; plans that are not in the file stay as they are. The columns are
/// those of the export, in any order. The lines of a plan may stand anywhere in the file, and must repeat the plan's
/// own fields or leave them empty.
#[utoipa::path(
    post,
    path = "/api/admin/plans/import/",
    tag = "Admin",
    params(ImportQuery),
    request_body(content = String, content_type = "text/csv", description = "The CSV file",
        example = "name,description,type,base_price_per_sms,card_discount_percent,failed_refund_percent,features,\
                   min_messages,max_messages,tier_price_per_sms,tier_discount_percent\r\n\
                   School,For schools,PREPAID,0.045,5,100,Delivery reports|E-mail support,1,10000,0.045,0\r\n\
                   School,,,,,,,10001,,0.04,10\r\n"),
    responses(
        (status = 200, description = "The changes, made or (with `dry_run`) only planned", body = PlanImportBody),
        CommonErrors,
        Forbidden,
        BodyErrors,
        LineErrors,
    ),
)]
pub async fn import_plans(
    State(state): State<AppState>,
    may: May<Administer>,
    Query(query): Query<ImportQuery>,
    Csv(file): Csv,
) -> Result<Json<PlanImportBody>, Problem> {
    if query.is_dry_run() {
        let import = services::prices::plan_csv::try_import(&state.billing, &file).await?;
        return Ok(Json(PlanImportBody::new(true, import)));
    }
    let author = query.author(may);
    let import = async move { services::prices::plan_csv::import(&state.billing, &file, &author).await };
    Ok(Json(PlanImportBody::new(false, to_the_end(import).await?)))
}
