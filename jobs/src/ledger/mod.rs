//! The durable truth: every job, its state, attempts, leases and limits, behind four roles.
//!
//! A process is handed only the roles it needs: the api `Intake + Inspect`, a worker `Work`, the scheduler
//! `Upkeep`. The ledger decides nothing: it writes decided [`Change`]s where their guards hold, and keeps
//! the side rows true (`feed`, `leases`, `delayed`; they may be stale or double, never missing).
//! Time is the ledger's: what it writes is stamped by its own clock.
//! Three ledgers keep this contract: `model.rs` (in memory, the oracle), `sqlite/` and `postgres/`.
//! Next on a job's path: `dispatch/mod.rs`.

pub mod error;
mod keyed;
pub mod model;
pub mod postgres;
mod rows;
mod side;
pub mod sqlite;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

pub use self::error::{Error, Result};
use crate::{
    artifact::Artifact,
    clock::Timestamp,
    contract::Contract,
    job::{Attempt, Job, JobId, Progress, State},
    keys::{Inserted, Written},
    lifecycle::{Change, Snapshot},
    queue::{LimitScope, Limits, QueueName},
    submit::NewJob,
    tenant::TenantId,
};

/// The most jobs or changes that one statement writes; larger batches are cut.
pub const BATCH_MAX: usize = 500;

/// A worker that was silent for this long is forgotten: it crashed, and its row is of no more use.
pub const WORKER_FORGOTTEN_MS: i64 = 3_600_000;

/// Submitting, and asking for something to happen to a job.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Keeps these jobs in one transaction, but for those that their keys forbid. For each in turn: what became of
    /// it, durable when it returns. A job whose id is there already counts as kept, so an insert whose answer was
    /// lost can be repeated; an id that comes twice is met once, the first time.
    async fn insert(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>>;

    /// The same, but nothing is kept or reserved where one idempotency key went with another submission before.
    async fn insert_unless_reused(&self, jobs: Vec<NewJob>) -> Result<Vec<Inserted>>;

    /// Writes the changes that a tenant asked for (cancel, redrive). For each in turn: what became of it. A job that
    /// lives again needs its unique key again.
    async fn operate(&self, tenant: &TenantId, changes: Vec<Change>) -> Result<Vec<Written>>;

    /// Sets the limits of a lane or of a whole queue.
    async fn set_limits(&self, queue: &QueueName, scope: &LimitScope, limits: Limits) -> Result<()>;
}

/// Reading. Never waits for a writer.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// The ledger's clock.
    async fn now(&self) -> Result<Timestamp>;

    /// One job of the tenant.
    async fn get(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>>;

    /// What a decision about one job of the tenant looks at.
    async fn snapshot(&self, tenant: &TenantId, id: JobId) -> Result<Option<Snapshot>>;

    /// The tenant's jobs that fit the filter, newest first.
    async fn list(&self, tenant: &TenantId, filter: &ListFilter, page: Page) -> Result<Vec<Job>>;

    /// A job's attempts, first to last. Empty where the tenant has no such job.
    async fn attempts(&self, tenant: &TenantId, id: JobId) -> Result<Vec<Attempt>>;

    /// A job's log, in the order written. Empty where the tenant has no such job.
    async fn logs(&self, tenant: &TenantId, id: JobId) -> Result<Vec<LogChunk>>;

    /// A job's artifacts, by name. Empty where the tenant has no such job.
    async fn artifacts(&self, tenant: &TenantId, id: JobId) -> Result<Vec<Artifact>>;

    /// The newest contract of every kind that a worker ever published.
    async fn contracts(&self) -> Result<Vec<Contract>>;

    /// What the planner last said of the queues, by queue, then tenant.
    async fn depths(&self) -> Result<Option<Depths>>;

    /// Every limit that was set, by queue and scope.
    async fn limits(&self) -> Result<Vec<(QueueName, LimitScope, Limits)>>;

    /// Both sides of the conservation law, per tenant.
    async fn balances(&self) -> Result<Vec<Balance>>;
}

/// Claiming, running and settling.
#[async_trait]
pub trait Work: Send + Sync {
    /// Says that this worker is there, what it can run and how much of it; publishes its contracts.
    async fn enroll(&self, worker: &WorkerRecord, contracts: &[Contract]) -> Result<()>;

    /// Takes the worker off the list, so that nothing is planned for it.
    async fn dismiss(&self, worker: &str) -> Result<()>;

