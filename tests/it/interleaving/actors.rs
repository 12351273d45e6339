//! Whoever reads, decides and writes: each a small machine that does one thing per step, so that anything may
//! happen between any two of them.
//!
//! A worker settles as `worker/src/settle.rs` does, an operator works as `jobs/src/operate.rs` does. The ledger's own
//! reaper reads, decides and writes in one transaction; this one is taken apart, over the public verbs.

use rand::{Rng, seq::IndexedRandom};
use windrow_jobs::{
    clock::Timestamp,
    job::{JobId, State},
    lifecycle::{self, Change, Ending, Refusal, Snapshot},
};
use windrow_tests::jobs::{JITTER, bury, done, error, retry};

use super::{
    record::{By, Violation},
    round::{BACKOFF, LEASE_MS, World},
};

/// How far the clock goes in one step: within a lease, past one, past every backoff.
const PASS_MS: [i64; 4] = [1, LEASE_MS / 3, LEASE_MS, 5 * LEASE_MS];
/// How long a write that hangs is under way: long enough for the job to be lost, promoted and claimed again.
const HANG_MS: i64 = 3 * LEASE_MS;
/// Requests that one operator makes, so that a job comes to an end between them.
const REQUESTS_MAX: u32 = 4;

/// One who acts.
pub(super) enum Actor {
    Worker(Worker),
    Reaper(Reaper),
    Operator(Operator),
    Time,
}

impl Actor {
    /// Two that do the same meet each other; a third worker stands in for one that went silent.
    pub(super) fn all() -> Vec<Self> {
        let worker = |name| Self::Worker(Worker { name, doing: Working::Nothing });
        let reaper = || Self::Reaper(Reaper(Reaping::Nothing));
        let (left, doing) = (REQUESTS_MAX, || Operating::Nothing);
        let canceller = Operator { by: By::Canceller, wants: |state| !state.is_final(), decide: lifecycle::cancel, left, doing: doing() };
        let redriver = Operator { by: By::Redriver, wants: State::is_final, decide: lifecycle::redrive, left, doing: doing() };
        let workers = ["worker-1", "worker-2", "worker-3"].map(worker);
        let others = [reaper(), reaper(), Self::Operator(canceller), Self::Operator(redriver), Self::Time, Self::Time];
        workers.into_iter().chain(others).collect()
    }

    /// Does one thing.
    pub(super) async fn step(&mut self, world: &mut World<'_>) -> Result<(), Violation> {
        match self {
            Self::Worker(worker) => worker.step(world).await,
            Self::Reaper(reaper) => reaper.step(world).await,
            Self::Operator(operator) => operator.step(world).await,
            Self::Time => pass(world).await,
        }
    }

    /// Whether it is in the middle of something.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            Self::Worker(worker) => !matches!(worker.doing, Working::Nothing),
            Self::Reaper(Reaper(doing)) => !matches!(doing, Reaping::Nothing),
            Self::Operator(operator) => !matches!(operator.doing, Operating::Nothing),
            Self::Time => false,
        }
    }
}

/// Claims, runs and settles. Now and then it goes silent, and wakes up when its lease has run out.
pub(super) struct Worker {
    name: &'static str,
    doing: Working,
}

enum Working {
    Nothing,
    /// It was told of a ready job.
    Told(Snapshot),
    Running {
        job: Snapshot,
        silent: bool,
    },
    /// The handler came back.
    Ended(Settling),
    /// The write is under way, and may take long.
    Decided {
        settling: Settling,
        change: Change,
        arrives_at: Timestamp,
    },
    Refused(Settling),
}

impl Working {
    /// A silent worker sleeps through its lease; a write that hangs arrives when the job may run elsewhere.
    fn rests_until(&self) -> Option<Timestamp> {
        match self {
            Self::Running { job, silent: true } => job.lease_until,
            Self::Decided { arrives_at, .. } => Some(*arrives_at),
            _ => None,
        }
    }
}

/// An attempt's ending on its way to the ledger.
struct Settling {
    job: Snapshot,
    attempt: u32,
    ending: Ending,
}

impl Worker {
    async fn step(&mut self, world: &mut World<'_>) -> Result<(), Violation> {
        if !world.late && self.doing.rests_until().is_some_and(|until| until > world.now()) {
            return Ok(());
        }
        self.doing = match std::mem::replace(&mut self.doing, Working::Nothing) {
            Working::Nothing => match world.some_job(|state| state == State::Available) {
                Some(id) => Working::Told(world.reread(self.name, id).await),
                None => Working::Nothing,
            },
            Working::Told(job) => match world.claim(self.name, &job).await? {
                Some(claimed) => Working::Running { job: claimed.snapshot, silent: world.rng.random_bool(0.4) },
                None => Working::Nothing,
            },
            Working::Running { job, silent: false } if world.rng.random_bool(0.5) => self.heartbeat(world, job).await?,
            Working::Running { job, .. } => Working::Ended(Settling { job, attempt: job.attempt, ending: any_ending(world) }),
            Working::Ended(settling) => self.decide(world, settling),
            Working::Decided { settling, change, .. } => {
                if world.settle(self.name, By::Worker, &change).await? {
                    Working::Nothing
                } else {
                    Working::Refused(settling)
                }
            }
            Working::Refused(settling) => {
                let job = world.reread(self.name, settling.job.id).await;
                self.decide(world, Settling { job, ..settling })
            }
        };
        Ok(())
    }

