//! A schedule's owner changes it: what it says, and whether it is paused. All that it expected until then is decided by what
//! it said until then, in the same transaction.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use utoipa::IntoParams;
use windrow_jobs::{
    ledger::Edited,
    schedule::{Definition, Edit, Schedule},
};

use super::{
    NameTaken, Refusals, SchedulePath, Trial, answer, check, check_name_is_free, check_precondition, find, is_trial, patch::Patch, rules,
};
use crate::{
    Api,
    auth::Caller,
    body::{Json, NoBody},
    error::{ApiError, LedgerErrors},
    openapi,
    query::{NoParams, Params},
};

/// How often a patch looks at a schedule that changes under it.
const LOOKS_MAX: usize = 8;

openapi::gives! {
    Conflicts: CONTENDED;
    SeenTag: PRECONDITION_FAILED;
}
struct Conflicts;

/// Which edition of the schedule is to be changed.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
struct SeenTag {
    /// The `ETag` of what you saw: where somebody has edited it since, the answer is 412. Fires since then do not matter.
    #[param(rename = "If-Match")]
    tag: Option<String>,
}

/// Change a schedule
///
/// A merge patch (RFC 7396): what is left out stays, `null` means the default. The fields of `job` are merged one by one; its `payload` and
/// `misfire` are replaced whole. The result is checked as a new schedule is, and acts at once. A patch that changes nothing writes nothing.
#[utoipa::path(
    patch,
    path = "/v1/schedules/{id}",
    tag = "schedules",
    operation_id = "changeSchedule",
    params(SchedulePath, Trial, Caller, SeenTag),
    request_body(content = Patch, examples(
        ("later" = (summary = "At another time", value = json!({ "cron": "0 4 * * *", "time_zone": "Europe/Berlin" }))),
        ("priority" = (summary = "With another priority, for ever", value = json!({ "job": { "priority": 20 }, "ends_at": null }))),
    )),
    responses(
        (status = 200, description = "The schedule as it is now; with `?dry_run=true` as it would be.", body = Schedule,
            headers(("ETag"), ("Cache-Control"))),
        Caller, SchedulePath, Params, Json<Patch>, Refusals, NameTaken, Conflicts, SeenTag, LedgerErrors,
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    path: SchedulePath,
    mut params: Params,
    headers: HeaderMap,
    Json(patch): Json<Patch>,
) -> Result<Response, ApiError> {
    let dry_run = is_trial(&mut params)?;
    params.finish(&["dry_run"])?;
    for _ in 0..LOOKS_MAX {
        let standing = find(&api, &caller.tenant, &path).await?;
        check_precondition(&headers, &standing)?;
        let definition = patch.clone().onto(standing.definition.clone());
        if is_same(&definition, &standing.definition)? {
            return answer(StatusCode::OK, &standing);
        }
        let now = api.ledger.now().await?;
        check(&api, &caller.tenant, &definition, now).await?;
        let (name, edit) = (definition.name.clone(), Edit::Define(Box::new(definition)));
        if dry_run {
            check_name_is_free(&api, &caller.tenant, &name, standing.id).await?;
            return answer(StatusCode::OK, &standing.edited(&edit, now));
        }
        let rules = rules(&api, &standing).await?;
        match api.ledger.edit_schedule(&caller.tenant, standing.id, Some(standing.version), edit, &rules).await? {
            Edited::Done(schedule) => return answer(StatusCode::OK, &schedule),
            Edited::Missing => return Err(ApiError::ScheduleNotFound),
            Edited::NameTaken => return Err(ApiError::ScheduleExists(name)),
            // Somebody else's edit must not be lost: the patch goes onto that.
            Edited::Stale(_) => {}
        }
    }
    Err(ApiError::Contended)
}

fn is_same(one: &Definition, other: &Definition) -> Result<bool, ApiError> {
    let json = |definition: &Definition| serde_json::to_vec(definition).map_err(|_| ApiError::Internal);
    Ok(json(one)? == json(other)?)
}

/// Pause a schedule
///
/// It expects no fires until it is resumed; what it had not decided yet is skipped. Jobs that it made go on. The call takes no body, or an
/// empty object.
#[utoipa::path(
    post,
    path = "/v1/schedules/{id}/pause",
    tag = "schedules",
    operation_id = "pauseSchedule",
    params(SchedulePath, Caller),
    responses(
        (status = 200, description = "The schedule, which is paused.", body = Schedule, headers(("ETag"), ("Cache-Control"))),
        Caller, SchedulePath, NoParams, NoBody, LedgerErrors,
    )
)]
pub(crate) async fn pause(
    State(api): State<Api>,
    caller: Caller,
    path: SchedulePath,
    _: NoParams,
    _: NoBody,
) -> Result<Response, ApiError> {
    set_paused(&api, &caller, &path, true).await
}

/// Resume a schedule
///
/// It expects fires from now on; those of the pause are not made up for. The call takes no body, or an empty object.
#[utoipa::path(
    post,
    path = "/v1/schedules/{id}/resume",
    tag = "schedules",
    operation_id = "resumeSchedule",
    params(SchedulePath, Caller),
    responses(
        (status = 200, description = "The schedule, which is not paused.", body = Schedule, headers(("ETag"), ("Cache-Control"))),
        Caller, SchedulePath, NoParams, NoBody, LedgerErrors,
    )
)]
pub(crate) async fn resume(
    State(api): State<Api>,
    caller: Caller,
    path: SchedulePath,
    _: NoParams,
    _: NoBody,
) -> Result<Response, ApiError> {
    set_paused(&api, &caller, &path, false).await
}

async fn set_paused(api: &Api, caller: &Caller, path: &SchedulePath, paused: bool) -> Result<Response, ApiError> {
    let standing = find(api, &caller.tenant, path).await?;
    if standing.paused == paused {
        return answer(StatusCode::OK, &standing);
    }
    let edit = if paused { Edit::Pause } else { Edit::Resume };
    match api.ledger.edit_schedule(&caller.tenant, standing.id, None, edit, &rules(api, &standing).await?).await? {
        Edited::Done(schedule) => answer(StatusCode::OK, &schedule),
        Edited::Missing => Err(ApiError::ScheduleNotFound),
        Edited::Stale(_) | Edited::NameTaken => Err(ApiError::Internal),
    }
}
