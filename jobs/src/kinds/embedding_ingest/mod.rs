//! `embedding.ingest`: brings a document into an index: reads it, cuts it into chunks, has a vector made of each that has none, and puts it
//! in the place of the one with its id, as a whole.
//!
//! `source.rs` brings the text, `handler.rs` does it all in turn; vectors are `crate::embedding`'s. For people: docs/search.md.

#[cfg(feature = "handlers")]
pub mod handler;
#[cfg(feature = "handlers")]
mod source;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    contract::{Contract, Policy, Violation},
    search::{DOCUMENT_ID_BYTES_MAX, METADATA_BYTES_MAX, NAME},
};

/// The kind's name.
pub const KIND: &str = "embedding.ingest";
/// The longest title, in bytes.
pub const TITLE_BYTES_MAX: usize = 1_024;

/// A document to bring.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The index; one that is not there is made, by the lexical model.
    #[schemars(regex(pattern = NAME))]
    pub index: String,
    /// The document's id in the index: one with the same is replaced as a whole.
    #[schemars(length(min = 1, max = DOCUMENT_ID_BYTES_MAX))]
    pub document_id: String,
    /// What the document says.
    #[schemars(length(min = 1))]
    pub text: String,
    /// What the text is: `text/plain`, which it is unless said, `text/markdown` or `text/html`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// What the document is called; without it, as it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TITLE_BYTES_MAX))]
    pub title: Option<String>,
    /// What the document can be found by beside its text (`filter` of a search).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// What a text is that was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MediaType {
    /// Plain text.
    #[default]
    #[serde(rename = "text/plain")]
    Plain,
    /// Markdown, whose headings are told with what is found.
    #[serde(rename = "text/markdown")]
    Markdown,
    /// HTML, of which the main content is read.
    #[serde(rename = "text/html")]
    Html,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The index.
    pub index: String,
    /// The document.
    pub document_id: String,
    /// Its chunks.
    pub chunks: u32,
    /// Those that were not there before.
    pub added: u32,
    /// Those that were there and stay.
    pub kept: u32,
    /// Those that are gone.
    pub removed: u32,
    /// Tokens that this attempt had a provider embed.
    pub tokens: u64,
    /// The model of the index.
    pub model: String,
    /// Whether a later job brought or deleted the document, so that nothing was done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
}

/// What is wrong with a payload beyond its schema.
pub fn check(payload: &Value) -> Result<(), Violation> {
    let payload: Payload =
        serde_json::from_value(payload.clone()).map_err(|error| Violation { pointer: String::new(), message: error.to_string() })?;
    check_id("/document_id", &payload.document_id)?;
    let wrong = |pointer: &str, message: String| Err(Violation { pointer: pointer.into(), message });
    if payload.title.as_ref().is_some_and(|title| title.len() > TITLE_BYTES_MAX || title.contains('\0')) {
        return wrong("/title", format!("has more than {TITLE_BYTES_MAX} bytes, or a NUL"));
    }
    let metadata = serde_json::to_string(&payload.metadata).unwrap_or_default();
    if metadata.len() > METADATA_BYTES_MAX {
        return wrong("/metadata", format!("has more than {METADATA_BYTES_MAX} bytes"));
    }
    if metadata.contains("\\u0000") {
        return wrong("/metadata", "has a NUL in it".into());
    }
    Ok(())
}

/// What is wrong with a document's id.
pub(super) fn check_id(pointer: &str, id: &str) -> Result<(), Violation> {
    let wrong = |message: String| Err(Violation { pointer: pointer.into(), message });
    if id.len() > DOCUMENT_ID_BYTES_MAX {
        return wrong(format!("has more than {DOCUMENT_ID_BYTES_MAX} bytes"));
    }
    if id.chars().any(char::is_control) {
        return wrong("has a control character".into());
    }
    Ok(())
}

