//! What the rest of a SQL ledger must know of a write: kept attempts, due times, and the feed's events.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::{BATCH_MAX, FeedEvent, Outcomes, ReadyJob, Result, Retention, rows::WrittenRow};
use crate::{
    backoff::reap_jitter,
    clock::Timestamp,
    job::{JobId, State},
    lifecycle::{self, Change, Snapshot},
    queue::LimitScope,
    submit::NewJob,
};

/// When to look at a job again.
#[derive(Debug)]
pub(super) struct Delay {
    pub bucket: i16,
    pub due_at: Timestamp,
    pub id: JobId,
}

impl Delay {
    /// A waiting job is due at its `run_at` or at its deadline, an available one at its deadline only.
    pub(super) fn of(state: State, id: JobId, tenant: &str, run_at: Timestamp, deadline: Option<Timestamp>) -> Option<Self> {
        let due_at = match state {
            State::Scheduled | State::Retryable => Some(deadline.map_or(run_at, |deadline| deadline.min(run_at))),
            State::Available | State::Held => deadline,
            _ => None,
        };
        due_at.map(|due_at| Self { bucket: delay_bucket(tenant), due_at, id })
    }
}

/// The keys among these that are the jobs' own, in their order.
pub(super) fn own_objects(kept: Vec<(Uuid, String)>, own: &HashMap<Uuid, String>) -> Vec<String> {
    let is_own = |(id, key): &(Uuid, String)| own.get(id).is_some_and(|prefix| key.starts_with(prefix));
    let mut keys: Vec<String> = kept.into_iter().filter(is_own).map(|(_, key)| key).collect();
    keys.sort();
    keys
}

/// The side rows of one batch.
#[derive(Debug, Default)]
pub(super) struct SideRows {
    /// Attempts to be kept, by job.
    pub kept: Vec<JobId>,
    /// Due times to be remembered.
    pub delays: Vec<Delay>,
    /// What the planner is told.
    pub events: Vec<FeedEvent>,
    /// Outcomes that were accepted, and those that a redrive takes back, by tenant.
    pub outcomes: BTreeMap<String, Outcomes>,
    /// Unique keys that are free now, in the order of their names.
    pub released: Vec<Released>,
}

/// A unique key whose job ended.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Released {
    pub tenant: String,
    pub key: String,
    pub job: JobId,
}

impl SideRows {
    /// Of jobs that were inserted.
    pub(super) fn of_insert(jobs: &[&NewJob]) -> Self {
        let delays = jobs.iter().filter_map(|job| Delay::of(job.state, job.id, job.tenant.as_str(), job.run_at, job.deadline)).collect();
        let ready: Vec<_> = jobs.iter().filter(|job| job.state == State::Available).map(|job| job.ready()).collect();
        let mut side = Self { delays, ..Self::default() };
        side.tell(FeedEvent::Ready(ready));
        side.tell_delays();
        side
    }

    /// Due times alone.
    pub(super) fn of_delays(delays: Vec<Delay>) -> Self {
        let mut side = Self { delays, ..Self::default() };
        side.tell_delays();
        side
    }

