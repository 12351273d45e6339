//! The kill matrix: the transaction that decides is broken at each of its steps, in each way, and another scheduler goes on.
//!
//! Whatever breaks, all of the transaction is there or nothing, and after the next looks the fires are those of a run in
//! which nothing broke. `-- --no-capture` prints the matrix.

mod postgres;
mod sqlite;

use std::collections::BTreeSet;

use serde_json::json;
use windrow_jobs::{
    clock::{Clock, Timestamp, VirtualClock},
    job::{Job, JobId, State},
    ledger::{Ledger, ListFilter},
    schedule::{Fire, FireStatus, ScheduleId, SkipReason},
    tenant::TenantId,
};
use windrow_tests::{
    jobs::{ALL, ALL_JOBS, claim_of, decided, done, tenant_named},
    schedules::{definition, fire},
};

/// The schedules that are due at once in each case.
const SCHEDULES: usize = 3;
/// The time between two fires.
const EVERY_MS: i64 = 10_000;

/// What is to be decided when it breaks. Their statements differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    /// A first fire.
    Allow,
    /// A fire whose job before has ended while another waited for that.
    QueueOne,
    /// A fire whose job before waits, and is cancelled at once.
    CancelWaiting,
    /// A fire whose job before runs, and is asked to stop.
    CancelRunning,
}

impl Scene {
    const ALL: [Self; 4] = [Self::Allow, Self::QueueOne, Self::CancelWaiting, Self::CancelRunning];

    fn overlap(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::QueueOne => "queue_one",
            Self::CancelWaiting | Self::CancelRunning => "cancel_previous",
        }
    }
}

/// What a fault left of the transaction, when nobody had gone on yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Everything,
}

/// One play of a scene, on a ledger that other plays use before and after it.
struct Play<'l> {
    scene: Scene,
    ledger: &'l dyn Ledger,
    clock: &'l VirtualClock,
    tenant: TenantId,
    began_at: Timestamp,
    schedules: Vec<ScheduleId>,
}

/// A fire as it is the same in every play.
type Told = (i64, FireStatus, Option<SkipReason>, Option<u64>, bool);

impl<'l> Play<'l> {
    /// Plays up to where the fault comes: `SCHEDULES` are due.
    async fn begin(scene: Scene, number: usize, ledger: &'l dyn Ledger, clock: &'l VirtualClock) -> Self {
        let (tenant, began_at) = (tenant_named(&format!("play-{number}")), clock.now());
        let mut play = Self { scene, ledger, clock, tenant, began_at, schedules: Vec::new() };
        for schedule in 0..SCHEDULES {
            let definition = definition(&format!("schedule-{schedule}"), json!({ "overlap": scene.overlap() }));
            let id = ScheduleId::generate();
            ledger.create_schedule(id, &play.tenant, definition).await.expect("it is created");
            play.schedules.push(id);
        }
        clock.advance_ms(EVERY_MS);
        match scene {
            Scene::Allow => {}
            Scene::QueueOne => {
                play.fire_all().await;
                clock.advance_ms(EVERY_MS);
                play.fire_all().await;
                play.end_jobs().await;
                clock.advance_ms(EVERY_MS);
            }
            Scene::CancelWaiting => {
                play.fire_all().await;
                clock.advance_ms(EVERY_MS);
            }
            Scene::CancelRunning => {
                play.fire_all().await;
                play.start_jobs().await;
                clock.advance_ms(EVERY_MS);
            }
        }
        play
    }

    /// Goes on after the fault, over two more fires; ends with every job ended and every schedule gone.
    async fn end(self) -> Vec<Vec<Told>> {
        self.fire_all().await;
        for _ in 0..2 {
            match self.scene {
                Scene::Allow | Scene::CancelWaiting => {}
                Scene::QueueOne => self.end_jobs().await,
                Scene::CancelRunning => {
                    self.end_jobs().await;
                    self.clock.advance_ms(1_000);
                    self.fire_all().await;
                    self.start_jobs().await;
                }
            }
            self.clock.advance_ms(EVERY_MS);
            self.fire_all().await;
        }
        let told = self.told().await;
        self.check(&told).await;
        self.start_jobs().await;
        self.end_jobs().await;
        for id in &self.schedules {
            assert!(self.ledger.delete_schedule(&self.tenant, *id).await.expect("it is deleted"));
        }
        told
    }

