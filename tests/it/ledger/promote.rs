//! The verb `promote`.

use windrow_jobs::{
    clock::{Clock, VirtualClock},
    job::{AttemptOutcome, Reason, State},
    ledger::{BATCH_MAX, FeedEvent, Ledger, Promoted},
    lifecycle::Ending,
    submit::NewJob,
};
use windrow_tests::{
    jobs::*,
    ledgers::{self, START},
};

conformance! {
    a_job_becomes_available_when_its_time_has_come,
    the_backoff_ends_in_another_attempt,
    what_is_promoted_is_told_to_the_planner,
    what_waits_past_its_deadline_dies,
    a_deadline_outlives_the_promotion,
    a_deadline_outlives_an_interruption,
    a_deadline_does_not_end_a_running_attempt,
    a_due_time_of_the_past_promotes_nothing,
    the_next_due_time_is_known,
    the_lag_is_how_long_the_oldest_was_due,
    the_limit_cuts_and_the_rest_is_due,
    a_storm_of_one_tenant_holds_up_no_other,
    a_storm_is_promoted_in_commits_of_a_batch,
}

async fn a_job_becomes_available_when_its_time_has_come(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [scheduled(1, START.plus_ms(100))]).await;
    clock.advance_ms(99);
    assert_eq!(promote(ledger).await, 0);
    assert!(try_claim(ledger, 1).await.is_none());
    clock.advance_ms(1);
    assert_eq!(promote(ledger).await, 1);
    let job = job(ledger, 1).await;
    assert_eq!((job.state, job.run_at, job.finished_at), (State::Available, START.plus_ms(100), None));
    assert_eq!(promote(ledger).await, 0);
}

async fn the_backoff_ends_in_another_attempt(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    run(ledger, 1, retry()).await;
    clock.advance_ms(4_999);
    assert_eq!(promote(ledger).await, 0);
    clock.advance_ms(1);
    assert_eq!(promote(ledger).await, 1);
    let job = job(ledger, 1).await;
    assert_eq!((job.state, job.outcome, job.reason), (State::Available, Some(AttemptOutcome::Retry), Some(Reason::Failed)));
    run(ledger, 1, done()).await;
}

async fn what_is_promoted_is_told_to_the_planner(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [NewJob { priority: 4, ..scheduled(1, START.plus_ms(100)) }, ready(2)]).await;
    run(ledger, 2, Ending::Snooze(100)).await;
    events(ledger).await;
    clock.advance_ms(100);
    promote(ledger).await;
    let ready = |event| if let FeedEvent::Ready(jobs) = event { jobs } else { Vec::new() };
    let mut told: Vec<_> = events(ledger).await.into_iter().flat_map(ready).map(|job| (job.id, job.attempt, job.priority)).collect();
    told.sort();
    assert_eq!(told, [(id(1), 0, 4), (id(2), 1, 0)]);
}

async fn what_waits_past_its_deadline_dies(ledger: &dyn Ledger, clock: &VirtualClock) {
    let deadline = Some(START.plus_ms(100));
    insert(ledger, [NewJob { deadline, ..scheduled(1, START.plus_ms(5_000)) }, NewJob { deadline, ..ready(2) }]).await;
    insert(ledger, [NewJob { deadline, ..ready(3) }]).await;
    run(ledger, 3, retry()).await;
    events(ledger).await;
    clock.advance_ms(99);
    assert_eq!(promote(ledger).await, 0);
    clock.advance_ms(1);
    assert_eq!(promote(ledger).await, 3);
    for number in 1..=3 {
        let job = job(ledger, number).await;
        assert_eq!((job.state, job.reason, job.outcome), (State::Dead, Some(Reason::Deadline), None), "job {number}");
        assert_eq!((job.finished_at, job.error.map(|error| error.code).as_deref()), (Some(clock.now()), Some("deadline")));
    }
    assert_eq!(events(ledger).await, [FeedEvent::Gone(vec![id(2)])], "only the available one leaves a lane");
    assert_eq!(attempts(ledger, 3).await[0].outcome, Some(AttemptOutcome::Retry));
}

async fn a_deadline_outlives_the_promotion(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [NewJob { deadline: Some(START.plus_ms(300)), ..scheduled(1, START.plus_ms(100)) }]).await;
    clock.advance_ms(100);
    promote(ledger).await;
    assert_eq!(state(ledger, 1).await, State::Available);
    clock.advance_ms(200);
    assert_eq!(promote(ledger).await, 1);
    assert_eq!(state(ledger, 1).await, State::Dead);
}

async fn a_deadline_outlives_an_interruption(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [NewJob { deadline: Some(START.plus_ms(100)), ..ready(1) }]).await;
    let claimed = claim(ledger, 1).await;
    clock.advance_ms(100);
    promote(ledger).await;
    assert!(settle(ledger, &claimed, Ending::Interrupted).await);
    assert_eq!(promote(ledger).await, 1);
    assert_eq!(state(ledger, 1).await, State::Dead);
}

async fn a_deadline_does_not_end_a_running_attempt(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [NewJob { deadline: Some(START.plus_ms(100)), ..ready(1) }]).await;
    let claimed = claim(ledger, 1).await;
    clock.advance_ms(100);
    assert_eq!(promote(ledger).await, 0);
    assert!(settle(ledger, &claimed, done()).await);
}

async fn a_due_time_of_the_past_promotes_nothing(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [scheduled(1, START.plus_ms(100)), ready(2)]).await;
    cancel(ledger, 1).await;
    run(ledger, 2, Ending::Snooze(100)).await;
    cancel(ledger, 2).await;
    redrive(ledger, 2).await;
    run(ledger, 2, Ending::Snooze(1_000)).await;
    clock.advance_ms(100);
    assert_eq!(promote(ledger).await, 0);
    assert_eq!((state(ledger, 1).await, state(ledger, 2).await), (State::Cancelled, State::Scheduled));
    clock.advance_ms(900);
    assert_eq!(promote(ledger).await, 1);
}

