//! The verb `settle`.

use windrow_jobs::{
    clock::{Clock, VirtualClock},
    job::{Attempt, AttemptOutcome, JobId, Reason, State},
    ledger::{BATCH_MAX, FeedEvent, Ledger},
    lifecycle::Ending,
    submit::NewJob,
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    a_finished_job_is_completed_with_its_result,
    a_failed_attempt_waits_for_its_backoff,
    a_buried_job_is_dead,
    a_snoozed_job_waits_and_is_not_charged,
    an_interrupted_job_is_ready_again_at_once,
    an_attempt_ends_once,
    an_ending_whose_answer_was_lost_counts_as_written,
    an_ending_counts_as_written_only_by_its_own_attempt,
    an_ending_that_stands_vouches_for_no_other_in_its_batch,
    what_befell_the_job_later_vouches_for_no_attempt,
    a_retry_whose_answer_was_lost_is_refused,
    an_older_attempt_cannot_settle,
    a_cancel_in_between_refuses_the_settle,
    a_heartbeat_in_between_does_not,
    of_two_endings_in_a_batch_the_first_wins,
    a_batch_answers_for_each_change_in_turn,
    a_batch_beyond_the_limit_is_settled_whole,
    settles_at_the_same_time_get_their_own_answers,
    a_result_and_an_error_come_back_byte_for_byte,
}

