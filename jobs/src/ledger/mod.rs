//! The durable truth: every job, its state, attempts, leases and limits, and what belongs to it, behind seventeen roles.
//!
//! A process is handed only the roles it needs: the api `Intake + Inspect + Timetable + Effects + Connections + Library + Wordings + Deliveries +
//! Hooks + Approvals + Syncs + Records`, a worker `Work + Effects + Connections` and what handlers reach ([`Reach`]), the scheduler `Upkeep + Connections`. The ledger
//! decides nothing: it writes decided [`Change`]s where their guards hold, and keeps the side rows true (`feed`, `leases`, `delayed`; they may be
//! stale or double, never missing).
//! Time is the ledger's: what it writes is stamped by its own clock.
//! Roles of messages and of what providers say are in `messaging.rs`, those of syncs and records in `syncing.rs`.
//! Three ledgers keep this contract: `model.rs` (in memory, the oracle), `sqlite/` and `postgres/`.
//! Next on a job's path: `dispatch/mod.rs`.

mod approved;
mod cover;
mod deliveries;
pub mod error;
mod guarded;
mod hooks;
mod keyed;
mod library;
mod messaging;
pub mod model;
pub mod postgres;
mod records;
mod rows;
pub mod schema;
mod side;
pub mod sqlite;
mod syncing;
mod syncs;
mod timetable;
pub mod transfer;
mod translations;
mod vault;
mod wordings;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;

pub use self::{
    error::{Error, Result},
    messaging::{Approvals, Deliveries, Hooks, Translations, Wordings},
    records::{
        Balance, Claim, Claimed, Decided, Depths, Edited, FeedEvent, FeedRow, Fired, HeadKey, Held, Holding, LaneDepth, LaneKey,
        Leadership, ListFilter, Listed, LogChunk, LogLine, Note, Offer, Outcomes, Page, Promoted, Pruned, ReadyJob, Retention, RunningJob,
        ScheduleKey, Scrubbed, Ticket, TicketId, WorkerRecord,
    },
    syncing::{Records, Syncs},
};
use crate::{
    artifact::Artifact,
    children::Child,
    clock::Timestamp,
    connection::{self, Connection, ConnectionId, NewConnection, Stored, TenantKey},
    contract::Contract,
    effect::{Intended, Intent, Kept, Turn},
    job::{Attempt, Job, JobId},
    keys::{Inserted, Written},
    library::{Asking, Edition, Entry, Role},
    lifecycle::{Change, Snapshot},
    pace,
    queue::{LimitScope, Limits, LimitsPatch, QueueName},
    schedule::{Definition, Edit, Fire, FireStatus, Placed, Rules, Schedule, ScheduleId},
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

    /// Changes the limits of a lane or of a whole queue, and returns what stands then. Two changes at once both take
    /// effect.
    async fn set_limits(&self, queue: &QueueName, scope: &LimitScope, patch: LimitsPatch) -> Result<Limits>;
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
    async fn list(&self, tenant: &TenantId, filter: &ListFilter, page: Page) -> Result<Listed>;

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

    /// When the schedule is due that is looked at first.
    async fn first_due(&self) -> Result<Option<Timestamp>>;

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

    /// What waits in the ledger for a worker of these queues that knows these kinds: one offer for each queue that has a
    /// ticket. A look only.
    async fn on_offer(&self, queues: &[QueueName], kinds: &[String]) -> Result<Vec<Offer>>;

    /// What a decision about these jobs looks at; jobs that are gone are left out.
    async fn reread(&self, ids: Vec<JobId>) -> Result<Vec<Snapshot>>;

    /// Keeps what running handlers say. Notes of attempts that are over are dropped.
    async fn note(&self, notes: Vec<Note>) -> Result<()>;

    /// Records a file that a running attempt (the artifact's own) made, in the place of one of that name. Returns
    /// whether the attempt still runs; if not, nothing is recorded.
    async fn record_artifact(&self, id: JobId, artifact: Artifact) -> Result<bool>;
}

/// Keeping schedules.
#[async_trait]
pub trait Timetable: Send + Sync {
    /// Keeps a schedule that begins at the ledger's now, unless the tenant has one of its name. An insert whose answer was
    /// lost can be repeated with the same id.
    async fn create_schedule(&self, id: ScheduleId, tenant: &TenantId, definition: Definition) -> Result<Edited>;

    /// Changes a schedule of the tenant: what it expected until now is decided first, by what it said until now. With
    /// `seen`, only while it stands at that version.
    async fn edit_schedule(&self, tenant: &TenantId, id: ScheduleId, seen: Option<u32>, edit: Edit, rules: &Rules) -> Result<Edited>;

    /// Deletes a schedule of the tenant with its fires. Returns whether there was one. Jobs that it made stay.
    async fn delete_schedule(&self, tenant: &TenantId, id: ScheduleId) -> Result<bool>;

