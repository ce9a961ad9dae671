//! Lists the audit log.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::domain::audit::{AuditAction, AuditRecord};
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::text::AuditText;
use crate::domain::values::time::{Moment, Timestamp};
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{ListQuery, answer};
use crate::http::edge::answer::responses::CommonErrors;
use crate::http::edge::ask::extract::{Json, Query};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::state::AppState;
use crate::services;

/// A record of an action: who did what, and the object before and after it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRecord)]
pub struct AuditBody {
    /// Increases with each record.
    id: i64,
    /// The user or key that acted; otherwise a name such as `anonymous`, `seed`, `scheduled` or `command-line`.
    #[schema(example = "user_019abc3456787def8123456789abcdef")]
    actor: String,
    action: AuditAction,
    /// The object of the action.
    #[schema(example = "key_019abc3456787def8123456789abcdef")]
    subject: String,
    /// The object before the action; null if it was created, or if the action changed nothing that is stored.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// The object after the action; null if it was deleted.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    /// The reason, if one was given.
    reason: Option<String>,
    /// The id of the request, as in the log and in `X-Request-Id`.
    request_id: Option<String>,
    /// The IP address the request came from.
    address: Option<String>,
    created_at: Timestamp,
}

impl From<AuditRecord> for AuditBody {
    fn from(record: AuditRecord) -> AuditBody {
        AuditBody {
            id: record.id,
            actor: record.actor,
            action: record.action,
            subject: record.subject,
            before: record.before,
            after: record.after,
            reason: record.reason,
            request_id: record.request_id,
            address: record.address,
            created_at: record.created_at,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only actions of this user or key.
    #[param(value_type = Option<String>)]
    actor: Option<AuditText>,
    /// Only actions of this kind.
    action: Option<AuditAction>,
    /// Only actions on this object.
    #[param(value_type = Option<String>)]
    subject: Option<AuditText>,
    /// Only actions of this request.
    #[param(value_type = Option<String>)]
    request_id: Option<AuditText>,
    /// Only from this day (in the billing time zone) or this instant on.
    #[param(value_type = Option<String>, example = "2026-01-01")]
    from: Option<Moment>,
    /// Only up to the end of this day, or before this instant.
    #[param(value_type = Option<String>, example = "2199-12-31")]
    to: Option<Moment>,
}

/// List the audit log
///
/// All writes except ledger entries and delivery reports, which record themselves who made them. Newest first by
/// default, a page at a time: the `Link` header points to the next page. Sorted by `created_at`. Audit records never
/// change.
#[utoipa::path(
    get,
    path = "/api/billing/audit/",
    tag = "Audit",
    params(ListQuery, AuditQuery),
    responses(
        (status = 200, description = "A page of audit records", body = Vec<AuditBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
    ),
)]
pub async fn list_audit(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(list): Query<ListQuery>,
    Query(query): Query<AuditQuery>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<AuditBody>>), Problem> {
    let calendar = state.billing.rules.calendar;
    let text = |text: AuditText| ListValue::text(text.as_str());
    let request = ListRequest::from(list)
        .filtered("actor", query.actor.map(text))
        .filtered("action", query.action.map(|action| ListValue::text(action.as_str())))
        .filtered("subject", query.subject.map(text))
        .filtered("request_id", query.request_id.map(text))
        .filtered("from", query.from.map(|from| ListValue::Integer(calendar.first_instant(from).micros())))
        .filtered("until", query.to.map(|to| ListValue::Integer(calendar.first_instant_after(to).micros())));
    Ok(answer(&uri, services::audit::list(&state.billing, &request).await?))
}
