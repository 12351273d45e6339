//! The tenant's records: look, find by a value, write, delete. Lists are in `records/list.rs`.
//!
//! What syncs write into collections is read here by the tenant's own programs, and what they write here counts as the tenant's own change.
//! Next: `windrow_jobs::sync::store`, then the ledger's role `Records`.

pub(crate) mod list;

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{IF_MATCH, LOCATION},
        request::Parts,
    },
    response::Response,
};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    clock::Timestamp,
    sync::{
        KEY_BYTES_MAX, RECORD_BYTES_MAX, SyncId, is_name,
        state::{Deleted, Record},
        store::{NewRecord, RecordKept, canonical},
    },
    tenant::TenantId,
};

use super::{
    objects::percent_encoded,
    tagged::{KnownTag, Tagged, tags},
};
use crate::{
    Api,
    auth::Caller,
    body::{Json, NoBody},
    error::{ApiError, LedgerErrors},
    openapi,
    query::NoParams,
};

openapi::gives! {
    Seen: PRECONDITION_FAILED;
    CollectionPath: RECORD_NOT_FOUND;
    RecordPath: RECORD_NOT_FOUND;
}
/// What a write is refused for that was to happen to a version that was seen.
struct Seen;

/// A record.
#[derive(Serialize, ToSchema)]
#[schema(as = Record)]
pub(crate) struct View {
    /// The collection that it is in.
    #[schema(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    collection: String,
    /// Its key there.
    #[schema(min_length = 1, max_length = 512)]
    key: String,
    /// Which version this is; grows with each change, and is never given twice.
    version: i64,
    /// What it says.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    /// The sync that wrote it last; `null` where the tenant did.
    sync_id: Option<SyncId>,
    /// When it was made.
    created_at: Timestamp,
    /// When it changed last.
    updated_at: Timestamp,
    /// When a sync marked it as deleted.
    deleted_at: Option<Timestamp>,
    /// Whose it is.
    tenant: TenantId,
}

impl View {
    fn of(tenant: &TenantId, record: Record) -> Self {
        Self {
            collection: record.collection,
            key: record.key,
            version: record.version,
            data: record.data,
            sync_id: record.sync,
            created_at: record.created_at,
            updated_at: record.updated_at,
            deleted_at: record.deleted_at,
            tenant: tenant.clone(),
        }
    }
}

/// What the record was when you looked at it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
struct SeenTag {
    /// The `ETag` of what you have seen: where another version is there, the answer is 412 and nothing changes.
    #[param(rename = "If-Match")]
    tag: Option<String>,
}

/// Write a record
///
/// As the tenant's own change; the body is what the record says. What says the same already changes nothing. A sync into the collection sees
/// that the record was changed here, and does as its `conflict` says.
#[utoipa::path(
    put,
    path = "/v1/records/{collection}/{key}",
    tag = "records",
    operation_id = "putRecord",
    params(RecordPath, Caller, SeenTag),
    request_body(content = Map<String, Value>, examples(
        ("person" = (summary = "A person", value = json!({ "name": "Ana", "email": "ana@example.com" }))),
    )),
    responses(
        (status = 200, description = "The record, as it stands.", body = View, headers(("ETag"), ("Cache-Control"))),
        (status = 201, description = "The record, which is new, or was marked as deleted.", body = View,
            headers(("Location"), ("ETag"), ("Cache-Control")),
            links(
                ("look" = (operation_id = "getRecord", parameters(
                    ("collection" = "$response.body#/collection"), ("key" = "$response.body#/key"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
                ("delete" = (operation_id = "deleteRecord", parameters(
                    ("collection" = "$response.body#/collection"), ("key" = "$response.body#/key"), ("X-Tenant" = "$response.body#/tenant"),
                ))),
            )),
        Caller, RecordPath, NoParams, Json<Map<String, Value>>, Seen, LedgerErrors,
    )
)]
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    RecordPath { collection, key }: RecordPath,
    _: NoParams,
    headers: HeaderMap,
    Json(data): Json<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let data = canonical(&Value::Object(data));
    if data.len() as u64 > RECORD_BYTES_MAX {
        return Err(ApiError::BodyTooLarge { bytes_max: usize::try_from(RECORD_BYTES_MAX).unwrap_or(usize::MAX) });
    }
    let seen = seen(&api, &caller.tenant, &collection, &key, &headers).await?;
    let new = NewRecord { tenant: caller.tenant.clone(), collection, key, data, seen };
    match api.ledger.keep_record(new).await? {
        RecordKept::Created(record) => {
            let location = format!("{}{}", api.public_url, path_of(&record));
            let mut response = tagged(&caller.tenant, record)?.answer(StatusCode::CREATED);
            response.headers_mut().insert(LOCATION, HeaderValue::try_from(location).map_err(|_| ApiError::Internal)?);
            Ok(response)
        }
        RecordKept::Changed(record) | RecordKept::Same(record) => Ok(tagged(&caller.tenant, record)?.answer(StatusCode::OK)),
        RecordKept::Stale => Err(ApiError::PreconditionFailed),
    }
}

/// Look at a record
///
/// One that is marked as deleted as well: `deleted_at` says so.
#[utoipa::path(
    get,
    path = "/v1/records/{collection}/{key}",
    tag = "records",
    operation_id = "getRecord",
    params(RecordPath, Caller, KnownTag),
    responses(
        (status = 200, description = "The record.", body = View, headers(("ETag"), ("Cache-Control"))),
        (status = 304, description = "The record is what you have.", headers(("ETag"), ("Cache-Control"))),
        Caller, RecordPath, NoParams, LedgerErrors,
    )
)]
pub(crate) async fn look(
    State(api): State<Api>,
    caller: Caller,
    RecordPath { collection, key }: RecordPath,
    _: NoParams,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let record = api.ledger.record(&caller.tenant, &collection, &key).await?.ok_or_else(|| not_found(&collection, &key))?;
    let tagged = tagged(&caller.tenant, record)?;
    let status = if tagged.is_known(&headers) { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    Ok(tagged.answer(status))
}

/// Delete a record
///
/// For good, as the tenant's own change. A sync whose source still has it makes it again if `conflict` is `source`. The call takes no body,
/// or an empty object.
#[utoipa::path(
    delete,
    path = "/v1/records/{collection}/{key}",
    tag = "records",
    operation_id = "deleteRecord",
    params(RecordPath, Caller, SeenTag),
    responses(
        (status = 204, description = "It is gone."),
        Caller, RecordPath, NoParams, NoBody, Seen, LedgerErrors,
    )
)]
pub(crate) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    RecordPath { collection, key }: RecordPath,
    _: NoParams,
    headers: HeaderMap,
    _: NoBody,
) -> Result<StatusCode, ApiError> {
    let seen = seen(&api, &caller.tenant, &collection, &key, &headers).await?;
    match api.ledger.delete_record(&caller.tenant, &collection, &key, seen).await? {
        Deleted::Gone => Ok(StatusCode::NO_CONTENT),
        Deleted::Missing => Err(not_found(&collection, &key)),
        Deleted::Stale => Err(ApiError::PreconditionFailed),
    }
}

