//! What is wrong with a broadcast that its schema cannot say: each listed recipient's message is held against its kind's contract. Pure.

use serde_json::Value;

use super::{Payload, Recipient, child};
use crate::contract::Violation;

/// An audience's stand-in where its recipients are in a file: enough to see whether the message is whole.
fn anybody(kind: &str) -> Recipient {
    let to = match kind {
        "notification.email" => "somebody@example.org",
        "notification.push" => "a-token",
        _ => "+15005550006",
    };
    Recipient { to: to.into(), locale: None, variables: serde_json::Map::new() }
}

/// What is wrong with a payload that keeps to the schema.
pub fn check(payload: &Value) -> Result<(), Violation> {
    let at = |pointer: &str, message: &str| Err(Violation { pointer: pointer.into(), message: message.into() });
    let payload: Payload = match serde_json::from_value(payload.clone()) {
        Ok(payload) => payload,
        Err(error) => return at("", &error.to_string()),
    };
    for ours in ["to", "part_of"] {
        if payload.message.payload.contains_key(ours) {
            return at(&format!("/message/payload/{ours}"), "is the broadcast's to give");
        }
    }
    if payload.audience.recipients.is_some() == payload.audience.artifact.is_some() {
        return at("/audience", "has either recipients or an artifact");
    }
    for (index, recipient) in payload.audience.recipients.iter().flatten().enumerate() {
        if let Err(violation) = child::payload(&payload.message, recipient) {
            return at(&format!("{}{}", place_of(index), violation.pointer), &violation.message);
        }
    }
    let wrong = |addressed: Addressed| addressed.place(child::check(&payload.message.kind, &addressed.payload).err()?);
    addressed(&payload).find_map(wrong).map_or(Ok(()), Err)
}

/// The payload of a recipient's job.
pub struct Addressed {
    /// The payload.
    pub payload: Value,
    /// Who it is among the recipients; none for a stand-in.
    index: Option<usize>,
}

/// What each recipient's job would have, or a stand-in's where the recipients are in a file.
pub fn addressed(payload: &Payload) -> impl Iterator<Item = Addressed> {
    let listed = payload.audience.recipients.iter().flatten().cloned().enumerate().map(|(index, recipient)| (Some(index), recipient));
    let filed = payload.audience.artifact.iter().map(|_| (None, anybody(&payload.message.kind)));
    let addressed =
        |(index, recipient)| Some(Addressed { payload: Value::Object(child::payload(&payload.message, &recipient).ok()?), index });
    listed.chain(filed).filter_map(addressed)
}

impl Addressed {
    /// Where in the broadcast's payload something is wrong with this; none where a file may have what is missing.
    pub fn place(&self, violation: Violation) -> Option<Violation> {
        let Violation { pointer, message } = violation;
        let theirs = [("/to", "to"), ("/template/locale", "locale"), ("/template/variables", "variables")];
        let found = theirs.iter().find_map(|(inner, outer)| Some((pointer.strip_prefix(inner)?, *outer)));
        let pointer = match (found, self.index) {
            (Some(_), None) => return None,
            // Whatever shape a kind gives it, a recipient has one `to`.
            (Some((_, "to")), Some(index)) => format!("{}/to", place_of(index)),
            (Some((rest, outer)), Some(index)) => format!("{}/{outer}{rest}", place_of(index)),
            (None, _) => format!("/message/payload{pointer}"),
        };
        Some(Violation { pointer, message })
    }
}

fn place_of(index: usize) -> String {
    format!("/audience/recipients/{index}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wrong(payload: Value) -> Option<String> {
        check(&payload).err().map(|violation| violation.pointer)
    }

    fn push(recipients: Value) -> Value {
        json!({ "message": { "kind": "notification.push", "payload": { "connection": "app", "template": { "name": "hello" } } },
            "audience": { "recipients": recipients } })
    }

    #[test]
    fn what_is_wrong_is_named_where_the_caller_wrote_it() {
        assert_eq!(wrong(push(json!([{ "to": "a" }, { "to": "b", "locale": "de", "variables": { "name": "B" } }]))), None);
        let sms = |to: &str| {
            json!({ "message": { "kind": "notification.sms", "payload": { "connection": "phone", "text": "Hello" } },
                "audience": { "recipients": [{ "to": "+4915112345678" }, { "to": to }] } })
        };
        assert_eq!(wrong(sms("+4915112345679")), None);
        assert_eq!(wrong(sms("0151")).as_deref(), Some("/audience/recipients/1/to"));
        let mail = json!({ "message": { "kind": "notification.email", "payload": { "connection": "mail", "subject": "S", "text": "T" } },
            "audience": { "recipients": [{ "to": "a@example.org" }, { "to": "nobody" }] } });
        assert_eq!(wrong(mail).as_deref(), Some("/audience/recipients/1/to"));
        for (payload, pointer) in [
            (json!({ "connection": "phone", "text": "Hello", "to": "+4915112345678" }), "/message/payload/to"),
            (json!({ "connection": "phone", "text": "Hello", "part_of": "x" }), "/message/payload/part_of"),
            (json!({ "connection": "phone", "txt": "Hello" }), "/message/payload"),
        ] {
            let artifact = json!({ "job": "0190b6f0-0000-7000-8000-000000000000", "name": "a.csv" });
            let broadcast = json!({ "message": { "kind": "notification.sms", "payload": payload }, "audience": { "artifact": artifact } });
            assert_eq!(wrong(broadcast).as_deref(), Some(pointer), "{payload}");
        }
        let untemplated = json!({ "message": { "kind": "notification.sms", "payload": { "connection": "phone", "text": "Hello" } },
            "audience": { "recipients": [{ "to": "+4915112345678", "variables": { "name": "A" } }] } });
        assert_eq!(wrong(untemplated).as_deref(), Some("/audience/recipients/0/variables"));
        for audience in [
            json!({}),
            json!({ "recipients": [{ "to": "a" }], "artifact": { "job": "0190b6f0-0000-7000-8000-000000000000", "name": "a" } }),
        ] {
            let mut both = push(json!([]));
            both["audience"] = audience;
            assert_eq!(wrong(both).as_deref(), Some("/audience"));
        }
    }
}