async fn a_finished_job_is_completed_with_its_result(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    events(ledger).await;
    clock.advance_ms(40);
    assert!(settle(ledger, &claimed, done()).await);

    let job = job(ledger, 1).await;
    assert_eq!((job.state, job.attempt, job.finished_at), (State::Completed, 1, Some(clock.now())));
    assert_eq!((job.outcome, job.reason, job.error, job.lease_until), (Some(AttemptOutcome::Completed), None, None, None));
    assert_eq!(job.result.as_deref().map(serde_json::value::RawValue::get), Some(r#"{"ok":true}"#));
    assert_eq!((job.worker.as_deref(), job.started_at), (Some(WORKER), Some(START)));
    assert_eq!(events(ledger).await, [FeedEvent::Freed(vec![(id(1), 1)])]);
    let only = Attempt {
        attempt: 1,
        worker: WORKER.to_owned(),
        started_at: START,
        finished_at: Some(clock.now()),
        outcome: Some(AttemptOutcome::Completed),
        reason: None,
        error: None,
    };
    assert_eq!(attempts(ledger, 1).await, [only]);
}

async fn a_failed_attempt_waits_for_its_backoff(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    events(ledger).await;
    clock.advance_ms(40);
    assert!(settle(ledger, &claimed, retry()).await);

    let run_at = clock.now().plus_ms(5_000);
    let job = job(ledger, 1).await;
    assert_eq!((job.state, job.attempt, job.run_at, job.finished_at), (State::Retryable, 1, run_at, None));
    assert_eq!((job.outcome, job.reason, job.error), (Some(AttemptOutcome::Retry), Some(Reason::Failed), Some(error())));
    let mut told = events(ledger).await;
    told.sort_by_key(|event| matches!(event, FeedEvent::Delayed(_)));
    assert_eq!(told, [FeedEvent::Freed(vec![(id(1), 1)]), FeedEvent::Delayed(run_at.ms())]);
    let first = Attempt {
        attempt: 1,
        worker: WORKER.to_owned(),
        started_at: START,
        finished_at: Some(clock.now()),
        outcome: Some(AttemptOutcome::Retry),
        reason: Some(Reason::Failed),
        error: Some(error()),
    };
    assert_eq!(attempts(ledger, 1).await, [first]);
}

async fn a_buried_job_is_dead(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    clock.advance_ms(40);
    run(ledger, 1, bury()).await;
    let job = job(ledger, 1).await;
    assert_eq!(
        (job.state, job.reason, job.error, job.finished_at),
        (State::Dead, Some(Reason::Permanent), Some(error()), Some(clock.now()))
    );
}

async fn a_snoozed_job_waits_and_is_not_charged(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [NewJob { max_attempts: 1, ..ready(1) }]).await;
    for attempt in 1..=3 {
        run(ledger, 1, Ending::Snooze(700)).await;
        let job = job(ledger, 1).await;
        assert_eq!((job.state, job.attempt, job.forgiven, job.run_at), (State::Scheduled, attempt, attempt, clock.now().plus_ms(700)));
        clock.advance_ms(700);
        assert_eq!(promote(ledger).await, 1);
    }
    assert_eq!(attempts(ledger, 1).await.len(), 3);
}

async fn an_interrupted_job_is_ready_again_at_once(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    events(ledger).await;
    assert!(settle(ledger, &claimed, Ending::Interrupted).await);
    let job = job(ledger, 1).await;
    assert_eq!((job.state, job.attempt, job.forgiven, job.lease_until), (State::Available, 1, 1, None));
    let told = events(ledger).await;
    assert!(told.contains(&FeedEvent::Freed(vec![(id(1), 1)])), "{told:?}");
    assert!(told.iter().any(|event| matches!(event, FeedEvent::Ready(jobs) if jobs[0].attempt == 1)), "{told:?}");
    assert_eq!(claim(ledger, 1).await.snapshot.attempt, 2);
}

async fn an_attempt_ends_once(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    assert!(settle(ledger, &claimed, bury()).await);
    events(ledger).await;
    for other in [done(), retry(), Ending::Interrupted, Ending::Cancel(None)] {
        assert!(!settle(ledger, &claimed, other.clone()).await, "{other:?}");
    }
    assert_eq!(state(ledger, 1).await, State::Dead);
    assert_eq!(events(ledger).await, []);
}

async fn an_ending_whose_answer_was_lost_counts_as_written(ledger: &dyn Ledger, clock: &VirtualClock) {
    for (number, ending) in [(1, done()), (2, bury()), (3, Ending::Cancel(None))] {
        insert(ledger, [ready(number)]).await;
        let claimed = claim(ledger, number).await;
        assert!(settle(ledger, &claimed, ending.clone()).await);
        let before = format!("{:?}", job(ledger, number).await);
        events(ledger).await;
        clock.advance_ms(1_000);
        assert!(settle(ledger, &claimed, ending.clone()).await, "{ending:?}");
        assert_eq!(format!("{:?}", job(ledger, number).await), before, "nothing is written again");
        assert_eq!(events(ledger).await, []);
    }
}

async fn an_ending_counts_as_written_only_by_its_own_attempt(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let first = claim(ledger, 1).await;
    assert!(settle(ledger, &first, Ending::Interrupted).await);
    run(ledger, 1, done()).await;
    assert!(!settle(ledger, &first, done()).await, "attempt 2 finished the job, not attempt 1");
}

async fn an_ending_that_stands_vouches_for_no_other_in_its_batch(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let first = claim(ledger, 1).await;
    assert!(settle(ledger, &first, Ending::Interrupted).await);
    let second = claim(ledger, 1).await;
    assert!(settle(ledger, &second, done()).await);
    let batch = vec![ending(&second, done()), ending(&first, done()), ending(&second, bury())];
    assert_eq!(ledger.settle(batch).await.expect("settle"), [true, false, false]);
}

/// Found by `interleaving.rs` (its seed 39): reaped, then cancelled, and the late worker heard that its ending stands.
async fn what_befell_the_job_later_vouches_for_no_attempt(ledger: &dyn Ledger, clock: &VirtualClock) {
    let deadline = Some(START.plus_ms(LEASE_MS + 1));
    insert(ledger, [ready(1), NewJob { deadline, ..ready(2) }]).await;
    let (cancelled, expired) = (claim(ledger, 1).await, claim(ledger, 2).await);
    clock.advance_ms(LEASE_MS);
    assert_eq!(reap(ledger).await, 2);
    cancel(ledger, 1).await;
    clock.advance_ms(1);
    promote(ledger).await;
    assert_eq!((state(ledger, 1).await, state(ledger, 2).await), (State::Cancelled, State::Dead));
    assert!(!settle(ledger, &cancelled, Ending::Cancel(None)).await, "it was cancelled while it waited");
    assert!(!settle(ledger, &expired, bury()).await, "it died of its deadline");
}

async fn a_retry_whose_answer_was_lost_is_refused(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    assert!(settle(ledger, &claimed, retry()).await);
    assert!(!settle(ledger, &claimed, retry()).await, "the worker reads again and finds its attempt over");
    assert_eq!(attempts(ledger, 1).await.len(), 1);
}

async fn an_older_attempt_cannot_settle(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let first = claim(ledger, 1).await;
    assert!(settle(ledger, &first, Ending::Interrupted).await);
    claim(ledger, 1).await;
    for ending in [done(), retry(), bury()] {
        assert!(!settle(ledger, &first, ending.clone()).await, "{ending:?}");
    }
    assert_eq!((state(ledger, 1).await, job(ledger, 1).await.attempt), (State::Running, 2));
}

async fn a_cancel_in_between_refuses_the_settle(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    cancel(ledger, 1).await;
    assert!(!settle(ledger, &claimed, retry()).await, "it was decided without the request");
    assert_eq!(state(ledger, 1).await, State::Running);
    let again = decided(&snapshot(ledger, 1).await, retry(), clock.now());
    assert_eq!(ledger.settle(vec![again]).await.expect("settle"), [true]);
    assert_eq!(state(ledger, 1).await, State::Cancelled);
}

async fn a_heartbeat_in_between_does_not(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    clock.advance_ms(1_000);
    heartbeat(ledger, &[&claimed]).await;
    assert!(settle(ledger, &claimed, done()).await);
}

async fn of_two_endings_in_a_batch_the_first_wins(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let (one, two) = (claim(ledger, 1).await, claim(ledger, 2).await);
    let batch = vec![ending(&one, retry()), ending(&two, done()), ending(&one, done()), ending(&two, done())];
    assert_eq!(ledger.settle(batch).await.expect("settle"), [true, true, false, true]);
    assert_eq!((state(ledger, 1).await, state(ledger, 2).await), (State::Retryable, State::Completed));
    assert_eq!(attempts(ledger, 1).await.len(), 1);
    let freed: Vec<(JobId, u32)> = events(ledger).await.into_iter().flat_map(freed).collect();
    assert_eq!(freed, [(id(1), 1), (id(2), 1)]);
}

async fn a_batch_answers_for_each_change_in_turn(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, (1..=4).map(ready)).await;
    let mut changes = Vec::new();
    for number in [3, 1, 4, 2] {
        changes.push(ending(&claim(ledger, number).await, done()));
    }
    cancel(ledger, 4).await;
    changes[3].id = id(99);
    assert_eq!(ledger.settle(changes).await.expect("settle"), [true, true, false, false]);
    assert!(ledger.settle(Vec::new()).await.expect("settle").is_empty());
}

