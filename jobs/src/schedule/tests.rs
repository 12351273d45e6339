//! Every rule of `decide.rs` in a case of its own, and that deciding in pieces comes to the same as deciding in time.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{job::State, kinds, lifecycle::Snapshot};

/// 2027-01-15, 08:00 UTC.
const START: Timestamp = Timestamp::from_ms(1_800_000_000_000);
const DAY_MS: i64 = 86_400_000;

fn rules() -> Rules {
    Rules { catalog: Catalog::new(kinds::contracts()).expect("the schemas compile"), fires_kept_ms: 30 * DAY_MS }
}

fn definition(change: serde_json::Value) -> Definition {
    let mut body = json!({ "name": "nightly", "cron": "@every 10s", "job": { "kind": "echo", "payload": { "message": "{{ n }}." } } });
    body.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
    serde_json::from_str(&body.to_string()).expect("a definition")
}

fn schedule(change: serde_json::Value) -> Schedule {
    Schedule::new(ScheduleId(Uuid::from_u128(7)), TenantId::default_tenant(), definition(change), START)
}

/// A schedule, its fires and its jobs, brought on as a ledger would.
struct World {
    schedule: Schedule,
    fires: Vec<Fire>,
    jobs: Vec<Snapshot>,
    rules: Rules,
}

impl World {
    fn of(change: serde_json::Value) -> Self {
        Self { schedule: schedule(change), fires: Vec::new(), jobs: Vec::new(), rules: rules() }
    }

    fn open(&self) -> Vec<Open> {
        let job = |fire: &Fire| self.jobs.iter().find(|job| Some(job.id) == fire.job_id).copied();
        self.fires.iter().filter(|fire| fire.open).map(|fire| Open { fire_at: fire.fire_at, job_id: fire.job_id, job: job(fire) }).collect()
    }

    fn look(&mut self, now: Timestamp, occasion: Occasion) -> Decision {
        let decision = decide::decide(&self.schedule, &self.open(), &self.rules, now, occasion);
        for fire_at in &decision.closed {
            self.fires.iter_mut().filter(|fire| fire.fire_at == *fire_at).for_each(|fire| fire.open = false);
        }
        for settled in &decision.settled {
            self.fires.iter_mut().filter(|fire| fire.fire_at == settled.fire_at).for_each(|fire| *fire = settled.clone());
        }
        self.fires.extend(decision.fires.iter().cloned());
        self.jobs.extend(decision.jobs.iter().map(|job| waiting(job.id)));
        for cancel in &decision.cancels {
            for job in self.jobs.iter_mut().filter(|job| job.id == cancel.id) {
                assert_eq!((job.state, job.cancel_requested), (cancel.guard.state, cancel.guard.cancel_requested), "the guard holds");
                (job.state, job.cancel_requested) = (cancel.state, cancel.cancel_requested);
            }
        }
        self.schedule.next_fire_at = decision.next_fire_at;
        self.schedule.last_fire_at = decision.last_fire_at;
        self.schedule.due_at = decision.due_at;
        self.schedule.jobs_made = decision.jobs_made;
        decision
    }

    /// Looks until nothing is due.
    fn catch_up_with(&mut self, now: Timestamp) {
        while self.schedule.due_at.is_some_and(|due_at| due_at <= now) {
            self.look(now, Occasion::Due);
        }
    }

    /// Looks at `at_s` seconds after the start.
    fn at(&mut self, at_s: i64) -> &mut Self {
        self.catch_up_with(START.plus_ms(at_s * 1_000));
        self
    }

    fn edit(&mut self, edit: &Edit, now: Timestamp) {
        let occasion = if matches!(edit, Edit::Pause) { Occasion::Pause } else { Occasion::Edit };
        self.look(now, occasion);
        while self.schedule.is_behind(now) {
            self.look(now, occasion);
        }
        self.schedule = self.schedule.edited(edit, now);
    }

    fn set(&mut self, n: u64, state: State) {
        let job = self.fires.iter().find(|fire| fire.n == Some(n)).and_then(|fire| fire.job_id).expect("the job was made");
        self.jobs.iter_mut().filter(|one| one.id == job).for_each(|one| one.state = state);
    }

    /// Each fire: seconds after the start, what became of it, why, and the number of its job.
    fn told(&self) -> Vec<(i64, FireStatus, Option<SkipReason>, Option<u64>)> {
        let mut told: Vec<_> =
            self.fires.iter().map(|fire| (fire.fire_at.ms_since(START) / 1_000, fire.status, fire.reason, fire.n)).collect();
        told.sort_by_key(|fire| fire.0);
        told
    }
}

