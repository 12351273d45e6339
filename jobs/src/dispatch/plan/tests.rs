//! The planner's rules by example; its promises under any sequence of events are in `tests/chaos.rs` and
//! `tests/fair.rs`.

mod chaos;
mod fair;
mod world;

use self::world::{Row, World, capped, lane, of_platform, of_tenant, worker};
use super::Bounds;
use crate::{
    ledger::{FeedEvent, LaneDepth, RunningJob},
    queue::Limits,
};

const PAUSED: Limits = Limits { paused: true, concurrency: None, rate_per_s: None, weight: 1 };

fn tiny(lane_jobs_max: usize) -> Bounds {
    Bounds { lane_jobs_max, read_jobs_max: lane_jobs_max.max(2), ..Bounds::default() }
}

fn rated(rate_per_s: f64) -> Limits {
    Limits { rate_per_s: Some(rate_per_s), ..Limits::default() }
}

#[test]
fn a_lane_goes_by_priority_then_by_age() {
    let mut world = World::new(Bounds::default(), 10);
    let ids = [0, 5, -3, 5, 0].map(|priority| world.submit(1, "a", priority));
    assert_eq!(world.tell_and_plan(), [ids[1], ids[3], ids[0], ids[4], ids[2]]);
}

#[test]
fn only_a_job_whose_news_was_lost_is_missed() {
    let mut world = World::new(tiny(2), 1);
    let told = world.submit_many(1, "a", 5);
    world.tell_and_plan();
    let lost = [world.submit(1, "a", 9), world.submit(2, "a", 0)];
    world.feed.clear();
    let missed = |world: &World| -> Vec<_> {
        let jobs = world.rows.values().map(|(job, _)| job).filter(|job| world.planner.misses(job));
        jobs.map(|job| job.id).collect()
    };
    assert_eq!(missed(&world), lost, "those beyond the head's reach are read again");
    world.settle_all();
    let announced = lost.map(|id| world.rows[&id].0.clone()).to_vec();
    world.feed.push_back(FeedEvent::Ready(announced));
    world.tell();
    assert_eq!(missed(&world), []);
    world.drain();
    assert_eq!((world.of(Row::Available), world.of(Row::Over).len()), (vec![], told.len() + lost.len()));
}

#[test]
fn a_ticket_is_of_one_kind_and_not_longer_than_the_kind_allows() {
    let mut world = World::new(Bounds::default(), 100);
    world.planner.set_kinds([("a".to_owned(), 1, 4), ("b".to_owned(), 1, 3)].into_iter());
    world.set_workers(&[worker("w", 100, &["a", "b"])]);
    for place in 0..20 {
        world.submit(place % 3, ["a", "b"][place % 2], 0);
    }
    assert_eq!(world.tell_and_plan().len(), 20);
    for ticket in world.tickets.values() {
        assert!(ticket.ids.len() <= if ticket.kind == "a" { 4 } else { 3 });
        assert!(ticket.ids.iter().all(|(id, _)| world.rows[id].0.kind == ticket.kind));
    }
}

#[test]
fn idle_workers_share_what_is_there() {
    let mut world = World::new(Bounds::default(), 0);
    world.set_workers(&["w1", "w2", "w3"].map(|name| worker(name, 10, &["a"])));
    world.submit_many(1, "a", 9);
    world.tell_and_plan();
    assert_eq!(world.tickets.values().map(|ticket| ticket.ids.len()).collect::<Vec<_>>(), [3, 3, 3]);
}

#[test]
fn nothing_is_handed_out_beyond_the_idle_slots_while_no_slot_frees() {
    let mut world = World::new(Bounds::default(), 3);
    world.submit_many(1, "a", 10);
    assert_eq!(world.tell_and_plan().len(), 3);
    world.claim_all();
    assert_eq!(world.tell_and_plan().len(), 0);
    world.settle(world.of(Row::Running)[0], false);
    assert_eq!(world.tell_and_plan().len(), 1);
}

