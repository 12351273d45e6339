//! The feed: a queue of what the verbs did, and the nudges that say the same sooner.

use windrow_jobs::{
    clock::{Clock, VirtualClock},
    ledger::Ledger,
};
use windrow_tests::jobs::*;

conformance! {
    a_row_is_taken_once,
    a_row_says_when_it_was_written,
    rows_come_oldest_first_and_no_more_than_asked_for,
    seen_rows_are_only_removed,
    a_nudge_says_what_the_feed_says,
    a_verb_that_changes_nothing_tells_nothing,
    places_in_the_feed_are_never_used_twice,
}

async fn a_row_is_taken_once(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    assert_eq!(take(ledger, ALL).await.len(), 1);
    assert!(take(ledger, ALL).await.is_empty());
}

async fn a_row_says_when_it_was_written(ledger: &dyn Ledger, clock: &VirtualClock) {
    let mut nudges = ledger.nudges();
    insert(ledger, [ready(1)]).await;
    let written_ms = clock.now().ms();
    clock.advance_ms(40);
    let rows = ledger.feed(Vec::new(), ALL).await.expect("feed");
    assert_eq!(rows.iter().map(|row| row.at_ms).collect::<Vec<_>>(), [written_ms]);
    assert_eq!(nudges.recv().await.expect("a nudge").at_ms, written_ms);
}

async fn rows_come_oldest_first_and_no_more_than_asked_for(ledger: &dyn Ledger, _: &VirtualClock) {
    for number in 1..=5 {
        insert(ledger, [ready(number)]).await;
    }
    let mut all = take(ledger, 2).await;
    assert_eq!(all.len(), 2);
    assert!(take(ledger, 0).await.is_empty());
    all.extend(take(ledger, ALL).await);
    assert_eq!(all.len(), 5);
    assert!(all.is_sorted() && all[0] < all[4], "{all:?}");
}

async fn seen_rows_are_only_removed(ledger: &dyn Ledger, _: &VirtualClock) {
    let mut nudges = ledger.nudges();
    for number in 1..=3 {
        insert(ledger, [ready(number)]).await;
    }
    let first = nudges.recv().await.expect("a nudge").seq;
    let second = nudges.recv().await.expect("a nudge").seq;
    let third = nudges.recv().await.expect("a nudge").seq;
    let rest = ledger.feed(vec![second, first, 9_999], ALL).await.expect("feed");
    assert_eq!(rest.iter().map(|row| row.seq).collect::<Vec<_>>(), [third]);
    assert!(take(ledger, ALL).await.is_empty());
}

async fn a_nudge_says_what_the_feed_says(ledger: &dyn Ledger, _: &VirtualClock) {
    let mut nudges = ledger.nudges();
    insert(ledger, [ready(1), ready(2)]).await;
    claim(ledger, 1).await;
    run(ledger, 2, retry()).await;
    let feed = ledger.feed(Vec::new(), ALL).await.expect("feed");
    for row in feed {
        assert_eq!(*nudges.recv().await.expect("a nudge"), row);
    }
    assert!(nudges.try_recv().is_err(), "no nudge without a row");
}

async fn a_verb_that_changes_nothing_tells_nothing(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let claimed = claim(ledger, 1).await;
    take(ledger, ALL).await;
    let mut nudges = ledger.nudges();
    heartbeat(ledger, &[&claimed]).await;
    cancel(ledger, 1).await;
    assert!(!settle(ledger, &claimed, done()).await);
    promote(ledger).await;
    reap(ledger).await;
    ledger.prune(windrow_jobs::ledger::Retention::default(), ALL).await.expect("prune");
    assert!(take(ledger, ALL).await.is_empty());
    assert!(nudges.try_recv().is_err());
}

async fn places_in_the_feed_are_never_used_twice(ledger: &dyn Ledger, _: &VirtualClock) {
    insert(ledger, [ready(1)]).await;
    let first = take(ledger, ALL).await;
    insert(ledger, [ready(2)]).await;
    let second = take(ledger, ALL).await;
    assert!(first[0] < second[0]);
}

/// The places of the rows that were taken.
async fn take(ledger: &dyn Ledger, limit: usize) -> Vec<i64> {
    ledger.feed(Vec::new(), limit).await.expect("feed").iter().map(|row| row.seq).collect()
}
