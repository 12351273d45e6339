//! The role `Timetable` and the verb `fire`. What becomes of each fire is decided in `schedule/decide.rs` and judged there;
//! here is that it is written, once, with its job.

use serde_json::json;
use windrow_jobs::{
    clock::VirtualClock,
    job::{JobId, State},
    ledger::{Edited, FeedEvent, Ledger, ScheduleKey},
    schedule::{Edit, FireStatus, SkipReason},
};
use windrow_tests::{
    jobs::{ALL, claim_of, done, ending, tenant, tenant_named},
    ledgers::{Opened, START},
    schedules::{self as timetable, create, define, definition, edit, fire, fires, rules, schedule, statuses},
};

conformance! {
    a_fire_is_a_row_with_its_job,
    an_instant_is_decided_once,
    a_schedule_that_was_set_back_fires_once_all_the_same,
    many_that_decide_at_once_decide_each_instant_once,
    edits_while_it_is_due_lose_and_double_nothing,
    a_name_is_one_schedule_of_a_tenant,
    a_schedule_is_its_tenants_alone,
    an_edit_decides_what_was_due_before,
    an_edit_of_a_version_that_is_gone_is_refused,
    a_paused_schedule_waits_for_its_resumption,
    a_deleted_schedule_leaves_its_jobs,
    a_run_by_hand_is_a_fire_of_its_own,
    a_fire_waits_for_the_job_before,
    a_fire_cancels_the_job_before,
    a_policy_that_begins_to_look_sees_the_jobs_before,
    the_limit_cuts_and_the_rest_is_due,
    what_is_due_first_is_known,
    a_long_outage_is_decided_in_pieces_before_an_edit,
    schedules_come_by_name_in_pages,
    fires_come_latest_first_in_pages,
    old_fires_are_forgotten_and_waiting_ones_are_not,
}

/// The job that a fire submitted.
async fn job_of(ledger: &dyn Ledger, number: u128, place: usize) -> JobId {
    fires(ledger, number).await[place].job_id.expect("it submitted a job")
}

async fn state(ledger: &dyn Ledger, job: JobId) -> State {
    ledger.get(&tenant(), job).await.expect("get").expect("the job is there").state
}

