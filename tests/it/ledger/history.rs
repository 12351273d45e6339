//! Random histories that every ledger must tell as the model tells them.
//!
//! From a seed comes a sequence of verbs, chosen by what the model says of its jobs: sensible ones, stale ones and
//! ones that were written before. After each, every answer and everything that can be read must be equal.
//! `WINDROW_HISTORY_SEEDS=500` runs more seeds, `WINDROW_HISTORY_SEED=17` just that one.

use std::{env, ops::Range};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use windrow_jobs::{
    clock::{Clock, Timestamp, VirtualClock},
    job::{Job, JobError, Progress, State},
    keys::{IDEMPOTENCY_MS, IdempotencyKey, Keys},
    ledger::{Claim, FeedEvent, Holding, LaneKey, Ledger, ListFilter, LogLine, Note, Retention, TicketId},
    lifecycle::{self, Change, Ending, Snapshot},
    submit::NewJob,
    tenant::TenantId,
};
use windrow_tests::{
    jobs::{ALL, ALL_JOBS, BACKOFF, id, json, queue_named, ready, tenant_named},
    ledgers::{self, Opened},
};

/// How many seeds run unless the environment says otherwise: a few seconds' worth.
const SEEDS: u64 = 12;
/// Long enough for a job to be tried, reaped, redriven and pruned, short enough to read.
const STEPS: usize = 120;
/// Few, so that the same job is met again and again.
const JOBS: u64 = 14;
const TENANTS: [&str; 3] = ["default", "north", "south"];
const QUEUES: [&str; 2] = ["builds", "syncs"];
const WORKERS: [&str; 2] = ["worker-1", "worker-2"];
const RETENTION: Retention = Retention { completed_ms: 20_000, dead_ms: 60_000, fires_ms: 60_000, events_ms: 60_000 };

#[tokio::test]
async fn every_ledger_tells_the_same_history() {
    for seed in seeds() {
        let clock = ledgers::clock();
        let model = ledgers::model(&clock).await;
        let others = [("sqlite", ledgers::sqlite(&clock).await)];
        History { seed, rng: StdRng::seed_from_u64(seed), clock, model, decided: Vec::new() }.compare(&others).await;
    }
}

fn seeds() -> Range<u64> {
    let number = |name| env::var(name).ok().map(|text: String| text.parse::<u64>().expect("a number"));
    match number("WINDROW_HISTORY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WINDROW_HISTORY_SEEDS").unwrap_or(SEEDS),
    }
}

/// One thing that is done to every ledger.
#[derive(Debug, Clone)]
enum Verb {
    Insert(Vec<NewJob>),
    InsertUnlessReused(Vec<NewJob>),
    Claim(Claim),
    Settle(Vec<Change>),
    Operate(TenantId, Vec<Change>),
    Heartbeat(&'static str, Vec<Holding>),
    Note(Vec<Note>),
    Promote,
    Reap { incarnation_over: bool },
    Prune,
    Scrub,
    Pass(i64),
}

/// What the choice of the next verb depends on.
struct History {
    seed: u64,
    rng: StdRng,
    clock: VirtualClock,
    model: Opened,
    /// Every change ever decided, for stale and repeated writes.
    decided: Vec<Change>,
}

impl History {
    async fn compare(mut self, others: &[(&str, Opened)]) {
        for step in 0..STEPS {
            let verb = self.next_verb().await;
            if let Verb::Pass(ms) = verb {
                self.clock.advance_ms(ms);
                continue;
            }
            let told = tell(&*self.model, &verb).await;
            for (name, other) in others {
                let same = tell(&**other, &verb).await;
                assert_same(&told, &same, &format!("seed {}, step {step}, {name}: {verb:?}", self.seed));
            }
        }
    }

    async fn next_verb(&mut self) -> Verb {
        match self.rng.random_range(0..100) {
            0..9 => Verb::Insert(self.new_jobs()),
            9..12 => Verb::InsertUnlessReused(self.new_jobs()),
            12..34 => self.claim().await,
            34..50 => self.settle().await,
            50..57 => self.operate(lifecycle::cancel).await,
            57..64 => self.operate(lifecycle::redrive).await,
            64..69 => self.heartbeat().await,
            69..74 => self.note().await,
            74..80 => Verb::Promote,
            80..85 => Verb::Reap { incarnation_over: self.rng.random_bool(0.2) },
            85..87 => Verb::Prune,
            87 => Verb::Scrub,
            88 => Verb::Pass(IDEMPOTENCY_MS / 2),
            _ => Verb::Pass(self.pick(&[1, 1_000, 5_000, 12_000, 31_000])),
        }
    }

