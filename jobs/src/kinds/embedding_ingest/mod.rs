//! `embedding.ingest`: brings a document into an index: reads it, cuts it into chunks, has a vector made of each that has none, and puts it
//! in the place of the one with its id, as a whole.
//!
//! `source.rs` fetches what the payload names, `read.rs` has it read, `handler.rs` does it all in turn; vectors are `crate::embedding`'s. For people: docs/search.md.

#[cfg(feature = "handlers")]
pub mod handler;
#[cfg(feature = "handlers")]
mod read;
#[cfg(feature = "handlers")]
pub mod source;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    contract::{Contract, Policy, Violation},
    search::{DOCUMENT_ID_BYTES_MAX, METADATA_BYTES_MAX, NAME},
};

/// The kind's name.
pub const KIND: &str = "embedding.ingest";
/// The longest URL.
pub const URL_BYTES_MAX: usize = 8_192;
/// The most links that a page of a crawl may be away from its start.
pub const DEPTH_MAX: u8 = 10;
/// The most pages of a crawl.
pub const PAGES_MAX: u32 = 1_000;
/// What a media type is.
const MEDIA_TYPE: &str = "^[a-z0-9.+-]{1,60}/[a-zA-Z0-9.+-]{1,100}( *;[ -~]{0,100})?$";
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
    /// What the document says; or else `url`, or `object`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub text: Option<String>,
    /// A page or a file of the internet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = URL_BYTES_MAX), regex(pattern = "^https?://"))]
    pub url: Option<String>,
    /// An object of the tenant's, by its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub object: Option<String>,
    /// What it is (`text/plain`, `text/markdown`, `text/html`, `application/pdf`, that of DOCX), where its source does not say so rightly. A `text` is plain
    /// unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = MEDIA_TYPE))]
    pub media_type: Option<String>,
    /// Has the pages that `url` leads to make one document with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crawl: Option<Crawl>,
    /// What the document is called; without it, as it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TITLE_BYTES_MAX))]
    pub title: Option<String>,
    /// What the document can be found by beside its text (`filter` of a search).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// How far a crawl goes. It keeps to the site's `robots.txt`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crawl {
    /// How many links a page may be away from `url`, or from what a sitemap lists.
    #[serde(default = "one")]
    #[schemars(range(max = DEPTH_MAX))]
    pub depth: u8,
    /// The most pages.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = PAGES_MAX))]
    pub pages_max: u32,
    /// Whether it stays at the host of `url`.
    #[serde(default = "yes")]
    pub same_host: bool,
    /// Whether the site's sitemaps are read, or the URL of one.
    #[serde(default)]
    #[schemars(schema_with = "sitemap_schema")]
    pub sitemap: Sitemap,
}

/// Which sitemaps are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sitemap {
    /// Those that the site names, or none.
    OfSite(bool),
    /// This one.
    At(String),
}

impl Default for Sitemap {
    fn default() -> Self {
        Self::OfSite(false)
    }
}

const fn one() -> u8 {
    1
}

const fn hundred() -> u32 {
    100
}

const fn yes() -> bool {
    true
}

fn sitemap_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["boolean", "string"], "minLength": 1, "maxLength": URL_BYTES_MAX, "pattern": "^https?://",
        "description": "Whether the site's sitemaps are read, or the URL of one."
    })
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
    /// Pages of PDFs that could not be read, beside others that could.
    #[serde(default, skip_serializing_if = "is_none")]
    pub pages_unread: u32,
    /// Whether a later job brought or deleted the document, so that nothing was done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
    /// What a crawl came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
}

const fn is_none(count: &u32) -> bool {
    *count == 0
}

/// What a crawl came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pages {
    /// Pages that were read.
    pub read: u32,
    /// Pages that were left out, as they could not be read.
    pub skipped: u32,
    /// Whether there would have been more, had it been allowed to go further.
    pub is_cut: bool,
    /// The first that were left out.
    pub told: Vec<Skipped>,
}

