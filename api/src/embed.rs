//! A vector of a provider's model, by a job of the kind `embedding.query`: the api calls nobody itself.
//!
//! Somebody waits, so the job is soon given up. It waits in the queue `default`, not in that of its kind: documents that are being brought may
//! have every slot of that one for half an hour.
//! Next: `windrow_jobs::kinds::embedding_query`.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use windrow_jobs::{
    connection::{Connection, ConnectionState, catalog::openai},
    job::{Job, JobError, State},
    kinds::embedding_query::{KIND, Payload, Report},
    lifecycle::Snapshot,
    queue::QueueName,
    submit::{PRIORITY_MAX, Submission},
    tenant::TenantId,
};

use crate::{Api, error::ApiError, routes::jobs, wait::Wait};

/// How long a request waits for a vector: less than an answer may take.
pub const VECTOR_WAIT_S_MAX: u64 = 15;
/// Errors that end when somebody acts, though a job that has the time is tried again.
const FOR_SOMEBODY: [&str; 3] = ["connection_refused", "connection_closed", "provider_unpaid"];

/// A vector, and what made it.
pub(crate) struct Embedded {
    pub(crate) model: String,
    pub(crate) vector: Vec<f32>,
}

/// The vector of a text, by this connection; of this dimension where it is known.
pub(crate) async fn embed(
    api: &Api,
    tenant: &TenantId,
    connection: &str,
    text: &str,
    dimension: Option<u16>,
) -> Result<Embedded, ApiError> {
    let payload = Payload { connection: connection.to_owned(), text: text.to_owned(), dimension };
    let payload = serde_json::value::to_raw_value(&payload).map_err(|_| ApiError::Internal)?;
    let now = api.ledger.now().await?;
    let submission = Submission {
        queue: Some(QueueName::default_queue().to_string()),
        priority: Some(PRIORITY_MAX),
        deadline: Some(now.plus_ms(VECTOR_WAIT_S_MAX as i64 * 1_000)),
        ..Submission::of(KIND, payload)
    };
    let begun = jobs::begin(api, tenant, submission, now).await?;
    until_known(api, &begun).await?;
    let job = jobs::find(api, tenant, begun.id).await?;
    match (job.state, &job.result) {
        (State::Completed, Some(result)) => read(result.get()),
        _ => Err(why_not(connection, &job)),
    }
}

/// The model that a connection names; an error where it can make no vectors, whoever asks.
pub(crate) fn model_of<'c>(name: &str, connection: Option<&'c Connection>) -> Result<&'c str, ApiError> {
    let unusable = |why: String| ApiError::ModelUnusable(format!("the connection {name:?} {why}"));
    let connection = connection.ok_or_else(|| unusable("is not there any more".into()))?;
    if connection.provider != openai::NAME {
        return Err(unusable(format!("is of the provider {}, and {} makes vectors", connection.provider, openai::NAME)));
    }
    if connection.facts.state == ConnectionState::Disabled {
        return Err(unusable("is switched off".into()));
    }
    connection.facts.config["model"].as_str().ok_or_else(|| unusable("names no model".into()))
}

/// Waits until there is a vector, or will be none in time.
async fn until_known(api: &Api, begun: &Job) -> Result<(), ApiError> {
    let mut wait = Wait::start(&api.changes, &api.shutdown, begun.id, Duration::from_secs(VECTOR_WAIT_S_MAX));
    loop {
        let Snapshot { state, .. } = api.ledger.snapshot(&begun.tenant, begun.id).await?.ok_or(ApiError::JobNotFound)?;
        // It was put off, as the tokens of the day are used up.
        if state.is_final() || state == State::Scheduled || !wait.pause().await {
            return Ok(());
        }
    }
}

fn read(result: &str) -> Result<Embedded, ApiError> {
    let report: Report = serde_json::from_str(result).map_err(|_| ApiError::Internal)?;
    let bytes = STANDARD.decode(report.vector).map_err(|_| ApiError::Internal)?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || numbers.len() != usize::from(report.dimension) {
        return Err(ApiError::Internal);
    }
    Ok(Embedded { model: report.model, vector: numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect() })
}

/// Why a job brought no vector.
fn why_not(connection: &str, job: &Job) -> ApiError {
    let by = format!("by the connection {connection:?} (job {})", job.id);
    match (&job.error, job.state) {
        (Some(JobError { code, message, retryable }), State::Dead) => {
            let why = format!("no vector was made {by}: {code}: {message}");
            if !retryable || FOR_SOMEBODY.contains(&code.as_str()) {
                ApiError::ModelUnusable(why)
            } else {
                ApiError::VectorUnavailable(why)
            }
        }
        (_, State::Scheduled) => {
            let why = job.progress.as_ref().map_or("it was put off", |progress| progress.message.as_str());
            ApiError::VectorUnavailable(format!("no vector was made {by}: {why}"))
        }
        (_, State::Cancelled) => ApiError::VectorUnavailable(format!("no vector was made {by}: somebody cancelled the job")),
        _ => ApiError::VectorUnavailable(format!(
            "no vector was made {by} within {VECTOR_WAIT_S_MAX} s: do workers run, and has the queue {} free slots?",
            job.queue
        )),
    }
}
