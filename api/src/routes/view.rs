//! A job as an answer: its JSON, its tag, and when to look again.

use axum::{
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use windrow_jobs::{clock::Timestamp, job::Job};

use crate::{error::ApiError, prefer::Prefer};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The longest time a client is told to stay away; a job that is far off may be cancelled or moved meanwhile.
const RETRY_AFTER_S_MAX: i64 = 60;

/// The answer to a submission. Only its schema is used: `View::deduplicated` adds the word to the job's own JSON.
#[derive(Serialize, ToSchema)]
#[schema(description = "A job, and whether it was there before.")]
pub(super) struct SubmittedJob {
    #[serde(flatten)]
    job: Job,
    /// There, and true, if this is the live job that has the unique key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    deduplicated: Option<bool>,
}

/// A job's JSON, and what the headers say about it.
pub(super) struct View {
    body: Vec<u8>,
    etag: String,
    /// When to look again; none once the job is final.
    retry_after_s: Option<i64>,
}

impl View {
    pub(super) fn of(job: &Job, now: Timestamp) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(job).map_err(|error| {
            tracing::error!(%error, job.id = %job.id, "a job has no JSON form");
            ApiError::Internal
        })?;
        let digest: [u8; 32] = Sha256::digest(&body).into();
        let (half, _) = digest.split_first_chunk::<16>().ok_or(ApiError::Internal)?;
        let etag = format!("\"{:032x}\"", u128::from_be_bytes(*half));
        let until_due_s = if job.state.waits_for_time() { (job.run_at.ms_since(now) + 999) / 1_000 } else { 1 };
        let retry_after_s = (!job.state.is_final()).then(|| until_due_s.clamp(1, RETRY_AFTER_S_MAX));
        Ok(Self { body, etag, retry_after_s })
    }

    /// The same body with a word that it is the job of an earlier submission. The tag stays the job's own, so that it
    /// serves for looking at the job.
    pub(super) fn deduplicated(mut self) -> Self {
        self.body.truncate(self.body.len().saturating_sub(1));
        self.body.extend_from_slice(br#","deduplicated":true}"#);
        self
    }

    /// Whether the client has this already (`If-None-Match`, RFC 9110 §13.1.2).
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag)
    }

    pub(super) fn answer(self, status: StatusCode, prefer: Prefer) -> Response {
        let mut response = if status == StatusCode::NOT_MODIFIED { status.into_response() } else { (status, self.body).into_response() };
        let headers = response.headers_mut();
        if status != StatusCode::NOT_MODIFIED {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        if let Ok(etag) = HeaderValue::try_from(self.etag) {
            headers.insert(ETAG, etag);
        }
        if let Some(retry_after_s) = self.retry_after_s {
            headers.insert(RETRY_AFTER, retry_after_s.into());
        }
        if let Some(applied) = prefer.applied() {
            headers.insert(PREFERENCE_APPLIED, applied);
        }
        response
    }
}
