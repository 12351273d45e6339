//! What orchestrators and operators ask without a key: is it up, is it ready, how is everything.

use std::time::Duration;

use axum::{
    Json as Answer,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use windrow_jobs::{clock::Timestamp, ledger, process::metrics};

use super::queues::DEPTHS_AGE_MAX_MS;
use crate::{Api, error::ApiError, openapi};

/// How long a probe waits for the ledger: Kubernetes gives up after one second unless told otherwise.
const PROBE_MAX: Duration = Duration::from_millis(900);

openapi::gives! {
    Unready: STOPPING, LEDGER_UNAVAILABLE;
}
struct Unready;

/// What a probe says when all is well.
#[derive(Serialize, ToSchema)]
pub(crate) struct Probe {
    /// `up` or `ready`, as the probe asks.
    #[schema(example = "up")]
    status: &'static str,
}

/// Whether the process is up
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "operation",
    operation_id = "getHealth",
    responses((status = 200, description = "It is.", body = Probe))
)]
pub(crate) async fn healthz() -> Answer<Probe> {
    Answer(Probe { status: "up" })
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
    ledger_now(&api).await?;
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
pub(crate) async fn metrics() -> Response {
    ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], metrics::render()).into_response()
}

/// How a component or everything together is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Health {
    /// It works.
    Up,
    /// It works in part, or may not.
    Degraded,
    /// It does not work.
    Down,
}

/// How everything is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    /// How the worst of the components is.
    status: Health,
    /// The release of this process.
    version: &'static str,
    /// How each of them is.
    components: Components,
}

/// What Windrow needs in order to work.
#[derive(Serialize, ToSchema)]
struct Components {
    /// The database.
    ledger: Component,
    /// The scheduler that leads.
    planner: Planner,
}

/// How a component is.
#[derive(Serialize, ToSchema)]
struct Component {
    /// How it is.
    status: Health,
}

/// How the planner is.
#[derive(Serialize, ToSchema)]
struct Planner {
    /// How it is.
    status: Health,
    /// How long ago it said anything; `null` if it never did, or if the ledger does not answer.
    age_ms: Option<i64>,
}

/// How every component is
///
/// The answer is a report, so it is 200 even if it is a bad one.
#[utoipa::path(
    get,
    path = "/status",
    tag = "operation",
    operation_id = "getStatus",
    responses((status = 200, description = "The report.", body = Status, example = json!({
        "status": "up", "version": env!("CARGO_PKG_VERSION"),
        "components": { "ledger": { "status": "up" }, "planner": { "status": "up", "age_ms": 12 } }
    })))
)]
pub(crate) async fn status(State(api): State<Api>) -> Answer<Status> {
    let now = ledger_now(&api).await.ok();
    let ledger = if now.is_some() { Health::Up } else { Health::Down };
    let planner_age_ms = match now {
        Some(now) => planner_age_ms(&api, now).await,
        None => None,
    };
    let planner = match planner_age_ms {
        Some(age_ms) if age_ms <= DEPTHS_AGE_MAX_MS => Health::Up,
        _ => Health::Degraded,
    };
    let components = Components { ledger: Component { status: ledger }, planner: Planner { status: planner, age_ms: planner_age_ms } };
    Answer(Status { status: ledger.max(planner), version: env!("CARGO_PKG_VERSION"), components })
}

/// How long ago a planner said anything; the leader says something all the time.
async fn planner_age_ms(api: &Api, now: Timestamp) -> Option<i64> {
    let depths = tokio::time::timeout(PROBE_MAX, api.ledger.depths()).await.ok()?.ok()??;
    Some(now.ms() - depths.at_ms)
}

async fn ledger_now(api: &Api) -> ledger::Result<Timestamp> {
    let late = |_| ledger::Error::Unavailable(format!("no answer within {} ms", PROBE_MAX.as_millis()));
    tokio::time::timeout(PROBE_MAX, api.ledger.now()).await.map_err(late)?
}
