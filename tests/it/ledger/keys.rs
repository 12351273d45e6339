//! Idempotency keys and unique keys, which the verb `insert` reserves and the end of a job releases.

use windrow_jobs::{
    clock::VirtualClock,
    job::{JobId, State},
    keys::{Acceptance, Answer, IDEMPOTENCY_MS, IdempotencyKey, Inserted, Keys, Written},
    ledger::{BATCH_MAX, Intake, Ledger, ListFilter, Retention, postgres::PostgresLedger},
    lifecycle::{self, Ending},
    operate::Operated,
    submit::NewJob,
};
use windrow_tests::{jobs::*, ledgers::START, postgres::Postgres};

conformance! {
    a_repeated_submission_is_answered_as_the_first_was,
    another_submission_with_the_key_is_refused,
    a_tenants_keys_are_its_own,
    an_answer_outlives_its_job,
    an_answer_is_kept_for_a_day,
    answers_whose_time_is_over_are_forgotten_a_few_at_a_time,
    an_insert_that_is_repeated_has_its_keys,
    an_insert_that_is_repeated_after_the_job_ran_takes_no_key,
    one_live_job_has_a_unique_key,
    every_ending_releases_the_unique_key,
    whatever_goes_on_keeps_the_unique_key,
    an_ending_that_is_written_again_releases_nothing,
    a_redrive_needs_the_unique_key_again,
    of_two_redrives_with_one_key_one_is_written,
    a_stale_redrive_reserves_nothing,
    a_deduplicated_answer_is_kept_too,
    the_first_in_a_batch_has_the_key,
    a_batch_is_kept_whole_or_leaves_nothing,
    of_submissions_at_the_same_time_one_is_kept,
    batches_with_crossing_keys_wait_for_each_other,
    a_batch_of_keys_beyond_the_limit_is_kept_whole,
}

/// A submission with an idempotency key; `body` stands for all that it says.
fn once(number: u64, key: &str, body: u8) -> NewJob {
    let idempotency = Some(IdempotencyKey { key: key.to_owned(), fingerprint: [body; 32] });
    NewJob { keys: Keys { idempotency, unique: None }, ..ready(number) }
}

fn unique(number: u64, key: &str) -> NewJob {
    NewJob { keys: Keys { idempotency: None, unique: Some(key.to_owned()) }, ..ready(number) }
}

fn both(number: u64, idempotency: &str, key: &str) -> NewJob {
    let keys = Keys { unique: Some(key.to_owned()), ..once(number, idempotency, 1).keys };
    NewJob { keys, ..ready(number) }
}

async fn inserted(ledger: &dyn Ledger, jobs: impl IntoIterator<Item = NewJob>) -> Vec<Inserted> {
    ledger.insert(jobs.into_iter().collect()).await.expect("insert")
}

fn replayed(first: &NewJob) -> Inserted {
    Inserted::Replayed(Answer::Accepted(Acceptance::of(first)))
}

async fn all(ledger: &dyn Ledger) -> Vec<JobId> {
    listed(ledger, &ListFilter::default()).await
}

async fn a_repeated_submission_is_answered_as_the_first_was(ledger: &dyn Ledger, clock: &VirtualClock) {
    let first = NewJob { priority: 3, deadline: Some(START.plus_ms(70_000)), ..once(1, "k", 1) };
    assert_eq!(inserted(ledger, [first.clone()]).await, [Inserted::Kept]);
    run(ledger, 1, retry()).await;
    events(ledger).await;
    clock.advance_ms(5);
    assert_eq!(inserted(ledger, [once(2, "k", 1), once(3, "k", 1)]).await, [replayed(&first), replayed(&first)]);
    assert_eq!(all(ledger).await, [id(1)]);
    assert_eq!(events(ledger).await, []);
    let balances = ledger.balances().await.expect("balances");
    assert!(balances.iter().all(|balance| balance.holds() && balance.accepted == 1), "{balances:?}");
}

async fn another_submission_with_the_key_is_refused(ledger: &dyn Ledger, _: &VirtualClock) {
    assert_eq!(inserted(ledger, [once(1, "k", 1)]).await, [Inserted::Kept]);
    assert_eq!(inserted(ledger, [once(2, "k", 2), ready(3)]).await, [Inserted::Reused, Inserted::Kept]);
    assert_eq!(all(ledger).await, [id(3), id(1)]);
}

async fn a_tenants_keys_are_its_own(ledger: &dyn Ledger, _: &VirtualClock) {
    let of_north = |job| NewJob { tenant: tenant_named("north"), ..job };
    insert(ledger, [once(1, "k", 1), unique(2, "k"), of_north(once(3, "k", 2)), of_north(unique(4, "k"))]).await;
}