async fn a_fire_is_a_row_with_its_job(ledger: &dyn Ledger, clock: &VirtualClock) {
    let job = json!({ "kind": "echo", "payload": { "message": "{{ n }} at {{ fire_at }}" }, "queue": "syncs", "priority": 7, "max_attempts": 3, "tags": ["t"] });
    let made = create(ledger, 1, json!({ "job": job })).await;
    assert_eq!((made.next_fire_at, made.due_at, made.version), (Some(START.plus_ms(10_000)), Some(START.plus_ms(10_000)), 1));
    clock.advance_ms(9_999);
    assert!(fire(ledger).await.fires.is_empty());
    timetable_events_are_drained(ledger).await;
    clock.advance_ms(31);
    let fired = fire(ledger).await;
    assert_eq!((fired.fires.len(), fired.lag_ms, fired.next_due), (1, 30, Some(START.plus_ms(20_000))));
    assert_eq!((fired.fires[0].name.as_str(), &fired.fires[0].tenant), ("schedule-1", &tenant()));
    let rows = fires(ledger, 1).await;
    assert_eq!(rows, [fired.fires[0].fire.clone()]);
    assert_eq!((rows[0].fire_at, rows[0].status, rows[0].late_ms, rows[0].n), (START.plus_ms(10_000), FireStatus::Fired, 30, Some(1)));
    let job = ledger.get(&tenant(), rows[0].job_id.expect("a job")).await.expect("get").expect("the job is there");
    assert_eq!((job.kind.as_str(), job.queue.as_str(), job.priority, job.max_attempts), ("echo", "syncs", 7, 3));
    assert_eq!((job.payload.get(), job.tags), (r#"{"message":"1 at 2027-01-15T08:00:10.000Z"}"#, vec!["t".to_owned()]));
    assert_eq!((job.state, job.created_at), (State::Available, START.plus_ms(10_030)));
    let ready = timetable_events_are_drained(ledger).await.into_iter().flat_map(|event| match event {
        FeedEvent::Ready(jobs) => jobs,
        _ => Vec::new(),
    });
    assert_eq!(ready.map(|ready| ready.id).collect::<Vec<_>>(), [job.id]);
    let balances = ledger.balances().await.expect("balances");
    assert!(balances.len() == 1 && balances[0].holds() && balances[0].accepted == 1, "{balances:?}");
    let stands = schedule(ledger, 1).await;
    assert_eq!((stands.jobs_made, stands.last_fire_at), (1, Some(START.plus_ms(10_000))));
}

async fn timetable_events_are_drained(ledger: &dyn Ledger) -> Vec<FeedEvent> {
    windrow_tests::jobs::events(ledger).await
}

async fn an_instant_is_decided_once(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({})).await;
    clock.advance_ms(10_000);
    assert_eq!(fire(ledger).await.fires.len(), 1);
    assert_eq!(fire(ledger).await.fires.len(), 0);
    clock.advance_ms(-5_000);
    assert_eq!(fire(ledger).await.fires.len(), 0, "a clock that was set back repeats nothing");
    clock.advance_ms(15_000);
    assert_eq!(fire(ledger).await.fires.len(), 1);
    assert_eq!(fires(ledger, 1).await.iter().map(|fire| fire.n).collect::<Vec<_>>(), [Some(1), Some(2)]);
}

async fn a_schedule_that_was_set_back_fires_once_all_the_same(ledger: &Opened, clock: &VirtualClock) {
    create(&**ledger, 1, json!({})).await;
    clock.advance_ms(20_000);
    fire(&**ledger).await;
    let before = fires(&**ledger, 1).await;
    ledger.rewind_schedules(20_000).await;
    assert!(fire(&**ledger).await.fires.is_empty());
    assert_eq!(fires(&**ledger, 1).await, before);
    assert_eq!(ledger.balances().await.expect("balances")[0].accepted, 2);
}

async fn many_that_decide_at_once_decide_each_instant_once(ledger: &dyn Ledger, clock: &VirtualClock) {
    for number in 1..=20 {
        create(ledger, number, json!({})).await;
    }
    for round in 1..=5 {
        clock.advance_ms(10_000);
        let fired = futures::future::join_all((0..6).map(|_| fire(ledger))).await;
        assert_eq!(fired.iter().map(|fired| fired.fires.len()).sum::<usize>(), 20, "round {round}");
    }
    for number in 1..=20 {
        assert_eq!(fires(ledger, number).await.iter().filter_map(|fire| fire.n).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    }
    assert_eq!(ledger.balances().await.expect("balances")[0].accepted, 100);
}

async fn edits_while_it_is_due_lose_and_double_nothing(ledger: &dyn Ledger, clock: &VirtualClock) {
    for number in 1..=10 {
        create(ledger, number, json!({})).await;
    }
    for round in 0..6 {
        clock.advance_ms(10_000);
        let edits = (1..=10).map(|number| {
            let jitter_s = u32::from(round % 2 == 0);
            async move { drop(define(ledger, number, json!({ "jitter_s": jitter_s })).await) }
        });
        let fires = (0..3).map(|_| async { drop(fire(ledger).await) });
        futures::join!(futures::future::join_all(edits), futures::future::join_all(fires));
    }
    clock.advance_ms(1_000);
    fire(ledger).await;
    let expected: Vec<_> = (1..=6).map(|tens| START.plus_ms(tens * 10_000)).collect();
    for number in 1..=10 {
        let fires = fires(ledger, number).await;
        assert_eq!(fires.iter().map(|fire| fire.fire_at).collect::<Vec<_>>(), expected, "schedule {number}");
        assert!(fires.iter().all(|fire| fire.status == FireStatus::Fired));
    }
    assert_eq!(ledger.balances().await.expect("balances")[0].accepted, 60);
}

async fn a_name_is_one_schedule_of_a_tenant(ledger: &dyn Ledger, _: &VirtualClock) {
    create(ledger, 1, json!({})).await;
    let again = ledger.create_schedule(timetable::id(1), &tenant(), definition("schedule-1", json!({}))).await.expect("create");
    assert!(matches!(again, Edited::Done(_)), "an insert whose answer was lost");
    let taken = ledger.create_schedule(timetable::id(2), &tenant(), definition("schedule-1", json!({}))).await.expect("create");
    assert!(matches!(taken, Edited::NameTaken));
    let north = tenant_named("north");
    let other = ledger.create_schedule(timetable::id(3), &north, definition("schedule-1", json!({}))).await.expect("create");
    assert!(matches!(other, Edited::Done(_)), "another tenant's");
    create(ledger, 4, json!({})).await;
    let renamed = Edit::Define(Box::new(definition("schedule-1", json!({}))));
    let taken = ledger.edit_schedule(&tenant(), timetable::id(4), None, renamed, &rules()).await.expect("edit");
    assert!(matches!(taken, Edited::NameTaken));
    edit(ledger, 4, Edit::Define(Box::new(definition("free", json!({}))))).await;
    let found = ledger.schedule(&tenant(), &ScheduleKey::Name("free".into())).await.expect("schedule");
    assert_eq!(found.map(|schedule| schedule.id), Some(timetable::id(4)));
    assert_eq!(ledger.schedules(&tenant(), None, ALL).await.expect("schedules").len(), 2);
}

async fn a_schedule_is_its_tenants_alone(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({})).await;
    clock.advance_ms(10_000);
    fire(ledger).await;
    let (north, id, rules) = (tenant_named("north"), timetable::id(1), rules());
    assert!(ledger.schedule(&north, &ScheduleKey::Id(id)).await.expect("schedule").is_none());
    assert!(ledger.schedule(&north, &ScheduleKey::Name("schedule-1".into())).await.expect("schedule").is_none());
    assert!(ledger.schedules(&north, None, ALL).await.expect("schedules").is_empty());
    assert!(ledger.fires(&north, id, None, None, ALL).await.expect("fires").is_empty());
    assert!(ledger.run_schedule(&north, id, &rules).await.expect("run").is_none());
    assert!(matches!(ledger.edit_schedule(&north, id, None, Edit::Pause, &rules).await.expect("edit"), Edited::Missing));
    assert!(!ledger.delete_schedule(&north, id).await.expect("delete"));
    assert_eq!(fires(ledger, 1).await.len(), 1);
}

async fn an_edit_decides_what_was_due_before(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({})).await;
    clock.advance_ms(25_000);
    let job = json!({ "kind": "echo", "payload": { "message": "new" } });
    let edited = define(ledger, 1, json!({ "cron": "@every 7s", "job": job })).await;
    assert_eq!((edited.version, edited.next_fire_at, edited.jobs_made), (2, Some(START.plus_ms(28_000)), 2));
    assert_eq!(edited.updated_at, START.plus_ms(25_000));
    clock.advance_ms(3_000);
    fire(ledger).await;
    let mut messages = Vec::new();
    for fire in fires(ledger, 1).await {
        let job = ledger.get(&tenant(), fire.job_id.expect("a job")).await.expect("get").expect("the job is there");
        messages.push(job.payload.get().to_owned());
    }
    assert_eq!(messages, [r#"{"message":"1."}"#, r#"{"message":"2."}"#, r#"{"message":"new"}"#]);
}

async fn an_edit_of_a_version_that_is_gone_is_refused(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({})).await;
    clock.advance_ms(10_000);
    let edit = |seen, edit| async move { ledger.edit_schedule(&tenant(), timetable::id(1), seen, edit, &rules()).await.expect("edit") };
    assert!(matches!(edit(Some(1), Edit::Pause).await, Edited::Done(_)));
    assert!(matches!(edit(Some(1), Edit::Resume).await, Edited::Stale(2)));
    assert!(schedule(ledger, 1).await.paused);
    assert!(matches!(edit(None, Edit::Resume).await, Edited::Done(_)));
}

async fn a_paused_schedule_waits_for_its_resumption(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({})).await;
    clock.advance_ms(15_000);
    let paused = edit(ledger, 1, Edit::Pause).await;
    assert_eq!((paused.paused, paused.next_fire_at), (true, None));
    assert_eq!(ledger.first_due().await.expect("first due"), None);
    clock.advance_ms(100_000);
    assert!(fire(ledger).await.fires.is_empty());
    let resumed = edit(ledger, 1, Edit::Resume).await;
    assert_eq!(resumed.next_fire_at, Some(START.plus_ms(120_000)));
    clock.advance_ms(5_000);
    fire(ledger).await;
    let told: Vec<_> = fires(ledger, 1).await.iter().map(|fire| (fire.status, fire.reason)).collect();
    assert_eq!(told, [(FireStatus::Skipped, Some(SkipReason::Paused)), (FireStatus::Fired, None)]);
}

