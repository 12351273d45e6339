//! Fairness: the starvation bound and the shares that weights promise.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};

use super::{
    super::Bounds,
    world::{World, of_tenant, weighing, worker},
};
use crate::{job::JobId, ledger::HeadKey};

/// The most others handed out before the first job of `lane`, by the formula in `plan.rs`. Per lane: weight,
/// cheapest and dearest cost.
fn starvation_bound(lanes: &[(u32, u32, u32)], lane: usize) -> u32 {
    let (weight, _, dearest) = lanes[lane];
    let others = lanes.iter().enumerate().filter(|(other, _)| *other != lane);
    let round: u32 = others.map(|(_, (weight, cheapest, _))| weight.div_ceil(*cheapest)).sum();
    dearest.div_ceil(weight) * round
}

/// Counts, for the first job of every lane, how many others were handed out since it became that.
#[derive(Default)]
struct Waits(BTreeMap<usize, (JobId, u32)>);

impl Waits {
    /// The lanes' first jobs are these now; those that were already keep their count.
    fn firsts(&mut self, world: &World) {
        let mut firsts: BTreeMap<usize, HeadKey> = BTreeMap::new();
        let handed: BTreeSet<JobId> = world.handed.iter().copied().collect();
        for id in world.of(super::world::Row::Available) {
            if !handed.contains(&id) {
                let key = world.rows[&id].0.key();
                firsts.entry(world.tenant_of(id)).and_modify(|first| *first = key.min(*first)).or_insert(key);
            }
        }
        for (tenant, key) in firsts {
            if self.0.get(&tenant).is_none_or(|(id, _)| *id != key.id) {
                self.0.insert(tenant, (key.id, 0));
            }
        }
    }

    /// This one was handed out. Returns how many others were before it.
    fn handed(&mut self, tenant: usize, id: JobId) -> Option<u32> {
        for (other, (_, waited)) in &mut self.0 {
            if *other != tenant {
                *waited += 1;
            }
        }
        self.0.remove(&tenant).filter(|(first, _)| *first == id).map(|(_, waited)| waited)
    }
}

/// Runs one slot, so that every hand-out is one plan, and checks the bound at each.
fn check_bound(lanes: &[(u32, u32, u32)], arrivals: &[(usize, bool)]) -> Result<(), TestCaseError> {
    let mut world = World::new(Bounds::default(), 1);
    let limits: Vec<_> = lanes.iter().enumerate().map(|(tenant, (weight, _, _))| of_tenant(tenant, weighing(*weight))).collect();
    world.planner.set_limits(&limits);
    // Long kinds, so that the window stays at the one slot.
    let costs: BTreeSet<u32> = lanes.iter().flat_map(|(_, cheapest, dearest)| [*cheapest, *dearest]).collect();
    world.planner.set_kinds(costs.iter().map(|cost| (format!("cost{cost}"), *cost, 1)));
    let kinds: Vec<String> = costs.iter().map(|cost| format!("cost{cost}")).collect();
    world.set_workers(&[worker("w", 1, &kinds.iter().map(String::as_str).collect::<Vec<_>>())]);
    let mut waits = Waits::default();
    let mut arrivals = arrivals.iter();
    loop {
        let arrived = arrivals.next();
        if let Some((lane, dear)) = arrived {
            let lane = lane % lanes.len();
            let (_, cheapest, dearest) = lanes[lane];
            // Lane 0 floods: ten for every one of another.
            for _ in 0..if lane == 0 { 10 } else { 1 } {
                world.submit(lane, &format!("cost{}", if *dear { dearest } else { cheapest }), 0);
            }
        }
        world.tell();
        waits.firsts(&world);
        let handed = world.plan();
        for id in &handed {
            let tenant = world.tenant_of(*id);
            if let Some(waited) = waits.handed(tenant, *id) {
                let bound = starvation_bound(lanes, tenant);
                prop_assert!(waited <= bound, "lane {tenant} of {lanes:?} waited for {waited}, the bound is {bound}");
            }
        }
        if handed.is_empty() && arrived.is_none() {
            return Ok(());
        }
        world.claim_all();
        world.tell();
        world.settle_all();
    }
}

