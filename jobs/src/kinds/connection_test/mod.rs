//! `connection.test`: does what the catalogue says that a connection's test does, and has the connection stand accordingly.
//! `POST /v1/connections/{name}/test` submits it.

#[cfg(feature = "handlers")]
pub mod handler;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    backoff::Backoff,
    contract::{Contract, Policy},
};

/// The kind's name.
pub const KIND: &str = "connection.test";

/// Which connection is tested.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The connection's name.
    #[schemars(length(min = 1, max = 63))]
    pub connection: String,
}

/// What the test found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The connection's name.
    pub connection: String,
    /// Its provider.
    pub provider: String,
    /// What was seen.
    pub seen: String,
}

/// The kind's contract: somebody waits for it, so what does not answer at once is soon given up.
pub fn contract() -> Contract {
    let policy = Policy { max_attempts: 2, timeout_ms: 60_000, backoff: Backoff { base_ms: 1_000, cap_ms: 5_000 }, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Tests a connection as its provider says (`GET /v1/providers`), after which it is `active` or in `error`. \
         `POST /v1/connections/{name}/test` submits it.",
        json!({ "connection": "orders" }),
        json!({ "connection": "orders", "provider": "http", "seen": "127.0.0.1 answered 200 to POST" }),
        &[
            ("connection_refused", false, "the provider does not let it in; the connection is in `error`"),
            ("connection_invalid", false, "its configuration or its secrets cannot be used"),
            ("connection_unknown", false, "the tenant has no connection of this name"),
            ("answer_refused", true, "the provider answered something else, which says nothing of the connection"),
            ("unreachable", true, "no connection came about"),
            (
                "address_forbidden",
                false,
                "the URL leads to an address that is not of the internet, or is `http`, and the operator has made no exception",
            ),
        ],
    )
}
