//! `notification.sms`: one text message (SMS, or MMS where it has media) to one number, through Twilio.
//!
//! The pieces: `segments.rs` counts what a text costs, `form.rs` is what Twilio is sent and answers, `verdict.rs` what its errors mean,
//! `report.rs` reads what it reports later, `handler.rs` sends; `notification/phone.rs` is shared with `notification.whatsapp`.

#[cfg(feature = "handlers")]
mod form;
#[cfg(feature = "handlers")]
pub mod handler;
#[cfg(feature = "handlers")]
pub mod report;
pub mod segments;
#[cfg(feature = "handlers")]
mod verdict;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    connection::catalog::twilio::SENDER,
    contract::{Contract, Policy, Violation},
    job::JobId,
    kinds::notification_broadcast::part::Part,
    notification::{
        phone::{E164, WhenUnknown},
        wording::FromTemplate,
    },
};

/// The kind's name.
pub const KIND: &str = "notification.sms";
/// The longest text, in characters: Twilio's own limit (`twilio` 9.13.0 from PyPI, `MessageList.create`: "Can be up to 1,600 characters in
/// length"; its error 21617 otherwise).
pub const TEXT_CHARS_MAX: usize = 1_600;
/// The most media of a message: Twilio's limit (its error 21623, by the copy that `verdict.rs` names: "You may send up to 10 media files in
/// a single message").
pub const MEDIA_MAX: usize = 10;
/// The longest that a message may wait at Twilio, in seconds: ten hours, Twilio's limit and default (the same package: "integers
/// from `1` to `36000`").
pub const VALIDITY_S_MAX: u32 = 36_000;

/// A message to a number.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The connection, of the provider `twilio`, that sends.
    #[schemars(length(min = 1, max = 63))]
    pub connection: String,
    /// To whom: a number as E.164 writes it, `+4915112345678`.
    #[schemars(regex(pattern = E164))]
    pub to: String,
    /// Who sends, in the place of the connection's `from`: a number, a short code, or a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = SENDER))]
    pub from: Option<String>,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TEXT_CHARS_MAX))]
    pub text: Option<String>,
    /// The same from a template, whose `text` it is; not both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<FromTemplate>,
    /// Where Twilio fetches pictures and other media; with any it is an MMS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MEDIA_MAX), inner(length(max = 2_048), regex(pattern = r"^https?://[!-~]+$")))]
    pub media_urls: Vec<String>,
    /// How long it may wait at Twilio; after that it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = VALIDITY_S_MAX))]
    pub validity_s: Option<u32>,
    /// What becomes of it where nobody knows whether Twilio took it: its connection broke, or the worker died.
    #[serde(default)]
    pub when_unknown: WhenUnknown,
    /// The broadcast that it is part of: once that is cancelled, it is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub part_of: Option<JobId>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What Twilio calls it (`SM…`, or `MM…` with media); none where nobody knows whether it was sent.
    pub provider_id: Option<String>,
    /// Twilio's word for how it stood when it was taken: `queued`, `accepted`, …. What became of it then is among the job's deliveries.
    pub status: String,
    /// In how many segments it goes, by our count of the text; 0 with media, which counts by the message.
    pub segments: usize,
}

/// What is wrong with a payload that its schema cannot say.
pub fn check(payload: &Value) -> Result<(), Violation> {
    let wrong = |pointer: &str, message: &str| Err(Violation { pointer: pointer.into(), message: message.into() });
    let given = |name: &str| payload.get(name).is_some_and(|value| !value.is_null());
    let media = payload.get("media_urls").and_then(Value::as_array).is_some_and(|urls| !urls.is_empty());
    match (given("text"), given("template")) {
        (true, true) => return wrong("/template", "give either text or template"),
        (false, false) if !media => return wrong("/text", "is missing: a message has text, a template or media_urls"),
        _ => {}
    }
    match payload.get("text").and_then(Value::as_str) {
        Some(text) if text.trim().is_empty() => wrong("/text", "says nothing"),
        Some(text) if text.chars().any(is_unsendable) => wrong("/text", "has a control character"),
        _ => Ok(()),
    }
}

/// Whether no phone shows such a character, and Twilio may refuse it.
fn is_unsendable(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\r' | '\t' | '\u{c}')
}

impl Part for Payload {
    fn part_of(&self) -> Option<JobId> {
        self.part_of
    }
}

