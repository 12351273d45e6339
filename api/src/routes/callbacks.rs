//! Reports on what the other side took over: that it is done, that it failed, that it is being worked on.
//!
//! A callback's token is the permission: whoever has it reports on that one effect, without a key. Only its hash is kept.
//! A report is on disk before it is answered; waking the job is a courtesy, since its handler looks again by itself.
//! Next: `windrow_jobs::effect::report`, which decides, and `kinds/http_request/`, which gives tokens out.

use std::time::Duration;

use axum::{
    Json as Answer,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    effect::{self, Kept, RESULT_BYTES_MAX, Said, Standing, Turn, hash_of},
    job::JobError,
    lifecycle::Refusal,
    operate::{self, Operated},
};

use super::effects::{present, readable};
use crate::{
    Api,
    body::{Json, NoBody},
    error::{ApiError, LedgerErrors},
    openapi,
    query::NoParams,
};

/// What the paths of callbacks begin with.
pub(crate) const PATH: &str = "/v1/callbacks/";
/// The longest result that is reported: what is kept of an effect, and room for what is written around it.
pub(crate) const REPORT_BYTES_MAX: usize = RESULT_BYTES_MAX - 64;
/// The longest code of a reported error.
const CODE_BYTES_MAX: usize = 64;
/// How often a report is decided anew because the effect changed meanwhile.
const LOOKS_MAX: usize = 5;
/// How often a job that still runs is tried to be woken.
const WAKES_MAX: u32 = 10;
/// The time between such tries.
const WAKE_AGAIN: Duration = Duration::from_millis(200);

openapi::gives! {
    Refusals: CALLBACK_NOT_FOUND, CALLBACK_REPORTED, CALLBACK_OVER, CONTENDED;
}
/// What a report is refused for.
struct Refusals;

/// What came of it: a result or an error.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallbackReport {
    /// It is done, and this came of it: any JSON of at most some 64 KiB.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<serde_json::Value>)]
    result: Option<Box<RawValue>>,
    /// It failed.
    #[serde(default)]
    error: Option<ReportedError>,
}

/// What went wrong on the other side.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReportedError {
    /// A word for it, in `[a-z0-9_]`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9_]+$")]
    code: String,
    /// A sentence for people.
    #[serde(default)]
    #[schema(max_length = 4096)]
    message: String,
    /// Whether another attempt might succeed.
    #[serde(default)]
    retryable: bool,
}

/// That a report was taken.
#[derive(Serialize, ToSchema)]
pub(crate) struct Taken {
    /// Until when the next is waited for; none where it was the last.
    awaited_until: Option<Timestamp>,
}

/// Report what came of a request
///
/// For an endpoint that answered 202 to `http.request`: the URL is in the header `Windrow-Callback-Url`, and is the permission. One report is taken;
/// a failed one is tried again, if it says so, with a new URL. Answered 410 once the job has ended: it is kept all the same, for the case that the
/// job is sent back.
#[utoipa::path(
    post,
    path = "/v1/callbacks/{token}",
    tag = "callbacks",
    operation_id = "reportCallback",
    params(("token" = String, Path, description = "The token of the URL that was given.")),
    request_body(content = CallbackReport, example = json!({ "result": { "rows": 1200 } })),
    responses(
        (status = 200, description = "The report is on disk.", body = Taken, example = json!({ "awaited_until": null })),
        NoParams, Json<CallbackReport>, Refusals, LedgerErrors,
    )
)]
pub(crate) async fn report(
    State(api): State<Api>,
    Path(token): Path<String>,
    _: NoParams,
    Json(report): Json<CallbackReport>,
) -> Result<Answer<Taken>, ApiError> {
    // Whoever has no token learns nothing of the rest.
    find(&api, &token).await?;
    let said = said(report)?;
    let kept = take(&api, &token, &said).await?;
    tokio::spawn(wake(api, kept));
    Ok(Answer(Taken { awaited_until: None }))
}

