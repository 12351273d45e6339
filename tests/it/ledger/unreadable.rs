//! Schedules that this release cannot read, as when a later one wrote them, whose jobs the database refuses, or whose jobs are
//! large do not keep the others from firing.

use serde_json::json;
use windrow_jobs::clock::VirtualClock;
use windrow_tests::{
    ledgers::{Opened, START},
    schedules::{self as timetable, create, fire, fires, rules},
};

conformance!(on sqlite: an_unreadable_schedule_is_looked_at_again_later, large_jobs_share_no_commit, what_cannot_be_decided_takes_nobody_with_it);
conformance!(on postgres: an_unreadable_schedule_is_looked_at_again_later, large_jobs_share_no_commit, what_cannot_be_decided_takes_nobody_with_it);

async fn an_unreadable_schedule_is_looked_at_again_later(opened: &Opened, clock: &VirtualClock) {
    for number in 1..=3 {
        create(&**opened, number, json!({})).await;
    }
    opened.execute("UPDATE schedules SET definition = '{\"from\": \"the future\"}' WHERE name <> 'schedule-3'").await;
    clock.advance_ms(10_000);
    let fired = opened.fire(&rules(), 2).await.expect("fire");
    assert!(fired.fires.is_empty());
    assert_eq!(fired.next_due, Some(START.plus_ms(10_000)), "the others' turn comes");
    assert_eq!(fire(&**opened).await.fires.len(), 1);
    assert_eq!(fires(&**opened, 3).await.len(), 1);
    assert_eq!(opened.first_due().await.expect("first due"), Some(START.plus_ms(20_000)));
    clock.advance_ms(10_000);
    assert_eq!(opened.fire(&rules(), 3).await.expect("fire").schedules, 3, "and is looked at again");
}

async fn large_jobs_share_no_commit(opened: &Opened, clock: &VirtualClock) {
    let payload = json!({ "kind": "echo", "payload": { "message": "x".repeat(60_000) } });
    for number in 1..=4 {
        create(&**opened, number, json!({ "cron": "@every 1s", "job": payload })).await;
    }
    // 59 jobs of 60 kB each: those of three schedules are too much for one commit, but for the third's.
    clock.advance_ms(59_000);
    let fired = fire(&**opened).await;
    assert_eq!((fired.schedules, fired.fires.len()), (3, 3 * 59));
    assert_eq!(fire(&**opened).await.schedules, 1);
    assert_eq!(opened.balances().await.expect("balances")[0].accepted, 4 * 59);
}

async fn what_cannot_be_decided_takes_nobody_with_it(opened: &Opened, clock: &VirtualClock) {
    for number in 1..=3 {
        create(&**opened, number, json!({ "overlap": "skip" })).await;
    }
    clock.advance_ms(10_000);
    fire(&**opened).await;
    let job = fires(&**opened, 2).await[0].job_id.expect("a job");
    opened.execute(&format!("UPDATE jobs SET state = 77 WHERE {}", opened.where_id(job))).await;
    clock.advance_ms(10_000);
    let fired = fire(&**opened).await;
    assert_eq!(fired.fires.iter().map(|decided| decided.schedule).collect::<Vec<_>>(), [timetable::id(1), timetable::id(3)]);
    assert_eq!(fired.next_due, Some(START.plus_ms(30_000)), "it is put off until then, too");
    clock.advance_ms(1_000);
    assert!(fire(&**opened).await.fires.is_empty());
}
