//! `notification.whatsapp`: one message to one number through WhatsApp's Cloud API: a template that Meta has approved, at any time, or words
//! and media within 24 hours of the recipient's last message (a session).
//!
//! The pieces: `message.rs` is what Meta is sent, `fit.rs` whether a message fits its approved template, `verdict.rs` what Meta's errors mean,
//! `report.rs` reads what it reports later, `handler.rs` sends. The templates come by `notification.whatsapp_templates`.

pub mod admit;
pub mod fit;
#[cfg(feature = "handlers")]
pub mod handler;
mod message;
#[cfg(feature = "handlers")]
pub mod report;
pub mod verdict;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::message::components;
use crate::{
    contract::{Contract, Policy, Violation},
    job::JobId,
    kinds::notification_broadcast::part::Part,
    notification::{
        phone::{E164, WhenUnknown},
        wording::FromTemplate,
    },
};

/// The kind's name.
pub const KIND: &str = "notification.whatsapp";
/// The longest text, in characters: "Maximum 4096 characters", by the copy of Meta's page that `message.rs` names.
pub const TEXT_CHARS_MAX: usize = 4_096;
/// The longest caption, in characters: "Maximum 1024 characters", likewise.
pub const CAPTION_CHARS_MAX: usize = 1_024;
/// The longest value of a placeholder, in characters: a whole body has 1,024, and 32,768 where nothing else is there, as we know it.
pub const VALUE_CHARS_MAX: usize = 32_768;

/// A message to a number.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The connection, of the provider `whatsapp`, that sends.
    #[schemars(length(min = 1, max = 63))]
    pub connection: String,
    /// To whom: a number as E.164 writes it, `+4915112345678`.
    #[schemars(regex(pattern = E164))]
    pub to: String,
    /// A template that Meta has approved, filled in. May be sent at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_template: Option<ApprovedTemplate>,
    /// Words, within 24 hours of the recipient's last message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TEXT_CHARS_MAX))]
    pub text: Option<String>,
    /// The same from one of the tenant's own templates, whose `text` it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<FromTemplate>,
    /// Whether the first link of the words is shown with a preview.
    #[serde(default)]
    pub preview_url: bool,
    /// A picture or another file, within 24 hours of the recipient's last message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// What becomes of it where nobody knows whether Meta took it: its connection broke, or the worker died.
    #[serde(default)]
    pub when_unknown: WhenUnknown,
    /// The broadcast that it is part of: once that is cancelled, it is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub part_of: Option<JobId>,
}

/// A template that Meta has approved, filled in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovedTemplate {
    /// Its name at Meta.
    #[schemars(regex(pattern = r"^[a-z0-9_]{1,512}$"))]
    pub name: String,
    /// Its language at Meta: `de`, `en_US`. Meta takes no other in its place.
    #[schemars(regex(pattern = r"^[a-z]{2,3}(_[A-Z]{2,3})?$"))]
    pub language: String,
    /// What fills the placeholders of its body: a list in their order, or an object by their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Variables>,
    /// What fills its header, where that has a placeholder or is media.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// What fills its buttons that have a placeholder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub buttons: Vec<Button>,
    /// All of it as Meta's API has it, for what the fields above cannot say (carousels, locations, flows); in their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub components: Vec<Value>,
}

/// What fills the placeholders of a body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Variables {
    /// In their order: `{{1}}`, `{{2}}`, ….
    Listed(#[schemars(length(max = 100), inner(length(min = 1, max = VALUE_CHARS_MAX)))] Vec<String>),
    /// By their names: `{{first_name}}`.
    Named(BTreeMap<String, String>),
}

/// What fills a header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Header {
    /// Its placeholder's value.
    Text(#[schemars(length(min = 1, max = 60))] String),
    /// Where Meta fetches its picture.
    Image(
        #[schemars(length(max = 2_048), regex(pattern = r"^https?://[!-~]+$"))]
        String,
    ),
    /// Where Meta fetches its video.
    Video(
        #[schemars(length(max = 2_048), regex(pattern = r"^https?://[!-~]+$"))]
        String,
    ),
    /// Where Meta fetches its document.
    Document(
        #[schemars(length(max = 2_048), regex(pattern = r"^https?://[!-~]+$"))]
        String,
    ),
}

/// What fills a button.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// Which, from 0.
    #[schemars(range(max = 9))]
    pub index: u8,
    /// What it does.
    pub action: Action,
    /// The end of its URL, its reply's payload, or its code.
    #[schemars(length(min = 1, max = 2_000))]
    pub value: String,
}

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Opens a URL, whose end is filled in.
    Url,
    /// Answers; its payload comes back.
    QuickReply,
    /// Copies a code.
    CopyCode,
}

/// A picture or another file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: MediaKind,
    /// Where Meta fetches it.
    #[schemars(length(max = 2_048), regex(pattern = r"^https?://[!-~]+$"))]
    pub link: String,
    /// Words below it; of pictures, videos and documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = CAPTION_CHARS_MAX))]
    pub caption: Option<String>,
    /// A document's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 240))]
    pub filename: Option<String>,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A video.
    Video,
    /// Something to listen to.
    Audio,
    /// A document.
    Document,
    /// A sticker.
    Sticker,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// What Meta calls it (`wamid.…`); none where nobody knows whether it was sent.
    pub provider_id: Option<String>,
    /// Meta's word for how it stood when it was taken, `accepted` mostly. What became of it then is among the job's deliveries.
    pub status: String,
}

