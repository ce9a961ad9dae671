//! Answers health probes and Prometheus: alive, ready, metrics.

use axum::extract::State;
use axum::http::{HeaderName, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::edge::answer::error::Problem;
use crate::http::edge::answer::responses::{CommonErrors, Missing, ProbeErrors};
use crate::http::edge::ask::extract::Json;
use crate::http::edge::who::auth::{May, Watch};
use crate::http::state::AppState;
use crate::services;

/// The health of the server.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`; if the server has a problem, the answer is an error.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Check that the server is alive
///
/// Answers as soon as the server listens, even if its database does not.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "Operation",
    security(()),
    responses((status = 200, description = "The server is alive", body = Health)),
)]
pub async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Check that the server is ready
///
/// Asks the database. A load balancer should send no requests while the answer is not 200.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "Operation",
    security(()),
    responses((status = 200, description = "The server is ready", body = Health), ProbeErrors),
)]
pub async fn readyz(State(state): State<AppState>) -> Result<Json<Health>, Problem> {
    services::operations::health::ready(&state.billing)
        .await
        .map_err(|error| Problem::unavailable("not_ready", "The database does not answer.", Some(error.to_string())))?;
    Ok(Json(Health { status: "ok" }))
}

/// Get metrics for Prometheus
///
/// Requests and latencies by route template, outcomes of charges, scheduled jobs and the state of the database pools,
/// in the OpenMetrics text format. If `METRICS_BIND` is set, they are served at that address instead, without
/// credentials.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "Operation",
    responses(
        (status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text"),
        CommonErrors,
        Missing,
    ),
)]
pub async fn metrics(State(state): State<AppState>, _: May<Watch>) -> Result<MetricsText, Problem> {
    if state.serves_metrics { render(&state).await } else { Err(Problem::not_found()) }
}

/// The metrics at an address of their own, where anyone who reaches it may ask.
pub async fn metrics_of_their_own(State(state): State<AppState>) -> Result<MetricsText, Problem> {
    render(&state).await
}

type MetricsText = ([(HeaderName, &'static str); 1], String);

async fn render(state: &AppState) -> Result<MetricsText, Problem> {
    let billing = &state.billing;
    // A database that does not answer is no reason to tell nothing.
    let jobs = services::operations::jobs::counts(billing).await.unwrap_or_default();
    let (pools, waiting) = (services::operations::health::pools(billing), billing.live.committer.waiting());
    let text = state.metrics.render(&pools, waiting, &jobs, billing.clock.now());
    let text = text.map_err(|error| Problem::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
