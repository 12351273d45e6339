//! The ledger in memory: plain maps under one lock, as simple as the contract allows. It is the oracle that
//! the SQLite and PostgreSQL ledgers are judged by.
//!
//! Never durable and never fast: where a loop over all jobs is the plainest way to say it, it loops.
//! Each role is in the file of its name; here is what they share: the tables, and how a change is written.

mod approved;
mod children;
mod deliveries;
mod effects;
mod hooks;
mod inspect;
mod intake;
mod library;
mod records;
mod syncs;
mod timetable;
mod translations;
mod upkeep;
mod vault;
mod wordings;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use serde_json::value::RawValue;
use tokio::sync::broadcast;

use super::{Balance, Depths, FeedEvent, FeedRow, LaneKey, LogChunk, Outcomes, ReadyJob, Ticket, WorkerRecord};
use crate::{
    artifact::Artifact,
    clock::{Clock, Timestamp},
    connection::{Connection, ConnectionId, TenantKey},
    contract::Contract,
    effect::Kept,
    hook::{Event, EventId, Hook},
    job::{Attempt, Job, JobId, State},
    keys::{Answer, Written},
    library::{Edition, Role},
    lifecycle::{Change, Guard, Snapshot},
    notification::{approved::Approved, delivery::Delivery, locale::Locale, wording::Wording},
    queue::{LimitScope, Limits, QueueName},
    schedule::{Fire, Schedule, ScheduleId},
    sync::{
        SyncId,
        state::{Item, RowError, Run, Sync},
    },
    tenant::TenantId,
    translation::{Hash, Translated},
};

/// A receiver that lags by more nudges than this misses some and looks into the feed.
const NUDGES_KEPT: usize = 1_024;

/// A ledger in memory.
pub struct ModelLedger {
    clock: Arc<dyn Clock>,
    tables: Mutex<Tables>,
    nudges: broadcast::Sender<Arc<FeedRow>>,
}

impl ModelLedger {
    /// An empty ledger that stamps by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, tables: Mutex::default(), nudges: broadcast::Sender::new(NUDGES_KEPT) }
    }

    /// Forgets every side row, as no verb ever does: what the scrubber is for.
    pub fn lose_side_rows(&self) {
        let mut tables = self.tables.lock().expect("no verb panics while it holds the tables");
        tables.feed.clear();
        tables.delayed.clear();
        tables.leases.clear();
    }

    /// Sets every schedule back by so much, as no verb ever does.
    pub fn rewind_schedules(&self, by_ms: i64) {
        let mut tables = self.tables.lock().expect("no verb panics while it holds the tables");
        for schedule in tables.schedules.values_mut() {
            schedule.next_fire_at = schedule.next_fire_at.map(|next| next.plus_ms(-by_ms));
            schedule.due_at = schedule.due_at.map(|due_at| due_at.plus_ms(-by_ms));
        }
    }

    /// Runs a verb as one transaction: alone, at one instant, with one feed row for all that it tells.
    fn transact<T>(&self, verb: impl FnOnce(&mut Tables, Timestamp, &mut Told) -> T) -> T {
        let mut tables = self.tables.lock().expect("no verb panics while it holds the tables");
        let mut told = Told::default();
        let answer = verb(&mut tables, self.clock.now(), &mut told);
        let events = told.into_events();
        if !events.is_empty() {
            tables.feed_seq += 1;
            let row = FeedRow { seq: tables.feed_seq, at_ms: self.clock.now().ms(), events };
            tables.feed.insert(row.seq, row.clone());
            // Nobody need listen: a nudge is a hint.
            let _ = self.nudges.send(Arc::new(row));
        }
        answer
    }

    fn read<T>(&self, look: impl FnOnce(&Tables) -> T) -> T {
        look(&self.tables.lock().expect("no verb panics while it holds the tables"))
    }
}

