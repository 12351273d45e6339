//! `hook.forward`: passes on what a hook was told, byte for byte, to the URL that its owner gave.

#[cfg(feature = "handlers")]
pub mod handler;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::hook_apply::uuid_text;
use crate::{
    contract::{Contract, Policy},
    hook::EventId,
};

/// The kind's name.
pub const KIND: &str = "hook.forward";

/// Which event is passed on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The event, as `GET /v1/connections/{name}/hook/events` lists it.
    #[schemars(with = "uuid_text::Text")]
    pub event: EventId,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// The event.
    pub event: EventId,
    /// What the other side answered; none where the hook is to pass nothing on any more.
    pub status: Option<u16>,
}

/// The kind's contract.
pub fn contract() -> Contract {
    let policy = Policy { timeout_ms: 90_000, ticket_jobs_max: 16, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Passes an event of a connection's hook on to its `forward_url`, with the body byte for byte, its media type and the provider's signature, and \
         signed by Standard Webhooks ([hooks](../hooks.md)). Every accepted call of a hook that has one submits it, in the same transaction. Redirects \
         are not followed.",
        json!({ "event": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70" }),
        json!({ "event": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70", "status": 204 }),
        &[
            ("event_unknown", false, "the tenant has no such event any more: it is kept for 30 days"),
            ("endpoint_busy", true, "it answered 408, 425, 429 or 503; `Retry-After` is kept"),
            ("endpoint_failed", true, "it answered 401, 409, 423 or another 5xx: the next try has the same key"),
            ("endpoint_refused", false, "it answered another 4xx, or a redirect, which is not followed"),
            ("answer_late", true, "no answer came in time"),
            ("connection_broken", true, "the connection ended early, or what came over it is no HTTP"),
            ("unreachable", true, "no connection came about"),
            ("address_forbidden", false, "the URL leads to an address that is not of the internet, or is `http`, and the operator has made no exception"),
            ("hook_lost", true, "the key was destroyed by which it is signed: make the hook anew"),
        ],
    )
}