#[test]
fn short_jobs_are_handed_out_for_slots_about_to_free_and_long_ones_are_not() {
    for (ticket_jobs_max, expected) in [(64, 110), (1, 10)] {
        let mut world = World::new(Bounds::default(), 10);
        world.planner.set_kinds(std::iter::once(("a".to_owned(), 1, ticket_jobs_max)));
        world.submit_many(1, "a", 4_000);
        for _ in 0..200 {
            world.tell_and_plan();
            world.claim_all();
            world.settle_all();
            world.now = world.now.plus_ms(5);
        }
        world.tell_and_plan();
        let handed: usize = world.tickets.values().map(|ticket| ticket.ids.len()).sum();
        assert!(handed.abs_diff(expected) <= expected / 5, "{handed} of tickets of {ticket_jobs_max}");
    }
}

#[test]
fn a_long_job_is_not_passed_by_short_ones_for_ever() {
    let mut world = World::new(Bounds::default(), 10);
    world.planner.set_kinds([("long".to_owned(), 1, 1), ("a".to_owned(), 1, 64)].into_iter());
    world.set_workers(&[worker("w", 10, &["a", "long"])]);
    world.submit_many(1, "a", 4_000);
    for _ in 0..100 {
        world.tell_and_plan();
        world.claim_all();
        world.settle_all();
        world.now = world.now.plus_ms(5);
    }
    let long = world.submit(2, "long", 0);
    for round in 0.. {
        assert!(round < 10, "every slot that frees is taken by a short job");
        if world.tell_and_plan().contains(&long) {
            break;
        }
        world.claim_all();
        world.settle_all();
        world.now = world.now.plus_ms(5);
    }
}

#[test]
fn a_paused_lane_gets_nothing_and_its_tickets_are_wanted_back() {
    let mut world = World::new(Bounds::default(), 10);
    world.submit_many(1, "a", 4);
    world.tell_and_plan();
    world.submit_many(2, "a", 2);
    world.planner.set_limits(&[of_tenant(1, PAUSED)]);
    assert_eq!(world.tell_and_plan().len(), 2, "the other lane goes on");
    let overdrawn = world.planner.overdrawn();
    assert_eq!(overdrawn.len(), 1);
    world.revoke(&overdrawn);
    assert_eq!(world.plan().len(), 0);
    assert_eq!(world.taken(Some(1)), 0);
    world.planner.set_limits(&[]);
    assert_eq!(world.plan().len(), 4);
}

#[test]
fn a_lowered_cap_wants_the_newest_tickets_back() {
    for limits in [of_tenant(1, capped(5)), of_platform(capped(5))] {
        let mut world = World::new(Bounds::default(), 10);
        world.planner.set_kinds(std::iter::once(("a".to_owned(), 1, 2)));
        let ids = world.submit_many(1, "a", 10);
        world.tell_and_plan();
        world.planner.set_limits(&[limits]);
        world.revoke(&world.planner.overdrawn());
        assert_eq!(world.taken(None), 4, "tickets of two: five would keep half a ticket");
        assert_eq!(world.plan(), [ids[4]]);
    }
}

#[test]
fn a_rate_limit_starts_empty_and_says_when_to_look_again() {
    for limits in [of_tenant(1, rated(2.0)), of_platform(rated(2.0))] {
        let mut world = World::new(Bounds::default(), 100);
        world.planner.set_limits(&[limits]);
        world.submit_many(1, "a", 20);
        assert_eq!(world.tell_and_plan().len(), 0);
        assert_eq!(world.planner.next_wake(world.now), Some(world.now.plus_ms(500)));
        world.now = world.now.plus_ms(499);
        assert_eq!(world.plan().len(), 0);
        world.now = world.now.plus_ms(1);
        assert_eq!(world.plan().len(), 1);
        world.now = world.now.plus_ms(60_000);
        assert_eq!(world.plan().len(), 2, "a burst is one second's worth");
        world.revoke(&world.planner.stale(world.now.plus_ms(1)));
        assert_eq!(world.plan().len(), 2, "what did not start does not count");
    }
}

#[test]
fn a_rate_of_nothing_holds_the_lane_and_only_that() {
    let mut world = World::new(Bounds::default(), 100);
    world.planner.set_limits(&[of_tenant(1, rated(0.0))]);
    world.submit_many(1, "a", 3);
    world.submit_many(2, "a", 3);
    assert_eq!(world.tell_and_plan().len(), 3);
    assert_eq!(world.planner.next_wake(world.now), None);
    world.planner.set_limits(&[]);
    assert_eq!(world.plan().len(), 3);
}

