//! `GET /v1/syncs/{name}/runs`: what a sync's runs did, latest first.

use axum::{extract::State, response::Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    job::{JobError, JobId},
    sync::state::{Counts, Run, RunState},
};

use super::{SyncPath, find};
use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    page,
    query::Params,
};

/// A page of runs.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncRunPage)]
pub(crate) struct Listed {
    /// The runs, latest first.
    runs: Vec<RunView>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// A run.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncRun)]
pub(super) struct RunView {
    /// Which of the sync's, from 1.
    number: u32,
    /// The version of the definition that it follows.
    version: u32,
    /// The job that runs it.
    job: JobId,
    /// The job's attempt that goes on with it.
    attempt: u32,
    /// How it stands.
    state: RunState,
    /// Whether it was asked to read all, though what changed could be asked for.
    full: bool,
    /// Whether it only tells what it would do.
    dry_run: bool,
    /// What it did so far.
    counts: Counts,
    /// Why it failed.
    error: Option<JobError>,
    /// When it began.
    started_at: Timestamp,
    /// When it ended.
    finished_at: Option<Timestamp>,
}

impl From<Run> for RunView {
    fn from(run: Run) -> Self {
        Self {
            number: run.number,
            version: run.version,
            job: run.job,
            attempt: run.attempt,
            state: run.state,
            full: run.full,
            dry_run: run.dry_run,
            counts: run.counts,
            error: run.error,
            started_at: run.started_at,
            finished_at: run.finished_at,
        }
    }
}

/// List a sync's runs
///
/// Latest first, a page at a time: how each stands and what it did. The 100 latest are kept. What could not be taken over is told by the
/// artifact `errors.csv` of a run's job.
#[utoipa::path(
    get,
    path = "/v1/syncs/{name}/runs",
    tag = "syncs",
    operation_id = "listSyncRuns",
    params(SyncPath, page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, SyncPath, Params, page::Asked, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, path: SyncPath, mut params: Params) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    params.finish(&["page_size", "page_token"])?;
    let sync = find(&api, &caller.tenant, &path).await?;
    let list = json!(["sync_runs", caller.tenant, sync.id]);
    let before = asked.after(&list, |last| last.try_into().ok().map(u32::from_be_bytes))?;
    // One more than the page has tells whether there are any.
    let mut runs = api.ledger.sync_runs(&caller.tenant, sync.id, before, asked.size + 1).await?;
    let more = runs.len() > asked.size;
    runs.truncate(asked.size);
    let next_page_token = runs.last().filter(|_| more).map(|last| page::token(&list, &last.number.to_be_bytes()));
    let (next, runs) = (next_page_token.clone(), runs.into_iter().map(RunView::from).collect());
    let path = format!("/v1/syncs/{}/runs", sync.name);
    Ok(page::answer(&api, &path, &[], asked.size, next.as_deref(), Listed { runs, next_page_token }))
}
