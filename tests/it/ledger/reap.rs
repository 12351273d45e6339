//! The verb `reap`.

use windrow_jobs::{
    clock::{Clock, VirtualClock},
    job::{AttemptOutcome, Reason, State},
    ledger::{Claim, FeedEvent, Holding, Ledger},
    lifecycle::CRASHES_MAX,
    submit::NewJob,
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    a_silent_workers_attempts_end_when_their_lease_has_run_out,
    a_reaped_attempt_cannot_complete,
    a_reaped_job_runs_again_elsewhere,
    a_lease_that_was_renewed_is_not_reaped,
    one_renewed_lease_of_a_claim_does_not_save_the_others,
    every_attempt_is_reaped_though_it_was_renewed_for_long,
    a_lease_ends_when_it_is_reaped_and_not_before,
    an_attempt_that_settled_is_not_reaped,
    a_job_that_was_asked_to_stop_is_cancelled,
    a_job_that_crashes_again_and_again_is_quarantined,
    the_reaper_takes_a_few_leases_at_a_time_and_forgets_none,
    a_new_incarnation_reaps_all_that_run,
    what_was_reaped_is_told_to_the_planner,
    the_first_expiry_is_known_before_and_after_it,
}

async fn a_silent_workers_attempts_end_when_their_lease_has_run_out(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    claim(ledger, 1).await;
    clock.advance_ms(LEASE_MS - 1);
    assert_eq!(reap(ledger).await, 0);
    clock.advance_ms(1);
    assert_eq!(reap(ledger).await, 1);

    let job = job(ledger, 1).await;
    assert_eq!((job.state, job.attempt, job.crashes, job.lease_until), (State::Retryable, 1, 1, None));
    assert_eq!((job.outcome, job.reason), (Some(AttemptOutcome::Retry), Some(Reason::LeaseLost)));
    assert!(job.run_at >= clock.now());
    let attempts = attempts(ledger, 1).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].reason, attempts[0].finished_at), (Some(Reason::LeaseLost), Some(clock.now())));
    assert_eq!(state(ledger, 2).await, State::Available);
    assert_eq!(reap(ledger).await, 0);
}

async fn a_reaped_attempt_cannot_complete(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    clock.advance_ms(LEASE_MS);
    reap(ledger).await;
    assert!(!settle(ledger, &claimed, done()).await);
    assert_eq!(heartbeat(ledger, &[&claimed]).await, []);
    assert_eq!(state(ledger, 1).await, State::Retryable);
}

async fn a_reaped_job_runs_again_elsewhere(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let lost = claim(ledger, 1).await;
    clock.advance_ms(LEASE_MS);
    reap(ledger).await;
    clock.advance_ms(LEASE_MS);
    promote(ledger).await;
    let second = ledger.claim(Claim { worker: "worker-2".to_owned(), ..claim_of([(id(1), 1)]) }).await.expect("claim").remove(0);
    assert!(!settle(ledger, &lost, done()).await);
    assert!(settle(ledger, &second, done()).await);
    let workers: Vec<_> = attempts(ledger, 1).await.into_iter().map(|attempt| attempt.worker).collect();
    assert_eq!(workers, [WORKER, "worker-2"]);
}

async fn a_lease_that_was_renewed_is_not_reaped(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    for _ in 0..5 {
        clock.advance_ms(LEASE_MS / 2);
        heartbeat(ledger, &[&claimed]).await;
        assert_eq!(reap(ledger).await, 0);
    }
    clock.advance_ms(LEASE_MS);
    assert_eq!(reap(ledger).await, 1);
}

async fn one_renewed_lease_of_a_claim_does_not_save_the_others(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, (1..=3).map(ready)).await;
    let claimed = ledger.claim(claim_of((1..=3).map(|number| (id(number), 0)))).await.expect("claim");
    clock.advance_ms(LEASE_MS / 2);
    heartbeat(ledger, &[&claimed[1]]).await;
    clock.advance_ms(LEASE_MS / 2);
    assert_eq!(reap(ledger).await, 2);
    assert_eq!(state(ledger, 2).await, State::Running);
    clock.advance_ms(LEASE_MS / 2);
    assert_eq!(reap(ledger).await, 1);
}

async fn every_attempt_is_reaped_though_it_was_renewed_for_long(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let claimed = ledger.claim(claim_of([(id(1), 0), (id(2), 0)])).await.expect("claim");
    let holding = |index: usize, lease_ms| Holding { id: claimed[index].snapshot.id, attempt: 1, lease_ms };
    ledger.heartbeat(WORKER, vec![holding(0, 5_000), holding(1, 3 * LEASE_MS)]).await.expect("heartbeat");
    // The lease of the claim runs out, but who holds it was renewed.
    clock.advance_ms(LEASE_MS);
    reap(ledger).await;
    assert_eq!(state(ledger, 2).await, State::Running);
    clock.advance_ms(2 * LEASE_MS);
    reap(ledger).await;
    assert_eq!((state(ledger, 1).await, state(ledger, 2).await), (State::Retryable, State::Retryable));
}