/// Say that a request is still being worked on
///
/// The time in which a report is waited for begins anew, up to a week from the first answer. Answered 410 once the job has ended, be it by a cancel: then the work can be left.
#[utoipa::path(
    post,
    path = "/v1/callbacks/{token}/heartbeat",
    tag = "callbacks",
    operation_id = "heartbeatCallback",
    params(("token" = String, Path, description = "The token of the URL that was given.")),
    responses(
        (status = 200, description = "It is waited for.", body = Taken, example = json!({ "awaited_until": "2027-01-15T09:00:00.000Z" })),
        NoParams, NoBody, Refusals, LedgerErrors,
    )
)]
pub(crate) async fn heartbeat(
    State(api): State<Api>,
    Path(token): Path<String>,
    _: NoParams,
    _: NoBody,
) -> Result<Answer<Taken>, ApiError> {
    take(&api, &token, &Said::Alive).await?;
    let (kept, _) = find(&api, &token).await?;
    Ok(Answer(Taken { awaited_until: kept.until }))
}

fn said(report: CallbackReport) -> Result<Said, ApiError> {
    let field = |pointer: &str, message: String| ApiError::Field { pointer: pointer.into(), message };
    match (report.result, report.error) {
        (Some(result), None) if result.get().len() <= REPORT_BYTES_MAX => {
            // As handlers tell a report from what an endpoint answered at once.
            let reported = readable(&format!(r#"{{"reported":{}}}"#, result.get()))?;
            Ok(Said::Happened { provider_id: None, result: Some(reported) })
        }
        (Some(_), None) => {
            Err(field("/result", format!("a result has at most {REPORT_BYTES_MAX} bytes; keep it elsewhere, and report where")))
        }
        (None, Some(error)) => {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            if error.code.is_empty() || error.code.len() > CODE_BYTES_MAX || !error.code.bytes().all(plain) {
                return Err(field("/error/code", format!("a code is a word of [a-z0-9_] of at most {CODE_BYTES_MAX}")));
            }
            Ok(Said::Failed(JobError::new(error.code, error.message, error.retryable)))
        }
        (None, None) => Err(field("/result", "is missing: a report has a result or an error".into())),
        (Some(_), Some(_)) => Err(field("/error", "a report has a result or an error".into())),
    }
}

/// Writes what is said, if it changes anything. A report on a job that has ended is written too: should the job be sent back, it counts.
async fn take(api: &Api, token: &str, said: &Said) -> Result<Kept, ApiError> {
    for _ in 0..LOOKS_MAX {
        let (kept, now) = find(api, token).await?;
        let snapshot = api.ledger.snapshot(&kept.tenant, kept.job).await?.ok_or(ApiError::CallbackNotFound)?;
        let over = snapshot.state.is_final();
        let Some(facts) = effect::report(&kept, said.clone(), rand::random()) else {
            return match kept.facts.standing {
                _ if over => Err(ApiError::CallbackOver),
                // Before the handler has heard that it was taken over there is nothing to prolong.
                Standing::Intended if *said == Said::Alive => Ok(kept),
                _ => Err(ApiError::CallbackReported),
            };
        };
        let await_ms = match said {
            Said::Alive if !over => Some(effect::patience_ms(&kept, now)),
            Said::Alive if kept.until.is_some_and(|until| until <= now) => return Err(ApiError::CallbackOver),
            // It is told to leave the work, so a job that is sent back does not wait for it.
            Said::Alive => Some(0),
            _ => None,
        };
        let (job, key, seen) = (kept.job, kept.key.clone(), kept.version);
        let turn = Turn { job, key, seen, running: None, facts, callback: None, await_ms };
        if api.ledger.turn_effect(turn).await? {
            return if over { Err(ApiError::CallbackOver) } else { Ok(kept) };
        }
    }
    Err(ApiError::Contended)
}

async fn find(api: &Api, token: &str) -> Result<(Kept, Timestamp), ApiError> {
    api.ledger.awaited(&hash_of(token)).await?.ok_or(ApiError::CallbackNotFound)
}

/// Wakes the job. It may still be running: the report can come before the answer that announced it.
async fn wake(api: Api, kept: Kept) {
    for _ in 0..WAKES_MAX {
        match operate::wake(api.ledger.as_ref(), &kept.tenant, kept.job).await {
            Ok(Operated::Refused(Refusal::NotDue)) => tokio::time::sleep(WAKE_AGAIN).await,
            Ok(_) => return,
            Err(error) => return tracing::debug!(%error, job.id = %kept.job, "a job was not woken; it looks by itself"),
        }
    }
}
