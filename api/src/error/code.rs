//! Every code of a problem document, with its status and title. `docs/errors.md` explains each.

use axum::http::StatusCode as S;

/// The class of an error: what a client switches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) status: S,
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
}

impl Code {
    const fn new(status: S, name: &'static str, title: &'static str) -> Self {
        Self { status, name, title }
    }

    pub(crate) const UNAUTHENTICATED: Self = Self::new(S::UNAUTHORIZED, "unauthenticated", "No valid API key");
    pub(crate) const HEADER_INVALID: Self = Self::new(S::BAD_REQUEST, "header_invalid", "A header is invalid");
    pub(crate) const QUERY_INVALID: Self = Self::new(S::BAD_REQUEST, "query_invalid", "A query parameter is invalid");
    pub(crate) const PAGE_TOKEN_INVALID: Self = Self::new(S::BAD_REQUEST, "page_token_invalid", "The page token is invalid");
    pub(crate) const JSON_MALFORMED: Self = Self::new(S::BAD_REQUEST, "json_malformed", "The body is not JSON");
    pub(crate) const FIELD_INVALID: Self = Self::new(S::UNPROCESSABLE_ENTITY, "field_invalid", "A field is invalid");
    pub(crate) const MEDIA_TYPE_UNSUPPORTED: Self =
        Self::new(S::UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported", "The media type is not supported");
    pub(crate) const BODY_TOO_LARGE: Self = Self::new(S::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large");
    pub(crate) const BODY_NOT_ALLOWED: Self = Self::new(S::BAD_REQUEST, "body_not_allowed", "No body is expected");
    pub(crate) const BODY_UNREADABLE: Self = Self::new(S::BAD_REQUEST, "body_unreadable", "The body could not be read");
    pub(crate) const BODY_TIMED_OUT: Self = Self::new(S::REQUEST_TIMEOUT, "body_timed_out", "The body did not arrive in time");
    pub(crate) const BATCH_TOO_LARGE: Self = Self::new(S::PAYLOAD_TOO_LARGE, "batch_too_large", "The batch has too many items");
    pub(crate) const BATCH_REJECTED: Self = Self::new(S::UNPROCESSABLE_ENTITY, "batch_rejected", "The batch is refused as a whole");
    pub(crate) const PAYLOAD_TOO_LARGE: Self = Self::new(S::PAYLOAD_TOO_LARGE, "payload_too_large", "The payload is too large");
    pub(crate) const PAYLOAD_INVALID: Self = Self::new(S::UNPROCESSABLE_ENTITY, "payload_invalid", "The payload breaks its contract");
    pub(crate) const UNKNOWN_KIND: Self = Self::new(S::UNPROCESSABLE_ENTITY, "unknown_kind", "The kind is not known");
    pub(crate) const UNKNOWN_QUEUE: Self = Self::new(S::UNPROCESSABLE_ENTITY, "unknown_queue", "The queue is not known");
    pub(crate) const IDEMPOTENCY_KEY_REUSED: Self =
        Self::new(S::UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The idempotency key is taken");
    pub(crate) const IDEMPOTENCY_IN_FLIGHT: Self =
        Self::new(S::CONFLICT, "idempotency_in_flight", "The first submission is not answered yet");
    pub(crate) const UNIQUE_KEY_HELD: Self = Self::new(S::CONFLICT, "unique_key_held", "Another live job has the unique key");
    pub(crate) const NOT_REDRIVABLE: Self = Self::new(S::CONFLICT, "not_redrivable", "The job cannot be redriven");
    pub(crate) const CONTENDED: Self = Self::new(S::CONFLICT, "contended", "It keeps changing");
    pub(crate) const JOB_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "job_not_found", "No such job");
    pub(crate) const EFFECT_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "effect_not_found", "No such effect");
    pub(crate) const EFFECT_NOT_IN_DOUBT: Self = Self::new(S::CONFLICT, "effect_not_in_doubt", "The effect is not in doubt");
    pub(crate) const CALLBACK_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "callback_not_found", "No such callback");
    pub(crate) const CALLBACK_REPORTED: Self = Self::new(S::CONFLICT, "callback_reported", "It was reported before");
    pub(crate) const CALLBACK_OVER: Self = Self::new(S::GONE, "callback_over", "The job has ended");
    pub(crate) const HOOK_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "hook_not_found", "No such hook");
    pub(crate) const EVENT_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "event_not_found", "No such event");
    pub(crate) const SIGNATURE_INVALID: Self = Self::new(S::UNAUTHORIZED, "signature_invalid", "The signature is not good");
    pub(crate) const CHALLENGE_REFUSED: Self = Self::new(S::FORBIDDEN, "challenge_refused", "The challenge is refused");
    pub(crate) const HOOK_UNSUPPORTED: Self = Self::new(S::CONFLICT, "hook_unsupported", "The provider has no hooks");
    pub(crate) const HOOK_SECRET_MISSING: Self = Self::new(S::CONFLICT, "hook_secret_missing", "Nothing verifies the hook's calls");
    pub(crate) const PUBLIC_URL_MISSING: Self = Self::new(S::CONFLICT, "public_url_missing", "The api does not know its URL");
    pub(crate) const SCHEDULE_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "schedule_not_found", "No such schedule");
    pub(crate) const SCHEDULE_EXISTS: Self = Self::new(S::CONFLICT, "schedule_exists", "The name is taken");
    pub(crate) const CONNECTION_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "connection_not_found", "No such connection");
    pub(crate) const CONNECTION_EXISTS: Self = Self::new(S::CONFLICT, "connection_exists", "The name is taken");
    pub(crate) const CONNECTIONS_TOO_MANY: Self = Self::new(S::CONFLICT, "connections_too_many", "The tenant has too many connections");
    pub(crate) const CONNECTION_DISABLED: Self = Self::new(S::CONFLICT, "connection_disabled", "The connection is switched off");
    pub(crate) const PROVIDER_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "provider_not_found", "No such provider");
    pub(crate) const SYNC_PRESET_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "sync_preset_not_found", "No such preset");
    pub(crate) const TENANT_KEY_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "tenant_key_not_found", "The tenant has no key");
    pub(crate) const MASTER_KEY_MISSING: Self =
        Self::new(S::SERVICE_UNAVAILABLE, "master_key_missing", "The master key is missing or another");
    pub(crate) const SECRETS_DAMAGED: Self = Self::new(S::INTERNAL_SERVER_ERROR, "secrets_damaged", "What is sealed does not open");
    pub(crate) const PRECONDITION_FAILED: Self = Self::new(S::PRECONDITION_FAILED, "precondition_failed", "It has been edited since");
    pub(crate) const BUNDLE_INVALID: Self = Self::new(S::UNPROCESSABLE_ENTITY, "bundle_invalid", "The bundle is not as it must be");
    pub(crate) const BUNDLE_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "bundle_not_found", "No such template or feature");
    pub(crate) const VERSION_EXISTS: Self = Self::new(S::CONFLICT, "version_exists", "The version is taken");
    pub(crate) const REQUIREMENT_INVALID: Self = Self::new(S::UNPROCESSABLE_ENTITY, "requirement_invalid", "This asks for no bundle");
    pub(crate) const TEMPLATE_UNKNOWN: Self = Self::new(S::UNPROCESSABLE_ENTITY, "template_unknown", "The template is not known");
    pub(crate) const FEATURE_UNKNOWN: Self = Self::new(S::UNPROCESSABLE_ENTITY, "feature_unknown", "A feature is not known");
    pub(crate) const VERSION_CONFLICT: Self = Self::new(S::UNPROCESSABLE_ENTITY, "version_conflict", "No versions fit each other");
    pub(crate) const BUNDLE_CONFLICT: Self = Self::new(S::UNPROCESSABLE_ENTITY, "bundle_conflict", "Bundles do not go together");
    pub(crate) const DEPENDENCY_CYCLE: Self = Self::new(S::UNPROCESSABLE_ENTITY, "dependency_cycle", "Features need each other");
    pub(crate) const WORDING_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "wording_not_found", "No such template of notifications");
    pub(crate) const WORDINGS_TOO_MANY: Self = Self::new(S::CONFLICT, "wordings_too_many", "The tenant has too many templates");
    pub(crate) const TEMPLATE_FAILED: Self = Self::new(S::UNPROCESSABLE_ENTITY, "template_failed", "The template cannot be rendered");
    pub(crate) const RENDERER_UNAVAILABLE: Self =
        Self::new(S::SERVICE_UNAVAILABLE, "renderer_unavailable", "The renderer is not available");
    pub(crate) const SYNC_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "sync_not_found", "No such sync");
    pub(crate) const SYNCS_TOO_MANY: Self = Self::new(S::CONFLICT, "syncs_too_many", "The tenant has too many syncs");
    pub(crate) const SYNC_ELSEWHERE: Self = Self::new(S::CONFLICT, "sync_elsewhere", "The sync would go elsewhere");
    pub(crate) const CONFLICT_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "conflict_not_found", "No such conflict");
    pub(crate) const RECORD_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "record_not_found", "No such record");
    pub(crate) const LOOKUP_INDEXING: Self = Self::new(S::CONFLICT, "lookup_indexing", "The look-up field is not ready yet");
    pub(crate) const INDEX_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "index_not_found", "No such index");
    pub(crate) const INDEX_EXISTS: Self = Self::new(S::CONFLICT, "index_exists", "The index has other settings");
    pub(crate) const MODEL_UNUSABLE: Self = Self::new(S::CONFLICT, "model_unusable", "The model of the index cannot be used");
    pub(crate) const VECTOR_UNAVAILABLE: Self = Self::new(S::SERVICE_UNAVAILABLE, "vector_unavailable", "No vector was made in time");
    pub(crate) const SEARCH_UNAVAILABLE: Self = Self::new(S::SERVICE_UNAVAILABLE, "search_unavailable", "Searching is not available");
    pub(crate) const KIND_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "kind_not_found", "No such kind");
    pub(crate) const QUEUE_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "queue_not_found", "No such queue");
    pub(crate) const LINK_INVALID: Self = Self::new(S::FORBIDDEN, "link_invalid", "The link does not open");
    pub(crate) const OBJECT_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "object_not_found", "No such object");
    pub(crate) const ROUTE_NOT_FOUND: Self = Self::new(S::NOT_FOUND, "route_not_found", "No such route");
    pub(crate) const METHOD_NOT_ALLOWED: Self = Self::new(S::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed");
    /// For whatever HTTP itself refuses; the answer keeps the status that it was given.
    pub(crate) const REQUEST_INVALID: Self = Self::new(S::BAD_REQUEST, "request_invalid", "The request is invalid");
    pub(crate) const DATA_REFUSED: Self = Self::new(S::UNPROCESSABLE_ENTITY, "data_refused", "The ledger refused the data");
    pub(crate) const LEDGER_UNAVAILABLE: Self = Self::new(S::SERVICE_UNAVAILABLE, "ledger_unavailable", "The ledger is not available");
    pub(crate) const OBJECTS_UNAVAILABLE: Self =
        Self::new(S::SERVICE_UNAVAILABLE, "objects_unavailable", "The object store is not available");
    pub(crate) const DEPTHS_UNAVAILABLE: Self =
        Self::new(S::SERVICE_UNAVAILABLE, "depths_unavailable", "The depths of the queues are not known");
    pub(crate) const STUCK: Self = Self::new(S::SERVICE_UNAVAILABLE, "stuck", "The process is stuck");
    pub(crate) const STOPPING: Self = Self::new(S::SERVICE_UNAVAILABLE, "stopping", "Shutting down");
    pub(crate) const TIMED_OUT: Self = Self::new(S::SERVICE_UNAVAILABLE, "timed_out", "No answer in time");
    pub(crate) const INTERNAL: Self = Self::new(S::INTERNAL_SERVER_ERROR, "internal", "Internal error");

    /// The code that the domain gave a refusal of bundles. One that is not for clients is our own trouble.
    pub(crate) fn of_bundles(name: &str) -> Self {
        let all = [
            Self::BUNDLE_INVALID,
            Self::REQUIREMENT_INVALID,
            Self::TEMPLATE_UNKNOWN,
            Self::FEATURE_UNKNOWN,
            Self::VERSION_CONFLICT,
            Self::BUNDLE_CONFLICT,
            Self::DEPENDENCY_CYCLE,
        ];
        all.into_iter().find(|code| code.name == name).unwrap_or(Self::INTERNAL)
    }
}