fn waiting(id: JobId) -> Snapshot {
    Snapshot {
        id,
        state: State::Available,
        attempt: 0,
        forgiven: 0,
        crashes: 0,
        max_attempts: 1,
        cancel_requested: false,
        run_at: START,
        deadline: None,
        lease_until: None,
    }
}

use FireStatus::{CaughtUp, Fired, Missed, Queued, Skipped};

#[test]
fn each_expected_instant_fires_once_and_in_its_time() {
    let mut world = World::of(json!({}));
    assert_eq!(world.schedule.due_at, Some(START.plus_ms(10_000)));
    assert_eq!(world.at(9).told(), []);
    assert_eq!(world.at(10).told(), [(10, Fired, None, Some(1))]);
    assert_eq!(world.at(19).told().len(), 1);
    assert_eq!(world.at(33).told(), [(10, Fired, None, Some(1)), (20, Fired, None, Some(2)), (30, Fired, None, Some(3))]);
    assert_eq!(world.fires.iter().map(|fire| fire.late_ms).collect::<Vec<_>>(), [0, 13_000, 3_000]);
    assert_eq!(world.schedule.due_at, Some(START.plus_ms(40_000)));
}

#[test]
fn nothing_fires_before_the_start_or_after_the_end() {
    let (starts_at, ends_at) = (START.plus_ms(3_600_000), START.plus_ms(3 * 3_600_000));
    let mut world = World::of(json!({ "cron": "@hourly", "starts_at": starts_at, "ends_at": ends_at }));
    assert_eq!(world.schedule.next_fire_at, Some(starts_at), "the very beginning counts");
    for hour in 1..6 {
        world.at(hour * 3_600);
    }
    assert_eq!(world.told().iter().map(|fire| fire.0 / 3_600).collect::<Vec<_>>(), [1, 2, 3], "and so does the very end");
    assert_eq!((world.schedule.next_fire_at, world.schedule.due_at), (None, None));
}

#[test]
fn jitter_is_the_same_for_every_fire_and_another_for_every_schedule() {
    let mut world = World::of(json!({ "jitter_s": 5 }));
    let jitter_ms = world.schedule.jitter_ms();
    assert!((1..=5_000).contains(&jitter_ms), "{jitter_ms} (of this very id)");
    world.catch_up_with(START.plus_ms(10_000 + jitter_ms - 1));
    assert_eq!(world.told(), []);
    world.catch_up_with(START.plus_ms(10_000 + jitter_ms));
    assert_eq!((world.told(), world.fires[0].late_ms), (vec![(10, Fired, None, Some(1))], 0));
    assert_eq!(world.schedule.due_at, Some(START.plus_ms(20_000 + jitter_ms)));
    let others = (0..1_000u128).map(|id| Schedule { id: ScheduleId(Uuid::from_u128(id << 64 | 7)), ..world.schedule.clone() }.jitter_ms());
    let buckets = others.fold([0; 5], |mut buckets, jitter_ms| {
        buckets[usize::try_from(jitter_ms / 1_001).expect("small")] += 1;
        buckets
    });
    assert!(buckets.iter().all(|count| (120..280).contains(count)), "spread evenly: {buckets:?}");
}

#[test]
fn what_was_missed_follows_the_misfire_policy() {
    // Looked at after 100 s: 10 to 30 are more than a minute late, 40 to 100 are not.
    let on_time = |from: u64| (4..=10).map(move |tens| (tens * 10, Fired, None, Some(from + u64::try_from(tens).expect("small") - 4)));
    let missed = |tens: i64| (tens * 10, Missed, None, None);
    let made_up = |tens: i64, n| (tens * 10, CaughtUp, None, Some(n));
    let cases = [
        (json!("skip"), vec![missed(1), missed(2), missed(3)], 1),
        (json!("fire_once"), vec![missed(1), missed(2), missed(3)], 1),
        (json!({ "catch_up": { "max": 2, "window_s": 3_600 } }), vec![missed(1), made_up(2, 1), made_up(3, 2)], 3),
        (json!({ "catch_up": { "max": 9, "window_s": 85 } }), vec![missed(1), made_up(2, 1), made_up(3, 2)], 3),
        (json!({ "catch_up": { "max": 9, "window_s": 3_600 } }), vec![made_up(1, 1), made_up(2, 2), made_up(3, 3)], 4),
    ];
    for (misfire, mut expected, next) in cases {
        let mut world = World::of(json!({ "misfire": misfire }));
        expected.extend(on_time(next));
        assert_eq!(world.at(100).told(), expected, "{misfire}");
    }
}

