//! Rows as both SQL ledgers return them, and how they become the domain's types.
//!
//! A column that does not read as it was written is [`Error::Corrupt`], never a guess.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Balance, Claimed, Error, Listed, LogChunk, Offer, Outcomes, ReadyJob, Result, Ticket, keyed::KeyRow};
use crate::{
    artifact::Artifact,
    children::Child,
    clock::Timestamp,
    effect::Kept,
    job::{Attempt, Job, JobId, State},
    ledger::LaneKey,
    lifecycle::Snapshot,
};

/// A whole row of `jobs`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct JobRow {
    pub id: Uuid,
    pub tenant: String,
    pub queue: String,
    pub kind: String,
    pub contract_version: i32,
    pub state: i16,
    pub priority: i16,
    pub attempt: i32,
    pub forgiven: i32,
    pub crashes: i32,
    pub max_attempts: i32,
    pub cancel_requested: bool,
    pub created_at_ms: i64,
    pub run_at_ms: i64,
    pub started_at_ms: Option<i64>,
    pub finished_at_ms: Option<i64>,
    pub lease_until_ms: Option<i64>,
    pub deadline_at_ms: Option<i64>,
    pub worker: Option<String>,
    pub outcome: Option<String>,
    pub reason: Option<String>,
    pub error: Option<String>,
    pub result: Option<String>,
    pub progress: Option<String>,
    pub checkpoint: Option<String>,
    pub payload: String,
    pub tags: String,
    pub unique_key: Option<String>,
}

impl JobRow {
    pub(super) fn into_job(self) -> Result<Job> {
        Ok(Job {
            id: job_id(self.id),
            tenant: name(&self.tenant)?,
            queue: name(&self.queue)?,
            kind: self.kind,
            contract_version: count(self.contract_version)?,
            state: state(self.state)?,
            priority: self.priority,
            attempt: count(self.attempt)?,
            forgiven: count(self.forgiven)?,
            crashes: count(self.crashes)?,
            max_attempts: count(self.max_attempts)?,
            cancel_requested: self.cancel_requested,
            created_at: Timestamp::from_ms(self.created_at_ms),
            run_at: Timestamp::from_ms(self.run_at_ms),
            started_at: self.started_at_ms.map(Timestamp::from_ms),
            finished_at: self.finished_at_ms.map(Timestamp::from_ms),
            lease_until: self.lease_until_ms.map(Timestamp::from_ms),
            deadline: self.deadline_at_ms.map(Timestamp::from_ms),
            worker: self.worker,
            outcome: word(self.outcome)?,
            reason: word(self.reason)?,
            progress: json(self.progress.as_deref())?,
            result: self.result.map(RawValue::from_string).transpose()?,
            error: json(self.error.as_deref())?,
            payload: RawValue::from_string(self.payload)?,
            checkpoint: self.checkpoint,
            tags: serde_json::from_str(&self.tags)?,
            unique_key: self.unique_key,
        })
    }
}

/// How a child stands.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ChildRow {
    pub id: Uuid,
    pub state: i16,
    pub error: Option<String>,
    pub tags: String,
}

impl ChildRow {
    pub(super) fn into_child(self) -> Result<Child> {
        Ok(Child {
            id: job_id(self.id),
            state: state(self.state)?,
            error: json(self.error.as_deref())?,
            tags: serde_json::from_str(&self.tags)?,
        })
    }
}

/// A job of a page, and how many jobs the page could have.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ListedRow {
    #[sqlx(flatten)]
    pub job: JobRow,
    pub found: i64,
}

/// The jobs of a page.
pub(super) fn listed(rows: Vec<ListedRow>) -> Result<Listed> {
    let more = rows.first().is_some_and(|row| row.found > rows.len() as i64);
    let jobs = rows.into_iter().map(|row| row.job.into_job()).collect::<Result<_>>()?;
    Ok(Listed { jobs, more })
}

/// What a decision looks at, and whose job it is.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct SnapshotRow {
    pub id: Uuid,
    pub tenant: String,
    pub state: i16,
    pub attempt: i32,
    pub forgiven: i32,
    pub crashes: i32,
    pub max_attempts: i32,
    pub cancel_requested: bool,
    pub run_at_ms: i64,
    pub deadline_at_ms: Option<i64>,
    pub lease_until_ms: Option<i64>,
}

impl SnapshotRow {
    pub(super) fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot {
            id: job_id(self.id),
            state: state(self.state)?,
            attempt: count(self.attempt)?,
            forgiven: count(self.forgiven)?,
            crashes: count(self.crashes)?,
            max_attempts: count(self.max_attempts)?,
            cancel_requested: self.cancel_requested,
            run_at: Timestamp::from_ms(self.run_at_ms),
            deadline: self.deadline_at_ms.map(Timestamp::from_ms),
            lease_until: self.lease_until_ms.map(Timestamp::from_ms),
        })
    }
}

