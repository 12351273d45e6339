//! Every path of the API. One file per noun.

pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod jobs;
pub(crate) mod kinds;
pub(crate) mod list;
pub(crate) mod objects;
pub(crate) mod probes;
pub(crate) mod queues;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, patch, post},
};

use self::batch::BATCH_BYTES_MAX;
use crate::{Api, body::BODY_BYTES_MAX, error::ApiError};

/// The routes, without the edge around them.
pub(crate) fn all() -> Router<Api> {
    Router::new()
        .route("/v1/jobs", post(jobs::create).get(list::list))
        .route("/v1/jobs/batch", post(batch::create).layer(DefaultBodyLimit::max(BATCH_BYTES_MAX)))
        .route("/v1/jobs/{id}", get(jobs::read))
        .route("/v1/jobs/{id}/attempts", get(jobs::attempts))
        .route("/v1/jobs/{id}/logs", get(jobs::logs))
        .route("/v1/jobs/{id}/artifacts", get(objects::artifacts))
        .route("/v1/objects/{*key}", get(objects::open))
        .route("/v1/jobs/{id}/cancel", post(jobs::cancel))
        .route("/v1/jobs/{id}/redrive", post(jobs::redrive))
        .route("/v1/audit/ledger", get(audit::ledger))
        .route("/v1/kinds", get(kinds::list))
        .route("/v1/kinds/{kind}", get(kinds::read))
        .route("/v1/queues", get(queues::list))
        .route("/v1/queues/{queue}", patch(queues::change))
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/status", get(probes::status))
        .route("/metrics", get(probes::metrics))
        .fallback(async || ApiError::RouteNotFound)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