#[test]
fn a_flood_delays_quiet_tenants_by_one_round() {
    let lanes = [(1, 1, 1); 21];
    assert_eq!(starvation_bound(&lanes, 5), 20);
    let arrivals: Vec<(usize, bool)> = (0..20).map(|_| (0, false)).chain((0..300).map(|step| (step * 7, false))).collect();
    check_bound(&lanes, &arrivals).expect("the bound holds");
}

#[test]
fn a_quiet_tenant_starts_after_the_window_and_one_round() {
    let mut world = World::new(Bounds::default(), 50);
    world.submit_many(0, "a", 3_000);
    assert_eq!(world.tell_and_plan().len(), 50, "the window is full before the others come");
    for tenant in 1..=20 {
        world.submit(tenant, "a", 0);
    }
    for _ in 0..2 {
        world.tell_and_plan();
        world.claim_all();
        world.tell();
        world.settle_all();
    }
    let after_window = &world.handed[50..];
    let last_quiet = after_window.iter().rposition(|id| world.tenant_of(*id) != 0);
    assert!(last_quiet.is_some_and(|place| place <= 20), "window, then one job of each: {last_quiet:?}");
}

#[test]
fn weights_and_costs_give_proportional_shares() {
    // Per lane: weight and cost; the slot-time a lane gets is jobs times cost.
    let lanes = [(1, 1), (2, 1), (4, 1), (4, 7), (1, 3), (10, 10)];
    let mut world = World::new(Bounds::default(), 1);
    world
        .planner
        .set_limits(&lanes.iter().enumerate().map(|(tenant, (weight, _))| of_tenant(tenant, weighing(*weight))).collect::<Vec<_>>());
    world.planner.set_kinds(lanes.iter().map(|(_, cost)| (format!("cost{cost}"), *cost, 1)));
    world.set_workers(&[worker("w", 1, &["cost1", "cost3", "cost7", "cost10"])]);
    for (tenant, (_, cost)) in lanes.iter().enumerate() {
        world.submit_many(tenant, &format!("cost{cost}"), 1_000);
    }
    for _ in 0..1_500 {
        world.tell_and_plan();
        world.claim_all();
        world.tell();
        world.settle_all();
    }
    for (tenant, (weight, cost)) in lanes.iter().enumerate() {
        let jobs = world.handed.iter().filter(|id| world.tenant_of(**id) == tenant).count();
        let per_weight = jobs as f64 * f64::from(*cost) / f64::from(*weight);
        let expected = 1_500.0 / lanes.iter().map(|(weight, cost)| f64::from(*weight) / f64::from(*cost)).sum::<f64>();
        assert!((per_weight / expected - 1.0).abs() < 0.03, "lane {tenant}: {per_weight} per weight, not {expected}");
    }
}

#[test]
fn a_tenant_with_one_dear_job_at_a_time_still_pays_for_each() {
    let mut world = World::new(Bounds::default(), 1);
    world.planner.set_kinds([("dear".to_owned(), 50, 1), ("a".to_owned(), 1, 1)].into_iter());
    world.set_workers(&[worker("w", 1, &["a", "dear"])]);
    world.submit_many(0, "a", 1_000);
    let mut dear = world.submit(1, "dear", 0);
    for _ in 0..500 {
        if world.tell_and_plan().contains(&dear) {
            dear = world.submit(1, "dear", 0);
        }
        world.claim_all();
        world.tell();
        world.settle_all();
    }
    let dear_jobs = world.handed.iter().filter(|id| world.tenant_of(**id) == 1).count();
    assert!((9..=11).contains(&dear_jobs), "{dear_jobs} of 50 in 500 turns");
}

proptest! {
    #![proptest_config(Config { cases: 96, rng_seed: RngSeed::Fixed(11), failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_first_job_waits_longer_than_the_bound(
        lanes in prop::collection::vec((1_u32..6, 1_u32..8, 0_u32..20), 2..7),
        arrivals in prop::collection::vec((0_usize..6, any::<bool>()), 1..120),
    ) {
        let lanes: Vec<_> = lanes.into_iter().map(|(weight, cheapest, more)| (weight, cheapest, cheapest + more)).collect();
        check_bound(&lanes, &arrivals)?;
    }
}
