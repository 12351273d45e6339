//! The planner's promises under any sequence of events, told late, twice, out of order or never.

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};

use super::{
    super::Bounds,
    PAUSED,
    world::{Row, World, capped, lane, of_platform, of_tenant, worker},
};
use crate::{
    ledger::{FeedEvent, ReadyJob, TicketId},
    queue::Limits,
};

const TENANTS: usize = 4;
const PLATFORM_CAP: u32 = 9;
const SLOTS: u32 = 12;

/// Something that happens; the number chooses to what.
#[derive(Debug, Clone, Copy)]
enum Step {
    Submit(usize),
    Plan,
    Claim(usize, usize),
    Settle(usize, bool),
    Cancel(usize),
    /// One committed event is told, and stays to be told again.
    Tell(usize, bool),
    TellAll,
    /// One committed event is never told.
    Lose(usize),
    Read,
    Answer,
    Revoke(usize),
    Pause(usize),
    Discover(usize),
    LoadRunning,
    Forget(bool),
    Wait(i64),
}

fn steps(with_losses: bool) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0_usize..1_000).prop_map(Step::Submit),
        8 => Just(Step::Plan),
        8 => (0_usize..1_000, 0_usize..5).prop_map(|(which, take)| Step::Claim(which, take)),
        8 => (0_usize..1_000, any::<bool>()).prop_map(|(which, again)| Step::Settle(which, again)),
        2 => (0_usize..1_000).prop_map(Step::Cancel),
        12 => (0_usize..1_000, prop::bool::weighted(0.3)).prop_map(|(which, again)| Step::Tell(which, again)),
        2 => Just(Step::TellAll),
        2 => (0_usize..1_000).prop_map(move |which| if with_losses { Step::Lose(which) } else { Step::Plan }),
        4 => Just(Step::Read),
        4 => Just(Step::Answer),
        2 => (0_usize..1_000).prop_map(Step::Revoke),
        2 => (0_usize..TENANTS * 2).prop_map(Step::Pause),
        1 => (0_usize..TENANTS).prop_map(Step::Discover),
        1 => Just(Step::LoadRunning),
        1 => any::<bool>().prop_map(Step::Forget),
        4 => (0_i64..200).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..250)
}

struct Chaos {
    world: World,
    paused: Option<usize>,
}

impl Chaos {
    fn new(lane_jobs_max: usize) -> Self {
        let bounds = Bounds {
            lane_jobs_max,
            heads_jobs_max: lane_jobs_max * 3,
            lane_jobs_kept: 1,
            window_ids_max: 7,
            reads_max: 2,
            read_jobs_max: lane_jobs_max.max(2),
        };
        let mut chaos = Self { world: World::new(bounds, SLOTS), paused: None };
        chaos.world.planner.set_kinds([("b".to_owned(), 3, 1), ("a".to_owned(), 1, 4)].into_iter());
        chaos.set_workers(true);
        chaos.set_limits();
        chaos
    }

    /// Two workers; `b` is known while both are there.
    fn set_workers(&mut self, with_b: bool) {
        let kinds: &[&str] = if with_b { &["a", "b"] } else { &["a"] };
        self.world.set_workers(&[worker("w1", SLOTS / 2, kinds), worker("w2", SLOTS / 2, kinds)]);
    }

    fn cap(tenant: usize) -> Option<u32> {
        [Some(1), Some(3), None, Some(6)][tenant]
    }

    fn set_limits(&mut self) {
        let mut limits = vec![of_platform(capped(PLATFORM_CAP))];
        for tenant in 0..TENANTS {
            let paused = self.paused == Some(tenant);
            limits.push(of_tenant(tenant, Limits { paused, concurrency: Self::cap(tenant), weight: 1 + tenant as u32, ..PAUSED }));
        }
        self.world.planner.set_limits(&limits);
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        let world = &mut self.world;
        let pick = |which: usize, of: usize| if of == 0 { None } else { Some(which % of) };
        match step {
            Step::Submit(which) => {
                world.submit(which % TENANTS, ["a", "a", "b"][which % 3], [0, 0, 5, -5][which % 7 % 4]);
            }
            Step::Plan => self.plan()?,
            Step::Claim(which, take) => {
                let tickets: Vec<TicketId> = world.tickets.keys().copied().collect();
                if let Some(place) = pick(which, tickets.len()) {
                    world.claim(tickets[place], take.min(world.free()));
                }
            }
            Step::Settle(which, again) => {
                let running = world.of(Row::Running);
                if let Some(place) = pick(which, running.len()) {
                    world.settle(running[place], again);
                }
            }
            Step::Cancel(which) => {
                let waiting = world.of(Row::Available);
                if let Some(place) = pick(which, waiting.len()) {
                    world.cancel(waiting[place]);
                }
            }
            Step::Tell(which, again) => {
                if let Some(place) = pick(which, world.feed.len()) {
                    let event = world.feed[place].clone();
                    world.planner.apply(&event, world.now);
                    if !again {
                        world.feed.remove(place);
                    }
                }
            }
            Step::TellAll => world.tell(),
            Step::Lose(which) => {
                if let Some(place) = pick(which, world.feed.len()) {
                    world.feed.remove(place);
                }
            }
            Step::Read => world.read(),
            Step::Answer => world.answer(),
            Step::Revoke(which) => {
                let tickets: Vec<TicketId> = world.tickets.keys().copied().collect();
                if let Some(place) = pick(which, tickets.len()) {
                    world.revoke(&[tickets[place]]);
                }
            }
            Step::Pause(which) => {
                self.paused = (which < TENANTS).then_some(which);
                self.set_limits();
                let overdrawn = self.world.planner.overdrawn();
                self.world.revoke(&overdrawn);
                if let Some(tenant) = self.paused {
                    let handed =
                        self.world.taken(Some(tenant)) - self.world.running().iter().filter(|job| job.lane == lane(tenant)).count();
                    prop_assert_eq!(handed, 0, "a pause takes every ticket of the lane back");
                }
            }
            Step::Discover(tenant) => world.planner.discover(vec![lane(tenant)]),
            Step::LoadRunning => world.planner.load_running(world.running()),
            Step::Forget(with_b) => self.set_workers(with_b),
            Step::Wait(ms) => world.now = world.now.plus_ms(ms),
        }
        Ok(())
    }

