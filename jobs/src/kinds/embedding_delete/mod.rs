//! `embedding.delete`: removes documents from an index. What an earlier job brings of them later stays away.

#[cfg(feature = "handlers")]
pub mod handler;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::embedding_ingest::check_id;
use crate::{
    contract::{Contract, Violation},
    search::{DOCUMENT_ID_BYTES_MAX, NAME},
};

/// The kind's name.
pub const KIND: &str = "embedding.delete";
/// The most documents of a job.
pub const DOCUMENTS_MAX: usize = 1_000;

/// What to delete.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The index.
    #[schemars(regex(pattern = NAME))]
    pub index: String,
    /// The documents' ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = DOCUMENTS_MAX), inner(length(min = 1, max = DOCUMENT_ID_BYTES_MAX)))]
    pub document_ids: Vec<String>,
    /// All documents, in the place of `document_ids`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The index.
    pub index: String,
    /// How many documents were there.
    pub deleted: u64,
}

/// What is wrong with a payload beyond its schema.
pub fn check(payload: &Value) -> Result<(), Violation> {
    let wrong = |pointer: &str, message: String| Err(Violation { pointer: pointer.into(), message });
    let payload: Payload = match serde_json::from_value(payload.clone()) {
        Ok(payload) => payload,
        Err(error) => return wrong("", error.to_string()),
    };
    if payload.all != payload.document_ids.is_empty() {
        return wrong("/document_ids", "say either which documents, or all".into());
    }
    payload.document_ids.iter().enumerate().try_for_each(|(place, id)| check_id(&format!("/document_ids/{place}"), id))
}

/// The kind's contract.
pub fn contract() -> Contract {
    Contract::of::<Payload>(KIND).about(
        "Removes documents from an index, at once for everybody who searches. What is not there is no error. An `embedding.ingest` that was \
         submitted before and ends later brings nothing back.",
        json!({ "index": "manual", "document_ids": ["lighthouse"] }),
        json!({ "index": "manual", "deleted": 1 }),
        &[
            ("search_unavailable", true, "the store of indexes is away, or there is none: `windrow doctor` says how to make one"),
            ("search_refused", false, "the store of indexes cannot do this, and says why"),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_which_or_all() {
        let refused = |payload: Value| check(&payload).err().map(|violation| violation.pointer);
        assert_eq!(refused(json!({ "index": "a", "document_ids": ["x"] })), None);
        assert_eq!(refused(json!({ "index": "a", "all": true })), None);
        assert_eq!(refused(json!({ "index": "a" })).as_deref(), Some("/document_ids"));
        assert_eq!(refused(json!({ "index": "a", "all": true, "document_ids": ["x"] })).as_deref(), Some("/document_ids"));
        assert_eq!(refused(json!({ "index": "a", "document_ids": ["x", "a\u{0}"] })).as_deref(), Some("/document_ids/1"));
    }
}
