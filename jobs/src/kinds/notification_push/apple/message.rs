//! Headers and body of a request to APNs. Pure.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::kinds::notification_push::{MESSAGE_BYTES_MAX, Payload, Shown};

/// The most bytes of a body of the type `voip`.
const VOIP_BYTES_MAX: usize = 5_120;

/// A message to any device.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::kinds::notification_push) struct Message {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Whether something is shown, so that a second one takes the first one's place.
    replaces: bool,
    topic_is_own: bool,
}

impl Message {
    /// The message that a payload makes with these words, for the connection's topic. The error says what APNs has no place for.
    pub(in crate::kinds::notification_push) fn of(payload: &Payload, shown: Option<&Shown>, topic: &str) -> Result<Self, String> {
        for (name, given) in [
            ("topic", payload.to.topic.is_some()),
            ("condition", payload.to.condition.is_some()),
            ("android", payload.android.is_some()),
            ("webpush", payload.webpush.is_some()),
            ("analytics_label", payload.analytics_label.is_some()),
            ("validate_only", payload.validate_only),
            ("notification.image", shown.is_some_and(|shown| shown.image.is_some())),
        ] {
            if given {
                return Err(format!("{name} is FCM's, and the connection leads to APNs"));
            }
        }
        let apns = payload.apns.clone().unwrap_or_default();
        if let Some(name) = apns.keys().find(|name| !matches!(name.as_str(), "headers" | "payload")) {
            return Err(format!("apns.{name} is FCM's, and the connection leads to APNs"));
        }
        let own = apns.get("payload").and_then(Value::as_object).cloned().unwrap_or_default();
        let body = body(payload, shown, own)?;
        let mut headers = headers(apns.get("headers").and_then(Value::as_object));
        let aps = body["aps"].as_object().cloned().unwrap_or_default();
        let is_shown = ["alert", "sound", "badge"].iter().any(|name| aps.contains_key(*name));
        let push_type = given(&headers, "apns-push-type").map_or(if is_shown { "alert" } else { "background" }, |given| given).to_owned();
        let topic_is_own = match given(&headers, "apns-topic") {
            // Of the app: `com.example.app.voip`.
            Some(given) if given == topic => true,
            Some(given) if given.strip_prefix(topic).is_some_and(|rest| rest.starts_with('.')) => false,
            Some(_) => return Err(format!("apns.headers.apns-topic does not begin with the connection's topic {topic}")),
            None => true,
        };
        let defaults = [("apns-push-type", push_type.as_str()), ("apns-topic", topic)];
        // Of what is not shown APNs takes no other.
        let low = (push_type == "background").then_some(("apns-priority", "5"));
        for (name, value) in defaults.into_iter().chain(low) {
            if given(&headers, name).is_none() {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        let replaces = aps.contains_key("alert") && given(&headers, "apns-collapse-id").is_none();
        let body = Value::Object(body).to_string().into_bytes();
        let most = if push_type == "voip" { VOIP_BYTES_MAX } else { MESSAGE_BYTES_MAX };
        if body.len() > most {
            return Err(format!("the message has {} bytes of the {most} that APNs allows", body.len()));
        }
        Ok(Self { headers, body, replaces, topic_is_own })
    }

    /// One that says that it is a test.
    pub(super) fn of_test(topic: &str) -> Self {
        let headers = [("apns-push-type", "alert"), ("apns-topic", topic)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let body = json!({ "aps": { "alert": "connection.test" } }).to_string().into_bytes();
        Self { headers: headers.into(), body, replaces: false, topic_is_own: true }
    }

    /// The headers of the message that this effect sends: the same whenever it is sent.
    pub(super) fn headers(&self, key: &str) -> Vec<(String, String)> {
        let id = id_of(key).hyphenated().to_string();
        let collapse = self.replaces.then(|| ("apns-collapse-id".to_owned(), id.clone()));
        self.headers.iter().cloned().chain([("apns-id".to_owned(), id)]).chain(collapse).collect()
    }

    /// The body.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether it goes to the connection's own topic.
    pub(super) const fn topic_is_own(&self) -> bool {
        self.topic_is_own
    }
}

/// What the app gets is beside `aps`; what the payload says by itself comes last.
fn body(payload: &Payload, shown: Option<&Shown>, own: Map<String, Value>) -> Result<Map<String, Value>, String> {
    if payload.data.contains_key("aps") {
        return Err("data.aps is APNs' own".into());
    }
    let mut body: Map<String, Value> = payload.data.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let mut aps = match shown {
        Some(shown) => {
            let words = [("title", &shown.title), ("body", &shown.body)];
            let alert: Map<String, Value> =
                words.into_iter().filter_map(|(name, word)| Some((name.to_owned(), word.clone()?.into()))).collect();
            Map::from_iter([("alert".to_owned(), Value::Object(alert))])
        }
        // Nothing but data wakes the app.
        None if own.is_empty() => Map::from_iter([("content-available".to_owned(), 1.into())]),
        None => Map::new(),
    };
    for (name, value) in own {
        match (name.as_str(), value) {
            ("aps", Value::Object(own)) => aps.extend(own),
            ("aps", _) => return Err("apns.payload.aps is no object".into()),
            (_, value) => {
                body.insert(name, value);
            }
        }
    }
    body.insert("aps".into(), Value::Object(aps));
    Ok(body)
}

fn headers(given: Option<&Map<String, Value>>) -> Vec<(String, String)> {
    let texts = given.into_iter().flatten().filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned())));
    texts.collect()
}

