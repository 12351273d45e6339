//! `notification.push`: something to show, or to know, on phones and in browsers, by FCM or straight by APNs.
//!
//! Each token is an effect of its own, so a job that is attempted again goes on where it was, and a token that is dead is asked once.
//! The pieces: `check.rs` says what is wrong with a payload, `fate.rs` what became of a token, `google.rs` and `apple.rs` how a provider
//! is spoken to, `handler.rs` sends.

#[cfg(feature = "handlers")]
pub mod apple;
mod check;
mod condition;
#[cfg(feature = "handlers")]
mod fate;
#[cfg(feature = "handlers")]
pub mod google;
#[cfg(feature = "handlers")]
pub mod handler;
#[cfg(feature = "handlers")]
mod words;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::check::check;
use crate::{
    clock::Timestamp,
    contract::{Contract, Policy},
    job::JobId,
    kinds::notification_broadcast::part::Part,
    notification::wording::FromTemplate,
};

/// The kind's name.
pub const KIND: &str = "notification.push";
/// The most tokens of a job, as of a multicast of Google's own libraries. Each is an effect, of which a job has at most 1,000.
pub const TOKENS_MAX: usize = 500;
/// The longest token: FCM's have some 160 characters, APNs' 64 to 200.
pub const TOKEN_CHARS_MAX: usize = 1_024;
/// The most bytes of a message, keys and values: FCM's limit and APNs'.
pub const MESSAGE_BYTES_MAX: usize = 4_096;
/// The same of one to a topic or a condition.
pub const TOPIC_MESSAGE_BYTES_MAX: usize = 2_048;
/// The most topics of a condition.
pub const CONDITION_TOPICS_MAX: usize = 5;

/// What to send, and to whom.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The connection, of the provider `fcm` or `apns`.
    #[schemars(length(min = 1, max = 63))]
    pub connection: String,
    /// To whom: one of its fields.
    pub to: To,
    /// What is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<Shown>,
    /// What is shown, from a template: its subject is the title, its text the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<FromTemplate>,
    /// What the app gets: texts by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 256))]
    pub data: BTreeMap<String, String>,
    /// What is particular to Android, as FCM's `AndroidConfig`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub android: Option<Map<String, Value>>,
    /// What is particular to Apple's devices, as FCM's `ApnsConfig`; over APNs itself `headers` and `payload` of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apns: Option<Map<String, Value>>,
    /// What is particular to browsers, as FCM's `WebpushConfig`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webpush: Option<Map<String, Value>>,
    /// The label under which FCM counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9_.~%-]{1,50}$"))]
    pub analytics_label: Option<String>,
    /// FCM checks the message and delivers nothing.
    #[serde(default)]
    pub validate_only: bool,
    /// What becomes of a message of which nobody knows whether the provider took it.
    #[serde(default)]
    pub when_unknown: WhenUnknown,
    /// The broadcast that it is part of: once that is cancelled, it is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub part_of: Option<JobId>,
}

/// To whom: one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct To {
    /// A device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TOKEN_CHARS_MAX), regex(pattern = "^[!-~]+$"))]
    pub token: Option<String>,
    /// Devices; one that is there twice gets one message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = TOKENS_MAX), inner(length(min = 1, max = TOKEN_CHARS_MAX), regex(pattern = "^[!-~]+$")))]
    pub tokens: Option<Vec<String>>,
    /// Whoever is subscribed to this topic of FCM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 900), regex(pattern = "^[a-zA-Z0-9_.~%-]+$"))]
    pub topic: Option<String>,
    /// Whoever is subscribed as this says, to at most five topics: `'news' in topics && !('sport' in topics)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4_096))]
    pub condition: Option<String>,
}

/// What is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The URL of a picture; over FCM only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2_048), regex(pattern = "^https://[!-~]+$"))]
    pub image: Option<String>,
}

/// What becomes of a message of which nobody knows whether the provider took it: no answer came, or the worker died.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnknown {
    /// It is sent again, and may come twice; what is shown is shown once, since the second takes the first one's place.
    #[default]
    Resend,
    /// It is left at that: at most once.
    Drop,
    /// A person decides.
    Park,
}