async fn an_answer_outlives_its_job(ledger: &dyn Ledger, clock: &VirtualClock) {
    let first = once(1, "k", 1);
    insert(ledger, [first.clone()]).await;
    run(ledger, 1, done()).await;
    clock.advance_ms(2);
    assert_eq!(ledger.prune(Retention { completed_ms: 1, dead_ms: 1, fires_ms: 1, events_ms: 1 }, ALL).await.expect("prune").jobs, 1);
    assert_eq!(inserted(ledger, [once(2, "k", 1)]).await, [replayed(&first)]);
    assert_eq!(all(ledger).await, []);
}

async fn an_answer_is_kept_for_a_day(ledger: &dyn Ledger, clock: &VirtualClock) {
    let (first, second) = (once(1, "k", 1), once(2, "k", 2));
    insert(ledger, [first.clone()]).await;
    clock.advance_ms(IDEMPOTENCY_MS - 1);
    assert_eq!(inserted(ledger, [once(3, "k", 1)]).await, [replayed(&first)]);
    clock.advance_ms(1);
    assert_eq!(inserted(ledger, [second.clone()]).await, [Inserted::Kept]);
    assert_eq!(inserted(ledger, [once(3, "k", 1), once(4, "k", 2)]).await, [Inserted::Reused, replayed(&second)]);
}

async fn answers_whose_time_is_over_are_forgotten_a_few_at_a_time(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [once(1, "a", 1), once(2, "b", 1), unique(3, "c")]).await;
    clock.advance_ms(1);
    let later = once(4, "d", 1);
    insert(ledger, [later.clone()]).await;
    clock.advance_ms(IDEMPOTENCY_MS - 1);
    let mut forgotten = Vec::new();
    for _ in 0..3 {
        forgotten.push(ledger.forget_keys(1).await.expect("forget"));
    }
    assert_eq!(forgotten, [1, 1, 0]);
    let again = inserted(ledger, [once(5, "d", 1), unique(6, "c"), once(7, "a", 2)]).await;
    assert_eq!(again, [replayed(&later), Inserted::Deduplicated(id(3)), Inserted::Kept]);
}

async fn an_insert_that_is_repeated_has_its_keys(ledger: &dyn Ledger, _: &VirtualClock) {
    let jobs = [once(1, "k", 1), unique(2, "u"), both(3, "l", "v")];
    insert(ledger, jobs.clone()).await;
    insert(ledger, jobs).await;
    assert_eq!(all(ledger).await.len(), 3);
    assert_eq!(job(ledger, 2).await.unique_key.as_deref(), Some("u"));
}

async fn an_insert_that_is_repeated_after_the_job_ran_takes_no_key(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [unique(1, "u")]).await;
    run(ledger, 1, done()).await;
    insert(ledger, [unique(1, "u")]).await;
    insert(ledger, [unique(2, "u")]).await;
}

async fn one_live_job_has_a_unique_key(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [unique(1, "u"), unique(2, "v")]).await;
    events(ledger).await;
    assert_eq!(inserted(ledger, [unique(3, "u"), unique(4, "v")]).await, [Inserted::Deduplicated(id(1)), Inserted::Deduplicated(id(2))]);
    assert_eq!(all(ledger).await, [id(2), id(1)]);
    assert_eq!(events(ledger).await, []);
}

async fn every_ending_releases_the_unique_key(ledger: &dyn Ledger, clock: &VirtualClock) {
    for (number, end) in [(1, done()), (2, bury()), (3, Ending::Cancel(None))] {
        insert(ledger, [unique(number, "u")]).await;
        run(ledger, number, end).await;
    }
    insert(ledger, [unique(4, "u")]).await;
    assert_eq!(cancel(ledger, 4).await, Operated::Done);

    insert(ledger, [NewJob { deadline: Some(START.plus_ms(10)), ..unique(5, "u") }]).await;
    clock.advance_ms(10);
    promote(ledger).await;
    assert_eq!(state(ledger, 5).await, State::Dead);

    insert(ledger, [NewJob { max_attempts: 1, ..unique(6, "u") }]).await;
    claim(ledger, 6).await;
    clock.advance_ms(LEASE_MS + 1);
    assert_eq!(reap(ledger).await, 1);
    assert_eq!(state(ledger, 6).await, State::Dead);
    insert(ledger, [unique(7, "u")]).await;
}

