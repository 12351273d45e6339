//! The verbs `scrub` and `announce`: what a bug left bare is covered again, and nothing else is touched.

use windrow_jobs::{
    clock::{Clock, VirtualClock},
    job::State,
    ledger::{FeedEvent, Ledger, ReadyJob, Scrubbed},
    lifecycle::Ending,
    submit::NewJob,
};
use windrow_tests::{
    jobs::*,
    ledgers::{Opened, START},
};

conformance! {
    a_ledger_that_is_whole_is_left_alone,
    a_lost_due_time_is_put_back,
    a_lost_deadline_is_put_back,
    a_lost_lease_is_put_back,
    a_lease_that_was_renewed_is_covered_by_the_later_row,
    stale_rows_cover_nothing_and_stay,
    the_walk_goes_on_where_it_stopped,
    only_what_is_available_at_that_attempt_is_announced,
}

/// One job in every state that waits or runs, two with a deadline, and some that are over.
async fn all_sorts(ledger: &dyn Ledger) {
    let deadline = Some(START.plus_ms(50_000));
    insert(ledger, [ready(1), ready(2), ready(3), ready(4), ready(5), scheduled(6, START.plus_ms(9_000))]).await;
    insert(ledger, [NewJob { deadline, ..ready(7) }, NewJob { deadline, ..scheduled(8, START.plus_ms(9_000)) }]).await;
    claim(ledger, 1).await;
    run(ledger, 2, retry()).await;
    run(ledger, 3, done()).await;
    cancel(ledger, 4).await;
}

/// Walks once; what was put back.
async fn walk(ledger: &dyn Ledger) -> (u64, u64) {
    let scrubbed = ledger.scrub(None, ALL).await.expect("scrub");
    (scrubbed.delayed, scrubbed.leases)
}

async fn a_ledger_that_is_whole_is_left_alone(ledger: &Opened, _: &VirtualClock) {
    assert_eq!(ledger.scrub(None, ALL).await.expect("scrub"), Scrubbed::default());
    all_sorts(&**ledger).await;
    events(&**ledger).await;
    let scrubbed = ledger.scrub(None, ALL).await.expect("scrub");
    assert_eq!((scrubbed.next, scrubbed.jobs, scrubbed.delayed, scrubbed.leases), (None, 8, 0, 0));
    let of = |number, attempt| ReadyJob { attempt, ..ready(number).ready() };
    assert_eq!(scrubbed.ready, [of(5, 0), of(7, 0)]);
    assert_eq!(events(&**ledger).await, [], "nothing happened, and nothing is told");
}

async fn a_lost_due_time_is_put_back(ledger: &Opened, clock: &VirtualClock) {
    insert(&**ledger, [scheduled(1, START.plus_ms(9_000)), ready(2)]).await;
    run(&**ledger, 2, retry()).await;
    ledger.lose_side_rows().await;
    clock.advance_ms(9_000);
    assert_eq!(promote(&**ledger).await, 0, "nobody would look at them");
    assert_eq!(walk(&**ledger).await, (2, 0));
    let told = events(&**ledger).await;
    assert_eq!(told, [FeedEvent::Delayed(START.plus_ms(5_000).ms())], "the duty that waits for it is woken");
    assert_eq!(walk(&**ledger).await, (0, 0), "once");
    assert_eq!(promote(&**ledger).await, 2);
    assert_eq!((state(&**ledger, 1).await, state(&**ledger, 2).await), (State::Available, State::Available));
}

async fn a_lost_deadline_is_put_back(ledger: &Opened, clock: &VirtualClock) {
    insert(&**ledger, [NewJob { deadline: Some(START.plus_ms(100)), ..ready(1) }]).await;
    ledger.lose_side_rows().await;
    assert_eq!(walk(&**ledger).await, (1, 0));
    clock.advance_ms(100);
    assert_eq!(promote(&**ledger).await, 1);
    assert_eq!(state(&**ledger, 1).await, State::Dead);
}

