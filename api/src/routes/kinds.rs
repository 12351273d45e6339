//! The kinds: what payload each takes, and how its jobs are tried.

use axum::{
    Json as Answer,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use windrow_jobs::contract::Contract;

use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    openapi,
    query::NoParams,
};

openapi::gives! {
    Unknown: KIND_NOT_FOUND, ROUTE_NOT_FOUND;
}
struct Unknown;

/// The kinds that are accepted.
#[derive(Serialize, ToSchema)]
pub(crate) struct Kinds {
    /// In the order of their names.
    kinds: Vec<Contract>,
}

/// List the kinds
///
/// The built-in ones, and those of every worker that ever announced itself.
#[utoipa::path(
    get,
    path = "/v1/kinds",
    tag = "kinds",
    operation_id = "listKinds",
    params(Caller),
    responses((status = 200, description = "Each kind's contract.", body = Kinds), Caller, NoParams)
)]
pub(crate) async fn list(State(api): State<Api>, _: Caller, _: NoParams) -> Answer<Kinds> {
    Answer(Kinds { kinds: api.kinds.catalog().contracts().cloned().collect() })
}

/// The contract of a kind
///
/// What payload it takes, as a JSON Schema, on which queue it runs, and how its jobs are tried.
#[utoipa::path(
    get,
    path = "/v1/kinds/{kind}",
    tag = "kinds",
    operation_id = "getKind",
    params(("kind" = String, Path, description = "The kind's name.", example = "echo"), Caller),
    responses(
        (status = 200, description = "The contract.", body = Contract, example = json!({
            "kind": "acme.report", "version": 1, "reads_from": 1, "queue": "default",
            "policy": {
                "max_attempts": 10, "timeout_ms": 300_000, "lease_ms": 30_000, "backoff": { "base_ms": 1_000, "cap_ms": 3_600_000 },
                "cost": 1, "ticket_jobs_max": 64
            },
            "schema": { "type": "object", "properties": { "month": { "type": "string" } }, "required": ["month"] },
            "about": {
                "purpose": "Makes the report of a month.", "payload": { "month": "2027-01" }, "result": { "pages": 12 },
                "errors": [{ "code": "month_open", "retryable": false, "meaning": "the month is not over" }]
            }
        })),
        Caller, NoParams, Unknown, LedgerErrors,
    )
)]
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