/// Both sides of a tenant's conservation law.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct BalanceRow {
    pub tenant: String,
    pub accepted: i64,
    pub completed: i64,
    pub dead: i64,
    pub cancelled: i64,
    pub live: i64,
    pub pruned: i64,
    pub counted_completed: i64,
    pub counted_dead: i64,
    pub counted_cancelled: i64,
}

impl BalanceRow {
    pub(super) fn into_balance(self) -> Result<Balance> {
        Ok(Balance {
            tenant: name(&self.tenant)?,
            accepted: self.accepted,
            completed: self.completed,
            dead: self.dead,
            cancelled: self.cancelled,
            live: self.live,
            pruned: self.pruned,
            outcomes: Outcomes { completed: self.counted_completed, dead: self.counted_dead, cancelled: self.counted_cancelled },
        })
    }
}

/// A job as its claim returns it.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ClaimedRow {
    pub id: Uuid,
    pub tenant: String,
    pub queue: String,
    pub kind: String,
    pub contract_version: i32,
    pub attempt: i32,
    pub forgiven: i32,
    pub crashes: i32,
    pub max_attempts: i32,
    pub run_at_ms: i64,
    pub lease_until_ms: i64,
    pub deadline_at_ms: Option<i64>,
    pub payload: String,
    pub checkpoint: Option<String>,
}

impl ClaimedRow {
    pub(super) fn into_claimed(self, claimed_at: Timestamp) -> Result<Claimed> {
        Ok(Claimed {
            snapshot: Snapshot {
                id: job_id(self.id),
                state: State::Running,
                attempt: count(self.attempt)?,
                forgiven: count(self.forgiven)?,
                crashes: count(self.crashes)?,
                max_attempts: count(self.max_attempts)?,
                cancel_requested: false,
                run_at: Timestamp::from_ms(self.run_at_ms),
                deadline: self.deadline_at_ms.map(Timestamp::from_ms),
                lease_until: Some(Timestamp::from_ms(self.lease_until_ms)),
            },
            tenant: name(&self.tenant)?,
            queue: name(&self.queue)?,
            kind: self.kind,
            contract_version: count(self.contract_version)?,
            payload: self.payload,
            checkpoint: self.checkpoint,
            claimed_at,
        })
    }
}

/// A job as a change left it: what its side rows are made from.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct WrittenRow {
    pub id: Uuid,
    pub tenant: String,
    pub queue: String,
    pub kind: String,
    pub priority: i16,
    pub attempt: i32,
    pub run_at_ms: i64,
    pub deadline_at_ms: Option<i64>,
    pub unique_key: Option<String>,
}

impl WrittenRow {
    pub(super) fn ready(&self) -> Result<ReadyJob> {
        Ok(ReadyJob {
            id: job_id(self.id),
            attempt: count(self.attempt)?,
            lane: LaneKey { queue: name(&self.queue)?, tenant: name(&self.tenant)? },
            kind: self.kind.clone(),
            priority: self.priority,
        })
    }
}

/// A ready job of a known lane.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ReadyRow {
    pub id: Uuid,
    pub attempt: i32,
    pub kind: String,
    pub priority: i16,
}

impl ReadyRow {
    pub(super) fn into_ready(self, lane: &LaneKey) -> Result<ReadyJob> {
        Ok(ReadyJob { id: job_id(self.id), attempt: count(self.attempt)?, lane: lane.clone(), kind: self.kind, priority: self.priority })
    }
}

/// A row of `attempts`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct AttemptRow {
    pub attempt: i32,
    pub worker: String,
    pub started_at_ms: i64,
    pub finished_at_ms: i64,
    pub outcome: Option<String>,
    pub reason: Option<String>,
    pub error: Option<String>,
}

impl AttemptRow {
    pub(super) fn into_attempt(self) -> Result<Attempt> {
        Ok(Attempt {
            attempt: count(self.attempt)?,
            worker: self.worker,
            started_at: Timestamp::from_ms(self.started_at_ms),
            finished_at: Some(Timestamp::from_ms(self.finished_at_ms)),
            outcome: word(self.outcome)?,
            reason: word(self.reason)?,
            error: json(self.error.as_deref())?,
        })
    }
}

/// The kept attempts of a job, and the latest one that still stands in the job's own row.
pub(super) fn all_attempts(kept: Vec<Attempt>, job: Job) -> Vec<Attempt> {
    let latest_is_kept = kept.last().is_some_and(|last| last.attempt == job.attempt);
    let mut attempts = kept;
    if let (false, Some(worker), Some(started_at)) = (latest_is_kept || job.attempt == 0, job.worker, job.started_at) {
        attempts.push(Attempt {
            attempt: job.attempt,
            worker,
            started_at,
            finished_at: job.finished_at,
            outcome: job.outcome,
            reason: job.outcome.and(job.reason),
            error: job.outcome.and(job.error),
        });
    }
    attempts
}

/// A row of `logs`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct LogRow {
    pub attempt: i32,
    pub lines: String,
    pub dropped: i32,
}

