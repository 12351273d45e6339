//! Schedules: make one, look at it, delete it. Lists are in `schedules/list.rs`, edits in `schedules/change.rs`, what became of
//! its fires in `schedules/fires.rs`, and what an expression means in `schedules/preview.rs`.
//!
//! Next: `windrow_jobs::schedule`, then the ledger's role `Timetable`.

pub(crate) mod change;
pub(crate) mod fires;
pub(crate) mod list;
mod patch;
pub(crate) mod preview;

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{IF_MATCH, LOCATION},
        request::Parts,
    },
    response::Response,
};
use utoipa::IntoParams;
use windrow_jobs::{
    clock::Timestamp,
    contract::Violation,
    ledger::{Edited, ScheduleKey},
    notification::admit::Admission,
    schedule::{Definition, Rules, Schedule, ScheduleId},
    submit::Rejection,
    tenant::TenantId,
};

use super::tagged::{KnownTag, Tagged, tags};
use crate::{
    Api,
    auth::Caller,
    body::{Json, NoBody},
    error::{ApiError, LedgerErrors},
    openapi,
    query::{NoParams, Params},
};

openapi::gives! {
    Refusals: PAYLOAD_TOO_LARGE, PAYLOAD_INVALID, UNKNOWN_KIND, UNKNOWN_QUEUE;
    NameTaken: SCHEDULE_EXISTS;
    SchedulePath: SCHEDULE_NOT_FOUND;
}
/// What a schedule, or the job that it would submit, is refused for.
struct Refusals;
struct NameTaken;

/// Whether it is meant.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
struct Trial {
    /// Checks everything and answers as it would be, but writes nothing.
    dry_run: Option<bool>,
}

