//! `http.request`: calls a tenant's own endpoint, so that a worker can be written in any language.
//!
//! Each request is signed (Standard Webhooks), has the same key however often it is sent, and may be finished later by a callback.
//! The pieces: `target.rs` says where a request goes, `sign.rs` signs it, `verdict.rs` reads the answer's status, `handler.rs` calls.
//! For those on the other side: docs/workers-in-any-language.md.

#[cfg(feature = "handlers")]
pub mod handler;
#[cfg(feature = "secrets")]
pub mod sign;
#[cfg(feature = "handlers")]
pub(crate) mod target;
#[cfg(feature = "outbound")]
pub mod verdict;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    connection::catalog::http::HEADER_NAME,
    contract::{Contract, Policy},
};

/// How long the header `Retry-After` asks to wait from `now`.
#[cfg(feature = "outbound")]
pub(crate) fn retry_after(text: &str, now: crate::clock::Timestamp) -> Option<std::time::Duration> {
    verdict::retry_after(text, now)
}

/// The kind's name.
pub const KIND: &str = "http.request";
/// How long an endpoint that finishes later may be silent, in seconds, unless said.
pub const CALLBACK_S: u32 = 3_600;
/// The longest such silence: a week.
pub const CALLBACK_S_MAX: u32 = 604_800;
/// The longest time for an answer, in seconds: as a connection's own.
pub const TIMEOUT_S_MAX: u32 = crate::connection::catalog::http::TIMEOUT_S_MAX;
/// The largest answer; past [`INLINE_BYTES_MAX`] it becomes an artifact.
pub const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The largest answer that is the job's result.
pub const INLINE_BYTES_MAX: usize = 32 * 1024;

/// What to ask of an endpoint.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The connection, of the provider `http`, that says where the endpoint is and has its secrets.
    #[schemars(length(min = 1, max = 63))]
    pub connection: String,
    /// The method, in the place of the connection's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Verb>,
    /// A path below the connection's URL, as it is before percent-encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2_048))]
    pub path: Option<String>,
    /// Parameters, after those of the connection's URL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 64))]
    pub query: BTreeMap<String, String>,
    /// Headers, in the place of the connection's of the same names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "headers_schema")]
    pub headers: BTreeMap<String, String>,
    /// The body, as JSON; none for no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// A connection, of the provider `oauth2` or `service_account`, whose token is sent as `Authorization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub token_connection: Option<String>,
    /// How long an answer may take, in the place of the connection's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = TIMEOUT_S_MAX))]
    pub timeout_s: Option<u32>,
    /// The endpoint may answer 202 and finish later, by the URL in the header `Windrow-Callback-Url`.
    #[serde(default)]
    pub respond_async: bool,
    /// How long an endpoint that finishes later may be silent, unless it sends a heartbeat.
    #[serde(default = "callback_s")]
    #[schemars(range(min = 10, max = CALLBACK_S_MAX))]
    pub callback_timeout_s: u32,
    /// Headers of the answer that become part of the result, beside `content-type`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 64)))]
    pub answer_headers: Vec<String>,
}

const fn callback_s() -> u32 {
    CALLBACK_S
}

/// Names that are ours or the protocol's to give are refused when the job is submitted.
pub(crate) fn headers_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "propertyNames": { "pattern": HEADER_NAME },
        "additionalProperties": { "type": "string", "maxLength": 1024, "pattern": "^[ -~]*$" }
    })
}

/// The methods there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    /// Most calls.
    Post,
    /// Replace.
    Put,
    /// Change.
    Patch,
    /// Look.
    Get,
    /// Remove.
    Delete,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// The endpoint answered.
    Answered {
        /// The status.
        status: u16,
        /// `content-type` and those of the answer's headers that were asked for.
        headers: BTreeMap<String, String>,
        /// The body: JSON where it says so, text otherwise; none where it is empty or an artifact.
        body: Option<Value>,
        /// The artifact that has the body, where that is too large or no text.
        artifact: Option<String>,
    },
    /// The endpoint finished later.
    Reported {
        /// What it reported.
        reported: Value,
    },
}

/// The kind's contract.
pub fn contract() -> Contract {
    // An answer may take as long as a connection allows, and its file some time to be kept.
    let policy = Policy { timeout_ms: (TIMEOUT_S_MAX + 60) * 1_000, ticket_jobs_max: 16, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Calls an endpoint of the tenant's own: signed by Standard Webhooks, with the same key however often it is sent, tried again by the class of \
         its answer, and finished later by a callback where the endpoint likes. So a worker can be written in any language: \
         [workers in any language](../workers-in-any-language.md).",
        json!({ "connection": "orders", "path": "import", "body": { "order": 7 } }),
        json!({ "status": 200, "headers": { "content-type": "application/json" }, "body": { "taken": true }, "artifact": null }),
        &[
            ("endpoint_busy", true, "it answered 408, 425, 429 or 503; `Retry-After` is kept, up to a day"),
            ("endpoint_failed", true, "it answered 409, 423 or another 5xx, so it may have been done: the next try has the same key"),
            ("endpoint_refused", false, "it answered another 4xx, or a redirect, which is not followed; the message has the beginning of the answer"),
            ("connection_refused", true, "it answered 401, or the token endpoint will give no token: the connection goes to `error` until it is mended or tested"),
            ("callback_late", true, "it answered 202 and did not report in time: the next try has the same key and a new URL"),
            ("answer_late", true, "no answer, or no end of it, came in time"),
            ("connection_broken", true, "the connection ended early, or what came over it is no HTTP"),
            ("unreachable", true, "no connection came about"),
            ("answer_too_large", false, "the answer has more than 8 MiB, or more than 64 KiB of headers"),
            ("answer_encoded", false, "the answer is compressed, which was not asked for"),
            ("answer_not_kept", true, "the object store did not take a large answer"),
            ("address_forbidden", false, "the URL leads to an address that is not of the internet, or is `http`, and the operator has made no exception"),
            ("url_invalid", false, "the connection's URL cannot be called"),
            ("path_invalid", false, "`path` does not stay below the connection's URL"),
            ("header_invalid", false, "a header cannot be sent"),
            ("token_unavailable", true, "the token endpoint of `token_connection` did not give a token"),
            ("setting_missing", false, "`respond_async` needs `api.public_url` (`WINDROW_PUBLIC_URL`) where the worker runs"),
            ("connection_unknown", false, "the tenant has no connection of this name"),
            ("connection_closed", true, "the connection is switched off, or in `error`"),
        ],
    )
}