async fn a_batch_beyond_the_limit_is_settled_whole(ledger: &dyn Ledger, _: &VirtualClock) {
    let count = 2 * BATCH_MAX + 1;
    insert(ledger, (1..=count as u64).map(ready)).await;
    let claimed = ledger.claim(claim_of((1..=count as u64).map(|number| (id(number), 0)))).await.expect("claim");
    assert_eq!(claimed.len(), count);
    let changes = claimed.iter().map(|claimed| ending(claimed, done())).collect();
    assert_eq!(ledger.settle(changes).await.expect("settle"), vec![true; count]);
    assert_eq!(ledger.balances().await.expect("balances")[0].completed, count as i64);
}

async fn settles_at_the_same_time_get_their_own_answers(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let (one, two) = (claim(ledger, 1).await, claim(ledger, 2).await);
    let (finished, failed, both) = tokio::join!(
        ledger.settle(vec![ending(&one, done())]),
        ledger.settle(vec![ending(&one, bury())]),
        ledger.settle(vec![ending(&two, done()), ending(&one, retry())]),
    );
    let (finished, failed, both) = (finished.expect("settle")[0], failed.expect("settle")[0], both.expect("settle"));
    assert!(both[0], "nobody else settles the second job");
    // Which of the three comes first is the ledger's affair; one of them does, and the row is as it says.
    assert_eq!([finished, failed, both[1]].into_iter().filter(|written| *written).count(), 1);
    let expected = if finished {
        State::Completed
    } else if failed {
        State::Dead
    } else {
        State::Retryable
    };
    assert_eq!(state(ledger, 1).await, expected);
}

async fn a_result_and_an_error_come_back_byte_for_byte(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    let result = r#"{"b": 1.0, "a":1e400, "c": "\u0000 😀 ' \" \\"}"#;
    run(ledger, 1, Ending::Done(result.to_owned())).await;
    assert_eq!(job(ledger, 1).await.result.expect("a result").get(), result);
    let error = windrow_jobs::job::JobError::new("größe", "nul \u{1} quote \" ' \\ 😀", false);
    run(ledger, 2, Ending::Bury(error.clone())).await;
    assert_eq!(job(ledger, 2).await.error, Some(error));
}

fn freed(event: FeedEvent) -> Vec<(JobId, u32)> {
    if let FeedEvent::Freed(attempts) = event { attempts } else { Vec::new() }
}