/// The collection in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CollectionPath {
    /// The collection's name.
    #[param(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    collection: String,
}

impl FromRequestParts<Api> for CollectionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, api).await;
        let Path(collection) = path.map_err(|_| nothing())?;
        Ok(Self { collection: checked(collection)? })
    }
}

/// The collection and the key in a record's path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RecordPath {
    /// The collection's name.
    #[param(min_length = 1, max_length = 63, pattern = "^[a-z0-9][a-z0-9_-]*$")]
    collection: String,
    /// The record's key: up to 512 bytes, none of them a control character; what else a path gives a meaning is percent-encoded.
    #[param(min_length = 1, max_length = 512)]
    key: String,
}

impl FromRequestParts<Api> for RecordPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let path = Path::<(String, String)>::from_request_parts(parts, api).await;
        let Path((collection, key)) = path.map_err(|_| nothing())?;
        if key.is_empty() || key.len() > KEY_BYTES_MAX || key.chars().any(char::is_control) {
            let message = format!("a record's key has 1 to {KEY_BYTES_MAX} bytes, and no control characters");
            return Err(ApiError::RecordNotFound(message));
        }
        Ok(Self { collection: checked(collection)?, key })
    }
}

fn checked(collection: String) -> Result<String, ApiError> {
    if is_name(&collection) {
        return Ok(collection);
    }
    let message = "a collection's name has 1 to 63 lower-case letters, digits, '-' and '_', and begins with a letter or digit";
    Err(ApiError::RecordNotFound(message.into()))
}

fn nothing() -> ApiError {
    ApiError::RecordNotFound("there is nothing at this path".into())
}

fn not_found(collection: &str, key: &str) -> ApiError {
    ApiError::RecordNotFound(format!("the tenant has no record {key:?} in {collection}"))
}

/// A record's own path.
fn path_of(record: &Record) -> String {
    format!("/v1/records/{}/{}", record.collection, percent_encoded(&record.key))
}

/// The version that has to stand for a write to happen (`If-Match`, RFC 9110 §13.1.1); none where nobody said.
async fn seen(api: &Api, tenant: &TenantId, collection: &str, key: &str, headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    if !headers.contains_key(IF_MATCH) {
        return Ok(None);
    }
    let standing = api.ledger.record(tenant, collection, key).await?.ok_or(ApiError::PreconditionFailed)?;
    let seen = format!("\"{}", edition(&standing));
    let fits = |tag: &str| tag == "*" || tag.starts_with(&seen);
    if tags(headers, IF_MATCH).any(fits) { Ok(Some(standing.version)) } else { Err(ApiError::PreconditionFailed) }
}

fn tagged(tenant: &TenantId, record: Record) -> Result<Tagged, ApiError> {
    let edition = edition(&record);
    Tagged::of(&View::of(tenant, record), &edition)
}

fn edition(record: &Record) -> String {
    format!("{}.", record.version)
}