#[test]
fn of_long_missed_fires_the_latest_is_made_up_for() {
    let mut world = World::of(json!({ "cron": "@every 600s" }));
    assert_eq!(
        world.at(2_000).told(),
        [(600, Missed, None, None), (1_200, Missed, None, None), (1_800, CaughtUp, None, Some(1))],
        "200 s late"
    );
    let mut skipping = World::of(json!({ "cron": "@every 600s", "misfire": "skip" }));
    assert!(skipping.at(2_000).told().iter().all(|fire| fire.1 == Missed));
    assert_eq!(skipping.schedule.jobs_made, 0);
}

#[test]
fn a_minute_is_still_in_time() {
    let late = |late_ms: i64| {
        let mut world = World::of(json!({ "cron": "@every 3600s", "misfire": "skip" }));
        world.catch_up_with(START.plus_ms(3_600_000 + late_ms));
        world.fires[0].status
    };
    assert_eq!((late(MISSED_AFTER_MS), late(MISSED_AFTER_MS + 1)), (Fired, Missed));
}

#[test]
fn what_would_be_forgotten_by_now_leaves_no_trace() {
    let mut world = World::of(json!({ "cron": "@every 1h" }));
    world.catch_up_with(START.plus_ms(40 * DAY_MS));
    assert_eq!(world.fires.first().map(|fire| fire.fire_at), Some(START.plus_ms(10 * DAY_MS + 3_600_000)));
    assert_eq!(world.fires.len(), 30 * 24);
}

#[test]
fn an_overlapping_fire_is_skipped_while_the_one_before_lives() {
    let mut world = World::of(json!({ "overlap": "skip" }));
    world.at(10).set(1, State::Running);
    world.at(20).set(1, State::Retryable);
    world.at(30).set(1, State::Dead);
    let skipped = |at_s| (at_s, Skipped, Some(SkipReason::Overlap), None);
    assert_eq!(world.at(40).told(), [(10, Fired, None, Some(1)), skipped(20), skipped(30), (40, Fired, None, Some(2))]);
    world.jobs.clear();
    assert_eq!(world.at(50).told()[4], (50, Fired, None, Some(3)), "a job that was pruned is over");
    assert!(world.fires.iter().filter(|fire| fire.open).count() == 1, "what is over is not looked at again");
}

#[test]
fn one_fire_waits_for_the_one_before_and_no_more() {
    let mut world = World::of(json!({ "overlap": "queue_one" }));
    world.at(10).set(1, State::Running);
    world.at(20);
    assert!(world.schedule.due_at < Some(START.plus_ms(21_000)), "it is looked after");
    world.at(35);
    let told = |second: FireStatus, n| [(10, Fired, None, Some(1)), (20, second, None, n), (30, Skipped, Some(SkipReason::Overlap), None)];
    assert_eq!(world.told(), told(Queued, None));
    world.set(1, State::Completed);
    assert_eq!(world.at(37).told(), told(Fired, Some(2)));
    let second = &world.fires[1];
    assert_eq!((second.late_ms, second.decided_at), (17_000, START.plus_ms(37_000)));
    world.set(2, State::Completed);
    assert_eq!(world.at(40).told()[3], (40, Fired, None, Some(3)));
}

#[test]
fn the_one_before_is_cancelled_and_the_next_starts_when_it_has_stopped() {
    let mut world = World::of(json!({ "overlap": "cancel_previous" }));
    // One that only waits is over at once.
    assert_eq!(world.at(10).at(20).told(), [(10, Fired, None, Some(1)), (20, Fired, None, Some(2))]);
    assert_eq!((world.jobs[0].state, world.jobs[1].state), (State::Cancelled, State::Available));
    // One that runs is asked, once, and waited for; a later fire takes the place of the one that waits.
    world.set(2, State::Running);
    world.at(30);
    assert!(world.jobs[1].cancel_requested);
    assert!(world.look(START.plus_ms(35_000), Occasion::Due).cancels.is_empty(), "it was asked already");
    world.at(40);
    assert_eq!(world.told()[2..], [(30, Skipped, Some(SkipReason::Superseded), None), (40, Queued, None, None)]);
    world.set(2, State::Cancelled);
    assert_eq!(world.at(41).told()[3], (40, Fired, None, Some(3)));
}

