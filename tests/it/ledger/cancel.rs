//! Cancelling, by the verb `operate`.

use windrow_jobs::{
    clock::{Clock, VirtualClock},
    job::{Reason, State},
    keys::Written,
    ledger::{FeedEvent, Ledger},
    lifecycle::{self, Ending, Refusal},
    operate::Operated,
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    what_waits_is_cancelled_at_once,
    a_running_handler_is_asked_and_goes_on,
    a_handler_that_heeds_the_request_ends_cancelled,
    work_that_finished_is_completed_though_a_cancel_was_pending,
    what_has_ended_cannot_be_cancelled,
    a_cancelled_job_is_not_claimed,
    of_a_cancel_and_a_claim_one_wins,
    nobody_cancels_for_another_tenant,
    a_batch_answers_for_each_change_in_turn,
}

async fn what_waits_is_cancelled_at_once(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [scheduled(1, START.plus_ms(500)), ready(2), ready(3)]).await;
    run(ledger, 3, retry()).await;
    clock.advance_ms(20);
    // Only the available one leaves a lane; the planner knows nothing of the others.
    for (number, told) in [(1, vec![]), (2, vec![FeedEvent::Gone(vec![id(2)])]), (3, vec![])] {
        events(ledger).await;
        assert_eq!(cancel(ledger, number).await, Operated::Done);
        let job = job(ledger, number).await;
        assert_eq!((job.state, job.reason, job.finished_at), (State::Cancelled, Some(Reason::Cancelled), Some(clock.now())));
        assert_eq!((job.outcome, job.error, job.cancel_requested), (None, None, false), "job {number}");
        assert_eq!(events(ledger).await, told, "job {number}");
    }
    clock.advance_ms(BACKOFF.cap_ms.into());
    assert_eq!(promote(ledger).await, 0);
    assert_eq!(attempts(ledger, 3).await.len(), 1, "the attempt before stays on record");
}

async fn a_running_handler_is_asked_and_goes_on(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let (one, two) = (claim(ledger, 1).await, claim(ledger, 2).await);
    events(ledger).await;
    assert_eq!(cancel(ledger, 1).await, Operated::Done);
    let job = job(ledger, 1).await;
    assert_eq!((job.state, job.cancel_requested, job.attempt, job.lease_until), (State::Running, true, 1, one.snapshot.lease_until));
    assert_eq!(events(ledger).await, []);
    let asked: Vec<_> = heartbeat(ledger, &[&one, &two]).await.iter().map(|held| (held.id, held.cancel_requested)).collect();
    assert_eq!(asked, [(id(1), true), (id(2), false)]);
    assert_eq!(cancel(ledger, 1).await, Operated::Refused(Refusal::AlreadyRequested));
}

async fn a_handler_that_heeds_the_request_ends_cancelled(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    cancel(ledger, 1).await;
    let stopped = decided(&snapshot(ledger, 1).await, Ending::Cancel(None), clock.now());
    assert_eq!(ledger.settle(vec![stopped]).await.expect("settle"), [true]);
    assert_eq!((state(ledger, 1).await, attempts(ledger, 1).await.len()), (State::Cancelled, 1));
}

async fn work_that_finished_is_completed_though_a_cancel_was_pending(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    cancel(ledger, 1).await;
    let finished = decided(&snapshot(ledger, 1).await, done(), clock.now());
    assert_eq!(ledger.settle(vec![finished]).await.expect("settle"), [true]);
    assert_eq!(state(ledger, 1).await, State::Completed);
}

async fn what_has_ended_cannot_be_cancelled(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, (1..=3).map(ready)).await;
    run(ledger, 1, done()).await;
    run(ledger, 2, bury()).await;
    cancel(ledger, 3).await;
    for number in 1..=3 {
        assert_eq!(cancel(ledger, number).await, Operated::Refused(Refusal::Final));
    }
    assert_eq!(cancel(ledger, 4).await, Operated::NotFound);
}

async fn a_cancelled_job_is_not_claimed(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    cancel(ledger, 1).await;
    assert!(try_claim(ledger, 1).await.is_none());
}

async fn of_a_cancel_and_a_claim_one_wins(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let before_claim = lifecycle::cancel(&snapshot(ledger, 1).await).expect("it waits");
    claim(ledger, 1).await;
    assert_eq!(ledger.operate(&tenant(), vec![before_claim]).await.expect("operate"), [Written::Stale]);
    assert_eq!((state(ledger, 1).await, job(ledger, 1).await.cancel_requested), (State::Running, false));
}

async fn nobody_cancels_for_another_tenant(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let change = lifecycle::cancel(&snapshot(ledger, 1).await).expect("it waits");
    events(ledger).await;
    assert_eq!(ledger.operate(&tenant_named("north"), vec![change]).await.expect("operate"), [Written::Stale]);
    assert_eq!(state(ledger, 1).await, State::Available);
    assert_eq!(events(ledger).await, []);
}

async fn a_batch_answers_for_each_change_in_turn(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, (1..=3).map(ready)).await;
    let mut changes = Vec::new();
    for number in [3, 1, 3, 2] {
        changes.push(lifecycle::cancel(&snapshot(ledger, number).await).expect("it waits"));
    }
    claim(ledger, 1).await;
    assert_eq!(ledger.operate(&tenant(), changes).await.expect("operate"), [Written::Done, Written::Stale, Written::Stale, Written::Done]);
}