async fn a_lease_ends_when_it_is_reaped_and_not_before(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let (late, silent) = (claim(ledger, 1).await, claim(ledger, 2).await);
    clock.advance_ms(2 * LEASE_MS);
    assert_eq!(heartbeat(ledger, &[&late]).await.len(), 1);
    assert!(settle(ledger, &silent, done()).await);
    assert_eq!(reap(ledger).await, 0);
    clock.advance_ms(LEASE_MS);
    assert_eq!(reap(ledger).await, 1);
}

async fn an_attempt_that_settled_is_not_reaped(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    run(ledger, 1, done()).await;
    run(ledger, 2, retry()).await;
    clock.advance_ms(LEASE_MS);
    promote(ledger).await;
    // Job 2 runs again, on a lease of its own.
    claim(ledger, 2).await;
    assert_eq!(reap(ledger).await, 0);
    assert_eq!((state(ledger, 1).await, state(ledger, 2).await), (State::Completed, State::Running));
}

async fn a_job_that_was_asked_to_stop_is_cancelled(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    cancel(ledger, 1).await;
    clock.advance_ms(LEASE_MS);
    assert_eq!(reap(ledger).await, 1);
    let job = job(ledger, 1).await;
    assert_eq!((job.state, job.reason, job.finished_at), (State::Cancelled, Some(Reason::Cancelled), Some(clock.now())));
}

async fn a_job_that_crashes_again_and_again_is_quarantined(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    for crash in 1..=CRASHES_MAX {
        claim(ledger, 1).await;
        clock.advance_ms(LEASE_MS);
        assert_eq!(reap(ledger).await, 1);
        assert_eq!(job(ledger, 1).await.crashes, crash);
        clock.advance_ms(LEASE_MS);
        promote(ledger).await;
    }
    let job = job(ledger, 1).await;
    assert_eq!((job.state, job.reason), (State::Dead, Some(Reason::Quarantined)));
    assert_eq!(attempts(ledger, 1).await.len(), CRASHES_MAX as usize);
}

async fn the_reaper_takes_a_few_leases_at_a_time_and_forgets_none(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, (1..=5).map(ready)).await;
    for number in 1..=5 {
        claim(ledger, number).await;
    }
    clock.advance_ms(LEASE_MS);
    assert_eq!(ledger.reap(2, false).await.expect("reap"), 5);
}

async fn a_new_incarnation_reaps_all_that_run(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1), ready(2), ready(3), NewJob { max_attempts: 1, ..ready(4) }]).await;
    let held = claim(ledger, 1).await;
    claim(ledger, 4).await;
    run(ledger, 2, done()).await;
    clock.advance_ms(1);
    heartbeat(ledger, &[&held]).await;
    assert_eq!(ledger.reap(ALL, true).await.expect("reap"), 2);
    assert_eq!((state(ledger, 1).await, state(ledger, 4).await), (State::Retryable, State::Dead));
    assert_eq!((state(ledger, 2).await, state(ledger, 3).await), (State::Completed, State::Available));
    assert!(!settle(ledger, &held, done()).await);
    assert_eq!(ledger.running().await.expect("running"), []);
    assert_eq!(ledger.reap(ALL, true).await.expect("reap"), 0);
}

async fn what_was_reaped_is_told_to_the_planner(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    events(ledger).await;
    clock.advance_ms(LEASE_MS);
    reap(ledger).await;
    let run_at = job(ledger, 1).await.run_at;
    let told = events(ledger).await;
    assert!(told.contains(&FeedEvent::Freed(vec![(id(1), 1)])), "{told:?}");
    assert!(told.contains(&FeedEvent::Delayed(run_at.ms())), "{told:?}");
}

async fn the_first_expiry_is_known_before_and_after_it(ledger: &dyn Ledger, clock: &VirtualClock) {
    let first = async || ledger.first_expiry().await.expect("first expiry");
    assert_eq!(first().await, None);
    insert(ledger, [ready(1), ready(2)]).await;
    claim(ledger, 1).await;
    clock.advance_ms(700);
    claim(ledger, 2).await;
    assert_eq!(first().await, Some(START.plus_ms(LEASE_MS)));
    clock.advance_ms(LEASE_MS - 1);
    assert_eq!(first().await, Some(START.plus_ms(LEASE_MS)), "nobody has looked at it");
    reap(ledger).await;
    assert_eq!(first().await, Some(START.plus_ms(LEASE_MS + 700)));
    clock.advance_ms(1);
    reap(ledger).await;
    assert_eq!(first().await, None);
}