#[test]
fn of_several_that_are_due_at_once_the_last_cancels_the_others_unseen() {
    let mut world = World::of(json!({ "overlap": "cancel_previous" }));
    let superseded = |at_s| (at_s, Skipped, Some(SkipReason::Superseded), None);
    assert_eq!(world.at(30).told(), [superseded(10), superseded(20), (30, Fired, None, Some(1))]);
    assert_eq!((world.jobs.len(), world.schedule.jobs_made), (1, 1));
}

#[test]
fn several_that_are_due_at_once_overlap_each_other() {
    let outcome = |overlap: &str| World::of(json!({ "overlap": overlap })).at(30).told().iter().map(|fire| fire.1).collect::<Vec<_>>();
    assert_eq!(outcome("allow"), [Fired, Fired, Fired]);
    assert_eq!(outcome("skip"), [Fired, Skipped, Skipped]);
    assert_eq!(outcome("queue_one"), [Fired, Queued, Skipped]);
}

#[test]
fn a_job_that_is_refused_is_said_and_the_next_fire_tries_again() {
    let mut world = World::of(json!({}));
    let catalog = std::mem::take(&mut world.rules.catalog);
    world.at(10);
    assert_eq!(world.told(), [(10, Skipped, Some(SkipReason::Rejected), None)]);
    assert_eq!(world.fires[0].message.as_deref(), Some("/job/kind: no kind is named \"echo\""));
    world.rules.catalog = catalog;
    assert_eq!(world.at(20).told()[1], (20, Fired, None, Some(1)));
}

#[test]
fn a_queue_that_only_others_know_is_none_of_a_fires_business() {
    let mut world = World::of(json!({ "job": { "kind": "echo", "payload": {}, "queue": "elsewhere" } }));
    assert_eq!(world.at(10).told(), [(10, Fired, None, Some(1))]);
    let decision = world.look(START.plus_ms(20_000), Occasion::Due);
    assert_eq!(decision.jobs[0].queue.as_str(), "elsewhere");
}

#[test]
fn a_zone_that_is_no_more_is_said_once() {
    let mut world = World::of(json!({}));
    world.schedule.definition.time_zone = "Nowhere/Land".into();
    world.at(10).at(20);
    assert_eq!(world.told(), [(10, Skipped, Some(SkipReason::Rejected), None)]);
    assert!(world.fires[0].message.as_deref().is_some_and(|message| message.contains("Nowhere/Land")));
    assert_eq!(world.schedule.next_fire_at, None);
}

#[test]
fn an_edit_acts_from_now_on_and_loses_nothing_that_was_due() {
    let mut world = World::of(json!({ "jitter_s": 5 }));
    // 20 is expected and not yet due by its jitter, 10 was never looked at.
    let edit =
        Edit::Define(Box::new(definition(json!({ "cron": "@every 7s", "job": { "kind": "echo", "payload": { "message": "new" } } }))));
    world.edit(&edit, START.plus_ms(20_000));
    assert_eq!(world.told(), [(10, Fired, None, Some(1)), (20, Fired, None, Some(2))]);
    assert_eq!((world.schedule.version, world.schedule.next_fire_at), (2, Some(START.plus_ms(21_000))), "counted from its creation");
    assert_eq!(world.at(28).told()[2..], [(21, Fired, None, Some(3)), (28, Fired, None, Some(4))]);
}

#[test]
fn an_edit_of_something_else_keeps_the_time() {
    let mut world = World::of(json!({}));
    world.edit(&Edit::Define(Box::new(definition(json!({ "overlap": "skip", "misfire": "skip" })))), START.plus_ms(13_000));
    assert_eq!((world.told().len(), world.schedule.next_fire_at), (1, Some(START.plus_ms(20_000))));
}

#[test]
fn a_paused_schedule_expects_nothing() {
    let mut world = World::of(json!({ "overlap": "queue_one" }));
    world.at(10).set(1, State::Running);
    world.at(20);
    world.edit(&Edit::Pause, START.plus_ms(35_000));
    let skipped = |at_s| (at_s, Skipped, Some(SkipReason::Paused), None);
    assert_eq!(world.told(), [(10, Fired, None, Some(1)), skipped(20), skipped(30)]);
    assert_eq!((world.schedule.next_fire_at, world.schedule.due_at), (None, None));
    world.edit(&Edit::Pause, START.plus_ms(36_000));
    world.set(1, State::Completed);
    world.edit(&Edit::Resume, START.plus_ms(95_000));
    assert_eq!(world.schedule.next_fire_at, Some(START.plus_ms(100_000)), "in step with before");
    assert_eq!(world.at(100).told()[3], (100, Fired, None, Some(2)));
}

