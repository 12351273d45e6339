//! Jobs for tests, by number: `id(1) < id(2)`, and everything else about them is plain until a test says otherwise.
//!
//! The verbs below are the ledger's with all that a test does not care about filled in.

use serde_json::value::RawValue;
use windrow_jobs::{
    backoff::Backoff,
    clock::Timestamp,
    job::{Attempt, Job, JobError, JobId, State},
    keys::{Inserted, Keys},
    ledger::{Claim, Claimed, FeedEvent, Held, Holding, Ledger, ListFilter, Page, TicketId},
    lifecycle::{self, Change, Ending, Snapshot},
    operate::{self, Operated},
    queue::QueueName,
    submit::NewJob,
    tenant::TenantId,
};

use crate::ledgers::START;

/// The worker that claims unless a test names another.
pub const WORKER: &str = "worker-1";
/// The lease of a claim.
pub const LEASE_MS: i64 = 30_000;
/// The backoff of every kind in these tests; with [`JITTER`] the first wait is half its base.
pub const BACKOFF: Backoff = Backoff { base_ms: 10_000, cap_ms: 60_000 };
/// What is drawn for every backoff.
pub const JITTER: f64 = 0.5;
/// More than any test ledger holds.
pub const ALL: usize = 100_000;
/// The page that holds all of them.
pub const ALL_JOBS: Page = Page { before: None, size: ALL, bytes_max: usize::MAX };

/// The id of the job with this number, formed like a UUIDv7 (RFC 9562 §5.7).
pub fn id(number: u64) -> JobId {
    const VERSION_AND_VARIANT: u128 = 0x7000_8000_0000_0000_0000;
    JobId::from_bytes((u128::from(number) << 80 | VERSION_AND_VARIANT).to_be_bytes())
}

/// The tenant of every job that names no other.
pub fn tenant() -> TenantId {
    TenantId::default_tenant()
}

/// The tenant of this name.
pub fn tenant_named(name: &str) -> TenantId {
    name.parse().expect("a tenant's name")
}

/// The queue of this name.
pub fn queue_named(name: &str) -> QueueName {
    name.parse().expect("a queue's name")
}

/// JSON text as it is.
pub fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("JSON text")
}

/// A job that is available at once.
pub fn ready(number: u64) -> NewJob {
    NewJob {
        id: id(number),
        tenant: tenant(),
        queue: QueueName::default_queue(),
        kind: "echo".to_owned(),
        contract_version: 1,
        state: State::Available,
        priority: 0,
        max_attempts: 10,
        created_at: START,
        run_at: START,
        deadline: None,
        payload: json("{}"),
        tags: Vec::new(),
        keys: Keys::default(),
    }
}

/// A job that waits for `run_at`.
pub fn scheduled(number: u64, run_at: Timestamp) -> NewJob {
    NewJob { state: State::Scheduled, run_at, ..ready(number) }
}

/// An error that might not come again.
pub fn error() -> JobError {
    JobError::new("broken", "it broke", true)
}

