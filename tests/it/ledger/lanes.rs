//! What the planner reads when it takes over: the verbs `lanes`, `ready` and `running`.

use std::cmp::Reverse;

use windrow_jobs::{
    clock::VirtualClock,
    job::JobId,
    ledger::{HeadKey, LaneKey, Ledger, RunningJob},
    submit::NewJob,
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    every_lane_with_live_jobs_is_named_once,
    a_lane_is_in_order_of_priority_then_id,
    a_lane_goes_on_after_any_place,
    only_what_is_available_is_ready,
    everything_that_runs_is_named,
}

async fn every_lane_with_live_jobs_is_named_once(ledger: &dyn Ledger, _: &VirtualClock) {
    assert_eq!(ledger.lanes().await.expect("lanes"), []);
    insert(ledger, [in_lane("syncs", "north", 1), in_lane("syncs", "north", 2), in_lane("builds", "south", 3), ready(4)]).await;
    insert(ledger, [NewJob { queue: queue_named("embeddings"), ..scheduled(5, START.plus_ms(9)) }]).await;
    run(ledger, 3, retry()).await;
    claim(ledger, 2).await;
    run(ledger, 4, done()).await;
    let mut lanes = ledger.lanes().await.expect("lanes");
    lanes.sort();
    assert_eq!(lanes, [lane("builds", "south"), lane("embeddings", "default"), lane("syncs", "north")]);
}

async fn a_lane_is_in_order_of_priority_then_id(ledger: &dyn Ledger, _: &VirtualClock) {
    let priorities = [0, -100, 5, 0, 100, 5];
    insert(ledger, priorities.into_iter().zip(1..).map(|(priority, number)| NewJob { priority, ..ready(number) })).await;
    assert_eq!(heads(ledger, None, ALL).await, [5, 3, 6, 1, 4, 2].map(id));
    assert_eq!(heads(ledger, None, 2).await, [5, 3].map(id));
    let told = ledger.ready(&lane("default", "default"), None, 1).await.expect("ready").remove(0);
    assert_eq!((told.attempt, told.priority, told.kind.as_str(), told.lane), (0, 100, "echo", lane("default", "default")));
}

async fn a_lane_goes_on_after_any_place(ledger: &dyn Ledger, _: &VirtualClock) {
    let priorities = [0, 5, 5, -5, 0];
    insert(ledger, priorities.into_iter().zip(1..).map(|(priority, number)| NewJob { priority, ..ready(number) })).await;
    // In order: 2 and 3 at priority 5, 1 and 5 at 0, 4 at −5. A place need not be that of a job.
    let table = [((5, 2), vec![3, 1, 5, 4]), ((5, 99), vec![1, 5, 4]), ((0, 1), vec![5, 4]), ((3, 1), vec![1, 5, 4]), ((-5, 4), vec![])];
    for ((priority, number), expected) in table {
        let after = HeadKey { priority: Reverse(priority), id: id(number) };
        assert_eq!(heads(ledger, Some(after), ALL).await, expected.into_iter().map(id).collect::<Vec<_>>(), "after {priority}, {number}");
    }
}

async fn only_what_is_available_is_ready(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, (1..=6).map(ready)).await;
    insert(ledger, [scheduled(7, START.plus_ms(9)), in_lane("default", "north", 8), in_lane("syncs", "default", 9)]).await;
    claim(ledger, 1).await;
    run(ledger, 2, done()).await;
    run(ledger, 3, retry()).await;
    cancel(ledger, 4).await;
    run(ledger, 5, windrow_jobs::lifecycle::Ending::Interrupted).await;
    let told = ledger.ready(&lane("default", "default"), None, ALL).await.expect("ready");
    assert_eq!(told.iter().map(|job| (job.id, job.attempt)).collect::<Vec<_>>(), [(id(5), 1), (id(6), 0)]);
}

async fn everything_that_runs_is_named(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), in_lane("syncs", "north", 2), ready(3), ready(4)]).await;
    run(ledger, 1, windrow_jobs::lifecycle::Ending::Interrupted).await;
    let again = claim(ledger, 1).await;
    claim(ledger, 2).await;
    run(ledger, 3, done()).await;
    clock.advance_ms(LEASE_MS - 1);
    heartbeat(ledger, &[&again]).await;
    cancel(ledger, 1).await;
    let expected = [
        RunningJob { id: id(1), attempt: 2, lane: lane("default", "default") },
        RunningJob { id: id(2), attempt: 1, lane: lane("syncs", "north") },
    ];
    assert_eq!(running(ledger).await, expected);
    clock.advance_ms(1);
    reap(ledger).await;
    assert_eq!(running(ledger).await, expected[..1]);
}

fn lane(queue: &str, tenant: &str) -> LaneKey {
    LaneKey { queue: queue_named(queue), tenant: tenant_named(tenant) }
}

fn in_lane(queue: &str, tenant: &str, number: u64) -> NewJob {
    NewJob { queue: queue_named(queue), tenant: tenant_named(tenant), ..ready(number) }
}

async fn heads(ledger: &dyn Ledger, after: Option<HeadKey>, limit: usize) -> Vec<JobId> {
    ledger.ready(&lane("default", "default"), after, limit).await.expect("ready").iter().map(|job| job.id).collect()
}

async fn running(ledger: &dyn Ledger) -> Vec<RunningJob> {
    let mut running = ledger.running().await.expect("running");
    running.sort_by_key(|job| job.id);
    running
}
