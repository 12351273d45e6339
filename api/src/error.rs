//! Every error of the api and its HTTP answer: RFC 9457 problem documents. Codes and statuses are in `error/code.rs`.
//!
//! A handler returns an [`ApiError`]; the [`Problem`] travels in the response's extensions to `edge.rs`, which
//! knows the request's id and writes the body.

mod code;

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use windrow_jobs::{
    bundle::{self, Role},
    connection::seal::SealError,
    job::JobId,
    ledger, objects,
    schedule::Placed,
    submit::{PAYLOAD_BYTES_MAX, Rejection},
};

pub(crate) use self::code::Code;

use crate::openapi;

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
    #[error("{rejection}")]
    Rejected { pointer: String, rejection: Rejection },
    #[error("this Idempotency-Key went with another submission within the last 24 hours; send a new key with a new submission")]
    IdempotencyKeyReused,
    #[error("a submission with this Idempotency-Key is being accepted right now; send it again for its answer")]
    IdempotencyInFlight,
    #[error("the live job {0} has the unique_key that this one would need again")]
    UniqueKeyHeld(JobId),
    #[error("there is no such job")]
    JobNotFound,
    #[error("the job has no effect of this key")]
    EffectNotFound,
    #[error("it is known whether the effect happened, or its attempt still runs")]
    EffectNotInDoubt,
    #[error("nobody waits for a report by this token: it was never given out, or another try has taken its place")]
    CallbackNotFound,
    #[error("it was reported before what came of it")]
    CallbackReported,
    #[error("the job has ended, so nobody waits for a report any more")]
    CallbackOver,
    #[error("there is no such hook: it was never made, or another has taken its place")]
    HookNotFound,
    #[error("the hook was told no such event, or it was kept long enough")]
    EventNotFound,
    #[error("the call is not signed as its provider signs, or too long ago")]
    SignatureInvalid,
    #[error("this is no challenge of somebody who knows the connection's verify_token")]
    ChallengeRefused,
    #[error("the provider {0} tells no hook anything")]
    HookUnsupported(String),
    #[error("the connection has no secret {0}, by which its hook's calls are verified; give it one by PATCH first")]
    HookSecretMissing(&'static str),
    #[error("the api does not know the URL by which it is reached: set api.public_url (WINDROW_PUBLIC_URL)")]
    PublicUrlMissing,
    #[error("there is no such schedule")]
    ScheduleNotFound,
    #[error("the tenant has a schedule of the name {0:?}; change that one by PATCH, or choose another name")]
    ScheduleExists(String),
    #[error("the tenant has no such connection")]
    ConnectionNotFound,
    #[error("the tenant has a connection of the name {0:?}; change that one by PATCH, or choose another name")]
    ConnectionExists(String),
    #[error("the tenant has {} connections, which is the most that it may have", windrow_jobs::connection::CONNECTIONS_MAX)]
    ConnectionsTooMany,
    #[error("the connection is switched off; switch it on by PATCH with \"disabled\": false, then test it")]
    ConnectionDisabled,
    #[error("no provider has this name; GET /v1/providers lists them")]
    ProviderNotFound,
    #[error("no preset has this name; GET /v1/sync-presets lists them")]
    SyncPresetNotFound,
    #[error("the tenant has no key: it never had a secret, or its key was destroyed")]
    TenantKeyNotFound,
    #[error(transparent)]
    Seal(SealError),
    #[error("it has been edited since the tag of If-Match was given; look at it again")]
    PreconditionFailed,
    #[error("the link is not a whole one, or it has expired; ask for the artifacts anew")]
    LinkInvalid,
    #[error("what the link leads to is not there any more")]
    ObjectNotFound,
    #[error(transparent)]
    Objects(#[from] objects::Error),
    #[error("{}", .0.message)]
    Bundle(bundle::Refused),
    #[error(transparent)]
    Unresolvable(bundle::resolve::Unresolvable),
    #[error("there is no such {role} of this tenant")]
    BundleNotFound { role: Role },
    #[error("{role} {name} {version} was published with other content before; publish what changed under a new version")]
    VersionExists { role: Role, name: String, version: String },
    #[error("{0}")]
    WordingNotFound(String),
    #[error(
        "the tenant has {} templates, each language counted, which is the most that it may have",
        windrow_jobs::notification::wording::WORDINGS_MAX
    )]
    WordingsTooMany,
    #[error("{0}")]
    RecordNotFound(String),
    #[error("the records that were there before it became a look-up field are still being gone through")]
    LookupIndexing,
    #[error("{0}")]
    TemplateFailed(String),
    #[error("the process that renders templates gave no answer")]
    RendererUnavailable(String),
    #[error("the tenant has no such sync")]
    SyncNotFound,
    #[error("the tenant has {} syncs, which is the most that it may have", windrow_jobs::sync::SYNCS_MAX)]
    SyncsTooMany,
    #[error(
        "the sync remembers what it wrote to its destination, and knows nothing of another: declare another sync, or delete this one first"
    )]
    SyncElsewhere,
    #[error("nobody has to decide anything about such a record of this sync")]
    ConflictNotFound,
    #[error("the tenant has no such index: PUT /v1/indexes/{{name}} makes one, and so does the first embedding.ingest")]
    IndexNotFound,
    #[error("{0}")]
    IndexExists(String),
    #[error("{0}")]
    ModelUnusable(String),
    #[error("{0}")]
    VectorUnavailable(String),
    /// Of the store of indexes.
    #[error("the store of indexes: {0}")]
    Search(ledger::Error),
    #[error("no kind is named {0:?}")]
    KindNotFound(String),
    #[error("no queue is named {0:?}")]
    QueueNotFound(String),
    #[error("there is nothing at this path")]
    RouteNotFound,
    #[error("only a dead or cancelled job can be redriven")]
    NotRedrivable,
    #[error("it changed under every look; try again")]
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
    /// Its class.
    fn code(&self) -> Code {
        match self {
            Self::Unauthenticated { .. } => Code::UNAUTHENTICATED,
            Self::Header { .. } => Code::HEADER_INVALID,
            Self::Query(_) => Code::QUERY_INVALID,
            Self::PageToken(_) => Code::PAGE_TOKEN_INVALID,
            Self::JsonMalformed { .. } => Code::JSON_MALFORMED,
            Self::Field { .. } | Self::Rejected { rejection: Rejection::Field { .. }, .. } => Code::FIELD_INVALID,
            Self::MediaType(_) => Code::MEDIA_TYPE_UNSUPPORTED,
            Self::BodyTooLarge { .. } => Code::BODY_TOO_LARGE,
            Self::BatchTooLarge { .. } => Code::BATCH_TOO_LARGE,
            Self::BatchRejected(_) => Code::BATCH_REJECTED,
            Self::IdempotencyKeyReused => Code::IDEMPOTENCY_KEY_REUSED,
            Self::IdempotencyInFlight => Code::IDEMPOTENCY_IN_FLIGHT,
            Self::UniqueKeyHeld(_) => Code::UNIQUE_KEY_HELD,
            Self::BodyNotAllowed => Code::BODY_NOT_ALLOWED,
            Self::BodyUnreadable => Code::BODY_UNREADABLE,
            Self::BodyTimedOut => Code::BODY_TIMED_OUT,
            Self::Rejected { rejection: Rejection::PayloadTooLarge { .. }, .. } => Code::PAYLOAD_TOO_LARGE,
            Self::Rejected { rejection: Rejection::UnknownKind(_), .. } => Code::UNKNOWN_KIND,
            Self::Rejected { rejection: Rejection::UnknownQueue(_), .. } => Code::UNKNOWN_QUEUE,
            Self::Rejected { rejection: Rejection::Payload { .. }, .. } => Code::PAYLOAD_INVALID,
            Self::JobNotFound => Code::JOB_NOT_FOUND,
            Self::EffectNotFound => Code::EFFECT_NOT_FOUND,
            Self::EffectNotInDoubt => Code::EFFECT_NOT_IN_DOUBT,
            Self::CallbackNotFound => Code::CALLBACK_NOT_FOUND,
            Self::CallbackReported => Code::CALLBACK_REPORTED,
            Self::CallbackOver => Code::CALLBACK_OVER,
            Self::HookNotFound => Code::HOOK_NOT_FOUND,
            Self::EventNotFound => Code::EVENT_NOT_FOUND,
            Self::SignatureInvalid => Code::SIGNATURE_INVALID,
            Self::ChallengeRefused => Code::CHALLENGE_REFUSED,
            Self::HookUnsupported(_) => Code::HOOK_UNSUPPORTED,
            Self::HookSecretMissing(_) => Code::HOOK_SECRET_MISSING,
            Self::PublicUrlMissing => Code::PUBLIC_URL_MISSING,
            Self::ScheduleNotFound => Code::SCHEDULE_NOT_FOUND,
            Self::ScheduleExists(_) => Code::SCHEDULE_EXISTS,
            Self::ConnectionNotFound => Code::CONNECTION_NOT_FOUND,
            Self::ConnectionExists(_) => Code::CONNECTION_EXISTS,
            Self::ConnectionsTooMany => Code::CONNECTIONS_TOO_MANY,
            Self::ConnectionDisabled => Code::CONNECTION_DISABLED,
            Self::ProviderNotFound => Code::PROVIDER_NOT_FOUND,
            Self::SyncPresetNotFound => Code::SYNC_PRESET_NOT_FOUND,
            Self::TenantKeyNotFound => Code::TENANT_KEY_NOT_FOUND,
            Self::Seal(SealError::NoMaster | SealError::OtherMaster { .. }) => Code::MASTER_KEY_MISSING,
            Self::Seal(SealError::Damaged(_)) => Code::SECRETS_DAMAGED,
            Self::PreconditionFailed => Code::PRECONDITION_FAILED,
            Self::LinkInvalid => Code::LINK_INVALID,
            Self::ObjectNotFound => Code::OBJECT_NOT_FOUND,
            Self::Objects(objects::Error::Unavailable(_)) => Code::OBJECTS_UNAVAILABLE,
            Self::Bundle(bundle::Refused { code, .. }) | Self::Unresolvable(bundle::resolve::Unresolvable { code, .. }) => {
                Code::of_bundles(code)
            }
            Self::BundleNotFound { .. } => Code::BUNDLE_NOT_FOUND,
            Self::VersionExists { .. } => Code::VERSION_EXISTS,
            Self::WordingNotFound(_) => Code::WORDING_NOT_FOUND,
            Self::WordingsTooMany => Code::WORDINGS_TOO_MANY,
            Self::RecordNotFound(_) => Code::RECORD_NOT_FOUND,
            Self::LookupIndexing => Code::LOOKUP_INDEXING,
            Self::TemplateFailed(_) => Code::TEMPLATE_FAILED,
            Self::RendererUnavailable(_) => Code::RENDERER_UNAVAILABLE,
            Self::SyncNotFound => Code::SYNC_NOT_FOUND,
            Self::SyncsTooMany => Code::SYNCS_TOO_MANY,
            Self::SyncElsewhere => Code::SYNC_ELSEWHERE,
            Self::ConflictNotFound => Code::CONFLICT_NOT_FOUND,
            Self::IndexNotFound => Code::INDEX_NOT_FOUND,
            Self::IndexExists(_) => Code::INDEX_EXISTS,
            Self::ModelUnusable(_) => Code::MODEL_UNUSABLE,
            Self::VectorUnavailable(_) => Code::VECTOR_UNAVAILABLE,
            Self::Search(ledger::Error::Unavailable(_) | ledger::Error::Outdated { .. }) => Code::SEARCH_UNAVAILABLE,
            Self::KindNotFound(_) => Code::KIND_NOT_FOUND,
            Self::QueueNotFound(_) => Code::QUEUE_NOT_FOUND,
            Self::RouteNotFound => Code::ROUTE_NOT_FOUND,
            Self::NotRedrivable => Code::NOT_REDRIVABLE,
            Self::Contended => Code::CONTENDED,
            Self::Ledger(ledger::Error::Unavailable(_)) => Code::LEDGER_UNAVAILABLE,
            Self::Ledger(ledger::Error::Refused(_)) | Self::Search(ledger::Error::Refused(_)) => Code::DATA_REFUSED,
            Self::DepthsUnknown | Self::DepthsStale { .. } => Code::DEPTHS_UNAVAILABLE,
            Self::Stuck(_) => Code::STUCK,
            Self::Stopping => Code::STOPPING,
            Self::TimedOut => Code::TIMED_OUT,
            Self::Ledger(ledger::Error::Corrupt(_) | ledger::Error::Outdated { .. })
            | Self::Search(ledger::Error::Corrupt(_))
            | Self::Objects(objects::Error::Refused(_))
            | Self::Internal => Code::INTERNAL,
        }
    }

    /// The same as the problem of one item of a batch.
    pub(crate) fn of_item(&self, index: usize) -> ItemProblem {
        let pointer = match self {
            Self::IdempotencyKeyReused => "/idempotency_key",
            other => other.pointer().unwrap_or_default(),
        };
        ItemProblem { code: self.code().name, detail: self.detail(), pointer: format!("/{index}{pointer}") }
    }

    fn pointer(&self) -> Option<&str> {
        match self {
            Self::JsonMalformed { pointer, .. } => pointer.as_deref(),
            Self::Field { pointer, .. } | Self::Rejected { pointer, .. } => Some(pointer),
            Self::Bundle(bundle::Refused { pointer, .. }) if !pointer.is_empty() => Some(pointer),
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
            Self::Seal(SealError::NoMaster | SealError::OtherMaster { .. }) => {
                "this api cannot read or seal the tenant's secrets: its master key is missing, or it is another; nothing is lost".into()
            }
            Self::Objects(objects::Error::Unavailable(_)) => "the object store did not answer".into(),
            Self::Search(ledger::Error::Unavailable(_) | ledger::Error::Outdated { .. }) => {
                "the store of indexes does not answer, or there is none, as in a PostgreSQL without pgvector: `windrow doctor`, run where the \
                 server's settings are, says which and what to do; everything else works"
                    .into()
            }
            Self::Search(ledger::Error::Refused(_)) => "the store of indexes cannot keep this data; sending it again is of no use".into(),
            Self::Ledger(ledger::Error::Corrupt(_) | ledger::Error::Outdated { .. })
            | Self::Search(ledger::Error::Corrupt(_))
            | Self::Objects(objects::Error::Refused(_)) => Self::Internal.to_string(),
            other => other.to_string(),
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected { pointer: rejection.pointer().to_owned(), rejection }
    }
}