/// What is wrong with a payload that its schema cannot say.
pub fn check(payload: &Value) -> Result<(), Violation> {
    let wrong = |pointer: &str, message: &str| Err(Violation { pointer: pointer.into(), message: message.into() });
    let of = |name: &str| payload.get(name).filter(|value| !value.is_null());
    let given: Vec<&str> = ["approved_template", "text", "template", "media"].into_iter().filter(|name| of(name).is_some()).collect();
    match given.as_slice() {
        [] => return wrong("/approved_template", "is missing: a message is an approved_template, text, a template or media"),
        [_, second, ..] => return wrong(&format!("/{second}"), "give one of approved_template, text, template and media"),
        _ => {}
    }
    if of("text").and_then(Value::as_str).is_some_and(|text| text.trim().is_empty()) {
        return wrong("/text", "says nothing");
    }
    if let Some(media) = of("media") {
        let kind = media["type"].as_str().unwrap_or_default();
        if media.get("caption").is_some_and(|caption| !caption.is_null()) && matches!(kind, "audio" | "sticker") {
            return wrong("/media/caption", "is of pictures, videos and documents only");
        }
        if media.get("filename").is_some_and(|name| !name.is_null()) && kind != "document" {
            return wrong("/media/filename", "is of documents only");
        }
    }
    if let Some(template) = of("approved_template") {
        let has =
            |name: &str| template.get(name).is_some_and(|value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
        if has("components") && (has("variables") || has("header") || has("buttons")) {
            return wrong("/approved_template/components", "stands in the place of variables, header and buttons: give either");
        }
    }
    Ok(())
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
        "Sends a message to a number through WhatsApp's Cloud API. Whoever has not written within 24 hours gets a template that Meta has approved \
         (`approved_template`); before it is sent it is looked up among the connection's templates (`notification.whatsapp_templates` keeps them, and they \
         are asked for once where they never were, or where ten minutes have passed since and this one was not good): whether it is there in the language, approved, and filled in as it asks. \
         How a message fares is reported by Meta to the connection's hook, where one was made, and is told by `GET /v1/jobs/{id}/deliveries`. Meta knows no \
         idempotency key, and lists no messages: where nobody knows whether it took a message, `ask` looks whether Meta has reported anything of it to the hook, and \
         sends it again where it has not; without a hook that is `resend`. `drop` never sends twice, `park` waits for a person ([effects](../effects.md)).",
        json!({ "connection": "whatsapp", "to": "+4915112345678", "approved_template": { "name": "order_shipped", "language": "de", "variables": ["Anna", "4711"] } }),
        json!({ "provider_id": "wamid.HBgLMTY1MDUwNzY1MjAVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA", "status": "accepted" }),
        &[
            ("approved_template_unknown", false, "the account has no template of the name, or not in the language (132001)"),
            ("template_not_approved", false, "the template is not approved, or paused, or disabled (132015, 132016)"),
            ("template_misfit", false, "the template asks for other parameters than are given (132000, 132012)"),
            ("session_closed", false, "the recipient has not written within 24 hours: send an approved template (131047)"),
            ("recipient_unreachable", false, "the recipient has no WhatsApp, an old one, or has not agreed to its terms (131026, 131021, 131030)"),
            ("recipient_unsubscribed", false, "the recipient takes no marketing messages from the business (131050)"),
            ("not_delivered_by_choice", false, "Meta does not deliver it, to keep people from getting too much (130472, 131049)"),
            ("message_refused", false, "Meta refuses it for another reason, which the message repeats"),
            ("template_unknown", false, "the tenant's own template is not there any more, or not in this language or version"),
            ("variable_missing", false, "the tenant's own template needs a variable that the payload does not give"),
            ("template_failed", false, "the tenant's own template cannot be rendered with these variables within its limits"),
            ("renderer_unavailable", true, "the process that renders could not be started, or gave no answer"),
            ("text_missing", false, "the tenant's own template has no text"),
            ("text_too_long", false, "with its variables the template's text has more than 4,096 characters"),
            ("provider_busy", true, "Meta takes no more just now (4, 80007, 130429, 131048, 131056, 131057, 429); `Retry-After` is kept"),
            ("provider_failed", true, "Meta answered 5xx, or nothing that can be read: whether it took the message is not known (2, 131000, 131016)"),
            ("connection_refused", true, "Meta does not let the connection in (0, 10, 190, 200 to 299), has blocked the account (368, 131031), or its number is not registered (133010): the connection goes to `error` until it is mended or tested"),
            ("answer_late", true, "no answer came in time: whether Meta took the message is not known"),
            ("connection_broken", true, "the connection ended early: whether Meta took the message is not known"),
            ("unreachable", true, "no connection came about"),
            ("effect_parked", false, "nobody knows whether it was sent, and `when_unknown` is `park`"),
            ("address_forbidden", false, "`base_url` leads to an address that is not of the internet, or is `http`, and the operator has made no exception"),
            ("connection_unknown", false, "the tenant has no connection of this name"),
            ("connection_other_provider", false, "the connection is of another provider than `whatsapp`"),
            ("connection_closed", true, "the connection is switched off, or in `error`"),
        ],
    )
}