async fn whatever_goes_on_keeps_the_unique_key(ledger: &dyn Ledger, clock: &VirtualClock) {
    let held = [Inserted::Deduplicated(id(1))];
    insert(ledger, [NewJob { state: State::Scheduled, run_at: START.plus_ms(5), ..unique(1, "u") }]).await;
    clock.advance_ms(5);
    promote(ledger).await;
    let claimed = claim(ledger, 1).await;
    assert_eq!(inserted(ledger, [unique(2, "u")]).await, held);
    assert!(settle(ledger, &claimed, retry()).await);
    assert_eq!(inserted(ledger, [unique(2, "u")]).await, held);
    clock.advance_ms(i64::from(BACKOFF.cap_ms));
    promote(ledger).await;
    claim(ledger, 1).await;
    assert_eq!(cancel(ledger, 1).await, Operated::Done);
    assert_eq!(inserted(ledger, [unique(2, "u")]).await, held, "asked to stop, and running still");
}

async fn an_ending_that_is_written_again_releases_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [unique(1, "u")]).await;
    let claimed = claim(ledger, 1).await;
    assert!(settle(ledger, &claimed, done()).await);
    insert(ledger, [unique(2, "u")]).await;
    assert!(settle(ledger, &claimed, done()).await, "it stands already");
    assert_eq!(inserted(ledger, [unique(3, "u")]).await, [Inserted::Deduplicated(id(2))]);
}

async fn a_redrive_needs_the_unique_key_again(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [unique(1, "u")]).await;
    run(ledger, 1, bury()).await;
    insert(ledger, [unique(2, "u")]).await;
    events(ledger).await;
    assert_eq!(redrive(ledger, 1).await, Operated::KeyHeld(id(2)));
    assert_eq!((state(ledger, 1).await, events(ledger).await), (State::Dead, vec![]));
    assert_eq!(attempts(ledger, 1).await.len(), 1);

    run(ledger, 2, done()).await;
    assert_eq!(redrive(ledger, 1).await, Operated::Done);
    assert_eq!(inserted(ledger, [unique(3, "u")]).await, [Inserted::Deduplicated(id(1))]);
    run(ledger, 1, done()).await;
    insert(ledger, [unique(4, "u")]).await;
}

async fn of_two_redrives_with_one_key_one_is_written(ledger: &dyn Ledger, _: &VirtualClock) {
    for number in [1, 2] {
        insert(ledger, [unique(number, "u")]).await;
        run(ledger, number, bury()).await;
    }
    insert(ledger, [unique(3, "u")]).await;
    let claimed = claim(ledger, 3).await;
    let mut changes = vec![ending(&claimed, done())];
    for number in [2, 1] {
        changes.push(lifecycle::redrive(&snapshot(ledger, number).await).expect("a dead job"));
    }
    let written = ledger.operate(&tenant(), changes).await.expect("operate");
    assert_eq!(written, [Written::Done, Written::Done, Written::KeyHeld(id(2))], "in the order given, after the ending before them");
}

async fn a_stale_redrive_reserves_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [unique(1, "u")]).await;
    run(ledger, 1, bury()).await;
    let change = lifecycle::redrive(&snapshot(ledger, 1).await).expect("a dead job");
    assert_eq!(ledger.operate(&tenant_named("north"), vec![change.clone()]).await.expect("operate"), [Written::Stale]);
    assert_eq!(redrive(ledger, 1).await, Operated::Done);
    run(ledger, 1, bury()).await;
    assert_eq!(ledger.operate(&tenant(), vec![change]).await.expect("operate"), [Written::Stale]);
    insert(ledger, [unique(2, "u")]).await;
}

async fn a_deduplicated_answer_is_kept_too(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [unique(1, "u")]).await;
    assert_eq!(inserted(ledger, [both(2, "k", "u")]).await, [Inserted::Deduplicated(id(1))]);
    run(ledger, 1, done()).await;
    let again = inserted(ledger, [both(3, "k", "u")]).await;
    assert_eq!(again, [Inserted::Replayed(Answer::Deduplicated(id(1)))], "the key is free now, and the answer is the same");
    insert(ledger, [unique(4, "u")]).await;
}

async fn the_first_in_a_batch_has_the_key(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [unique(1, "taken")]).await;
    let batch = [
        both(2, "b", "u"),
        both(3, "a", "u"),
        both(4, "b", "u"),
        both(5, "a", "v"),
        both(6, "c", "taken"),
        both(7, "c", "taken"),
        once(8, "c", 2),
        ready(9),
    ];
    let first = batch[0].clone();
    let expected = [
        Inserted::Kept,
        Inserted::Deduplicated(id(2)),
        replayed(&first),
        Inserted::Replayed(Answer::Deduplicated(id(2))),
        Inserted::Deduplicated(id(1)),
        Inserted::Replayed(Answer::Deduplicated(id(1))),
        Inserted::Reused,
        Inserted::Kept,
    ];
    assert_eq!(inserted(ledger, batch).await, expected);
    assert_eq!(all(ledger).await, [id(9), id(2), id(1)]);
    insert(ledger, [unique(10, "v")]).await;
}