    /// available → running for at most `claim.take` of the ids, in their order; the rest goes back to the planner.
    async fn claim(&self, claim: Claim) -> Result<Vec<Claimed>>;

    /// Renews the leases of exactly these attempts and returns those still held; a missing one is lost.
    /// Also says that the worker lives.
    async fn heartbeat(&self, worker: &str, held: Vec<Holding>) -> Result<Vec<Held>>;

    /// Writes how attempts ended. For each in turn: whether its guard held. An ending that stands there
    /// already, by the same attempt, counts as written.
    async fn settle(&self, changes: Vec<Change>) -> Result<Vec<bool>>;

    /// Tickets that wait in the ledger for a worker of one of these queues that knows their kinds, oldest
    /// first, at most `limit`. A look only: the claim decides who gets one.
    async fn tickets(&self, queues: &[QueueName], kinds: &[String], limit: usize) -> Result<Vec<Ticket>>;

    /// What a decision about these jobs looks at; jobs that are gone are left out.
    async fn reread(&self, ids: Vec<JobId>) -> Result<Vec<Snapshot>>;

    /// Keeps what running handlers say. Notes of attempts that are over are dropped.
    async fn note(&self, notes: Vec<Note>) -> Result<()>;

    /// Records a file that a running attempt (the artifact's own) made, in the place of one of that name. Returns
    /// whether the attempt still runs; if not, nothing is recorded.
    async fn record_artifact(&self, id: JobId, artifact: Artifact) -> Result<bool>;
}

/// The duties' verbs: time, order, cleanliness.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Takes or keeps the leadership `name` for `ttl_ms`; none where another holds it.
    async fn lead(&self, name: &str, holder: &str, ttl_ms: i64) -> Result<Option<Leadership>>;

    /// Gives the leadership up, so that the standby need not wait.
    async fn abdicate(&self, name: &str, holder: &str) -> Result<()>;

    /// Writes tickets, if `leadership` is still in this epoch. Returns whether it was.
    async fn issue(&self, leadership: &str, epoch: i64, tickets: Vec<Ticket>) -> Result<bool>;

    /// Takes tickets back: deletes their rows, and returns those that were still there.
    async fn revoke(&self, tickets: Vec<TicketId>) -> Result<Vec<TicketId>>;

    /// Takes every ticket back, at the beginning of a planner's term.
    async fn revoke_all(&self) -> Result<()>;

    /// Takes feed rows off, oldest first, at most `limit`; `seen` ones, known from a nudge, are only removed.
    async fn feed(&self, seen: Vec<i64>, limit: usize) -> Result<Vec<FeedRow>>;

    /// Every lane with live jobs.
    async fn lanes(&self) -> Result<Vec<LaneKey>>;

    /// Ready jobs of a lane in their order (priority, then id), after `after`, at most `limit`.
    async fn ready(&self, lane: &LaneKey, after: Option<HeadKey>, limit: usize) -> Result<Vec<ReadyJob>>;

    /// Everything that is running, for take-over.
    async fn running(&self) -> Result<Vec<RunningJob>>;

    /// The workers that were heard of within `silent_ms_max`.
    async fn workers(&self, silent_ms_max: i64) -> Result<Vec<WorkerRecord>>;

    /// Promotes due jobs, at most `limit`, the tenants in turn.
    async fn promote(&self, limit: usize) -> Result<Promoted>;

    /// Ends attempts whose leases ran out, looking at `limit` leases per commit. With `incarnation_over`, all that run:
    /// for a ledger whose only process has just started.
    async fn reap(&self, limit: usize, incarnation_over: bool) -> Result<u64>;

    /// Deletes what finished longer ago than the retention, at most `limit` jobs, and folds it into the totals.
    async fn prune(&self, retention: Retention, limit: usize) -> Result<Pruned>;

    /// Forgets answers to idempotency keys whose time is over, at most `limit`. Returns how many.
    async fn forget_keys(&self, limit: usize) -> Result<u64>;

    /// Publishes what the planner knows of the queues.
    async fn publish_depths(&self, depths: Depths) -> Result<()>;

    /// What the feed says as it is committed. Lossy: a receiver that lags must look into the feed.
    fn nudges(&self) -> broadcast::Receiver<Arc<FeedRow>>;
}

