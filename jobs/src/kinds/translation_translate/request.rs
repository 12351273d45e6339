//! What DeepL is asked: the body of `POST /v2/translate`, as the official package makes it (`deepl.Translator.translate_text` of
//! deepl 1.32.0, PyPI, read 2026-11-22). Pure.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Glossary, Payload, glossary};

/// Stands for the id of a glossary that is yet to be made: DeepL's ids are UUIDs.
const ID_TO_BE: &str = "00000000-0000-0000-0000-000000000000";

/// What is asked of every text of a target, beside the texts and the glossary.
pub(super) fn options(payload: &Payload, target: &str) -> Map<String, Value> {
    let mut options = Map::new();
    let mut put = |name: &str, value: Value| drop(options.insert(name.to_owned(), value));
    put("target_lang", target.to_uppercase().into());
    put("show_billed_characters", true.into());
    let mut put_if = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            put(name, value);
        }
    };
    put_if("source_lang", payload.source.as_ref().map(|source| source.to_uppercase().into()));
    put_if("formality", payload.formality.map(word));
    put_if("tag_handling", payload.tag_handling.map(word));
    put_if("tag_handling_version", payload.tag_handling_version.map(word));
    put_if("outline_detection", payload.outline_detection.map(Value::from));
    for (name, tags) in tags(payload) {
        put_if(name, (!tags.is_empty()).then(|| tags.clone().into()));
    }
    put_if("preserve_formatting", payload.preserve_formatting.map(Value::from));
    put_if("split_sentences", payload.split_sentences.map(word));
    put_if("context", payload.context.as_ref().map(|context| context.clone().into()));
    put_if("model_type", payload.model_type.map(word));
    let instructions = &payload.custom_instructions;
    put_if("custom_instructions", (!instructions.is_empty()).then(|| instructions.clone().into()));
    options
}

/// The body for these texts.
pub(super) fn body(options: &Map<String, Value>, glossary_id: Option<&str>, texts: &[&str]) -> Vec<u8> {
    let mut body = options.clone();
    if let Some(id) = glossary_id {
        body.insert("glossary_id".into(), id.into());
    }
    body.insert("text".into(), json!(texts));
    Value::Object(body).to_string().into_bytes()
}

/// How many bytes a text takes in a body, without the comma before it.
pub(super) fn bytes_of(text: &str) -> usize {
    Value::from(text).to_string().len()
}

/// The bytes of the body that a text makes by itself.
pub(super) fn bytes_alone(payload: &Payload, target: &str, text: &str) -> usize {
    let id = glossary::of(payload, target).map(|(_, glossary)| match glossary {
        Glossary::Id(id) => id.as_str(),
        Glossary::Terms(_) => ID_TO_BE,
    });
    body(&options(payload, target), id, &[]).len() + bytes_of(text)
}

/// The first field that is about tags, where there is one.
pub(super) fn without_tags(payload: &Payload) -> Option<&'static str> {
    let listed = tags(payload).into_iter().find(|(_, tags)| !tags.is_empty()).map(|(name, _)| name);
    let outline = payload.outline_detection.map(|_| "outline_detection");
    listed.or(outline).or(payload.tag_handling_version.map(|_| "tag_handling_version"))
}

fn tags(payload: &Payload) -> [(&'static str, &Vec<String>); 3] {
    [
        ("non_splitting_tags", &payload.non_splitting_tags),
        ("splitting_tags", &payload.splitting_tags),
        ("ignore_tags", &payload.ignore_tags),
    ]
}

/// DeepL's word for a choice: ours are the same.
fn word(choice: impl Serialize) -> Value {
    serde_json::to_value(choice).expect("a choice without content has a JSON form")
}
