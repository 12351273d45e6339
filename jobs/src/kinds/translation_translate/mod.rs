//! `translation.translate`: has texts translated by DeepL, into many languages in one job, and pays for none twice.
//!
//! The pieces: `request.rs` says what DeepL is asked, `plan.rs` what is asked together and by what an answer is found again, `glossary.rs`
//! what a glossary is, `read.rs` reads answers, `quota.rs` how long an exhausted account is let be, `deepl.rs` asks, `handler.rs` does
//! it all in turn. What was paid for is kept by the ledger's role `Translations`. For people: docs/translation.md.

#[cfg(feature = "handlers")]
pub(crate) mod deepl;
mod glossary;
#[cfg(feature = "handlers")]
pub mod handler;
#[cfg(feature = "handlers")]
mod plan;
#[cfg(feature = "handlers")]
mod quota;
#[cfg(feature = "handlers")]
mod read;
mod request;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::contract::{Contract, Policy, Violation};

/// The kind's name.
pub const KIND: &str = "translation.translate";
/// The most texts of a job.
pub const TEXTS_MAX: usize = 5_000;
/// The most languages of a job.
pub const TARGETS_MAX: usize = 64;
/// The most texts of a request: <https://developers.deepl.com/docs/translate/translating-large-volumes>, read 2026-11-22.
pub const REQUEST_TEXTS_MAX: usize = 50;
/// The largest body of a request: the same page, and the description of `/v2/translate` in DeepL's openapi.yaml.
pub const REQUEST_BYTES_MAX: usize = 128 * 1024;
/// The most terms of a glossary that a job brings.
pub const TERMS_MAX: usize = 5_000;
/// The longest term of a glossary: by the description of glossaries in DeepL's openapi.yaml.
pub const TERM_BYTES_MAX: usize = 1_024;
/// What a language is called: `DE`, `EN-GB`, `ZH-HANS`, `ES-419`.
const LANGUAGE: &str = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$";

/// What to translate.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The connection, of the provider `deepl`.
    #[schemars(length(min = 1, max = 63))]
    pub connection: String,
    /// The texts: a list, or an object of texts by name. The result has the same form.
    #[schemars(schema_with = "texts_schema")]
    pub texts: Texts,
    /// The languages to translate into, as DeepL calls them: `DE`, `EN-GB`, `PT-BR`, ….
    #[schemars(length(min = 1, max = TARGETS_MAX), inner(regex(pattern = LANGUAGE)))]
    pub targets: Vec<String>,
    /// The language of the texts; DeepL finds it out where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = LANGUAGE))]
    pub source: Option<String>,
    /// How people are addressed; DeepL refuses `more` and `less` for a language that does not know the difference, and forgives the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formality: Option<Formality>,
    /// Glossaries by target (`DE`, or `EN` for `EN-GB` and `EN-US`): the id of one at DeepL, or an object of terms with their translations. Needs `source`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "glossary_schema")]
    pub glossary: BTreeMap<String, Glossary>,
    /// What the texts are beside plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_handling: Option<TagHandling>,
    /// The version of DeepL's handling of tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_handling_version: Option<TagVersion>,
    /// Whether DeepL finds out the structure of XML by itself, as it does unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outline_detection: Option<bool>,
    /// Tags that never split sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 128)))]
    pub non_splitting_tags: Vec<String>,
    /// Tags that always split sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 128)))]
    pub splitting_tags: Vec<String>,
    /// Tags whose content is not translated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 128)))]
    pub ignore_tags: Vec<String>,
    /// Whether punctuation and upper case at the edges of sentences stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preserve_formatting: Option<bool>,
    /// Where texts are split into sentences: nowhere, at punctuation and newlines, or at punctuation alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_sentences: Option<SplitSentences>,
    /// What helps to understand the texts, and is neither translated nor billed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100_000))]
    pub context: Option<String>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_type: Option<ModelType>,
    /// Instructions for the translation, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(min = 1, max = 300)))]
    pub custom_instructions: Vec<String>,
    /// Whether translations that the tenant has paid for before are taken, and those of this job kept for others.
    #[serde(default = "yes")]
    pub cache: bool,
}

const fn yes() -> bool {
    true
}

