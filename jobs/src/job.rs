//! The job and its attempts, as the ledger keeps them and readers see them.
//!
//! Nothing here decides: transitions are in `lifecycle.rs`, what a submission may say is in `submit.rs`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{clock::Timestamp, queue::QueueName, tenant::TenantId};

/// A job's id: a UUIDv7 (RFC 9562 §5.7), so that ids sort by the time they were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, format = "uuid"))]
pub struct JobId(Uuid);

impl JobId {
    /// A new id, larger than every one that this process made before.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id with these 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The id as 16 bytes, whose order is the ids' order.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for JobId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// Where a job stands. Three of the eight states are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum State {
    /// Waits for its `run_at`, as submitted or as its handler asked by a snooze.
    Scheduled = 0,
    /// Ready; waits for the planner's turn and a free slot.
    Available = 1,
    /// Claimed by a worker that holds a lease.
    Running = 2,
    /// An attempt failed; waits for the backoff to pass.
    Retryable = 3,
    /// Waits for other jobs.
    Held = 4,
    /// The handler finished it. Final.
    Completed = 5,
    /// Given up, with a reason; an operator may redrive it. Final.
    Dead = 6,
    /// Stopped on request; an operator may redrive it. Final.
    Cancelled = 7,
}

impl State {
    /// Every state, in the order of its number in the ledger.
    pub const ALL: [Self; 8] =
        [Self::Scheduled, Self::Available, Self::Running, Self::Retryable, Self::Held, Self::Completed, Self::Dead, Self::Cancelled];

    /// Whether nothing but a redrive leads out of it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Dead | Self::Cancelled)
    }

    /// Whether `run_at` says when it goes on by itself.
    pub const fn waits_for_time(self) -> bool {
        matches!(self, Self::Scheduled | Self::Retryable)
    }

    /// Its number in the ledger.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The state with this number in the ledger.
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|index| Self::ALL.get(index)).copied()
    }

    /// Its name in JSON and in filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Available => "available",
            Self::Running => "running",
            Self::Retryable => "retryable",
            Self::Held => "held",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum AttemptOutcome {
    /// The handler finished the job.
    Completed,
    /// It failed and the job will be tried again.
    Retry,
    /// The handler asked to be called later; not charged.
    Snoozed,
    /// The job was given up.
    Dead,
    /// The job was stopped on request.
    Cancelled,
    /// The worker handed the job back unfinished; not charged.
    Released,
}

/// Why an attempt, or the job without one, came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Reason {
    /// The handler said that it failed.
    Failed,
    /// The kind's time-out passed.
    Timeout,
    /// The handler panicked.
    Panic,
    /// The lease ran out: the worker crashed, hung or lost its connection.
    LeaseLost,
    /// The handler said that trying again is of no use.
    Permanent,
    /// The job's own deadline passed.
    Deadline,
    /// The attempts allowed are used up.
    Exhausted,
    /// It took too many workers down.
    Quarantined,
    /// Somebody asked for it to be cancelled, or its handler cancelled it.
    Cancelled,
    /// The worker was told to stop.
    Shutdown,
    /// The handler asked to be called later.
    Snoozed,
    /// The worker does not know the kind, or not at this contract version.
    UnknownKind,
    /// The payload was accepted under a contract that the kind no longer reads.
    ContractMismatch,
}

/// What went wrong, as a handler or the platform says it. `code` is stable, `message` is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobError {
    /// A stable snake_case word that callers may switch on.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// Whether another attempt might succeed.
    pub retryable: bool,
}

/// The longest error message kept, in bytes; the rest is cut at a character.
pub(crate) const ERROR_MESSAGE_BYTES_MAX: usize = 4_096;

impl JobError {
    /// An error with its message cut to what the ledger keeps.
    pub fn new(code: impl Into<String>, message: impl Into<String>, retryable: bool) -> Self {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX));
        Self { code: code.into(), message, retryable }
    }
}

/// How far a running handler says it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// 0 to 100.
    #[cfg_attr(feature = "openapi", schema(maximum = 100))]
    pub percent: u8,
    /// What it is doing.
    pub message: String,
}

/// A job as readers see it: the JSON of the API.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(example = example))]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Who owns it.
    pub tenant: TenantId,
    /// Where it waits for a worker.
    pub queue: QueueName,
    /// What is to be done.
    pub kind: String,
    /// The version of the kind's contract that accepted the payload.
    pub contract_version: u32,
    /// Where it stands.
    pub state: State,
    /// −100 to 100, higher first, within its lane.
    #[cfg_attr(feature = "openapi", schema(minimum = -100, maximum = 100))]
    pub priority: i16,
    /// How many times it was claimed; only grows.
    pub attempt: u32,
    /// How many of the attempts are not charged.
    #[serde(skip)]
    pub forgiven: u32,
    /// How many attempts ended without an outcome.
    pub crashes: u32,
    /// How many charged attempts it has.
    pub max_attempts: u32,
    /// Whether a running handler was asked to stop.
    pub cancel_requested: bool,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it may run, or might have.
    pub run_at: Timestamp,
    /// When the latest attempt began.
    pub started_at: Option<Timestamp>,
    /// When it came to a final state.
    pub finished_at: Option<Timestamp>,
    /// Until when the holder may write.
    #[serde(skip)]
    pub lease_until: Option<Timestamp>,
    /// After this it is not started any more.
    pub deadline: Option<Timestamp>,
    /// The worker of the latest attempt.
    pub worker: Option<String>,
    /// How the latest attempt ended, or none while it runs.
    #[serde(skip)]
    pub outcome: Option<AttemptOutcome>,
    /// Why the latest attempt, or the job without one, ended.
    pub reason: Option<Reason>,
    /// What the handler said last.
    pub progress: Option<Progress>,
    /// What the handler returned: any JSON.
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value))]
    pub result: Option<Box<RawValue>>,
    /// What went wrong last.
    pub error: Option<JobError>,
    /// What was submitted, as its kind's contract has it.
    #[cfg_attr(feature = "openapi", schema(value_type = serde_json::Value))]
    pub payload: Box<RawValue>,
    /// What a handler kept for its next attempt.
    #[serde(skip)]
    pub checkpoint: Option<String>,
    /// The submitter's labels.
    pub tags: Vec<String>,
    /// At most one live job of the tenant has it.
    pub unique_key: Option<String>,
}

#[cfg(feature = "openapi")]
fn example() -> serde_json::Value {
    serde_json::json!({
        "id": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70", "tenant": "default", "queue": "default", "kind": "echo", "contract_version": 1,
        "state": "completed", "priority": 0, "attempt": 1, "crashes": 0, "max_attempts": 10, "cancel_requested": false,
        "created_at": "2027-01-15T08:00:00.000Z", "run_at": "2027-01-15T08:00:00.000Z", "started_at": "2027-01-15T08:00:00.004Z",
        "finished_at": "2027-01-15T08:00:00.506Z", "deadline": null, "worker": "standalone-1", "reason": null, "progress": null,
        "result": { "message": "hello" }, "error": null, "payload": { "message": "hello", "sleep_ms": 500 }, "tags": ["tour"],
        "unique_key": null,
    })
}

/// One claim of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// The worker that claimed it.
    pub worker: String,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// When it ended, or none while it runs.
    pub finished_at: Option<Timestamp>,
    /// How it ended, or none while it runs.
    pub outcome: Option<AttemptOutcome>,
    /// Why it ended.
    pub reason: Option<Reason>,
    /// What went wrong.
    pub error: Option<JobError>,
}
