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
use crate::http::edge::ask::extract::{Json, Query};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::edge::writes::to_the_end;
use crate::http::openapi::{BodyErrors, CommonErrors, Forbidden, LineErrors};
use crate::http::state::AppState;
use crate::services;

/// What a sheet changes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanImport)]
pub struct PlanImportBody {
    /// Whether this only says what would change.
    dry_run: bool,
    added: Vec<AddedPlanBody>,
    changed: Vec<ChangedPlanBody>,
    /// How many plans are there already as they stand.
    unchanged: usize,
    /// Lines that cannot be taken; only a dry run answers with any.
    refused: Vec<RefusedLineBody>,
}

/// A plan that is new.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AddedPlan)]
pub struct AddedPlanBody {
    /// The first of the plan's lines.
    #[schema(minimum = 2)]
    line: u64,
    after: PlanTermsBody,
}

/// A plan that becomes another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChangedPlan)]
pub struct ChangedPlanBody {
    /// The first of the plan's lines.
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
/// A CSV sheet (RFC 4180) of all plans that the same search and filters list, to be edited and imported again: a line a
/// tier, and one for a plan without tiers. Each line repeats what its plan says; several `features` stand in one cell with
/// a `|` between them. The last tier of a plan has an empty `max_messages`.
#[utoipa::path(
    get,
    path = "/api/admin/plans/export/",
    tag = "Admin",
    params(ListQuery, PlanFilter),
    responses((status = 200, description = "The sheet", body = String, content_type = "text/csv"), CommonErrors, Forbidden),
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
/// Makes the plans of a CSV sheet that are new and changes those that differ, all or none: one line that cannot be taken,
/// and nothing is stored. Plans are known by their names; those that the sheet does not name stay as they are. The columns
/// are those of the export, in any order; lines of one plan may stand anywhere, and say of the plan the same or nothing.
#[utoipa::path(
    post,
    path = "/api/admin/plans/import/",
    tag = "Admin",
    params(ImportQuery),
    request_body(content = String, content_type = "text/csv", description = "The sheet",
        example = "name,description,type,base_price_per_sms,card_discount_percent,failed_refund_percent,features,\
                   min_messages,max_messages,tier_price_per_sms,tier_discount_percent\r\n\
                   School,For schools,PREPAID,0.045,5,100,Delivery reports|E-mail support,1,10000,0.045,0\r\n\
                   School,,,,,,,10001,,0.04,10\r\n"),
    responses(
        (status = 200, description = "What is changed, or would be", body = PlanImportBody),
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
