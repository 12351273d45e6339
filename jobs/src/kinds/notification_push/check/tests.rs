//! Each refusal names its field.

use serde_json::{Value, json};

use super::*;
use crate::{contract::Compiled, kinds::notification_push::contract};

/// A payload with these fields in the place of its own.
fn payload(fields: &Value) -> Value {
    let mut payload = json!({ "connection": "phones", "to": { "token": "t" }, "notification": { "title": "Hi" } });
    for (name, value) in fields.as_object().expect("fields") {
        payload[name] = value.clone();
    }
    payload
}

fn refused(fields: &Value) -> Option<Violation> {
    let payload = payload(fields);
    let by_schema = Compiled::new(contract()).expect("the schema compiles").check(&payload);
    by_schema.and_then(|()| check(&payload)).err()
}

#[test]
fn every_refusal_names_its_field() {
    let long = "x".repeat(4_000);
    let tokens = |count: usize| (0..count).map(|n| format!("t{n}")).collect::<Vec<_>>();
    for (fields, pointer) in [
        (json!({}), None),
        (json!({ "to": { "tokens": tokens(500) } }), None),
        (json!({ "to": { "tokens": tokens(501) } }), Some("/to/tokens")),
        (json!({ "to": { "tokens": [] } }), Some("/to/tokens")),
        (json!({ "to": { "tokens": ["a", ""] } }), Some("/to/tokens/1")),
        (json!({ "to": { "tokens": ["a", "b c"] } }), Some("/to/tokens/1")),
        (json!({ "to": { "token": "x".repeat(1_025) } }), Some("/to/token")),
        (json!({ "to": {} }), Some("/to")),
        (json!({ "to": { "token": "t", "topic": "n" } }), Some("/to")),
        (json!({ "to": { "topic": "news" } }), None),
        (json!({ "to": { "topic": "/topics/news" } }), Some("/to/topic")),
        (json!({ "to": { "condition": "'a' in topics && 'b' in topics" } }), None),
        (json!({ "to": { "condition": "'a' in topics &&" } }), Some("/to/condition")),
        (json!({ "notification": {} }), Some("/notification")),
        (json!({ "notification": { "image": "http://example.com/a.png" } }), Some("/notification/image")),
        (json!({ "template": { "name": "welcome" } }), Some("/template")),
        (json!({ "data": { "from": "me" } }), Some("/data/from")),
        (json!({ "data": { "message_type": "x" } }), Some("/data/message_type")),
        (json!({ "data": { "google.x": "x" } }), Some("/data/google.x")),
        (json!({ "data": { "gcm.notification.x": "x" } }), Some("/data/gcm.notification.x")),
        (json!({ "data": { "n": 7 } }), Some("/data/n")),
        (json!({ "data": { "n": long } }), None),
        (json!({ "data": { "n": long, "m": long } }), Some("/data")),
        (json!({ "notification": { "body": format!("{long}{long}") } }), Some("/notification")),
        (json!({ "to": { "topic": "news" }, "data": { "n": long } }), Some("/data")),
        (json!({ "android": { "priority": "high", "collapse_key": "k", "ttl": "3.5s", "notification": { "tag": "t" } } }), None),
        (json!({ "android": { "collapseKey": "k" } }), None),
        (json!({ "android": { "colour": "red" } }), Some("/android/colour")),
        (json!({ "android": { "priority": "urgent" } }), Some("/android/priority")),
        (json!({ "android": { "notification": { "sticky": "yes" } } }), Some("/android/notification/sticky")),
        (json!({ "android": { "ttl": "1h" } }), Some("/android/ttl")),
        (json!({ "android": { "ttl": "2419201s" } }), Some("/android/ttl")),
        (json!({ "android": { "data": { "from": "x" } } }), Some("/android/data/from")),
        (json!({ "apns": { "headers": { "apns-priority": "5" }, "payload": { "aps": { "badge": 1 } } } }), None),
        (json!({ "apns": { "headers": { "apns-priority": 5 } } }), Some("/apns/headers/apns-priority")),
        (json!({ "apns": { "headers": { "Authorization": "x" } } }), Some("/apns/headers/Authorization")),
        (json!({ "apns": { "headers": { "apns-topic": "a\nb" } } }), Some("/apns/headers/apns-topic")),
        (json!({ "apns": { "payload": { "x": format!("{long}{long}") } } }), Some("/apns/payload")),
        (json!({ "webpush": { "fcm_options": { "link": "http://a.example" } } }), Some("/webpush/fcm_options/link")),
        (json!({ "webpush": { "notification": { "anything": [1] }, "headers": { "TTL": "15" } } }), None),
        (json!({ "analytics_label": "a b" }), Some("/analytics_label")),
        (json!({ "when_unknown": "ask" }), Some("/when_unknown")),
        (json!({ "topic": "news" }), Some("")),
    ] {
        let found = refused(&fields);
        assert_eq!(found.as_ref().map(|found| found.pointer.as_str()), pointer, "{fields} {found:?}");
    }
    let mut nothing = payload(&json!({}));
    nothing.as_object_mut().expect("an object").remove("notification");
    assert_eq!(check(&nothing).map_err(|found| found.pointer), Err("/notification".to_owned()));
}
