//! One job: submit it, look at it, wait for it. Lists are in `list.rs`, what became of it in `history.rs`, what an operator
//! does with it in `operate.rs`.
//!
//! Next on a job's path: `windrow_jobs::submit`, then the ledger's `insert`.

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{IF_NONE_MATCH, LOCATION},
        request::Parts,
    },
    response::Response,
};
use utoipa::IntoParams;
use windrow_jobs::{
    clock::Timestamp,
    job::{Job, JobId},
    keys::{self, Inserted},
    notification::admit::Admission,
    submit::{NewJob, Rejection, Submission, submit},
    tenant::TenantId,
};

use super::{
    batch::blocking,
    tagged::KnownTag,
    view::{SeenJob, SubmittedJob, View},
};
use crate::{
    Api, Front,
    auth::Caller,
    body::Json,
    error::{ApiError, LedgerErrors},
    idempotency, openapi,
    prefer::Prefer,
    query::NoParams,
    wait::Wait,
};

/// What the kinds begin with whose jobs give messages to providers.
const NOTIFICATIONS: &str = "notification.";
/// A payload of so many bytes is large.
const LARGE_BYTES: usize = 16 * 1024;
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

openapi::gives! {
    Refusals: PAYLOAD_TOO_LARGE, PAYLOAD_INVALID, UNKNOWN_KIND, UNKNOWN_QUEUE;
    JobPath: JOB_NOT_FOUND;
}
/// What `windrow_jobs::submit` says no to.
struct Refusals;

