//! The role `Children`: `bear`, `children`.

use windrow_jobs::{
    children::Child,
    clock::{Timestamp, VirtualClock},
    job::State,
    ledger::Ledger,
    submit::NewJob,
};
use windrow_tests::{jobs::*, ledgers::START};

conformance! {
    children_are_kept_once_and_their_times_count_from_then,
    an_attempt_that_is_over_or_is_to_stop_bears_none,
    children_are_told_to_their_tenant_alone,
    children_that_are_made_at_once_are_each_one,
}

/// A child as a handler makes it: its times are delays.
fn child(number: u64, delay_ms: i64) -> NewJob {
    let state = if delay_ms > 0 { State::Scheduled } else { State::Available };
    let zero = Timestamp::from_ms(0);
    NewJob { state, created_at: zero, run_at: zero.plus_ms(delay_ms), tags: vec![format!("row:{number}")], ..ready(number) }
}

async fn children(ledger: &dyn Ledger, numbers: &[u64]) -> Vec<Child> {
    let ids: Vec<_> = numbers.iter().map(|number| id(*number)).collect();
    let mut found = ledger.children(&tenant(), &ids).await.expect("children");
    found.sort_by_key(|child| child.id);
    found
}

async fn children_are_kept_once_and_their_times_count_from_then(ledger: &dyn Ledger, clock: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let parent = claim(ledger, 1).await;
    clock.advance_ms(5);
    assert!(ledger.bear(id(1), parent.snapshot.attempt, vec![child(2, 0), child(3, 700)]).await.expect("bear"));
    let kept = (job(ledger, 2).await, job(ledger, 3).await);
    assert_eq!((kept.0.state, kept.0.created_at, kept.0.run_at), (State::Available, START.plus_ms(5), START.plus_ms(5)));
    assert_eq!((kept.1.state, kept.1.created_at, kept.1.run_at), (State::Scheduled, START.plus_ms(5), START.plus_ms(705)));
    run(ledger, 2, bury()).await;
    clock.advance_ms(5);
    // A parent that was killed repeats itself, and goes on.
    assert!(ledger.bear(id(1), parent.snapshot.attempt, vec![child(2, 0), child(3, 0), child(4, 0)]).await.expect("bear"));
    let told = children(ledger, &[2, 3, 4, 5]).await;
    let expected = |number, state, error| Child { id: id(number), state, error, tags: vec![format!("row:{number}")] };
    let dead = job(ledger, 2).await.error;
    assert!(dead.is_some());
    assert_eq!(told, [expected(2, State::Dead, dead), expected(3, State::Scheduled, None), expected(4, State::Available, None)]);
    clock.advance_ms(700);
    assert_eq!(promote(ledger).await, 1, "a child that was put off is promoted as any other");
    run(ledger, 3, done()).await;
    run(ledger, 4, done()).await;
    let balance = ledger.balances().await.expect("balances").remove(0);
    assert_eq!((balance.accepted, balance.completed, balance.dead, balance.live), (4, 2, 1, 1));
}

async fn an_attempt_that_is_over_or_is_to_stop_bears_none(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1), ready(2)]).await;
    assert!(!ledger.bear(id(1), 0, vec![child(5, 0)]).await.expect("bear"), "it does not run yet");
    let first = claim(ledger, 1).await;
    assert!(!ledger.bear(id(1), 2, vec![child(5, 0)]).await.expect("bear"), "not this attempt");
    assert!(!ledger.bear(id(9), 1, vec![child(5, 0)]).await.expect("bear"), "nobody's");
    assert!(settle(ledger, &first, retry()).await);
    assert!(!ledger.bear(id(1), 1, vec![child(5, 0)]).await.expect("bear"), "it has ended");
    claim(ledger, 2).await;
    cancel(ledger, 2).await;
    assert!(!ledger.bear(id(2), 1, vec![child(5, 0)]).await.expect("bear"), "it was asked to stop");
    assert_eq!(children(ledger, &[5]).await, []);
}

async fn children_are_told_to_their_tenant_alone(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    assert_eq!(ledger.children(&tenant_named("other"), &[id(1)]).await.expect("children"), []);
    assert_eq!(ledger.children(&tenant(), &[]).await.expect("children"), []);
    assert_eq!(children(ledger, &[1, 2]).await.len(), 1, "what is gone is left out");
}

async fn children_that_are_made_at_once_are_each_one(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    claim(ledger, 1).await;
    let at_once = (0..6).map(|from| ledger.bear(id(1), 1, (from + 10..from + 40).map(|number| child(number, 0)).collect()));
    for born in futures::future::join_all(at_once).await {
        assert!(born.expect("bear"));
    }
    let numbers: Vec<u64> = (10..45).collect();
    assert_eq!(children(ledger, &numbers).await.len(), 35);
    assert_eq!(ledger.balances().await.expect("balances").remove(0).accepted, 36);
}
