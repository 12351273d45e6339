//! Attacks and mistakes, each with the field that is named for it.

use serde_json::{Value, json};

use super::*;
use crate::{contract::Compiled, kinds::notification_email::contract};

fn with(changes: Value) -> Value {
    let mut payload = json!({ "connection": "mail", "to": ["ana@example.com"], "subject": "Hello", "text": "Hello." });
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => drop(payload.as_object_mut().expect("an object").remove(name)),
            value => payload[name] = value.clone(),
        }
    }
    payload
}

/// As `submit.rs` asks: the schema first.
fn refused(payload: &Value) -> Option<String> {
    let compiled = Compiled::new(contract()).expect("the schema compiles");
    compiled.check(payload).and_then(|()| check(payload)).err().map(|found| found.pointer)
}

#[test]
fn every_mistake_is_named_where_it_is() {
    let job = "0199a0c4-7e1e-7a44-a1cf-2f40e8b6c9d1";
    let many: Vec<String> = (0..60).map(|n| format!("a{n}@example.com")).collect();
    let cases = [
        (json!({}), None),
        (json!({ "to": [{ "name": "Ana", "address": "ana@example.com" }] }), None),
        (json!({ "to": null, "bcc": ["ana@example.com"] }), None),
        (json!({ "text": null, "html": "<p>Hello" }), None),
        (json!({ "subject": null, "text": null, "template": { "name": "hello" } }), None),
        (json!({ "headers": { "X-Campaign": "spring" } }), None),
        (json!({ "unsubscribe": { "url": "https://example.com/leave?u=1", "one_click": true } }), None),
        (json!({ "unsubscribe": { "mailto": "leave@example.com?subject=leave" } }), None),
        (json!({ "attachments": [{ "job": job, "artifact": "report.csv", "name": "Bericht für März.csv", "inline_id": "a.1" }] }), None),
        (json!({ "to": null }), Some("/to")),
        (json!({ "to": [] }), Some("/to")),
        (json!({ "to": ["ana"] }), Some("/to/0")),
        (json!({ "to": ["ana@example.com", "ana@"] }), Some("/to/1")),
        (json!({ "to": [{ "name": "Ana" }] }), Some("/to/0")),
        (json!({ "to": [{ "address": "a@b", "note": 1 }] }), Some("/to/0")),
        (json!({ "cc": ["ana"] }), Some("/cc/0")),
        (json!({ "bcc": ["ana"] }), Some("/bcc/0")),
        (json!({ "from": "ana" }), Some("/from")),
        (json!({ "reply_to": { "address": "ana" } }), Some("/reply_to")),
        (json!({ "to": many, "bcc": many }), Some("/to")),
        (json!({ "subject": null }), Some("/subject")),
        (json!({ "text": null }), Some("/text")),
        (json!({ "template": { "name": "hello" } }), Some("/subject")),
        (json!({ "subject": null, "template": { "name": "hello" } }), Some("/text")),
        (json!({ "subject": "x".repeat(501) }), Some("/subject")),
        (json!({ "text": "a\0b" }), Some("/text")),
        (json!({ "html": "a\u{7f}b" }), Some("/html")),
        (json!({ "attachments": [{ "job": "17", "artifact": "a" }] }), Some("/attachments/0/job")),
        (json!({ "attachments": [{ "job": job, "artifact": "a", "inline_id": "a b" }] }), Some("/attachments/0/inline_id")),
        (
            json!({ "attachments": [{ "job": job, "artifact": "a", "inline_id": "a" }, { "job": job, "artifact": "b", "inline_id": "a" }] }),
            Some("/attachments/1/inline_id"),
        ),
        (json!({ "unsubscribe": {} }), Some("/unsubscribe/url")),
        (json!({ "unsubscribe": { "one_click": true, "mailto": "a@b" } }), Some("/unsubscribe/url")),
        (json!({ "unsubscribe": { "one_click": true, "url": "http://example.com/" } }), Some("/unsubscribe/url")),
        (json!({ "unsubscribe": { "url": "javascript:alert(1)" } }), Some("/unsubscribe/url")),
        (json!({ "unsubscribe": { "url": "https://example.com/a, <mailto:b@c>" } }), Some("/unsubscribe/url")),
        (json!({ "unsubscribe": { "mailto": "nobody" } }), Some("/unsubscribe/mailto")),
        (json!({ "unsubscribe": { "mailto": "a@b?subject=<x>" } }), Some("/unsubscribe/mailto")),
        (json!({ "when_unknown": "hope" }), Some("/when_unknown")),
        (json!({ "password": "x" }), Some("")),
    ];
    for (changes, pointer) in cases {
        assert_eq!(refused(&with(changes.clone())).as_deref(), pointer, "{changes}");
    }
}

#[test]
fn no_header_is_injected() {
    let breaks = [
        "\r\nBcc: eve@example.com",
        "\nBcc: eve@example.com",
        "\rBcc: eve@example.com",
        "\r\n\r\nbody",
        "\0",
        "\u{b}",
        "\u{c}",
        "\u{85}",
        "\u{2028}x",
        "\u{2029}x",
    ];
    for attack in breaks {
        let cases = [
            (json!({ "subject": format!("Hello{attack}") }), "/subject"),
            (json!({ "to": [format!("ana@example.com{attack}")] }), "/to/0"),
            (json!({ "to": [format!("Ana{attack} <ana@example.com>")] }), "/to/0"),
            (json!({ "to": [{ "name": format!("Ana{attack}"), "address": "ana@example.com" }] }), "/to/0"),
            (json!({ "cc": [{ "address": format!("ana@example.com{attack}") }] }), "/cc/0"),
            (json!({ "bcc": [format!("ana{attack}@example.com")] }), "/bcc/0"),
            (json!({ "from": format!("Ana{attack} <ana@example.com>") }), "/from"),
            (json!({ "reply_to": format!("ana@example.com{attack}") }), "/reply_to"),
            (json!({ "headers": { "X-One": format!("a{attack}") } }), "/headers/X-One"),
            (json!({ "unsubscribe": { "url": format!("https://example.com/{attack}") } }), "/unsubscribe/url"),
            (json!({ "unsubscribe": { "mailto": format!("a@example.com?subject={attack}") } }), "/unsubscribe/mailto"),
            (
                json!({ "attachments": [{ "job": "0199a0c4-7e1e-7a44-a1cf-2f40e8b6c9d1", "artifact": "a", "name": format!("a{attack}") }] }),
                "/attachments/0/name",
            ),
        ];
        for (changes, pointer) in cases {
            assert_eq!(refused(&with(changes.clone())).as_deref(), Some(pointer), "{changes}");
        }
    }
    let names = [
        "Bcc",
        "To",
        "Subject",
        "Content-Type",
        "Message-ID",
        "List-Unsubscribe",
        "Windrow-Effect",
        "X-",
        "X-A: b\r\nBcc",
        "X-A\r\nBcc",
        "X A",
        "X-Ä",
        "X-Windrow-Effect",
        "",
    ];
    for name in names {
        let pointer = format!("/headers/{name}");
        assert_eq!(refused(&with(json!({ "headers": { name: "value" } }))), Some(pointer), "{name:?}");
    }
}