    /// Of the changes that were written.
    pub(super) fn of_changes(changes: &[&Change], written: &HashMap<JobId, WrittenRow>) -> Result<Self> {
        let mut side = Self::default();
        let (mut ready, mut freed, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        for change in changes {
            let Some(row) = written.get(&change.id) else { continue };
            if change.ends_attempt() {
                freed.push((change.id, change.guard.attempt));
                if !change.state.is_final() {
                    side.kept.push(change.id);
                }
            }
            if change.state == State::Available {
                ready.push(row.ready()?);
            } else if change.guard.state == State::Available {
                gone.push(change.id);
            }
            if change.state.is_final() || change.guard.state.is_final() {
                let outcomes = side.outcomes.entry(row.tenant.clone()).or_default();
                outcomes.count(change.guard.state, -1);
                outcomes.count(change.state, 1);
            }
            if let (true, Some(key)) = (change.state.is_final(), &row.unique_key) {
                side.released.push(Released { tenant: row.tenant.clone(), key: key.clone(), job: change.id });
            }
            let (run_at, deadline) = (Timestamp::from_ms(row.run_at_ms), row.deadline_at_ms.map(Timestamp::from_ms));
            side.delays.extend(Delay::of(change.state, change.id, &row.tenant, run_at, deadline));
        }
        side.tell(FeedEvent::Freed(freed));
        side.tell(FeedEvent::Ready(ready));
        side.tell(FeedEvent::Gone(gone));
        side.tell_delays();
        side.released.sort();
        Ok(side)
    }

    fn tell(&mut self, event: FeedEvent) {
        let empty = match &event {
            FeedEvent::Ready(jobs) => jobs.is_empty(),
            FeedEvent::Freed(attempts) => attempts.is_empty(),
            FeedEvent::Gone(ids) => ids.is_empty(),
            _ => false,
        };
        if !empty {
            self.events.push(event);
        }
    }

    fn tell_delays(&mut self) {
        if let Some(earliest) = self.delays.iter().map(|delay| delay.due_at).min() {
            self.tell(FeedEvent::Delayed(earliest.ms()));
        }
    }
}

/// What the planner is told of those of these jobs that are available still; nothing where none is.
pub(super) fn announcement(jobs: &[ReadyJob], still: Vec<(Uuid, i32)>) -> Result<Option<FeedEvent>> {
    let still = still.into_iter().map(|(id, attempt)| Ok((super::rows::job_id(id), super::rows::count(attempt)?)));
    let still = still.collect::<Result<std::collections::HashSet<(JobId, u32)>>>()?;
    let ready: Vec<ReadyJob> = jobs.iter().filter(|job| still.contains(&(job.id, job.attempt))).cloned().collect();
    Ok((!ready.is_empty()).then_some(FeedEvent::Ready(ready)))
}

/// What the reaper makes of jobs whose leases ran out, or of all that run when the only process has just started.
pub(super) fn reap(jobs: &[Snapshot], incarnation_over: bool, now: Timestamp) -> Vec<Change> {
    let decide = if incarnation_over { lifecycle::reap_orphan } else { lifecycle::reap };
    jobs.iter().filter_map(|job| decide(job, now, reap_jitter(job.id, job.attempt)).ok()).collect()
}

/// What the passing of time makes of jobs that were due to be looked at.
pub(super) fn promote(jobs: &[Snapshot], now: Timestamp) -> Vec<Change> {
    jobs.iter().filter_map(|job| lifecycle::promote(job, now).ok()).collect()
}

/// The column of the totals that counts a job that finished then, and how much longer than its retention it was kept; none
/// where it is to stay.
pub(super) fn prunable(state: State, finished_at_ms: Option<i64>, retention: Retention, now: Timestamp) -> Option<(usize, i64)> {
    let (kept_ms, column) = match state {
        State::Completed => (retention.completed_ms, 0),
        State::Dead => (retention.dead_ms, 1),
        State::Cancelled => (retention.completed_ms, 2),
        _ => return None,
    };
    let over_ms = now.ms() - finished_at_ms? - kept_ms;
    (over_ms > 0).then_some((column, over_ms))
}

/// The longest run of leading changes that name no job twice: two changes of one job in one statement would
/// both see the row as it was, so the later one waits its turn. Redrives go by themselves, after the endings before
/// them have let go of their unique keys.
pub(super) fn leading_distinct(changes: &[&Change]) -> usize {
    let mut seen = std::collections::HashSet::with_capacity(changes.len());
    let same_way = |change: &Change| changes.first().is_some_and(|first| is_redrive(first) == is_redrive(change));
    changes.iter().take_while(|change| same_way(change) && seen.insert(change.id)).count()
}

/// Whether the change brings an ended job back.
pub(super) const fn is_redrive(change: &Change) -> bool {
    change.guard.state.is_final()
}

/// The tenant's part of a lane key, for limits: the platform's has none.
pub(super) fn scope_text(scope: &LimitScope) -> &str {
    match scope {
        LimitScope::Tenant(tenant) => tenant.as_str(),
        LimitScope::Platform => "",
    }
}

/// The scope that a limit's tenant column names.
pub(super) fn scope_of(tenant: &str) -> Result<LimitScope> {
    if tenant.is_empty() { Ok(LimitScope::Platform) } else { super::rows::name(tenant).map(LimitScope::Tenant) }
}

/// The ids of a leases row: 16 bytes each.
pub(super) fn lease_ids(ids: &[u8]) -> impl Iterator<Item = JobId> {
    ids.as_chunks().0.iter().map(|id| JobId::from_bytes(*id))
}

/// How much of what is left each due bucket may take, so that a storm in the first leaves something for the last.
pub(super) fn bucket_share(left: usize, buckets_left: usize) -> usize {
    left.div_ceil(buckets_left.max(1)).min(BATCH_MAX)
}

/// The shares of so many due buckets where none is known to leave some of its own.
pub(super) fn bucket_shares(limit: usize, buckets: usize) -> Vec<i64> {
    let mut left = limit;
    let share = |taken: usize| {
        let share = bucket_share(left, buckets - taken);
        left -= share;
        i64::try_from(share).unwrap_or(i64::MAX)
    };
    (0..buckets).map(share).collect()
}

/// Buckets of delayed jobs: promotion takes from each in turn. `due_buckets.sql` counts them too.
const DELAY_BUCKETS: u64 = 64;

/// The bucket of a tenant's delayed jobs: FNV-1a, the same in every process and release.
fn delay_bucket(tenant: &str) -> i16 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = tenant.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    i16::try_from(hash % DELAY_BUCKETS).expect("a bucket number is small")
}
