//! Every error of the api with its HTTP answer beside it: RFC 9457 problem documents.
//!
//! A handler returns an [`ApiError`]; the [`Problem`] travels in the response's extensions to `edge.rs`, which
//! knows the request's id and writes the body.

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use windrow_jobs::{
    job::JobId,
    ledger, objects,
    submit::{PAYLOAD_BYTES_MAX, Rejection},
};

/// When to come back after a 503, in seconds: a standby planner leads, or a ledger restarts, within about that.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{}", if *.presented { "the API key is not known" } else { "send an API key as Authorization: Bearer <key>" })]
    Unauthenticated { presented: bool },
    #[error("header {name}: {message}")]
    Header { name: &'static str, message: String },
    #[error("query parameter {0}")]
    Query(String),
    #[error("page_token: {0}")]
    PageToken(&'static str),
    #[error("the body is not JSON: {message}")]
    JsonMalformed { pointer: Option<String>, message: String },
    #[error("{message}")]
    Field { pointer: String, message: String },
    #[error("{0}")]
    MediaType(String),
    #[error("the body is larger than the {bytes_max} bytes allowed")]
    BodyTooLarge { bytes_max: usize },
    #[error("the batch has {items} items of the {} allowed", crate::routes::batch::BATCH_ITEMS_MAX)]
    BatchTooLarge { items: usize },
    #[error("{} items are refused, so none of the batch is accepted", .0.len())]
    BatchRejected(Vec<ItemProblem>),
    #[error("this call takes no body")]
    BodyNotAllowed,
    #[error("the body could not be read to its end")]
    BodyUnreadable,
    #[error("the body took too long to arrive")]
    BodyTimedOut,
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error("this Idempotency-Key went with another submission within the last 24 hours; send a new key with a new submission")]
    IdempotencyKeyReused,
    #[error("a submission with this Idempotency-Key is being accepted right now; send it again for its answer")]
    IdempotencyInFlight,
    #[error("the live job {0} has the unique_key that this one would need again")]
    UniqueKeyHeld(JobId),
    #[error("there is no such job")]
    JobNotFound,
    #[error("the link is not a whole one, or it has expired; ask for the artifacts anew")]
    LinkInvalid,
    #[error("what the link leads to is not there any more")]
    ObjectNotFound,
    #[error(transparent)]
    Objects(#[from] objects::Error),
    #[error("no kind is named {0:?}")]
    KindNotFound(String),
    #[error("no queue is named {0:?}")]
    QueueNotFound(String),
    #[error("there is nothing at this path")]
    RouteNotFound,
    #[error("only a dead or cancelled job can be redriven")]
    NotRedrivable,
    #[error("the job changed under every look; try again")]
    Contended,
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    #[error("the planner has not said how deep the queues are")]
    DepthsUnknown,
    #[error("the planner last said {age_s} seconds ago how deep the queues are")]
    DepthsStale { age_s: i64 },
    #[error("{0}")]
    Stuck(String),
    #[error("this process is shutting down")]
    Stopping,
    #[error("there was no answer in time; whether the request took effect is not known")]
    TimedOut,
    #[error("the error is logged under the request id")]
    Internal,
}

impl ApiError {
    /// Status, stable code and title of each class of errors.
    const fn class(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Unauthenticated { .. } => (S::UNAUTHORIZED, "unauthenticated", "No valid API key"),
            Self::Header { .. } => (S::BAD_REQUEST, "header_invalid", "A header is invalid"),
            Self::Query(_) => (S::BAD_REQUEST, "query_invalid", "A query parameter is invalid"),
            Self::PageToken(_) => (S::BAD_REQUEST, "page_token_invalid", "The page token is invalid"),
            Self::JsonMalformed { .. } => (S::BAD_REQUEST, "json_malformed", "The body is not JSON"),
            Self::Field { .. } => (S::UNPROCESSABLE_ENTITY, "field_invalid", "A field is invalid"),
            Self::MediaType(_) => (S::UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported", "The media type is not supported"),
            Self::BodyTooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large"),
            Self::BatchTooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "batch_too_large", "The batch has too many items"),
            Self::BatchRejected(_) => (S::UNPROCESSABLE_ENTITY, "batch_rejected", "The batch is refused as a whole"),
            Self::IdempotencyKeyReused => (S::UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The idempotency key is taken"),
            Self::IdempotencyInFlight => (S::CONFLICT, "idempotency_in_flight", "The first submission is not answered yet"),
            Self::UniqueKeyHeld(_) => (S::CONFLICT, "unique_key_held", "Another live job has the unique key"),
            Self::BodyNotAllowed => (S::BAD_REQUEST, "body_not_allowed", "No body is expected"),
            Self::BodyUnreadable => (S::BAD_REQUEST, "body_unreadable", "The body could not be read"),
            Self::BodyTimedOut => (S::REQUEST_TIMEOUT, "body_timed_out", "The body did not arrive in time"),
            Self::Rejected(rejection) => match rejection {
                Rejection::PayloadTooLarge { .. } => (S::PAYLOAD_TOO_LARGE, rejection.code(), "The payload is too large"),
                Rejection::UnknownKind(_) => (S::UNPROCESSABLE_ENTITY, rejection.code(), "The kind is not known"),
                Rejection::UnknownQueue(_) => (S::UNPROCESSABLE_ENTITY, rejection.code(), "The queue is not known"),
                Rejection::Payload { .. } => (S::UNPROCESSABLE_ENTITY, rejection.code(), "The payload breaks its contract"),
                Rejection::Field { .. } => (S::UNPROCESSABLE_ENTITY, rejection.code(), "A field is invalid"),
            },
            Self::JobNotFound => (S::NOT_FOUND, "job_not_found", "No such job"),
            Self::LinkInvalid => (S::FORBIDDEN, "link_invalid", "The link does not open"),
            Self::ObjectNotFound => (S::NOT_FOUND, "object_not_found", "No such object"),
            Self::Objects(objects::Error::Unavailable(_)) => {
                (S::SERVICE_UNAVAILABLE, "objects_unavailable", "The object store is not available")
            }
            Self::Objects(objects::Error::Refused(_)) => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
            Self::KindNotFound(_) => (S::NOT_FOUND, "kind_not_found", "No such kind"),
            Self::QueueNotFound(_) => (S::NOT_FOUND, "queue_not_found", "No such queue"),
            Self::RouteNotFound => (S::NOT_FOUND, "route_not_found", "No such route"),
            Self::NotRedrivable => (S::CONFLICT, "not_redrivable", "The job cannot be redriven"),
            Self::Contended => (S::CONFLICT, "contended", "The job keeps changing"),
            Self::Ledger(ledger::Error::Unavailable(_)) => (S::SERVICE_UNAVAILABLE, "ledger_unavailable", "The ledger is not available"),
            Self::Ledger(ledger::Error::Refused(_)) => (S::UNPROCESSABLE_ENTITY, "data_refused", "The ledger refused the data"),
            Self::Ledger(ledger::Error::Corrupt(_) | ledger::Error::Outdated { .. }) | Self::Internal => {
                (S::INTERNAL_SERVER_ERROR, "internal", "Internal error")
            }
            Self::DepthsUnknown | Self::DepthsStale { .. } => {
                (S::SERVICE_UNAVAILABLE, "depths_unavailable", "The depths of the queues are not known")
            }
            Self::Stuck(_) => (S::SERVICE_UNAVAILABLE, "stuck", "The process is stuck"),
            Self::Stopping => (S::SERVICE_UNAVAILABLE, "stopping", "Shutting down"),
            Self::TimedOut => (S::SERVICE_UNAVAILABLE, "timed_out", "No answer in time"),
        }
    }

    /// The same as the problem of one item of a batch.
    pub(crate) fn of_item(&self, index: usize) -> ItemProblem {
        let (_, code, _) = self.class();
        let pointer = match self {
            Self::IdempotencyKeyReused => "/idempotency_key",
            other => other.pointer().unwrap_or_default(),
        };
        ItemProblem { code, detail: self.detail(), pointer: format!("/{index}{pointer}") }
    }

    fn pointer(&self) -> Option<&str> {
        match self {
            Self::JsonMalformed { pointer, .. } => pointer.as_deref(),
            Self::Field { pointer, .. } => Some(pointer),
            Self::Rejected(rejection) => Some(rejection.pointer()),
            _ => None,
        }
    }

    /// What the client is told. A ledger's own words stay in the log: they name tables and hosts.
    fn detail(&self) -> String {
        match self {
            Self::Ledger(ledger::Error::Unavailable(_)) => {
                "the ledger did not answer; whether the request took effect is not known, what was accepted before is safe".into()
            }
            Self::Ledger(ledger::Error::Refused(_)) => "the ledger cannot keep this data; sending it again is of no use".into(),
            Self::Objects(objects::Error::Unavailable(_)) => "the object store did not answer".into(),
            Self::Ledger(ledger::Error::Corrupt(_) | ledger::Error::Outdated { .. }) | Self::Objects(objects::Error::Refused(_)) => {
                Self::Internal.to_string()
            }
            other => other.to_string(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code, title) = self.class();
        match &self {
            Self::Ledger(ledger::Error::Corrupt(_)) => tracing::error!(error = %self, "a request failed"),
            Self::Ledger(_) | Self::Objects(_) => tracing::warn!(error = %self, "a request failed"),
            _ => {}
        }
        let mut problem = Problem::new(status, code, title, self.detail(), self.pointer().map(Into::into));
        let mut response = status.into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE || matches!(self, Self::Contended | Self::IdempotencyInFlight) {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
        }
        if let Self::BatchRejected(problems) = &self {
            problem.problems = Some(problems.clone());
        }
        if let Self::Unauthenticated { presented } = self {
            let challenge = if presented { r#"Bearer realm="windrow", error="invalid_token""# } else { r#"Bearer realm="windrow""# };
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.extensions_mut().insert(problem);
        response
    }
}

/// A problem document (RFC 9457), but for the request's id, which `edge.rs` adds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Problem {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// What is wrong with the items of a batch that is refused as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<ItemProblem>>,
}

/// What is wrong with one item of a batch; the pointer begins at the batch.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ItemProblem {
    code: &'static str,
    detail: String,
    pointer: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: String, pointer: Option<String>) -> Self {
        Self { r#type: format!("urn:windrow:problem:{code}"), title, status: status.as_u16(), detail, code, pointer, problems: None }
    }

    /// The problem of an error answer that none of our handlers made, such as axum's 405.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, title, detail) = match status {
            StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "Method not allowed", "see the Allow header for what this path takes"),
            StatusCode::PAYLOAD_TOO_LARGE => return Self::new(status, "body_too_large", "The body is too large", too_large(), None),
            StatusCode::NOT_FOUND => ("route_not_found", "No such route", "there is nothing at this path"),
            status if status.is_server_error() => ("internal", "Internal error", "the error is logged under the request id"),
            _ => ("request_invalid", "The request is invalid", "the request could not be understood"),
        };
        Self::new(status, code, title, detail.into(), None)
    }
}

fn too_large() -> String {
    format!("payloads have up to {PAYLOAD_BYTES_MAX} bytes; send larger things as artifacts")
}
