//! One job: submit it, look at it, wait for it, cancel it, send it back. Lists are in `list.rs`.
//!
//! Next on a job's path: `windrow_jobs::submit`, then the ledger's `insert`.

use std::collections::BTreeMap;

use axum::{
    Json as Answer,
    extract::{FromRequestParts, Path, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, RETRY_AFTER},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    clock::Timestamp,
    job::{Attempt, Job, JobId},
    keys::{self, Inserted},
    ledger::{LogChunk, LogLine},
    lifecycle::Refusal,
    operate::{self, Operated},
    submit::{NewJob, Submission, submit},
    tenant::TenantId,
};

use crate::{
    Api,
    auth::Caller,
    body::{Json, NoBody},
    error::{ApiError, LedgerErrors},
    idempotency, openapi,
    prefer::Prefer,
    query::NoParams,
    wait::Wait,
};

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The longest time a client is told to stay away; a job that is far off may be cancelled or moved meanwhile.
const RETRY_AFTER_S_MAX: i64 = 60;

openapi::gives! {
    Refusals: PAYLOAD_TOO_LARGE, PAYLOAD_INVALID, UNKNOWN_KIND, UNKNOWN_QUEUE;
    CancelRefusals: CONTENDED;
    RedriveRefusals: NOT_REDRIVABLE, UNIQUE_KEY_HELD, CONTENDED;
    JobPath: JOB_NOT_FOUND;
}
/// What `windrow_jobs::submit` says no to.
struct Refusals;
struct CancelRefusals;
struct RedriveRefusals;

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
        ("now" = (summary = "At once", value = json!({ "kind": "echo", "payload": { "message": "hello", "log_lines": 2 }, "tags": ["tour"] }))),
        ("retried" = (summary = "Fails twice", value = json!({ "kind": "echo", "payload": { "fail_times": 2 }, "max_attempts": 3 }))),
        ("later" = (summary = "In a minute, once", value = json!({
            "kind": "echo", "payload": {}, "delay_s": 60, "priority": 10, "unique_key": "nightly-report"
        }))),
    )),
    responses(
        (status = 202, description = "Accepted, and not final yet.", body = Job,
            headers(("Location"), ("ETag"), ("Cache-Control"), ("Retry-After"), ("Preference-Applied"), ("Idempotency-Replayed")),
            links(
                ("look" = (operation_id = "getJob", parameters(("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant")))),
                ("cancel" = (operation_id = "cancelJob", parameters(("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant")))),
            )),
        (status = 200, description = "Accepted and already final, or `deduplicated`: the live job that has the unique key.", body = SubmittedJob,
            headers(("Location"), ("ETag"), ("Cache-Control"), ("Retry-After"), ("Preference-Applied"), ("Idempotency-Replayed")),
            links(
                ("look" = (operation_id = "getJob", parameters(("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant")))),
                ("logs" = (operation_id = "getJobLogs", parameters(("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant")))),
                ("attempts" = (operation_id = "getJobAttempts", parameters(("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant")))),
                ("redrive" = (operation_id = "redriveJob", parameters(("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant")))),
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
    let catalog = api.kinds.with(&submission.kind).await?;
    let job = submit(&caller.tenant, submission, &catalog, &api.queues, now)?;
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

/// The answer to a submission. Only its schema is used: `View::deduplicated` adds the word to the job's own JSON.
#[derive(Serialize, ToSchema)]
#[schema(description = "A job, and whether it was there before.")]
struct SubmittedJob {
    #[serde(flatten)]
    job: Job,
    /// There, and true, if this is the live job that has the unique key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    deduplicated: Option<bool>,
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
        (status = 200, description = "The job.", body = Job,
            headers(("ETag"), ("Cache-Control"), ("Retry-After"), ("Preference-Applied")),
            example = json!({
                "id": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70", "tenant": "default", "queue": "default", "kind": "echo", "contract_version": 1,
                "state": "completed", "priority": 0, "attempt": 1, "crashes": 0, "max_attempts": 10, "cancel_requested": false,
                "created_at": "2027-01-15T08:00:00.000Z", "run_at": "2027-01-15T08:00:00.000Z", "started_at": "2027-01-15T08:00:00.004Z",
                "finished_at": "2027-01-15T08:00:00.506Z", "deadline": null, "worker": "standalone-1", "reason": null, "progress": null,
                "result": { "message": "hello" }, "error": null, "payload": { "message": "hello", "sleep_ms": 500 }, "tags": ["tour"], "unique_key": null
            })),
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
        View::of(&find(&api, &caller.tenant, id).await?, api.ledger.now().await?)?
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
        let view = View::of(&find(api, tenant, id).await?, api.ledger.now().await?)?;
        if !view.is_known(headers) || !wait.pause().await {
            return Ok(view);
        }
    }
}

/// The attempts of a job.
#[derive(Serialize, ToSchema)]
pub(crate) struct Attempts {
    /// In the order of their numbers.
    attempts: Vec<Attempt>,
}

/// How each attempt of a job went
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/attempts",
    tag = "jobs",
    operation_id = "getJobAttempts",
    params(JobPath, Caller),
    responses(
        (status = 200, description = "Every attempt, the first one first.", body = Attempts, example = json!({ "attempts": [{
            "attempt": 1, "worker": "standalone-1", "started_at": "2027-01-15T08:00:00.004Z", "finished_at": "2027-01-15T08:00:00.006Z",
            "outcome": "retry", "reason": "failed",
            "error": { "code": "asked_to_fail", "message": "failure 1 of 2", "retryable": true }
        }] })),
        Caller, JobPath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn attempts(
    State(api): State<Api>,
    caller: Caller,
    JobPath(id): JobPath,
    _: NoParams,
) -> Result<Answer<Attempts>, ApiError> {
    let attempts = api.ledger.attempts(&caller.tenant, id).await?;
    if attempts.is_empty() {
        check_exists(&api, &caller.tenant, id).await?;
    }
    Ok(Answer(Attempts { attempts }))
}

/// What the attempts of a job logged.
#[derive(Serialize, ToSchema)]
pub(crate) struct Logs {
    /// In the order of their numbers.
    logs: Vec<AttemptLog>,
}

/// What one attempt logged.
#[derive(Serialize, ToSchema)]
struct AttemptLog {
    /// The attempt's number.
    attempt: u32,
    /// How many lines were dropped over the limit.
    dropped: u32,
    /// The lines, in order.
    lines: Vec<LogLine>,
}

/// What a job logged
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/logs",
    tag = "jobs",
    operation_id = "getJobLogs",
    params(JobPath, Caller),
    responses(
        (status = 200, description = "The lines of every attempt that logged.", body = Logs, example = json!({ "logs": [{
            "attempt": 1, "dropped": 0,
            "lines": [{ "at": "2027-01-15T08:00:00.005Z", "level": "info", "message": "line 1" }]
        }] })),
        Caller, JobPath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn logs(State(api): State<Api>, caller: Caller, JobPath(id): JobPath, _: NoParams) -> Result<Answer<Logs>, ApiError> {
    let chunks = api.ledger.logs(&caller.tenant, id).await?;
    if chunks.is_empty() {
        check_exists(&api, &caller.tenant, id).await?;
    }
    let mut logs: BTreeMap<u32, AttemptLog> = BTreeMap::new();
    for LogChunk { attempt, lines, dropped } in chunks {
        let log = logs.entry(attempt).or_insert_with(|| AttemptLog { attempt, dropped: 0, lines: Vec::new() });
        log.lines.extend(lines);
        log.dropped += dropped;
    }
    Ok(Answer(Logs { logs: logs.into_values().collect() }))
}

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

async fn find(api: &Api, tenant: &TenantId, id: JobId) -> Result<Job, ApiError> {
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

/// What of a job the client has already.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
struct KnownTag {
    /// The `ETag` of what you have: while it is still so, the answer is 304 without a body.
    #[param(rename = "If-None-Match")]
    tag: Option<String>,
}

impl FromRequestParts<Api> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Path(id) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| ApiError::JobNotFound)?;
        id.parse().map(Self).map_err(|_| ApiError::JobNotFound)
    }
}

/// A job's JSON, and what the headers say about it.
struct View {
    body: Vec<u8>,
    etag: String,
    /// When to look again; none once the job is final.
    retry_after_s: Option<i64>,
}

impl View {
    fn of(job: &Job, now: Timestamp) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(job).map_err(|error| {
            tracing::error!(%error, job.id = %job.id, "a job has no JSON form");
            ApiError::Internal
        })?;
        let digest: [u8; 32] = Sha256::digest(&body).into();
        let (half, _) = digest.split_first_chunk::<16>().ok_or(ApiError::Internal)?;
        let etag = format!("\"{:032x}\"", u128::from_be_bytes(*half));
        let until_due_s = if job.state.waits_for_time() { (job.run_at.ms_since(now) + 999) / 1_000 } else { 1 };
        let retry_after_s = (!job.state.is_final()).then(|| until_due_s.clamp(1, RETRY_AFTER_S_MAX));
        Ok(Self { body, etag, retry_after_s })
    }

    /// The same body with a word that it is the job of an earlier submission. The tag stays the job's own, so that it
    /// serves for looking at the job.
    fn deduplicated(mut self) -> Self {
        self.body.truncate(self.body.len().saturating_sub(1));
        self.body.extend_from_slice(br#","deduplicated":true}"#);
        self
    }

    /// Whether the client has this already (`If-None-Match`, RFC 9110 §13.1.2).
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag)
    }

    fn answer(self, status: StatusCode, prefer: Prefer) -> Response {
        let mut response = if status == StatusCode::NOT_MODIFIED { status.into_response() } else { (status, self.body).into_response() };
        let headers = response.headers_mut();
        if status != StatusCode::NOT_MODIFIED {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        if let Ok(etag) = HeaderValue::try_from(self.etag) {
            headers.insert(ETAG, etag);
        }
        if let Some(retry_after_s) = self.retry_after_s {
            headers.insert(RETRY_AFTER, retry_after_s.into());
        }
        if let Some(applied) = prefer.applied() {
            headers.insert(PREFERENCE_APPLIED, applied);
        }
        response
    }
}