/// The kind's contract.
pub fn contract() -> Contract {
    let policy = Policy { timeout_ms: 90_000, ticket_jobs_max: 16, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Sends a text message to a number through Twilio. Its text is given, or comes from a template. How it fares is reported by Twilio to the \
         connection's hook, where one was made, and is told by `GET /v1/jobs/{id}/deliveries`. Twilio knows no idempotency key: where nobody knows \
         whether it took a message, `ask` looks among the messages to that number since the first try for one of the same words, and sends it again \
         where there is none. A message that Twilio lists late, or whose words it has changed (shortened links), may then come twice; \
         `drop` never sends twice, `resend` asks nobody, `park` waits for a person ([effects](../effects.md)).",
        json!({ "connection": "phone", "to": "+4915112345678", "text": "Your parcel is on its way." }),
        json!({ "provider_id": "SM00000000000000000000000000000000", "status": "queued", "segments": 1 }),
        &[
            ("recipient_invalid", false, "Twilio says that the number is none, or takes no messages (21211, 21214, 21217, 21614)"),
            ("recipient_unsubscribed", false, "whoever has the number has answered STOP to the sender (21610)"),
            ("region_forbidden", false, "the account may not send to the number's country (21408)"),
            ("sender_invalid", false, "the account has no such sender, or none at all is named (21212, 21401, 21603, 21606, 21659, 21660, 21703, …)"),
            ("message_refused", false, "Twilio refuses it for another reason, which the message repeats"),
            ("template_unknown", false, "the tenant's own template is not there any more, or not in this language or version"),
            ("variable_missing", false, "the tenant's own template needs a variable that the payload does not give"),
            ("template_failed", false, "the tenant's own template cannot be rendered with these variables within its limits"),
            ("renderer_unavailable", true, "the process that renders could not be started, or gave no answer"),
            ("text_missing", false, "the tenant's own template has no text"),
            ("text_too_long", false, "with its variables the template's text has more than 1,600 characters"),
            ("provider_busy", true, "Twilio takes no more just now (429, 20429, 21611, 21702, 14107); `Retry-After` is kept"),
            ("provider_failed", true, "Twilio answered 5xx, or nothing that can be read: whether it took the message is not known"),
            ("connection_refused", true, "Twilio does not let the account in (401, 20003, 20005, 20403, 10001): the connection goes to `error` until it is mended or tested"),
            ("answer_late", true, "no answer came in time: whether Twilio took the message is not known"),
            ("connection_broken", true, "the connection ended early: whether Twilio took the message is not known"),
            ("unreachable", true, "no connection came about"),
            ("effect_parked", false, "nobody knows whether it was sent, and `when_unknown` is `park`"),
            ("address_forbidden", false, "`base_url` leads to an address that is not of the internet, or is `http`, and the operator has made no exception"),
            ("connection_unknown", false, "the tenant has no connection of this name"),
            ("connection_other_provider", false, "the connection is of another provider than `twilio`"),
            ("connection_closed", true, "the connection is switched off, or in `error`"),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(mut payload: Value) -> Option<String> {
        payload["connection"] = json!("phone");
        if payload.get("to").is_none() {
            payload["to"] = json!("+4915112345678");
        }
        let compiled = crate::contract::Catalog::new([contract()]).expect("it compiles");
        let compiled = compiled.get(KIND).expect("it is there");
        compiled.check(&payload).and_then(|()| check(&payload)).err().map(|violation| violation.pointer)
    }

    #[test]
    fn what_can_be_known_to_be_wrong_is_refused() {
        let long = "x".repeat(TEXT_CHARS_MAX + 1);
        let wide = "😀".repeat(TEXT_CHARS_MAX);
        let cases = [
            (json!({ "text": "hello" }), None),
            (json!({ "text": wide }), None),
            (json!({ "template": { "name": "greeting" } }), None),
            (json!({ "media_urls": ["https://example.com/a.png"] }), None),
            (json!({ "text": "hello", "from": "Windrow", "validity_s": 36_000, "when_unknown": "drop" }), None),
            (json!({}), Some("/text")),
            (json!({ "text": " \n" }), Some("/text")),
            (json!({ "text": "a\u{0}b" }), Some("/text")),
            (json!({ "text": long }), Some("/text")),
            (json!({ "text": "hello", "template": { "name": "greeting" } }), Some("/template")),
            (json!({ "text": "hello", "to": "004915112345678" }), Some("/to")),
            (json!({ "text": "hello", "to": "+49 151 12345678" }), Some("/to")),
            (json!({ "text": "hello", "to": "+0123456789" }), Some("/to")),
            (json!({ "text": "hello", "to": "+4915112345678\n" }), Some("/to")),
            (json!({ "text": "hello", "from": "twelve-signs" }), Some("/from")),
            (json!({ "text": "hello", "validity_s": 0 }), Some("/validity_s")),
            (json!({ "text": "hello", "validity_s": 36_001 }), Some("/validity_s")),
            (json!({ "text": "hello", "media_urls": ["ftp://example.com/a.png"] }), Some("/media_urls/0")),
            (json!({ "text": "hello", "media_urls": vec!["https://example.com/a.png"; 11] }), Some("/media_urls")),
            (json!({ "text": "hello", "when_unknown": "guess" }), Some("/when_unknown")),
        ];
        for (payload, pointer) in cases {
            assert_eq!(refused(payload.clone()).as_deref(), pointer, "{payload}");
        }
    }
}
