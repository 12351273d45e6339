//! Redriving, by the verb `operate`.

use windrow_jobs::{
    clock::{Clock, VirtualClock},
    job::{AttemptOutcome, Reason, State},
    keys::Written,
    ledger::{FeedEvent, Ledger},
    lifecycle::{self, Ending, Refusal},
    operate::Operated,
    submit::NewJob,
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    a_dead_job_comes_back_with_all_its_attempts,
    the_attempt_that_ended_the_job_stays_on_record,
    a_job_that_was_never_claimed_has_no_attempt_on_record,
    a_job_cancelled_between_attempts_has_each_attempt_once,
    a_redrive_lifts_the_deadline,
    a_redrive_takes_a_pending_cancel_back,
    only_what_is_dead_or_cancelled_is_redriven,
    of_two_redrives_one_is_written,
    a_settle_from_before_the_redrive_is_refused,
    nobody_redrives_for_another_tenant,
}

async fn a_dead_job_comes_back_with_all_its_attempts(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [NewJob { max_attempts: 1, ..ready(1) }]).await;
    run(ledger, 1, retry()).await;
    assert_eq!(state(ledger, 1).await, State::Dead);
    events(ledger).await;
    clock.advance_ms(60);
    assert_eq!(redrive(ledger, 1).await, Operated::Done);

    let back = job(ledger, 1).await;
    assert_eq!((back.state, back.attempt, back.forgiven, back.crashes), (State::Available, 1, 1, 0));
    assert_eq!((back.run_at, back.finished_at, back.outcome, back.reason, back.error), (clock.now(), None, None, None, None));
    let told = events(ledger).await;
    assert!(matches!(&told[..], [FeedEvent::Ready(jobs)] if jobs[0].id == id(1) && jobs[0].attempt == 1), "{told:?}");
    run(ledger, 1, retry()).await;
    let again = job(ledger, 1).await;
    assert_eq!((again.state, again.reason, again.attempt), (State::Dead, Some(Reason::Exhausted), 2), "one more attempt, and no more");
}

async fn the_attempt_that_ended_the_job_stays_on_record(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    clock.advance_ms(40);
    assert!(settle(ledger, &claimed, bury()).await);
    let ended = attempts(ledger, 1).await;
    clock.advance_ms(60);
    redrive(ledger, 1).await;
    assert_eq!(attempts(ledger, 1).await, ended);
    run(ledger, 1, done()).await;
    let all = attempts(ledger, 1).await;
    assert_eq!((all.len(), &all[..1]), (2, &ended[..]));
    assert_eq!((all[0].outcome, all[0].finished_at), (Some(AttemptOutcome::Dead), Some(START.plus_ms(40))));
    assert_eq!(all[1].outcome, Some(AttemptOutcome::Completed));
}

async fn a_job_that_was_never_claimed_has_no_attempt_on_record(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    cancel(ledger, 1).await;
    redrive(ledger, 1).await;
    assert_eq!(attempts(ledger, 1).await, []);
    assert_eq!(claim(ledger, 1).await.snapshot.attempt, 1);
}

async fn a_job_cancelled_between_attempts_has_each_attempt_once(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    run(ledger, 1, retry()).await;
    let failed = attempts(ledger, 1).await;
    for _ in 0..2 {
        cancel(ledger, 1).await;
        assert_eq!(attempts(ledger, 1).await, failed);
        redrive(ledger, 1).await;
        assert_eq!(attempts(ledger, 1).await, failed);
    }
}

async fn a_redrive_lifts_the_deadline(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [NewJob { deadline: Some(START.plus_ms(10)), ..ready(1) }]).await;
    clock.advance_ms(10);
    assert_eq!(promote(ledger).await, 1);
    assert_eq!(state(ledger, 1).await, State::Dead);
    redrive(ledger, 1).await;
    assert_eq!(promote(ledger).await, 0);
    let back = job(ledger, 1).await;
    assert_eq!((back.state, back.deadline), (State::Available, None));
}

async fn a_redrive_takes_a_pending_cancel_back(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    cancel(ledger, 1).await;
    let stopped = decided(&snapshot(ledger, 1).await, Ending::Cancel(None), clock.now());
    ledger.settle(vec![stopped]).await.expect("settle");
    redrive(ledger, 1).await;
    assert!(!job(ledger, 1).await.cancel_requested);
    run(ledger, 1, done()).await;
}

async fn only_what_is_dead_or_cancelled_is_redriven(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2), ready(3), ready(4), scheduled(5, START.plus_ms(9))]).await;
    claim(ledger, 2).await;
    run(ledger, 3, done()).await;
    run(ledger, 4, retry()).await;
    for number in 1..=5 {
        assert_eq!(redrive(ledger, number).await, Operated::Refused(Refusal::NotRedrivable), "job {number}");
    }
}

async fn of_two_redrives_one_is_written(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    run(ledger, 1, bury()).await;
    let change = lifecycle::redrive(&snapshot(ledger, 1).await).expect("it is dead");
    let both = vec![change.clone(), change];
    assert_eq!(ledger.operate(&tenant(), both).await.expect("operate"), [Written::Done, Written::Stale]);
    assert_eq!(attempts(ledger, 1).await.len(), 1);
}

async fn a_settle_from_before_the_redrive_is_refused(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let first = claim(ledger, 1).await;
    assert!(settle(ledger, &first, bury()).await);
    redrive(ledger, 1).await;
    assert!(!settle(ledger, &first, bury()).await, "the job is ready, not dead");
    claim(ledger, 1).await;
    assert!(!settle(ledger, &first, done()).await);
}

async fn nobody_redrives_for_another_tenant(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    run(ledger, 1, bury()).await;
    let ended = attempts(ledger, 1).await;
    let change = lifecycle::redrive(&snapshot(ledger, 1).await).expect("it is dead");
    assert_eq!(ledger.operate(&tenant_named("north"), vec![change]).await.expect("operate"), [Written::Stale]);
    assert_eq!((state(ledger, 1).await, attempts(ledger, 1).await), (State::Dead, ended));
}
