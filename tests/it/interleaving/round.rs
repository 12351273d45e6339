//! One seed: fresh jobs, everybody's steps in an order that the seed chooses, and an end after which nothing may be
//! left that runs. The actors do nothing to the ledger but through the [`World`], which has it taken down.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use windrow_jobs::{
    backoff::Backoff,
    clock::{Clock, Timestamp, VirtualClock},
    job::{Job, JobId, State},
    keys::Written,
    ledger::{Claim, Claimed, Held, Holding, Ledger, ListFilter},
    lifecycle::{Change, Snapshot},
    operate::{self, Operated},
    submit::NewJob,
    tenant::TenantId,
};
use windrow_tests::jobs::{ALL, ALL_JOBS, claim_of, id, ready, tenant_named};

use super::{
    actors::Actor,
    record::{By, Deed, Record, Violation},
};

/// The lease of every claim and of every renewal.
pub(super) const LEASE_MS: i64 = 1_000;
/// Retries come within a lease.
pub(super) const BACKOFF: Backoff = Backoff { base_ms: 500, cap_ms: 1_000 };
/// Two, so that one's write could hit the other.
pub(super) const JOBS: u64 = 2;
/// Long enough for a job to be claimed, lost, claimed again, cancelled and redriven; short enough to read.
const STEPS: usize = 90;
/// Steps in which everybody brings what they had in hand to the ledger after all, once their leases are gone.
const LATE_STEPS: usize = 8;

/// What went wrong, and what led to it.
pub(super) struct Broken {
    pub seed: u64,
    pub violation: Violation,
    pub steps: Vec<String>,
}

/// Runs a seed on a ledger that others may have been run on: its jobs and its tenant are its own.
pub(super) async fn play(seed: u64, ledger: &dyn Ledger, clock: &VirtualClock) -> Result<(), Broken> {
    let mut world = World::of(seed, ledger, clock).await;
    match history(&mut world).await {
        Ok(()) => Ok(()),
        Err(violation) => Err(Broken { seed, violation, steps: world.steps }),
    }
}

async fn history(world: &mut World<'_>) -> Result<(), Violation> {
    let mut actors = Actor::all();
    for _ in 0..STEPS {
        let next = world.rng.random_range(0..actors.len());
        actors[next].step(world).await?;
    }
    world.silence().await?;
    world.late = true;
    for actor in &mut actors {
        for _ in 0..LATE_STEPS {
            if actor.is_busy() {
                actor.step(world).await?;
            }
        }
    }
    world.silence().await?;
    world.close().await
}

/// What the actors act on; sees to it that whatever is done is taken down.
pub(super) struct World<'l> {
    pub rng: StdRng,
    /// Whether nobody waits for anything any more.
    pub late: bool,
    ledger: &'l dyn Ledger,
    clock: VirtualClock,
    tenant: TenantId,
    jobs: Vec<JobId>,
    record: Record,
    steps: Vec<String>,
}

