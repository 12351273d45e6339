//! The kinds: what payload each takes, and how its jobs are tried.

use axum::{
    Json as Answer,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{Api, auth::Caller, error::ApiError, query::NoParams};

/// `GET /v1/kinds`
pub(crate) async fn list(State(api): State<Api>, _: Caller, _: NoParams) -> Response {
    let catalog = api.kinds.catalog();
    let kinds: Vec<_> = catalog.contracts().collect();
    Answer(json!({ "kinds": kinds })).into_response()
}

/// `GET /v1/kinds/{kind}`
pub(crate) async fn read(
    State(api): State<Api>,
    _: Caller,
    kind: Result<Path<String>, PathRejection>,
    _: NoParams,
) -> Result<Response, ApiError> {
    let Path(kind) = kind.map_err(|_| ApiError::RouteNotFound)?;
    match api.kinds.with(&kind).await?.get(&kind) {
        Some(compiled) => Ok(Answer(&compiled.contract).into_response()),
        None => Err(ApiError::KindNotFound(kind)),
    }
}
