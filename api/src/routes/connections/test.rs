//! `POST /v1/connections/{name}/test`: a job of the kind `connection.test`, since the api calls nobody.

use axum::{extract::State, response::Response};
use windrow_jobs::{
    connection::ConnectionState,
    job::Job,
    kinds::connection_test::{KIND, Payload},
    submit::Submission,
};

use super::{ConnectionPath, find};
use crate::{
    Api,
    auth::Caller,
    body::NoBody,
    error::{ApiError, LedgerErrors},
    openapi,
    prefer::Prefer,
    query::NoParams,
    routes::jobs,
};

openapi::gives! {
    Refusals: CONNECTION_DISABLED;
}
struct Refusals;

/// Test a connection
///
/// Submits a job that does what `GET /v1/providers/{provider}` says of the test, and answers with that job; with `Prefer: wait=N` the answer
/// waits for it. If it completes, the connection is `active`; if the provider refuses, it is in `error`. The call takes no body, or an empty
/// object.
#[utoipa::path(
    post,
    path = "/v1/connections/{name}/test",
    tag = "connections",
    operation_id = "testConnection",
    params(ConnectionPath, Caller, Prefer),
    responses(
        (status = 202, description = "The job, which is not final yet.", body = Job,
            headers(("Location"), ("ETag"), ("Cache-Control"), ("Retry-After"), ("Preference-Applied"))),
        (status = 200, description = "The job, which is final.", body = Job,
            headers(("Location"), ("ETag"), ("Cache-Control"), ("Retry-After"), ("Preference-Applied"))),
        Caller, ConnectionPath, NoParams, NoBody, Refusals, LedgerErrors,
    )
)]
pub(crate) async fn test(
    State(api): State<Api>,
    caller: Caller,
    path: ConnectionPath,
    _: NoParams,
    prefer: Prefer,
    _: NoBody,
) -> Result<Response, ApiError> {
    let connection = find(&api, &caller.tenant, &path).await?;
    if connection.facts.state == ConnectionState::Disabled {
        return Err(ApiError::ConnectionDisabled);
    }
    let payload = serde_json::value::to_raw_value(&Payload { connection: connection.name }).map_err(|_| ApiError::Internal)?;
    jobs::accept(&api, &caller.tenant, Submission::of(KIND, payload), prefer).await
}
