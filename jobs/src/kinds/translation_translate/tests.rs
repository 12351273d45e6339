//! What is refused at submission, and what is not.

use serde_json::json;

use super::*;
use crate::contract::Compiled;

fn base() -> Value {
    json!({ "connection": "deepl", "texts": ["Hello"], "targets": ["DE"] })
}

fn with(changes: Value) -> Value {
    let mut payload = base();
    for (name, value) in changes.as_object().expect("an object") {
        payload[name] = value.clone();
    }
    payload
}

fn refused(payload: &Value) -> Option<String> {
    let by_schema = Compiled::new(contract()).expect("it compiles").check(payload).err();
    by_schema.or_else(|| check(payload).err()).map(|Violation { pointer, .. }| pointer)
}

#[test]
fn what_deepl_would_refuse_for_certain_is_refused_at_submission() {
    let terms = |terms: Value| json!({ "source": "EN", "glossary": { "DE": terms } });
    for (changes, pointer) in [
        (json!({ "texts": [] }), "/texts"),
        (json!({ "texts": {} }), "/texts"),
        (json!({ "texts": "Hello" }), "/texts"),
        (json!({ "texts": ["a", 7] }), "/texts/1"),
        (json!({ "texts": { "a": null } }), "/texts/a"),
        (json!({ "targets": [] }), "/targets"),
        (json!({ "targets": ["German"] }), "/targets/0"),
        (json!({ "targets": ["DE", "fr", "de"] }), "/targets/2"),
        (json!({ "targets": ["DE", "en"] }), "/targets/1"),
        (json!({ "targets": ["PT"] }), "/targets/0"),
        (json!({ "formality": "formal" }), "/formality"),
        (json!({ "split_sentences": 1 }), "/split_sentences"),
        (json!({ "ignore_tags": ["x"] }), "/ignore_tags"),
        (json!({ "outline_detection": false }), "/outline_detection"),
        (json!({ "glossary": { "DE": "an-id" } }), "/source"),
        (json!({ "source": "EN", "glossary": { "FR": "an-id" } }), "/glossary/FR"),
        (json!({ "source": "EN", "glossary": { "DE": "not an id" } }), "/glossary/DE"),
        (terms(json!({})), "/glossary/DE"),
        (terms(json!({ "Hello": " " })), "/glossary/DE/Hello"),
        (terms(json!({ "a/b": "tab\there" })), "/glossary/DE/a~1b"),
        (terms(json!({ "x": "y".repeat(TERM_BYTES_MAX + 1) })), "/glossary/DE/x"),
        (terms(json!({ "a": "1", "a ": "2" })), "/glossary/DE/a"),
        (json!({ "texts": ["a", "ü".repeat(REQUEST_BYTES_MAX / 2)] }), "/texts/1"),
        (json!({ "texts": { "a": "a", "b/c": "\u{1}".repeat(REQUEST_BYTES_MAX / 6) } }), "/texts/b~1c"),
        (json!({ "text": "a" }), ""),
    ] {
        let payload = with(changes);
        assert_eq!(refused(&payload).as_deref(), Some(pointer), "{}", payload.to_string().chars().take(200).collect::<String>());
    }
}

#[test]
fn what_deepl_takes_is_taken() {
    for changes in [
        json!({}),
        json!({ "texts": { "title": "Hello", "": "" }, "targets": ["de", "EN-GB", "zh-Hant", "ES-419"] }),
        json!({ "source": "en", "targets": ["EN-GB", "EN-US", "DE"], "glossary": { "en": { "Hello": "Hi" }, "DE": "def3a26b-3e84-45b3-84ae-0c0aaf3525f7" } }),
        json!({ "tag_handling": "xml", "tag_handling_version": "v2", "outline_detection": false, "splitting_tags": ["p"], "split_sentences": "nonewlines" }),
        json!({ "context": "greetings", "model_type": "prefer_quality_optimized", "custom_instructions": ["Be brief"], "cache": false }),
    ] {
        let payload = with(changes);
        assert_eq!(refused(&payload), None, "{payload}");
    }
}

#[test]
fn the_largest_text_that_is_taken_makes_the_largest_request() {
    let payload = |length: usize| with(json!({ "texts": ["a".repeat(length)] }));
    let length = (1..REQUEST_BYTES_MAX).rev().find(|length| check(&payload(*length)).is_ok()).expect("one fits");
    let parsed: Payload = serde_json::from_value(payload(length)).expect("a payload");
    let text = "a".repeat(length);
    assert_eq!(request::body(&request::options(&parsed, "DE"), None, &[&text]).len(), REQUEST_BYTES_MAX);
}