async fn the_next_due_time_is_known(ledger: &dyn Ledger, clock: &VirtualClock) {
    assert_eq!(ledger.promote(ALL).await.expect("promote"), Promoted { now: START, promoted: 0, next_due: None, lag_ms: 0 });
    insert(ledger, [300, 100, 200].into_iter().zip(1..).map(|(ms, number)| scheduled(number, START.plus_ms(ms)))).await;
    for due_ms in [100, 200, 300] {
        let promoted = ledger.promote(ALL).await.expect("promote");
        assert_eq!(promoted.next_due, Some(START.plus_ms(due_ms)));
        clock.advance_ms(100);
    }
    assert_eq!(ledger.promote(ALL).await.expect("promote"), Promoted { now: clock.now(), promoted: 1, next_due: None, lag_ms: 0 });
}

async fn the_lag_is_how_long_the_oldest_was_due(ledger: &dyn Ledger, clock: &VirtualClock) {
    let of = |number, tenant: &str, due_ms| NewJob { tenant: tenant_named(tenant), ..scheduled(number, START.plus_ms(due_ms)) };
    insert(ledger, [of(1, "north", 200), of(2, "south", 100), of(3, "south", 5_000)]).await;
    let mut lags = Vec::new();
    for _ in 0..3 {
        clock.advance_ms(99);
        lags.push(ledger.promote(ALL).await.expect("promote").lag_ms);
    }
    clock.advance_ms(4_800);
    lags.push(ledger.promote(ALL).await.expect("promote").lag_ms);
    assert_eq!(lags, [0, 98, 97, 97]);
}

async fn the_limit_cuts_and_the_rest_is_due(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, (1..=5).map(|number| scheduled(number, START.plus_ms(100)))).await;
    clock.advance_ms(100);
    let mut counts = Vec::new();
    loop {
        let promoted = ledger.promote(2).await.expect("promote");
        counts.push(promoted.promoted);
        match promoted.next_due {
            Some(due) => assert!(due <= clock.now()),
            None => break,
        }
    }
    assert_eq!(counts, [2, 2, 1]);
}

async fn a_storm_of_one_tenant_holds_up_no_other(ledger: &dyn Ledger, clock: &VirtualClock) {
    // Both ways round, as either may come first in the ledger's order.
    for (turn, storming, other) in [(0, "north", "south"), (1, "south", "north")] {
        let due = clock.now().plus_ms(100);
        let storm =
            (1..=3 * BATCH_MAX as u64).map(|number| NewJob { tenant: tenant_named(storming), ..scheduled(10_000 * turn + number, due) });
        insert(ledger, storm).await;
        let single = 10_000 * turn + 9_999;
        insert(ledger, [NewJob { tenant: tenant_named(other), ..scheduled(single, due.plus_ms(1)) }]).await;
        clock.advance_ms(101);
        for _ in 0..2 {
            ledger.promote(BATCH_MAX).await.expect("promote");
        }
        assert_eq!(state(ledger, single).await, State::Available, "{other} waits while {storming} storms");
        while promote(ledger).await > 0 {}
    }
}

async fn a_storm_is_promoted_in_commits_of_a_batch(ledger: &dyn Ledger, clock: &VirtualClock) {
    let tenants = ["north", "south", "east"];
    let storm = (1..=2 * BATCH_MAX as u64 + 1)
        .map(|number| NewJob { tenant: tenant_named(tenants[number as usize % tenants.len()]), ..scheduled(number, START.plus_ms(100)) });
    insert(ledger, storm).await;
    events(ledger).await;
    clock.advance_ms(100);
    let (mut commits, mut told) = (Vec::new(), Vec::new());
    loop {
        let promoted = ledger.promote(ALL).await.expect("promote");
        commits.push(promoted.promoted);
        told.push(
            events(ledger).await.into_iter().map(|event| if let FeedEvent::Ready(jobs) = event { jobs.len() as u64 } else { 0 }).sum(),
        );
        let Some(due) = promoted.next_due else { break };
        assert!(due <= promoted.now, "the rest follows at once");
    }
    let batch = BATCH_MAX as u64;
    assert!(commits.iter().all(|jobs| (1..=batch).contains(jobs)), "{commits:?}");
    assert_eq!((commits.iter().sum::<u64>(), &told), (2 * batch + 1, &commits));
}

/// Of the ledger with one writer; over PostgreSQL an insert waits for no promotion.
#[tokio::test]
async fn what_is_written_during_a_storm_waits_for_one_commit_of_it() {
    let clock = ledgers::clock();
    let opened = ledgers::sqlite(&clock).await;
    let ledger: &dyn Ledger = (&opened).into();
    const COMMITS: u64 = 6;
    let storm = (1..=COMMITS * BATCH_MAX as u64).map(|number| scheduled(number, START.plus_ms(100)));
    insert(ledger, storm).await;
    clock.advance_ms(100);
    let done = std::sync::atomic::AtomicU64::new(0);
    let promoting = async {
        for _ in 0..COMMITS {
            assert_eq!(promote(ledger).await, BATCH_MAX as u64);
            done.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    };
    let inserting = async {
        insert(ledger, [ready(100_000)]).await;
        done.load(std::sync::atomic::Ordering::SeqCst)
    };
    // Both ask the one writer, in this order: the insert shares the second commit at the latest.
    let ((), before) = tokio::join!(promoting, inserting);
    assert!(before <= 2, "{before} of {COMMITS} commits came before");
}