#[test]
fn an_unknown_kind_gets_no_ticket_and_blocks_nobody() {
    let mut world = World::new(tiny(4), 100);
    let unknown: Vec<_> = (0..50).map(|_| world.submit(1, "b", 9)).collect();
    let known = world.submit_many(1, "a", 3);
    world.drain();
    assert_eq!(world.handed, known);
    world.set_workers(&[worker("w", 100, &["a", "b"])]);
    world.drain();
    assert_eq!(world.handed[3..], unknown, "a worker that knows the kind came");
}

#[test]
fn what_a_claim_leaves_comes_back_and_what_was_gone_does_not() {
    let mut world = World::new(Bounds::default(), 4);
    let ids = world.submit_many(1, "a", 4);
    world.tell_and_plan();
    world.rows.get_mut(&ids[0]).expect("a row").1 = Row::Over;
    let ticket = *world.tickets.keys().next().expect("a ticket");
    world.claim(ticket, 1);
    assert_eq!(world.tell_and_plan(), ids[2..]);
    let depths = world.planner.depths(world.now);
    let oldest_ms = Some(world.now.ms());
    assert_eq!(depths.lanes, [LaneDepth { lane: lane(1), ready: 2, running: 1, oldest_ms }]);
}

#[test]
fn a_ticket_that_nobody_presents_is_stale() {
    let mut world = World::new(Bounds::default(), 4);
    let ids = world.submit_many(1, "a", 2);
    world.tell_and_plan();
    assert!(world.planner.stale(world.now).is_empty());
    let stale = world.planner.stale(world.now.plus_ms(1));
    world.revoke(&stale);
    assert_eq!(world.plan(), ids);
}

#[test]
fn news_of_one_attempt_in_any_order_ends_the_same() {
    let mut world = World::new(Bounds::default(), 4);
    let id = world.submit(1, "a", 0);
    let submitted = world.feed[0].clone();
    world.tell_and_plan();
    world.claim_all();
    world.settle(id, true);
    let told: Vec<FeedEvent> = world.feed.drain(..).chain([submitted]).collect();
    assert_eq!(told.len(), 4);
    for order in 0..24 {
        let mut planner = World::new(Bounds::default(), 4);
        planner.submit(1, "a", 0);
        planner.tell_and_plan();
        let mut left: Vec<&FeedEvent> = told.iter().collect();
        for (places, pick) in [(4, order / 6), (3, order / 2 % 3), (2, order % 2), (1, 0)] {
            assert_eq!(left.len(), places);
            let event = left.remove(pick);
            planner.planner.apply(event, planner.now);
            planner.planner.apply(event, planner.now);
        }
        let lanes = planner.planner.depths(planner.now).lanes;
        assert_eq!((lanes[0].ready, lanes[0].running), (1, 0), "order {order}");
        let row = &mut planner.rows.get_mut(&id).expect("the row").0;
        row.attempt = 1;
        assert_eq!(planner.plan(), [id], "order {order}");
        assert_eq!(planner.tickets.values().last().map(|ticket| ticket.ids.clone()), Some(vec![(id, 1)]));
    }
}

#[test]
fn news_of_an_ended_job_is_no_news() {
    let mut world = World::new(Bounds::default(), 1);
    let id = world.submit(1, "a", 0);
    let submitted = world.feed[0].clone();
    world.tell_and_plan();
    world.claim_all();
    let claimed = world.feed[0].clone();
    world.settle(id, false);
    world.tell();
    for event in [claimed, submitted] {
        world.planner.apply(&event, world.now);
        assert_eq!(world.planner.depths(world.now).lanes, []);
        assert!(world.planner.jobs.running().is_empty());
    }
}

#[test]
fn an_end_that_is_heard_of_before_its_claim_frees_the_slot() {
    let mut world = World::new(Bounds::default(), 1);
    let ids = world.submit_many(1, "a", 2);
    world.tell_and_plan();
    world.claim_all();
    world.settle(ids[0], false);
    world.feed.pop_front();
    assert_eq!(world.tell_and_plan(), [ids[1]]);
}