#[derive(Default)]
struct Tables {
    jobs: BTreeMap<JobId, Job>,
    /// Attempts that the job's own row no longer tells of.
    attempts: BTreeMap<(JobId, u32), Attempt>,
    logs: BTreeMap<JobId, Vec<LogChunk>>,
    artifacts: BTreeMap<(JobId, String), Artifact>,
    effects: BTreeMap<(JobId, String), Kept>,
    deliveries: BTreeMap<(JobId, String), Delivery>,
    hooks: BTreeMap<ConnectionId, Hook>,
    events: BTreeMap<EventId, Event>,
    delayed: BTreeSet<Delayed>,
    leases: Vec<Lease>,
    feed: BTreeMap<i64, FeedRow>,
    feed_seq: i64,
    accepted: BTreeMap<TenantId, i64>,
    /// Counted as outcomes are accepted; a redrive takes its job's back.
    outcomes: BTreeMap<TenantId, Outcomes>,
    pruned: BTreeMap<TenantId, Balance>,
    limits: BTreeMap<(QueueName, LimitScope), Limits>,
    workers: BTreeMap<String, Enrolled>,
    contracts: BTreeMap<(String, u32), Contract>,
    leaders: BTreeMap<String, Leader>,
    tickets: Vec<Issued>,
    /// First answers to idempotency keys.
    answers: BTreeMap<KeyName, Answered>,
    /// Who holds a unique key.
    holders: BTreeMap<KeyName, JobId>,
    depths: Option<Depths>,
    schedules: BTreeMap<ScheduleId, Schedule>,
    fires: BTreeMap<(ScheduleId, Timestamp), Fire>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Until when the rows of calls through connections are taken, in microseconds.
    taken_until_us: BTreeMap<ConnectionId, i64>,
    tenant_keys: BTreeMap<TenantId, TenantKey>,
    bundles: BTreeMap<(TenantId, Role, String, String), Edition>,
    /// By name and language; deleted ones too, so that no number is given twice.
    wordings: BTreeMap<(TenantId, String, Locale), Worded>,
    default_locales: BTreeMap<TenantId, Locale>,
    syncs: BTreeMap<SyncId, Synced>,
    records: BTreeMap<records::RecordName, Row>,
    /// The greatest version of a record of a collection that is gone.
    floors: BTreeMap<(TenantId, String), i64>,
    /// Look-up fields of collections, and whether the records that were there before are known by them.
    fields: BTreeMap<(TenantId, String), BTreeMap<String, bool>>,
    /// When they were last asked for, and what there was.
    /// Each template with the time as of which it is known.
    approved: BTreeMap<ConnectionId, (Timestamp, Vec<(Timestamp, Approved)>)>,
    /// With when their use was last noted.
    translations: BTreeMap<(TenantId, Hash), (Timestamp, Translated)>,
}

/// A sync, and what is kept of it.
struct Synced {
    sync: Sync,
    runs: BTreeMap<u32, Run>,
    items: BTreeMap<String, Item>,
    /// Row errors of the last run.
    errors: Vec<(u32, RowError)>,
    conflicts: BTreeMap<String, syncs::Conflict>,
}

/// A record, without its name.
struct Row {
    data: String,
    hash: [u8; 32],
    version: i64,
    sync: Option<SyncId>,
    created_at: Timestamp,
    updated_at: Timestamp,
    deleted_at: Option<Timestamp>,
}

/// Whose key it is, and the key.
type KeyName = (TenantId, String);

/// The first answer to a submission with an idempotency key.
struct Answered {
    fingerprint: [u8; 32],
    answer: Answer,
    expires_at: Timestamp,
}

/// A template in a language.
#[derive(Default)]
struct Worded {
    /// The number that was given last.
    version: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// What is kept, oldest first; nothing where it was deleted.
    versions: Vec<Wording>,
}

/// When to look at a job again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Delayed {
    due: Timestamp,
    tenant: TenantId,
    id: JobId,
}

/// Whom to look at when a lease runs out.
struct Lease {
    expires_at: Timestamp,
    ids: Vec<JobId>,
}

/// A ticket that nobody has presented.
struct Issued {
    ticket: Ticket,
    at: Timestamp,
}

struct Enrolled {
    record: WorkerRecord,
    seen_at: Timestamp,
}

struct Leader {
    holder: String,
    epoch: i64,
    expires_at: Timestamp,
}

impl Tables {
    /// Writes a change where its guard holds, and all that goes with it.
    fn write(&mut self, change: &Change, now: Timestamp, told: &mut Told) -> Written {
        let Some(before) = self.jobs.get(&change.id).filter(|job| holds(&change.guard, job)).cloned() else {
            return Written::Stale;
        };
        if let Some(holder) = self.hold_or_release(&before, change.state) {
            return Written::KeyHeld(holder);
        }
        let after = applied(change, &before, now);
        if let Some(over) = attempt_to_keep(change, &before, &after, now) {
            self.attempts.entry((before.id, before.attempt)).or_insert(over);
        }
        if change.ends_attempt() {
            told.freed.push((before.id, before.attempt));
        }
        if before.state == State::Available && after.state != State::Available {
            told.gone.push(before.id);
        }
        let outcomes = self.outcomes.entry(before.tenant.clone()).or_default();
        outcomes.count(before.state, -1);
        outcomes.count(after.state, 1);
        self.put(after, told);
        Written::Done
    }

    /// A job that ends lets go of its unique key, one that lives again needs it. Returns who holds it instead.
    fn hold_or_release(&mut self, before: &Job, state: State) -> Option<JobId> {
        let name = (before.tenant.clone(), before.unique_key.clone()?);
        if state.is_final() {
            self.holders.remove(&name);
        } else if before.state.is_final() {
            let holder = *self.holders.entry(name).or_insert(before.id);
            return (holder != before.id).then_some(holder);
        }
        None
    }

