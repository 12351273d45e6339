//! Many jobs in one request: `POST /v1/jobs/batch`. What is valid is committed in one transaction, and each item has its
//! own answer; with `?atomic=true` it is all of them or none.
//!
//! Next on a job's path: `windrow_jobs::submit`, then the ledger's `insert`.

use std::collections::BTreeSet;

use axum::{
    Json as Answer,
    body::Bytes,
    extract::{FromRequest, Request, State},
    http::StatusCode,
};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    job::JobId,
    keys::{self, Inserted},
    notification::admit::Admission,
    submit::{NewJob, Submission, submit},
    tenant::TenantId,
};

use crate::{
    Api,
    auth::Caller,
    body::{self, arrive},
    error::{ApiError, ItemProblem, LedgerErrors},
    openapi,
    query::Params,
    routes::jobs::admit,
};

/// The most items of a batch: their one transaction takes about half a second.
pub const BATCH_ITEMS_MAX: usize = 10_000;
/// The largest body of a batch, in bytes: thirty-two of the largest payloads.
pub const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;

openapi::gives! {
    Items: JSON_MALFORMED, FIELD_INVALID, MEDIA_TYPE_UNSUPPORTED, BODY_TOO_LARGE, BODY_UNREADABLE, BODY_TIMED_OUT, BATCH_TOO_LARGE;
    Rejected: BATCH_REJECTED;
}
struct Rejected;

/// What a batch is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
struct Asked {
    /// All of the batch or none of it.
    atomic: Option<bool>,
}

/// Submit many jobs
///
/// Up to 10,000 jobs in one transaction, as a JSON array or a line each. What is valid is accepted and what is not is refused, each with an
/// answer of its own; with `?atomic=true` one invalid item refuses all. An item may have an `idempotency_key`.
#[utoipa::path(
    post,
    path = "/v1/jobs/batch",
    tag = "jobs",
    operation_id = "submitJobs",
    params(Asked, Caller),
    request_body(description = "The jobs, each as for `POST /v1/jobs`.", content(
        (Vec<Submission> = "application/json", example = json!([
            { "kind": "echo", "payload": { "message": "one" } },
            { "kind": "echo", "payload": { "message": "two" }, "idempotency_key": "order-7-receipt" },
        ])),
        (String = "application/x-ndjson", example = json!("{\"kind\":\"echo\",\"payload\":{}}\n{\"kind\":\"echo\",\"payload\":{}}\n")),
    )),
    responses(
        (status = 202, description = "What became of each item. Those that have an `id` are on disk.", body = Report, example = json!({
            "accepted": 1, "rejected": 1, "items": [
                { "index": 0, "id": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70" },
                { "index": 1, "problem": { "code": "unknown_kind", "detail": "no kind is named \"ecko\"", "pointer": "/1/kind" } },
            ]
        })),
        Caller, Params, Items, Rejected, LedgerErrors,
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    mut params: Params,
    Items(items): Items,
) -> Result<(StatusCode, Answer<Report>), ApiError> {
    let atomic = params.parse("atomic")?.unwrap_or(false);
    params.finish(&["atomic"])?;

    let read = blocking(move || items.iter().map(|item| body::parse_object::<Submission>(item)).collect::<Vec<_>>()).await?;
    let catalog = catalog(&api, &read).await?;
    let now = api.ledger.now().await?;
    let (queues, tenant) = (api.queues.clone(), caller.tenant.clone());
    let checked = blocking(move || {
        let check = |read: Result<Submission, ApiError>| Ok(submit(&tenant, read?, &catalog, &queues, now)?);
        read.into_iter().map(check).collect::<Vec<Result<NewJob, ApiError>>>()
    })
    .await?;
    let checked = admit_each(&api, &caller.tenant, checked).await?;

    let (ids, outcomes) = if atomic { insert_whole(&api, checked).await? } else { insert_valid(&api, checked).await? };
    Ok((StatusCode::ACCEPTED, Answer(Report::of(ids, outcomes))))
}

/// Refuses those for what only the ledger knows of their payloads; what several ask for is looked for once.
async fn admit_each(
    api: &Api,
    tenant: &TenantId,
    checked: Vec<Result<NewJob, ApiError>>,
) -> Result<Vec<Result<NewJob, ApiError>>, ApiError> {
    let mut admission = Admission::new(api.ledger.as_ref(), tenant);
    let mut admitted = Vec::with_capacity(checked.len());
    for item in checked {
        admitted.push(match item {
            Err(error) => Err(error),
            Ok(job) => match admit(&mut admission, &job).await {
                // What keeps the ledger from answering is not this item's fault.
                Err(error @ ApiError::Ledger(_)) => return Err(error),
                Err(error) => Err(error),
                Ok(()) => Ok(job),
            },
        });
    }
    Ok(admitted)
}

/// For each item the id it asked for, and what became of it.
type Outcomes = (Vec<Option<JobId>>, Vec<Result<Inserted, ApiError>>);

/// Commits the valid ones; the others keep their problems.
async fn insert_valid(api: &Api, checked: Vec<Result<NewJob, ApiError>>) -> Result<Outcomes, ApiError> {
    let ids = checked.iter().map(|item| item.as_ref().ok().map(|job| job.id)).collect();
    let (mut jobs, mut outcomes) = (Vec::new(), Vec::new());
    for item in checked {
        outcomes.push(item.map(|job| jobs.push(job)));
    }
    let mut inserted = if jobs.is_empty() { Vec::new() } else { api.ledger.insert(jobs).await? }.into_iter();
    let outcome = |item: Result<(), ApiError>| item.and_then(|()| inserted.next().ok_or(ApiError::Internal));
    Ok((ids, outcomes.into_iter().map(outcome).collect()))
}

/// Commits all, or says what is wrong with each that is in the way.
async fn insert_whole(api: &Api, checked: Vec<Result<NewJob, ApiError>>) -> Result<Outcomes, ApiError> {
    let problems: Vec<_> = checked.iter().enumerate().filter_map(|(index, item)| Some(item.as_ref().err()?.of_item(index))).collect();
    if !problems.is_empty() {
        return Err(ApiError::BatchRejected(problems));
    }
    let jobs: Vec<NewJob> = checked.into_iter().collect::<Result<_, _>>()?;
    let ids = jobs.iter().map(|job| Some(job.id)).collect();
    let inserted = if jobs.is_empty() { Vec::new() } else { api.ledger.insert_unless_reused(jobs).await? };
    let reused = inserted.iter().enumerate().filter(|(_, inserted)| **inserted == Inserted::Reused);
    let problems: Vec<_> = reused.map(|(index, _)| ApiError::IdempotencyKeyReused.of_item(index)).collect();
    if !problems.is_empty() {
        return Err(ApiError::BatchRejected(problems));
    }
    Ok((ids, inserted.into_iter().map(Ok).collect()))
}

/// A catalog that has every kind of the batch that the ledger knows.
async fn catalog(api: &Api, read: &[Result<Submission, ApiError>]) -> Result<windrow_jobs::contract::Catalog, ApiError> {
    let kinds: BTreeSet<&str> = read.iter().flatten().map(|submission| submission.kind.as_str()).collect();
    let catalog = api.kinds.catalog();
    match kinds.into_iter().find(|kind| catalog.get(kind).is_none()) {
        None => Ok(catalog),
        // One look brings every kind there is.
        Some(unknown) => Ok(api.kinds.with(unknown).await?),
    }
}

/// Reading and checking 32 MiB takes long enough to hold up everybody else on this thread.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "what was sent could not be checked");
        ApiError::Internal
    })
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchReport)]
pub(crate) struct Report {
    /// How many items are on disk, or were before.
    accepted: usize,
    /// How many were refused.
    rejected: usize,
    /// Each item, in the order of the batch.
    items: Vec<Item>,
}

