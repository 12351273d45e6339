//! What a job did to the outside world, and a person's word on what nobody else knows.
//!
//! Next: `windrow_jobs::effect`, which decides what a report changes.

use axum::{
    Json as Answer,
    extract::{Path, State},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, value::RawValue};
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    effect::{self, Kept, Policy, RESULT_BYTES_MAX, Reported, Said, Standing, Turn},
    job::{JobError, JobId, State as JobState},
};

use super::jobs::{JobPath, check_exists};
use crate::{
    Api,
    auth::Caller,
    body::Json,
    error::{ApiError, LedgerErrors},
    openapi,
    query::NoParams,
};

openapi::gives! {
    Doubts: EFFECT_NOT_FOUND, EFFECT_NOT_IN_DOUBT;
}
struct Doubts;

/// The effects of a job.
#[derive(Serialize, ToSchema)]
pub(crate) struct Effects {
    /// In the order of their keys.
    effects: Vec<Shown>,
}

/// Something that a job did to the outside world.
#[derive(Serialize, ToSchema)]
#[schema(as = Effect)]
pub(crate) struct Shown {
    /// Its name within the job; the outside knows it as `<job>.<key>`.
    key: String,
    /// How it stands.
    state: Standing,
    /// What becomes of it while nobody knows whether it happened.
    policy: Policy,
    /// The attempt that tried it last.
    attempt: u32,
    /// How often it was tried.
    tries: u32,
    /// How often an attempt found it unknown.
    unknowns: u32,
    /// What the provider calls it.
    provider_id: Option<String>,
    /// What came of it.
    #[schema(value_type = Option<serde_json::Value>)]
    result: Option<Box<RawValue>>,
    /// What the other side said to have gone wrong.
    error: Option<JobError>,
    /// When it was first about to be tried.
    created_at: Timestamp,
    /// When it last changed.
    changed_at: Timestamp,
    /// Until when the other side's report is waited for.
    awaited_until: Option<Timestamp>,
}

impl From<Kept> for Shown {
    fn from(kept: Kept) -> Self {
        let Kept { key, facts, created_at, changed_at, until, .. } = kept;
        Self {
            key,
            state: facts.standing,
            policy: facts.policy,
            attempt: facts.attempt,
            tries: facts.tries,
            unknowns: facts.unknowns,
            provider_id: facts.provider_id,
            result: facts.result.map(|Reported(json)| json),
            error: facts.error,
            created_at,
            changed_at,
            awaited_until: until,
        }
    }
}

/// What a job did to the outside world
///
/// Each call, message or charge that must not be repeated: its intent is on record before it is tried, its confirmation after.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/effects",
    tag = "jobs",
    operation_id = "getJobEffects",
    params(JobPath, Caller),
    responses(
        (status = 200, description = "The effects.", body = Effects, example = json!({ "effects": [{
            "key": "request", "state": "confirmed", "policy": "resend", "attempt": 1, "tries": 1, "unknowns": 0, "provider_id": null,
            "result": { "status": 200 }, "error": null,
            "created_at": "2027-01-15T08:00:00.004Z", "changed_at": "2027-01-15T08:00:00.120Z", "awaited_until": null
        }] })),
        Caller, JobPath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, JobPath(id): JobPath, _: NoParams) -> Result<Answer<Effects>, ApiError> {
    let effects = api.ledger.effects(&caller.tenant, id).await?;
    if effects.is_empty() {
        check_exists(&api, &caller.tenant, id).await?;
    }
    Ok(Answer(Effects { effects: effects.into_iter().map(Shown::from).collect() }))
}

/// Somebody who looked says whether it happened.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Word {
    /// Whether it happened.
    happened: bool,
    /// What the provider calls it.
    #[serde(default)]
    #[schema(max_length = 255)]
    provider_id: Option<String>,
    /// What came of it, as the handler would have kept it; at most 64 KiB.
    #[serde(default)]
    #[schema(value_type = Option<serde_json::Value>)]
    result: Option<Box<RawValue>>,
}

