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
use crate::http::edge::ask::extract::{Json, Query};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::openapi::CommonErrors;
use crate::http::state::AppState;
use crate::services;

/// Something that was done: who, what, what it was before and after.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRecord)]
pub struct AuditBody {
    /// Rises with each deed.
    id: i64,
    /// The user or key that did it; `anonymous`, `seed` or `command-line` where it was none.
    #[schema(example = "user_019abc3456787def8123456789abcdef")]
    actor: String,
    action: AuditAction,
    /// The thing it was done to.
    #[schema(example = "key_019abc3456787def8123456789abcdef")]
    subject: String,
    /// What it was; null where it was made, and where the deed changes nothing that is kept.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// What it became; null where it was deleted.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    /// Why, where they said so.
    reason: Option<String>,
    /// The request that did it, as in the log and in `X-Request-Id`.
    request_id: Option<String>,
    /// Where it came from.
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
    /// Only deeds of this user or key.
    #[param(value_type = Option<String>)]
    actor: Option<AuditText>,
    /// Only deeds of this kind.
    action: Option<AuditAction>,
    /// Only deeds that this thing was the object of.
    #[param(value_type = Option<String>)]
    subject: Option<AuditText>,
    /// Only what this request did.
    #[param(value_type = Option<String>)]
    request_id: Option<AuditText>,
    /// Only from this day (in the billing time zone) or instant on.
    #[param(value_type = Option<String>, example = "2026-01-01")]
    from: Option<Moment>,
    /// Only up to the end of this day, or before this instant.
    #[param(value_type = Option<String>, example = "2199-12-31")]
    to: Option<Moment>,
}

/// List the audit log
///
/// Every write but those that are their own record (the ledger's entries and delivery reports name who made them
/// themselves), newest first, a page at a time. It can be sorted by `created_at`. Nothing in it ever changes.
#[utoipa::path(
    get,
    path = "/api/billing/audit/",
    tag = "Audit",
    params(ListQuery, AuditQuery),
    responses(
        (status = 200, description = "A page of deeds", body = Vec<AuditBody>,
         headers(("Link" = String, description = "The next page, with rel=\"next\"; missing on the last one"))),
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
    let text = |text: AuditText| ListValue::Text(text.as_str().to_owned());
    let request = ListRequest::from(list)
        .filtered("actor", query.actor.map(text))
        .filtered("action", query.action.map(|action| ListValue::Text(action.as_str().to_owned())))
        .filtered("subject", query.subject.map(text))
        .filtered("request_id", query.request_id.map(text))
        .filtered("from", query.from.map(|from| ListValue::Integer(calendar.first_instant(from).micros())))
        .filtered("until", query.to.map(|to| ListValue::Integer(calendar.first_instant_after(to).micros())));
    Ok(answer(&uri, services::audit::list(&state.billing, &request).await?))
}