/// A ledger in all its roles.
pub trait Ledger: Intake + Inspect + Work + Upkeep {}
impl<L: Intake + Inspect + Work + Upkeep> Ledger for L {}

/// What `GET /v1/jobs` filters by; every given part must fit.
#[derive(Debug, Clone, Default)]
pub struct ListFilter {
    /// Jobs of this kind.
    pub kind: Option<String>,
    /// Jobs of this queue.
    pub queue: Option<QueueName>,
    /// Jobs in this state.
    pub state: Option<State>,
    /// Jobs that carry this tag.
    pub tag: Option<String>,
    /// Jobs created at or after this.
    pub created_from: Option<Timestamp>,
    /// Jobs created before this.
    pub created_to: Option<Timestamp>,
}

/// A page of a list: `size` jobs older than `before`.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The last job of the page before.
    pub before: Option<JobId>,
    /// At most this many.
    pub size: usize,
}

/// What a worker asks to claim.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who claims.
    pub worker: String,
    /// The ticket that named the ids; its row, if it has one, is deleted by the claim.
    pub ticket: TicketId,
    /// Whether the ticket is a ledger row: then nothing is claimed unless the row is still there.
    pub ticket_row: bool,
    /// The ids and the attempts they stood at, in the planner's order.
    pub ids: Vec<(JobId, u32)>,
    /// At most this many are claimed.
    pub take: usize,
    /// For how long the worker may be silent.
    pub lease_ms: i64,
}

/// A ticket's id: that of the planner which issued it, so it is unique without a sequence.
pub type TicketId = uuid::Uuid;

/// The right to claim a few jobs: what the planner hands out. It is used up by the first claim that presents
/// it, whatever that claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// The queue of all its jobs.
    pub queue: QueueName,
    /// The kind of all its jobs.
    pub kind: String,
    /// The jobs in the planner's order, and the attempts they stood at.
    pub ids: Vec<(JobId, u32)>,
}

/// A job that this worker holds. Only such a job can be settled.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// What a decision about it looks at; its attempt is the one this claim began.
    pub snapshot: Snapshot,
    /// Who owns it.
    pub tenant: TenantId,
    /// Where it waited.
    pub queue: QueueName,
    /// What is to be done.
    pub kind: String,
    /// The version of the contract that accepted the payload.
    pub contract_version: u32,
    /// The kind's input, as JSON text.
    pub payload: String,
    /// What the attempt before kept.
    pub checkpoint: Option<String>,
    /// When the claim was written, by the ledger's clock.
    pub claimed_at: Timestamp,
}

/// A lease to be renewed.
#[derive(Debug, Clone, Copy)]
pub struct Holding {
    /// The job.
    pub id: JobId,
    /// The attempt that runs.
    pub attempt: u32,
    /// From now until then.
    pub lease_ms: i64,
}

/// A lease that was renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The job.
    pub id: JobId,
    /// The attempt that runs.
    pub attempt: u32,
    /// Whether it is asked to stop.
    pub cancel_requested: bool,
}

/// What a running handler says.
#[derive(Debug, Clone)]
pub struct Note {
    /// The job.
    pub id: JobId,
    /// The attempt that says it.
    pub attempt: u32,
    /// How far it is.
    pub progress: Option<Progress>,
    /// What its next attempt should know.
    pub checkpoint: Option<String>,
    /// Log lines.
    pub lines: Vec<LogLine>,
    /// Log lines dropped over the limit since the last note.
    pub dropped: u32,
}

/// A line that a handler logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLine {
    /// When, by the worker's clock.
    pub at: Timestamp,
    /// `info`, `warn` or `error`.
    pub level: String,
    /// What.
    pub message: String,
}

/// Log lines that were kept together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogChunk {
    /// The attempt that wrote them.
    pub attempt: u32,
    /// The lines.
    pub lines: Vec<LogLine>,
    /// How many lines were dropped over the limit with them.
    pub dropped: u32,
}

/// A worker as the planner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Its name, unique per start.
    pub id: String,
    /// Slots per queue.
    pub slots: BTreeMap<QueueName, u32>,
    /// The kinds it runs.
    pub kinds: Vec<String>,
}

/// A term of leadership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leadership {
    /// Grows with every new holder: the leader's fencing token.
    pub epoch: i64,
}

/// The set of ready jobs that share every cap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LaneKey {
    /// The queue.
    pub queue: QueueName,
    /// The tenant.
    pub tenant: TenantId,
}