impl LogRow {
    pub(super) fn into_chunk(self) -> Result<LogChunk> {
        Ok(LogChunk { attempt: count(self.attempt)?, lines: serde_json::from_str(&self.lines)?, dropped: count(self.dropped)? })
    }
}

/// A row of `artifacts`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct ArtifactRow {
    pub name: String,
    pub attempt: i32,
    pub bytes: i64,
    pub sha256: String,
    pub media_type: String,
    pub object_key: String,
}

impl ArtifactRow {
    pub(super) fn into_artifact(self) -> Result<Artifact> {
        let bytes = u64::try_from(self.bytes).map_err(|_| Error::Corrupt(format!("an artifact has {} bytes", self.bytes)))?;
        let Self { name, sha256, media_type, object_key: key, .. } = self;
        Ok(Artifact { name, attempt: count(self.attempt)?, bytes, sha256, media_type, key })
    }
}

/// A row of `effects`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct EffectRow {
    pub job_id: Uuid,
    pub key: String,
    pub tenant: String,
    pub version: i32,
    pub facts: String,
    pub callback: Option<Vec<u8>>,
    pub created_at_ms: i64,
    pub changed_at_ms: i64,
    pub until_at_ms: Option<i64>,
}

impl EffectRow {
    pub(super) fn into_kept(self) -> Result<Kept> {
        let unhashed = |hash: Vec<u8>| Error::Corrupt(format!("a hash has {} bytes", hash.len()));
        Ok(Kept {
            tenant: name(&self.tenant)?,
            job: job_id(self.job_id),
            key: self.key,
            version: count(self.version)?,
            facts: serde_json::from_str(&self.facts)?,
            callback: self.callback.map(|hash| hash.try_into().map_err(unhashed)).transpose()?,
            created_at: Timestamp::from_ms(self.created_at_ms),
            changed_at: Timestamp::from_ms(self.changed_at_ms),
            until: self.until_at_ms.map(Timestamp::from_ms),
        })
    }
}

/// A row of `tickets`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct TicketRow {
    pub id: Uuid,
    pub queue: String,
    pub kind: String,
    pub ids: String,
}

impl TicketRow {
    pub(super) fn into_ticket(self) -> Result<Ticket> {
        Ok(Ticket { id: self.id, queue: name(&self.queue)?, kind: self.kind, ids: serde_json::from_str(&self.ids)? })
    }
}

/// A queue's name, and the age of its oldest ticket.
pub(super) fn offer((queue, age_ms): (String, i64)) -> Result<Offer> {
    Ok(Offer { queue: name(&queue)?, age_ms })
}

/// A row of `keys`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct KeysRow {
    pub tenant: String,
    pub key: String,
    pub job_id: Uuid,
    pub body_hash: Option<Vec<u8>>,
    pub answer: Option<String>,
}

impl KeysRow {
    pub(super) fn into_key(self) -> KeyRow {
        KeyRow { tenant: self.tenant, key: self.key, job: job_id(self.job_id), body_hash: self.body_hash, answer: self.answer }
    }
}

/// The job's id.
pub(super) const fn job_id(uuid: Uuid) -> JobId {
    JobId::from_bytes(*uuid.as_bytes())
}

/// An id as the ledgers' JSON arrays carry it: 32 hexadecimal digits.
pub(super) fn hex(id: JobId) -> String {
    Uuid::from_bytes(*id.as_bytes()).simple().to_string()
}

/// A count that the database keeps in a signed column.
pub(super) fn count(number: i32) -> Result<u32> {
    u32::try_from(number).map_err(|_| Error::Corrupt(format!("a negative count {number}")))
}

/// A well-formed name.
pub(super) fn name<N: std::str::FromStr<Err = crate::error::InvalidName>>(text: &str) -> Result<N> {
    text.parse().map_err(|error| Error::Corrupt(format!("{text:?}: {error}")))
}

/// A state by its number.
pub(super) fn state(number: i16) -> Result<State> {
    State::from_number(number.into()).ok_or_else(|| Error::Corrupt(format!("no state has the number {number}")))
}

fn json<T: DeserializeOwned>(text: Option<&str>) -> Result<Option<T>> {
    Ok(text.map(serde_json::from_str).transpose()?)
}

/// An enum that is kept as its bare serde name.
pub(super) fn word<T: for<'de> Deserialize<'de>>(text: Option<String>) -> Result<Option<T>> {
    Ok(text.map(|text| serde_json::from_value(serde_json::Value::String(text))).transpose()?)
}

/// The bare serde name of an enum.
pub(super) fn as_word<T: Serialize>(value: Option<T>) -> Option<String> {
    let value = value.map(|value| serde_json::to_value(value).expect("a unit variant has a JSON form"))?;
    value.as_str().map(str::to_owned)
}

/// The names of a lane as text.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct LaneRow {
    pub queue: String,
    pub tenant: String,
}

impl LaneRow {
    pub(super) fn lane(&self) -> Result<LaneKey> {
        Ok(LaneKey { queue: name(&self.queue)?, tenant: name(&self.tenant)? })
    }
}