    /// Plans, and checks what was handed out against the ledger's own truth.
    fn plan(&mut self) -> Result<(), TestCaseError> {
        let world = &mut self.world;
        let handed = world.plan();
        for tenant in 0..TENANTS {
            if let Some(cap) = Self::cap(tenant) {
                prop_assert!(world.taken(Some(tenant)) <= cap as usize, "lane {} is over its cap", tenant);
            }
        }
        prop_assert!(world.taken(None) <= PLATFORM_CAP as usize, "the queue is over its cap");
        prop_assert!(handed.iter().all(|id| Some(world.tenant_of(*id)) != self.paused), "a paused lane got something");
        let queue = world.planner.queues.iter().next().expect("the queue");
        let expected = queue.frees.expected(world.now);
        prop_assert!(queue.handed <= 7);
        prop_assert!(handed.is_empty() || queue.handed <= SLOTS.saturating_sub(queue.running) + expected, "the window is exceeded");
        let held: usize = world.planner.lanes.iter().map(|(_, lane)| lane.head.len()).sum();
        prop_assert!(held <= world.planner.bounds.heads_jobs_max + TENANTS, "{} jobs in memory", held);
        let twice = handed.iter().any(|id| handed.iter().filter(|other| *other == id).count() > 1);
        prop_assert!(!twice, "a job is in two tickets");
        Ok(())
    }

    /// The available jobs that the planner would never hand out, once all is told that will be.
    fn missed(&mut self) -> Vec<ReadyJob> {
        self.world.tell();
        let available = self.world.rows.values().filter(|(_, row)| *row == Row::Available).map(|(job, _)| job);
        available.filter(|job| self.world.planner.misses(job)).cloned().collect()
    }

    /// Everything was told that will be: no ready job may be forgotten.
    fn rest(&mut self) -> Result<(), TestCaseError> {
        self.paused = None;
        self.set_limits();
        self.set_workers(true);
        self.world.drain();
        prop_assert_eq!(self.world.of(Row::Available), [], "forgotten");
        let depths = self.world.planner.depths(self.world.now);
        prop_assert_eq!(depths.lanes, [], "counted though it is over");
        prop_assert!(self.world.planner.jobs.running().is_empty(), "held to run though it is over");
        Ok(())
    }
}

proptest! {
    #![proptest_config(Config { cases: 2_000, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Config::default() })]

    #[test]
    fn caps_pauses_and_the_window_hold_and_no_job_is_forgotten(lane_jobs_max in 1_usize..6, steps in steps(false)) {
        let mut chaos = Chaos::new(lane_jobs_max);
        for step in steps {
            chaos.step(step)?;
        }
        prop_assert_eq!(chaos.missed(), [], "missed though it was told");
        chaos.rest()?;
    }

    #[test]
    fn caps_hold_though_news_is_lost_and_the_ledger_puts_it_right(lane_jobs_max in 1_usize..6, steps in steps(true)) {
        let mut chaos = Chaos::new(lane_jobs_max);
        for step in steps {
            chaos.step(step)?;
        }
        let missed = chaos.missed();
        chaos.world.planner.apply(&FeedEvent::Ready(missed), chaos.world.now);
        prop_assert_eq!(chaos.missed(), [], "missed though it was announced anew");
        // What a take-over does: two looks at what runs, tickets that no row is left of, and the lanes anew.
        chaos.world.tell();
        chaos.world.planner.load_running(chaos.world.running());
        chaos.world.planner.load_running(chaos.world.running());
        let stale = chaos.world.planner.stale(chaos.world.now.plus_ms(1));
        for ticket in &stale {
            chaos.world.tickets.remove(ticket);
        }
        chaos.world.planner.revoked(&stale);
        chaos.world.planner.discover((0..TENANTS).map(lane).collect());
        chaos.rest()?;
    }
}