    async fn fire_all(&self) {
        while fire(self.ledger).await.schedules > 0 {}
    }

    /// Claims every job that waits.
    async fn start_jobs(&self) {
        for job in self.jobs().await.into_iter().filter(|job| job.state == State::Available) {
            let claimed = self.ledger.claim(claim_of([(job.id, job.attempt)])).await.expect("claim");
            assert_eq!(claimed.len(), 1, "{job:?} is claimed");
        }
    }

    /// Completes every job that lives.
    async fn end_jobs(&self) {
        self.start_jobs().await;
        let ids: Vec<JobId> = self.jobs().await.into_iter().filter(|job| !job.state.is_final()).map(|job| job.id).collect();
        let running = self.ledger.reread(ids).await.expect("reread");
        let now = self.clock.now();
        let changes: Vec<_> = running.iter().map(|running| decided(running, done(), now)).collect();
        let settled = self.ledger.settle(changes).await.expect("settle");
        assert!(settled.iter().all(|settled| *settled), "{settled:?}");
    }

    async fn jobs(&self) -> Vec<Job> {
        self.ledger.list(&self.tenant, &ListFilter::default(), ALL_JOBS).await.expect("list").jobs
    }

    /// What became of each schedule's fires.
    async fn told(&self) -> Vec<Vec<Told>> {
        let mut told = Vec::new();
        for id in &self.schedules {
            let fires = self.ledger.fires(&self.tenant, *id, None, None, ALL).await.expect("fires");
            let tell = |fire: &Fire| (fire.fire_at.ms_since(self.began_at), fire.status, fire.reason, fire.n, fire.job_id.is_some());
            told.push(fires.iter().rev().map(tell).collect());
        }
        told
    }

    /// How much of the broken transaction is there: what it would have written are the rows of one more instant.
    async fn left(&self, before: &[Vec<Told>]) -> Left {
        let now = self.told().await;
        if now == before {
            return Left::Nothing;
        }
        let more = now.iter().zip(before).filter(|(now, before)| now.len() == before.len() + 1).count();
        assert_eq!(more, SCHEDULES, "all of it or nothing: {before:?} became {now:?}");
        Left::Everything
    }

    /// Each instant once, each job of one fire, their numbers without a gap, and the accounts in balance.
    async fn check(&self, told: &[Vec<Told>]) {
        let mut of_fires = BTreeSet::new();
        for (id, told) in self.schedules.iter().zip(told) {
            let instants: Vec<i64> = told.iter().map(|fire| fire.0).collect();
            let expected: Vec<i64> = (1..=told.len() as i64).map(|place| place * EVERY_MS).collect();
            assert_eq!(instants, expected);
            let mut numbers: Vec<u64> = told.iter().filter_map(|fire| fire.3).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{told:?}");
            assert!(numbers.len() >= 2, "{told:?}");
            for fire in self.ledger.fires(&self.tenant, *id, None, None, ALL).await.expect("fires") {
                assert_eq!(fire.job_id.is_some(), fire.n.is_some(), "{fire:?}");
                assert!(fire.job_id.is_none_or(|job| of_fires.insert(job)), "{fire:?}");
            }
        }
        let kept: BTreeSet<JobId> = self.jobs().await.iter().map(|job| job.id).collect();
        assert_eq!(kept, of_fires, "a job for each fire that submitted one, and no other");
        let balances = self.ledger.balances().await.expect("balances");
        let own = balances.iter().find(|balance| balance.tenant == self.tenant).expect("an account");
        assert!(own.holds() && own.accepted == kept.len() as i64, "{own:?}");
    }
}

/// A line of the matrix.
fn show(ledger: &str, scene: Scene, step: &str, way: &str, left: Left, told: &[Vec<Told>]) {
    let (fires, jobs) = (told.iter().map(Vec::len).sum::<usize>(), told.iter().flatten().filter(|fire| fire.4).count());
    let left = match left {
        Left::Nothing => "nothing was written",
        Left::Everything => "everything was written",
    };
    println!("{ledger:8} {:14} {step:16} {way:34} {left:22} then {fires:2} fires once each, {jobs:2} jobs", format!("{scene:?}"));
}