async fn a_deleted_schedule_leaves_its_jobs(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({})).await;
    clock.advance_ms(10_000);
    fire(ledger).await;
    let job = job_of(ledger, 1, 0).await;
    assert!(ledger.delete_schedule(&tenant(), timetable::id(1)).await.expect("delete"));
    assert!(!ledger.delete_schedule(&tenant(), timetable::id(1)).await.expect("delete"));
    clock.advance_ms(10_000);
    assert!(fire(ledger).await.fires.is_empty() && fires(ledger, 1).await.is_empty());
    assert_eq!(state(ledger, job).await, State::Available);
    assert_eq!(create(ledger, 1, json!({})).await.version, 1, "its name is free");
}

async fn a_run_by_hand_is_a_fire_of_its_own(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({ "overlap": "skip" })).await;
    edit(ledger, 1, Edit::Pause).await;
    let run =
        async || ledger.run_schedule(&tenant(), timetable::id(1), &rules()).await.expect("run").expect("it is there").expect("it runs");
    let (one, two) = (run().await, run().await);
    assert_eq!([(one.fire_at, one.n), (two.fire_at, two.n)], [(START.plus_ms(1), Some(1)), (START.plus_ms(2), Some(2))]);
    assert_eq!(fires(ledger, 1).await, [one.clone(), two]);
    assert_eq!(state(ledger, one.job_id.expect("a job")).await, State::Available);
    edit(ledger, 1, Edit::Resume).await;
    clock.advance_ms(10_000);
    fire(ledger).await;
    let last = fires(ledger, 1).await.pop().expect("a fire");
    assert_eq!((last.reason, last.manual), (Some(SkipReason::Overlap), false), "it lives still");
    let unknown = windrow_jobs::schedule::Rules { catalog: windrow_jobs::contract::Catalog::default(), ..rules() };
    let refused = ledger.run_schedule(&tenant(), timetable::id(1), &unknown).await.expect("run").expect("it is there");
    assert_eq!(refused.expect_err("nobody knows its kind").pointer(), "/job/kind");
    assert_eq!((fires(ledger, 1).await.len(), schedule(ledger, 1).await.jobs_made), (3, 2));
}

