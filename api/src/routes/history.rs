//! What became of one job: its attempts, and what they logged.

use std::collections::BTreeMap;

use axum::{Json as Answer, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use windrow_jobs::{
    job::Attempt,
    ledger::{LogChunk, LogLine},
};

use super::jobs::{JobPath, check_exists};
use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors},
    query::NoParams,
};

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
