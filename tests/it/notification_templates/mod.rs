//! Templates of notifications, from outside: the real server over HTTP, a real browser that reads what it makes.

mod hostile;
mod judged;

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};
use windrow_tests::server::{Answer, Client, Server};

use crate::{
    documents::{read, repository},
    printed,
};

async fn put(client: &Client, name: &str, locale: &str, content: Value) -> Answer {
    client.send(Method::PUT, &format!("/v1/notification-templates/{name}/{locale}"), &[], Some(content)).await
}

async fn preview(client: &Client, name: &str, locale: &str, body: Value) -> Answer {
    client.send(Method::POST, &format!("/v1/notification-templates/{name}/{locale}/preview"), &[], Some(body)).await
}

/// The template `welcome` in ten languages, by language.
fn welcome() -> serde_json::Map<String, Value> {
    serde_json::from_str(&read("tests/fixtures/notifications/welcome.json")).expect("JSON")
}

/// Writes the layout of `welcome`, in one language, and `welcome` in all.
async fn write_welcome(server: &Server) {
    let layout = fs::read_to_string(repository("tests/fixtures/notifications/base.html")).expect("the layout");
    let layout = put(server, "base", "en", json!({ "html": layout, "defaults": { "brand": "Windrow" } })).await;
    assert_eq!(layout.status, 201, "{}", layout.body);
    for (locale, content) in welcome() {
        let made = put(server, "welcome", &locale, content).await;
        assert_eq!(
            (made.status, &made.body["needs"]),
            (201, &json!(["name", "order.id", "order.items", "order.items[].count", "order.items[].name"])),
            "{}",
            made.body
        );
    }
}

#[tokio::test]
async fn the_examples_work_as_printed() {
    let server = Server::start().await;
    let steps = printed::steps("docs/notification-templates.md", "A tour");
    assert!(steps.len() >= 6, "there are {} examples", steps.len());
    printed::run(&server, &steps).await;
}

#[tokio::test]
async fn a_template_that_cannot_be_read_is_refused_by_field_and_line() {
    let server = Server::start().await;
    put(&server, "plain", "en", json!({ "html": "<p>no place</p>" })).await;
    let cases = [
        (json!({}), "", "a subject, a text or html"),
        (json!({ "subject": "a\nb" }), "/subject", "one line"),
        (json!({ "text": "\n\n{% if a %}" }), "/text", "line 3"),
        (json!({ "html": "<p>\n{{ a | nope }}" }), "/html", "line 2: there is no filter \"nope\""),
        (json!({ "html": "{% include 'secrets' %}" }), "/html", "line 1"),
        (json!({ "text": "x", "layout": "plain" }), "/layout", "there is none"),
        (json!({ "html": "x", "layout": "nobody" }), "/layout", "no template is named \"nobody\""),
        (json!({ "html": "x", "layout": "plain" }), "/layout", "is no layout"),
        (json!({ "html": "{{ content }}", "layout": "plain" }), "/html", "no layout itself"),
        (json!({ "text": "x", "defaults": { "locale": "de" } }), "/defaults/locale", "by itself"),
        (json!({ "text": "x".repeat(256 * 1024 + 1) }), "/text", "262144"),
        (json!({ "text": "x", "colour": "red" }), "/colour", "unknown field"),
    ];
    for (content, pointer, says) in cases {
        let refused = put(&server, "bad", "en", content).await;
        assert_eq!((refused.status, &refused.body["code"]), (422, &json!("field_invalid")), "{}", refused.body);
        assert_eq!(refused.body["pointer"], pointer, "{}", refused.body);
        assert!(refused.body["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{says}: {}", refused.body);
    }
    for path in ["/v1/notification-templates/Bad/en", "/v1/notification-templates/bad/fr", "/v1/notification-templates/bad/en"] {
        assert_eq!(server.send(Method::GET, path, &[], None).await.body["code"], "wording_not_found", "{path}");
    }
}

#[tokio::test]
async fn a_preview_uses_the_sample_or_refuses_what_is_missing() {
    let server = Server::start().await;
    let content =
        json!({ "subject": "{{ a }}", "text": "{{ locale.tag }} {{ b.c }}", "defaults": { "a": "dear" }, "sample": { "b": { "c": 1 } } });
    assert_eq!(put(&server, "short", "DE-at", content).await.body["locale"], "de-AT");
    let sample = preview(&server, "short", "de-at", json!({})).await;
    assert_eq!((sample.status, &sample.body["subject"], &sample.body["text"]), (200, &json!("dear"), &json!("de-AT 1")), "{}", sample.body);
    assert_eq!((&sample.body["html"], &sample.body["direction"]), (&Value::Null, &json!("ltr")));
    let missing = preview(&server, "short", "de-AT", json!({ "variables": { "a": "x", "b": {} } })).await;
    assert_eq!((missing.status, &missing.body["pointer"]), (422, &json!("/variables/b/c")), "{}", missing.body);
    let broken = preview(&server, "short", "de-AT", json!({ "variables": { "a": "x\r\nBcc: y@example.com", "b": { "c": 1 } } })).await;
    assert_eq!((broken.status, &broken.body["code"]), (422, &json!("template_failed")), "{}", broken.body);
    assert!(broken.body["detail"].as_str().is_some_and(|detail| detail.contains("subject") && detail.contains("line break")));
}
