//! Inbound hooks: the URL at which a provider tells a tenant's connection what happened, and what was told there.
//!
//! A hook's token is derived from the tenant's data key, so a worker can say the URL again though the ledger keeps only the token's hash.
//! What arrives is verified by its provider's scheme (`hook/verify.rs`), kept whole, and applied by a job of the kind `hook.apply`.
//! Next: the ledger's role `Hooks`, then `kinds/hook_apply/`.

#[cfg(feature = "secrets")]
pub mod verify;

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    connection::{ConnectionId, catalog},
    job::{JobError, JobId},
    notification::delivery::{Came, Report, Status, Whose},
    tenant::TenantId,
};

/// The largest body that a hook takes.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;
/// The most reports of one event.
pub const REPORTS_MAX: usize = 4_096;
/// The most reports that one commit applies.
pub const REPORTS_BATCH_MAX: usize = 100;
/// How far a Standard Webhooks timestamp may be from now.
pub const WINDOW_MS: i64 = 300_000;
/// How long a report waits for its delivery to be noted: longer than a killed sender takes to be run again.
pub const UNMATCHED_AFTER_MS: i64 = 600_000;

/// How a provider says that it is the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = HookScheme))]
pub enum Scheme {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`, by the secret `signing_secret`.
    StandardWebhooks,
    /// `X-Twilio-Signature`, by the secret `auth_token`.
    Twilio,
    /// `X-Hub-Signature-256`, by the secret `app_secret`; its challenge by `verify_token`.
    Meta,
}

impl Scheme {
    /// The scheme of a provider; none where it tells us nothing.
    pub fn of(provider: &str) -> Option<Self> {
        match provider {
            catalog::http::NAME => Some(Self::StandardWebhooks),
            catalog::twilio::NAME => Some(Self::Twilio),
            catalog::whatsapp::NAME => Some(Self::Meta),
            _ => None,
        }
    }

    /// The secret by which it verifies.
    pub const fn secret(self) -> &'static str {
        match self {
            Self::StandardWebhooks => catalog::http::SIGNING_SECRET,
            Self::Twilio => "auth_token",
            Self::Meta => "app_secret",
        }
    }
}

/// A connection's hook, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Whose.
    pub tenant: TenantId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// What its token is derived from, beside the tenant's key: another one makes another token.
    pub salt: Uuid,
    /// The SHA-256 of its token.
    pub token: [u8; 32],
    /// Where its events go as they came.
    pub forward_url: Option<String>,
    /// How many calls were refused for their signature.
    pub refused: u64,
    /// When the last of them was.
    pub refused_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its token was last replaced.
    pub rotated_at: Option<Timestamp>,
}

/// A hook that is to stand, in the place of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHook {
    /// Whose.
    pub tenant: TenantId,
    /// Of which connection.
    pub connection: ConnectionId,
    /// What its token is derived from.
    pub salt: Uuid,
    /// The SHA-256 of its token.
    pub token: [u8; 32],
    /// Where its events go as they came.
    pub forward_url: Option<String>,
}

/// An event's id: a UUIDv7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = "uuid"))]
pub struct EventId(pub Uuid);

impl EventId {
    /// A new id.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

/// What a provider told.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Which.
    pub id: EventId,
    /// Whose.
    pub tenant: TenantId,
    /// Whose hook was told.
    pub connection: ConnectionId,
    /// Tells it from every other of the hook.
    pub digest: [u8; 32],
    /// When it came.
    pub received_at: Timestamp,
    /// What is known of it.
    pub facts: Facts,
    /// The body, byte for byte. Empty in lists.
    pub payload: Vec<u8>,
}

/// What is known of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The connection's provider.
    pub provider: String,
    /// The account at the provider that the connection was for when it was told, where what is told may be of another.
    #[serde(default)]
    pub account: Option<String>,
    /// What followed the path, without the question mark.
    pub query: String,
    /// The body's media type.
    pub content_type: String,
    /// The headers that are passed on: those by which it is verified.
    pub headers: BTreeMap<String, String>,
    /// How many bytes the body has.
    pub bytes: u64,
    /// The job that applies it.
    pub job: JobId,
    /// What became of its reports, by their place in it.
    #[serde(default)]
    pub reports: BTreeMap<u32, Outcome>,
    /// When all of it was applied.
    #[serde(default)]
    pub applied_at: Option<Timestamp>,
    /// Why it could not be read.
    #[serde(default)]
    pub error: Option<JobError>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ReportOutcome))]
pub struct Outcome {
    /// How it was matched, best name first: our own outer key, or what the provider calls the message.
    pub about: Vec<String>,
    /// What it said.
    pub status: Status,
    /// What became of it.
    pub came: Came,
}

impl Outcome {
    /// Of a report.
    pub fn of(report: &Report, came: Came) -> Self {
        let name = |whose: &Whose| match whose {
            Whose::Ours(job, key) => format!("{job}.{key}"),
            Whose::Theirs(id) => id.clone(),
        };
        Self { about: report.about.iter().map(name).collect(), status: report.status, came }
    }
}

/// An event that is to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Which.
    pub id: EventId,
    /// Whose.
    pub tenant: TenantId,
    /// Whose hook was told.
    pub connection: ConnectionId,
    /// Tells it from every other of the hook.
    pub digest: [u8; 32],
    /// What is known of it.
    pub facts: Facts,
    /// The body, byte for byte.
    pub payload: Vec<u8>,
}

/// Which of a connection's events are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Only those before this one.
    pub before: Option<EventId>,
    /// At most so many.
    pub size: usize,
    /// And only those before which what is known has at most so many bytes.
    pub bytes_max: usize,
}

/// A page of events, latest first, without their payloads.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The events.
    pub events: Vec<Event>,
    /// Whether there are more.
    pub more: bool,
}

/// What became of an event that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It is kept, and so are its jobs.
    Kept,
    /// It came before.
    Repeated(EventId),
}

/// An event as a provider's reader sees it: readers are pure, and never see headers or secrets.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// What followed the path, without the question mark.
    pub query: &'a str,
    /// The body's media type.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Event {
    /// As a reader sees it.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { query: &self.facts.query, content_type: &self.facts.content_type, body: &self.payload }
    }
}

/// The URL of a hook, of an api that is reached at `public_url`.
pub fn url(public_url: &str, token: &str) -> String {
    format!("{public_url}/v1/hooks/{token}")
}

/// What is kept of a token.
pub fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