    fn new_jobs(&mut self) -> Vec<NewJob> {
        (0..self.rng.random_range(1..4)).map(|_| self.new_job()).collect()
    }

    fn new_job(&mut self) -> NewJob {
        let now = self.clock.now();
        let (state, run_at) = if self.rng.random_bool(0.3) {
            (State::Scheduled, now.plus_ms(self.rng.random_range(0..20_000)))
        } else {
            (State::Available, now)
        };
        let number = self.rng.random_range(1..=JOBS);
        let deadline = self.rng.random_bool(0.3).then(|| now.plus_ms(self.rng.random_range(0..60_000)));
        // The tenant goes with the number: an id is one tenant's for ever.
        let tenant = tenant_named(TENANTS[number as usize % TENANTS.len()]);
        let (queue, max_attempts) = (queue_named(self.pick(&QUEUES)), self.rng.random_range(1..5));
        let tags = if self.rng.random_bool(0.5) { vec!["blue".to_owned()] } else { Vec::new() };
        let payload = json(&format!("[{number}, 1.0]"));
        let keys = self.keys();
        NewJob {
            tenant,
            queue,
            state,
            created_at: now,
            run_at,
            deadline,
            max_attempts,
            priority: self.rng.random_range(-1..=1),
            tags,
            payload,
            keys,
            ..ready(number)
        }
    }

    /// Few, so that they are met again; now and then with another submission.
    fn keys(&mut self) -> Keys {
        let idempotency = self.rng.random_bool(0.3).then(|| {
            let fingerprint = [self.pick(&[0, 0, 0, 1]); 32];
            IdempotencyKey { key: self.pick(&["once", "twice"]).to_owned(), fingerprint }
        });
        Keys { idempotency, unique: self.rng.random_bool(0.5).then(|| self.pick(&["one", "two"]).to_owned()) }
    }

    async fn claim(&mut self) -> Verb {
        let mut ids = Vec::new();
        for job in self.snapshots().await {
            let ready = job.state == State::Available;
            if self.rng.random_bool(if ready { 0.6 } else { 0.1 }) {
                let stale = self.rng.random_bool(0.1);
                ids.push((job.id, if stale { job.attempt + 1 } else { job.attempt }));
            }
        }
        let take = self.rng.random_range(0..=ids.len().max(1));
        let (worker, lease_ms) = (self.pick(&WORKERS).to_owned(), self.pick(&[1_000, 10_000, 30_000]));
        Verb::Claim(Claim { worker, ticket: TicketId::from_u128(self.rng.random()), ticket_row: false, ids, take, lease_ms })
    }

    async fn settle(&mut self) -> Verb {
        let mut changes = Vec::new();
        for job in self.snapshots().await.into_iter().filter(|job| job.state == State::Running) {
            if self.rng.random_bool(0.5) {
                let (ending, jitter) = (self.ending(), self.rng.random());
                changes.extend(lifecycle::settle(&job, job.attempt, ending, self.clock.now(), &BACKOFF, jitter));
            }
        }
        Verb::Settle(self.with_old_ones(changes))
    }

    async fn operate(&mut self, decide: fn(&Snapshot) -> Result<Change, lifecycle::Refusal>) -> Verb {
        let mut changes = Vec::new();
        for job in self.snapshots().await {
            if self.rng.random_bool(0.2) {
                changes.extend(decide(&job));
            }
        }
        let tenant = tenant_named(self.pick(&TENANTS));
        Verb::Operate(tenant, self.with_old_ones(changes))
    }

    /// Remembers these changes, and now and then writes one of long ago once more, or holds one back for later.
    fn with_old_ones(&mut self, mut changes: Vec<Change>) -> Vec<Change> {
        self.decided.extend(changes.iter().cloned());
        if self.rng.random_bool(0.2) {
            changes.pop();
        }
        // Those of the recent past have a chance to hold.
        let recent = self.decided.len().saturating_sub(12);
        for _ in 0..self.rng.random_range(0..3) {
            changes.extend(self.decided[recent..].choose(&mut self.rng).cloned());
        }
        changes
    }

    async fn heartbeat(&mut self) -> Verb {
        // One length for all: of a mixed renewal a ledger may look at everybody only when the longest has run out.
        let lease_ms = self.pick(&[1_000, 10_000, 30_000]);
        let mut held = Vec::new();
        for job in self.snapshots().await {
            if self.rng.random_bool(if job.state == State::Running { 0.7 } else { 0.1 }) {
                held.push(Holding { id: job.id, attempt: job.attempt, lease_ms });
            }
        }
        Verb::Heartbeat(self.pick(&WORKERS), held)
    }

