//! `connection.test`: does what the catalogue says that a connection's test does, and has the connection stand accordingly.
//! `POST /v1/connections/{name}/test` submits it.

#[cfg(feature = "handlers")]
pub mod handler;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    Contract::of::<Payload>(KIND).with_policy(policy)
}
