//! The keys that a submission may carry, and what the ledger answers to one that does.
//!
//! An idempotency key makes a submission repeatable: same key, same answer. A unique key allows one live job at a time.
//! Neither is looked at here: the ledger reserves them in the transaction that keeps the job.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    job::{JobId, State},
    queue::QueueName,
    submit::NewJob,
};

/// The longest key, in bytes: two UUIDs and a prefix fit several times, and an index page still holds dozens.
pub const KEY_BYTES_MAX: usize = 255;
/// How long the answer to an idempotency key is kept: over a client's outage of a night, and the retries of a day.
pub const IDEMPOTENCY_MS: i64 = 24 * 3_600_000;

/// The keys of a submission; most have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Same key, same answer.
    pub idempotency: Option<IdempotencyKey>,
    /// At most one live job of the tenant has it.
    pub unique: Option<String>,
}

impl Keys {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.idempotency.is_none() && self.unique.is_none()
    }
}

/// A client's name for a submission, and what tells that submission from another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key.
    pub key: String,
    /// The hash of all that was submitted with it.
    pub fingerprint: [u8; 32],
}

/// What became of a job that was inserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It is in the ledger.
    Kept,
    /// It is not kept: the same submission was answered before, like this.
    Replayed(Answer),
    /// It is not kept: this live job has its unique key.
    Deduplicated(JobId),
    /// It is not kept: its idempotency key went with another submission.
    Reused,
}

/// The first answer to a submission with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The job was accepted, like this.
    Accepted(Acceptance),
    /// This job had the unique key.
    Deduplicated(JobId),
}

/// A job as it was accepted, less what every repetition of the submission says again word for word: kind, payload, tags
/// and keys. A payload of 1 MiB need not be kept twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// Its id.
    pub id: JobId,
    /// Where it waits.
    pub queue: QueueName,
    /// The version of the contract that accepted it.
    pub contract_version: u32,
    /// `scheduled` or `available`.
    pub state: State,
    /// Higher first.
    pub priority: i16,
    /// Charged attempts.
    pub max_attempts: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it may run.
    pub run_at: Timestamp,
    /// After this it is not started any more.
    pub deadline: Option<Timestamp>,
}

impl Acceptance {
    /// Of a job that is kept.
    pub fn of(job: &NewJob) -> Self {
        Self {
            id: job.id,
            queue: job.queue.clone(),
            contract_version: job.contract_version,
            state: job.state,
            priority: job.priority,
            max_attempts: job.max_attempts,
            created_at: job.created_at,
            run_at: job.run_at,
            deadline: job.deadline,
        }
    }

    /// The job that was accepted, from a repetition of its submission.
    pub fn of_repetition(self, job: NewJob) -> NewJob {
        let Self { id, queue, contract_version, state, priority, max_attempts, created_at, run_at, deadline } = self;
        NewJob { id, queue, contract_version, state, priority, max_attempts, created_at, run_at, deadline, ..job }
    }
}

/// What became of a change that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is written.
    Done,
    /// Its guard did not hold.
    Stale,
    /// Its guard held, but this live job has the unique key that the job would need again.
    KeyHeld(JobId),
}

impl Written {
    /// Whether it is written.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Done)
    }

    /// Written or stale.
    pub const fn of(done: bool) -> Self {
        if done { Self::Done } else { Self::Stale }
    }
}
