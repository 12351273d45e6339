//! What orchestrators and operators ask without a key: is it up, is it ready, how is everything.

use axum::{
    Json as Answer,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use windrow_jobs::process::metrics;

use crate::{
    Api,
    error::ApiError,
    openapi,
    standing::{self, Standing, Status},
};

openapi::gives! {
    Unhealthy: STUCK;
    Unready: STOPPING, LEDGER_UNAVAILABLE;
}
struct Unhealthy;
struct Unready;

/// What a probe says when all is well.
#[derive(Serialize, ToSchema)]
pub(crate) struct Probe {
    /// `up` or `ready`, as the probe asks.
    #[schema(example = "up")]
    status: &'static str,
}

/// Whether the process should go on
///
/// Where a worker runs in the same process, it should only while that is not stuck.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    operation_id = "getHealth",
    responses((status = 200, description = "It should.", body = Probe), Unhealthy)
)]
pub(crate) async fn healthz(State(api): State<Api>) -> Result<Answer<Probe>, ApiError> {
    if let Some(inside) = &api.inside {
        inside.live().map_err(ApiError::Stuck)?;
    }
    Ok(Answer(Probe { status: "up" }))
}

/// Whether the process may be sent requests
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operation",
    operation_id = "getReadiness",
    responses((status = 200, description = "It may: its ledger answers.", body = Probe), Unready)
)]
pub(crate) async fn readyz(State(api): State<Api>) -> Result<Answer<Probe>, ApiError> {
    if api.shutdown.is_cancelled() {
        return Err(ApiError::Stopping);
    }
    standing::now(&*api.ledger).await?;
    Ok(Answer(Probe { status: "ready" }))
}

/// What this process tells Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    operation_id = "getMetrics",
    responses((status = 200, description = "Its metrics, in the text format 0.0.4.", body = String, content_type = metrics::MEDIA_TYPE))
)]
pub(crate) async fn metrics(State(api): State<Api>) -> Response {
    // A look at the standing tells the rung to the metrics.
    Standing::of(&api).await;
    ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], metrics::render()).into_response()
}

/// How everything is
///
/// Every component, the duties, and the rung of the degradation ladder. The answer is a report, so it is 200 even if it is
/// a bad one, and even without a ledger: then it tells what was known last.
#[utoipa::path(
    get,
    path = "/status",
    tag = "operation",
    operation_id = "getStatus",
    responses((status = 200, description = "The report.", body = Status, example = json!({
        "status": "up", "rung": "normal", "means": "everything is as it should be", "version": env!("CARGO_PKG_VERSION"),
        "components": {
            "ledger": { "status": "up" },
            "planner": { "status": "up", "age_ms": 12, "leader": "scheduler-1", "epoch": 3 },
            "carrier": { "status": "up", "in_use": "redis", "why": "Redis is configured, and answers" },
            "schedules": { "status": "up", "overdue_s": 0.0, "next_due_at": "2027-01-15T08:00:00.000Z" }
        },
        "duties": [{ "name": "promote", "lag_s": 0.0 }]
    })))
)]
pub(crate) async fn status(State(api): State<Api>) -> Answer<Status> {
    Answer(Standing::of(&api).await.report())
}