/// The errors of every kind that has a provider make vectors.
pub(super) const OF_PROVIDERS: &[(&str, bool, &str)] = &[
    ("search_unavailable", true, "the store of indexes is away, or there is none: `windrow doctor` says how to make one"),
    ("model_other", false, "the index has vectors of another model than its connection now names: reindex it"),
    ("dimension_other", false, "the model makes vectors of another dimension than the index has"),
    ("provider_busy", true, "the provider takes no more requests just now (429, 503, 529); `Retry-After` and `retry-after-ms` are kept"),
    (
        "provider_failed",
        true,
        "the provider answered another 5xx, or nothing that can be read, or other than one vector for each text: nothing of that is kept",
    ),
    (
        "provider_unpaid",
        true,
        "the account has no money left (`insufficient_quota`, 402): the connection goes to `error` until it is tested or mended",
    ),
    (
        "embedding_refused",
        false,
        "the provider refuses the request (400, 404, 413, a redirect), for the reason that the message repeats: it has no such model, say",
    ),
    ("text_too_long", false, "a chunk has more than 8,192 tokens with its headings"),
    (
        "connection_refused",
        true,
        "the provider does not know the key (401, 403): the connection goes to `error` until it is mended or tested",
    ),
    ("answer_late", true, "no answer, or no end of it, came in time"),
    ("answer_too_large", true, "the answer is larger than so many vectors can be"),
    ("answer_encoded", true, "the answer is compressed, which was not asked for"),
    ("connection_broken", true, "the connection ended early, or what came over it is no HTTP"),
    ("unreachable", true, "no connection came about"),
    ("lease_lost", true, "the attempt was no longer sure to be the only one, and paid for nothing more"),
    (
        "address_forbidden",
        false,
        "`url` leads to an address that is not of the internet, or is `http`, and the operator has made no exception",
    ),
    ("url_invalid", false, "the connection's `url` cannot be called"),
    ("connection_unknown", false, "the tenant has no connection of this name"),
    ("connection_other_provider", false, "the connection is of another provider than `openai`"),
    ("connection_closed", true, "the connection is switched off, or in `error`"),
];

/// The policy of a kind that may ask for long: an attempt gives way after ten minutes of its own accord (`embedding::fill::SPELL`); beyond
/// that it may wait for one answer.
pub(super) fn long() -> Policy {
    Policy { timeout_ms: 1_200_000, ticket_jobs_max: 4, ..Policy::default() }
}

/// The kind's contract.
pub fn contract() -> Contract {
    let errors = [
        (
            "document_too_large",
            false,
            "the document is larger than allowed, makes too many chunks, or takes too much memory or time to read",
        ),
        ("document_unreadable", false, "the document is broken, or something else than it is said to be"),
        ("document_unsupported", false, "the document is of a kind that is not read"),
        ("document_empty", false, "the document has no words"),
        ("document_not_read", true, "the machine could not read it just now"),
        ("index_moved", true, "the index was switched or removed again and again meanwhile"),
    ];
    let errors: Vec<(&str, bool, &str)> = errors.into_iter().chain(OF_PROVIDERS.iter().copied()).collect();
    Contract::of::<Payload>(KIND).with_policy(long()).about(
        "Brings a document into an index, which is made where there is none: the text is cut into chunks at headings and sentences, each gets a vector, and the document takes the \
         place of the one with its id at once: until then the old one is found. Chunks that were there are not embedded again, and a job that is \
         interrupted goes on where it was. Of two jobs for one document the later wins, whichever ends last.",
        json!({ "index": "manual", "document_id": "lighthouse", "text": "# Lighthouses\n\nThe keeper lights the lamp at dusk.", "media_type": "text/markdown", "metadata": { "language": "en" } }),
        json!({ "index": "manual", "document_id": "lighthouse", "chunks": 1, "added": 1, "kept": 0, "removed": 0, "tokens": 0, "model": "lexical-1" }),
        &errors,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Compiled;

    fn refused(payload: &Value) -> Option<String> {
        let by_schema = Compiled::new(contract()).expect("it compiles").check(payload).err();
        by_schema.or_else(|| check(payload).err()).map(|Violation { pointer, .. }| pointer)
    }

    #[test]
    fn what_could_never_be_brought_is_refused_at_submission() {
        let with = |changes: Value| {
            let mut payload = json!({ "index": "docs", "document_id": "a", "text": "b" });
            payload.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
            payload
        };
        for (changes, pointer) in [
            (json!({}), None),
            (json!({ "title": "T", "metadata": { "year": 2024, "tags": ["a"] }, "media_type": "text/html" }), None),
            (json!({ "document_id": "ü".repeat(DOCUMENT_ID_BYTES_MAX / 2) }), None),
            (json!({ "index": "Docs" }), Some("/index")),
            (json!({ "index": "" }), Some("/index")),
            (json!({ "document_id": "" }), Some("/document_id")),
            (json!({ "document_id": "ü".repeat(DOCUMENT_ID_BYTES_MAX / 2 + 1) }), Some("/document_id")),
            (json!({ "document_id": "a\nb" }), Some("/document_id")),
            (json!({ "text": "" }), Some("/text")),
            (json!({ "media_type": "application/pdf" }), Some("/media_type")),
            (json!({ "title": "ü".repeat(TITLE_BYTES_MAX) }), Some("/title")),
            (json!({ "metadata": [] }), Some("/metadata")),
            (json!({ "metadata": { "a": "x".repeat(METADATA_BYTES_MAX) } }), Some("/metadata")),
            (json!({ "metadata": { "a": ["\u{0}"] } }), Some("/metadata")),
            (json!({ "texts": [] }), Some("")),
        ] {
            let payload = with(changes);
            let refused = refused(&payload);
            assert_eq!(refused.as_deref(), pointer, "{}", payload.to_string().chars().take(120).collect::<String>());
        }
    }
}