fn texts_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["array", "object"],
        "minItems": 1, "maxItems": TEXTS_MAX, "items": { "type": "string" },
        "minProperties": 1, "maxProperties": TEXTS_MAX, "propertyNames": { "maxLength": 255 }, "additionalProperties": { "type": "string" },
        "description": "The texts: a list, or an object of texts by name. The result has the same form."
    })
}

fn glossary_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": TARGETS_MAX,
        "propertyNames": { "pattern": LANGUAGE },
        "additionalProperties": {
            "type": ["string", "object"], "pattern": "^[A-Za-z0-9-]{1,64}$",
            "minProperties": 1, "maxProperties": TERMS_MAX, "additionalProperties": { "type": "string" }
        },
        "description": "Glossaries by target (`DE`, or `EN` for `EN-GB` and `EN-US`): the id of one at DeepL, or an object of terms with their translations. Needs `source`."
    })
}

/// Texts, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    /// By their places.
    Listed(Vec<String>),
    /// By their names.
    Named(BTreeMap<String, String>),
}

/// A glossary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Glossary {
    /// One that DeepL has, by its id.
    Id(String),
    /// Terms and their translations.
    Terms(BTreeMap<String, String>),
}

/// How people are addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Formality {
    /// As DeepL does.
    Default,
    /// Formally.
    More,
    /// Informally.
    Less,
    /// Formally, where the language knows the difference.
    PreferMore,
    /// Informally, where the language knows the difference.
    PreferLess,
}

/// What texts are beside plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagHandling {
    /// XML.
    Xml,
    /// HTML.
    Html,
}

/// The version of DeepL's handling of tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagVersion {
    /// The one before December 2025.
    V1,
    /// The one since.
    V2,
}

/// Where texts are split into sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SplitSentences {
    /// Nowhere.
    #[serde(rename = "0")]
    Nowhere,
    /// At punctuation and newlines.
    #[serde(rename = "1")]
    Everywhere,
    /// At punctuation alone.
    #[serde(rename = "nonewlines")]
    NoNewlines,
}

/// DeepL's models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelType {
    /// The better one; refused where the languages have none.
    QualityOptimized,
    /// The better one where there is one.
    PreferQualityOptimized,
    /// The faster one.
    LatencyOptimized,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The translations by target, in the form of the texts; none where they are an artifact.
    pub translations: Option<BTreeMap<String, Translations>>,
    /// The artifact that has the same, where that is too large for a result.
    pub artifact: Option<String>,
    /// Texts that this job had translated, each counted for each target.
    pub translated: u64,
    /// Texts whose translations were paid for before.
    pub from_cache: u64,
    /// Characters that DeepL billed for this job.
    pub billed_characters: u64,
}

/// The translations into a language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Translations {
    /// In the order of the texts.
    Listed(Vec<Translation>),
    /// By the names of the texts.
    Named(BTreeMap<String, Translation>),
}

