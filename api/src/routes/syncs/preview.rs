//! `POST /v1/syncs/{name}/preview`: a job of the kind `sync.preview`, since the api calls nobody.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use windrow_jobs::{
    job::Job,
    kinds::sync_preview::{KIND, Payload},
    submit::Submission,
    sync::Definition,
};

use super::{
    SyncPath,
    body::{self, SyncOfPreset},
    find,
};
use crate::{
    Api,
    auth::Caller,
    body::OptionalJson,
    error::{ApiError, LedgerErrors},
    openapi,
    prefer::Prefer,
    query::NoParams,
    routes::jobs,
};

openapi::gives! {
    Refusals: RENDERER_UNAVAILABLE, PAYLOAD_TOO_LARGE;
}
/// What only a preview is refused for.
struct Refusals;

/// What is previewed: nothing for the sync as it was saved, or what `PUT` would be given.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its description is used: it is read by `body::declared`, which points at places")]
pub(crate) enum SyncPreviewRequest {
    /// A definition.
    Plain(Box<Definition>),
    /// A preset's.
    OfPreset(Box<SyncOfPreset>),
    /// What was saved.
    Saved(Saved),
}

/// What was saved.
#[derive(Deserialize, ToSchema)]
#[schema(as = SyncAsSaved)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {}

/// Preview a sync
///
/// Submits a job that reads the first page of the source and tells what would be made of its first 20 records, and answers with that job; with
/// `Prefer: wait=N` the answer waits for it. Nothing is written, at either side. Without a body, or with an empty object, it is the sync as it was
/// saved; with a body like that of `PUT` it is what that would save, and the sync need not be there.
#[utoipa::path(
    post,
    path = "/v1/syncs/{name}/preview",
    tag = "syncs",
    operation_id = "previewSync",
    params(SyncPath, Caller, Prefer),
    request_body(content = Option<SyncPreviewRequest>, examples(
        ("saved" = (summary = "As it was saved", value = json!({}))),
        ("tried" = (summary = "Before it is saved", value = json!({
            "source": { "http": { "connection": "crm", "list": { "path": "contacts" }, "records": "/contacts", "key": "/id" } },
            "mapping": [{ "to": "email", "from": "/email" }],
            "destination": { "records": { "collection": "contacts" } }
        }))),
    )),
    responses(
        (status = 202, description = "The job, which is not final yet.", body = Job,
            headers(("Location"), ("ETag"), ("Cache-Control"), ("Retry-After"), ("Preference-Applied"))),
        (status = 200, description = "The job, which is final.", body = Job,
            headers(("Location"), ("ETag"), ("Cache-Control"), ("Retry-After"), ("Preference-Applied"))),
        Caller, SyncPath, NoParams, OptionalJson, Refusals, LedgerErrors,
    )
)]
pub(crate) async fn preview(
    State(api): State<Api>,
    caller: Caller,
    path: SyncPath,
    _: NoParams,
    prefer: Prefer,
    OptionalJson(said): OptionalJson<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let payload = match said.filter(|said| !said.is_empty()) {
        None => Payload { sync: Some(find(&api, &caller.tenant, &path).await?.name), definition: None },
        Some(said) => {
            let definition = body::declared(&api, said).await?.definition;
            let definition = serde_json::to_value(&definition).map_err(|_| ApiError::Internal)?;
            Payload { sync: None, definition: definition.as_object().cloned() }
        }
    };
    let payload = serde_json::value::to_raw_value(&payload).map_err(|_| ApiError::Internal)?;
    jobs::accept(&api, &caller.tenant, Submission::of(KIND, payload), prefer).await
}
