//! Files: a job's artifacts with links to them, and what such a link opens where the store is a folder.
//!
//! A link is the permission: whoever has it reads that one object until it expires, without a key.

use std::time::Duration;

use axum::{
    Json as Answer,
    body::Body,
    extract::{Path, RawQuery, State},
    http::{
        HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};
use windrow_jobs::{
    artifact::Artifact,
    clock::Timestamp,
    objects::{Key, Meta, Object},
};

use super::jobs::{JobPath, check_exists};
use crate::{
    Api,
    auth::Caller,
    error::{ApiError, LedgerErrors, ObjectsErrors},
    openapi,
    query::NoParams,
};

/// How long a link to an artifact lasts: long enough for a slow download to begin, short enough to leak.
const LINK_LASTS: Duration = Duration::from_secs(15 * 60);
/// What is read at once from the store.
const CHUNK_BYTES: usize = 64 * 1024;

openapi::gives! {
    Closed: LINK_INVALID, OBJECT_NOT_FOUND;
}
struct Closed;

/// The artifacts of a job.
#[derive(Serialize, ToSchema)]
struct Artifacts {
    /// In the order of their names.
    artifacts: Vec<Shown>,
}

/// A file that a job made, and where to fetch it.
#[derive(Serialize, ToSchema)]
#[schema(as = Artifact)]
struct Shown {
    /// Its name, unique within the job.
    name: String,
    /// Its size.
    bytes: u64,
    /// SHA-256 of its content, in lower-case hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    /// Its media type.
    media_type: String,
    /// A link that opens it without a key.
    url: String,
    /// Until when the link does.
    expires_at: Timestamp,
}

/// The files that a job made
///
/// Each with a link that opens it without a key, for a quarter of an hour: whoever has the link has the file.
#[utoipa::path(
    get,
    path = "/v1/jobs/{id}/artifacts",
    tag = "artifacts",
    operation_id = "getJobArtifacts",
    params(JobPath, Caller),
    responses(
        (status = 200, description = "The artifacts.", body = Artifacts, headers(("Cache-Control")), example = json!({ "artifacts": [{
            "name": "com.example.tasks.tar.zst", "bytes": 5_120,
            "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "media_type": "application/zstd",
            "url": "https://jobs.example.com/v1/objects/tenants/default/com.example.tasks.tar.zst?expires=1800003600&signature=…",
            "expires_at": "2027-01-15T09:00:00.000Z"
        }] })),
        Caller, JobPath, NoParams, LedgerErrors, ObjectsErrors,
    )
)]
pub(crate) async fn artifacts(State(api): State<Api>, caller: Caller, JobPath(id): JobPath, _: NoParams) -> Result<Response, ApiError> {
    let artifacts = api.ledger.artifacts(&caller.tenant, id).await?;
    if artifacts.is_empty() {
        check_exists(&api, &caller.tenant, id).await?;
    }
    let now = api.ledger.now().await?;
    let mut shown = Vec::with_capacity(artifacts.len());
    for artifact in artifacts {
        let link = api.objects.link(&artifact.key.parse()?, now, LINK_LASTS).await?;
        let Artifact { name, bytes, sha256, media_type, .. } = artifact;
        shown.push(Shown { name, bytes, sha256, media_type, url: link.url, expires_at: link.expires_at });
    }
    let mut response = Answer(Artifacts { artifacts: shown }).into_response();
    // Links are for the caller alone.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// What makes a link one of ours.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used: the query is compared as it stands")]
struct Signed {
    /// When it stops to open, in seconds since the Unix epoch.
    #[param(example = 1_800_003_600)]
    expires: i64,
    /// Who made it: the installation's own signature.
    #[param(pattern = "^[0-9a-fA-F]{64}$")]
    signature: String,
}

/// Open a link to a file
///
/// The link is the permission, so no key is needed. Take it as `GET /v1/jobs/{id}/artifacts` gives it: the parameters have their order.
#[utoipa::path(
    get,
    path = "/v1/objects/{*key}",
    tag = "artifacts",
    operation_id = "openObject",
    params(("key" = String, Path, description = "The object's key, whose slashes may stand as they are."), Signed),
    responses(
        (status = 200, description = "The file, as its media type says.", body = Vec<u8>, content_type = "*/*",
            headers(("Content-Disposition"), ("ETag"), ("Cache-Control"), ("Content-Security-Policy"))),
        Closed, LedgerErrors, ObjectsErrors,
    )
)]
pub(crate) async fn open(State(api): State<Api>, Path(key): Path<String>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let key: Key = key.parse().map_err(|_| ApiError::LinkInvalid)?;
    let (expires_s, signature) = signed(query.as_deref().unwrap_or_default()).ok_or(ApiError::LinkInvalid)?;
    if !api.signer.opens(&key, expires_s, signature, api.ledger.now().await?) {
        return Err(ApiError::LinkInvalid);
    }
    let object = api.objects.get(&key).await?.ok_or(ApiError::ObjectNotFound)?;
    Ok(answer(&key, object))
}

/// Expiry and signature, exactly as a link has them.
fn signed(query: &str) -> Option<(i64, &str)> {
    let (expires, signature) = query.strip_prefix("expires=")?.split_once("&signature=")?;
    Some((expires.parse().ok()?, signature))
}

fn answer(key: &Key, object: Object) -> Response {
    let headers = headers(key, &object.meta);
    let body = Body::from_stream(ReaderStream::with_capacity(object.content, CHUNK_BYTES));
    (headers, body).into_response()
}

fn headers(key: &Key, meta: &Meta) -> axum::http::HeaderMap {
    let named = |name: &str| format!("attachment; filename*=UTF-8''{}", percent_encoded(name));
    let etag = meta.sha256.as_ref().map(|sha256| format!("\"{sha256}\""));
    let texts: [(HeaderName, Option<String>); 4] = [
        (CONTENT_TYPE, Some(meta.media_type.clone())),
        (CONTENT_LENGTH, Some(meta.bytes.to_string())),
        (CONTENT_DISPOSITION, Some(named(key.name()))),
        (ETAG, etag),
    ];
    let text = |(name, text): (HeaderName, Option<String>)| Some((name, HeaderValue::try_from(text?).ok()?));
    let mut headers: axum::http::HeaderMap = texts.into_iter().filter_map(text).collect();
    // A tenant's file must not run as a page of this site.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers
}

/// As RFC 8187 wants a file's name, and RFC 3986 what is one segment of a path.
pub(super) fn percent_encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    name.bytes().map(|byte| if plain(byte) { (byte as char).into() } else { format!("%{byte:02X}") }).collect()
}
