//! `GET /v1/jobs`: a tenant's jobs, newest first, a page at a time.

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderValue, header::LINK},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    clock::Timestamp,
    job::{Job, State as JobState},
    ledger::{self, ListFilter, Page},
    queue::QueueName,
};

use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    openapi, page,
    query::Params,
};

/// Jobs of a page that does not say (AIP-158).
pub const PAGE_SIZE: usize = 50;
/// The most jobs of a page.
pub const PAGE_SIZE_MAX: usize = 1_000;
/// A page ends behind the job whose payload and result come to this many bytes together with those before it: a thousand
/// jobs at the limit of payloads would be a gigabyte.
pub const PAGE_BYTES_MAX: usize = 8 << 20;

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
    /// The most jobs of a page.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    page_size: Option<u16>,
    /// The `next_page_token` of the page before, with the same filter.
    #[param(min_length = 1)]
    page_token: Option<String>,
}

openapi::gives! {
    Tokens: PAGE_TOKEN_INVALID;
}
struct Tokens;

/// List jobs
///
/// The tenant's jobs, newest first, a page at a time. Filters join by "and".
#[utoipa::path(
    get,
    path = "/v1/jobs",
    tag = "jobs",
    operation_id = "listJobs",
    params(Asked, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, Params, Tokens, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, mut params: Params) -> Result<Response, ApiError> {
    let filter = filter(&mut params)?;
    let size = params.read("page_size", page_size)?.unwrap_or(PAGE_SIZE);
    let token = params.take("page_token");
    params.finish(&PARAMETERS)?;

    let before = token.map(|token| page::after(&caller.tenant, &filter, &token)).transpose()?;
    let ledger::Listed { jobs, more } = api.ledger.list(&caller.tenant, &filter, Page { before, size, bytes_max: PAGE_BYTES_MAX }).await?;
    let last = jobs.last().filter(|_| more);
    let next_page_token = last.map(|job| page::token(&caller.tenant, &filter, job.id));
    let link = next_page_token.as_ref().map(|token| next_link(&api, &filter, size, token));
    let mut response = Answer(Listed { jobs, next_page_token }).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::try_from(link).ok()) {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
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

fn page_size(text: &str) -> Result<usize, String> {
    let size = text.parse().ok().filter(|size| (1..=PAGE_SIZE_MAX).contains(size));
    size.ok_or_else(|| format!("a page has 1 to {PAGE_SIZE_MAX} jobs"))
}

/// The `Link` header (RFC 8288) of the next page: the same list with the token.
fn next_link(api: &Api, filter: &ListFilter, size: usize, token: &str) -> String {
    let values = [
        filter.kind.clone(),
        filter.queue.as_ref().map(ToString::to_string),
        filter.state.as_ref().map(ToString::to_string),
        filter.tag.clone(),
        filter.created_from.as_ref().map(ToString::to_string),
        filter.created_to.as_ref().map(ToString::to_string),
        Some(size.to_string()),
        Some(token.to_owned()),
    ];
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in PARAMETERS.into_iter().zip(values) {
        if let Some(value) = value {
            query.append_pair(name, &value);
        }
    }
    format!("<{}/v1/jobs?{}>; rel=\"next\"", api.public_url, query.finish())
}