    async fn note(&mut self) -> Verb {
        let mut notes = Vec::new();
        for job in self.snapshots().await {
            if self.rng.random_bool(if job.state == State::Running { 0.7 } else { 0.1 }) {
                let percent = self.rng.random_range(0..=100);
                let line = LogLine { at: self.clock.now(), level: "info".to_owned(), message: format!("line {percent}") };
                notes.push(Note {
                    id: job.id,
                    attempt: job.attempt,
                    progress: self.rng.random_bool(0.5).then(|| Progress { percent, message: "on it".to_owned() }),
                    checkpoint: self.rng.random_bool(0.5).then(|| percent.to_string()),
                    lines: if self.rng.random_bool(0.5) { vec![line] } else { Vec::new() },
                    dropped: self.pick(&[0, 0, 3]),
                });
            }
        }
        Verb::Note(notes)
    }

    fn ending(&mut self) -> Ending {
        let error = JobError::new("broken", format!("it broke {}", self.rng.random_range(0..9)), true);
        let wait_ms = self.rng.random_range(0..10_000);
        match self.rng.random_range(0..14) {
            0..2 => Ending::Done(format!("{{\"waited\": {wait_ms}}}")),
            2..5 => Ending::Retry { error, after_ms: self.rng.random_bool(0.3).then_some(wait_ms) },
            5 => Ending::Snooze(wait_ms),
            6 => Ending::Cancel(Some(error)),
            7 => Ending::Bury(error),
            8 => Ending::TimedOut(error),
            9 => Ending::Panicked(error),
            10 => Ending::Expired,
            11 => Ending::Interrupted,
            12 => Ending::Unknown(wait_ms),
            _ => Ending::Mismatched(error),
        }
    }

