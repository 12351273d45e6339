//! Syncs: declare one, look at it, delete it. What a body may say is in `syncs/body.rs`, lists in `syncs/list.rs`, what its runs did in
//! `syncs/runs.rs`, what somebody has to decide in `syncs/conflicts.rs`, and what it would make of its source in `syncs/preview.rs`.
//!
//! The api calls no source: a run is a job of the kind `sync.run`, a preview one of `sync.preview`. Next: `windrow_jobs::sync`, then the
//! ledger's role `Syncs`.

pub(crate) mod body;
pub(crate) mod conflicts;
pub(crate) mod list;
pub(crate) mod preview;
pub(crate) mod runs;
mod view;

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
    sync::{
        SyncId, is_name,
        state::{Deleted, Kept, NewSync, Sync},
    },
    tenant::TenantId,
};

use self::{
    body::{Declared, SyncRequest},
    view::View,
};
use super::tagged::{KnownTag, Tagged, tags};
use crate::{
    Api,
    auth::Caller,
    body::{Json, NoBody},
    error::{ApiError, LedgerErrors},
    openapi,
    query::NoParams,
};

openapi::gives! {
    Refusals: SYNCS_TOO_MANY, SYNC_ELSEWHERE, RENDERER_UNAVAILABLE;
    Seen: PRECONDITION_FAILED;
    SyncPath: SYNC_NOT_FOUND;
}
/// What only a sync that is to be kept is refused for.
struct Refusals;
/// What a write is refused for that was to happen to a version that was seen.
struct Seen;

/// What the sync was when you looked at it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
struct SeenTag {
    /// The `ETag` of what you have seen: where somebody changed its definition since, the answer is 412 and nothing changes. Runs do not count.
    #[param(rename = "If-Match")]
    tag: Option<String>,
}