impl From<Placed> for ApiError {
    fn from(placed: Placed) -> Self {
        match (placed.pointer(), placed.rejection) {
            (pointer, Rejection::Field { message, .. }) => Self::Field { pointer, message },
            (pointer, rejection) => Self::Rejected { pointer, rejection },
        }
    }
}

openapi::gives! {
    LedgerErrors: LEDGER_UNAVAILABLE, DATA_REFUSED, INTERNAL;
    ObjectsErrors: OBJECTS_UNAVAILABLE, INTERNAL;
    SearchErrors: SEARCH_UNAVAILABLE, DATA_REFUSED, INTERNAL;
}
/// Of every call that asks the ledger.
pub(crate) struct LedgerErrors;
/// Of every call that asks the object store.
pub(crate) struct ObjectsErrors;
/// Of every call that asks the store of indexes.
pub(crate) struct SearchErrors;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (code, status) = (self.code(), self.code().status);
        match &self {
            Self::Ledger(ledger::Error::Corrupt(_)) | Self::Search(ledger::Error::Corrupt(_)) => {
                tracing::error!(error = %self, "a request failed")
            }
            Self::Seal(_) => tracing::error!(error = %self, "secrets cannot be read or sealed"),
            Self::Ledger(_) | Self::Objects(_) | Self::Search(_) => tracing::warn!(error = %self, "a request failed"),
            Self::RendererUnavailable(error) => tracing::warn!(%error, "a template could not be rendered"),
            _ => {}
        }
        let mut problem = Problem::new(status, code, self.detail(), self.pointer().map(Into::into));
        let mut response = status.into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE || matches!(self, Self::Contended | Self::IdempotencyInFlight) {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_S);
        }
        if let Self::BatchRejected(problems) = &self {
            problem.problems = Some(problems.clone());
        }
        if let Self::Unresolvable(why) = &self {
            (problem.conflicts, problem.hints) = (Some(why.steps.clone()), Some(why.hints.clone()));
        }
        if let Self::Unauthenticated { presented } = self {
            let challenge = if presented { r#"Bearer realm="windrow", error="invalid_token""# } else { r#"Bearer realm="windrow""# };
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if matches!(self, Self::SignatureInvalid) {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Signature realm="windrow""#));
        }
        response.extensions_mut().insert(problem);
        response
    }
}

