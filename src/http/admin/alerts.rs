//! Lists the alerts of all businesses.

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::domain::notifications::alerts::{AlertSeverity, AlertType};
use crate::domain::values::listing::{ListRequest, ListValue};
use crate::domain::values::sid::BusinessSid;
use crate::http::bodies::alerts::AlertBody;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::listing::{self, ListQuery};
use crate::http::edge::answer::responses::{CommonErrors, Forbidden};
use crate::http::edge::ask::extract::{Flag, Json, Query};
use crate::http::edge::who::auth::{Administer, May};
use crate::http::state::AppState;
use crate::services;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlertFilter {
    /// Only alerts of this business.
    #[param(value_type = Option<BusinessSid>)]
    business_sid: Option<BusinessSid>,
    /// Only alerts of this type.
    #[serde(rename = "type")]
    alert_type: Option<AlertType>,
    /// Only alerts of this severity.
    severity: Option<AlertSeverity>,
    /// `true`: only unread alerts. `false`: only read ones.
    #[param(value_type = Option<bool>)]
    unread: Option<Flag>,
}

impl AlertFilter {
    fn of(self, query: ListQuery) -> ListRequest {
        ListRequest::from(query)
            .filtered("business_sid", self.business_sid.map(|business| ListValue::text(business.as_str())))
            .filtered("type", self.alert_type.map(|alert_type| ListValue::text(alert_type.as_str())))
            .filtered("severity", self.severity.map(|severity| ListValue::text(severity.as_str())))
            .filtered("unread", self.unread.map(|unread| ListValue::Flag(unread.is_set())))
    }
}

/// List all alerts
///
/// Alerts of all businesses, newest first by default, a page at a time: the `Link` header points to the next page.
/// `search` matches the business's SID and name, and the message. Sorted by `created_at`.
#[utoipa::path(
    get,
    path = "/api/admin/alerts/",
    tag = "Admin",
    params(ListQuery, AlertFilter),
    responses(
        (status = 200, description = "A page of alerts", body = Vec<AlertBody>,
         headers(("Link" = String, description = "The next page (rel=\"next\"); missing on the last page"))),
        CommonErrors,
        Forbidden,
    ),
)]
pub async fn list_all_alerts(
    State(state): State<AppState>,
    _: May<Administer>,
    Query(list): Query<ListQuery>,
    Query(filter): Query<AlertFilter>,
    uri: Uri,
) -> Result<(HeaderMap, Json<Vec<AlertBody>>), Problem> {
    let page = services::notifications::alerts::list_all(&state.billing, &filter.of(list)).await?;
    Ok(listing::answer(&uri, page))
}