    /// Fires a schedule of the tenant now, whatever it expects; none where there is no such schedule.
    async fn run_schedule(&self, tenant: &TenantId, id: ScheduleId, rules: &Rules) -> Result<Option<std::result::Result<Fire, Placed>>>;

    /// One schedule of the tenant.
    async fn schedule(&self, tenant: &TenantId, by: &ScheduleKey) -> Result<Option<Schedule>>;

    /// At most `limit` of the tenant's schedules, by name, after that of this name.
    async fn schedules(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Schedule>>;

    /// At most `limit` of a schedule's fires, latest first, before this instant, of this status if one is given. Empty where
    /// the tenant has no such schedule.
    async fn fires(
        &self,
        tenant: &TenantId,
        id: ScheduleId,
        status: Option<FireStatus>,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Fire>>;
}

/// Keeping bundles. Every verb is a tenant's: another's bundles are not there.
#[async_trait]
pub trait Library: Send + Sync {
    /// Keeps a version of a bundle, stamped by the ledger's clock, unless there is one already. Returns what stands, and whether
    /// it is new.
    async fn publish_bundle(&self, tenant: &TenantId, edition: Edition) -> Result<(Edition, bool)>;

    /// One version of a bundle.
    async fn bundle(&self, tenant: &TenantId, role: Role, name: &str, version: &str) -> Result<Option<Edition>>;

    /// Every version of a bundle, in no order and with empty manifests, which are large.
    async fn bundle_versions(&self, tenant: &TenantId, role: Role, name: &str) -> Result<Vec<Edition>>;

    /// At most `limit` bundles, by name, after that of this name.
    async fn bundles(&self, tenant: &TenantId, role: Role, after: Option<&str>, limit: usize) -> Result<Vec<Entry>>;

    /// What every version of these bundles asks of others, in no order.
    async fn shelf(&self, tenant: &TenantId, role: Role, names: &[String]) -> Result<Vec<Asking>>;
}

/// Jobs that a job makes, and how they fare.
#[async_trait]
pub trait Children: Send + Sync {
    /// Keeps these jobs in one transaction, if this attempt of their parent runs and nobody asked it to stop; returns whether it does. One
    /// whose id is there already counts as kept, so that a parent that was killed repeats itself. Their times count from
    /// the ledger's now: `run_at` is a delay. Children have no keys.
    async fn bear(&self, parent: JobId, attempt: u32, children: Vec<NewJob>) -> Result<bool>;

    /// How these jobs of the tenant stand, in no order; those that are gone are left out.
    async fn children(&self, tenant: &TenantId, ids: &[JobId]) -> Result<Vec<Child>>;
}

/// What jobs did to the outside world.
#[async_trait]
pub trait Effects: Send + Sync {
    /// Writes an intent, if the attempt runs and its job has no effect of this key; otherwise says what there is. Durable when it
    /// returns.
    async fn intend(&self, intent: Intent) -> Result<Intended>;

    /// Writes a decided change. Returns whether its guard held: the version, and that the attempt runs where that is asked for. One
    /// that stands there already, by its mark, counts as written.
    async fn turn_effect(&self, turn: Turn) -> Result<bool>;

    /// A job's effects, by key. Empty where the tenant has no such job.
    async fn effects(&self, tenant: &TenantId, job: JobId) -> Result<Vec<Kept>>;

    /// The effect that whoever has this token reports on, by the token's SHA-256, and the ledger's now.
    async fn awaited(&self, callback: &[u8; 32]) -> Result<Option<(Kept, Timestamp)>>;
}

/// Keeping connections, and the keys that seal their secrets. Never sees a secret.
#[async_trait]
pub trait Connections: Send + Sync {
    /// Keeps a connection. An insert whose answer was lost can be repeated with the same id.
    async fn create_connection(&self, new: NewConnection) -> Result<Stored>;

    /// The tenant's connection of this name.
    async fn connection(&self, tenant: &TenantId, name: &str) -> Result<Option<Connection>>;

    /// At most `limit` of the tenant's connections, by name, after that of this name.
    async fn connections(&self, tenant: &TenantId, after: Option<&str>, limit: usize) -> Result<Vec<Connection>>;

    /// Writes a decided change of a connection that still stands at the version that was seen.
    async fn change_connection(&self, tenant: &TenantId, id: ConnectionId, seen: u32, change: connection::Change) -> Result<Stored>;

    /// Deletes a connection of the tenant, secrets and all. Returns whether there was one.
    async fn delete_connection(&self, tenant: &TenantId, id: ConnectionId) -> Result<bool>;

    /// Notes that a connection was used now. Whoever uses it often says so once a minute.
    async fn touch_connection(&self, tenant: &TenantId, id: ConnectionId) -> Result<()>;

    /// Takes a place in the row of calls that go through a connection, which are `apart_us` from each other, unless it would be longer
    /// than `patience_us` until then. None where there is no such connection.
    async fn take_turn(&self, tenant: &TenantId, id: ConnectionId, apart_us: i64, patience_us: i64) -> Result<Option<pace::Turn>>;

    /// The tenant's key, wrapped.
    async fn tenant_key(&self, tenant: &TenantId) -> Result<Option<TenantKey>>;

    /// Keeps this key unless the tenant has one. Returns the one that stands.
    async fn keep_tenant_key(&self, key: TenantKey) -> Result<TenantKey>;

    /// Writes another wrapping of a key that is still wrapped by the master key `seen`. Returns whether it was.
    async fn rewrap_tenant_key(&self, key: TenantKey, seen: &str) -> Result<bool>;

    /// At most `limit` of the keys that other master keys than this one wrap, by tenant, after this one.
    async fn tenant_keys_not_by(&self, master: &str, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantKey>>;

    /// How many tenants' keys each master key wraps, by its id.
    async fn wrappings(&self) -> Result<Vec<(String, u64)>>;

    /// Destroys the tenant's key, and what it sealed with it. Returns whether there was one.
    async fn destroy_tenant_key(&self, tenant: &TenantId) -> Result<bool>;
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

    /// Promotes due jobs, at most `limit` and at most [`BATCH_MAX`], the tenants in turn. It is one short commit: whoever has more to
    /// promote calls again, and others write in between.
    async fn promote(&self, limit: usize) -> Result<Promoted>;

    /// Decides what is due of at most `limit` schedules, each with its jobs in the same transaction.
    async fn fire(&self, rules: &Rules, limit: usize) -> Result<Fired>;

    /// Forgets fires whose instants are longer ago than this, at most `limit`; never one that somebody waits for. Returns how
    /// many.
    async fn forget_fires(&self, kept_ms: i64, limit: usize) -> Result<u64>;

    /// Forgets events of hooks that came longer ago than this, at most `limit`. Returns how many.
    async fn forget_events(&self, kept_ms: i64, limit: usize) -> Result<u64>;

    /// Forgets what a deleted sync remembers, at most `limit` rows. Returns how many it found.
    async fn forget_items(&self, limit: usize) -> Result<u64>;

    /// Goes through records of a collection that got a look-up field or lost one, at most `limit`. Returns how many it found.
    async fn index_records(&self, limit: usize) -> Result<u64>;

    /// Forgets translations of one tenant that were not used for so long, at most `limit`. Returns how many.
    async fn forget_translations(&self, unused_ms: i64, limit: usize) -> Result<u64>;

    /// Ends attempts whose leases ran out, looking at `limit` leases per commit. With `incarnation_over`, all that run:
    /// for a ledger whose only process has just started.
    async fn reap(&self, limit: usize, incarnation_over: bool) -> Result<u64>;

    /// When the lease ran or runs out that is looked at first.
    async fn first_expiry(&self) -> Result<Option<Timestamp>>;

    /// Deletes what finished longer ago than the retention, at most `limit` jobs, and folds it into the totals.
    async fn prune(&self, retention: Retention, limit: usize) -> Result<Pruned>;

    /// Forgets answers to idempotency keys whose time is over, at most `limit`. Returns how many.
    async fn forget_keys(&self, limit: usize) -> Result<u64>;

    /// Looks at the jobs after `after` in the order of their ids, at most `limit`, and puts back what they need to be found
    /// again and have not. What is stale or double stays.
    async fn scrub(&self, after: Option<JobId>, limit: usize) -> Result<Scrubbed>;

    /// Tells the planner anew of those of these jobs that are available still, at these attempts. Returns how many are.
    async fn announce(&self, jobs: Vec<ReadyJob>) -> Result<u64>;

    /// Publishes what the planner knows of the queues, stamped by the ledger's clock.
    async fn publish_depths(&self, depths: Depths) -> Result<()>;

    /// What the feed says as it is committed. Lossy: a receiver that lags must look into the feed.
    fn nudges(&self) -> broadcast::Receiver<Arc<FeedRow>>;
}

/// A ledger in all its roles.
pub trait Ledger: Intake + Inspect + Timetable + Reach + Work + Effects + Connections + Upkeep {}
impl<L: Intake + Inspect + Timetable + Reach + Work + Effects + Connections + Upkeep> Ledger for L {}

/// Files that other jobs of the tenant made.
#[async_trait]
pub trait Files: Send + Sync {
    /// A job's files, by name. Empty where the tenant has no such job.
    async fn files(&self, tenant: &TenantId, job: JobId) -> Result<Vec<Artifact>>;
}

#[async_trait]
impl<L: Inspect + ?Sized> Files for L {
    async fn files(&self, tenant: &TenantId, job: JobId) -> Result<Vec<Artifact>> {
        self.artifacts(tenant, job).await
    }
}

/// What handlers use of a ledger, beside the effects that `Context::effect` keeps for them.
pub trait Reach: Library + Children + Files + Wordings + Deliveries + Hooks + Approvals + Syncs + Records + Translations {}
impl<L: Library + Children + Files + Wordings + Deliveries + Hooks + Approvals + Syncs + Records + Translations + ?Sized> Reach for L {}