async fn a_fire_waits_for_the_job_before(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({ "overlap": "queue_one" })).await;
    clock.advance_ms(10_000);
    fire(ledger).await;
    let first = job_of(ledger, 1, 0).await;
    let claimed = ledger.claim(claim_of([(first, 0)])).await.expect("claim").pop().expect("it is available");
    clock.advance_ms(20_000);
    fire(ledger).await;
    assert_eq!(statuses(ledger, 1).await, [FireStatus::Fired, FireStatus::Queued, FireStatus::Skipped]);
    assert_eq!(fire(ledger).await.fires.len(), 0);
    assert!(ledger.settle(vec![ending(&claimed, done())]).await.expect("settle")[0]);
    let looks_at = ledger.first_due().await.expect("first due").expect("it is looked after");
    clock.advance_ms(looks_at.ms_since(START) - 30_000);
    assert_eq!(fire(ledger).await.fires.len(), 1);
    let second = &fires(ledger, 1).await[1];
    assert_eq!((second.status, second.n), (FireStatus::Fired, Some(2)));
    assert_eq!(second.late_ms, looks_at.ms_since(START) - 20_000);
    assert_eq!(state(ledger, second.job_id.expect("a job")).await, State::Available);
}

async fn a_fire_cancels_the_job_before(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({ "overlap": "cancel_previous" })).await;
    for _ in 0..2 {
        clock.advance_ms(10_000);
        fire(ledger).await;
    }
    let (first, second) = (job_of(ledger, 1, 0).await, job_of(ledger, 1, 1).await);
    assert_eq!((state(ledger, first).await, state(ledger, second).await), (State::Cancelled, State::Available));
    let claimed = ledger.claim(claim_of([(second, 0)])).await.expect("claim").pop().expect("it is available");
    clock.advance_ms(10_000);
    fire(ledger).await;
    assert_eq!(statuses(ledger, 1).await[2], FireStatus::Queued);
    let asked = ledger.get(&tenant(), second).await.expect("get").expect("the job is there");
    assert_eq!((asked.state, asked.cancel_requested), (State::Running, true));
    let running = ledger.reread(vec![second]).await.expect("reread")[0];
    let change = windrow_tests::jobs::decided(&running, windrow_jobs::lifecycle::Ending::Cancel(None), claimed.claimed_at);
    assert!(ledger.settle(vec![change]).await.expect("settle")[0]);
    clock.advance_ms(1_000);
    fire(ledger).await;
    assert_eq!(statuses(ledger, 1).await, [FireStatus::Fired; 3]);
    let balance = &ledger.balances().await.expect("balances")[0];
    assert!(balance.holds() && (balance.accepted, balance.cancelled, balance.live) == (3, 2, 1), "{balance:?}");
}

async fn a_policy_that_begins_to_look_sees_the_jobs_before(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({})).await;
    clock.advance_ms(10_000);
    fire(ledger).await;
    define(ledger, 1, json!({ "overlap": "skip" })).await;
    clock.advance_ms(10_000);
    fire(ledger).await;
    assert_eq!(fires(ledger, 1).await[1].reason, Some(SkipReason::Overlap));
}

