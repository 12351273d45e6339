//! `notification.broadcast`: one message to an audience, each recipient a job of their own.
//!
//! It reads as: count the audience, make children chunk by chunk with a checkpoint after each, wait until all have ended, write the report.
//! A child's id follows from the broadcast and the recipient, so whoever is killed in between makes nobody twice, and nobody hears twice who is
//! listed twice. The pieces: `audience.rs` reads recipients, `child.rs` makes the job of one, `report.rs` tells how each fared.

#[cfg(feature = "handlers")]
pub(in crate::kinds) mod audience;
#[cfg(feature = "handlers")]
mod bounded;
pub mod check;
mod child;
#[cfg(feature = "handlers")]
pub mod handler;
pub mod part;
#[cfg(feature = "handlers")]
pub(in crate::kinds) mod report;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    contract::{Contract, Policy},
    job::JobId,
    submit::PRIORITY_MAX,
};

/// The kind's name.
pub const KIND: &str = "notification.broadcast";
/// The kinds of which there is a broadcast.
pub const KINDS: [&str; 4] = ["notification.email", "notification.push", "notification.sms", "notification.whatsapp"];
/// The most recipients that a payload lists; more come as an artifact.
pub const RECIPIENTS_MAX: usize = 10_000;
/// The most rows of an audience that is an artifact.
pub const ROWS_MAX: u64 = 1_000_000;
/// The largest artifact that is an audience, in bytes.
pub const AUDIENCE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// The most columns of such a file.
pub const COLUMNS_MAX: usize = 200;
/// The largest `message.payload`, in bytes of JSON: each recipient's job has a copy.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The largest recipient, in bytes: of JSON where it is listed, of its row in a file.
pub const RECIPIENT_BYTES_MAX: usize = 64 * 1024;
/// The longest `to`, in characters.
pub const TO_CHARS_MAX: usize = 4_096;
/// The most languages of the recipients that a payload lists: what their template asks for is looked up for each.
pub const LOCALES_MAX: usize = 200;
/// The priority of its messages unless said: behind those that somebody waits for.
pub const PRIORITY: i16 = -10;
/// The artifact that tells how each recipient fared.
pub const REPORT: &str = "report.csv";

/// What is said, and to whom.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// The message.
    pub message: Message,
    /// Who gets it.
    pub audience: Audience,
    /// The priority of each message's job.
    #[serde(default = "priority")]
    #[schemars(range(min = -PRIORITY_MAX, max = PRIORITY_MAX))]
    pub priority: i16,
}

const fn priority() -> i16 {
    PRIORITY
}

/// A message that is yet to be addressed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The kind of each recipient's job.
    #[schemars(schema_with = "kinds_schema")]
    pub kind: String,
    /// Its payload without `to`; a recipient's variables and language are laid over those of its `template`.
    pub payload: Map<String, Value>,
}

fn kinds_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": KINDS })
}

/// Recipients: listed here, or in a file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// Listed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = RECIPIENTS_MAX))]
    pub recipients: Option<Vec<Recipient>>,
    /// In a CSV file that a job of the tenant made, for example `http.request` of where the file lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<FromArtifact>,
}

/// Who gets a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipient {
    /// The e-mail address, the push token or the phone number.
    #[schemars(length(min = 1, max = TO_CHARS_MAX))]
    pub to: String,
    /// Their language, for a message made from a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 35))]
    pub locale: Option<String>,
    /// What is theirs alone of the template's variables.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub variables: Map<String, Value>,
}

/// A CSV file (RFC 4180) in UTF-8 with a header: `to`, perhaps `locale`, and a column for each variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromArtifact {
    /// The job that made it.
    #[schemars(with = "String", regex(pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"))]
    pub job: JobId,
    /// Its name there.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Rows of the audience.
    pub recipients: u64,
    /// Those whose message a provider took.
    pub sent: u64,
    /// Those whose job was given up.
    pub dead: u64,
    /// Those whose job was cancelled.
    pub cancelled: u64,
    /// Those for whom no message could be made.
    pub invalid: u64,
    /// Those who were listed before.
    pub duplicates: u64,
    /// Those whose job ended so long ago that it is no longer kept.
    pub forgotten: u64,
}

/// The kind's contract.
pub fn contract() -> Contract {
    // It makes a million children within an attempt, and says so chunk by chunk.
    let policy = Policy { timeout_ms: 3_600_000, ticket_jobs_max: 1, ..Policy::default() };
    Contract::of::<Payload>(KIND).with_policy(policy).about(
        "One message to an audience: a job for each recipient, made in chunks with a checkpoint after each, so that a broadcast that is interrupted goes \
         on where it was and nobody is notified twice. Whoever is listed twice gets one message. The audience is listed in the payload (10,000 at most) or \
         is a CSV file, the artifact of another job (1,000,000 rows at most). A message has 64 KiB at most, a recipient as many. The jobs have the tag `broadcast:<id>`, the priority −10 unless you say \
         otherwise, and the rate of the connection (`rate_per_s`). When all have ended, the artifact `report.csv` tells how each recipient fared. \
         Cancelling a broadcast cancels what is not sent yet.",
        json!({
            "message": { "kind": "notification.push", "payload": { "connection": "app", "notification": { "title": "Market", "body": "Today until six." } } },
            "audience": { "recipients": [{ "to": "device-token-1" }, { "to": "device-token-2" }] }
        }),
        json!({ "recipients": 2, "sent": 2, "dead": 0, "cancelled": 0, "invalid": 0, "duplicates": 0, "forgotten": 0, "report": REPORT }),
        &[
            ("audience_unknown", false, "the tenant has no artifact of this name at this job"),
            ("audience_invalid", false, "the file is no CSV with a column `to`, or is too large, or has more than 200 columns, or a row of more than 64 KiB"),
            ("audience_changed", false, "the file has other rows than when the broadcast began"),
            ("objects_unavailable", true, "the object store did not give the file, or did not take the report"),
        ],
    )
}