/// Make a schedule
///
/// From now on it submits its job whenever its expression says. Its name is its key, so a call that is sent again makes no second one: it is
/// answered 409, and `Idempotency-Key` means nothing here. The template's payload is checked as it would be at the first fire.
#[utoipa::path(
    post,
    path = "/v1/schedules",
    tag = "schedules",
    operation_id = "createSchedule",
    params(Trial, Caller),
    request_body(content = Definition, examples(
        ("hourly" = (summary = "Every hour", value = json!({
            "name": "template-sync", "cron": "@hourly", "jitter_s": 300, "overlap": "skip",
            "job": { "kind": "echo", "payload": { "message": "sync {{ n }}, due at {{ fire_at }}" } }
        }))),
        ("nightly" = (summary = "Every night on a local clock, made up for", value = json!({
            "name": "reconciliation", "cron": "30 2 * * *", "time_zone": "Europe/Berlin",
            "misfire": { "catch_up": { "max": 3, "window_s": 259_200 } }, "overlap": "queue_one",
            "job": { "kind": "echo", "payload": { "message": "the night of {{ fire_at }}" }, "queue": "syncs", "tags": ["nightly"] }
        }))),
    )),
    responses(
        (status = 201, description = "The schedule, which expects its first fire.", body = Schedule,
            headers(("Location"), ("ETag"), ("Cache-Control")),
            links(
                ("look" = (operation_id = "getSchedule", parameters(
                    ("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("change" = (operation_id = "changeSchedule", parameters(
                    ("id" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("run" = (operation_id = "runSchedule", parameters(
                    ("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("fires" = (operation_id = "listFires", parameters(
                    ("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("pause" = (operation_id = "pauseSchedule", parameters(
                    ("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("resume" = (operation_id = "resumeSchedule", parameters(
                    ("id" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("delete" = (operation_id = "deleteSchedule", parameters(
                    ("id" = "$response.body#/id"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
            ),
            example = json!({
                "id": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70", "tenant": "default", "name": "template-sync", "cron": "@hourly",
                "time_zone": "UTC", "starts_at": null, "ends_at": null,
                "job": {
                    "kind": "echo", "payload": { "message": "sync {{ n }}, due at {{ fire_at }}" }, "queue": null, "priority": null,
                    "max_attempts": null, "tags": []
                },
                "jitter_s": 300, "misfire": "fire_once", "overlap": "skip", "paused": false, "version": 1,
                "created_at": "2027-01-15T08:00:00.000Z", "updated_at": "2027-01-15T08:00:00.000Z",
                "next_fire_at": "2027-01-15T09:00:00.000Z", "last_fire_at": null, "jobs_made": 0
            })),
        (status = 200, description = "With `?dry_run=true`: the schedule as it would be, with an id that was made up.", body = Schedule,
            headers(("ETag"), ("Cache-Control"))),
        Caller, Params, Json<Definition>, Refusals, NameTaken, LedgerErrors,
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    mut params: Params,
    Json(definition): Json<Definition>,
) -> Result<Response, ApiError> {
    let dry_run = is_trial(&mut params)?;
    params.finish(&["dry_run"])?;
    let now = api.ledger.now().await?;
    check(&api, &caller.tenant, &definition, now).await?;
    let id = ScheduleId::generate();
    if dry_run {
        check_name_is_free(&api, &caller.tenant, &definition.name, id).await?;
        return answer(StatusCode::OK, &Schedule::new(id, caller.tenant, definition, now));
    }
    let name = definition.name.clone();
    let schedule = match api.ledger.create_schedule(id, &caller.tenant, definition).await? {
        Edited::Done(schedule) => schedule,
        Edited::NameTaken => return Err(ApiError::ScheduleExists(name)),
        Edited::Missing | Edited::Stale(_) => return Err(ApiError::Internal),
    };
    let mut response = answer(StatusCode::CREATED, &schedule)?;
    let location = format!("{}/v1/schedules/{}", api.public_url, schedule.id);
    response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).map_err(|_| ApiError::Internal)?);
    Ok(response)
}

/// Look at a schedule
///
/// The tag changes with each edit and with each fire; `If-Match` minds the edits only.
#[utoipa::path(
    get,
    path = "/v1/schedules/{id}",
    tag = "schedules",
    operation_id = "getSchedule",
    params(SchedulePath, Caller, KnownTag),
    responses(
        (status = 200, description = "The schedule.", body = Schedule, headers(("ETag"), ("Cache-Control"))),
        (status = 304, description = "The schedule is what you have.", headers(("ETag"), ("Cache-Control"))),
        Caller, SchedulePath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn read(
    State(api): State<Api>,
    caller: Caller,
    path: SchedulePath,
    _: NoParams,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let tagged = tagged(&find(&api, &caller.tenant, &path).await?)?;
    let status = if tagged.is_known(&headers) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    Ok(tagged.answer(status))
}

/// Delete a schedule
///
/// It expects no fires any more, and those that it had are forgotten. Jobs that it made stay, and go on. The call takes no body, or an
/// empty object.
#[utoipa::path(
    delete,
    path = "/v1/schedules/{id}",
    tag = "schedules",
    operation_id = "deleteSchedule",
    params(SchedulePath, Caller),
    responses(
        (status = 204, description = "It is gone."),
        Caller, SchedulePath, NoParams, NoBody, LedgerErrors,
    )
)]
pub(crate) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    path: SchedulePath,
    _: NoParams,
    _: NoBody,
) -> Result<StatusCode, ApiError> {
    let schedule = find(&api, &caller.tenant, &path).await?;
    if api.ledger.delete_schedule(&caller.tenant, schedule.id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::ScheduleNotFound)
    }
}

/// What stands for a schedule in its path.
#[derive(IntoParams)]
#[into_params(names("id"), parameter_in = Path)]
pub(crate) struct SchedulePath(
    /// The schedule's id, or its name.
    String,
);

impl FromRequestParts<Api> for SchedulePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Path(named) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| ApiError::ScheduleNotFound)?;
        Ok(Self(named))
    }
}

async fn find(api: &Api, tenant: &TenantId, SchedulePath(named): &SchedulePath) -> Result<Schedule, ApiError> {
    // No name is a UUID.
    let by = named.parse().map_or_else(|_| ScheduleKey::Name(named.clone()), ScheduleKey::Id);
    api.ledger.schedule(tenant, &by).await?.ok_or(ApiError::ScheduleNotFound)
}

fn answer(status: StatusCode, schedule: &Schedule) -> Result<Response, ApiError> {
    Ok(tagged(schedule)?.answer(status))
}

/// The schedule with its tag, which names its id and version, so that [`check_precondition`] can tell an edit from a fire.
fn tagged(schedule: &Schedule) -> Result<Tagged, ApiError> {
    Tagged::of(schedule, &edition(schedule))
}

fn edition(schedule: &Schedule) -> String {
    format!("{}.{}.", schedule.id, schedule.version)
}

/// Whether the schedule is still what the client saw (`If-Match`, RFC 9110 §13.1.1). Fires since then do not count: one that
/// fires each second could not be edited otherwise.
fn check_precondition(headers: &HeaderMap, schedule: &Schedule) -> Result<(), ApiError> {
    let seen = format!("\"{}", edition(schedule));
    let fits = |tag: &str| tag == "*" || tag.starts_with(&seen);
    if !headers.contains_key(IF_MATCH) || tags(headers, IF_MATCH).any(fits) { Ok(()) } else { Err(ApiError::PreconditionFailed) }
}

fn is_trial(params: &mut Params) -> Result<bool, ApiError> {
    Ok(params.parse("dry_run")?.unwrap_or(false))
}

async fn check(api: &Api, tenant: &TenantId, definition: &Definition, now: Timestamp) -> Result<(), ApiError> {
    let catalog = api.kinds.with(&definition.job.kind).await?;
    let job = definition.check(&catalog, &api.queues, api.schedules.settings.gap_s_min_of(tenant), now)?;
    match Admission::new(api.ledger.as_ref(), tenant).check(&job.kind, &job.payload).await? {
        Ok(()) => Ok(()),
        Err(Violation { pointer, message }) => {
            let pointer = format!("/job/payload{pointer}");
            Err(ApiError::Rejected { rejection: Rejection::Payload { pointer: pointer.clone(), message }, pointer })
        }
    }
}

/// What a write would find out by itself.
async fn check_name_is_free(api: &Api, tenant: &TenantId, name: &str, own: ScheduleId) -> Result<(), ApiError> {
    match api.ledger.schedule(tenant, &ScheduleKey::Name(name.to_owned())).await? {
        Some(holder) if holder.id != own => Err(ApiError::ScheduleExists(name.to_owned())),
        _ => Ok(()),
    }
}

/// What decisions about this schedule go by.
async fn rules(api: &Api, schedule: &Schedule) -> Result<Rules, ApiError> {
    let catalog = api.kinds.with(&schedule.definition.job.kind).await?;
    Ok(Rules { catalog, fires_kept_ms: api.schedules.fires_kept_ms })
}