impl From<bundle::Error> for ApiError {
    fn from(error: bundle::Error) -> Self {
        match error {
            bundle::Error::Refused(refused) => Self::Bundle(refused),
            bundle::Error::Unresolvable(why) => Self::Unresolvable(why),
            bundle::Error::Ledger(error) => Self::Ledger(error),
            bundle::Error::Objects(error) => Self::Objects(error),
        }
    }
}

/// A problem document (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:windrow:problem:` and the code.
    #[schema(pattern = "^urn:windrow:problem:[a-z_]+$")]
    r#type: String,
    /// The class of problems, for people.
    title: &'static str,
    /// The answer's status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time, for people.
    detail: String,
    /// The class of problems, to switch on: it is stable.
    #[schema(pattern = "^[a-z_]+$")]
    code: &'static str,
    /// Where in the body the trouble is, as a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pointer: Option<String>,
    /// What is wrong with the items of a batch that is refused as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problems: Option<Vec<ItemProblem>>,
    /// Of bundles that do not go together: what stands against each other, a sentence each.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    conflicts: Option<Vec<String>>,
    /// Of bundles that do not go together: what was tried and would help, a sentence each.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hints: Option<Vec<String>>,
    /// Names this answer in the server's log.
    pub(crate) request_id: String,
}

/// What is wrong with one item of a batch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ItemProblem {
    /// As in a problem document.
    #[schema(pattern = "^[a-z_]+$")]
    code: &'static str,
    /// What is wrong, for people.
    detail: String,
    /// Where in the batch, as a JSON pointer that begins with the item's index.
    pointer: String,
}

impl Problem {
    fn new(status: StatusCode, code: Code, detail: String, pointer: Option<String>) -> Self {
        let r#type = format!("urn:windrow:problem:{}", code.name);
        Self {
            r#type,
            title: code.title,
            status: status.as_u16(),
            detail,
            code: code.name,
            pointer,
            problems: None,
            conflicts: None,
            hints: None,
            request_id: String::new(),
        }
    }

    /// The problem of an error answer that none of our handlers made, such as axum's 405.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::METHOD_NOT_ALLOWED => (Code::METHOD_NOT_ALLOWED, "see the Allow header for what this path takes"),
            StatusCode::PAYLOAD_TOO_LARGE => return Self::new(status, Code::BODY_TOO_LARGE, too_large(), None),
            StatusCode::NOT_FOUND => (Code::ROUTE_NOT_FOUND, "there is nothing at this path"),
            status if status.is_server_error() => (Code::INTERNAL, "the error is logged under the request id"),
            _ => (Code::REQUEST_INVALID, "the request could not be understood"),
        };
        Self::new(status, code, detail.into(), None)
    }
}

fn too_large() -> String {
    format!("payloads have up to {PAYLOAD_BYTES_MAX} bytes; send larger things as artifacts")
}
