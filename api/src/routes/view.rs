//! A job as an answer: its JSON, its tag, and when to look again.

use axum::{
    http::{HeaderMap, HeaderName, StatusCode, header::RETRY_AFTER},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;
use windrow_jobs::{
    clock::Timestamp,
    job::Job,
    notification::delivery::{Delivery, Status},
};

use super::tagged::Tagged;
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

/// The answer to a look at a job. Only its schema is used: `View::with_deliveries` adds the count to the job's own JSON.
#[derive(Serialize, ToSchema)]
#[schema(description = "A job, and how the messages fare that it sent.")]
pub(super) struct SeenJob {
    #[serde(flatten)]
    job: Job,
    /// How many of its messages stand how, if it is a notification that sent any; `GET /v1/jobs/{id}/deliveries` has each.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    deliveries: Option<DeliveryCounts>,
}

/// How many messages stand how.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct DeliveryCounts {
    /// The provider has them.
    sent: u32,
    /// They arrived.
    delivered: u32,
    /// They were read.
    read: u32,
    /// They did not arrive.
    failed: u32,
}

impl DeliveryCounts {
    fn of(deliveries: &[Delivery]) -> Self {
        let mut counts = Self::default();
        for delivery in deliveries {
            *match delivery.facts.status() {
                Status::Sent => &mut counts.sent,
                Status::Delivered => &mut counts.delivered,
                Status::Read => &mut counts.read,
                Status::Failed => &mut counts.failed,
            } += 1;
        }
        counts
    }
}

/// A job's JSON, and what the headers say about it.
pub(super) struct View {
    tagged: Tagged,
    /// When to look again; none once the job is final.
    retry_after_s: Option<i64>,
}

impl View {
    pub(super) fn of(job: &Job, now: Timestamp) -> Result<Self, ApiError> {
        let until_due_s = if job.state.waits_for_time() { (job.run_at.ms_since(now) + 999) / 1_000 } else { 1 };
        let retry_after_s = (!job.state.is_final()).then(|| until_due_s.clamp(1, RETRY_AFTER_S_MAX));
        Ok(Self { tagged: Tagged::of(job, "")?, retry_after_s })
    }

    /// The same body with a word that it is the job of an earlier submission. The tag stays the job's own, so that it
    /// serves for looking at the job.
    pub(super) fn deduplicated(mut self) -> Self {
        self.tagged.append(br#","deduplicated":true}"#);
        self
    }

    /// The same body with how its messages fare, if it sent any.
    pub(super) fn with_deliveries(mut self, deliveries: &[Delivery]) -> Result<Self, ApiError> {
        if !deliveries.is_empty() {
            let counts = serde_json::to_string(&DeliveryCounts::of(deliveries)).map_err(|_| ApiError::Internal)?;
            self.tagged.extend(format!(r#","deliveries":{counts}}}"#).as_bytes())?;
        }
        Ok(self)
    }

    /// Whether the client has this already.
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        self.tagged.is_known(headers)
    }

    pub(super) fn answer(self, status: StatusCode, prefer: Prefer) -> Response {
        let mut response = self.tagged.answer(status);
        let headers = response.headers_mut();
        if let Some(retry_after_s) = self.retry_after_s {
            headers.insert(RETRY_AFTER, retry_after_s.into());
        }
        if let Some(applied) = prefer.applied() {
            headers.insert(PREFERENCE_APPLIED, applied);
        }
        response
    }
}