/// What became of one item.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchItem)]
struct Item {
    /// Its place in the batch, from 0.
    index: usize,
    /// The job, unless the item is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<JobId>,
    /// There, and true, if this is the live job that has the unique key.
    #[serde(skip_serializing_if = "is_false")]
    deduplicated: bool,
    /// There, and true, if the same submission was answered like this before.
    #[serde(skip_serializing_if = "is_false")]
    replayed: bool,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<ItemProblem>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Report {
    fn of(ids: Vec<Option<JobId>>, outcomes: Vec<Result<Inserted, ApiError>>) -> Self {
        let items: Vec<Item> =
            ids.into_iter().zip(outcomes).enumerate().map(|(index, (id, outcome))| Item::of(index, id, outcome)).collect();
        let accepted = items.iter().filter(|item| item.id.is_some()).count();
        Self { accepted, rejected: items.len() - accepted, items }
    }
}

impl Item {
    fn of(index: usize, id: Option<JobId>, outcome: Result<Inserted, ApiError>) -> Self {
        let item = Self { index, id, deduplicated: false, replayed: false, problem: None };
        let refused = |error: ApiError| Self { id: None, problem: Some(error.of_item(index)), ..item };
        match outcome {
            Ok(Inserted::Kept) => item,
            Ok(Inserted::Deduplicated(holder)) => Self { id: Some(holder), deduplicated: true, ..item },
            Ok(Inserted::Replayed(keys::Answer::Accepted(acceptance))) => Self { id: Some(acceptance.id), replayed: true, ..item },
            Ok(Inserted::Replayed(keys::Answer::Deduplicated(holder))) => {
                Self { id: Some(holder), deduplicated: true, replayed: true, ..item }
            }
            Ok(Inserted::Reused) => refused(ApiError::IdempotencyKeyReused),
            Err(error) => refused(error),
        }
    }
}

/// The items of a batch, each as it was written: a JSON array, or a line each (`application/x-ndjson`).
pub(crate) struct Items(Vec<Bytes>);

impl FromRequest<Api> for Items {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Api) -> Result<Self, ApiError> {
        let lines = body::check_media_type(request.headers(), Some("application/x-ndjson"))?;
        let body = arrive(request, api, BATCH_BYTES_MAX).await?;
        let items = if lines { by_line(&body) } else { of_array(&body)? };
        if items.len() > BATCH_ITEMS_MAX {
            return Err(ApiError::BatchTooLarge { items: items.len() });
        }
        Ok(Self(items))
    }
}

fn by_line(body: &Bytes) -> Vec<Bytes> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty()).map(|line| body.slice_ref(line)).collect()
}

fn of_array(body: &Bytes) -> Result<Vec<Bytes>, ApiError> {
    let items: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| body::misread(String::new(), &error))?;
    Ok(items.into_iter().map(|item| body.slice_ref(item.get().as_bytes())).collect())
}