    /// Puts a job where it now stands. One that waits will be found again: a ready one by the planner, one
    /// with a due time by `promote`.
    fn put(&mut self, job: Job, told: &mut Told) {
        if job.state == State::Available {
            told.ready.push(ready_job(&job));
        }
        if let Some(due) = due(&job) {
            told.due(due);
            self.delayed.insert(Delayed { due, tenant: job.tenant.clone(), id: job.id });
        }
        self.jobs.insert(job.id, job);
    }

    fn running(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().filter(|job| job.state == State::Running)
    }
}

fn holds(guard: &Guard, job: &Job) -> bool {
    let lease_as_seen = guard.lease_until.is_none() || guard.lease_until == job.lease_until;
    job.state == guard.state && job.attempt == guard.attempt && job.cancel_requested == guard.cancel_requested && lease_as_seen
}

/// The job as the change leaves it.
fn applied(change: &Change, before: &Job, now: Timestamp) -> Job {
    let mut job = before.clone();
    job.state = change.state;
    job.forgiven = change.forgiven;
    job.crashes = change.crashes;
    job.cancel_requested = change.cancel_requested;
    job.finished_at = change.state.is_final().then_some(now);
    if let Some(delay_ms) = change.delay_ms {
        job.run_at = now.plus_ms(delay_ms);
    }
    if change.lifts_deadline {
        job.deadline = None;
    }
    if change.ends_attempt() {
        job.lease_until = None;
    }
    if let Some(verdict) = change.verdict.clone() {
        job.outcome = verdict.outcome;
        job.reason = verdict.reason;
        job.error = verdict.error;
        job.result = verdict.result.map(|json| RawValue::from_string(json).expect("a result is JSON text"));
    }
    job
}

/// The attempt that the job's row no longer tells of after the change: one that ended without ending the job,
/// or one whose record a redrive clears.
fn attempt_to_keep(change: &Change, before: &Job, after: &Job, now: Timestamp) -> Option<Attempt> {
    if change.ends_attempt() && !after.state.is_final() {
        return latest_attempt(after).map(|attempt| Attempt { finished_at: Some(now), ..attempt });
    }
    if before.state.is_final() && before.outcome.is_some() {
        return latest_attempt(before);
    }
    None
}

/// The latest attempt as the job's row tells of it; none before the first claim.
fn latest_attempt(job: &Job) -> Option<Attempt> {
    Some(Attempt {
        attempt: job.attempt,
        worker: job.worker.clone()?,
        started_at: job.started_at?,
        finished_at: job.finished_at,
        outcome: job.outcome,
        reason: job.reason,
        // What stands there while it runs is the error of the attempt before.
        error: job.error.clone().filter(|_| job.state != State::Running),
    })
}

/// When time alone changes something for the job.
fn due(job: &Job) -> Option<Timestamp> {
    match job.state {
        State::Scheduled | State::Retryable => Some(job.deadline.map_or(job.run_at, |deadline| deadline.min(job.run_at))),
        State::Available | State::Held => job.deadline,
        State::Running | State::Completed | State::Dead | State::Cancelled => None,
    }
}

fn lane(job: &Job) -> LaneKey {
    LaneKey { queue: job.queue.clone(), tenant: job.tenant.clone() }
}

fn ready_job(job: &Job) -> ReadyJob {
    ReadyJob { id: job.id, attempt: job.attempt, lane: lane(job), kind: job.kind.clone(), priority: job.priority }
}

const fn snapshot(job: &Job) -> Snapshot {
    Snapshot {
        id: job.id,
        state: job.state,
        attempt: job.attempt,
        forgiven: job.forgiven,
        crashes: job.crashes,
        max_attempts: job.max_attempts,
        cancel_requested: job.cancel_requested,
        run_at: job.run_at,
        deadline: job.deadline,
        lease_until: job.lease_until,
    }
}

/// What a verb tells the planner, gathered while it runs.
#[derive(Default)]
struct Told {
    ready: Vec<ReadyJob>,
    freed: Vec<(JobId, u32)>,
    gone: Vec<JobId>,
    due: Option<Timestamp>,
    other: Vec<FeedEvent>,
}

impl Told {
    /// Something waits until then.
    fn due(&mut self, due: Timestamp) {
        self.due = Some(self.due.map_or(due, |earliest| earliest.min(due)));
    }

    fn into_events(self) -> Vec<FeedEvent> {
        let mut events = self.other;
        if !self.freed.is_empty() {
            events.push(FeedEvent::Freed(self.freed));
        }
        if !self.gone.is_empty() {
            events.push(FeedEvent::Gone(self.gone));
        }
        if !self.ready.is_empty() {
            events.push(FeedEvent::Ready(self.ready));
        }
        if let Some(due) = self.due {
            events.push(FeedEvent::Delayed(due.ms()));
        }
        events
    }
}