async fn a_lost_lease_is_put_back(ledger: &Opened, clock: &VirtualClock) {
    insert(&**ledger, (1..=3).map(ready)).await;
    claim(&**ledger, 1).await;
    clock.advance_ms(700);
    claim(&**ledger, 2).await;
    ledger.lose_side_rows().await;
    assert_eq!(walk(&**ledger).await, (0, 2));
    assert_eq!(walk(&**ledger).await, (0, 0), "once");
    assert_eq!(ledger.first_expiry().await.expect("expiry"), Some(START.plus_ms(LEASE_MS)));
    clock.advance_ms(LEASE_MS - 700);
    assert_eq!(reap(&**ledger).await, 1);
    clock.advance_ms(700);
    assert_eq!(reap(&**ledger).await, 1);
    assert_eq!(clock.now(), START.plus_ms(LEASE_MS + 700));
}

async fn a_lease_that_was_renewed_is_covered_by_the_later_row(ledger: &Opened, clock: &VirtualClock) {
    insert(&**ledger, [ready(1), ready(2)]).await;
    let (one, two) = (claim(&**ledger, 1).await, claim(&**ledger, 2).await);
    for _ in 0..3 {
        clock.advance_ms(LEASE_MS / 3);
        heartbeat(&**ledger, &[&one, &two]).await;
        assert_eq!(walk(&**ledger).await, (0, 0));
        reap(&**ledger).await;
        assert_eq!(walk(&**ledger).await, (0, 0));
    }
    assert!(settle(&**ledger, &one, done()).await && settle(&**ledger, &two, Ending::Snooze(5)).await);
    assert_eq!(walk(&**ledger).await, (0, 0));
}

async fn stale_rows_cover_nothing_and_stay(ledger: &Opened, clock: &VirtualClock) {
    // A due time of long ago, for a job that waits for another now.
    insert(&**ledger, [scheduled(1, START.plus_ms(100))]).await;
    cancel(&**ledger, 1).await;
    redrive(&**ledger, 1).await;
    run(&**ledger, 1, Ending::Snooze(60_000)).await;
    let expected = ledger.promote(0).await.expect("promote").next_due;
    assert_eq!(walk(&**ledger).await, (0, 0));
    assert_eq!(ledger.promote(0).await.expect("promote").next_due, expected, "what is stale is left to whom it is for");
    clock.advance_ms(100);
    assert_eq!(promote(&**ledger).await, 0);
    assert_eq!(walk(&**ledger).await, (0, 0));
}

async fn the_walk_goes_on_where_it_stopped(ledger: &Opened, _: &VirtualClock) {
    insert(&**ledger, (1..=5).map(|number| scheduled(number, START.plus_ms(9_000)))).await;
    ledger.lose_side_rows().await;
    let (mut after, mut looks) = (None, Vec::new());
    loop {
        let scrubbed = ledger.scrub(after, 2).await.expect("scrub");
        looks.push((scrubbed.jobs, scrubbed.delayed));
        after = scrubbed.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(looks, [(2, 2), (2, 2), (1, 1)]);
}

async fn only_what_is_available_at_that_attempt_is_announced(ledger: &Opened, _: &VirtualClock) {
    all_sorts(&**ledger).await;
    run(&**ledger, 5, Ending::Interrupted).await;
    events(&**ledger).await;
    let of = |number, attempt| ReadyJob { attempt, ..ready(number).ready() };
    let announced = ledger.announce((1..=9).map(|number| of(number, 0)).chain([of(5, 1)]).collect()).await.expect("announce");
    assert_eq!(announced, 2);
    assert_eq!(events(&**ledger).await, [FeedEvent::Ready(vec![of(7, 0), of(5, 1)])]);
    assert_eq!(ledger.announce(vec![of(1, 1)]).await.expect("announce"), 0);
    assert_eq!(events(&**ledger).await, []);
}
