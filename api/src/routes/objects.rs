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
use serde_json::json;
use tokio_util::io::ReaderStream;
use windrow_jobs::objects::{Key, Meta, Object};

use super::jobs::{JobPath, check_exists};
use crate::{Api, auth::Caller, error::ApiError, query::NoParams};

/// How long a link to an artifact lasts: long enough for a slow download to begin, short enough to leak.
const LINK_LASTS: Duration = Duration::from_secs(3_600);
/// What is read at once from the store.
const CHUNK_BYTES: usize = 64 * 1024;

/// `GET /v1/jobs/{id}/artifacts`
pub(crate) async fn artifacts(State(api): State<Api>, caller: Caller, JobPath(id): JobPath, _: NoParams) -> Result<Response, ApiError> {
    let artifacts = api.ledger.artifacts(&caller.tenant, id).await?;
    if artifacts.is_empty() {
        check_exists(&api, &caller.tenant, id).await?;
    }
    let now = api.ledger.now().await?;
    let mut shown = Vec::with_capacity(artifacts.len());
    for artifact in artifacts {
        let link = api.objects.link(&artifact.key.parse()?, now, LINK_LASTS).await?;
        shown.push(json!({
            "name": artifact.name,
            "bytes": artifact.bytes,
            "sha256": artifact.sha256,
            "media_type": artifact.media_type,
            "url": link.url,
            "expires_at": link.expires_at,
        }));
    }
    let mut response = Answer(json!({ "artifacts": shown })).into_response();
    // Links are for the caller alone.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// `GET /v1/objects/{key}?expires=…&signature=…`
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

/// As RFC 8187 wants a file's name.
fn percent_encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    name.bytes().map(|byte| if plain(byte) { (byte as char).into() } else { format!("%{byte:02X}") }).collect()
}
