//! What orchestrators and operators ask without a key: is it up, is it ready, how is everything.

use std::time::Duration;

use axum::{
    Json as Answer,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use windrow_jobs::{clock::Timestamp, ledger, process::metrics};

use super::queues::DEPTHS_AGE_MAX_MS;
use crate::{Api, error::ApiError};

/// How long a probe waits for the ledger: Kubernetes gives up after one second unless told otherwise.
const PROBE_MAX: Duration = Duration::from_millis(900);

/// `GET /healthz`: the process should go on. In one process with a worker, that is not stuck either.
pub(crate) async fn healthz(State(api): State<Api>) -> Result<Response, ApiError> {
    if let Some(inside) = &api.inside {
        inside.live().map_err(ApiError::Stuck)?;
    }
    Ok(Answer(json!({ "status": "up" })).into_response())
}

/// `GET /readyz`: the process may be sent requests.
pub(crate) async fn readyz(State(api): State<Api>) -> Result<Response, ApiError> {
    if api.shutdown.is_cancelled() {
        return Err(ApiError::Stopping);
    }
    ledger_now(&api).await?;
    Ok(Answer(json!({ "status": "ready" })).into_response())
}

/// `GET /metrics`: what this process tells Prometheus.
pub(crate) async fn metrics() -> Response {
    ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], metrics::render()).into_response()
}

/// How a component or everything together is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Up,
    Degraded,
    Down,
}

/// `GET /status`: every component. The answer is a report, so it is 200 even if it is a bad one.
pub(crate) async fn status(State(api): State<Api>) -> Response {
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
    Answer(json!({
        "status": ledger.max(planner),
        "version": env!("CARGO_PKG_VERSION"),
        "components": {
            "ledger": { "status": ledger },
            "planner": { "status": planner, "age_ms": planner_age_ms },
        },
    }))
    .into_response()
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