/// A page that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Where it is.
    pub source: String,
    /// Why, by a word.
    pub code: String,
    /// Why.
    pub message: String,
}

/// What is wrong with a payload beyond its schema.
pub fn check(payload: &Value) -> Result<(), Violation> {
    let payload: Payload =
        serde_json::from_value(payload.clone()).map_err(|error| Violation { pointer: String::new(), message: error.to_string() })?;
    check_id("/document_id", &payload.document_id)?;
    let wrong = |pointer: &str, message: String| Err(Violation { pointer: pointer.into(), message });
    match [&payload.text, &payload.url, &payload.object].iter().filter(|one| one.is_some()).count() {
        0 => return wrong("/text", "is missing: say text, url or object".into()),
        1 => {}
        _ => return wrong("/text", "say one of text, url and object".into()),
    }
    if payload.crawl.is_some() && payload.url.is_none() {
        return wrong("/crawl", "needs url".into());
    }
    if payload.crawl.is_some() && payload.media_type.is_some() {
        return wrong("/media_type", "a site has pages of several: leave it out".into());
    }
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
    ("search_refused", false, "the store of indexes cannot keep this, and says why"),
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
    ("url_invalid", false, "the `url` of the payload or of the connection, or one that a page sends us on to, cannot be called"),
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
        ("source_missing", false, "there is nothing at the URL (404, 410)"),
        ("source_refused", false, "who is asked for the URL refuses it, or sends us nowhere"),
        ("source_busy", true, "who is asked has no time just now (429, 503); `Retry-After` is kept"),
        ("source_failed", true, "who is asked has trouble (another 5xx, 408)"),
        ("object_missing", false, "the tenant has no such object"),
        ("objects_unavailable", true, "the object store is away"),
        ("answer_unreadable", true, "what came cannot be unpacked"),
        ("redirected_too_often", false, "a page sends us on more than five times, or in a circle"),
        ("redirected_elsewhere", false, "the start of a crawl is at another host than it says"),
        ("robots_forbidden", false, "the site's `robots.txt` does not let us read where the crawl begins"),
        ("robots_unreachable", true, "the site's `robots.txt` cannot be read, so nothing else is"),
        ("sitemap_unreadable", false, "the sitemap that the payload names cannot be read"),
        ("document_not_read", true, "the machine could not read it just now"),
        ("index_moved", true, "the index was switched again and again meanwhile"),
        ("index_removed", false, "the index was removed while the document was read"),
    ];
    let errors: Vec<(&str, bool, &str)> = errors.into_iter().chain(OF_PROVIDERS.iter().copied()).collect();
    let policy = Policy { timeout_ms: 3_600_000, ..long() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Brings a document into an index, which is made where there is none: a text, an object, a page or the pages of a site (HTML, Markdown, plain text, PDF, DOCX) is cut into chunks at headings and sentences, each gets a vector, and the document takes the \
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
            (json!({ "media_type": "pdf" }), Some("/media_type")),
            (json!({ "url": "https://example.com/" }), Some("/text")),
            (json!({ "text": null }), Some("/text")),
            (json!({ "text": null, "object": "a/b.pdf", "media_type": "application/pdf" }), None),
            (json!({ "text": null, "url": "https://example.com/", "crawl": {} }), None),
            (
                json!({ "text": null, "url": "https://example.com/", "crawl": { "sitemap": "https://example.com/map.xml", "depth": 0 } }),
                None,
            ),
            (json!({ "text": null, "url": "ftp://example.com/" }), Some("/url")),
            (json!({ "text": null, "url": "https://example.com/", "crawl": { "pages_max": 1_001 } }), Some("/crawl/pages_max")),
            (json!({ "text": null, "url": "https://example.com/", "crawl": { "sitemap": 7 } }), Some("/crawl/sitemap")),
            (json!({ "crawl": {} }), Some("/crawl")),
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
