//! What became of a schedule's fires, and a fire by hand.

use axum::{
    Json as Answer,
    extract::State,
    http::{HeaderValue, StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    clock::Timestamp,
    schedule::{Fire, FireStatus},
};

use super::{Refusals, SchedulePath, find, rules};
use crate::{
    Api,
    auth::Caller,
    body::NoBody,
    error::{ApiError, LedgerErrors},
    openapi, page,
    query::{NoParams, Params},
};

openapi::gives! {
    TemplateRefused: FIELD_INVALID;
}
struct TemplateRefused;

pub(crate) const PARAMETERS: [&str; 3] = ["status", "page_size", "page_token"];

/// A page of fires.
#[derive(Serialize, ToSchema)]
#[schema(as = FirePage)]
struct Listed {
    /// The fires, latest instant first.
    fires: Vec<Fire>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// Which fires are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
struct Asked {
    /// Fires that stand like this.
    status: Option<FireStatus>,
}

/// What became of a schedule's fires
///
/// Every instant at which it was expected to fire, and every fire by hand, latest first, whatever became of it.
#[utoipa::path(
    get,
    path = "/v1/schedules/{id}/fires",
    tag = "schedules",
    operation_id = "listFires",
    params(SchedulePath, Asked, page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link")), example = json!({ "fires": [
            {
                "fire_at": "2027-01-15T10:00:00.000Z", "status": "skipped", "manual": false, "reason": "overlap", "message": null,
                "job_id": null, "n": null, "decided_at": "2027-01-15T10:00:00.012Z", "late_ms": 12
            },
            {
                "fire_at": "2027-01-15T09:00:00.000Z", "status": "fired", "manual": false, "reason": null, "message": null,
                "job_id": "019aa7ec-5b3a-7d30-9f3a-2b1c4d5e6f70", "n": 1, "decided_at": "2027-01-15T09:00:00.009Z", "late_ms": 9
            },
        ], "next_page_token": null })),
        Caller, SchedulePath, Params, page::Asked, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, path: SchedulePath, mut params: Params) -> Result<Response, ApiError> {
    let status = params.read("status", status)?;
    let asked = page::Asked::take(&mut params)?;
    params.finish(&PARAMETERS)?;
    let schedule = find(&api, &caller.tenant, &path).await?;

    let list = json!(["fires", caller.tenant, schedule.id, status]);
    let before = asked.after(&list, |last| last.try_into().ok().map(|ms| Timestamp::from_ms(i64::from_be_bytes(ms))))?;
    let mut fires = api.ledger.fires(&caller.tenant, schedule.id, status, before, asked.size + 1).await?;
    let more = fires.len() > asked.size;
    fires.truncate(asked.size);
    let next_page_token = fires.last().filter(|_| more).map(|last| page::token(&list, &last.fire_at.ms().to_be_bytes()));
    let next = next_page_token.clone();
    let (filter, path) = ([("status", status.map(name))], format!("/v1/schedules/{}/fires", schedule.id));
    Ok(page::answer(&api, &path, &filter, asked.size, next.as_deref(), Listed { fires, next_page_token }))
}

fn status(text: &str) -> Result<FireStatus, String> {
    serde_json::from_value(text.into()).map_err(|_| "a status is one of fired, caught_up, queued, skipped, missed".into())
}

fn name(status: FireStatus) -> String {
    serde_json::to_value(status).ok().and_then(|name| name.as_str().map(ToOwned::to_owned)).unwrap_or_default()
}

/// Fire a schedule now
///
/// Submits its job at once, whatever its expression, its overlap policy and a pause say; the fire is one of its own, `manual`. The call takes
/// no body, or an empty object.
#[utoipa::path(
    post,
    path = "/v1/schedules/{id}/run",
    tag = "schedules",
    operation_id = "runSchedule",
    params(SchedulePath, Caller),
    responses(
        (status = 202, description = "The fire, which names its job.", body = Fire, headers(("Location")),
            links(("look" = (operation_id = "getJob", parameters(("id" = "$response.body#/job_id")))))),
        Caller, SchedulePath, NoParams, NoBody, Refusals, TemplateRefused, LedgerErrors,
    )
)]
pub(crate) async fn run(State(api): State<Api>, caller: Caller, path: SchedulePath, _: NoParams, _: NoBody) -> Result<Response, ApiError> {
    let schedule = find(&api, &caller.tenant, &path).await?;
    let rules = rules(&api, &schedule).await?;
    let fired = api.ledger.run_schedule(&caller.tenant, schedule.id, &rules).await?;
    let fire = fired.ok_or(ApiError::ScheduleNotFound)??;
    let job = fire.job_id.ok_or(ApiError::Internal)?;
    let location = HeaderValue::try_from(format!("{}/v1/jobs/{job}", api.public_url)).map_err(|_| ApiError::Internal)?;
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], Answer(fire)).into_response())
}
