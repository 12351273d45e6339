//! `embedding.reindex`: makes an index anew with another model, beside the one that is searched, and switches when it is complete.

#[cfg(feature = "handlers")]
pub mod handler;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::embedding_ingest::{OF_PROVIDERS, long};
use crate::{
    contract::{Contract, Violation},
    search::NAME,
};

/// The kind's name.
pub const KIND: &str = "embedding.reindex";

/// What to make of an index.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The index.
    #[schemars(regex(pattern = NAME))]
    pub index: String,
    /// The connection, of the provider `openai`, whose model it is to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub connection: Option<String>,
    /// The lexical model, in the place of `connection`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lexical: bool,
    /// Whether one to another model that is under way, or was left behind by a job that was cancelled, is given up for this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub instead: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The index.
    pub index: String,
    /// The model that it has now.
    pub model: String,
    /// The dimensions of its vectors.
    pub dimension: u16,
    /// Documents that this attempt brought over.
    pub documents: u64,
    /// Tokens that this attempt had a provider embed.
    pub tokens: u64,
}

/// What is wrong with a payload beyond its schema.
pub fn check(payload: &Value) -> Result<(), Violation> {
    let (connection, lexical) = (!payload["connection"].is_null(), payload["lexical"].as_bool().unwrap_or_default());
    if connection == lexical {
        return Err(Violation { pointer: "/connection".into(), message: "say either a connection, or lexical".into() });
    }
    Ok(())
}

/// The kind's contract.
pub fn contract() -> Contract {
    let errors = [
        ("index_unknown", false, "the tenant has no such index"),
        ("reindex_running", true, "another job makes the index anew with another model; `instead` gives that one up"),
        ("reindex_given_up", false, "the index was removed meanwhile, or another job with `instead` took this one's place"),
    ];
    let errors: Vec<(&str, bool, &str)> = errors.into_iter().chain(OF_PROVIDERS.iter().copied()).collect();
    Contract::of::<Payload>(KIND).with_policy(long()).about(
        "Makes an index anew with another model, from the chunks that it has: nothing is read again. The old one is searched, and takes documents, \
         until the new one has all of them; then the index is switched at once. A job that is interrupted goes on where it was.",
        json!({ "index": "manual", "lexical": true }),
        json!({ "index": "manual", "model": "lexical-1", "dimension": 512, "documents": 0, "tokens": 0 }),
        &errors,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_one_model() {
        let refused = |payload: Value| check(&payload).err().map(|violation| violation.pointer);
        assert_eq!(refused(json!({ "index": "a", "connection": "c", "instead": true })), None);
        assert_eq!(refused(json!({ "index": "a", "lexical": true })), None);
        assert_eq!(refused(json!({ "index": "a" })).as_deref(), Some("/connection"));
        assert_eq!(refused(json!({ "index": "a", "connection": "c", "lexical": true })).as_deref(), Some("/connection"));
    }
}