#[test]
fn a_policy_that_no_longer_waits_lets_go() {
    let mut world = World::of(json!({ "overlap": "queue_one" }));
    world.at(10).set(1, State::Running);
    world.at(20);
    world.edit(&Edit::Define(Box::new(definition(json!({})))), START.plus_ms(25_000));
    assert_eq!(world.at(26).told()[1], (20, Fired, None, Some(2)));
}

#[test]
fn a_run_by_hand_never_takes_an_expected_instant() {
    let world = World::of(json!({ "overlap": "skip" }));
    let run = |taken_until, now| world.schedule.run(taken_until, &world.rules, now).expect("it runs").0;
    let fire = run(None, START.plus_ms(10_000));
    assert_eq!((fire.fire_at, fire.manual, fire.n, fire.open), (START.plus_ms(10_001), true, Some(1), true));
    assert_eq!(run(None, START.plus_ms(10_123)).fire_at, START.plus_ms(10_123));
    assert_eq!(run(Some(START.plus_ms(10_999)), START.plus_ms(10_123)).fire_at, START.plus_ms(11_001));
}

#[test]
fn every_counts_from_a_full_second() {
    let made_at = START.plus_ms(123);
    let schedule = Schedule::new(ScheduleId(Uuid::from_u128(7)), TenantId::default_tenant(), definition(json!({})), made_at);
    assert_eq!(schedule.next_fire_at, Some(START.plus_ms(10_000)));
    assert_ne!(schedule.run(None, &rules(), START.plus_ms(10_000)).expect("it runs").0.fire_at, START.plus_ms(10_000));
}

#[test]
fn a_clock_that_was_set_back_brings_no_instant_twice() {
    let mut world = World::of(json!({ "overlap": "cancel_previous" }));
    world.at(10).set(1, State::Running);
    let edit = Edit::Define(Box::new(definition(json!({ "cron": "@every 5s", "overlap": "cancel_previous" }))));
    world.edit(&edit, START.plus_ms(2_000));
    assert_eq!(world.schedule.next_fire_at, Some(START.plus_ms(15_000)), "10 was decided");
}

#[test]
fn a_fire_that_waits_long_is_looked_after_less_often() {
    let mut world = World::of(json!({ "cron": "@every 3600s", "overlap": "queue_one" }));
    world.at(3_600).set(1, State::Running);
    let mut looks = Vec::new();
    for waited_ms in [0, 1_000, 20_000, 1_000_000] {
        let now = START.plus_ms(7_200_000 + waited_ms);
        looks.push(world.look(now, Occasion::Due).due_at.map(|due_at| due_at.ms_since(now)));
    }
    assert_eq!(looks, [Some(500), Some(500), Some(2_000), Some(10_000)]);
}

#[test]
fn a_refusal_is_kept_short_and_clean() {
    let mut world = World::of(json!({ "job": { "kind": "echo", "payload": {} } }));
    world.schedule.definition.job.kind = format!("a\u{0}b{}", "x".repeat(10_000));
    world.at(10);
    let message = world.fires[0].message.clone().expect("a message");
    assert!(message.len() <= 1_024 && !message.chars().any(char::is_control), "{message}");
}

