//! What an operator does with one job: cancel it, send it back.
//!
//! Next: `windrow_jobs::operate`, which asks `lifecycle` what is to be done.

use axum::{extract::State, http::StatusCode, response::Response};
use windrow_jobs::{
    job::Job,
    lifecycle::Refusal,
    operate::{self, Operated},
};

use super::{
    jobs::{JobPath, find},
    view::View,
};
use crate::{
    Api,
    auth::Caller,
    body::NoBody,
    error::{ApiError, LedgerErrors},
    openapi,
    prefer::Prefer,
    query::NoParams,
};

openapi::gives! {
    CancelRefusals: CONTENDED;
    RedriveRefusals: NOT_REDRIVABLE, UNIQUE_KEY_HELD, CONTENDED;
}
struct CancelRefusals;
struct RedriveRefusals;

/// Cancel a job
///
/// A waiting job is cancelled at once; the handler of a running one is asked to stop, and does within a second or is dropped after ten. A
/// job that is final, or was asked before, is answered as it is. The call takes no body, or an empty object.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/cancel",
    tag = "jobs",
    operation_id = "cancelJob",
    params(JobPath, Caller),
    responses(
        (status = 200, description = "The job, which is final.", body = Job, headers(("ETag"), ("Cache-Control"))),
        (status = 202, description = "The job, which still runs: its handler is asked to stop.", body = Job,
            headers(("ETag"), ("Cache-Control"), ("Retry-After"))),
        Caller, JobPath, NoParams, NoBody, CancelRefusals, LedgerErrors,
    )
)]
pub(crate) async fn cancel(
    State(api): State<Api>,
    caller: Caller,
    JobPath(id): JobPath,
    _: NoParams,
    _: NoBody,
) -> Result<Response, ApiError> {
    match operate::cancel(&*api.ledger, &caller.tenant, id).await? {
        Operated::Done | Operated::Refused(Refusal::Final | Refusal::AlreadyRequested) => {}
        other => return Err(not_operated(other)),
    }
    let job = find(&api, &caller.tenant, id).await?;
    let status = if job.state.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(View::of(&job, api.ledger.now().await?)?.answer(status, Prefer::default()))
}

/// Send a dead or cancelled job back
///
/// It is available again, with as many attempts as it had at first. The call takes no body, or an empty object.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/redrive",
    tag = "jobs",
    operation_id = "redriveJob",
    params(JobPath, Caller),
    responses(
        (status = 200, description = "The job, which is live again.", body = Job, headers(("ETag"), ("Cache-Control"), ("Retry-After"))),
        Caller, JobPath, NoParams, NoBody, RedriveRefusals, LedgerErrors,
    )
)]
pub(crate) async fn redrive(
    State(api): State<Api>,
    caller: Caller,
    JobPath(id): JobPath,
    _: NoParams,
    _: NoBody,
) -> Result<Response, ApiError> {
    match operate::redrive(&*api.ledger, &caller.tenant, id).await? {
        Operated::Done => {}
        other => return Err(not_operated(other)),
    }
    let job = find(&api, &caller.tenant, id).await?;
    Ok(View::of(&job, api.ledger.now().await?)?.answer(StatusCode::OK, Prefer::default()))
}

fn not_operated(operated: Operated) -> ApiError {
    match operated {
        Operated::NotFound => ApiError::JobNotFound,
        Operated::KeyHeld(holder) => ApiError::UniqueKeyHeld(holder),
        Operated::Contended => ApiError::Contended,
        Operated::Refused(Refusal::NotRedrivable) => ApiError::NotRedrivable,
        Operated::Refused(_) | Operated::Done => ApiError::Internal,
    }
}