/// Submit a job
///
/// The answer means that the job is on disk: it will run, be tried again if it fails, and can be asked for at any time. With `Prefer: wait=N`
/// the answer waits for the outcome. The payload is the kind's own: `GET /v1/kinds/{kind}` has its schema.
#[utoipa::path(
    post,
    path = "/v1/jobs",
    tag = "jobs",
    operation_id = "submitJob",
    params(Caller, Prefer, idempotency::IdempotencyKey),
    request_body(content = Submission, examples(
        ("at_once" = (summary = "At once", value = json!({
            "kind": "echo", "payload": { "message": "hello", "log_lines": 2 }, "tags": ["tour"]
        }))),
        ("retried" = (summary = "Fails twice", value = json!({
            "kind": "echo", "payload": { "fail_times": 2 }, "max_attempts": 3
        }))),
        ("in_a_minute" = (summary = "In a minute, once", value = json!({
            "kind": "echo", "payload": {}, "delay_s": 60, "priority": 10, "unique_key": "nightly-report"
        }))),
    )),
    responses(
        (status = 202, description = "Accepted, and not final yet.", body = Job,
            headers(("Location"), ("ETag"), ("Cache-Control"), ("Retry-After"), ("Preference-Applied"), ("Idempotency-Replayed")),
            links(
                ("look" = (operation_id = "getJob", parameters(
                    ("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("cancel" = (operation_id = "cancelJob", parameters(
                    ("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
            ),
            example = json!({
                "id": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70", "tenant": "default", "queue": "default", "kind": "echo",
                "contract_version": 1, "state": "available", "priority": 0, "attempt": 0, "crashes": 0, "max_attempts": 10,
                "cancel_requested": false, "created_at": "2027-01-15T08:00:00.000Z", "run_at": "2027-01-15T08:00:00.000Z",
                "started_at": null, "finished_at": null, "deadline": null, "worker": null, "reason": null, "progress": null,
                "result": null, "error": null, "payload": { "message": "hello", "log_lines": 2 }, "tags": ["tour"], "unique_key": null
            })),
        (status = 200, body = SubmittedJob,
            description = "Accepted and already final, or `deduplicated`: the live job that has the unique key.",
            headers(("Location"), ("ETag"), ("Cache-Control"), ("Retry-After"), ("Preference-Applied"), ("Idempotency-Replayed")),
            links(
                ("look" = (operation_id = "getJob", parameters(
                    ("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("logs" = (operation_id = "getJobLogs", parameters(
                    ("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("attempts" = (operation_id = "getJobAttempts", parameters(
                    ("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("redrive" = (operation_id = "redriveJob", parameters(
                    ("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
            )),
        Caller, NoParams, Json<Submission>, idempotency::IdempotencyKey, Refusals, LedgerErrors,
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    _: NoParams,
    prefer: Prefer,
    headers: HeaderMap,
    Json(mut submission): Json<Submission>,
) -> Result<Response, ApiError> {
    if submission.idempotency_key.is_some() {
        let message = "a single submission says it by the header Idempotency-Key".into();
        return Err(ApiError::Field { pointer: "/idempotency_key".into(), message });
    }
    submission.idempotency_key = idempotency::key(&headers)?;
    let in_flight = submission.idempotency_key.as_deref().map(|key| api.in_flight.enter(&caller.tenant, key)).transpose()?;
    let now = api.ledger.now().await?;
    let job = checked(&api, &caller.tenant, submission, now).await?;
    admit(&mut Admission::new(api.ledger.as_ref(), &caller.tenant), &job).await?;
    let inserted = api.ledger.insert(vec![job.clone()]).await?.pop().ok_or(ApiError::Internal)?;
    // Whoever comes now finds the answer in the ledger, however long this request waits for its outcome.
    drop(in_flight);

    let replayed = matches!(inserted, Inserted::Replayed(_));
    let (given, deduplicated) = match inserted {
        Inserted::Kept => (accepted(job), false),
        Inserted::Replayed(keys::Answer::Accepted(acceptance)) => (accepted(acceptance.of_repetition(job)), false),
        Inserted::Deduplicated(holder) | Inserted::Replayed(keys::Answer::Deduplicated(holder)) => {
            (find(&api, &caller.tenant, holder).await?, true)
        }
        Inserted::Reused => return Err(ApiError::IdempotencyKeyReused),
    };
    let location = format!("{}/v1/jobs/{}", api.public_url, given.id);
    let job = match prefer.wait {
        None => given,
        Some(_) => outcome(&api, &given, prefer).await.unwrap_or_else(|error| {
            // The job is in the ledger, so the answer is 202 whatever the look at it said.
            tracing::warn!(%error, job.id = %given.id, "an accepted job could not be waited for");
            given
        }),
    };
    let status = if deduplicated || job.state.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let view = View::of(&job, now)?;
    let mut response = if deduplicated { view.deduplicated() } else { view }.answer(status, prefer);
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::try_from(location).map_err(|_| ApiError::Internal)?);
    if replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The job of a submission. A large payload is checked beside this thread: ten thousand recipients take long.
async fn checked(api: &Api, tenant: &TenantId, submission: Submission, now: Timestamp) -> Result<NewJob, ApiError> {
    let catalog = api.kinds.with(&submission.kind).await?;
    if submission.payload.get().len() < LARGE_BYTES {
        return Ok(submit(tenant, submission, &catalog, &api.queues, now)?);
    }
    let (tenant, queues) = (tenant.clone(), api.queues.clone());
    Ok(blocking(move || submit(&tenant, submission, &catalog, &queues, now)).await??)
}

/// Refuses a job for what only the ledger knows of its payload.
pub(crate) async fn admit(admission: &mut Admission<'_, dyn Front>, job: &NewJob) -> Result<(), ApiError> {
    let checked = admission.check(&job.kind, &job.payload).await?;
    checked.map_err(|violation| Rejection::Payload { pointer: format!("/payload{}", violation.pointer), message: violation.message }.into())
}

/// Submits what the api itself asks for, and answers as for any job.
pub(crate) async fn accept(api: &Api, tenant: &TenantId, submission: Submission, prefer: Prefer) -> Result<Response, ApiError> {
    let now = api.ledger.now().await?;
    let given = begin(api, tenant, submission, now).await?;
    let location = format!("{}/v1/jobs/{}", api.public_url, given.id);
    let job = if prefer.wait.is_some() { outcome(api, &given, prefer).await.unwrap_or(given) } else { given };
    let status = if job.state.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = View::of(&job, now)?.answer(status, prefer);
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).map_err(|_| ApiError::Internal)?);
    Ok(response)
}

/// Submits what the api itself asks for.
pub(crate) async fn begin(api: &Api, tenant: &TenantId, submission: Submission, now: Timestamp) -> Result<Job, ApiError> {
    let job = checked(api, tenant, submission, now).await?;
    admit(&mut Admission::new(api.ledger.as_ref(), tenant), &job).await?;
    api.ledger.insert(vec![job.clone()]).await?;
    Ok(accepted(job))
}

/// The job as it stands in the ledger right after its insert, without asking again.
fn accepted(job: NewJob) -> Job {
    Job {
        id: job.id,
        tenant: job.tenant,
        queue: job.queue,
        kind: job.kind,
        contract_version: job.contract_version,
        state: job.state,
        priority: job.priority,
        attempt: 0,
        forgiven: 0,
        crashes: 0,
        max_attempts: job.max_attempts,
        cancel_requested: false,
        created_at: job.created_at,
        run_at: job.run_at,
        started_at: None,
        finished_at: None,
        lease_until: None,
        deadline: job.deadline,
        worker: None,
        outcome: None,
        reason: None,
        progress: None,
        result: None,
        error: None,
        payload: job.payload,
        checkpoint: None,
        tags: job.tags,
        unique_key: job.keys.unique,
    }
}

async fn outcome(api: &Api, accepted: &Job, prefer: Prefer) -> Result<Job, ApiError> {
    wait_until_final(api, &accepted.tenant, accepted.id, prefer).await?;
    find(api, &accepted.tenant, accepted.id).await
}

/// Look at a job
///
/// With `Prefer: wait=N` the answer waits until the job is final; with `If-None-Match` as well, until it is not what you have.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}",
    tag = "jobs",
    operation_id = "getJob",
    params(JobPath, Caller, Prefer, KnownTag),
    responses(
        (status = 200, description = "The job.", body = SeenJob,
            headers(("ETag"), ("Cache-Control"), ("Retry-After"), ("Preference-Applied"))),
        (status = 304, description = "The job is what you have.",
            headers(("ETag"), ("Cache-Control"), ("Retry-After"), ("Preference-Applied"))),
        Caller, JobPath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn read(
    State(api): State<Api>,
    caller: Caller,
    JobPath(id): JobPath,
    _: NoParams,
    prefer: Prefer,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = if headers.contains_key(IF_NONE_MATCH) {
        wait_until_new(&api, &caller.tenant, id, prefer, &headers).await?
    } else {
        wait_until_final(&api, &caller.tenant, id, prefer).await?;
        look(&api, &caller.tenant, id).await?
    };
    let status = if view.is_known(&headers) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    Ok(view.answer(status, prefer))
}

/// Waits as long as the client is willing to, or until the job is final.
async fn wait_until_final(api: &Api, tenant: &TenantId, id: JobId, prefer: Prefer) -> Result<(), ApiError> {
    let Some(time) = prefer.wait else {
        return Ok(());
    };
    let mut wait = Wait::start(&api.changes, &api.shutdown, id, time);
    loop {
        // A snapshot, not the job: payload and result need not travel with every look.
        let snapshot = api.ledger.snapshot(tenant, id).await?.ok_or(ApiError::JobNotFound)?;
        if snapshot.state.is_final() || !wait.pause().await {
            return Ok(());
        }
    }
}

/// Waits as long as the client is willing to, or until the job is not what the client has.
async fn wait_until_new(api: &Api, tenant: &TenantId, id: JobId, prefer: Prefer, headers: &HeaderMap) -> Result<View, ApiError> {
    let mut wait = Wait::start(&api.changes, &api.shutdown, id, prefer.wait.unwrap_or_default());
    loop {
        let view = look(api, tenant, id).await?;
        if !view.is_known(headers) || !wait.pause().await {
            return Ok(view);
        }
    }
}

/// The job as it is shown. Only notifications are asked how their messages fare.
async fn look(api: &Api, tenant: &TenantId, id: JobId) -> Result<View, ApiError> {
    let job = find(api, tenant, id).await?;
    let view = View::of(&job, api.ledger.now().await?)?;
    if !job.kind.starts_with(NOTIFICATIONS) {
        return Ok(view);
    }
    view.with_deliveries(&api.ledger.deliveries(tenant, id).await?)
}

pub(crate) async fn find(api: &Api, tenant: &TenantId, id: JobId) -> Result<Job, ApiError> {
    api.ledger.get(tenant, id).await?.ok_or(ApiError::JobNotFound)
}

pub(crate) async fn check_exists(api: &Api, tenant: &TenantId, id: JobId) -> Result<(), ApiError> {
    api.ledger.snapshot(tenant, id).await?.map(drop).ok_or(ApiError::JobNotFound)
}

/// The id in a job's path. What is no id names no job.
#[derive(IntoParams)]
#[into_params(names("id"), parameter_in = Path)]
pub(crate) struct JobPath(
    /// The job's id.
    pub(crate) JobId,
);

impl FromRequestParts<Api> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Path(id) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| ApiError::JobNotFound)?;
        id.parse().map(Self).map_err(|_| ApiError::JobNotFound)
    }
}