#[test]
fn a_job_that_came_back_while_it_was_handed_out_is_not_dropped_with_its_ticket() {
    let mut world = World::new(Bounds::default(), 1);
    let id = world.submit(1, "a", 0);
    let redriven = world.feed[0].clone();
    world.tell_and_plan();
    // It is cancelled, the ticket is presented, it is redriven; the redrive is heard of first.
    let ticket = *world.tickets.keys().next().expect("a ticket");
    world.planner.apply(&redriven, world.now);
    world.planner.apply(&FeedEvent::Claimed { ticket, claimed: vec![], returned: vec![] }, world.now);
    assert_eq!(world.plan(), [id]);
}

#[test]
fn full_heads_leave_every_lane_its_first_jobs() {
    let mut world = World::new(Bounds { heads_jobs_max: 10, lane_jobs_kept: 2, ..Bounds::default() }, 50);
    let flood = world.submit_many(0, "a", 30);
    let quiet: Vec<_> = (1..=20).flat_map(|tenant| world.submit_many(tenant, "a", 3)).collect();
    world.tell();
    let in_memory: Vec<usize> = world.planner.lanes.iter().map(|(_, lane)| lane.head.len()).collect();
    assert_eq!(in_memory, [vec![10], vec![2; 20]].concat());
    assert_eq!(world.planner.depths(world.now).lanes.iter().map(|lane| lane.ready).sum::<u64>(), 90);
    world.drain();
    assert_eq!(world.of(Row::Over), [flood, quiet].concat());
}

#[test]
fn a_take_over_knows_what_runs_before_it_hands_out() {
    let mut world = World::new(tiny(3), 10);
    world.planner.set_limits(&[of_tenant(1, capped(2))]);
    let ids = world.submit_many(1, "a", 9);
    world.tell_and_plan();
    world.claim_all();
    world.feed.clear();
    world.planner = World::new(tiny(3), 10).planner;
    world.planner.set_limits(&[of_tenant(1, capped(2))]);
    world.planner.load_running(world.running());
    world.planner.discover(vec![lane(1)]);
    world.read();
    world.answer();
    assert_eq!(world.plan(), []);
    world.settle(ids[0], false);
    assert_eq!(world.tell_and_plan(), [ids[2]]);
    world.drain();
    assert_eq!(world.of(Row::Over), ids);
}

#[test]
fn a_running_job_is_forgotten_when_two_lists_miss_it() {
    let mut world = World::new(Bounds::default(), 1);
    let ids = world.submit_many(1, "a", 2);
    world.tell_and_plan();
    world.claim_all();
    world.tell();
    world.planner.load_running(Vec::new());
    assert_eq!(world.plan(), [], "it may have been claimed while the list was read");
    world.planner.load_running(vec![RunningJob { id: ids[0], attempt: 1, lane: lane(1) }]);
    world.planner.load_running(Vec::new());
    assert_eq!(world.plan(), []);
    world.planner.load_running(Vec::new());
    assert_eq!(world.plan(), [ids[1]]);
}

#[test]
fn a_claim_of_an_unknown_ticket_counts_once_its_lane_is_heard_of() {
    let mut world = World::new(Bounds::default(), 5);
    world.planner.set_limits(&[of_tenant(1, capped(1))]);
    let ids = world.submit_many(1, "a", 2);
    let ticket = uuid::Uuid::from_u128(99);
    world.feed.push_front(FeedEvent::Claimed { ticket, claimed: vec![(ids[0], 1)], returned: vec![] });
    assert_eq!(world.tell_and_plan(), []);
    world.planner.apply(&FeedEvent::Freed(vec![(ids[0], 1)]), world.now);
    assert_eq!(world.plan(), [ids[1]]);
}

#[test]
fn lanes_with_nothing_to_remember_are_forgotten() {
    let mut world = World::new(Bounds::default(), 100);
    for tenant in 0..1_000 {
        world.submit(tenant, "a", 0);
    }
    world.drain();
    for _ in 0..10 {
        world.plan();
    }
    assert_eq!(world.planner.lanes.iter().count(), 0);
}