    async fn snapshots(&self) -> Vec<Snapshot> {
        self.model.reread((1..=JOBS).map(id).collect()).await.expect("reread")
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        *choices.choose(&mut self.rng).expect("there is a choice")
    }
}

/// Does the verb to a ledger. Returns its answer and everything that can be read afterwards, one fact a line.
async fn tell(ledger: &dyn Ledger, verb: &Verb) -> Vec<String> {
    let mut facts = vec![format!("answer {}", answer(ledger, verb).await)];
    facts.extend(fed(ledger).await);
    facts.extend(read(ledger).await);
    facts
}

async fn answer(ledger: &dyn Ledger, verb: &Verb) -> String {
    match verb.clone() {
        Verb::Insert(jobs) => format!("{:?}", ledger.insert(jobs).await.expect("insert")),
        Verb::InsertUnlessReused(jobs) => format!("{:?}", ledger.insert_unless_reused(jobs).await.expect("insert")),
        Verb::Claim(claim) => format!("{:?}", ledger.claim(claim).await.expect("claim")),
        Verb::Settle(changes) => format!("{:?}", ledger.settle(changes).await.expect("settle")),
        Verb::Operate(tenant, changes) => format!("{:?}", ledger.operate(&tenant, changes).await.expect("operate")),
        Verb::Heartbeat(worker, held) => {
            let mut held = ledger.heartbeat(worker, held).await.expect("heartbeat");
            held.sort_by_key(|held| held.id);
            format!("{held:?}")
        }
        Verb::Note(notes) => format!("{:?}", ledger.note(notes).await.expect("note")),
        Verb::Promote => promote(ledger).await,
        Verb::Reap { incarnation_over } => format!("{:?}", ledger.reap(ALL, incarnation_over).await.expect("reap")),
        Verb::Prune => {
            let pruned = ledger.prune(RETENTION, ALL).await.expect("prune");
            format!("{pruned:?} {:?}", ledger.forget_keys(ALL).await.expect("forget"))
        }
        Verb::Scrub => {
            let scrubbed = ledger.scrub(None, ALL).await.expect("scrub");
            assert_eq!((scrubbed.delayed, scrubbed.leases), (0, 0), "no verb leaves a job bare");
            format!("{scrubbed:?}")
        }
        Verb::Pass(_) => String::new(),
    }
}

/// The count alone: the next due time may come of an entry that is stale, but must not miss a job.
async fn promote(ledger: &dyn Ledger) -> String {
    let promoted = ledger.promote(ALL).await.expect("promote");
    let mut due = Vec::new();
    for tenant in TENANTS {
        due.extend(jobs(ledger, tenant).await.iter().filter_map(due_at));
    }
    let earliest = due.into_iter().min();
    let misses = earliest.is_some_and(|earliest| promoted.next_due.is_none_or(|next_due| next_due > earliest));
    format!("{} misses a job: {misses}", promoted.promoted)
}

fn due_at(job: &Job) -> Option<Timestamp> {
    match job.state {
        State::Scheduled | State::Retryable => Some(job.deadline.map_or(job.run_at, |deadline| deadline.min(job.run_at))),
        State::Available | State::Held => job.deadline,
        _ => None,
    }
}

/// What the feed said, whatever the order and however it was cut into rows and events.
async fn fed(ledger: &dyn Ledger) -> Vec<String> {
    let mut facts = Vec::new();
    let mut earliest = None;
    for event in ledger.feed(Vec::new(), ALL).await.expect("feed").into_iter().flat_map(|row| row.events) {
        match event {
            FeedEvent::Ready(jobs) => facts.extend(jobs.iter().map(|job| format!("ready {job:?}"))),
            FeedEvent::Freed(attempts) => facts.extend(attempts.iter().map(|(id, attempt)| format!("freed {id} {attempt}"))),
            FeedEvent::Gone(ids) => facts.extend(ids.iter().map(|id| format!("gone {id}"))),
            FeedEvent::Delayed(due_ms) => earliest = Some(earliest.map_or(due_ms, |earliest: i64| earliest.min(due_ms))),
            claimed @ (FeedEvent::Claimed { .. } | FeedEvent::Limits | FeedEvent::Workers) => facts.push(format!("{claimed:?}")),
        }
    }
    facts.extend(earliest.map(|due_ms| format!("delayed {due_ms}")));
    facts.sort();
    facts
}

async fn read(ledger: &dyn Ledger) -> Vec<String> {
    let mut facts = Vec::new();
    for tenant in TENANTS {
        for job in jobs(ledger, tenant).await {
            facts.extend(facts_of(ledger, &job).await);
        }
    }
    let balances = ledger.balances().await.expect("balances");
    facts.extend(balances.iter().map(|balance| format!("{balance:?} holds: {}", balance.holds())));
    let mut running = ledger.running().await.expect("running");
    running.sort_by_key(|job| job.id);
    facts.extend(running.iter().map(|job| format!("{job:?}")));
    let mut lanes: Vec<LaneKey> = ledger.lanes().await.expect("lanes");
    lanes.sort();
    for lane in &lanes {
        facts.push(format!("{lane:?} ready: {:?}", ledger.ready(lane, None, ALL).await.expect("ready")));
    }
    facts
}

/// Everything that readers and deciders are told of a job; the parts that its JSON leaves out as well.
async fn facts_of(ledger: &dyn Ledger, job: &Job) -> Vec<String> {
    let json = |value: serde_json::Result<String>| value.expect("JSON");
    let got = ledger.get(&job.tenant, job.id).await.expect("get");
    let snapshot: Option<Snapshot> = ledger.snapshot(&job.tenant, job.id).await.expect("snapshot");
    let mut facts = vec![
        format!("listed {}", json(serde_json::to_string(job))),
        format!("got {}", json(serde_json::to_string(&got))),
        format!("snapshot {snapshot:?}"),
        format!("{} forgiven {} outcome {:?}", job.id, job.forgiven, job.outcome),
        format!("{} lease {:?} checkpoint {:?}", job.id, job.lease_until, job.checkpoint),
    ];
    for attempt in ledger.attempts(&job.tenant, job.id).await.expect("attempts") {
        facts.push(format!("{} {}", job.id, json(serde_json::to_string(&attempt))));
    }
    for chunk in ledger.logs(&job.tenant, job.id).await.expect("logs") {
        facts.push(format!("{} {}", job.id, json(serde_json::to_string(&chunk))));
    }
    facts
}

async fn jobs(ledger: &dyn Ledger, tenant: &str) -> Vec<Job> {
    ledger.list(&tenant_named(tenant), &ListFilter::default(), ALL_JOBS).await.expect("list").jobs
}

fn assert_same(model: &[String], other: &[String], step: &str) {
    let missing: Vec<_> = model.iter().filter(|fact| !other.contains(fact)).collect();
    let extra: Vec<_> = other.iter().filter(|fact| !model.contains(fact)).collect();
    let same = model == other;
    assert!(same, "{step}\nonly the model says:\n{missing:#?}\nonly the other says:\n{extra:#?}");
}