async fn the_limit_cuts_and_the_rest_is_due(ledger: &dyn Ledger, clock: &VirtualClock) {
    for number in 1..=5 {
        create(ledger, number, json!({ "cron": format!("@every {}s", 10 + number) })).await;
    }
    clock.advance_ms(16_000);
    let fired = ledger.fire(&rules(), 2).await.expect("fire");
    assert_eq!(fired.fires.iter().map(|decided| decided.schedule).collect::<Vec<_>>(), [timetable::id(1), timetable::id(2)]);
    assert_eq!((fired.lag_ms, fired.next_due), (5_000, Some(START.plus_ms(13_000))));
    assert_eq!(fire(ledger).await.fires.len(), 3);
}

async fn a_long_outage_is_decided_in_pieces_before_an_edit(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({ "cron": "@every 1s", "misfire": "skip" })).await;
    // More than an edit decides in one transaction.
    clock.advance_ms(2_500_000);
    let paused = edit(ledger, 1, Edit::Pause).await;
    assert_eq!((paused.version, paused.paused, paused.next_fire_at), (2, true, None));
    let fires = fires(ledger, 1).await;
    assert_eq!(fires.len(), 2_500);
    assert!(fires.iter().all(|fire| fire.reason == Some(SkipReason::Paused)));
}

async fn what_is_due_first_is_known(ledger: &dyn Ledger, clock: &VirtualClock) {
    assert_eq!(ledger.first_due().await.expect("first due"), None);
    create(ledger, 1, json!({ "cron": "@every 30s" })).await;
    create(ledger, 2, json!({ "cron": "@every 20s", "jitter_s": 5 })).await;
    let due_at = schedule(ledger, 2).await.due_at;
    assert_eq!(ledger.first_due().await.expect("first due"), due_at);
    clock.advance_ms(29_000);
    assert_eq!(fire(ledger).await.next_due, Some(START.plus_ms(30_000)));
}

async fn schedules_come_by_name_in_pages(ledger: &dyn Ledger, _: &VirtualClock) {
    for (number, name) in ["b", "a.b", "B", "a-b", "a"].into_iter().enumerate() {
        let id = timetable::id(number as u128 + 1);
        ledger.create_schedule(id, &tenant(), definition(name, json!({}))).await.expect("create");
    }
    let names = async |after: Option<&str>, limit| {
        let page = ledger.schedules(&tenant(), after, limit).await.expect("schedules");
        page.into_iter().map(|schedule| schedule.definition.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None, ALL).await, ["B", "a", "a-b", "a.b", "b"], "in the order of their bytes");
    assert_eq!(names(None, 2).await, ["B", "a"]);
    assert_eq!(names(Some("a"), 2).await, ["a-b", "a.b"]);
    assert!(names(Some("b"), 2).await.is_empty());
}

async fn fires_come_latest_first_in_pages(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({ "overlap": "skip" })).await;
    clock.advance_ms(40_000);
    fire(ledger).await;
    let page = async |status, before, limit| {
        let page = ledger.fires(&tenant(), timetable::id(1), status, before, limit).await.expect("fires");
        page.into_iter().map(|fire| fire.fire_at.ms_since(START) / 10_000).collect::<Vec<_>>()
    };
    assert_eq!(page(None, None, ALL).await, [4, 3, 2, 1]);
    assert_eq!(page(None, Some(START.plus_ms(30_000)), 1).await, [2]);
    assert_eq!(page(Some(FireStatus::Skipped), None, 2).await, [4, 3]);
    assert_eq!(page(Some(FireStatus::Fired), None, ALL).await, [1]);
}

async fn old_fires_are_forgotten_and_waiting_ones_are_not(ledger: &dyn Ledger, clock: &VirtualClock) {
    create(ledger, 1, json!({ "overlap": "queue_one" })).await;
    clock.advance_ms(40_000);
    fire(ledger).await;
    clock.advance_ms(5_000);
    let forgotten = ledger.forget_fires(10_000, ALL).await.expect("forget");
    assert_eq!(forgotten, 1, "the first one's job lives, the second waits, the fourth is young");
    assert_eq!(statuses(ledger, 1).await, [FireStatus::Fired, FireStatus::Queued, FireStatus::Skipped]);
    assert!(ledger.delete_schedule(&tenant(), timetable::id(1)).await.expect("delete"));
    assert_eq!(ledger.forget_fires(10_000, 1).await.expect("forget"), 1);
    assert_eq!(ledger.forget_fires(10_000, ALL).await.expect("forget"), 1, "a deleted schedule's go in their time");
}
