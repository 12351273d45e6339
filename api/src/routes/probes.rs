//! What orchestrators and operators ask without a key: is it up, is it ready, how is everything.

use axum::{
    Json as Answer,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde_json::json;
use windrow_jobs::process::metrics;

use crate::{
    Api,
    error::ApiError,
    standing::{self, Standing},
};

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
    standing::now(&*api.ledger).await?;
    Ok(Answer(json!({ "status": "ready" })).into_response())
}

/// `GET /metrics`: what this process tells Prometheus, the rung among it.
pub(crate) async fn metrics(State(api): State<Api>) -> Response {
    Standing::of(&api).await;
    ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], metrics::render()).into_response()
}

/// `GET /status`: every component, the duties, and the rung of the degradation ladder. The answer is a report, so it is 200
/// even if it is a bad one, and even without a ledger.
pub(crate) async fn status(State(api): State<Api>) -> Response {
    Answer(Standing::of(&api).await.report()).into_response()
}
