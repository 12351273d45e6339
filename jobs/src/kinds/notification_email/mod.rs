//! `notification.email`: sends an e-mail over the tenant's own SMTP server.
//!
//! `check.rs` says at submission what could never be sent; `handler.rs` has the words made, the message built (`message.rs`, with the
//! artifacts that `attachments.rs` reads) and given to the server (`smtp/`), as one effect.

#[cfg(feature = "handlers")]
mod attachments;
pub mod check;
#[cfg(feature = "handlers")]
pub mod handler;
#[cfg(feature = "handlers")]
mod message;
#[cfg(feature = "handlers")]
pub(crate) mod smtp;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    contract::{Contract, Policy},
    effect,
    job::JobId,
    notification::{mailbox::Mailbox, wording::FromTemplate},
};

/// The kind's name.
pub const KIND: &str = "notification.email";
/// The most recipients of a message, `to`, `cc` and `bcc` together: what every server takes (RFC 5321, section 4.5.3.1.8).
pub const RECIPIENTS_MAX: usize = 100;
/// The most attachments of a message.
pub const ATTACHMENTS_MAX: usize = 20;
/// The most bytes of all attachments of a message. In a message they are a third more, and many servers take 25 MB.
pub const ATTACHED_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// The longest subject, in characters.
pub const SUBJECT_CHARS_MAX: usize = 500;
/// The most headers of the submitter's own.
pub const HEADERS_MAX: usize = 32;

/// An e-mail.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The connection, of the provider `smtp`, whose server takes it.
    #[schemars(length(min = 1, max = 63))]
    pub connection: String,
    /// To whom: `"ana@example.com"`, `"Ana <ana@example.com>"`, or `{"name": …, "address": …}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RECIPIENTS_MAX))]
    pub to: Vec<Mailbox>,
    /// Who else receives it, for all to see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RECIPIENTS_MAX))]
    pub cc: Vec<Mailbox>,
    /// Who else receives it, for nobody to see.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RECIPIENTS_MAX))]
    pub bcc: Vec<Mailbox>,
    /// Who sends it, in the place of the connection's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Mailbox>,
    /// Where answers go, in the place of the connection's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Mailbox>,
    /// Its words, from a template; or else `subject` and `text` or `html`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<FromTemplate>,
    /// The subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = SUBJECT_CHARS_MAX))]
    pub subject: Option<String>,
    /// The plain words; made of `html` where they are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub text: Option<String>,
    /// The words as HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub html: Option<String>,
    /// Files: artifacts of the tenant's jobs, 10 MiB together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = ATTACHMENTS_MAX))]
    pub attachments: Vec<Attached>,
    /// How its reader is rid of such messages: the header `List-Unsubscribe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<Unsubscribe>,
    /// Headers of your own, `X-…`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "headers_schema")]
    pub headers: BTreeMap<String, String>,
    /// What becomes of it where the server took it in and no answer came, so that nobody knows whether it will be delivered.
    #[serde(default)]
    pub when_unknown: WhenUnknown,
}

/// A file of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attached {
    /// The job that made it.
    #[schemars(schema_with = "job_schema")]
    pub job: JobId,
    /// The artifact's name.
    #[schemars(length(min = 1, max = 200))]
    pub artifact: String,
    /// The name it has in the message; none for the artifact's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// Where HTML shows it as `cid:…`, by which name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub inline_id: Option<String>,
}

/// How a reader is rid of messages (RFC 2369); at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unsubscribe {
    /// A page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 900))]
    pub url: Option<String>,
    /// An address, as in a `mailto:` URL: `leave@example.com?subject=leave`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 900))]
    pub mailto: Option<String>,
    /// Whether a POST to `url` is enough (RFC 8058), which has to be `https` then: the header `List-Unsubscribe-Post`.
    #[serde(default)]
    pub one_click: bool,
}

/// What becomes of a message of which nobody knows whether the server took it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnknown {
    /// It is sent again, with the same `Message-ID`, by which servers and mailboxes know a message that came twice: at least once.
    #[default]
    Resend,
    /// It is left at that: at most once.
    Drop,
    /// A person says whether it arrived.
    Park,
}

impl From<WhenUnknown> for effect::Policy {
    fn from(when: WhenUnknown) -> Self {
        match when {
            WhenUnknown::Resend => Self::Resend,
            WhenUnknown::Drop => Self::Drop,
            WhenUnknown::Park => Self::Park,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Its `Message-ID`.
    pub message_id: String,
    /// The recipients for whom the server took it.
    pub accepted: Vec<String>,
    /// Those for whom it never will.
    pub refused: Vec<Refused>,
    /// What the server said of the message; none where nobody knows whether it took it.
    pub answer: Option<String>,
}

/// A recipient whom the server does not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Who.
    pub address: String,
    /// The server's words.
    pub answer: String,
}

fn headers_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": HEADERS_MAX,
        "additionalProperties": { "type": "string", "maxLength": 900 }
    })
}

fn job_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "uuid", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$" })
}

/// The kind's contract.
pub fn contract() -> Contract {
    // A server may be as slow as its connection allows, and a turn at it is waited for before.
    let policy = Policy { timeout_ms: 400_000, ticket_jobs_max: 16, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Sends an e-mail over the tenant's own SMTP server: words as given or from a template, attachments that are artifacts, one effect with a `Message-ID` \
         that stays the same however often it is tried.",
        json!({ "connection": "mail", "to": ["Ana <ana@example.com>"], "subject": "Your order", "text": "It is on its way." }),
        json!({ "message_id": "<0199a0c4-7e1e-7a44-a1cf-2f40e8b6c9d1.send@example.com>", "accepted": ["ana@example.com"], "refused": [], "answer": "250 OK" }),
        &[
            ("recipients_refused", false, "the server takes it for none of the recipients; the message has its words"),
            ("recipients_deferred", true, "the server took it for some recipients, if any, and not yet for others: the next attempt is for those"),
            ("message_refused", false, "the server answered 5xx to the message; the error has its words"),
            ("server_busy", true, "the server answered 4xx"),
            ("connection_refused", true, "the server does not let us in; the connection is in `error` until it is mended or tested"),
            ("connection_broken", true, "the connection ended early, or what came over it is no SMTP"),
            ("answer_late", true, "the server was silent for too long"),
            ("answer_lost", true, "no answer came after the whole message was sent, so nobody knows whether it was taken: `when_unknown` says what is done"),
            ("unreachable", true, "no connection came about, or no TLS"),
            ("address_forbidden", false, "the server's address is not of the internet, or `tls` is `none`, and the operator has made no exception"),
            ("smtputf8_missing", false, "an address is not ASCII, and the server takes only such"),
            ("attachment_missing", false, "an attachment is no artifact of a job of the tenant's"),
            ("attachments_too_large", false, "the attachments have more than 10 MiB"),
            ("objects_unavailable", true, "the object store did not give an attachment"),
            ("template_unknown", false, "the template is not there any more, or not in this language or version"),
            ("variable_missing", false, "the template needs a variable that the payload does not give"),
            ("template_failed", false, "the template cannot be rendered with these variables, or has no subject; or no text can be made of the HTML"),
            ("renderer_unavailable", true, "the process that renders could not be started, or gave no answer"),
            ("message_invalid", false, "it cannot be written as an e-mail"),
            ("connection_unknown", false, "the tenant has no connection of this name"),
            ("connection_closed", true, "the connection is switched off, or in `error`"),
        ],
    )
}