fn given<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}

/// The UUID by which APNs knows what an effect sends.
fn id_of(key: &str) -> Uuid {
    let hash: [u8; 32] = Sha256::digest(key).into();
    let (first, _) = hash.split_first_chunk::<16>().expect("32 bytes have 16");
    uuid::Builder::from_custom_bytes(*first).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: Value) -> Result<(Value, std::collections::BTreeMap<String, String>), String> {
        let mut whole = json!({ "connection": "phones", "to": { "token": "00" } });
        whole.as_object_mut().expect("an object").extend(payload.as_object().cloned().expect("an object"));
        let payload: Payload = serde_json::from_value(whole).expect("a payload");
        let message = Message::of(&payload, payload.notification.as_ref(), "com.example.app")?;
        let headers = message.headers("job.token-0").into_iter().collect();
        Ok((serde_json::from_slice(message.body()).expect("JSON"), headers))
    }

    #[test]
    fn what_is_shown_is_an_alert_that_replaces_itself() {
        let (body, headers) = message(json!({ "notification": { "title": "Hi", "body": "There" }, "data": { "n": "7" },
            "apns": { "payload": { "aps": { "badge": 3 }, "deep": [1] }, "headers": { "Apns-Priority": "5" } } }))
        .expect("a message");
        assert_eq!(body, json!({ "aps": { "alert": { "title": "Hi", "body": "There" }, "badge": 3 }, "n": "7", "deep": [1] }));
        assert_eq!(headers["apns-push-type"], "alert");
        assert_eq!((headers["apns-topic"].as_str(), headers["apns-priority"].as_str()), ("com.example.app", "5"));
        assert_eq!(headers["apns-id"], headers["apns-collapse-id"]);
        assert_eq!(headers["apns-id"], id_of("job.token-0").to_string());
        assert_ne!(id_of("job.token-0"), id_of("job.token-1"));
    }

    #[test]
    fn data_alone_wakes_the_app() {
        let (body, headers) = message(json!({ "data": { "n": "7" } })).expect("a message");
        assert_eq!(body, json!({ "aps": { "content-available": 1 }, "n": "7" }));
        assert_eq!((headers["apns-push-type"].as_str(), headers["apns-priority"].as_str()), ("background", "5"));
        assert!(!headers.contains_key("apns-collapse-id"));
    }

    #[test]
    fn what_apns_has_no_place_for_is_refused() {
        let shown = json!({ "title": "Hi" });
        for (payload, word) in [
            (json!({ "to": { "topic": "news" } }), "topic"),
            (json!({ "to": { "condition": "'a' in topics" } }), "condition"),
            (json!({ "android": {} }), "android"),
            (json!({ "validate_only": true }), "validate_only"),
            (json!({ "notification": { "image": "https://a.example/b.png" } }), "image"),
            (json!({ "apns": { "fcm_options": {} } }), "fcm_options"),
            (json!({ "apns": { "payload": { "aps": 7 } } }), "aps"),
            (json!({ "data": { "aps": "7" } }), "aps"),
            (json!({ "notification": shown, "apns": { "headers": { "apns-topic": "com.other" } } }), "apns-topic"),
            (json!({ "notification": shown, "data": { "n": "x".repeat(4_090) } }), "bytes"),
        ] {
            let refused = message(payload.clone()).expect_err("refused");
            assert!(refused.contains(word), "{payload}: {refused}");
        }
        let voip = json!({ "data": { "n": "x".repeat(4_100) }, "apns": { "headers": { "apns-topic": "com.example.app.voip", "apns-push-type": "voip" } } });
        assert!(message(voip).is_ok(), "a call may have 5 KiB");
    }
}