/// A place in a lane's order: priority from high to low, then id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeadKey {
    /// The priority.
    pub priority: std::cmp::Reverse<i16>,
    /// The job.
    pub id: JobId,
}

/// A ready job as the planner knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadyJob {
    /// The job.
    pub id: JobId,
    /// How many times it was claimed before.
    pub attempt: u32,
    /// Its lane.
    pub lane: LaneKey,
    /// Its kind.
    pub kind: String,
    /// Its priority.
    pub priority: i16,
}

/// A running job as the planner knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningJob {
    /// The job.
    pub id: JobId,
    /// The attempt that runs.
    pub attempt: u32,
    /// Its lane.
    pub lane: LaneKey,
}

/// What one batch of a verb tells the planner. Reading one twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedRow {
    /// Its place in the feed.
    pub seq: i64,
    /// What happened.
    pub events: Vec<FeedEvent>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedEvent {
    /// These became available.
    Ready(Vec<ReadyJob>),
    /// A ticket was presented: these run now, at these attempts; those were not taken.
    Claimed {
        /// The ticket, now used up.
        ticket: TicketId,
        /// What was claimed, with the attempts that began.
        claimed: Vec<(JobId, u32)>,
        /// Available still, but there were no slots.
        returned: Vec<JobId>,
    },
    /// These attempts ended.
    Freed(Vec<(JobId, u32)>),
    /// These left the available state without a claim.
    Gone(Vec<JobId>),
    /// Limits changed.
    Limits,
    /// A worker came or went.
    Workers,
    /// Jobs wait for a time not later than this one.
    Delayed(i64),
}

/// What a promotion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promoted {
    /// Jobs that went on.
    pub promoted: u64,
    /// When the next one is due; now or earlier where the limit cut.
    pub next_due: Option<Timestamp>,
}

/// What a prune deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many jobs.
    pub jobs: u64,
    /// The keys of objects that were these jobs' own and are nobody's now, in their order.
    pub objects: Vec<String>,
}

/// How long finished jobs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Completed and cancelled jobs.
    pub completed_ms: i64,
    /// Dead jobs.
    pub dead_ms: i64,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY_MS: i64 = 86_400_000;
        Self { completed_ms: 7 * DAY_MS, dead_ms: 90 * DAY_MS }
    }
}

/// The planner's counts, per queue and tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depths {
    /// When they were true, milliseconds since the epoch.
    pub at_ms: i64,
    /// The lanes that have anything.
    pub lanes: Vec<LaneDepth>,
}

/// One lane's counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneDepth {
    /// The lane.
    pub lane: LaneKey,
    /// Ready jobs, those handed out but not yet started included.
    pub ready: u64,
    /// Running jobs.
    pub running: u64,
    /// The oldest ready job's creation, milliseconds since the epoch.
    pub oldest_ms: Option<i64>,
}

/// Final states, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Outcomes {
    /// Completed jobs.
    pub completed: i64,
    /// Dead jobs.
    pub dead: i64,
    /// Cancelled jobs.
    pub cancelled: i64,
}

impl Outcomes {
    /// Counts `number` more jobs of this state, if it is final.
    pub const fn count(&mut self, state: State, number: i64) {
        match state {
            State::Completed => self.completed += number,
            State::Dead => self.dead += number,
            State::Cancelled => self.cancelled += number,
            _ => {}
        }
    }
}

/// Both sides of one tenant's conservation law.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Balance {
    /// The tenant.
    pub tenant: TenantId,
    /// Counted as jobs were accepted.
    pub accepted: i64,
    /// Counted from the rows, pruned ones included.
    pub completed: i64,
    /// The same.
    pub dead: i64,
    /// The same.
    pub cancelled: i64,
    /// Rows in no final state.
    pub live: i64,
    /// How many of the final ones were pruned.
    pub pruned: i64,
    /// Counted as outcomes were accepted; a redrive takes its job's back.
    pub outcomes: Outcomes,
}

impl Balance {
    /// accepted = completed + dead + cancelled + live, and every outcome was accepted once.
    pub const fn holds(&self) -> bool {
        self.accepted == self.completed + self.dead + self.cancelled + self.live
            && self.outcomes.completed == self.completed
            && self.outcomes.dead == self.dead
            && self.outcomes.cancelled == self.cancelled
    }
}
