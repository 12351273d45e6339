//! An answer that has a tag: JSON of which a client may later ask whether it is still so.

use axum::{
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use crate::error::ApiError;

/// What the client has already.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) struct KnownTag {
    /// The `ETag` of what you have: while it is still so, the answer is 304 without a body.
    #[param(rename = "If-None-Match")]
    tag: Option<String>,
}

/// JSON and its strong tag (RFC 9110 §8.8.3), which changes whenever the JSON does.
pub(super) struct Tagged {
    body: Vec<u8>,
    etag: String,
}

impl Tagged {
    /// The value's JSON; its tag begins with `name`.
    pub(super) fn of(value: &impl Serialize, name: &str) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(value).map_err(|error| {
            tracing::error!(%error, "an answer has no JSON form");
            ApiError::Internal
        })?;
        Ok(Self { etag: etag_of(&body, name)?, body })
    }

    /// Puts this in the place of the object's end, so that it has another tag.
    pub(super) fn extend(&mut self, end: &[u8]) -> Result<(), ApiError> {
        self.append(end);
        self.etag = etag_of(&self.body, "")?;
        Ok(())
    }

    /// Puts this in the place of the object's end.
    pub(super) fn append(&mut self, end: &[u8]) {
        self.body.truncate(self.body.len().saturating_sub(1));
        self.body.extend_from_slice(end);
    }

    /// Whether the client has this already (`If-None-Match`, RFC 9110 §13.1.2).
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        tags(headers, IF_NONE_MATCH).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag)
    }

    pub(super) fn answer(self, status: StatusCode) -> Response {
        let mut response = if status == StatusCode::NOT_MODIFIED { status.into_response() } else { (status, self.body).into_response() };
        let headers = response.headers_mut();
        if status != StatusCode::NOT_MODIFIED {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        if let Ok(etag) = HeaderValue::try_from(self.etag) {
            headers.insert(ETAG, etag);
        }
        response
    }
}

fn etag_of(body: &[u8], name: &str) -> Result<String, ApiError> {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let (half, _) = digest.split_first_chunk::<16>().ok_or(ApiError::Internal)?;
    Ok(format!("\"{name}{:032x}\"", u128::from_be_bytes(*half)))
}

/// The tags that a header names.
pub(super) fn tags(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}