impl<'l> World<'l> {
    async fn of(seed: u64, ledger: &'l dyn Ledger, clock: &VirtualClock) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let tenant = tenant_named(&format!("seed-{seed}"));
        let new: Vec<NewJob> = (0..JOBS).map(|index| new_job(&mut rng, seed * JOBS + index + 1, &tenant, clock.now())).collect();
        let jobs = new.iter().map(|job| job.id).collect();
        ledger.insert(new).await.expect("insert");
        let record = Record::of(rows(ledger, &tenant).await);
        Self { rng, late: false, ledger, clock: clock.clone(), tenant, jobs, record, steps: Vec::new() }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A job that stands so, as far as anybody outside can know; any of them.
    pub fn some_job(&mut self, stands: impl Fn(State) -> bool) -> Option<JobId> {
        let fitting: Vec<JobId> = self.jobs.iter().copied().filter(|id| stands(self.record.state(*id))).collect();
        fitting.choose(&mut self.rng).copied()
    }

    /// The job's name in the list of steps.
    pub fn name(&self, id: JobId) -> String {
        let place = self.jobs.iter().position(|job| *job == id).expect("one of the jobs");
        format!("job {}", place + 1)
    }

    pub fn say(&mut self, step: String) {
        self.steps.push(step);
    }

    pub fn pass(&mut self, ms: i64) {
        self.say(format!("{ms} ms pass"));
        self.clock.advance_ms(ms);
    }

    pub async fn reread(&mut self, who: &str, id: JobId) -> Snapshot {
        let job = self.ledger.reread(vec![id]).await.expect("reread").pop().expect("the job is there");
        self.saw(who, &job);
        job
    }

    pub async fn snapshot(&mut self, who: By, id: JobId) -> Snapshot {
        let job = self.ledger.snapshot(&self.tenant, id).await.expect("snapshot").expect("the job is there");
        self.saw(&format!("{who:?}"), &job);
        job
    }

    fn saw(&mut self, who: &str, job: &Snapshot) {
        let cancel = if job.cancel_requested { ", cancel requested" } else { "" };
        self.say(format!("{who} reads {}: {} at attempt {}{cancel}", self.name(job.id), job.state, job.attempt));
    }

    pub async fn claim(&mut self, worker: &'static str, job: &Snapshot) -> Result<Option<Claimed>, Violation> {
        let claim = Claim { worker: worker.to_owned(), lease_ms: LEASE_MS, ..claim_of([(job.id, job.attempt)]) };
        let claimed = self.ledger.claim(claim).await.expect("claim").pop();
        self.say(format!("{worker} claims {}: {:?}", self.name(job.id), claimed.as_ref().map(|claimed| claimed.snapshot.attempt)));
        self.take_down(Deed::Claim { worker, id: job.id, lease_ms: LEASE_MS, answer: claimed.as_ref() }).await?;
        Ok(claimed)
    }

    pub async fn heartbeat(&mut self, worker: &'static str, job: &Snapshot) -> Result<Option<Held>, Violation> {
        let Snapshot { id, attempt, .. } = *job;
        let held = self.ledger.heartbeat(worker, vec![Holding { id, attempt, lease_ms: LEASE_MS }]).await.expect("heartbeat").pop();
        self.say(format!("{worker} renews attempt {attempt} of {}: {}", self.name(id), held.is_some()));
        self.take_down(Deed::Heartbeat { id, attempt, lease_ms: LEASE_MS, answer: held }).await?;
        Ok(held)
    }

    pub async fn settle(&mut self, who: &str, by: By, change: &Change) -> Result<bool, Violation> {
        let answer = self.ledger.settle(vec![change.clone()]).await.expect("settle");
        self.wrote(who, by, change, answer == [true]).await
    }

    pub async fn operate(&mut self, by: By, change: &Change) -> Result<bool, Violation> {
        let answer: Vec<bool> =
            self.ledger.operate(&self.tenant, vec![change.clone()]).await.expect("operate").into_iter().map(Written::is_done).collect();
        self.wrote(&format!("{by:?}"), by, change, answer == [true]).await
    }

    async fn wrote(&mut self, who: &str, by: By, change: &Change, answer: bool) -> Result<bool, Violation> {
        let (state, seen) = (change.state, change.guard.state);
        self.say(format!("{who} writes {}, {seen} at attempt {} -> {state}: {answer}", self.name(change.id), change.guard.attempt));
        self.take_down(Deed::Write { by, change, answer }).await?;
        Ok(answer)
    }

    pub async fn promote(&mut self) -> Result<(), Violation> {
        let promoted = self.ledger.promote(ALL).await.expect("promote").promoted;
        self.say(format!("{promoted} promoted"));
        self.take_down(Deed::Promote).await
    }

    pub async fn reap(&mut self) -> Result<(), Violation> {
        let reaped = self.ledger.reap(ALL, false).await.expect("reap");
        self.say(format!("{reaped} reaped by the ledger"));
        self.take_down(Deed::Reap).await
    }

    /// Nobody does anything for as long as a lease lasts; then nothing may be left that runs.
    async fn silence(&mut self) -> Result<(), Violation> {
        self.pass(LEASE_MS);
        self.reap().await?;
        let scrubbed = self.ledger.scrub(None, ALL).await.expect("scrub");
        if scrubbed.delayed + scrubbed.leases > 0 {
            return Err(format!("side rows were missing: {scrubbed:?}"));
        }
        let running = self.some_job(|state| state == State::Running);
        running.map_or(Ok(()), |id| Err(format!("nobody runs {}, and nobody ends it", self.name(id))))
    }

    async fn take_down(&mut self, deed: Deed<'_>) -> Result<(), Violation> {
        let rows = rows(self.ledger, &self.tenant).await;
        self.record.take_down(&deed, rows, self.clock.now())
    }

    /// Cancels what still waits, so that nothing is left for the next seed, and reads every attempt.
    async fn close(&mut self) -> Result<(), Violation> {
        for id in self.jobs.clone() {
            let operated = operate::cancel(self.ledger, &self.tenant, id).await.expect("cancel");
            let job = self.ledger.get(&self.tenant, id).await.expect("get").expect("the job is there");
            if !job.state.is_final() || operated == Operated::Contended {
                return Err(format!("nobody is left, and {} is {}: {operated:?}", self.name(id), job.state));
            }
            let attempts = self.ledger.attempts(&self.tenant, id).await.expect("attempts");
            self.record.has_attempts(id, &attempts)?;
        }
        Ok(())
    }
}

async fn rows(ledger: &dyn Ledger, tenant: &TenantId) -> Vec<Job> {
    ledger.list(tenant, &ListFilter::default(), ALL_JOBS).await.expect("list").jobs
}

/// Most have attempts to spare; some have one only, some wait first, some have a deadline to meet.
fn new_job(rng: &mut StdRng, number: u64, tenant: &TenantId, now: Timestamp) -> NewJob {
    let (state, run_at) = if rng.random_bool(0.2) { (State::Scheduled, now.plus_ms(LEASE_MS)) } else { (State::Available, now) };
    let max_attempts = *[1, 2, 10, 10].choose(rng).expect("there is a choice");
    let deadline = rng.random_bool(0.2).then(|| now.plus_ms(8 * LEASE_MS));
    NewJob { id: id(number), tenant: tenant.clone(), state, run_at, deadline, max_attempts, created_at: now, ..ready(number) }
}