#[test]
fn every_refusal_names_its_field() {
    let refused = |change: serde_json::Value, gap_s_min: u32| {
        let queues = [QueueName::default_queue()];
        definition(change).check(&rules().catalog, &queues, gap_s_min, START).err().map(|placed| (placed.pointer(), placed.to_string()))
    };
    assert_eq!(refused(json!({}), 10), None);
    let job = |change: serde_json::Value| {
        let mut job = json!({ "kind": "echo", "payload": {} });
        job.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        json!({ "job": job })
    };
    let cases = [
        (json!({ "name": "" }), "/name", "a name has 1 to 128"),
        (json!({ "name": "-a" }), "/name", "begins with a letter or digit"),
        (json!({ "name": "preview" }), "/name", "neither a UUID nor"),
        (json!({ "name": "019aa7b5-6c1e-7d30-9f3a-2b1c4d5e6f70" }), "/name", "neither a UUID nor"),
        (json!({ "cron": "61 * * * *" }), "/cron", "61"),
        (json!({ "time_zone": "Mars" }), "/time_zone", "Mars"),
        (json!({ "starts_at": START, "ends_at": START.plus_ms(-1) }), "/ends_at", "before starts_at"),
        (json!({ "jitter_s": 86_401 }), "/jitter_s", "not within 0 to 86400"),
        (json!({ "misfire": { "catch_up": { "max": 0, "window_s": 1 } } }), "/misfire/catch_up/max", "0 is not within 1 to 1000"),
        (json!({ "misfire": { "catch_up": { "max": 1, "window_s": 0 } } }), "/misfire/catch_up/window_s", "0 is not within"),
        (job(json!({ "kind": "ecko" })), "/job/kind", "no kind is named"),
        (job(json!({ "queue": "nowhere" })), "/job/queue", "no queue is named"),
        (job(json!({ "priority": 101 })), "/job/priority", "101 is not within"),
        (job(json!({ "tags": [""] })), "/job/tags/0", "a tag has"),
        (job(json!({ "payload": { "sleep_ms": "{{ fire_at }}" } })), "/job/payload/sleep_ms", ""),
        (job(json!({ "payload": { "message": "{{ now }}" } })), "/job/payload/message", "there is no placeholder {{ now }}"),
        (job(json!({ "payload": { "message": "x".repeat(TEMPLATE_BYTES_MAX) } })), "/job/payload", "of the 65536 allowed"),
    ];
    for (change, pointer, message) in cases {
        let (at, said) = refused(change.clone(), 10).unwrap_or_else(|| panic!("{change} is refused"));
        assert!(at == pointer && said.contains(message), "{change}: {at}: {said}");
    }
    let (at, said) = refused(json!({}), 11).expect("two fires are too close");
    assert_eq!((at.as_str(), said.contains("10 s apart")), ("/cron", true), "{said}");
    let wherever = job(json!({ "payload": { "sleep_ms": "{{ n }}", "message": "{{ n }}", "log_lines": "{{n}}" } }));
    assert_eq!(refused(wherever, 1), None, "a number where a number is wanted");
}

proptest! {
    /// However the looks fall, and however long nobody looked, each expected instant is decided exactly once and in order, the
    /// numbers of jobs have no gaps, and no two jobs live at once where that is forbidden.
    #[test]
    fn looks_at_any_time_decide_each_instant_once(
        pauses_s in prop::collection::vec(1_i64..400, 1..25),
        every_s in 1_i64..40,
        overlap in prop::sample::select(vec!["allow", "skip", "queue_one", "cancel_previous"]),
        misfire in prop::sample::select(vec![json!("skip"), json!("fire_once"), json!({ "catch_up": { "max": 3, "window_s": 300 } })]),
        ends in prop::collection::vec(prop::sample::select(vec![State::Running, State::Completed, State::Retryable, State::Dead]), 25),
        jitter_s in 0_u32..20,
    ) {
        let mut world = World::of(json!({
            "cron": format!("@every {every_s}s"), "overlap": overlap, "misfire": misfire, "jitter_s": jitter_s,
        }));
        let mut now = START;
        for (pause_s, end) in pauses_s.into_iter().zip(ends) {
            now = now.plus_ms(pause_s * 1_000);
            world.catch_up_with(now);
            let live = world.jobs.iter().filter(|job| !job.state.is_final()).count();
            prop_assert!(overlap == "allow" || live <= 1, "{live} jobs live");
            world.jobs.iter_mut().filter(|job| !job.state.is_final()).for_each(|job| job.state = end);
        }
        let mut instants: Vec<i64> = world.fires.iter().map(|fire| fire.fire_at.ms_since(START)).collect();
        instants.sort_unstable();
        let last = now.ms_since(START) - world.schedule.jitter_ms();
        let expected: Vec<i64> = (1..).map(|k| k * every_s * 1_000).take_while(|at| *at <= last).collect();
        prop_assert_eq!(instants, expected);
        let mut numbers: Vec<u64> = world.fires.iter().filter_map(|fire| fire.n).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (1..=world.schedule.jobs_made).collect::<Vec<_>>());
        prop_assert_eq!(world.jobs.len() as u64, world.schedule.jobs_made);
    }
}
