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
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::value::RawValue;
use windrow_jobs::{
    job::JobId,
    keys::{self, Inserted},
    submit::{NewJob, Submission, submit},
};

use crate::{
    Api,
    auth::Caller,
    body::{self, arrive},
    error::{ApiError, ItemProblem},
    query::Params,
};

/// The most items of a batch: their one transaction takes about half a second.
pub const BATCH_ITEMS_MAX: usize = 10_000;
/// The largest body of a batch, in bytes: thirty-two of the largest payloads.
pub const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;

/// `POST /v1/jobs/batch`
pub(crate) async fn create(State(api): State<Api>, caller: Caller, mut params: Params, Items(items): Items) -> Result<Response, ApiError> {
    let atomic = params.parse("atomic")?.unwrap_or(false);
    params.finish(&["atomic"])?;

    let read = blocking(move || items.iter().map(|item| body::parse::<Submission>(item)).collect::<Vec<_>>()).await?;
    let catalog = catalog(&api, &read).await?;
    let now = api.ledger.now().await?;
    let queues = api.queues.clone();
    let checked = blocking(move || {
        let check = |read: Result<Submission, ApiError>| Ok(submit(&caller.tenant, read?, &catalog, &queues, now)?);
        read.into_iter().map(check).collect::<Vec<Result<NewJob, ApiError>>>()
    })
    .await?;

    let (ids, outcomes) = if atomic { insert_whole(&api, checked).await? } else { insert_valid(&api, checked).await? };
    Ok((StatusCode::ACCEPTED, Answer(Report::of(ids, outcomes))).into_response())
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
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a batch could not be read");
        ApiError::Internal
    })
}

/// The answer.
#[derive(Serialize)]
struct Report {
    accepted: usize,
    rejected: usize,
    items: Vec<Item>,
}

/// What became of one item.
#[derive(Serialize)]
struct Item {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<JobId>,
    #[serde(skip_serializing_if = "is_false")]
    deduplicated: bool,
    #[serde(skip_serializing_if = "is_false")]
    replayed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
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
