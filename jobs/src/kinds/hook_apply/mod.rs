//! `hook.apply`: reads what a hook was told and applies it to deliveries. The api submits it in the transaction that keeps the event.
//!
//! `read.rs` has a reader for each provider; what a report changes is decided in `notification/delivery.rs`.

#[cfg(feature = "handlers")]
pub mod handler;
#[cfg(feature = "handlers")]
pub mod read;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    contract::{Contract, Policy},
    hook::EventId,
};

/// The kind's name.
pub const KIND: &str = "hook.apply";

/// Which event is applied.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The event, as `GET /v1/connections/{name}/hook/events` lists it.
    #[schemars(with = "uuid_text::Text")]
    pub event: EventId,
}

/// How a schema says that a text is a UUID.
pub(crate) mod uuid_text {
    use schemars::JsonSchema;

    /// A UUID in text.
    #[derive(JsonSchema)]
    #[schemars(inline, extend("pattern" = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))]
    pub(crate) struct Text(#[expect(dead_code, reason = "only its schema is used")] String);
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The event.
    pub event: EventId,
    /// Reports that said something new.
    pub applied: u32,
    /// Reports that did not.
    pub unchanged: u32,
    /// Reports about no message that was sent through this connection.
    pub unmatched: u32,
}

/// The kind's contract.
pub fn contract() -> Contract {
    let policy = Policy { timeout_ms: 60_000, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Applies an event that a provider told by a connection's hook: how the messages fare that jobs sent ([hooks](../hooks.md)). Every accepted call \
         of a hook submits one, in the same transaction. A report of a message that nobody noted yet is looked at again, for ten minutes. Running it \
         again changes nothing.",
        json!({ "event": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70" }),
        json!({ "event": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70", "applied": 1, "unchanged": 0, "unmatched": 0 }),
        &[
            ("event_unknown", false, "the tenant has no such event any more: it is kept for 30 days"),
            ("event_unreadable", false, "the body is nothing that its provider sends; the raw event stays"),
            ("reports_too_many", false, "the event has more than 4,096 reports"),
        ],
    )
}
