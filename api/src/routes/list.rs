//! `GET /v1/jobs`: a tenant's jobs, newest first, a page at a time.

use axum::{extract::State, response::Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    clock::Timestamp,
    job::{Job, JobId, State as JobState},
    ledger::{self, ListFilter, Page},
    queue::QueueName,
    tenant::TenantId,
};

use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    page::{self, PAGE_BYTES_MAX},
    query::Params,
};

pub(crate) const PARAMETERS: [&str; 8] = ["kind", "queue", "state", "tag", "created_from", "created_to", "page_size", "page_token"];

/// A page of jobs.
#[derive(Serialize, ToSchema)]
#[schema(as = JobPage)]
struct Listed {
    /// The jobs, newest first.
    jobs: Vec<Job>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// Which jobs are asked for: the parameters above, as the document has them.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
struct Asked {
    /// Jobs of this kind.
    #[param(min_length = 1)]
    kind: Option<String>,
    /// Jobs in this queue.
    queue: Option<QueueName>,
    /// Jobs in this state.
    state: Option<JobState>,
    /// Jobs that have this tag.
    #[param(min_length = 1)]
    tag: Option<String>,
    /// Jobs accepted at this time or later.
    created_from: Option<Timestamp>,
    /// Jobs accepted before this time.
    created_to: Option<Timestamp>,
}

/// List jobs
///
/// The tenant's jobs, newest first, a page at a time. Filters join by "and".
#[utoipa::path(
    get,
    path = "/v1/jobs",
    tag = "jobs",
    operation_id = "listJobs",
    params(Asked, page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, Params, page::Asked, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, ApiError> {
    let filter = filter(&mut params)?;
    let asked = page::Asked::take(&mut params)?;
    params.finish(&PARAMETERS)?;

    let list = identity(&caller.tenant, &filter);
    let before = asked.after(&list, |last| last.try_into().ok().map(JobId::from_bytes))?;
    let page = Page { before, size: asked.size, bytes_max: PAGE_BYTES_MAX };
    let ledger::Listed { jobs, more } = api.ledger.list(&caller.tenant, &filter, page).await?;
    let last = jobs.last().filter(|_| more);
    let next_page_token = last.map(|job| page::token(&list, job.id.as_bytes()));
    let next = next_page_token.clone();
    Ok(page::answer(&api, "/v1/jobs", &given(&filter), asked.size, next.as_deref(), Listed { jobs, next_page_token }))
}

/// What a page token is bound to.
fn identity(tenant: &TenantId, filter: &ListFilter) -> Value {
    let ListFilter { kind, queue, state, tag, created_from, created_to } = filter;
    json!([tenant, kind, queue, state, tag, created_from, created_to])
}

fn filter(params: &mut Params) -> Result<ListFilter, ApiError> {
    Ok(ListFilter {
        kind: params.take("kind"),
        queue: params.parse("queue")?,
        state: params.read("state", state)?,
        tag: params.take("tag"),
        created_from: params.read("created_from", Timestamp::parse_rfc3339)?,
        created_to: params.read("created_to", Timestamp::parse_rfc3339)?,
    })
}

fn state(text: &str) -> Result<JobState, String> {
    let names = JobState::ALL.map(JobState::as_str).join(", ");
    JobState::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| format!("a state is one of {names}"))
}

/// The filter as the query says it.
fn given(filter: &ListFilter) -> [(&'static str, Option<String>); 6] {
    let ListFilter { kind, queue, state, tag, created_from, created_to } = filter;
    [
        ("kind", kind.clone()),
        ("queue", queue.as_ref().map(ToString::to_string)),
        ("state", state.as_ref().map(ToString::to_string)),
        ("tag", tag.clone()),
        ("created_from", created_from.as_ref().map(ToString::to_string)),
        ("created_to", created_to.as_ref().map(ToString::to_string)),
    ]
}