/// The handler finished.
pub fn done() -> Ending {
    Ending::Done(r#"{"ok":true}"#.to_owned())
}

/// The handler failed.
pub fn retry() -> Ending {
    Ending::Retry { error: error(), after_ms: None }
}

/// The handler gave up.
pub fn bury() -> Ending {
    Ending::Bury(error())
}

/// Keeps these jobs, whose keys forbid none.
pub async fn insert(ledger: &dyn Ledger, jobs: impl IntoIterator<Item = NewJob>) {
    let inserted = ledger.insert(jobs.into_iter().collect()).await.expect("insert");
    assert!(inserted.iter().all(|became| *became == Inserted::Kept), "{inserted:?}");
}

/// What a worker asks to claim: all of these jobs, at these attempts.
pub fn claim_of(ids: impl IntoIterator<Item = (JobId, u32)>) -> Claim {
    let ids: Vec<_> = ids.into_iter().collect();
    let take = ids.len();
    Claim { worker: WORKER.to_owned(), ticket: TicketId::nil(), ticket_row: false, ids, take, lease_ms: LEASE_MS }
}

/// Claims the job at whatever attempt it stands; none where it is not available.
pub async fn try_claim(ledger: &dyn Ledger, number: u64) -> Option<Claimed> {
    let attempt = snapshot(ledger, number).await.attempt;
    ledger.claim(claim_of([(id(number), attempt)])).await.expect("claim").pop()
}

/// Claims a job that is available.
pub async fn claim(ledger: &dyn Ledger, number: u64) -> Claimed {
    try_claim(ledger, number).await.expect("the job is available")
}

/// How the claimed attempt ends, as decided on what the claim saw.
pub fn ending(claimed: &Claimed, ending: Ending) -> Change {
    decided(&claimed.snapshot, ending, claimed.claimed_at)
}

/// How the running attempt of a job ends.
pub fn decided(running: &Snapshot, ending: Ending, now: Timestamp) -> Change {
    lifecycle::settle(running, running.attempt, ending, now, &BACKOFF, JITTER).expect("the attempt runs")
}

/// Settles the claimed attempt. Returns whether the ledger took it.
pub async fn settle(ledger: &dyn Ledger, claimed: &Claimed, end: Ending) -> bool {
    let written = ledger.settle(vec![ending(claimed, end)]).await.expect("settle");
    assert_eq!(written.len(), 1, "one answer for each change");
    written[0]
}

/// Claims a job and ends the attempt.
pub async fn run(ledger: &dyn Ledger, number: u64, end: Ending) {
    let claimed = claim(ledger, number).await;
    assert!(settle(ledger, &claimed, end).await, "the attempt ends");
}

/// Asks for the job to stop.
pub async fn cancel(ledger: &dyn Ledger, number: u64) -> Operated {
    operate::cancel(ledger, &tenant(), id(number)).await.expect("cancel")
}

/// Sends the job back.
pub async fn redrive(ledger: &dyn Ledger, number: u64) -> Operated {
    operate::redrive(ledger, &tenant(), id(number)).await.expect("redrive")
}

/// Renews the leases of these attempts for [`LEASE_MS`].
pub async fn heartbeat(ledger: &dyn Ledger, claimed: &[&Claimed]) -> Vec<Held> {
    let holding = |claimed: &&Claimed| Holding { id: claimed.snapshot.id, attempt: claimed.snapshot.attempt, lease_ms: LEASE_MS };
    let mut held = ledger.heartbeat(WORKER, claimed.iter().map(holding).collect()).await.expect("heartbeat");
    held.sort_by_key(|held| held.id);
    held
}

/// Promotes all that is due. Returns how many jobs went on.
pub async fn promote(ledger: &dyn Ledger) -> u64 {
    ledger.promote(ALL).await.expect("promote").promoted
}

/// Reaps all that is overdue. Returns how many attempts ended.
pub async fn reap(ledger: &dyn Ledger) -> u64 {
    ledger.reap(ALL, false).await.expect("reap")
}

/// The job as readers see it.
pub async fn job(ledger: &dyn Ledger, number: u64) -> Job {
    ledger.get(&tenant(), id(number)).await.expect("get").expect("the job is there")
}

/// Where the job stands.
pub async fn state(ledger: &dyn Ledger, number: u64) -> State {
    snapshot(ledger, number).await.state
}

/// What a decision about the job looks at.
pub async fn snapshot(ledger: &dyn Ledger, number: u64) -> Snapshot {
    ledger.reread(vec![id(number)]).await.expect("reread").pop().expect("the job is there")
}

/// The job's attempts.
pub async fn attempts(ledger: &dyn Ledger, number: u64) -> Vec<Attempt> {
    ledger.attempts(&tenant(), id(number)).await.expect("attempts")
}

/// The jobs that fit, newest first.
pub async fn listed(ledger: &dyn Ledger, filter: &ListFilter) -> Vec<JobId> {
    ledger.list(&tenant(), filter, ALL_JOBS).await.expect("list").jobs.into_iter().map(|job| job.id).collect()
}

/// Takes everything off the feed.
pub async fn events(ledger: &dyn Ledger) -> Vec<FeedEvent> {
    ledger.feed(Vec::new(), ALL).await.expect("feed").into_iter().flat_map(|row| row.events).collect()
}