/// The longest name that a provider gives.
const PROVIDER_ID_BYTES_MAX: usize = 255;

/// Say whether an effect happened
///
/// For an effect that nobody knows of and that its policy left alone (`dropped`, `parked`), or whose job ended before it was known
/// (`intended`, `awaited`). Said to have happened, it is not repeated; said not to have, the next attempt tries it. A job that is dead is then
/// sent back by `redrive`. A word may be replaced by another as long as no attempt runs and the job is not completed.
#[utoipa::path(
    post,
    path = "/v1/jobs/{id}/effects/{key}",
    tag = "jobs",
    operation_id = "resolveJobEffect",
    params(JobPath, ("key" = String, Path, description = "The effect's key."), Caller),
    request_body(content = Word, example = json!({ "happened": true, "provider_id": "msg_123" })),
    responses(
        (status = 200, description = "The effect as it stands now.", body = Shown),
        Caller, JobPath, NoParams, Json<Word>, Doubts, LedgerErrors,
    )
)]
pub(crate) async fn resolve(
    State(api): State<Api>,
    caller: Caller,
    Path((id, key)): Path<(String, String)>,
    _: NoParams,
    Json(word): Json<Word>,
) -> Result<Answer<Shown>, ApiError> {
    let id: JobId = id.parse().map_err(|_| ApiError::JobNotFound)?;
    let said = said(word)?;
    let snapshot = api.ledger.snapshot(&caller.tenant, id).await?.ok_or(ApiError::JobNotFound)?;
    let kept = api.ledger.effects(&caller.tenant, id).await?.into_iter().find(|kept| kept.key == key).ok_or(ApiError::EffectNotFound)?;
    // Whoever runs it knows better, and what is completed was acted on.
    let settled = kept.facts.by_person && snapshot.state == JobState::Completed;
    let decided = effect::resolve(&kept, said, rand::random()).filter(|_| snapshot.state != JobState::Running && !settled);
    let facts = decided.ok_or(ApiError::EffectNotInDoubt)?;
    let turn = Turn { job: id, key: key.clone(), seen: kept.version, running: None, facts, callback: None, await_ms: None };
    if !api.ledger.turn_effect(turn).await? {
        return Err(ApiError::Contended);
    }
    let effects = api.ledger.effects(&caller.tenant, id).await?;
    effects.into_iter().find(|kept| kept.key == key).map(|kept| Answer(kept.into())).ok_or(ApiError::EffectNotFound)
}

fn said(word: Word) -> Result<Said, ApiError> {
    let field = |pointer: &str, message: String| ApiError::Field { pointer: pointer.into(), message };
    if word.provider_id.as_ref().is_some_and(|id| id.len() > PROVIDER_ID_BYTES_MAX) {
        return Err(field("/provider_id", format!("a provider's name for it has at most {PROVIDER_ID_BYTES_MAX} bytes")));
    }
    if word.result.as_ref().is_some_and(|result| result.get().len() > RESULT_BYTES_MAX) {
        return Err(field("/result", format!("the result of an effect has at most {RESULT_BYTES_MAX} bytes")));
    }
    let result = word.result.map(|result| readable(result.get())).transpose()?;
    match (word.happened, word.provider_id, result) {
        (true, provider_id, result) => Ok(Said::Happened { provider_id, result }),
        (false, None, None) => Ok(Said::NotHappened),
        (false, Some(_), _) => Err(field("/provider_id", "what did not happen has no name".into())),
        (false, _, Some(_)) => Err(field("/result", "what did not happen has no result".into())),
    }
}

/// A result as a handler will be able to read it again: JSON may have numbers that are none, halves of characters, and any depth.
pub(super) fn readable(json: &str) -> Result<Reported, ApiError> {
    let refused = |error| ApiError::Field { pointer: "/result".into(), message: format!("cannot be kept: {error}") };
    serde_json::from_str::<Value>(json).and_then(|_| RawValue::from_string(json.to_owned())).map(Reported).map_err(refused)
}

/// A field that is there, be it null.
pub(super) fn present<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(field).map(Some)
}
