//! `/v1/syncs/{name}/conflicts`: records that both sides changed (`conflict: manual`), and which side somebody decides for.

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    clock::Timestamp,
    sync::{
        KEY_BYTES_MAX, SyncId,
        state::{Conflicted, Record, Side},
    },
    tenant::TenantId,
};

use super::{SyncPath, find};
use crate::{
    Api,
    auth::Caller,
    body::Json,
    error::{ApiError, LedgerErrors},
    openapi,
    page::{self, PAGE_BYTES_MAX},
    query::{NoParams, Params},
};

/// Conflicts that are read at once: each has two records of up to 256 KiB.
const PIECE: usize = 10;

openapi::gives! {
    NoConflict: CONFLICT_NOT_FOUND;
}
/// Where nobody has to decide anything.
struct NoConflict;

/// A page of conflicts.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncConflictPage)]
pub(crate) struct Listed {
    /// The conflicts, by key.
    conflicts: Vec<View>,
    /// Where the list goes on; `null` at its end.
    next_page_token: Option<String>,
}

/// A record that both sides changed.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncConflicted)]
struct View {
    /// The record's key.
    key: String,
    /// What the source says, mapped; `null` where it deleted the record.
    #[schema(value_type = Option<Object>)]
    source: Option<Box<RawValue>>,
    /// The record at the destination; `null` where it is gone.
    destination: Option<Standing>,
    /// The run that saw it last.
    run: u32,
    /// Since when it is known.
    created_at: Timestamp,
}

/// The record at the destination.
#[derive(Serialize, ToSchema)]
#[schema(as = SyncConflictRecord)]
struct Standing {
    /// What it says.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    /// Grows with each change.
    version: i64,
    /// The sync that wrote it last; `null` where you did.
    sync: Option<SyncId>,
    /// When it changed last.
    updated_at: Timestamp,
    /// When it was marked as deleted.
    deleted_at: Option<Timestamp>,
}

impl From<Conflicted> for View {
    fn from(Conflicted { key, source, record, run, created_at }: Conflicted) -> Self {
        let standing =
            |Record { data, version, sync, updated_at, deleted_at, .. }| Standing { data, version, sync, updated_at, deleted_at };
        Self { key, source, destination: record.map(standing), run, created_at }
    }
}

/// List a sync's conflicts
///
/// The records that both the source and somebody at the destination changed, with what each says, by key, a page at a time. They stay as they are
/// until somebody decides, or until both sides say the same.
#[utoipa::path(
    get,
    path = "/v1/syncs/{name}/conflicts",
    tag = "syncs",
    operation_id = "listSyncConflicts",
    params(SyncPath, page::Part, Caller),
    responses(
        (status = 200, description = "A page.", body = Listed, headers(("Link"))),
        Caller, SyncPath, Params, page::Asked, LedgerErrors,
    )
)]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, path: SyncPath, mut params: Params) -> Result<Response, ApiError> {
    let asked = page::Asked::take(&mut params)?;
    params.finish(&["page_size", "page_token"])?;
    let sync = find(&api, &caller.tenant, &path).await?;
    let list = json!(["sync_conflicts", caller.tenant, sync.id]);
    let after = asked.after(&list, |last| String::from_utf8(last.to_vec()).ok().filter(|key| is_key(key)))?;
    let (conflicts, more) = read(&api, &caller.tenant, sync.id, after, asked.size).await?;
    let next_page_token = conflicts.last().filter(|_| more).map(|last| page::token(&list, last.key.as_bytes()));
    let next = next_page_token.clone();
    let path = format!("/v1/syncs/{}/conflicts", sync.name);
    Ok(page::answer(&api, &path, &[], asked.size, next.as_deref(), Listed { conflicts, next_page_token }))
}

/// The conflicts after this key, and whether there are more.
async fn read(api: &Api, tenant: &TenantId, sync: SyncId, mut after: Option<String>, size: usize) -> Result<(Vec<View>, bool), ApiError> {
    let (mut conflicts, mut bytes) = (Vec::new(), 0);
    loop {
        let most = (size + 1 - conflicts.len()).min(PIECE);
        let piece = api.ledger.conflicts(tenant, sync, after.as_deref(), most).await?;
        let is_last = piece.len() < most;
        for conflict in piece {
            if conflicts.len() == size || bytes >= PAGE_BYTES_MAX {
                return Ok((conflicts, true));
            }
            let of = |raw: Option<&RawValue>| raw.map_or(0, |raw| raw.get().len());
            bytes += of(conflict.source.as_deref()) + of(conflict.record.as_ref().map(|record| record.data.as_ref()));
            after = Some(conflict.key.clone());
            conflicts.push(View::from(conflict));
        }
        if is_last {
            return Ok((conflicts, false));
        }
    }
}

/// Whom a conflict is decided for.
#[derive(Deserialize, ToSchema)]
#[schema(as = SyncDecision)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// Whose record stays: what the source says is written, or what is at the destination stays as it is, until the source changes it again.
    keep: Side,
}

/// Decide a conflict
///
/// For the source: what it says is written, as by a run. For the destination: its record stays, until the source changes it again.
#[utoipa::path(
    post,
    path = "/v1/syncs/{name}/conflicts/{key}",
    tag = "syncs",
    operation_id = "settleSyncConflict",
    params(ConflictPath, Caller),
    request_body(content = Decision, example = json!({ "keep": "source" })),
    responses(
        (status = 204, description = "It is decided."),
        Caller, SyncPath, NoParams, Json<Decision>, NoConflict, LedgerErrors,
    )
)]
pub(crate) async fn settle(
    State(api): State<Api>,
    caller: Caller,
    ConflictPath(path, key): ConflictPath,
    _: NoParams,
    Json(Decision { keep }): Json<Decision>,
) -> Result<StatusCode, ApiError> {
    let sync = find(&api, &caller.tenant, &path).await?;
    if api.ledger.settle_conflict(&caller.tenant, sync.id, &key, keep).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::ConflictNotFound)
    }
}

/// A sync and a record's key.
#[derive(IntoParams)]
#[into_params(names("name", "key"), parameter_in = Path)]
pub(crate) struct ConflictPath(
    /// The sync's name.
    #[param(value_type = String, min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    SyncPath,
    /// The record's key, percent-encoded.
    #[param(min_length = 1, max_length = 512)]
    String,
);

impl FromRequestParts<Api> for ConflictPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let Path((name, key)) = Path::<(String, String)>::from_request_parts(parts, api).await.map_err(|_| ApiError::ConflictNotFound)?;
        let path = SyncPath::of(name)?;
        if is_key(&key) { Ok(Self(path, key)) } else { Err(ApiError::ConflictNotFound) }
    }
}

/// Whether this may be a record's key; one of the databases knows no NUL.
fn is_key(key: &str) -> bool {
    (1..=KEY_BYTES_MAX).contains(&key.len()) && !key.contains('\0')
}