async fn a_batch_is_kept_whole_or_leaves_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [once(1, "k", 1)]).await;
    events(ledger).await;
    let batch = vec![ready(2), both(3, "l", "u"), once(4, "k", 2)];
    let refused = ledger.insert_unless_reused(batch.clone()).await.expect("insert");
    assert_eq!((&refused[2], all(ledger).await, events(ledger).await), (&Inserted::Reused, vec![id(1)], vec![]));
    insert(ledger, [once(5, "l", 2), unique(6, "u")]).await;

    let kept = ledger.insert_unless_reused(vec![ready(7), once(8, "k", 1), unique(9, "u")]).await.expect("insert");
    assert_eq!(kept, [Inserted::Kept, replayed(&once(1, "k", 1)), Inserted::Deduplicated(id(6))]);
    assert_eq!(ledger.insert_unless_reused(vec![once(10, "m", 1), once(11, "m", 2)]).await.expect("insert")[1], Inserted::Reused);
    assert_eq!(all(ledger).await, [id(7), id(6), id(5), id(1)]);
}

async fn of_submissions_at_the_same_time_one_is_kept(ledger: &dyn Ledger, _: &VirtualClock) {
    let submissions = (1..=40).map(|number| ledger.insert(vec![both(number, "k", "u")]));
    let answers = futures::future::join_all(submissions).await;
    let became: Vec<Inserted> = answers.into_iter().flat_map(|answer| answer.expect("insert")).collect();
    let kept = became.iter().position(|became| *became == Inserted::Kept).expect("one is kept");
    let first = both(kept as u64 + 1, "k", "u");
    assert!(became.iter().enumerate().all(|(place, became)| place == kept || *became == replayed(&first)), "{became:?}");
    assert_eq!(all(ledger).await, [first.id]);
}

async fn batches_with_crossing_keys_wait_for_each_other(ledger: &dyn Ledger, _: &VirtualClock) {
    let key = |number: u64| format!("u{number}");
    let there = (0..20).map(|turn| ledger.insert((1..=9).map(|number| unique(100 * (turn + 1) + number, &key(number))).collect()));
    let back = (20..40).map(|turn| ledger.insert((1..=9).map(|number| unique(100 * (turn + 1) + number, &key(10 - number))).collect()));
    let answers = futures::future::join_all(there.chain(back)).await;
    let kept = answers.into_iter().flat_map(|answer| answer.expect("insert")).filter(|became| *became == Inserted::Kept).count();
    assert_eq!((kept, all(ledger).await.len()), (9, 9));
}

async fn a_batch_of_keys_beyond_the_limit_is_kept_whole(ledger: &dyn Ledger, _: &VirtualClock) {
    let count = 2 * BATCH_MAX as u64 + 1;
    let batch = |from: u64| (1..=count).map(move |number| both(from + number, &format!("k{number}"), &format!("u{number}")));
    insert(ledger, batch(0)).await;
    let again = inserted(ledger, batch(count)).await;
    assert!(again.iter().zip(batch(0)).all(|(became, first)| *became == replayed(&first)));
    assert_eq!(all(ledger).await.len() as u64, count);
    assert_eq!(cancel(ledger, 1).await, Operated::Done);
    insert(ledger, [unique(3 * count, "u1")]).await;
}

/// Several api processes have each a ledger of their own on one database, and batchers that know nothing of each other.
#[tokio::test]
async fn of_submissions_to_several_processes_one_is_kept() {
    let url = Postgres::shared().await.database().await;
    let mut processes = Vec::new();
    for _ in 0..3 {
        processes.push(PostgresLedger::open(&url).await.expect("the ledger opens"));
    }
    for turn in 0..20 {
        let (key, crossing) = (format!("k{turn}"), |number: u64| format!("{turn}-{number}"));
        let submissions = (0..12).map(|place| {
            let from = 1_000 * (turn + 1) + 10 * place;
            let (up, down) = (unique(from + 2, &crossing(place % 2)), unique(from + 3, &crossing(1 - place % 2)));
            processes[place as usize % 3].insert(vec![once(from + 1, &key, 1), up, down])
        });
        let answers: Vec<Vec<Inserted>> =
            futures::future::join_all(submissions).await.into_iter().map(|answer| answer.expect("insert")).collect();
        let kept = |of: usize| answers.iter().filter(|answer| answer[of] == Inserted::Kept).count();
        assert_eq!((kept(0), kept(1) + kept(2)), (1, 2), "{answers:?}");
        assert!(answers.iter().all(|answer| matches!(answer[0], Inserted::Kept | Inserted::Replayed(_))), "{answers:?}");
    }
    assert_eq!(all(&processes[0]).await.len(), 20 * 3);
}
