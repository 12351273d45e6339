//! `embedding.query`: the vector of one text, by a connection. The api submits it and waits for it where a search needs a provider's vector,
//! since the api calls nobody itself; and to learn how many dimensions a model has.

#[cfg(feature = "handlers")]
pub mod handler;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::embedding_ingest::OF_PROVIDERS;
use crate::{
    backoff::Backoff,
    contract::{Contract, Policy, Violation},
    search::QUERY_BYTES_MAX,
};

/// The kind's name.
pub const KIND: &str = "embedding.query";

/// What to make a vector of.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The connection, of the provider `openai`.
    #[schemars(length(min = 1, max = 63))]
    pub connection: String,
    /// The text.
    #[schemars(length(min = 1, max = QUERY_BYTES_MAX))]
    pub text: String,
    /// The dimensions that the vector must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = crate::search::DIMENSION_MAX))]
    pub dimension: Option<u16>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The model's name.
    pub model: String,
    /// How many dimensions the vector has.
    pub dimension: u16,
    /// Base64 of its numbers, as little-endian 32-bit floats.
    pub vector: String,
    /// Tokens that the provider counted.
    pub tokens: u64,
}

/// What is wrong with a payload beyond its schema.
pub fn check(payload: &Value) -> Result<(), Violation> {
    match payload["text"].as_str() {
        Some(text) if text.len() > QUERY_BYTES_MAX => {
            Err(Violation { pointer: "/text".into(), message: format!("has more than {QUERY_BYTES_MAX} bytes") })
        }
        _ => Ok(()),
    }
}

/// The kind's contract: somebody waits for it, so what does not answer at once is soon given up.
pub fn contract() -> Contract {
    let policy = Policy { max_attempts: 2, timeout_ms: 60_000, backoff: Backoff { base_ms: 500, cap_ms: 2_000 }, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Makes the vector of one text by a connection. `POST /v1/search` submits it where the index is one of a provider's model.",
        json!({ "connection": "embedder", "text": "Who lights the lamp?" }),
        json!({ "model": "text-embedding-3-small", "dimension": 2, "vector": "AAAAPwAAAL8=", "tokens": 5 }),
        OF_PROVIDERS,
    )
}