/// Declare a sync
///
/// Where records come from and how they are listed, what is made of each, where they go, and what becomes of those that vanished or that both
/// sides changed. Everything that can be checked without a call is checked, down to the syntax of expressions, and an error points at the place.
/// With `preset`, a preset's definition is filled in with `parameters`, and what else the body says is laid over it. Saying the same again
/// changes nothing. Connections may be made later: `warnings` name those that cannot be used yet.
#[utoipa::path(
    put,
    path = "/v1/syncs/{name}",
    tag = "syncs",
    operation_id = "putSync",
    params(SyncPath, Caller, SeenTag),
    request_body(content = SyncRequest, examples(
        ("pull" = (summary = "From a provider into records", value = json!({
            "source": { "http": {
                "connection": "crm",
                "list": {
                    "path": "v2/contacts",
                    "pagination": { "style": "cursor", "parameter": "after", "pointer": "/next", "size": { "parameter": "limit", "records": 100 } },
                    "incremental": { "style": "updated_since", "parameter": "changed_since" }
                },
                "records": "/contacts", "key": "/id", "updated_at": "/changed_at"
            } },
            "mapping": [
                { "to": "email", "from": "/email", "type": "string", "required": true },
                { "to": "name", "expression": "record.first ~ ' ' ~ record.last" }
            ],
            "destination": { "records": { "collection": "contacts", "lookup": ["email"] } },
            "conflict": "newest"
        }))),
        ("push" = (summary = "From records to a provider", value = json!({
            "source": { "records": { "collection": "contacts" } },
            "destination": { "http": {
                "connection": "newsletter",
                "bulk": { "call": { "method": "POST", "path": "subscribers/batch", "body": {}, "record": "/subscribers" }, "records_max": 100 }
            } }
        }))),
    )),
    responses(
        (status = 200, description = "The sync, as it stands.", body = View, headers(("ETag"), ("Cache-Control"))),
        (status = 201, description = "The sync, which is new.", body = View, headers(("Location"), ("ETag"), ("Cache-Control")),
            links(
                ("look" = (operation_id = "getSync", parameters(
                    ("name" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("preview" = (operation_id = "previewSync", parameters(
                    ("name" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("runs" = (operation_id = "listSyncRuns", parameters(
                    ("name" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("delete" = (operation_id = "deleteSync", parameters(
                    ("name" = "$response.body#/name"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
            )),
        Caller, SyncPath, NoParams, Json<()>, Seen, Refusals, LedgerErrors,
    )
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    SyncPath(name): SyncPath,
    _: NoParams,
    headers: HeaderMap,
    Json(said): Json<serde_json::Map<String, serde_json::Value>>,
) -> Result<Response, ApiError> {
    let Declared { preset, definition } = body::declared(&api, said).await?;
    let seen = seen(&api, &caller.tenant, &name, &headers).await?;
    let new = NewSync { id: SyncId::generate(), tenant: caller.tenant.clone(), name, preset, definition, seen };
    match api.ledger.keep_sync(new).await? {
        Kept::Created(sync) => {
            let location = format!("{}/v1/syncs/{}", api.public_url, sync.name);
            let mut response = tagged(&api, sync).await?.answer(StatusCode::CREATED);
            response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).map_err(|_| ApiError::Internal)?);
            Ok(response)
        }
        Kept::Changed(sync) | Kept::Same(sync) => Ok(tagged(&api, sync).await?.answer(StatusCode::OK)),
        Kept::Stale => Err(ApiError::PreconditionFailed),
        Kept::TooMany => Err(ApiError::SyncsTooMany),
        Kept::Elsewhere => Err(ApiError::SyncElsewhere),
    }
}

/// Look at a sync
///
/// What it says, what its last run did, and from where the next asks for what changed.
#[utoipa::path(
    get,
    path = "/v1/syncs/{name}",
    tag = "syncs",
    operation_id = "getSync",
    params(SyncPath, Caller, KnownTag),
    responses(
        (status = 200, description = "The sync.", body = View, headers(("ETag"), ("Cache-Control"))),
        (status = 304, description = "The sync is what you have.", headers(("ETag"), ("Cache-Control"))),
        Caller, SyncPath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn look(
    State(api): State<Api>,
    caller: Caller,
    path: SyncPath,
    _: NoParams,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let tagged = tagged(&api, find(&api, &caller.tenant, &path).await?).await?;
    let status = if tagged.is_known(&headers) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    Ok(tagged.answer(status))
}

/// Delete a sync
///
/// With its runs, its conflicts and all that it remembers of its source. Records that it wrote stay, as does what it wrote elsewhere. A run that
/// is under way ends. One that is declared again under its name begins from nothing. The call takes no body, or an empty object.
#[utoipa::path(
    delete,
    path = "/v1/syncs/{name}",
    tag = "syncs",
    operation_id = "deleteSync",
    params(SyncPath, Caller, SeenTag),
    responses(
        (status = 204, description = "It is gone."),
        Caller, SyncPath, NoParams, NoBody, Seen, LedgerErrors,
    )
)]
pub(crate) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    SyncPath(name): SyncPath,
    _: NoParams,
    headers: HeaderMap,
    _: NoBody,
) -> Result<StatusCode, ApiError> {
    let seen = seen(&api, &caller.tenant, &name, &headers).await?;
    match api.ledger.delete_sync(&caller.tenant, &name, seen).await? {
        Deleted::Gone => Ok(StatusCode::NO_CONTENT),
        Deleted::Missing => Err(ApiError::SyncNotFound),
        Deleted::Stale => Err(ApiError::PreconditionFailed),
    }
}

/// The name in a sync's path.
#[derive(IntoParams)]
#[into_params(names("name"), parameter_in = Path)]
pub(crate) struct SyncPath(
    /// The sync's name.
    #[param(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    pub(crate) String,
);

impl SyncPath {
    /// What is no name names nothing, and no database need be asked: one of them knows no NUL.
    pub(crate) fn of(name: String) -> Result<Self, ApiError> {
        if is_name(&name) { Ok(Self(name)) } else { Err(ApiError::SyncNotFound) }
    }
}

impl FromRequestParts<Api> for SyncPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Path(name) = Path::<String>::from_request_parts(parts, api).await.map_err(|_| ApiError::SyncNotFound)?;
        Self::of(name)
    }
}

async fn find(api: &Api, tenant: &TenantId, SyncPath(name): &SyncPath) -> Result<Sync, ApiError> {
    api.ledger.sync(tenant, name).await?.ok_or(ApiError::SyncNotFound)
}

/// The version that has to stand for a write to happen (`If-Match`, RFC 9110 §13.1.1); none where nobody said. Runs since then do not count.
async fn seen(api: &Api, tenant: &TenantId, name: &str, headers: &HeaderMap) -> Result<Option<u32>, ApiError> {
    if !headers.contains_key(IF_MATCH) {
        return Ok(None);
    }
    let standing = api.ledger.sync(tenant, name).await?.ok_or(ApiError::PreconditionFailed)?;
    let seen = format!("\"{}", edition(&standing));
    let fits = |tag: &str| tag == "*" || tag.starts_with(&seen);
    if tags(headers, IF_MATCH).any(fits) { Ok(Some(standing.version)) } else { Err(ApiError::PreconditionFailed) }
}

/// The sync with its tag, which names its id and version.
async fn tagged(api: &Api, sync: Sync) -> Result<Tagged, ApiError> {
    let edition = edition(&sync);
    Tagged::of(&View::of(api, sync).await?, &edition)
}

fn edition(sync: &Sync) -> String {
    format!("{}.{}.", sync.id, sync.version)
}