    async fn heartbeat(&self, world: &mut World<'_>, job: Snapshot) -> Result<Working, Violation> {
        let ended = |job, ending| Working::Ended(Settling { job, attempt: job.attempt, ending });
        Ok(match world.heartbeat(self.name, &job).await? {
            Some(held) if held.cancel_requested => ended(Snapshot { cancel_requested: true, ..job }, Ending::Cancel(None)),
            Some(_) => Working::Running { job, silent: world.rng.random_bool(0.1) },
            // A handler that does not hear that its lease is lost comes back all the same.
            None if world.rng.random_bool(0.5) => ended(job, any_ending(world)),
            None => Working::Nothing,
        })
    }

    fn decide(&self, world: &mut World<'_>, settling: Settling) -> Working {
        let Settling { job, attempt, ending } = &settling;
        match lifecycle::settle(job, *attempt, ending.clone(), world.now(), &BACKOFF, JITTER) {
            Ok(change) => {
                world.say(format!("{} decides on attempt {attempt} of {}: {} for {ending:?}", self.name, world.name(job.id), change.state));
                let hangs_ms = if world.rng.random_bool(0.3) { HANG_MS } else { 0 };
                Working::Decided { settling, change, arrives_at: world.now().plus_ms(hangs_ms) }
            }
            Err(refusal) => {
                world.say(format!("{} lets attempt {attempt} of {} go: {refusal}", self.name, world.name(job.id)));
                Working::Nothing
            }
        }
    }
}

fn any_ending(world: &mut World<'_>) -> Ending {
    match world.rng.random_range(0..12) {
        0..4 => done(),
        4..7 => retry(),
        7 => bury(),
        8 => Ending::Snooze(LEASE_MS),
        9 => Ending::Interrupted,
        10 => Ending::Cancel(Some(error())),
        _ => Ending::TimedOut(error()),
    }
}

/// Ends attempts whose leases ran out.
pub(super) struct Reaper(Reaping);

enum Reaping {
    Nothing,
    Read(Snapshot),
    Decided(Snapshot, Change),
}

impl Reaper {
    async fn step(&mut self, world: &mut World<'_>) -> Result<(), Violation> {
        self.0 = match std::mem::replace(&mut self.0, Reaping::Nothing) {
            Reaping::Nothing => match world.some_job(|state| state == State::Running) {
                Some(id) => Reaping::Read(world.reread("reaper", id).await),
                None => Reaping::Nothing,
            },
            Reaping::Read(job) => match lifecycle::reap(&job, world.now(), JITTER) {
                Ok(change) => {
                    world.say(format!("reaper decides on attempt {} of {}: {}", job.attempt, world.name(job.id), change.state));
                    Reaping::Decided(job, change)
                }
                Err(_) => Reaping::Nothing,
            },
            Reaping::Decided(job, change) => {
                // Refused, it looks again when it comes round.
                world.settle("reaper", By::Reaper { saw_lease: job.lease_until }, &change).await?;
                Reaping::Nothing
            }
        };
        Ok(())
    }
}

/// Cancels, or redrives.
pub(super) struct Operator {
    by: By,
    wants: fn(State) -> bool,
    decide: fn(&Snapshot) -> Result<Change, Refusal>,
    left: u32,
    doing: Operating,
}

enum Operating {
    Nothing,
    Read(Snapshot),
    Decided(Change),
    Refused(JobId),
}

impl Operator {
    async fn step(&mut self, world: &mut World<'_>) -> Result<(), Violation> {
        self.doing = match std::mem::replace(&mut self.doing, Operating::Nothing) {
            Operating::Nothing if self.left == 0 => Operating::Nothing,
            Operating::Nothing => match world.some_job(self.wants) {
                Some(id) => Operating::Read(world.snapshot(self.by, id).await),
                None => Operating::Nothing,
            },
            Operating::Read(job) => match (self.decide)(&job) {
                Ok(change) => {
                    world.say(format!("{:?} decides on {}: {}", self.by, world.name(job.id), change.state));
                    Operating::Decided(change)
                }
                Err(_) => Operating::Nothing,
            },
            Operating::Decided(change) => {
                if world.operate(self.by, &change).await? {
                    self.left -= 1;
                    Operating::Nothing
                } else {
                    Operating::Refused(change.id)
                }
            }
            Operating::Refused(id) => Operating::Read(world.snapshot(self.by, id).await),
        };
        Ok(())
    }
}

async fn pass(world: &mut World<'_>) -> Result<(), Violation> {
    match world.rng.random_range(0..10) {
        0..5 => {
            let pass_ms = *PASS_MS.choose(&mut world.rng).expect("there is a choice");
            world.pass(pass_ms);
            Ok(())
        }
        5..9 => world.promote().await,
        _ => world.reap().await,
    }
}