/// What it means that nobody answered.
#[cfg(feature = "handlers")]
fn untold(error: &crate::outbound::Error) -> fate::Said {
    use crate::job::JobError;
    let job_error = |code: &str| JobError::new(code, error.to_string(), !error.is_final());
    if error.is_unsent() {
        return fate::Said::Closed(job_error(error.code()), None);
    }
    fate::Said::Unclear(job_error("push_unanswered"), None)
}

/// Whether a refusal that another token may mend can be followed by a second try: the first may have taken long.
#[cfg(feature = "handlers")]
fn may_ask_again(context: &crate::handler::Context) -> bool {
    context.lease.valid() && !context.cancel.is_cancelled()
}

/// What it means that there was no second try: the first was refused, so nothing was sent.
#[cfg(feature = "handlers")]
fn over() -> fate::Said {
    let message = "the lease is too short, or the job is to stop, so it was not asked again with another token";
    fate::Said::Closed(crate::job::JobError::new("lease_short", message, true), None)
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many messages the provider took.
    pub sent: usize,
    /// What the provider calls the message, where there was one.
    pub id: Option<String>,
    /// Tokens that are of no use any more.
    pub dead: Vec<Dead>,
    /// What was refused for another reason.
    pub failed: Vec<Refused>,
    /// To whom a message may have gone, or not, and was not sent again.
    pub unknown: Vec<String>,
}

/// A token that is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    /// The token.
    pub token: String,
    /// The provider's word: `UNREGISTERED`.
    pub reason: String,
    /// When it was so, where the provider says it: a token that was registered anew since then is good.
    pub at: Option<Timestamp>,
}

/// A message that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// To whom it was to go.
    pub to: String,
    /// The provider's word.
    pub reason: String,
    /// What the provider says to that.
    pub message: String,
}

impl Part for Payload {
    fn part_of(&self) -> Option<JobId> {
        self.part_of
    }
}

/// The kind's contract.
pub fn contract() -> Contract {
    let policy = Policy { ticket_jobs_max: 16, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "Sends a push message by Firebase Cloud Messaging (connections of the provider `fcm`) or straight by the Apple Push Notification service \
         (`apns`, to tokens only). Each token is an effect of its own: a job that is attempted again sends to those that have none yet. Tokens that \
         are dead are reported in `dead`, and the job is completed; it is tried again while any message must be sent later. What is shown bears a tag of \
         its own (Android's `tag`, `apns-collapse-id`) unless the payload has one, so that a message which had to be sent twice is shown once.",
        json!({
            "connection": "phones", "to": { "tokens": ["token-of-ann", "token-of-bob"] },
            "notification": { "title": "Your table is ready", "body": "See you at eight" }, "data": { "booking": "7" }
        }),
        json!({ "sent": 2, "id": null, "dead": [], "failed": [], "unknown": [] }),
        &[
            ("push_later", true, "some messages must be sent later, as the provider is busy: `Retry-After` is kept, and without one it is a minute after a 429"),
            ("push_unanswered", true, "of some messages nobody knows whether the provider took them: the next attempt does as `when_unknown` says"),
            ("message_refused", false, "the provider does not take the message, whoever it goes to; the error has its words"),
            ("message_unfit", false, "the connection is of `apns`, and the payload asks for what only FCM has; or what is shown is too large once its template is filled in"),
            ("connection_refused", true, "the provider does not let us in: the connection goes to `error` until it is mended or tested"),
            ("connection_invalid", false, "the connection's key, or its URL, cannot be used"),
            ("token_unavailable", true, "the token endpoint did not give an access token"),
            ("effect_parked", false, "nobody knows whether some messages were sent, and `when_unknown` is `park`: say so, then redrive the job"),
            ("address_forbidden", false, "the connection's URL leads to an address that is not of the internet, or is `http`, and the operator has made no exception"),
            ("unreachable", true, "no connection came about"),
            ("template_unknown", false, "the template is not there any more, or not in this language or version"),
            ("variable_missing", false, "the template needs a variable that the payload does not give"),
            ("template_failed", false, "the template cannot be rendered with these variables within its limits"),
            ("renderer_unavailable", true, "the process that renders could not be started, or gave no answer"),
            ("connection_unknown", false, "the tenant has no connection of this name"),
            ("connection_closed", true, "the connection is switched off, or in `error`"),
        ],
    )
}
