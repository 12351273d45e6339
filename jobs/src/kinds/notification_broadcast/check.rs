//! What is wrong with a broadcast that its schema cannot say: each listed recipient's message is held against its kind's contract. Pure.

use serde_json::Value;

use super::{Audience, Payload, Recipient, child};
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
    match &payload.audience {
        Audience { recipients: Some(recipients), artifact: None } => {
            for (index, recipient) in recipients.iter().enumerate() {
                let at = format!("/audience/recipients/{index}");
                check_one(&payload, recipient, &at)?;
            }
            Ok(())
        }
        Audience { recipients: None, artifact: Some(_) } => check_one(&payload, &anybody(&payload.message.kind), ""),
        _ => at("/audience", "has either recipients or an artifact"),
    }
}

fn check_one(payload: &Payload, recipient: &Recipient, at: &str) -> Result<(), Violation> {
    let theirs = |violation: Violation| Violation { pointer: format!("{at}{}", violation.pointer), ..violation };
    let whole = child::payload(&payload.message, recipient).map_err(theirs)?;
    child::check(&payload.message.kind, &whole).map_err(|violation| {
        let of_recipient = ["/to", "/template/locale"].iter().any(|field| violation.pointer.starts_with(field));
        if of_recipient && !at.is_empty() {
            let field = if violation.pointer.starts_with("/to") { "to" } else { "locale" };
            Violation { pointer: format!("{at}/{field}"), message: violation.message }
        } else {
            Violation { pointer: format!("/message/payload{}", violation.pointer), message: violation.message }
        }
    })
}
