//! What the roles take and return: claims and tickets, what a handler says, lanes, the feed, depths and balances.
//!
//! Plain values: what they mean to a verb is said at the verb, in `mod.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    job::{Job, JobId, Progress, State},
    lifecycle::Snapshot,
    queue::QueueName,
    schedule::{Fire, Schedule, ScheduleId},
    status::Planning,
    tenant::TenantId,
};

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

/// A page of a list: `size` jobs older than `before`, or fewer where they are large.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The last job of the page before.
    pub before: Option<JobId>,
    /// At most this many.
    pub size: usize,
    /// No job comes behind this many bytes of payloads and results, so that a page of large jobs fits in memory.
    pub bytes_max: usize,
}

/// The jobs of a page.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Newest first; none only where there are no more.
    pub jobs: Vec<Job>,
    /// Whether older ones fit the filter too.
    pub more: bool,
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

/// A queue has work that may start: the planner has looked after caps, rates and pauses before it made a ticket of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The queue.
    pub queue: QueueName,
    /// For how long its oldest ticket has been waiting.
    pub age_ms: i64,
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
    /// When it was written, milliseconds since the epoch; 0 where whoever wrote it did not say.
    #[serde(default)]
    pub at_ms: i64,
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
    /// Jobs or schedules wait for a time not later than this one. Schedules have no event of their own, since a row of the
    /// feed with one would stop a scheduler of the release before.
    Delayed(i64),
}

/// What a promotion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promoted {
    /// The ledger's clock when this ended.
    pub now: Timestamp,
    /// Jobs that went on.
    pub promoted: u64,
    /// When the next one is due; now or earlier where the limit cut.
    pub next_due: Option<Timestamp>,
    /// For how long the oldest of what was due had been, when this began.
    pub lag_ms: i64,
}

/// What names a schedule to its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleKey {
    /// Its id.
    Id(ScheduleId),
    /// Its name.
    Name(String),
}

/// What became of a schedule that was to be kept or changed.
#[derive(Debug, Clone)]
pub enum Edited {
    /// It stands like this now.
    Done(Box<Schedule>),
    /// There is none.
    Missing,
    /// It has changed since it was seen: it stands at this version.
    Stale(u32),
    /// Another schedule of the tenant has the name.
    NameTaken,
}

/// Fires that were decided.
#[derive(Debug, Clone, Default)]
pub struct Fired {
    /// Each of them.
    pub fires: Vec<Decided>,
    /// How many schedules went on.
    pub schedules: usize,
    /// When the next schedule is due; now or earlier where the limit cut.
    pub next_due: Option<Timestamp>,
    /// For how long the oldest of what was due had been, when this began.
    pub lag_ms: i64,
}

/// A fire, and whose it is.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The schedule.
    pub schedule: ScheduleId,
    /// Its name.
    pub name: String,
    /// Its tenant.
    pub tenant: TenantId,
    /// What became of it.
    pub fire: Fire,
    /// Whether it had been queued before this.
    pub waited: bool,
}

/// What a prune deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many jobs.
    pub jobs: u64,
    /// The keys of objects that were these jobs' own and are nobody's now, in their order.
    pub objects: Vec<String>,
    /// How much longer than its retention the oldest of them was kept.
    pub over_ms: i64,
    /// Whether more of the ledger is still to be walked through before the walk begins anew.
    pub goes_on: bool,
}

/// What a look of the scrubber came across.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Where the next look goes on; none at the end of the ledger.
    pub next: Option<JobId>,
    /// How many jobs were looked at.
    pub jobs: u64,
    /// How many due times were missing.
    pub delayed: u64,
    /// How many running jobs no lease row named.
    pub leases: u64,
    /// Those that are available, in the order of their ids: the planner must know of them.
    pub ready: Vec<ReadyJob>,
}

/// How long what is over is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Completed and cancelled jobs.
    pub completed_ms: i64,
    /// Dead jobs.
    pub dead_ms: i64,
    /// What became of the fires of schedules.
    pub fires_ms: i64,
    /// What hooks were told.
    pub events_ms: i64,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY_MS: i64 = 86_400_000;
        Self { completed_ms: 7 * DAY_MS, dead_ms: 90 * DAY_MS, fires_ms: 30 * DAY_MS, events_ms: 30 * DAY_MS }
    }
}

/// The planner's counts, per queue and tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depths {
    /// When they were true, milliseconds since the epoch.
    pub at_ms: i64,
    /// The lanes that have anything.
    pub lanes: Vec<LaneDepth>,
    /// What the planner's process says of itself and the duties.
    #[serde(default)]
    pub planning: Option<Planning>,
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