/// A translation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translation {
    /// What it says.
    pub text: String,
    /// The language of the text, as DeepL found it out or was told; none of a text that is empty.
    pub source: Option<String>,
    /// The model that DeepL used, where it was told to choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Texts {
    /// The texts, in their order.
    pub fn iter(&self) -> Box<dyn Iterator<Item = &str> + Send + '_> {
        match self {
            Self::Listed(texts) => Box::new(texts.iter().map(String::as_str)),
            Self::Named(texts) => Box::new(texts.values().map(String::as_str)),
        }
    }

    /// Where each of them is in the payload.
    fn pointer(&self, index: usize) -> String {
        match self {
            Self::Listed(_) => format!("/texts/{index}"),
            Self::Named(texts) => {
                let name = texts.keys().nth(index).map_or("", String::as_str);
                format!("/texts/{}", escaped(name))
            }
        }
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// What is wrong with a payload beyond its schema: what DeepL would refuse for certain is refused before it costs an attempt.
pub fn check(payload: &Value) -> Result<(), Violation> {
    let wrong = |pointer: String, message: String| Err(Violation { pointer, message });
    let payload: Payload = match serde_json::from_value(payload.clone()) {
        Ok(payload) => payload,
        Err(error) => return wrong(String::new(), error.to_string()),
    };
    let targets: Vec<String> = payload.targets.iter().map(|target| target.to_uppercase()).collect();
    for (index, target) in targets.iter().enumerate() {
        let of_language = |one: &str, other: &str| wrong(format!("/targets/{index}"), format!("say which: {one} or {other}"));
        match target.as_str() {
            "EN" => return of_language("EN-GB", "EN-US"),
            "PT" => return of_language("PT-BR", "PT-PT"),
            _ if targets[..index].contains(target) => return wrong(format!("/targets/{index}"), "is there twice".into()),
            _ => {}
        }
    }
    glossary::check(&payload, &targets)?;
    if payload.tag_handling.is_none()
        && let Some(name) = request::without_tags(&payload)
    {
        return wrong(format!("/{name}"), "needs tag_handling".into());
    }
    for (index, text) in payload.texts.iter().enumerate() {
        let bytes = targets.iter().map(|target| request::bytes_alone(&payload, target, text)).max().unwrap_or_default();
        if bytes > REQUEST_BYTES_MAX {
            let message = format!("makes a request of {bytes} bytes, and DeepL takes {REQUEST_BYTES_MAX}: cut the text");
            return wrong(payload.texts.pointer(index), message);
        }
    }
    Ok(())
}

/// The kind's contract.
pub fn contract() -> Contract {
    // An attempt gives way after ten minutes of its own accord (`handler::SPELL`); beyond that it may wait for one answer.
    let policy = Policy { timeout_ms: 720_000, ticket_jobs_max: 4, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Translates texts by DeepL, into many languages in one job. What the tenant has paid for is kept for 90 days after its last use and taken from there; a text that is there twice is sent once. \
         Texts are sent fifty at a time, or as many as go into 128 KiB. A job that is interrupted goes on where it was. Where the account's quota is used up the job \
         waits, uncharged, until it is reset ([translation](../translation.md)).",
        json!({ "connection": "deepl", "texts": ["Hello, world!"], "targets": ["DE"], "source": "EN", "formality": "prefer_more" }),
        json!({
            "translations": { "DE": [{ "text": "Hallo, Welt!", "source": "EN" }] },
            "artifact": null, "translated": 1, "from_cache": 0, "billed_characters": 13
        }),
        &[
            ("provider_busy", true, "DeepL takes no more requests just now (429, 503, 529); `Retry-After` is kept"),
            ("provider_failed", true, "DeepL answered another 5xx, or nothing that can be read, or other than one translation for each text, or one that is absurdly long: nothing of that is kept"),
            ("translation_refused", false, "DeepL refuses the request (400, 404, 413, 414, a redirect), for the reason that the message repeats: a language that it does not have, or a formality that the language does not have"),
            ("text_too_large", false, "a text does not go into a request, with the glossary's id"),
            ("result_too_large", false, "all translations together have more than 64 MiB: have fewer texts in a job; what was paid for is kept"),
            ("glossary_unknown", false, "DeepL has no such glossary, or none for these languages"),
            ("glossary_refused", false, "DeepL does not take the glossary: the languages have none, or the account has too many"),
            ("glossary_not_ready", true, "DeepL has not made the glossary ready yet"),
            ("connection_refused", true, "DeepL does not know the key (403), or the key and the connection's `url` do not go together: the connection goes to `error` until it is mended or tested"),
            ("answer_late", true, "no answer, or no end of it, came in time"),
            ("answer_too_large", true, "the answer has more than 4 MiB"),
            ("answer_encoded", true, "the answer is compressed, which was not asked for"),
            ("connection_broken", true, "the connection ended early, or what came over it is no HTTP"),
            ("unreachable", true, "no connection came about"),
            ("translations_not_kept", true, "what was paid for could not be kept: the ledger, or for a large result the object store, was away"),
            ("lease_lost", true, "the attempt was no longer sure to be the only one, and paid for nothing more"),
            ("address_forbidden", false, "`url` leads to an address that is not of the internet, or is `http`, and the operator has made no exception"),
            ("url_invalid", false, "the connection's `url` cannot be called"),
            ("connection_unknown", false, "the tenant has no connection of this name"),
            ("connection_other_provider", false, "the connection is of another provider than `deepl`"),
            ("connection_closed", true, "the connection is switched off, or in `error`"),
        ],
    )
}

#[cfg(test)]
mod tests;
