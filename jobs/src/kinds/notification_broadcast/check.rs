//! What is wrong with a broadcast that its schema cannot say: its message is held against its kind's contract once, as a whole, and of
//! each listed recipient then only what is theirs. Pure.

use serde::Deserialize as _;
use serde_json::Value;

use super::{MESSAGE_BYTES_MAX, Payload, RECIPIENT_BYTES_MAX, Recipient, child};
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
    let payload = match Payload::deserialize(payload) {
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
    let bytes = bytes_of(&payload.message.payload);
    if bytes > MESSAGE_BYTES_MAX {
        return at("/message/payload", &format!("has {bytes} bytes of the {MESSAGE_BYTES_MAX} allowed: each recipient's job has a copy"));
    }
    for (index, recipient) in payload.audience.recipients.iter().flatten().enumerate() {
        let bytes = bytes_of(recipient);
        if bytes > RECIPIENT_BYTES_MAX {
            return at(&place_of(index), &format!("has {bytes} bytes of the {RECIPIENT_BYTES_MAX} allowed"));
        }
        if let Err(violation) = child::fits(&payload.message, recipient) {
            return at(&format!("{}{}", place_of(index), violation.pointer), &violation.message);
        }
    }
    let kind = &payload.message.kind;
    let whole = addressed(&payload).and_then(|addressed| addressed.place(child::check(kind, &addressed.payload).err()?));
    if let Some(violation) = whole {
        return Err(violation);
    }
    for (index, recipient) in payload.audience.recipients.iter().flatten().enumerate().skip(1) {
        if let Some(violation) = child::check_to(kind, &recipient.to).err().and_then(|violation| place(violation, Some(index))) {
            return Err(violation);
        }
    }
    Ok(())
}

fn bytes_of(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

/// The payload of a recipient's job.
pub struct Addressed {
    /// The payload.
    pub payload: Value,
    /// Who it is among the recipients; none for a stand-in.
    index: Option<usize>,
}

/// What the first recipient's job would have, or a stand-in's where the recipients are in a file: the message as a whole.
pub fn addressed(payload: &Payload) -> Option<Addressed> {
    let first = payload.audience.recipients.as_ref().and_then(|recipients| recipients.first());
    let (recipient, index) = match first {
        Some(first) => (first, Some(0)),
        None => (&anybody(&payload.message.kind), None),
    };
    Some(Addressed { payload: Value::Object(child::payload(&payload.message, recipient).ok()?), index })
}

impl Addressed {
    /// Where in the broadcast's payload something is wrong with this; none where a file may have what is missing.
    pub fn place(&self, violation: Violation) -> Option<Violation> {
        place(violation, self.index)
    }
}

/// Where in the broadcast's payload something is wrong with the job of this recipient; none where a file may have what is missing.
pub fn place(violation: Violation, index: Option<usize>) -> Option<Violation> {
    let Violation { pointer, message } = violation;
    let theirs = [("/to", "to"), ("/template/locale", "locale"), ("/template/variables", "variables")];
    let found = theirs.iter().find_map(|(inner, outer)| Some((pointer.strip_prefix(inner)?, *outer)));
    let pointer = match (found, index) {
        (Some(_), None) => return None,
        // Whatever shape a kind gives it, a recipient has one `to`.
        (Some((_, "to")), Some(index)) => format!("{}/to", place_of(index)),
        (Some((rest, outer)), Some(index)) => format!("{}/{outer}{rest}", place_of(index)),
        (None, _) => format!("/message/payload{pointer}"),
    };
    Some(Violation { pointer, message })
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

    #[test]
    fn a_message_and_a_recipient_are_bounded() {
        let artifact = json!({ "artifact": { "job": "0190b6f0-0000-7000-8000-000000000000", "name": "a.csv" } });
        let of = |html: usize, audience: &Value| {
            let payload = json!({ "connection": "mail", "subject": "S", "html": "h".repeat(html) });
            json!({ "message": { "kind": "notification.email", "payload": payload }, "audience": audience })
        };
        let around = of(0, &artifact)["message"]["payload"].to_string().len();
        assert_eq!(wrong(of(MESSAGE_BYTES_MAX - around, &artifact)), None);
        assert_eq!(wrong(of(MESSAGE_BYTES_MAX - around + 1, &artifact)).as_deref(), Some("/message/payload"));
        let long = json!([{ "to": "a" }, { "to": "b", "variables": { "name": "n".repeat(RECIPIENT_BYTES_MAX) } }]);
        assert_eq!(wrong(push(long)).as_deref(), Some("/audience/recipients/1"));
    }

    #[test]
    fn a_message_is_checked_once_however_many_get_it() {
        for (kind, to) in [
            ("notification.email", "a{}@example.org"),
            ("notification.push", "token-{}"),
            ("notification.sms", "+49151{}"),
            ("notification.whatsapp", "+49151{}"),
        ] {
            let words = "w".repeat(60 * 1024);
            let payload = json!({ "connection": "c", "template": { "name": "hello", "variables": { "words": words } } });
            let recipients: Vec<Value> = (10_000..20_000).map(|n| json!({ "to": to.replace("{}", &n.to_string()) })).collect();
            let mut broadcast = json!({ "message": { "kind": kind, "payload": payload }, "audience": { "recipients": recipients } });
            let began = std::time::Instant::now();
            assert_eq!(wrong(broadcast.clone()), None, "{kind}");
            println!("{kind}: 10,000 recipients of a message of 60 KiB are checked in {:?}", began.elapsed());
            // As often as it is checked: some 100 ms. As often as there are recipients it would be minutes.
            assert!(began.elapsed() < std::time::Duration::from_secs(20), "{kind}: {:?}", began.elapsed());
            if kind != "notification.push" {
                broadcast["audience"]["recipients"][9_999]["to"] = json!("12");
                assert_eq!(wrong(broadcast).as_deref(), Some("/audience/recipients/9999/to"), "{kind}");
            }
        }
    }
}
